"""Prometheus 2.42's own PromQL files, over HTTP: against ours and, to prove the runner, theirs."""

from contextlib import contextmanager

import pytest

import bedrock
from bedrock.testing import peers
from tests.hostile import until
from tests.tsdb import promqltest
from tests.tsdb.wire import http

EVALUATIONS = {
    "aggregators": 83, "at_modifier": 33, "collision": 2, "functions": 207, "histograms": 38,
    "literals": 20, "operators": 94, "selectors": 31, "staleness": 14, "subquery": 25,
    "trig_functions": 19,
}  # fmt: skip


@contextmanager
def ours():
    """A tsdb without data."""
    with bedrock.run("tsdb") as server:
        yield server.url


@contextmanager
def theirs():
    """A Prometheus without data, which takes samples of any age."""
    config = "global: {}\nstorage: {tsdb: {out_of_order_time_window: 100y}}\n"
    options = ("--web.enable-remote-write-receiver", "--storage.tsdb.retention.time=100y")
    with peers.prometheus(config, *options) as peer:
        until(lambda: http(f"{peer.url}/-/ready")[0] == 200)
        yield peer.url


def report_of(judges, name, fresh):
    return promqltest.run((judges / "promql-2.42" / f"{name}.test").read_text(), fresh)


@pytest.mark.parametrize("name", EVALUATIONS)
def test_every_evaluation_is_answered_as_expected(judges, name):
    report = report_of(judges, name, ours)
    assert not report.failed, "\n".join(report.failed)
    assert report.passed == EVALUATIONS[name]


@pytest.mark.peer
def test_the_runner_finds_a_real_prometheus_right(judges):
    try:
        peers.find("prometheus")
    except peers.PeerMissing as exc:
        pytest.skip(str(exc))
    for name, count in EVALUATIONS.items():
        report = report_of(judges, name, theirs)
        assert not report.failed, "\n".join(report.failed)
        assert report.passed == count
