"""Run scenarios by seeds: `python -m bedrock.sim --seeds 200`.

Every scenario is first run with faults drawn from each seed, and must keep its promises; then once
more with a bug planted in the disk (one sync in twenty does nothing), which must be convicted: a
checker that sees nothing is worth nothing.

    python -m bedrock.sim --component kvstore --seed 7      replay one seed and print its events
    python -m bedrock.sim --plant skip-fsync                only the planted bug

Scenarios are the record log's and those that components name in the field `simulation` of their
COMPONENT.  Exit code 0: all as it should be; 1: a broken promise, or a bug not convicted.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from importlib import import_module
from importlib.metadata import entry_points

from bedrock.sim.simulation import PLANTS, Outcome, Scenario, run

OWN = {"recordlog": "bedrock.sim.recordlog:scenario"}


def scenarios() -> dict[str, str]:
    """name -> "module:function" of every scenario there is."""
    found = dict(OWN)
    for point in sorted(entry_points(group="bedrock.components"), key=lambda point: point.name):
        try:
            component = point.load()
        except (ImportError, AttributeError):
            continue  # not built, or not installed
        if component.simulation:
            found[point.name] = component.simulation
    return found


def load(target: str) -> Scenario:
    """The function that "module:function" names."""
    module, _, name = target.partition(":")
    return getattr(import_module(module), name)


def play(target: str, seed: int, plant: str = "", record: bool = False) -> Outcome:
    """One seed; for worker processes too."""
    if not record:
        logging.disable(logging.CRITICAL)  # engines may well complain about what is done to them
    return run(load(target), seed, planted=PLANTS.get(plant), record=record)


def play_all(target: str, seeds: range, plant: str, jobs: int) -> Iterator[Outcome]:
    """Every seed, in order, on `jobs` processes."""
    if jobs == 1:
        for seed in seeds:
            yield play(target, seed, plant)
        return
    with ProcessPoolExecutor(jobs) as pool:
        yield from pool.map(play, [target] * len(seeds), seeds, [plant] * len(seeds), chunksize=4)


def keeps_promises(name: str, target: str, seeds: range, jobs: int) -> bool:
    """Run all seeds and print a line; False if one broke a promise."""
    begun = time.perf_counter()
    done: list[Outcome] = []
    for outcome in play_all(target, seeds, "", jobs):
        done.append(outcome)
        if outcome.why:
            print(f"{name}: seed {outcome.seed} broke a promise: {outcome.why}", flush=True)
            print(f"    replay: python -m bedrock.sim --component {name} --seed {outcome.seed}")
        elif sys.stderr.isatty():
            print(f"\r{name}: {len(done)}/{len(seeds)}", end="\r", file=sys.stderr, flush=True)
    real_s = time.perf_counter() - begun
    broken = sum(bool(outcome.why) for outcome in done)
    print(
        f"{name}: {len(done)} seeds, {broken} broken; "
        f"{sum(o.operations for o in done)} operations, {sum(o.crashes for o in done)} crashes; "
        f"{len(done) / real_s * 3600:,.0f} seeds/h, "
        f"{sum(o.virtual_s for o in done) / real_s:,.0f}x faster than real time"
    )
    return not broken


def convicts(name: str, target: str, seeds: range, plant: str, jobs: int) -> bool:
    """Run until the planted bug shows, and print a line; False if it never does."""
    for outcome in play_all(target, seeds, plant, jobs):
        if outcome.why:
            print(f"{name}: {plant} convicted by seed {outcome.seed}: {outcome.why}")
            return True
    print(f"{name}: {plant} was NOT convicted by {len(seeds)} seeds")
    return False


def replay(name: str, target: str, seed: int, plant: str) -> bool:
    """Play one seed twice and print what happened."""
    outcome = play(target, seed, plant, record=True)
    for event in outcome.events:
        print(event)
    again = play(target, seed, plant)
    print(f"{name} seed {seed}: {outcome.why or 'kept every promise'}")
    print(f"faults: {outcome.faults}")
    print(f"trace:  {outcome.digest}{'' if again.digest == outcome.digest else ' NOT REPEATED'}")
    return not outcome.why and again.digest == outcome.digest


def main(argv: list[str] | None = None) -> int:
    """The command line; see the module."""
    known = scenarios()
    parser = argparse.ArgumentParser(
        prog="python -m bedrock.sim",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seeds", type=int, default=200, help="how many seeds (default 200)")
    parser.add_argument("--first", type=int, default=0, help="the first of them (default 0)")
    parser.add_argument("--seed", type=int, help="replay this one seed and print its events")
    parser.add_argument("--component", choices=sorted(known), help="only this scenario")
    parser.add_argument("--plant", choices=sorted(PLANTS), help="only this planted bug")
    parser.add_argument(
        "--jobs", type=int, default=min(4, os.cpu_count() or 1), help="processes to use"
    )
    options = parser.parse_args(argv)
    chosen = [options.component] if options.component else list(known)
    seeds = range(options.first, options.first + options.seeds)
    good = True
    for name in chosen:
        target = known[name]
        if options.seed is not None:
            good &= replay(name, target, options.seed, options.plant or "")
        elif options.plant:
            good &= convicts(name, target, seeds, options.plant, options.jobs)
        else:
            good &= keeps_promises(name, target, seeds, options.jobs)
            good &= convicts(name, target, seeds, "skip-fsync", options.jobs)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
