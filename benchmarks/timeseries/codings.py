"""The table of the guide's chapter on compression: what each coding makes of each kind of data.

    BEDROCK_JUDGES=DIR python -m benchmarks.timeseries.codings        (with pcodec installed)

Bytes for a value, blocks of 1,000 values; every block is decoded and compared bit for bit.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from pcodec import ChunkConfig, standalone

from tsdb import chunk

GUIDE = Path(__file__).parents[2] / "docs" / "guide" / "time-series-compression.md"
BLOCK = 1000
BLOCKS = 100
REAL = ("City-temp", "Stocks-USA", "PM10-dust")


def data_sets() -> Iterator[tuple[str, list[np.ndarray]]]:
    """Name and blocks."""
    rng = np.random.default_rng(1)
    walks = rng.normal(size=(BLOCKS, BLOCK)).cumsum(axis=1) + 50
    yield "constant", [np.full(BLOCK, 7.0)]
    yield "counter, +1..9", list(rng.integers(1, 10, (BLOCKS, BLOCK)).cumsum(axis=1) * 1.0)
    held = rng.uniform(0, 100, BLOCKS)
    steps = []
    for change in rng.normal(size=(BLOCK, BLOCKS)):
        held = np.clip(held + change, 0, 100)
        steps.append(np.floor(held))
    yield "TSBS, whole numbers", list(np.array(steps).T.copy())
    for name in REAL:
        path = Path(os.environ["BEDROCK_JUDGES"], "timeseries", f"{name}.csv")
        lines = [line for line in path.read_text().splitlines() if line[:1] in "-.0123456789"]
        values = np.array([float(line) for line in lines if line])
        yield name, np.split(values, range(BLOCK, len(values), BLOCK))
    yield "walk, 2 decimals", list(walks.round(2))
    digits = [[float(f"{v:.14g}") for v in walk] for walk in walks]
    yield "walk, 14 digits", list(np.array(digits))
    yield "walk, full floats", list(walks)
    shape = rng.normal(size=60)
    yield "an hour's schedule, cold", [shape[(np.arange(BLOCK) + i) % 60] for i in range(BLOCKS)]


def table() -> Iterator[str]:
    """The table's lines."""
    yield "| data | XOR alone | zstd | integers | ordered | pcodec 8 | **chunk** | ratio | chosen |"
    yield "|---" * 9 + "|"
    for name, blocks in data_sets():
        sizes: Counter[str] = Counter()
        chosen: Counter[str] = Counter()
        for values in blocks:
            times = np.arange(len(values), dtype=np.int64) * 10_000
            made = chunk.encode(times, values, True, name.endswith("cold"))
            back = chunk.decode(made)[1]
            assert (back.view(np.uint64) == values.view(np.uint64)).all()
            sizes.update(chunk.weigh(values))
            level = ChunkConfig(compression_level=8)
            sizes["pcodec"] += len(standalone.simple_compress(values, level))
            sizes["chunk"] += len(made)
            chosen[chunk.describe(made)["values"].partition(", 1 exc")[0]] += 1
        count = sum(map(len, blocks))
        each = {coding: f"{size / count:.2f}" for coding, size in sizes.items()}
        cells = [each.get(coding, "—") for coding in ("xor", "zstd", "integers", "ordered")]
        yield (
            f"| {name} | {' | '.join(cells)} | {each['pcodec']} | **{each['chunk']}** "
            f"| {16 * count / sizes['chunk']:.0f}:1 | {chosen.most_common(1)[0][0]} |"
        )


def main() -> None:
    """Put the table into the guide."""
    lines = GUIDE.read_text().splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith("| data | XOR alone"))
    end = next(i for i in range(first, len(lines)) if not lines[i].startswith("|"))
    lines[first:end] = table()
    GUIDE.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
