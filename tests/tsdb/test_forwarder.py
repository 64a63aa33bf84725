"""What is taken here arrives there: ours, a real Prometheus, and one that is down for a while."""

import math

import pytest

import bedrock
from bedrock.testing import peers
from tests.hostile import until
from tests.tsdb.wire import ask, contents, http


def written(server, first, count):
    lines = "\n".join(f"m,i={i % 7} a={t},b={t / 3} {t}" for i in range(3)
                      for t in range(first, first + count))  # fmt: skip
    assert http(f"{server.url}/write?precision=s", lines.encode())[0] == 204


def test_what_one_server_takes_another_gets_even_if_it_was_down():
    with bedrock.run("tsdb", process=True) as target:
        url = f"http://{target.host}:{target.port}/api/v1/write"
        with bedrock.run("tsdb", forward=url) as server:
            written(server, 1, 1500)
            query = {"query": "count_over_time(m_a[1h])", "time": "3000"}
            counts = [("1500", 3)]

            def arrived():
                result = ask(target.url, "query", **query)["data"]["result"]
                return [(s["value"][1]) for s in result] == [counts[0][0]] * 3

            until(arrived)
            target.kill()
            written(server, 1501, 100)
            target.start()
            counts[0] = ("1600", 3)
            until(arrived)
            forwarder = server.server.forwarder
            # What has arrived is counted once its answer is back.
            until(lambda: forwarder.sent == 3 * 2 * 1600)
            assert forwarder.dropped == 0


@pytest.mark.peer
def test_a_real_prometheus_takes_what_is_forwarded(prometheus_now):
    prometheus, now = prometheus_now
    url = f"{prometheus.url}/api/v1/write"
    with bedrock.run("tsdb", forward=url) as server:
        line = f'm,job="x\u00fc" v=1.5 {now}\nm v=-0.25 {now}\n'
        assert http(f"{server.url}/write?precision=s", line.encode())[0] == 204
        until(lambda: ask(prometheus.url, "query", query="m_v")["data"]["result"])
        mine = ask(server.url, "query", query="m_v", time=str(now))["data"]["result"]
        theirs = ask(prometheus.url, "query", query="m_v", time=str(now))["data"]["result"]
        assert mine == theirs
        assert len(contents(server.server.store)) == 2


@pytest.fixture
def prometheus_now():
    import time

    try:
        running = peers.prometheus("global: {}\n", "--web.enable-remote-write-receiver")
    except peers.PeerMissing as exc:
        pytest.skip(str(exc))
    with running:
        until(lambda: http(f"{running.url}/-/ready")[0] == 200)
        yield running, math.floor(time.time())


def test_what_is_refused_for_good_is_dropped_and_the_next_is_sent():
    with (
        bedrock.run("tsdb", series_max=2) as target,
        bedrock.run("tsdb", forward=f"http://{target.host}:{target.port}/api/v1/write") as server,
    ):
        assert http(f"{server.url}/write", b"m,i=1 v=1 1\nm,i=2 v=1 1\nm,i=3 v=1 1")[0] == 204
        assert http(f"{server.url}/write", b"m,i=1 v=2 2000000")[0] == 204
        forwarder = server.server.forwarder
        until(lambda: forwarder.sent)
        assert (forwarder.sent, forwarder.dropped) == (1, 3)
