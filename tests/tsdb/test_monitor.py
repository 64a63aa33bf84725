"""Scraping, rules and alerts, beside a real Prometheus where there is one."""

import json
import os
import signal
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

import bedrock
from bedrock.app import state
from bedrock.app.config import ConfigError
from bedrock.codec.compress import compress
from bedrock.testing import peers
from tests.hostile import until
from tests.tsdb.wire import ask, http, memory_store, write_request
from tsdb.budget import Budget
from tsdb.labels import labels_of
from tsdb.monitor.exposition import BadExposition, labels_in, parse_page
from tsdb.monitor.load import load
from tsdb.monitor.notify import Notifier
from tsdb.monitor.received import EXEMPLAR, METADATA
from tsdb.monitor.relabel import apply, relabels
from tsdb.monitor.rules import RuleManager
from tsdb.monitor.settings import Group, Rule
from tsdb.monitor.template import Template

PAGE = """\
# HELP jobs_total Jobs done.
# TYPE jobs_total counter
jobs_total{queue="a",job="own"} 3
jobs_total{queue="b\\\\x\\"y\\n"} 4.5 1395066363000
# TYPE temperature gauge
temperature -2.5e1
secret 1
# TYPE d summary
d{quantile="0.5"} NaN
d_sum +Inf
"""


class Pages(ThreadingHTTPServer):
    """A target: `page` is what it exposes; `posted` what was sent to it."""

    def __init__(self):
        self.page, self.kind, self.status = PAGE, "text/plain; version=0.0.4", 200
        self.posted = []
        self.asked = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(handler):
                self.asked.append((handler.path, dict(handler.headers)))
                body = self.page.encode()
                handler.send_response(self.status)
                handler.send_header("Content-Type", self.kind)
                handler.send_header("Content-Length", str(len(body)))
                handler.end_headers()
                handler.wfile.write(body)

            def do_POST(handler):
                size = int(handler.headers["Content-Length"])
                self.posted.append((handler.path, json.loads(handler.rfile.read(size))))
                handler.send_response(200)
                handler.send_header("Content-Length", "0")
                handler.end_headers()

            def log_message(handler, *args):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()


@pytest.fixture
def pages():
    server = Pages()
    yield server
    server.shutdown()
    server.server_close()


RULES = """
groups:
- name: g
  interval: 1s
  rules:
  - record: queue:jobs:sum
    expr: sum by (queue) (jobs_total)
    labels: {level: "1"}
  - alert: Cold
    expr: temperature < 0
    labels: {severity: "{{ if lt $value -20.0 }}high{{ else }}low{{ end }}"}
    annotations:
      summary: '{{ $labels.instance | stripPort }} is at {{ printf "%.1f" $value }}'
      short: '{{ $value | humanize }}'
      total: '{{ with query "sum(queue:jobs:sum)" }}{{ . | first | value }}{{ end }}'
  - alert: Never
    expr: temperature > 100
  - alert: Later
    expr: temperature < 0
    for: 1h
"""


def config(pages, alertmanager=""):
    alerting = f"""
alerting:
  alertmanagers: [{{static_configs: [{{targets: ["{alertmanager}"]}}]}}]
""" if alertmanager else ""
    return f"""
global: {{scrape_interval: 1s, evaluation_interval: 1s, external_labels: {{cluster: x}}}}
rule_files: [rules.yml]
{alerting}
scrape_configs:
- job_name: pages
  params: {{module: [m]}}
  static_configs:
  - targets: ["{pages.address}"]
    labels: {{zone: z1}}
  relabel_configs:
  - {{source_labels: [zone], target_label: area, regex: "z(.)", replacement: "area-$1"}}
  metric_relabel_configs:
  - {{source_labels: [__name__], regex: secret, action: drop}}
"""


@pytest.fixture
def watching(pages, tmp_path):
    (tmp_path / "rules.yml").write_text(RULES)
    (tmp_path / "prometheus.yml").write_text(config(pages, pages.address))
    with bedrock.run("tsdb", config_file=str(tmp_path / "prometheus.yml")) as server:
        yield server


def result(server, query):
    return {
        tuple(sorted(row["metric"].items())): float(row["value"][1])
        for row in ask(server.url, "query", query=query)["data"]["result"]
    }


