"""Redis's own tests in internal mode: the suite starts and stops our server itself.

    python tests/kvstore/conformance_internal.py --redis DIR [--only FILE ...] [--write]

DIR is a checkout of redis at tag 7.0.15 whose `src/` has redis-cli, redis-benchmark and the
checkers; it is copied, and in the copy `src/redis-server` is a script that runs our launcher.  The
only thing it adds to what the suite asks for is `--aof-checksums no`: the suite reads append-only
files with a parser that knows no comment lines.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.kvstore.conformance import outcomes

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "kvstore-conformance-internal.md"
FILES = [
    "unit/auth", "unit/info", "unit/aofrw", "unit/acl", "unit/acl-v2", "unit/maxmemory",
    "unit/limits", "unit/wait", "unit/obuf-limits", "unit/querybuf", "unit/pubsubshard",
    "integration/aof", "integration/aof-multi-part", "integration/rdb", "integration/replication",
    "integration/replication-psync", "integration/block-repl", "integration/shutdown",
    "integration/redis-cli", "integration/redis-benchmark",
]  # fmt: skip
LAUNCHER = '#!/bin/sh\nexec {python} -m kvstore.redis_server "$@" --aof-checksums no\n'


def prepare(suite: Path, folder: Path) -> Path:
    """A copy of the checkout whose redis-server is ours."""
    copy = folder / "redis"
    shutil.copytree(suite, copy, symlinks=True, ignore=shutil.ignore_patterns(".git", "deps"))
    launcher = copy / "src" / "redis-server"
    launcher.unlink(missing_ok=True)
    launcher.write_text(LAUNCHER.format(python=sys.executable))
    launcher.chmod(0o755)
    return copy


def run_file(copy: Path, name: str, seconds: int) -> tuple[int, list[str]]:
    """Tests of one file that passed, and what the others said."""
    command = ["./runtest", "--clients", "1", "--durable", "--timeout", "100", "--single", name,
               "--tags", "-slow"]  # fmt: skip
    with subprocess.Popen(
        command, cwd=copy, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    ) as process:
        try:
            said, end = process.communicate(timeout=seconds)[0], []
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            said, end = process.communicate()[0], [f"not finished after {seconds} s"]
    passed, failed = outcomes(said)
    return len(passed), failed + end


def main(argv: list[str] | None = None) -> int:
    """Run the files and print, or write down, what came of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--redis", type=Path, required=True)
    parser.add_argument("--only", nargs="*", default=FILES)
    parser.add_argument("--seconds", type=int, default=600, help="for one file at most")
    parser.add_argument("--write", action="store_true", help="write the page in docs/reference")
    options = parser.parse_args(argv)
    lines = ["# kvstore started by Redis's own tests", "",
             "Made by `tests/kvstore/conformance_internal.py`.", "",
             "| file | passed | failed | which |", "|---|---|---|---|"]  # fmt: skip
    passed_all = failed_all = 0
    with tempfile.TemporaryDirectory(prefix="kvstore-suite-") as folder:
        copy = prepare(options.redis, Path(folder))
        for name in options.only:
            passed, failed = run_file(copy, name, options.seconds)
            passed_all, failed_all = passed_all + passed, failed_all + len(failed)
            print(f"{name:<32} {passed:>4} passed", *failed, sep="\n    ", flush=True)
            which = "; ".join(failed).replace("|", "/")
            lines.append(f"| {name} | {passed} | {len(failed)} | {which} |")
    lines += [f"| **all** | **{passed_all}** | **{failed_all}** | |", ""]
    print(f"{passed_all} passed, {failed_all} failed")
    if options.write:
        PAGE.write_text("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
