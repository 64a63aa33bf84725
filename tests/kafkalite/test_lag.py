"""How far groups are behind: the numbers, the verdicts, the page, and what Prometheus is told."""

import json
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request

import pytest

import bedrock
from bedrock.app.pages import Missing
from kafkalite.batch import Record, pack
from kafkalite.lag import JUDGED, Lag, Sample, Status, judge
from kafkalite.metrics import broker_metrics
from kafkalite.page.browse import browse, shown
from kafkalite.page.views import Views

from .wire import SocketWire

pytestmark = pytest.mark.usefixtures("no_session_may_fail")


def samples(offsets, lags, times):
    return [Sample(*each) for each in zip(offsets, lags, times, strict=True)]


N = range(JUDGED)


@pytest.mark.parametrize(
    ("offsets", "lags", "times", "status"),
    [
        (N, [5] * JUDGED, N, Status.OK),
        (N, [0] * JUDGED, [1] * JUDGED, Status.OK),
        (N, range(1, JUDGED + 1), N, Status.WARN),
        ([7] * JUDGED, [5] * JUDGED, N, Status.STALL),
        ([7] * JUDGED, [5] * JUDGED, [1] * JUDGED, Status.STOP),
        ([*N[:-1], 3], [5] * JUDGED, N, Status.REWIND),
        ([7] * 3, [5] * 3, [1] * 3, Status.OK),
    ],
)
def test_what_samples_say(offsets, lags, times, status):
    assert judge(samples(offsets, lags, times)) is status


def commit(wire, group, topic, offset, index=0):
    part = {"index": index, "committed_offset": offset}
    topics = [{"name": topic, "partitions": [part]}]
    response = wire.call("OffsetCommit", 8, group_id=group, topics=topics)
    assert response["topics"][0]["partitions"][0]["error_code"] == 0


@pytest.fixture
def behind(wire, peer):
    """A group that has read two of five records, made a second apart."""
    wire.create("t", partitions=2)
    for value in (b"a", b"b", b"c", b"d", b"e"):
        wire.produce("t", value)
        peer.clock.advance(1000)
    commit(wire, "g", "t", 2)
    return Lag(peer.broker)


def test_lag_in_records_and_in_time(behind, wire, peer):
    place = behind.of_group("g")["t", 0]
    assert (place.committed, place.end, place.lag, place.behind_ms) == (2, 5, 3, 3000)
    commit(wire, "g", "t", 5)
    place = behind.of_group("g")["t", 0]
    assert (place.lag, place.behind_ms) == (0, 0)


def test_a_trend_is_kept_and_forgotten_with_its_group(behind, wire, peer):
    peer.broker.every(5, "lag", behind.sample)
    peer.clock.advance(62_000)
    assert list(behind.history["g"].lags) == [3] * 12
    assert behind.status("g") is Status.STOP
    assert behind.status("g", ("t", 0)) is Status.STOP
    assert wire.call("DeleteGroups", groups=["g"])["results"][0]["error_code"] == 0
    peer.clock.advance(5000)
    assert not behind.history
    assert behind.status("g") is Status.OK


def test_prometheus_is_told_in_the_names_of_kafka_exporter(behind, peer):
    told = {
        (sample.name, *sample.labels.values()): sample.value
        for family in broker_metrics(peer.broker, behind)
        for sample in family.samples
    }
    assert told["kafka_consumergroup_lag", "g", "t", "0"] == 3
    assert told["kafka_consumergroup_lag_sum", "g", "t"] == 3
    assert told["kafka_consumergroup_current_offset", "g", "t", "0"] == 2
    assert told["kafka_consumergroup_members", "g"] == 0
    assert told["kafka_topic_partition_current_offset", "t", "0"] == 5
    assert told["kafka_topic_partitions", "t"] == 2
    assert told["bedrock_kafkalite_group_lag_seconds", "g", "t", "0"] == 3.0


def test_a_reset_is_planned_and_then_done(behind, peer):
    views = Views(peer.broker, behind)
    plan = views.plan("g", "", "shift_by", -1)
    assert [(row["committed"], row["target"]) for row in plan] == [(2, 1)]
    assert behind.of_group("g")["t", 0].committed == 2
    views.reset("g", plan)
    assert behind.of_group("g")["t", 0].committed == 1
    start = peer.clock.wall_ms() - 5000
    assert [row["target"] for row in views.plan("g", "t", "to_datetime", start + 2500)] == [3, 0]
    with pytest.raises(Missing):
        views.plan("g", "none", "to_latest", 0)


def test_records_are_found_by_offset_time_and_key(open_log):
    log = open_log()
    for i in range(10):
        key = b"even" if i % 2 == 0 else b"odd"
        codec = "zstd" if i > 5 else "none"
        log.append_batch(pack([Record(0, 1000 + i, key, b"v%d" % i)], codec=codec))
    log.flush()
    page = browse(log, 3, 4)
    assert [r.offset for r in page.records] == [3, 4, 5, 6]
    assert (page.next, page.whole) == (7, False)
    page = browse(log, 0, 100, "odd")
    assert [r.offset for r in page.records] == [1, 3, 5, 7, 9]
    assert page.whole
    assert browse(log, 99, 5).records == []


