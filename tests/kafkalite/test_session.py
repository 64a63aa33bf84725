"""The wire, offline: frames, order, waiting, refusals."""

from pathlib import Path

import pytest

from kafkalite.apis import APIS
from kafkalite.batch import Record, pack, unpack, unpack_all
from kafkalite.errors import Code
from kafkalite.handlers import HANDLERS
from kafkalite.reference import page
from kafkalite.requests import BY_NAME, HEADER

pytestmark = pytest.mark.usefixtures("no_session_may_fail")


def test_every_api_has_a_handler_and_every_handler_an_api():
    assert HANDLERS.keys() == APIS.keys()


def test_the_reference_says_what_is_served():
    written = Path(__file__).parents[2] / "docs" / "reference" / "kafkalite-api.md"
    assert written.read_text() == page()


def test_a_record_comes_back_as_it_was_sent(wire):
    wire.create("t")
    batch = pack([Record(0, 5, b"k", b"v", (("h", b"x"),))])
    assert wire.produce("t", batch=batch)["base_offset"] == 0
    assert wire.produce("t", batch=batch)["base_offset"] == 1
    got = wire.fetch("t", 0)
    assert (got["high_watermark"], got["last_stable_offset"], got["log_start_offset"]) == (2, 2, 0)
    assert [r.offset for r in unpack_all(got["records"])] == [0, 1]
    assert unpack(got["records"][: len(batch)]) == unpack(batch)


@pytest.mark.parametrize("version", range(3, 12))
def test_produce_in_every_version(wire, version):
    wire.create("t")
    assert wire.produce("t", b"v", version=version)["base_offset"] == 0


@pytest.mark.parametrize("version", range(4, 17))
def test_fetch_in_every_version(wire, version):
    topic_id = wire.create("t")["topic_id"]
    wire.produce("t", b"v" * 100_000)
    request = wire.fetch_request("t", 0)
    if version >= 13:
        request["topics"][0] = {"topic_id": topic_id} | request["topics"][0]
        del request["topics"][0]["name"]
    response = wire.call("Fetch", version, **request)
    assert unpack(response["topics"][0]["partitions"][0]["records"])[0].value == b"v" * 100_000


def test_the_stream_may_be_cut_anywhere(peer):
    wire = peer.connect()
    wire.create("t")
    data = b""
    for _ in range(3):
        data += wire.request("Metadata", 1, topics=[{"name": "t"}])[0]
    whole = wire.link.feed(data)
    for cut in range(1, len(data)):
        assert wire.link.feed(data[:cut]) + wire.link.feed(data[cut:]) == whole


def test_responses_come_in_the_order_of_requests(wire):
    wire.create("t")
    fetch = wire.send("Fetch", 12, **wire.fetch_request("t", 0, wait_ms=500))
    meta = wire.send("Metadata", 1, topics=[])
    assert wire.answer(fetch) is None
    wire.peer.connect().produce("t", b"v")
    assert wire.answer(fetch)["topics"][0]["partitions"][0]["high_watermark"] == 1
    assert wire.answer(meta)["controller_id"] == 1


def test_a_fetch_waits_until_there_is_enough(peer):
    reader, writer = peer.connect(), peer.connect()
    writer.create("t", partitions=2)
    fetch = reader.send("Fetch", 12, **reader.fetch_request("t", 0, wait_ms=500, min_bytes=300))
    writer.produce("t", b"x" * 100, index=1)
    writer.produce("t", b"x" * 100)
    assert reader.answer(fetch) is None
    writer.produce("t", b"x" * 100)
    records = reader.answer(fetch)["topics"][0]["partitions"][0]["records"]
    assert len(unpack_all(records)) == 2
    assert not peer.clock.timers


def test_a_fetch_waits_no_longer_than_asked(wire, peer):
    wire.create("t")
    fetch = wire.send("Fetch", 12, **wire.fetch_request("t", 0, wait_ms=500))
    peer.clock.advance(499)
    assert wire.answer(fetch) is None
    peer.clock.advance(1)
    assert wire.answer(fetch)["topics"][0]["partitions"][0]["records"] == b""


