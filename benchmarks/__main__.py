"""`make bench`, `python -m benchmarks [names...]`: run benchmarks/<name>.py and print ratios."""

from __future__ import annotations

import argparse
import importlib
import sys
import traceback
from pathlib import Path

from benchmarks.harness import HEADER, Bench, machine

NOT_BENCHMARKS = {"__init__", "__main__", "harness"}


def main(argv: list[str] | None = None) -> int:
    there = sorted(path.stem for path in Path(__file__).parent.glob("*.py"))
    there = [name for name in there if name not in NOT_BENCHMARKS]
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"of {', '.join(there)}")
    parser.add_argument("--rounds", type=int, default=5, help="alternating runs (default 5)")
    parser.add_argument("--only", default="", help="only rows whose title contains this")
    options = parser.parse_args(argv)
    unknown = set(options.names) - set(there)
    if unknown:
        parser.error(f"no benchmark {', '.join(sorted(unknown))}; there are: {', '.join(there)}")

    about = machine()
    print(f"{about['cpu']}, {about['cores']} cores, Python {about['python']}, "
          f"load {about['load_average']}; ratios are ours / peer, medians of {options.rounds}")
    failed = False
    for name in options.names or there:
        print(f"\n{name}\n{HEADER}")
        bench = Bench(name, options.rounds, options.only)
        try:
            importlib.import_module(f"benchmarks.{name}").run(bench)
        except Exception:
            # One component that does not run must not hide the others' figures.
            traceback.print_exc()
            failed = True
        if not options.only and (path := bench.save()):
            print(f"  -> benchmarks/results/{path.name}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
