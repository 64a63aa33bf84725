"""What the HTTP handlers answer when the store cannot do what was asked."""

import json

import pytest

from bedrock.net.http import Request
from bedrock.sim.disk import Medium
from bedrock.world.rand import Rand
from tests.tsdb.wire import memory_store, memory_world, remote_write_body
from tsdb.api import Api
from tsdb.budget import Budget
from tsdb.config import TsdbConfig
from tsdb.influx import Influx
from tsdb.intake import Intake
from tsdb.monitor.monitor import Monitor
from tsdb.status import Status
from tsdb.store import Store


def handlers(store):
    monitor = Monitor(store.world, store, "", Budget)
    routes = Api(store, TsdbConfig(), 300_000).routes() + Status(store, dict, monitor).routes()
    routes += Influx(store).routes() + Intake(store).routes()
    return {(route.method, route.pattern): route.handler for route in routes}


def call(store, method, path, body=b"", **query):
    request = Request(None)
    request.method, request.path, request.body = method, path, body
    request.query = {name: [value] for name, value in query.items()}
    return handlers(store)[method, path](request)


def body_of(series):
    return remote_write_body({(("__name__", f"m{i}"),): [(i, i / 3)] for i in range(series)})


@pytest.mark.parametrize("path", ["/write", "/api/v2/write", "/api/v1/write"])
def test_a_full_disk_is_a_5xx_and_queries_go_on(path):
    medium = Medium(Rand(1), capacity=5 << 20)
    store = Store(memory_world(medium))
    lines = b"\n".join(b"m,i=%d f=%d.5 0" % (i, i) for i in range(2000))
    body = lines if path != "/api/v1/write" else body_of(2000)
    answers = {call(store, "POST", path, body).status for _ in range(450)}
    assert answers == {204, 507}
    answer = call(store, "GET", "/api/v1/query", query='count({__name__!=""})', time="0")
    assert answer.status == 200
    medium.capacity = 0
    assert call(store, "POST", path, body).status == 204


@pytest.mark.parametrize("path", ["/write", "/api/v1/write"])
def test_too_many_series_is_the_clients_fault(path):
    store = memory_store(series_max=1)
    body = b"m f=1 0\nn f=1 0" if path == "/write" else body_of(2)
    answer = call(store, "POST", path, body)
    assert answer.status == 400
    assert b"limit of 1 series" in answer.body


def test_the_status_pages_answer_with_what_grafana_looks_for():
    store = memory_store()
    for page, key in (
        ("buildinfo", "version"),
        ("runtimeinfo", "storageRetention"),
        ("tsdb", "headStats"),
        ("config", "yaml"),
    ):
        answer = json.loads(call(store, "GET", f"/api/v1/status/{page}").body)
        assert key in answer["data"]