def test_a_client_that_goes_while_it_waits_leaves_nothing_behind(wire, peer):
    wire.create("t")
    wire.send("Fetch", 12, **wire.fetch_request("t", 0, wait_ms=500))
    wire.link.drop()
    assert not peer.clock.timers
    assert not peer.broker.topics.log("t", 0).waiting


def test_a_fetch_of_a_deleted_topic_is_answered(peer):
    reader, admin = peer.connect(), peer.connect()
    admin.create("t")
    fetch = reader.send("Fetch", 12, **reader.fetch_request("t", 0, wait_ms=500))
    assert admin.call("DeleteTopics", topics=[{"name": "t"}])["responses"][0]["error_code"] == 0
    part = reader.answer(fetch)["topics"][0]["partitions"][0]
    assert part["error_code"] == Code.UNKNOWN_TOPIC_OR_PARTITION


@pytest.mark.parametrize("acks", [-1, 0, 1])
def test_acks(wire, acks):
    wire.create("t")
    response = wire.produce("t", b"v", acks=acks)
    assert response is None if acks == 0 else response["base_offset"] == 0
    assert wire.fetch("t", 0)["high_watermark"] == 1


@pytest.mark.parametrize(
    ("topic", "index", "code"),
    [
        ("none", 0, Code.UNKNOWN_TOPIC_OR_PARTITION),
        ("t", 1, Code.UNKNOWN_TOPIC_OR_PARTITION),
        ("t", -1, Code.UNKNOWN_TOPIC_OR_PARTITION),
    ],
)
def test_what_is_not_there_cannot_be_written_or_read(wire, topic, index, code):
    wire.create("t")
    assert wire.produce(topic, b"v", index=index)["error_code"] == code
    assert wire.fetch(topic, 0, index=index)["error_code"] == code


@pytest.mark.parametrize("offset", [-1, 2, 1 << 62])
def test_an_offset_out_of_range(wire, offset):
    wire.create("t")
    wire.produce("t", b"v")
    assert wire.fetch("t", offset)["error_code"] == Code.OFFSET_OUT_OF_RANGE


def test_zstd_is_for_clients_that_can_unpack_it(wire):
    wire.create("t")
    batch = pack([Record(0, 0, None, b"v")], codec="zstd")
    assert wire.produce("t", batch=batch, version=6)["error_code"] == 76
    assert wire.produce("t", batch=batch, version=7)["error_code"] == 0


def test_an_unknown_version_of_api_versions_is_told_ours(wire):
    header = HEADER.encode({"api_key": 18, "api_version": 99, "correlation_id": 7})
    answer = wire.link.feed(len(header).to_bytes(4, "big") + header)
    told = BY_NAME["ApiVersions"].encoder(0).decode(answer[8:])
    assert told["error_code"] == Code.UNSUPPORTED_VERSION
    assert told["api_keys"] == [{"api_key": 18, "min_version": 0, "max_version": 4}]


def test_old_clients_find_the_ranges_they_take_for_features(wire):
    ranges = {k["api_key"]: k["min_version"] for k in wire.call("ApiVersions")["api_keys"]}
    for key in (0, 1, 8, 9, 10, 11, 12, 13, 14):
        assert ranges[key] == 0
    assert 17 not in ranges


@pytest.mark.parametrize(
    ("key", "version"), [(0, 2), (0, 12), (1, 3), (4, 0), (-1, 0), (18 << 8, 0), (3, -1)]
)
def test_what_is_not_served_ends_the_connection(wire, key, version):
    header = HEADER.encode({"api_key": key, "api_version": version})
    assert wire.link.feed(len(header).to_bytes(4, "big") + header) == b""
    assert wire.link.closed


@pytest.mark.parametrize("size", [0, 9, -1, -(1 << 31), (100 << 20) + 1, (1 << 31) - 1])
def test_a_length_out_of_range_ends_the_connection_at_once(wire, size):
    wire.link.feed(size.to_bytes(4, "big", signed=True))
    assert wire.link.closed
