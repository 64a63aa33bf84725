"""Redis's own tests against kvstore, file by file; writes docs/reference/kvstore-conformance.md.

    python tests/kvstore/conformance.py --redis DIR [--cts DIR --python PYTHON] [--only FILE ...]

DIR of --redis is a checkout of redis at tag 7.0.15 whose `src/` has redis-cli and redis-benchmark;
DIR of --cts one of tair-opensource/compatibility-test-suite-for-redis (its PYTHON needs redis-py 5
and PyYAML).  Each file runs against a server of its own with the tags of the "minimal" profile:
what needs DEBUG, replication, RDB files or internals of Redis is left out by the suite itself.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

import bedrock

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "kvstore-conformance.md"
TAGS = ("-slow -needs:debug -needs:repl -needs:config-maxmemory -needs:config-resetstat "
        "-needs:pfdebug -needs:save -needs:reset")
# Tests that redis-server 7.0.15 passes in each file with these tags.
REFERENCE = {
    "unit/dump": 9, "unit/protocol": 19, "unit/keyspace": 52, "unit/scan": 17,
    "unit/info-command": 3, "unit/type/string": 72, "unit/type/incr": 23, "unit/type/list": 220,
    "unit/type/list-3": 9, "unit/type/set": 94, "unit/type/zset": 270, "unit/type/hash": 72,
    "unit/type/stream": 63, "unit/type/stream-cgroups": 48, "unit/sort": 48, "unit/expire": 56,
    "unit/other": 7, "unit/multi": 35, "unit/quit": 3, "unit/pubsub": 29, "unit/slowlog": 9,
    "unit/scripting": 186, "unit/functions": 86, "unit/introspection": 27,
    "unit/introspection-2": 37, "unit/bitops": 45, "unit/bitfield": 16, "unit/geo": 59,
    "unit/hyperloglog": 16, "unit/lazyfree": 2, "unit/pause": 14, "unit/tracking": 51,
    "unit/violations": 1, "unit/latency-monitor": 13,
}  # fmt: skip
OUTCOME = re.compile(r"\[(ok|err|exception)\]: (.*?)(?: \(\d+ ms\))?$")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def run_file(suite: Path, name: str, seconds: int) -> tuple[int, list[str]]:
    """Tests of one file that passed, and what the others said."""
    with bedrock.run("kvstore", process=True, log_level="error",
                     set=["enable-debug-command=yes"]) as server:
        command = [
            "./runtest", "--durable", "--timeout", "40", "--host", server.host,
            "--port", str(server.port), "--single", name, "--tags", TAGS,
            "--ignore-encoding", "--ignore-digest",
        ]  # fmt: skip
        try:
            done = subprocess.run(command, cwd=suite, timeout=seconds, capture_output=True)
            said, end = done.stdout, ""
        except subprocess.TimeoutExpired as expired:
            said, end = expired.stdout or b"", f"not finished after {seconds} s"
    passed, failed = outcomes(said)
    return passed, failed + ([end] if end else [])


def outcomes(said: bytes) -> tuple[int, list[str]]:
    """How many tests of a run passed, and what the others said."""
    passed, failed = 0, []
    for line in COLOUR.sub("", said.decode("utf-8", "replace")).splitlines():
        found = OUTCOME.search(line.strip())
        if found is None:
            continue
        if found[1] == "ok":
            passed += 1
        elif line.startswith("["):
            failed.append(found[2])
    return passed, failed


def run_cts(folder: Path, python: str) -> tuple[str, list[str]]:
    """The summary line of the compatibility test suite, and the tests that failed."""
    with bedrock.run("kvstore", process=True, log_level="error") as server:
        done = subprocess.run(
            [python, "redis_compatibility_test.py", "--host", server.host, "--port",
             str(server.port), "--testfile", "cts.json", "--specific-version", "7.0.0"],
            cwd=folder, timeout=120, capture_output=True, text=True,
        )  # fmt: skip
    failed = [line[6:-7] for line in done.stdout.splitlines() if line.endswith(" failed")]
    summary = re.search(r"total tests: (\d+), passed: (\d+)", done.stdout)
    return f"{summary[2]} of {summary[1]}" if summary else "did not end", failed


def main(argv: list[str] | None = None) -> int:
    """Run the judges that were given and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--redis", type=Path, required=True)
    parser.add_argument("--cts", type=Path)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--only", nargs="*", default=list(REFERENCE))
    parser.add_argument("--seconds", type=int, default=120, help="for one file at most")
    options = parser.parse_args(argv)
    lines = ["# kvstore beside Redis's own tests", "",
             "Made by `tests/kvstore/conformance.py`.", ""]
    if options.cts:
        passed, failed = run_cts(options.cts, options.python)
        lines += [f"Compatibility test suite, version 7.0.0: **{passed}**."]
        lines += [f"Failed: {', '.join(failed)}." if failed else "", ""]
    lines += ["Redis 7.0.15's suite, `runtest --host`, minimal profile:", "",
              "| file | passed | of redis-server's | what fails |", "|---|---|---|---|"]
    total = 0
    for name in options.only:
        passed, failed = run_file(options.redis, name, options.seconds)
        total += passed
        print(f"{name:<28} {passed:>4} of {REFERENCE[name]:>4}", *failed, sep="\n    ", flush=True)
        shown = "; ".join(failed[:6]) + (f"; and {len(failed) - 6} more" if len(failed) > 6 else "")
        lines.append(f"| {name} | {passed} | {REFERENCE[name]} | {shown.replace('|', '/')} |")
    reference = sum(REFERENCE[name] for name in options.only)
    lines += [f"| **all** | **{total}** | **{reference}** | |", ""]
    print(f"{total} of {reference}")
    if options.only == list(REFERENCE):
        PAGE.write_text("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
