"""Redis's own tests against a running kvstore; writes docs/reference/kvstore-conformance.md.

    python -m tests.kvstore.conformance --redis DIR [--run X1 ...] [--only FILE ...]
    python -m tests.kvstore.conformance --redis DIR --count-redis-server [--run X1 ...]
    python -m tests.kvstore.conformance --cts DIR [--python PYTHON]

DIR of --redis is a checkout of redis at tag 7.0.15 whose `src/` has redis-cli and redis-benchmark;
two runs at once need two checkouts, because the suite writes into its own folder.  DIR of --cts is
one of tair-opensource/compatibility-test-suite-for-redis (its PYTHON needs redis-py 5 and PyYAML).

A run is a way to start the server and a choice of tests; every file of it meets a fresh server.
The same script counts what redis-server passes with the same flags (`conformance_counts.json`).
Why a test fails is written by hand (`conformance_causes.toml`); a cause that no failing test needs
any more is reported.  Each run has a section of the page, which is replaced when it was run whole.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
import tomllib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import redis

from bedrock.app.ports import accepts, free_port
from bedrock.testing import peers

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "reference" / "kvstore-conformance.md"
COUNTS = HERE / "conformance_counts.json"
CAUSES = HERE / "conformance_causes.toml"
HEAD = """# kvstore beside Redis's own tests

