"""Redis's own tests in internal mode: the suite starts and stops our server itself.

    python tests/kvstore/conformance_internal.py --redis DIR [--only FILE ...] [--write]

DIR is a checkout of redis at tag 7.0.15 whose `src/` has redis-cli, redis-benchmark and the
checkers; it is copied, and in the copy `src/redis-server` is a script that runs our launcher.

Every test that does not pass is in `CAUSES`, by file and name, with why.  A run compares: who fails
without being listed there is reported, and so is who is listed and passes.  Tests that would never
end, because they wait for what cannot happen here, are left out by name (`ENDLESS`) and count as
failed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from tests.kvstore.conformance import outcomes

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "kvstore-conformance-internal.md"
FILES = [
    "unit/auth", "unit/info", "unit/aofrw", "unit/acl", "unit/acl-v2", "unit/maxmemory",
    "unit/limits", "unit/wait", "unit/obuf-limits", "unit/querybuf", "unit/pubsubshard",
    "integration/aof", "integration/aof-multi-part", "integration/rdb", "integration/replication",
    "integration/replication-psync", "integration/block-repl", "integration/shutdown",
    "integration/redis-cli", "integration/redis-benchmark", "unit/scripting",
]  # fmt: skip
LAUNCHER = '#!/bin/sh\nexec {python} -m kvstore.redis_server "$@"\n'

NO_CHILD = "kills the forked child that saves; here the server itself writes, beside its service"
NO_QUERY_BUFFER = (
    "expects a client to have an input buffer of its own; here requests are parsed where they were "
    "received, and only one that is not whole is kept"
)
AFTER_KILL = "goes on from the files of a test before it, which kills a forked child"
CAUSES: dict[str, dict[str, str]] = {
    "unit/maxmemory": {
        "With maxmemory and LRU policy integers are not shared":
            "small integers are shared under every policy: when a key was used is not in its value",
    },
    "unit/querybuf": {
        "query buffer resized correctly": NO_QUERY_BUFFER,
        "query buffer resized correctly when not idle": NO_QUERY_BUFFER,
    },
    "integration/aof-multi-part": {
        "AOF multiple rewrite failures will open multiple INCR AOFs": NO_CHILD,
        "AOF rewrite doesn't open new aof when AOF turn off": AFTER_KILL,
        "AOF enable/disable auto gc": AFTER_KILL,
        "AOF can produce consecutive sequence number after reload": AFTER_KILL,
        "AOF enable during BGSAVE will not write data util AOFRW finish": NO_CHILD,
        "AOF will trigger limit when AOFRW fails many times": NO_CHILD,
        "AOF will open a temporary INCR AOF to accumulate data until the first AOFRW success when "
        "AOF is dynamically enabled": NO_CHILD,
        "Multi Part AOF can upgrade when when two redis share the same server dir":
            "two servers in one folder: here a folder belongs to one server, which locks it",
    },
    "integration/rdb": {
        "Test child sending info": "looks at the pages a forked child has copied",
        "failed bgsave prevents writes": NO_CHILD,
    },
    "integration/replication": {
        "diskless replication child being killed is collected": NO_CHILD,
        "replication child dies when parent is killed - diskless: yes": NO_CHILD,
        "replication child dies when parent is killed - diskless: no": NO_CHILD,
        "replica can handle EINTR if use diskless load":
            "looks for the log line of the watchdog, a signal that interrupts the C program",
    },
}  # fmt: skip
ENDLESS: dict[str, tuple[str, ...]] = {
    "integration/aof-multi-part": (
        "AOF multiple rewrite failures will open multiple INCR AOFs",
        "AOF enable during BGSAVE will not write data util AOFRW finish",
        "AOF will trigger limit when AOFRW fails many times",
        "AOF will open a temporary INCR AOF to accumulate data until the first AOFRW success when "
        "AOF is dynamically enabled",
        "Multi Part AOF can upgrade when when two redis share the same server dir",
    ),
    "integration/rdb": ("failed bgsave prevents writes",),
}


class Outcome(NamedTuple):
    """What came of one file: tests that passed, tests that did not, what else went wrong."""

    passed: int
    failed: list[str]
    trouble: list[str]


def prepare(suite: Path, folder: Path) -> Path:
    """A copy of the checkout whose redis-server is ours."""
    copy = folder / "redis"
    shutil.copytree(suite, copy, symlinks=True, ignore=shutil.ignore_patterns(".git", "deps"))
    launcher = copy / "src" / "redis-server"
    launcher.unlink(missing_ok=True)
    launcher.write_text(LAUNCHER.format(python=sys.executable))
    launcher.chmod(0o755)
    return copy


def free_ports() -> int:
    """Where the suite may look for the ports of its servers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return min(int(server.getsockname()[1]), 50_000)


