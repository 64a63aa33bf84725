"""minidb beside PostgreSQL: the same pgbench runs against both, in turns, both with fsync."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable

from benchmarks.harness import Bench, Sample, Subject

SECONDS = 4
SCALE = 10
_DEBIAN = "/usr/lib/postgresql/15/bin"


def pgbench(subject: Subject, *words: str) -> str:
    program = shutil.which("pgbench") or f"{_DEBIAN}/pgbench"
    environment = {**os.environ, "PGHOST": subject.host, "PGPORT": str(subject.port),
                   "PGUSER": "postgres", "PGDATABASE": "postgres"}
    done = subprocess.run([program, *words], env=environment, capture_output=True, text=True,
                          check=True)
    return done.stdout


def load(*words: str) -> Callable[[Subject], Sample]:
    """A round: SECONDS of pgbench with these options."""

    def run(subject: Subject) -> Sample:
        said = pgbench(subject, "-n", "-T", str(SECONDS), *words)
        found = re.search(r"actually processed: (\d+)", said)
        tps = re.search(r"tps = ([\d.]+)", said)
        assert found and tps, said
        n = int(found[1])
        return Sample(operations=n, seconds=n / float(tps[1]))

    return run


def run(bench: Bench) -> None:
    """Point selects by the simple and the extended protocol, and TPC-B."""
    with bench.ours("minidb") as ours, bench.peer("postgresql", durable=True) as peer:
        for subject in (ours, peer):
            if subject is not None:
                pgbench(subject, "-i", "-q", "-s", str(SCALE))
        many = ("-c", "8", "-j", "2")
        bench.compare("select -M prepared -c 8", load("-S", "-M", "prepared", *many), ours, peer,
                      rps=1.0)
        bench.compare("select -M simple -c 8", load("-S", *many), ours, peer, rps=1.0)
        bench.compare("select -M prepared -c 1", load("-S", "-M", "prepared"), ours, peer)
        bench.compare("TPC-B -c 8", load(*many), ours, peer, rps=1.0)
        bench.compare("TPC-B -M prepared -c 8", load("-M", "prepared", *many), ours, peer)


def main(argv: list[str]) -> int:
    """`python -m minidb bench`"""
    from benchmarks.__main__ import main as run_named

    return run_named(["minidb", *argv])
