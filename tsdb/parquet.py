"""Parquet export: samples as tables that Spark, Trino, DuckDB or pandas read.  Needs pyarrow.

One file for each span of time, one row for each sample:

    metric string, labels map<string, string>, time timestamp[ms, UTC], value double

Rows are sorted by series, then time, so that run lengths make little of the labels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bedrock.world import Disk
from tsdb.prometheus_block import EVERYTHING, spans

if TYPE_CHECKING:
    from tsdb.store import Store

ROW_GROUP = 1_000_000


def export(store: Store, into: Disk, span_ms: int) -> list[str]:
    """Write all of a store; returns the names of the files."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = []
    for start in spans(store, span_ms):
        found = store.finder.select(EVERYTHING, start, start + span_ms - 1).gather()
        if not len(found):
            continue
        samples = [found.samples(i) for i in range(len(found))]
        lengths = [len(times) for times, _ in samples]
        series = pa.array(np.repeat(np.arange(len(found), dtype=np.int32), lengths))
        metrics = pa.array([labels.get("__name__") for labels in found.labels])
        others = pa.array(
            [[p for p in labels.pairs if p[0] != "__name__"] for labels in found.labels],
            pa.map_(pa.string(), pa.string()),
        )
        table = pa.table(
            {
                "metric": metrics.take(series),
                "labels": others.take(series),
                "time": pa.array(
                    np.concatenate([times for times, _ in samples]), pa.timestamp("ms", "UTC")
                ),
                "value": np.concatenate([values for _, values in samples]),
            }
        )
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, compression="zstd", row_group_size=ROW_GROUP)
        name = f"samples-{start}.parquet"
        into.replace(name, sink.getvalue().to_pybytes())
        names.append(name)
    return names