def test_targets_are_scraped_relabelled_and_reported(watching, pages):
    until(lambda: result(watching, "up"))
    found = result(watching, 'jobs_total{exported_job="own"}')
    (labels,) = found
    assert dict(labels) == {
        "__name__": "jobs_total", "queue": "a", "exported_job": "own", "job": "pages",
        "instance": pages.address, "zone": "z1", "area": "area-1",
    }  # fmt: skip
    assert found[labels] == 3
    assert result(watching, "secret") == {}
    assert list(result(watching, "scrape_samples_scraped").values()) == [6]
    path, headers = pages.asked[0]
    assert path == "/metrics?module=m"
    assert "openmetrics" in headers["Accept"]
    (target,) = ask(watching.url, "targets")["data"]["activeTargets"]
    assert (target["health"], target["scrapePool"], target["lastError"]) == ("up", "pages", "")
    metadata = ask(watching.url, "metadata", metric="jobs_total")["data"]
    assert metadata == {"jobs_total": [{"type": "counter", "help": "Jobs done.", "unit": ""}]}


def test_what_a_target_no_longer_has_is_gone_at_once(watching, pages):
    until(lambda: result(watching, "temperature"))
    pages.page = PAGE.replace("temperature -2.5e1\n", "")
    until(lambda: result(watching, "temperature") == {}, 10)
    assert result(watching, "up")
    pages.status = 500
    until(lambda: list(result(watching, "up").values()) == [0.0], 10)
    assert result(watching, "d_sum") == {}
    (target,) = ask(watching.url, "targets")["data"]["activeTargets"]
    assert target["lastError"] == "server returned HTTP status 500"


def test_rules_record_and_alerts_fire_and_resolve(watching, pages):
    until(lambda: pages.posted, 20)
    path, (alert,) = pages.posted[0]
    assert path == "/api/v2/alerts"
    assert alert["labels"]["alertname"] == "Cold"
    assert alert["labels"]["severity"] == "high"
    assert alert["labels"]["cluster"] == "x"
    assert alert["annotations"]["summary"] == "127.0.0.1 is at -25.0"
    assert alert["annotations"]["total"] == "3"
    assert "g0.expr=temperature+%3C+0" in alert["generatorURL"]
    assert alert["endsAt"] > alert["startsAt"]
    sums = result(watching, "queue:jobs:sum")
    assert {dict(labels)["queue"]: dict(labels)["level"] for labels in sums} == {"a": "1"}
    (group,) = ask(watching.url, "rules")["data"]["groups"]
    assert [r["health"] for r in group["rules"]] == ["ok"] * 4
    assert [r.get("state") for r in group["rules"]] == [None, "firing", "inactive", "pending"]
    names = [a["labels"]["alertname"] for a in ask(watching.url, "alerts")["data"]["alerts"]]
    assert names == ["Cold", "Later"]
    assert len(result(watching, 'ALERTS{alertstate="firing"}')) == 1
    count = len(pages.posted)
    pages.page = PAGE.replace("-2.5e1", "25")
    until(lambda: len(pages.posted) > count, 20)
    _, (resolved,) = pages.posted[-1]
    assert resolved["startsAt"] == alert["startsAt"]
    until(lambda: result(watching, "ALERTS") == {}, 10)


async def test_a_pending_alert_goes_on_after_a_restart():
    store = memory_store()
    minute, begun = 60_000, 1_700_000_000_000
    store.add(labels_of({"__name__": "m"}), begun + np.arange(100) * minute, -np.ones(100))

    def group():
        rule = Rule("m < 0", alert="Cold", hold_ms=60 * minute)
        groups = [Group("g", "", minute, 0, [rule])]
        manager = RuleManager(store.world, store, Notifier(store.world), Budget)
        manager.set(groups, {})
        return manager, manager.groups[0]

    def since(running):
        (alert,) = running.rules[0].alerts.values()
        return (alert.active_ms - begun) // minute, alert.state

    manager, running = group()
    for at in range(40):
        await manager.evaluate(running, begun + at * minute)
    assert since(running) == (0, "pending")
    # Nobody looks for eleven minutes: they do not count.
    manager, running = group()
    await manager.evaluate(running, begun + 50 * minute)
    assert since(running) == (11, "pending")
    for at in range(51, 72):
        await manager.evaluate(running, begun + at * minute)
    assert since(running) == (11, "firing")
    manager, running = group()
    await manager.evaluate(running, begun + 73 * minute)
    assert since(running) == (11, "firing")
    # After too long it begins anew.
    manager, running = group()
    await manager.evaluate(running, begun + 73 * minute + 2 * 3_600_000)
    assert running.rules[0].alerts == {}