Made by `tests/kvstore/conformance.py`. Every file of the suite runs against a fresh server; the
column of redis-server was counted by the same script with the same flags.
"""
NO_FILES = ("--save", "")
ALL_FLAGS = (*NO_FILES, "--enable-protected-configs", "yes", "--enable-debug-command", "yes",
             "--enable-module-command", "yes")  # fmt: skip


@dataclass(frozen=True)
class Run:
    """A way to start the server, and the tests that are meant for it."""

    title: str
    flags: tuple[str, ...]
    tags: str
    suite: tuple[str, ...] = ()
    slots: bool = False


RUNS = {
    "X1": Run("everything a running server can be asked", ALL_FLAGS, "-slow"),
    "X2": Run("without DEBUG", NO_FILES, "-slow -needs:debug"),
    "X3": Run(
        "minimal: neither DEBUG nor replication nor the names of encodings", NO_FILES,
        "-slow -needs:debug -needs:repl -needs:config-maxmemory -needs:config-resetstat "
        "-needs:pfdebug -needs:save -needs:reset", ("--ignore-encoding", "--ignore-digest"),
    ),
    "X4": Run("a cluster of one node", (*ALL_FLAGS, "--cluster-enabled", "yes"), "-slow",
              ("--cluster-mode",), slots=True),
}  # fmt: skip

# Its files, without those that only ever start servers themselves.
FILES = [
    "unit/dump", "unit/protocol", "unit/keyspace", "unit/scan", "unit/info-command",
    "unit/type/string", "unit/type/incr", "unit/type/list", "unit/type/list-3", "unit/type/set",
    "unit/type/zset", "unit/type/hash", "unit/type/stream", "unit/type/stream-cgroups",
    "unit/sort", "unit/expire", "unit/other", "unit/multi", "unit/quit", "unit/pubsub",
    "unit/slowlog", "unit/scripting", "unit/functions", "unit/introspection",
    "unit/introspection-2", "unit/bitops", "unit/bitfield", "unit/geo", "unit/hyperloglog",
    "unit/lazyfree", "unit/pause", "unit/tracking", "unit/violations", "unit/replybufsize",
    "unit/latency-monitor", "integration/redis-cli", "integration/replication-buffer",
]  # fmt: skip

# Where the suite's own processes meet; it wants as many ports 10,000 higher to be free.
BASE_PORTS = range(12_000, 32_000, 64)
ATTEMPTS = 3  # somebody else may take the port meanwhile

OUTCOME = re.compile(r"^\[(ok|err|exception)\]: (.*?)(?: \(\d+ ms\))?$")
HUNG = re.compile(r"=> \(IN PROGRESS\) (.*)$")
PLACE = re.compile(r" in tests/\S+$")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@dataclass
class Outcome:
    """What came of one file."""

    passed: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)

    def missing(self, count: int, causes: dict[str, str]) -> list[str]:
        """Tests that redis-server passes and that were not run, by name where a cause is known."""
        gap = max(count - self.passed.total() - self.failed.total(), 0)
        names = [test for test in causes if test not in self.passed and test not in self.failed]
        unknown = gap - len(names)
        return names[:gap] + ([f"{unknown} that did not run"] if unknown > 0 else [])


def outcomes(said: bytes) -> tuple[list[str], list[str]]:
    """The tests of a run that passed, and what the others said."""
    passed, failed = [], []
    for line in COLOUR.sub("", said.decode("utf-8", "replace")).splitlines():
        if found := OUTCOME.match(line.rstrip()):
            (passed if found[1] == "ok" else failed).append(found[2])
        elif found := HUNG.search(line.rstrip()):
            failed.append(f"{found[1]} (hangs)")
    return passed, failed


def peer(program: list[str], run: Run) -> peers.Peer:
    """A server in a folder of its own, started as redis-server is."""
    server = peers.launch("kvstore-suite", "redis://{host}:{port}", lambda peer: [
        *program, "--port", str(peer.port), "--dir", str(peer.directory), *run.flags,
        *(("--cluster-port", str(free_port())) if run.slots else ()),
    ])
    if run.slots:
        with redis.Redis(port=server.port) as client:
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
            while b"cluster_state:ok" not in client.execute_command("CLUSTER", "INFO"):
                time.sleep(0.05)
    return server


def run_file(suite: Path, name: str, run: Run, program: list[str], seconds: int) -> Outcome:
    """One file of the suite against a fresh server."""
    with peer(program, run) as server:
        command = [
            "./runtest", "--durable", "--timeout", "60", "--host", server.host,
            "--port", str(server.port), "--single", name, "--tags", run.tags, *run.suite,
        ]  # fmt: skip
        for _ in range(ATTEMPTS):
            base_port = str(random.choice(BASE_PORTS))
            said, end = in_group([*command, "--baseport", base_port], suite, seconds)
            passed, failed = outcomes(said)
            if b"couldn't open socket: address already in use" not in said:
                break
        if not accepts(server.host, server.port):
            end.append(f"the server ended: {server.log[-300:]}")
    return Outcome(Counter(passed), Counter(PLACE.sub("", line) for line in failed + end))


def in_group(command: list[str], folder: Path, seconds: int) -> tuple[bytes, list[str]]:
    """What a command and its children said, and that they did not end in time."""
    with subprocess.Popen(
        command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, start_new_session=True,
    ) as process:  # fmt: skip
        try:
            return process.communicate(timeout=seconds)[0], []
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return process.communicate()[0], [f"not finished after {seconds} s"]


def table(name: str, results: dict[str, Outcome], counts: dict[str, int]) -> list[str]:
    """The section of a run: passed by file, then every test that is missing with its cause."""
    run, known = RUNS[name], tomllib.loads(CAUSES.read_text())
    flags = " ".join(flag or '""' for flag in run.flags)
    suite = " ".join(["--tags", f'"{run.tags}"', *run.suite])
    lines = [f"Server: `{flags}`.  Suite: `{suite}`.", "",
             "| file | passed | of redis-server's |", "|---|---|---|"]  # fmt: skip
    lacking = []
    for file, one in results.items():
        lines.append(f"| {file} | {one.passed.total()} | {counts[file]} |")
        causes = known.get(file, {})
        for test in [*sorted(one.failed), *one.missing(counts[file], causes)]:
            times = f" ({one.failed[test]} times)" if one.failed[test] > 1 else ""
            lacking.append(f"- {file}: {test}{times}: {causes.get(test, '*cause not known*')}")
    passed, of = sum(one.passed.total() for one in results.values()), sum(counts.values())
    lines += [f"| **all** | **{passed}** | **{of}** |", ""]
    return lines + (["What is missing:", "", *lacking] if lacking else ["Nothing is missing."])


def stale(causes: dict, runs: dict[str, dict[str, Outcome]]) -> list[str]:
    """Causes of tests that passed in every run that has their file."""
    found = []
    for file, tests in causes.items():
        ran = [results[file] for results in runs.values() if file in results]
        found += [f"{file}: {test}" for test in tests
                  if ran and all(test in one.passed and test not in one.failed for one in ran)]
    return found


def run_cts(folder: Path, python: str) -> tuple[str, list[str]]:
    """The summary line of the compatibility test suite, and the tests that failed."""
    with peer(OURS, RUNS["X1"]) as server:
        done = subprocess.run(
            [python, "redis_compatibility_test.py", "--host", server.host, "--port",
             str(server.port), "--testfile", "cts.json", "--specific-version", "7.0.0"],
            cwd=folder, timeout=120, capture_output=True, text=True,
        )  # fmt: skip
    failed = [line[6:-7] for line in done.stdout.splitlines() if line.endswith(" failed")]
    summary = re.search(r"total tests: (\d+), passed: (\d+)", done.stdout)
    return f"{summary[2]} of {summary[1]}" if summary else "did not end", failed


def write_section(title: str, lines: list[str]) -> None:
    """Replace a section of the page, or add it; sections stand in the order of their titles."""
    text = PAGE.read_text() if PAGE.exists() else ""
    sections = {part.partition("\n")[0]: part for part in text.split("\n## ")[1:]}
    sections = {name: part.rstrip() for name, part in sections.items()}
    sections = {name: part for name, part in sections.items() if name[:2] != title[:2]}
    sections[title] = "\n".join([title, "", *lines]).rstrip()
    PAGE.write_text(
        HEAD + "".join(f"\n## {sections[name]}\n" for name in sorted(sections))
    )


OURS = [sys.executable, "-m", "kvstore.redis_server"]


def main(argv: list[str] | None = None) -> int:
    """Run the judges that were given and write their sections."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--redis", type=Path)
    parser.add_argument("--run", nargs="*", choices=list(RUNS), default=list(RUNS))
    parser.add_argument("--only", nargs="*", default=FILES, metavar="FILE")
    parser.add_argument("--count-redis-server", action="store_true")
    parser.add_argument("--cts", type=Path)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--seconds", type=int, default=300, help="for one file at most")
    options = parser.parse_args(argv)
    if options.cts:
        passed, failed = run_cts(options.cts, options.python)
        print(f"compatibility test suite: {passed}", *failed, sep="\n    ")
        write_section("Compatibility test suite, version 7.0.0",
                      [f"**{passed}**", *(f"- {name}" for name in failed)])
    if not options.redis:
        return 0
    program = [peers.find("redis-server")] if options.count_redis_server else OURS
    runs = {}
    for name in options.run:
        counts = json.loads(COUNTS.read_text()).get(name, {}) if COUNTS.exists() else {}
        files = [file for file in options.only if options.count_redis_server or counts.get(file)]
        runs[name] = results = {}
        for file in files:
            one = results[file] = run_file(
                options.redis, file, RUNS[name], program, options.seconds
            )
            of = counts.get(file, 0)
            print(f"{name} {file:<32} {one.passed.total():>4} of {of:>4}", *one.failed,
                  sep="\n    ", flush=True)
        passed = {file: one.passed.total() for file, one in results.items() if one.passed}
        print(name, sum(passed.values()), "of", sum(counts.values()))
        if options.only != FILES:
            continue
        if options.count_redis_server:
            known = json.loads(COUNTS.read_text()) if COUNTS.exists() else {}
            known[name] = passed
            COUNTS.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")
        else:
            write_section(f"{name}: {RUNS[name].title}", table(name, results, counts))
    for cause in stale(tomllib.loads(CAUSES.read_text()), runs):
        print("no longer fails, but has a cause:", cause)
    return 0


if __name__ == "__main__":
    sys.exit(main())
