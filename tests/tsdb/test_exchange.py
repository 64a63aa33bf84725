"""The way out and in: blocks that a real Prometheus opens, Parquet, and back."""

import json
import random
import shutil
import struct
import subprocess

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bedrock.storage.errors import Damaged
from bedrock.testing import peers
from bedrock.world import World
from bedrock.world.disk import OsDisk
from tests.hostile import until
from tests.tsdb.wire import ask, contents, http, memory_store
from tsdb import tools
from tsdb.columns import Columns
from tsdb.labels import labels_of
from tsdb.prometheus_block import export, import_blocks
from tsdb.promql.answer import as_json
from tsdb.promql.engine import range_query
from tsdb.selection import Gathered
from tsdb.store import Store
from tsdb.xor_chunk import chunks_of, decode

HOUR = 3_600_000
START = 1_700_000_000_000


def filled(store, series=20, samples=600):
    rng = np.random.default_rng(1)
    for i in range(series):
        times = START + np.arange(samples) * 15_000 + rng.integers(-200, 200, samples)
        values = rng.integers(0, 9, samples).cumsum() if i % 2 else rng.normal(size=samples)
        labels = {"__name__": f"m{i % 3}", "i": str(i), "odd": "ja\u00fc" if i % 2 else ""}
        store.add(labels_of(labels), np.sort(times), values.astype(float))
    store.flush(START + HOUR)
    return store


@given(st.lists(st.tuples(st.integers(0, 2**42), st.integers(0, 2**64 - 1)), min_size=1,
                max_size=300, unique_by=lambda s: s[0]))  # fmt: skip
def test_xor_chunks_come_back(samples):
    samples.sort()
    times = np.array([t for t, _ in samples], np.int64)
    values = np.array([v for _, v in samples], np.uint64).view(np.float64)
    columns = Columns()
    columns.series(None, times, values)
    back = [decode(chunk) for _, _, chunk in chunks_of(Gathered([None], columns), 0)]
    assert np.concatenate([t for t, _ in back]).tolist() == times.tolist()
    found = np.concatenate([v for _, v in back]).view(np.uint64)
    assert found.tolist() == values.view(np.uint64).tolist()


@given(st.binary(max_size=60))
def test_a_damaged_xor_chunk_is_refused_or_decoded_without_harm(data):
    try:
        decode(data)
    except ValueError:
        pass


def test_blocks_for_prometheus_come_back_whole(tmp_path):
    store = filled(memory_store())
    names = export(store, OsDisk(str(tmp_path)), HOUR)
    assert len(names) == 3
    meta = json.loads((tmp_path / names[0] / "meta.json").read_text())
    assert meta["maxTime"] - meta["minTime"] == HOUR
    other = memory_store()
    assert import_blocks(OsDisk(str(tmp_path)), other) == 20 * 600
    assert contents(other) == contents(store)
    index = tmp_path / names[0] / "index"
    data = bytearray(index.read_bytes())
    data[40] ^= 1
    index.write_bytes(data)
    with pytest.raises(Damaged, match="checksum"):
        import_blocks(OsDisk(str(tmp_path)), memory_store())


@pytest.mark.peer
def test_a_real_prometheus_opens_exported_blocks_and_answers_alike(tmp_path):
    """50 queries with equal answers, and `promtool tsdb analyze` reads the block."""
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed")
    store = filled(memory_store())
    names = export(store, OsDisk(str(tmp_path)), 24 * HOUR)
    done = subprocess.run(
        ["promtool", "tsdb", "analyze", str(tmp_path), names[0]],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "\nSeries: 20\n" in done.stdout
    rng = random.Random(1)
    forever = "--storage.tsdb.retention.time=100y"
    with peers.prometheus("global: {}\n", forever, data=str(tmp_path)) as prometheus:
        until(lambda: http(f"{prometheus.url}/-/ready")[0] == 200)
        for _ in range(50):
            query = rng.choice((
                "m{n}", 'm{n}{{i=~"[0-{d}]"}}', "sum(m{n})", "rate(m{n}[{d}m])",
                "max by (odd) (max_over_time(m{n}[{d}m]))", "count by (i) (m{n})",
                "avg_over_time(m{n}[{d}m])", "m{n} offset {d}m", "quantile(0.{d}, m{n})",
            )).format(n=rng.randrange(3), d=rng.randrange(1, 9))  # fmt: skip
            start = START + rng.randrange(9000) * 1000
            end, step = start + 900_000, 15_000 * rng.randrange(1, 8)
            asked = {"start": str(start / 1000), "end": str(end / 1000), "step": str(step / 1000)}
            theirs = ask(prometheus.url, "query_range", query=query, **asked)["data"]["result"]
            found = range_query(store.finder, query, start, end, step, 300_000)
            ours = json.loads(b"".join(as_json(found)))["result"]
            assert plain(ours) == plain(theirs), query


def plain(result):
    return {
        json.dumps(series["metric"], sort_keys=True): {
            t: pytest.approx(float(v), rel=1e-9, abs=1e-12, nan_ok=True)
            for t, v in series["values"]
        }
        for series in result
    }


def test_tools_export_import_and_inspect(tmp_path, capsys):
    store = filled(Store(World(OsDisk(str(tmp_path / "data")))))
    expected = contents(store)
    store.world.turn.run()
    store.close()
    out, back = str(tmp_path / "out"), str(tmp_path / "back")
    assert tools.main(["export", "prometheus", str(tmp_path / "data"), out]) == 0
    assert tools.main(["import", "prometheus", back, out]) == 0
    assert contents(Store(World(OsDisk(back)))) == expected
    capsys.readouterr()
    file = next((tmp_path / "data" / "blocks").iterdir())
    assert tools.main(["inspect", str(file)]) == 0
    shown = capsys.readouterr().out
    assert "20 series" in shown
    assert "integer, delta, entropy coded" in shown
    assert "as xor" in shown
    file.write_bytes(file.read_bytes()[:-3] + b"abc")
    assert tools.main(["inspect", str(file)]) == 4
    assert tools.main(["export", "parquet", str(tmp_path / "none"), out]) == 1


def test_parquet_has_every_sample(tmp_path):
    pq = pytest.importorskip("pyarrow.parquet")
    from tsdb.parquet import export as export_parquet

    store = filled(memory_store())
    names = export_parquet(store, OsDisk(str(tmp_path)), HOUR)
    tables = [pq.read_table(tmp_path / name) for name in names]
    assert sum(len(table) for table in tables) == 20 * 600
    row = tables[0].slice(0, 1).to_pylist()[0]
    assert row["metric"] == "m0"
    assert dict(row["labels"])["i"] == "0"
    assert struct.pack("d", row["value"]) in {
        struct.pack("d", v) for s in contents(store).values() for v in s.values()
    }