def test_a_reload_changes_what_the_file_changes_and_no_more(watching, pages, tmp_path):
    reload = f"{watching.url}/-/reload"
    until(lambda: result(watching, 'ALERTS{alertstate="pending"}'))
    since = result(watching, "ALERTS_FOR_STATE{alertname='Later'}")
    scraped = ask(watching.url, "targets")["data"]["activeTargets"][0]["lastScrape"]
    rules = RULES.replace("queue:jobs:sum", "queue:jobs:max").replace("sum by", "max by")
    (tmp_path / "rules.yml").write_text(rules)
    assert http(reload, b"")[0] == 200
    assert ask(watching.url, "targets")["data"]["activeTargets"][0]["lastScrape"] >= scraped
    until(lambda: result(watching, "queue:jobs:max"))
    assert result(watching, "queue:jobs:sum") == {}, "what is recorded no more ends at once"
    assert result(watching, "ALERTS_FOR_STATE{alertname='Later'}") == since
    (tmp_path / "prometheus.yml").write_text("scrape_configs: [{job_name: x, nonsense: 1}]")
    status, why = http(reload, b"")
    assert status == 500
    assert b"failed to reload config" in why
    assert b"nonsense" in why
    assert not ask(watching.url, "status/runtimeinfo")["data"]["reloadConfigSuccess"]
    assert len(ask(watching.url, "targets")["data"]["activeTargets"]) == 1
    (tmp_path / "prometheus.yml").write_text("global: {}")
    assert http(reload, b"")[0] == 200
    until(lambda: result(watching, "temperature") == {})
    assert ask(watching.url, "status/config")["data"]["yaml"] == "global: {}"
    assert ask(watching.url, "rules")["data"]["groups"] == []
    assert http(reload)[0] == 405


def test_what_bedrock_up_runs_beside_it_is_scraped(pages, tmp_path):
    file = str(tmp_path / "up.json")
    one = state.System("pages", "up", ports={"metrics_port": pages.server_port})
    gone = state.System("gone", "down", ports={"metrics_port": 1})
    state.write(file, state.State(os.getpid(), time.time(), [one, gone]))
    with bedrock.run("tsdb", state_file=file) as server:
        assert until(lambda: result(server, "up")) == {
            (("__name__", "up"), ("instance", "pages"), ("job", "pages")): 1.0
        }
        assert pages.asked[0][0] == "/metrics"
        assert ask(server.url, "scrape_pools")["data"]["scrapePools"] == ["bedrock"]
        gone.state, gone.ports = "up", one.ports
        state.write(file, state.State(os.getpid(), time.time(), [gone]))
        until(lambda: result(server, "up{job='gone'}"))
        assert result(server, "up{job='pages'}") == {}


@pytest.mark.peer
def test_a_real_alertmanager_takes_routes_and_resolves_our_alerts(pages, tmp_path):
    hearer = Pages()
    try:
        peer = peers.alertmanager(f"""
route: {{receiver: hook, group_by: [alertname], group_wait: 1s, group_interval: 1s}}
receivers: [{{name: hook, webhook_configs: [{{url: "http://{hearer.address}/hook"}}]}}]
""")
    except peers.PeerMissing as exc:
        pytest.skip(str(exc))
    (tmp_path / "rules.yml").write_text(RULES)
    (tmp_path / "prometheus.yml").write_text(config(pages, f"{peer.host}:{peer.port}"))
    file = str(tmp_path / "prometheus.yml")
    with peer, bedrock.run("tsdb", config_file=file) as server:
        def standing():
            return json.loads(http(f"{peer.url}/api/v2/alerts")[1])

        until(lambda: http(f"{peer.url}/-/ready")[0] == 200)
        (alert,) = until(standing)
        assert alert["labels"] == {
            "alertname": "Cold", "severity": "high", "area": "area-1", "zone": "z1",
            "cluster": "x", "job": "pages", "instance": pages.address,
        }  # fmt: skip
        assert alert["annotations"]["summary"] == "127.0.0.1 is at -25.0"
        assert alert["status"]["state"] == "active"
        assert alert["generatorURL"].startswith(f"{server.url}/graph?g0.expr=temperature")
        path, told = until(lambda: hearer.posted)[0]
        assert path == "/hook"
        assert told["status"] == "firing"
        assert told["groupLabels"] == {"alertname": "Cold"}
        pages.page = PAGE.replace("-2.5e1", "25")
        until(lambda: hearer.posted[-1][1]["status"] == "resolved")
        assert standing() == []
    hearer.shutdown()


