"""kill -9 while others write: what was acknowledged is there, once, with the value written."""

import http.client
import random
import threading
import time

import pytest

import bedrock
from tests.tsdb.wire import ask

SERIES = 50


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
                    connection = http.client.HTTPConnection(
                        self.server.host, self.server.port, timeout=5
                    )
                connection.request("POST", "/write?precision=s", "\n".join(lines))
                answer = connection.getresponse()
                answer.read()
                (self.sure if answer.status == 204 else self.unsure).add(self.time)
            except (OSError, http.client.HTTPException):
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


@pytest.mark.parametrize("kills", [3, pytest.param(50, marks=pytest.mark.slow)])
def test_nothing_acknowledged_is_lost_by_kill_9(tmp_path, kills):
    rng = random.Random(1)
    options = {"block_range": "10s", "maintenance_s": 0.05, "log_level": "error"}
    with bedrock.run("tsdb", process=True, data_dir=str(tmp_path), **options) as server:
        writers = [Writer(server, number) for number in range(3)]
        for writer in writers:
            writer.start()
        try:
            for _ in range(kills):
                time.sleep(rng.uniform(0.1, 0.6))
                server.restart()
        finally:
            for writer in writers:
                writer.stopped.set()
                writer.join()
        for writer in writers:
            assert len(writer.sure) > 10 * kills
            check(server, writer)
