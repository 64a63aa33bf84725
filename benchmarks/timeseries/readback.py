"""Read every value back from a server and compare it with what was written.

All samples of a field at a time: a range selector of PromQL, VictoriaMetrics' export, InfluxDB's
SELECT.  AssertionError names the server, field and host of what is missing or different.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from urllib.parse import urlencode

import numpy as np

from benchmarks.harness import Subject
from benchmarks.timeseries.devops import FIELDS, CpuOnly

Samples = tuple[np.ndarray, np.ndarray]  # times (ms) and values


def read_back(side: Subject, stream: CpuOnly) -> int:
    """How many values a server gave back, each with its time, all equal."""
    times = np.array(stream.times)
    values = np.array(stream.values)
    found = 0
    for number, field in enumerate(FIELDS):
        hosts = dict(READERS.get(side.name, _promql)(side, field, stream.now_ms))
        assert len(hosts) == stream.hosts, (side.name, field, len(hosts))
        for host in range(stream.hosts):
            there_times, there = hosts[f"host_{host}"]
            order = np.argsort(times[:, host], kind="stable")
            same = np.array_equal(there_times, times[order, host]) and np.array_equal(
                there, values[order, host, number]
            )
            assert same, (side.name, field, host)
            found += len(there)
    return found


def _ask(side: Subject, path: str, **fields: object) -> bytes:
    connection = http.client.HTTPConnection(side.host, side.port, timeout=120)
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    connection.request("POST", path, urlencode(fields), headers)
    response = connection.getresponse()
    body = response.read()
    assert response.status == 200, (side.name, body[:300])
    return body


def _promql(side: Subject, field: str, end_ms: int) -> Iterator[tuple[str, Samples]]:
    body = _ask(side, "/api/v1/query", query=f"cpu_{field}[1d]", time=end_ms / 1000)
    for series in json.loads(body)["data"]["result"]:
        pairs = series["values"]
        times = np.array([round(1000 * t) for t, _ in pairs])
        yield series["metric"]["hostname"], (times, np.array([float(v) for _, v in pairs]))


def _export(side: Subject, field: str, end_ms: int) -> Iterator[tuple[str, Samples]]:
    body = _ask(side, "/api/v1/export", **{"match[]": f"cpu_{field}", "reduce_mem_usage": 1})
    parts: dict[str, list[Samples]] = {}
    for line in body.splitlines():
        series = json.loads(line)
        part = np.array(series["timestamps"]), np.array(series["values"])
        parts.setdefault(series["metric"]["hostname"], []).append(part)
    for host, found in parts.items():
        times = np.concatenate([times for times, _ in found])
        order = np.argsort(times, kind="stable")
        yield host, (times[order], np.concatenate([values for _, values in found])[order])


def _influxql(side: Subject, field: str, end_ms: int) -> Iterator[tuple[str, Samples]]:
    body = _ask(
        side, "/query", db="db", epoch="ms", q=f"SELECT {field} FROM cpu GROUP BY hostname"
    )
    for series in json.loads(body)["results"][0]["series"]:
        pairs = np.array(series["values"])
        yield series["tags"]["hostname"], (pairs[:, 0], pairs[:, 1])


READERS = {"victoria-metrics": _export, "influxdb": _influxql}
