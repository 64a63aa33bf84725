"""The embedded form takes and gives numpy, and keeps what it took; the shell draws."""

import time
from datetime import UTC, datetime

import numpy as np
import pytest

import bedrock
import tsdb
from tests.tsdb.wire import http
from tsdb.config import TsdbConfig
from tsdb.shell import Shell, graph, spark


def test_numpy_goes_in_and_comes_out_and_is_kept(tmp_path):
    times = 1_700_000_000_000 + np.arange(1000) * 10_000
    values = np.sin(np.arange(1000) / 50)
    with tsdb.open(tmp_path) as db:
        db.write({"__name__": "wave", "room": "a"}, times, values)
        db.write({"__name__": "wave", "room": "b"}, times[::2], values[::2] * 2)
        db.write("plain", [1_700_000_000_000], [7])
        db.write_lines("cpu,host=x usage=3 1700000000000000000")
        with pytest.raises(ValueError, match="line 1"):
            db.write_lines("cpu usage=")
        with pytest.raises(ValueError, match="one length"):
            db.write("plain", [1, 2], [1])
    with tsdb.open(tmp_path) as db:
        (labels, got_times, got), _ = db.samples("wave")
        assert labels == {"__name__": "wave", "room": "a"}
        assert (got_times == times).all()
        assert (got == values).all()
        start = datetime.fromtimestamp(1_700_000_000, UTC)
        frame = db.query_range("max by (room) (wave)", start, 1_700_010_500, 500)
        assert frame.labels == [{"room": "a"}, {"room": "b"}]
        assert frame.values.shape == (2, 22)
        assert np.isnan(frame.values[0, -1])
        assert frame.values[0, 1] == values[50]
        assert frame.times[1] == 1_700_000_500_000
        one = db.query("count(wave)", 1_700_000_000)
        assert (len(one), one.values.tolist()) == (1, [[2.0]])
        assert db.query("1 + 1") == 2.0
        assert db.query("'text'") == "text"
        with pytest.raises(ValueError, match="samples"):
            db.query("wave[5m]", 1_700_000_000)
        assert len(db.query("cpu_usage", 1_700_000_000)) == 1
        db.delete('wave{room="a"}', end=1_700_000_015)
        assert [len(times) for _, times, _ in db.samples("wave")] == [998, 500]
        db.maintain()


def test_blocks_are_drawn_to_one_scale():
    assert [spark(v, 0, 7) for v in (0, 3.6, 7, float("nan"))] == ["▁", "▅", "█", "·"]
    assert spark(5, 5, 5) == "▅"
    rows = [
        {"metric": {"__name__": "a"}, "values": [[0, "0"], [30, "1"], [59.5, "2"]]},
        {"metric": {"x": "y"}, "values": [[0, "4"]]},
    ]
    first, second = graph(rows, 0, 60).splitlines()
    assert first.startswith('a        ▁')
    assert first.endswith("▅  0 … 2, now 2")
    assert second.startswith('{x="y"}  █')
    assert graph([], 0, 60) == "(empty)"


async def test_the_shell_graphs_a_query():
    with bedrock.run("tsdb") as server:
        now = int(time.time())
        for i in range(10):
            http(f"{server.url}/write?precision=s", f"m v={i} {now - 60 * i}".encode())
        shell = Shell(server.host, server.port, TsdbConfig())
        await shell.open()
        assert "0 … 9, now 0" in await shell.execute("graph m_v")
        assert "0 … 2, now 0" in await shell.execute("graph 1m30s m_v")
        assert (await shell.execute("graph sum(")).startswith("error: ")
        assert "graph" in [c.text for c in shell.complete("gra")]
