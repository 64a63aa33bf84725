"""The verbs of tsdb that work on files, while no server runs on them.

    tsdb inspect FILE                        what is in a block: codings, sizes, why
    tsdb export prometheus|parquet DIR OUT   the way out
    tsdb import prometheus DIR FROM          the way in
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bedrock.storage.errors import Damaged
from bedrock.world import World
from bedrock.world.disk import OsDisk
from tsdb.block import ROWS, Block
from tsdb.chunk import weigh
from tsdb.columns import Columns
from tsdb.promql.lexer import parse_duration
from tsdb.store import Store


def main(argv: list[str]) -> int:
    """Run a verb; returns the exit code."""
    parser = argparse.ArgumentParser(prog="tsdb", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    made = verbs.add_parser("inspect", help="what is in a block")
    made.add_argument("file", help="a .block file")
    made.add_argument("--series", type=int, default=3, help="series shown chunk by chunk")
    made.set_defaults(run=inspect)
    made = verbs.add_parser("export", help="write a store's samples in another format")
    made.add_argument("format", choices=["prometheus", "parquet"])
    made.add_argument("directory", help="the store's data directory")
    made.add_argument("out", help="directory to write to")
    made.add_argument("--span", default="1d", help="time in one block or file (default 1d)")
    made.set_defaults(run=export)
    made = verbs.add_parser("import", help="write another format's samples into a store")
    made.add_argument("format", choices=["prometheus"])
    made.add_argument("directory", help="the store's data directory")
    made.add_argument("source", help="directory of Prometheus' blocks")
    made.set_defaults(run=take_in)
    options = parser.parse_args(argv)
    try:
        return options.run(options)
    except (Damaged, FileNotFoundError, ImportError, ValueError) as exc:
        print(f"tsdb {options.verb}: {exc}", file=sys.stderr)
        return 4 if isinstance(exc, Damaged) else 1


@contextmanager
def _store(directory: str) -> Iterator[Store]:
    store = Store(World(OsDisk(directory)))
    try:
        yield store
    finally:
        store.world.turn.run()
        store.close()


def export(options: argparse.Namespace) -> int:
    """Write all samples in another format."""
    if not Path(options.directory).is_dir():
        raise FileNotFoundError(f"{options.directory}: no such directory")
    if options.format == "parquet":
        from tsdb.parquet import export as write
    else:
        from tsdb.prometheus_block import export as write
    with _store(options.directory) as store:
        for name in write(store, OsDisk(options.out), parse_duration(options.span)):
            print(name)
    return 0


def take_in(options: argparse.Namespace) -> int:
    """Read all samples of another format."""
    from tsdb.prometheus_block import import_blocks

    with _store(options.directory) as store:
        print(f"{import_blocks(OsDisk(options.source), store):,} samples")
    return 0


# ---- inspect -------------------------------------------------------------------------------


def inspect(options: argparse.Namespace) -> int:
    """Print what is in a block."""
    path = Path(options.file)
    block = Block(OsDisk(str(path.parent)), path.name)
    table, postings = (len(block.part(part)) for part in (0, 1))
    print(f"{path.name}: {len(block):,} series, {block.samples:,} samples, "
          f"{block.size:,} bytes, {block.size / max(block.samples, 1):.3f} a sample")
    print(f"  times {block.first} .. {block.last}, resolution {block.resolution or 'raw'}, "
          f"ranks {block.low} .. {block.rank}")
    print(f"  series table {table:,} bytes, postings {postings:,}")
    bytes_of: Counter[str] = Counter()
    samples_of: Counter[str] = Counter()
    for number in range(len(block)):
        for chunk in block.chunks(number):
            for what in ("values", "times"):
                samples_of[f"{what}: {chunk[what]}"] += chunk["samples"]
            bytes_of[f"values: {chunk['values']}"] += chunk["bytes"]
    print("\n  samples       bytes       coding")
    for coding, samples in samples_of.most_common():
        size = f"{bytes_of[coding]:,}" if coding in bytes_of else "with it"
        print(f"  {samples:<13,} {size:<11} {coding}")
    for number in range(min(options.series, len(block))):
        print(f"\n  {block.labels_of(number)}")
        for chunk in block.chunks(number):
            print(f"    {chunk['row']}: {chunk['samples']} samples, {chunk['bytes']} bytes at "
                  f"{chunk['offset']}, min {chunk['min']:g}, max {chunk['max']:g}, "
                  f"sum {chunk['sum']:g}")
            print(f"      times {chunk['times']}; values {chunk['values']}, for these would "
                  f"take {_alternatives(block, number, chunk)}")
    return 0


def _alternatives(block: Block, number: int, chunk: dict) -> str:
    columns = Columns()
    block.read_row(number, ROWS.index(chunk["row"]), columns, chunk["first"], chunk["last"])
    columns.end_series(None)
    sizes = weigh(columns.samples(0)[1])
    return ", ".join(f"{size} as {coding}" for coding, size in sizes.items())