@pytest.mark.peer
def test_a_real_prometheus_sees_and_sends_the_same(pages, tmp_path):
    hearers = [Pages(), Pages()]
    (tmp_path / "rules.yml").write_text(RULES)
    (tmp_path / "prometheus.yml").write_text(config(pages, hearers[0].address))
    try:
        peer = peers.prometheus()
    except peers.PeerMissing as exc:
        pytest.skip(str(exc))
    with peer, bedrock.run("tsdb", config_file=str(tmp_path / "prometheus.yml")) as ours:
        (peer.directory / "rules.yml").write_text(RULES)
        (peer.directory / "prometheus.yml").write_text(config(pages, hearers[1].address))
        os.kill(peer.pid, signal.SIGHUP)
        until(lambda: hearers[0].posted and hearers[1].posted, 40)

        def sent(hearer):
            alert = dict(hearer.posted[-1][1][0])
            link = alert.pop("generatorURL").partition("/graph")[2]
            return alert.pop("startsAt") < alert.pop("endsAt"), link, alert

        assert sent(hearers[0]) == sent(hearers[1])
        until(lambda: result(peer, "queue:jobs:sum") and result(ours, "queue:jobs:sum"))
        for query in ("jobs_total", "temperature", "d", "up", "queue:jobs:sum", "ALERTS"):
            assert str(result(ours, query)) == str(result(peer, query)), query
        for path in ("metadata", "targets", "rules", "alerts", "scrape_pools", "targets/metadata"):
            assert shape(ask(ours.url, path)) == shape(ask(peer.url, path)), path
    for hearer in hearers:
        hearer.shutdown()
        hearer.server_close()


def shape(answer):
    """An answer without what differs from one server to another: times, paths."""
    if isinstance(answer, dict):
        return {
            name: shape(value)
            for name, value in sorted(answer.items())
            if not name.lower().endswith(("time", "evaluation", "duration"))
            and name not in ("activeAt", "lastScrape", "file", "globalUrl", "discoveredLabels")
        }
    if isinstance(answer, list):
        return sorted((shape(one) for one in answer), key=str)
    return answer


def test_openmetrics_pages_bring_exemplars(pages, tmp_path):
    pages.kind = "application/openmetrics-text; version=1.0.0; charset=utf-8"
    pages.page = (
        '# TYPE h histogram\nh_bucket{le="1"} 5 # {trace_id="abc"} 0.5 1700000000.25\n'
        'h_bucket{le="+Inf"} 6 # {trace_id="def"} 3\nh_count 6\n# EOF\n'
    )
    (tmp_path / "rules.yml").write_text("groups: []")
    (tmp_path / "prometheus.yml").write_text(config(pages))
    with bedrock.run("tsdb", config_file=str(tmp_path / "prometheus.yml")) as server:
        query = "rate(h_bucket[1m])"
        found = until(lambda: ask(server.url, "query_exemplars", query=query)["data"])
        assert found[1]["seriesLabels"]["le"] == "1"
        assert found[1]["exemplars"] == [
            {"labels": {"trace_id": "abc"}, "value": "0.5", "timestamp": 1700000000.25}
        ]
        scraped = len(pages.asked)
        until(lambda: len(pages.asked) > scraped + 1)
        found = ask(server.url, "query_exemplars", query="h_bucket")["data"]
        assert [len(row["exemplars"]) for row in found] == [1, 1]
        assert ask(server.url, "query_exemplars", query="nothing")["data"] == []


def test_remote_writes_bring_exemplars_and_metadata():
    series = write_request({(("__name__", "h"), ("a", "b")): [(1000, 5.0)]})
    exemplar = EXEMPLAR.encode(
        {"labels": [{"name": "trace_id", "value": "x"}], "value": 0.5, "timestamp": 1000}
    )
    told = METADATA.encode({"type": 3, "name": "h", "help": "How long.", "unit": "seconds"})
    # The series is the message's only field: the exemplar goes behind what is in it.
    inner = series[2:] + b"\x1a" + bytes([len(exemplar)]) + exemplar
    body = b"\x0a" + bytes([len(inner)]) + inner + b"\x1a" + bytes([len(told)]) + told
    with bedrock.run("tsdb") as server:
        assert http(f"{server.url}/api/v1/write", compress("snappy", body))[0] == 204
        assert ask(server.url, "query_exemplars", query="h", end="2")["data"] == [
            {
                "seriesLabels": {"__name__": "h", "a": "b"},
                "exemplars": [{"labels": {"trace_id": "x"}, "value": "0.5", "timestamp": 1.0}],
            }
        ]
        assert ask(server.url, "metadata")["data"] == {
            "h": [{"type": "histogram", "help": "How long.", "unit": "seconds"}]
        }
        broken = body[:-3] + b"\xff\xff\xff"
        assert http(f"{server.url}/api/v1/write", compress("snappy", broken))[0] in (204, 400)