@pytest.mark.parametrize(
    ("data", "how", "told"),
    [
        (None, "auto", ("null", "null")),
        (b"hey", "auto", ("text", "hey")),
        (b'{"a":1}', "auto", ("json", '{"a": 1}')),
        (b'{"a":', "auto", ("text", '{"a":')),
        (b"\xff\x00", "auto", ("hex", "ff 00")),
        (b"\xff\x00", "text", ("text", "\\xff\x00")),
        (b"hey", "hex", ("hex", "68 65 79")),
        (b"\0\0\0\0\5abc", "auto", ("schema 5", "61 62 63")),
    ],
)
def test_values_are_decoded(data, how, told):
    found = shown(data, how)
    assert (found["as"], found["text"]) == told


# ---------------------------------------------------------------------- the page


class Browser:
    """Asks the page of a server."""

    def __init__(self, server):
        self.base = f"http://{server.host}:{server.ports['page_port']}"

    def get(self, path, headers=None, data=None):
        request = urllib.request.Request(self.base + path, data, headers or {})
        try:
            with urllib.request.urlopen(request, timeout=5) as reply:
                return reply.status, reply.read().decode()
        except urllib.error.HTTPError as reply:
            return reply.code, reply.read().decode()

    def json(self, path):
        status, text = self.get(path)
        assert status == 200, text
        return json.loads(text)


@pytest.fixture
def browser():
    with bedrock.run("kafkalite", page_port=0) as server:
        wire = SocketWire(server)
        wire.create("t")
        wire.produce("t", b"<b>bold</b>", b'{"n": 1}')
        part = {"index": 0, "committed_offset": 1}
        wire.call("OffsetCommit", group_id="a group", topics=[{"name": "t", "partitions": [part]}])
        yield Browser(server)
        wire.socket.close()


def test_every_page_is_there_as_html_and_json(browser):
    group = urllib.parse.quote("a group")
    for path in ("/", f"/groups/{group}", "/topics/t", "/topics/t/messages?offset=0"):
        status, page = browser.get(path)
        assert status == 200
        assert "<main>" in page
        assert "<b>bold" not in page
    overview = browser.json("/overview.json")
    assert [(g["id"], g["lag"]) for g in overview["groups"]] == [("a group", 1)]
    assert browser.json(f"/groups/{group}.json")["partitions"][0]["committed"] == 1
    assert browser.json("/topics/t.json")["logs"][0]["end"] == 2
    messages = browser.json("/topics/t/messages.json?offset=1")["messages"]
    assert [m["value"]["as"] for m in messages] == ["json"]
    for name in ("page.css", "console.css", "live.js"):
        assert browser.get(f"/static/{name}")[0] == 200


def test_offsets_are_reset_from_the_page(browser):
    path = "/groups/a%20group"
    plan = browser.json(f"{path}.json?how=to_earliest")["plan"]
    assert [(row["committed"], row["target"]) for row in plan] == [(1, 0)]
    form = urllib.parse.urlencode({"how": "to_earliest", "topic": "", "value": ""}).encode()
    assert browser.get(f"{path}/reset", data=form)[0] == 403
    assert browser.json(f"{path}.json")["partitions"][0]["committed"] == 1
    assert browser.get(f"{path}/reset", {"Origin": browser.base}, form)[0] == 200
    assert browser.json(f"{path}.json")["partitions"][0]["committed"] == 0


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/groups/none", 404),
        ("/topics/none", 404),
        ("/topics/t/messages?partition=9", 404),
        ("/topics/t/messages?partition=-1", 404),
        ("/topics/t/messages?offset=x", 400),
        ("/topics/t/messages?time=yesterday", 400),
        ("/groups/a%20group?how=guess", 400),
        ("/groups/a%20group?how=to_offset&value=x", 400),
        ("/static/..%2fserver.py", 404),
        ("/nothing", 404),
    ],
)
def test_what_is_not_there(browser, path, status):
    assert browser.get(path)[0] == status


def test_strangers_see_nothing(tmp_path, browser):
    assert browser.get("/", {"Host": "evil.example"})[0] == 421
    users = tmp_path / "users"
    users.write_text("root:r\nalice:a\n")
    options = {
        "users_file": str(users), "super_users": ["User:root"],
        "allow_everyone_if_no_acl_found": False,
    }
    with bedrock.run("kafkalite", page_port=0, **options) as server:
        guarded = Browser(server)
        assert guarded.get("/")[0] == 401
        # root:r, root:x, alice:a
        for word, status in (("cm9vdDpy", 200), ("cm9vdDp4", 401), ("YWxpY2U6YQ==", 401)):
            assert guarded.get("/", {"Authorization": f"Basic {word}"})[0] == status


def test_a_page_that_is_declined_is_in_nobodys_way(tmp_path):
    command = [sys.executable, "-m", "bedrock.app.cli", "exec", "kafkalite", "--", "env"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    assert "KAFKA_BOOTSTRAP_SERVERS=127.0.0.1:" in done.stdout