def run_file(copy: Path, name: str, seconds: int) -> Outcome:
    """Run one file."""
    endless = ENDLESS.get(name, ())
    command = ["./runtest", "--clients", "1", "--durable", "--timeout", "300", "--single", name,
               "--baseport", str(free_ports())]  # fmt: skip
    for test in endless:
        command += ["--skiptest", test]
    with subprocess.Popen(
        command, cwd=copy, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    ) as process:
        try:
            said, trouble = process.communicate(timeout=seconds)[0], []
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            said, trouble = process.communicate()[0], [f"not finished after {seconds} s"]
    passed, others = outcomes(said)
    failed = list(dict.fromkeys(
        line.rpartition(" in tests/")[0] for line in others if " in tests/" in line))
    # A test that hangs ends its file.
    trouble += [
        line for line in others
        if line.endswith(" (hangs)") or line.startswith("Executing test client")
    ]
    return Outcome(len(passed), [*failed, *endless], trouble)


def surprises(name: str, outcome: Outcome) -> list[str]:
    """Where the file did not go as it is written down."""
    causes, failed = CAUSES.get(name, {}), outcome.failed
    return [
        *(f"fails, and no cause is known: {test}" for test in failed if test not in causes),
        *(f"listed as failing, but passes: {test}" for test in causes if test not in failed),
        *outcome.trouble,
    ]


def page(results: dict[str, Outcome]) -> str:
    """The page in docs/reference."""
    passed = sum(each.passed for each in results.values())
    failed = sum(len(each.failed) for each in results.values())
    lines = [
        "# kvstore started by Redis's own tests", "",
        "Made by `tests/kvstore/conformance_internal.py`: Redis 7.0.15's suite in internal mode,",
        "slow tests included; our launcher (`python -m kvstore.redis_server`) is its redis-server.",
        "", f"**{passed} of {passed + failed} tests pass "
        f"({100 * passed / max(passed + failed, 1):.1f} %).**", "",
        "| file | passed | failed |", "|---|---|---|",
        *(f"| {name} | {each.passed} | {len(each.failed)} |" for name, each in results.items()),
        f"| **all** | **{passed}** | **{failed}** |", "", "## What fails, and why", "",
    ]  # fmt: skip
    for name, each in results.items():
        for test in each.failed:
            cause = CAUSES.get(name, {}).get(test, "not known")
            lines.append(f"- {name}, *{test}*: {cause}")
        lines += [f"- {name}: {what}" for what in each.trouble]
    return "\n".join([*lines, ""])


def main(argv: list[str] | None = None) -> int:
    """Run the files and print, or write down, what came of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--redis", type=Path, required=True)
    parser.add_argument("--only", nargs="*", default=FILES)
    parser.add_argument("--seconds", type=int, default=900, help="for one file at most")
    parser.add_argument("--write", action="store_true", help="write the page in docs/reference")
    options = parser.parse_args(argv)
    results: dict[str, Outcome] = {}
    unexpected = 0
    with tempfile.TemporaryDirectory(prefix="kvstore-suite-") as folder:
        copy = prepare(options.redis, Path(folder))
        for name in options.only:
            outcome = results[name] = run_file(copy, name, options.seconds)
            wrong = surprises(name, outcome)
            unexpected += len(wrong)
            counts = f"{outcome.passed:>4} passed, {len(outcome.failed):>2} failed"
            print(f"{name:<32} {counts}", *wrong, sep="\n    ", flush=True)
    passed = sum(each.passed for each in results.values())
    print(f"{passed} passed, {sum(len(each.failed) for each in results.values())} failed")
    if options.write:
        PAGE.write_text(page(results))
    return 1 if unexpected else 0


if __name__ == "__main__":
    sys.exit(main())