@pytest.mark.parametrize(
    "text", ["a", "a{", 'a{b="c} 1', "a b", "a 1 x", "1a 2", "{} 1"]
)
def test_what_is_no_page_is_refused(text):
    with pytest.raises(BadExposition, match="line 1"):
        parse_page(text)


@pytest.mark.parametrize("text", ["b=c", '1="x"', 'a="x" b="y"', 'a="x",,', "a"])
def test_what_are_no_labels_is_refused(text):
    with pytest.raises(BadExposition, match="bad labels"):
        list(labels_in(text))


def test_an_openmetrics_page_that_was_cut_off_is_refused():
    with pytest.raises(BadExposition, match="EOF"):
        parse_page("a 1\n", openmetrics=True)


@pytest.mark.parametrize(
    ("rule", "want"),
    [
        ({"action": "keep", "source_labels": ["a"], "regex": "x|y"}, {"a": "x", "b": "2"}),
        ({"action": "drop", "source_labels": ["a"], "regex": "x"}, None),
        ({"action": "labeldrop", "regex": "b"}, {"a": "x"}),
        ({"action": "labelkeep", "regex": "b"}, {"b": "2"}),
        ({"action": "labelmap", "regex": "(.)", "replacement": "my_$1"},
         {"a": "x", "b": "2", "my_a": "x", "my_b": "2"}),
        ({"action": "uppercase", "source_labels": ["a"], "target_label": "a"},
         {"a": "X", "b": "2"}),
        ({"action": "hashmod", "source_labels": ["a"], "target_label": "h", "modulus": 8},
         {"a": "x", "b": "2", "h": "6"}),
        ({"source_labels": ["a", "b"], "target_label": "c"}, {"a": "x", "b": "2", "c": "x;2"}),
        ({"source_labels": ["a"], "regex": "n", "target_label": "c"}, {"a": "x", "b": "2"}),
        ({"replacement": "", "target_label": "b"}, {"a": "x"}),
    ],
)  # fmt: skip
def test_relabelling(rule, want):
    assert apply(relabels([rule], "here"), {"a": "x", "b": "2"}) == want


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("{{ $value }}", "1536.5"), ("{{ $value | humanize }}", "1.536k"),
        ("{{ $value | humanize1024 }}", "1.5ki"), ("{{ humanizeDuration 3725 }}", "1h 2m 5s"),
        ("{{ humanizePercentage 0.123456 }}", "12.35%"), ("{{ .Labels.a | toUpper }}", "X"),
        ("{{ $labels.none }}", ""), ('{{ if eq $labels.a "x" }}y{{ end }}', "y"),
        ("{{ if gt $value 2000.0 }}y{{ else if gt $value 1000.0 }}z{{ else }}n{{ end }}", "z"),
        ('{{ reReplaceAll "(x)" "$1$1" $labels.a }}', "xx"), ("a {{- $labels.a -}} b", "axb"),
        ('{{ printf "%d-%s-%q" 3 "s" "t" }}', '3-s-"t"'), ("{{ $externalLabels.c }}", "d"),
        ('{{ "up" | query | first | label "job" }}', "j"), ("{{ 0.0000015 }}", "1.5e-06"),
        ("{{ nope }}", "<error expanding template: function \"nope\" not defined>"),
        ("{{ if true }}", "<error expanding template: unexpected EOF>"),
        ("{{/* nothing */}}", ""), ("plain", "plain"),
    ],
)  # fmt: skip
def test_templates(text, want):
    template = Template({"a": "x"}, 1536.5, {"c": "d"}, "", lambda q: [({"job": "j"}, 1.0)])
    assert template.expand(text) == want


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("scrape_configs: [{}]", "job_name"),
        ("scrape_configs: [{job_name: a, nonsense: 1}]", "nonsense"),
        ("scrape_configs: 7", "expected list"),
        ("global: {scrape_interval: x}", "not a valid duration"),
        ("rule_files: [none.yml]", "No such file"),
        ("a: [", "prometheus.yml"),
        ("scrape_configs: [{job_name: a, relabel_configs: [{action: x}]}]", "relabel action"),
    ],
)
def test_a_mistake_in_the_configuration_is_named(tmp_path, text, why):
    (tmp_path / "prometheus.yml").write_text(text)
    with pytest.raises(ConfigError, match=why):
        load(str(tmp_path / "prometheus.yml"))
