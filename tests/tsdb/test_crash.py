"""kill -9 while others write: what was acknowledged is there, once, with the value written."""

import random
import threading
import time
from http.client import HTTPConnection, HTTPException

import pytest

import bedrock
from tests.hostile import until
from tests.tsdb.wire import ask, http

SERIES = 50
KILLS = 3  # fifty of them in the slow tests


class Writer(threading.Thread):
    """Writes batches of its own series, one time after the other, until told to stop."""

    def __init__(self, server, number):
        super().__init__()
        self.server, self.number = server, number
        self.stopped = threading.Event()
        self.time = 0
        self.sure: set[int] = set()
        self.unsure: set[int] = set()

    def run(self):
        connection = None
        while not self.stopped.is_set():
            self.time += 1
            lines = [
                f"m,w={self.number},s={s} v={self.time * 1000 + s}i {self.time}"
                for s in range(SERIES)
            ]
            try:
                if connection is None:
                    connection = HTTPConnection(
                        self.server.host, self.server.port, timeout=5
                    )
                connection.request("POST", "/write?precision=s", "\n".join(lines))
                answer = connection.getresponse()
                answer.read()
                (self.sure if answer.status == 204 else self.unsure).add(self.time)
            except (OSError, HTTPException):
                self.unsure.add(self.time)
                connection = None
                time.sleep(0.02)


def check(server, writer):
    """All acknowledged batches are there; of the others all or nothing, and nothing else."""
    query = f'm_v{{w="{writer.number}"}}[100y]'
    result = ask(server.url, "query", query=query, time=str(10**9))["data"]["result"]
    assert len(result) == SERIES
    for series in result:
        times = [int(t) for t, _ in series["values"]]
        assert times == sorted(set(times)), "a sample is there twice"
        assert writer.sure <= set(times), "an acknowledged sample is lost"
        assert set(times) <= writer.sure | writer.unsure
        s = int(series["metric"]["s"])
        assert all(float(v) == int(t) * 1000 + s for t, v in series["values"])
    assert len({tuple(t for t, _ in series["values"]) for series in result}) == 1


def wait_for_writes(writers, count):
    """Until each has had so many more acknowledged."""
    wanted = [len(writer.sure) + count for writer in writers]
    until(lambda: all(len(w.sure) >= n for w, n in zip(writers, wanted, strict=True)))


@pytest.mark.parametrize("kills", [KILLS, pytest.param(50, marks=pytest.mark.slow)])
def test_nothing_acknowledged_is_lost_by_kill_9(tmp_path, kills):
    rng = random.Random(1)
    options = {"block_range": "10s", "maintenance_s": 0.05, "log_level": "error"}
    with bedrock.run("tsdb", process=True, data_dir=str(tmp_path), **options) as server:
        writers = [Writer(server, number) for number in range(3)]
        for writer in writers:
            writer.start()
        try:
            for _ in range(kills):
                wait_for_writes(writers, rng.randint(10, 60))
                server.restart()
        finally:
            for writer in writers:
                writer.stopped.set()
                writer.join()
        for writer in writers:
            assert len(writer.sure) >= 10 * kills
            check(server, writer)


RULES = """
groups:
- name: g
  interval: 20ms
  rules:
  - record: doubled
    expr: m_v * 2
  - record: total
    expr: sum(doubled)
  - alert: There
    expr: m_v == 0
    for: 1h
"""


def wait_for_evaluations(server, count):
    """Until the rules were evaluated so many times more."""

    def done():
        found = ask(server.url, "query", query="count_over_time(total[1h])")["data"]["result"]
        return int(found[0]["value"][1]) if found else 0

    before = done()
    until(lambda: done() >= before + count)


def test_kill_9_while_rules_are_evaluated_leaves_whole_evaluations(tmp_path):
    rng = random.Random(2)
    (tmp_path / "rules.yml").write_text(RULES)
    (tmp_path / "prometheus.yml").write_text("rule_files: [rules.yml]")
    options = {
        "config_file": str(tmp_path / "prometheus.yml"), "data_dir": str(tmp_path / "data"),
        "log_level": "error", "block_range": "1s", "maintenance_s": 0.1,
    }  # fmt: skip
    with bedrock.run("tsdb", process=True, **options) as server:
        lines = "\n".join(f"m,s={s} v={s}" for s in range(SERIES))
        assert http(f"{server.url}/write", lines.encode())[0] == 204
        until(lambda: ask(server.url, "query", query="total")["data"]["result"])
        since = ask(server.url, "query", query="ALERTS_FOR_STATE")["data"]["result"]
        for _ in range(4):
            wait_for_evaluations(server, rng.randint(3, 9))
            server.restart()
            assert http(f"{server.url}/write", lines.encode())[0] == 204
        evaluations = set()
        found = ask(server.url, "query", query="doubled[1h]")["data"]["result"]
        assert len(found) == SERIES
        for series in found:
            times = [t for t, _ in series["values"]]
            assert times == sorted(set(times))
            assert {v for _, v in series["values"]} == {str(2 * int(series["metric"]["s"]))}
            evaluations.add(tuple(times))
        assert len(evaluations) == 1, "an evaluation was stored in part"
        assert len(evaluations.pop()) >= 4 * 3
        (sums,) = ask(server.url, "query", query="total[1h]")["data"]["result"]
        assert {v for _, v in sums["values"]} == {str(SERIES * (SERIES - 1))}
        until(lambda: ask(server.url, "query", query="ALERTS_FOR_STATE")["data"]["result"])
        again = ask(server.url, "query", query="ALERTS_FOR_STATE")["data"]["result"]
        assert float(again[0]["value"][1]) - float(since[0]["value"][1]) < 60
