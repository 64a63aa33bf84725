"""Topics, configuration, offsets for times, committed offsets: what administration asks."""

import pytest

from bedrock.sim.disk import Medium
from bedrock.world import OsDisk, Rand
from kafkalite.errors import Code
from kafkalite.topics import PARTITION_METADATA

from .wire import Peer

pytestmark = pytest.mark.usefixtures("no_session_may_fail")


def test_asking_about_a_topic_makes_it(wire):
    topic = wire.call("Metadata", topics=[{"name": "new"}])["topics"][0]
    assert (topic["error_code"], len(topic["partitions"])) == (0, 1)
    assert topic["topic_id"] != bytes(16)
    again = wire.call("Metadata", topics=None)["topics"]
    assert [t["name"] for t in again] == ["new"]


def test_asking_may_be_told_not_to_make_it(wire):
    topic = wire.call("Metadata", topics=[{"name": "new"}], allow_auto_topic_creation=False)
    assert topic["topics"][0]["error_code"] == Code.UNKNOWN_TOPIC_OR_PARTITION


@pytest.mark.parametrize("version", range(14))
def test_metadata_in_every_version(wire, version):
    wire.create("t", partitions=3)
    response = wire.call("Metadata", version, topics=[{"name": "t"}])
    assert len(response["topics"][0]["partitions"]) == 3
    assert response["brokers"][0]["node_id"] == 1


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a" * 250, "ä", "a b", "../x"])
def test_a_topic_may_not_be_called_anything(wire, name):
    assert wire.create(name)["error_code"] == Code.INVALID_TOPIC
    if name:
        metadata = wire.call("Metadata", topics=[{"name": name}])
        assert metadata["topics"][0]["error_code"] == Code.INVALID_TOPIC


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"num_partitions": 0}, Code.INVALID_PARTITIONS),
        ({"num_partitions": 1 << 30}, Code.INVALID_PARTITIONS),
        ({"replication_factor": 3}, Code.INVALID_REPLICATION_FACTOR),
        ({"configs": [{"name": "no.such", "value": "1"}]}, Code.INVALID_CONFIG),
        ({"configs": [{"name": "retention.ms", "value": "x"}]}, Code.INVALID_CONFIG),
        ({"configs": [{"name": "cleanup.policy", "value": "compacted"}]}, Code.INVALID_CONFIG),
        ({"name": "t"}, Code.TOPIC_ALREADY_EXISTS),
    ],
)
def test_topics_that_cannot_be(wire, change, code):
    wire.create("t")
    wanted = {"name": "n", "num_partitions": 1, "replication_factor": -1, **change}
    for validate_only in (True, False):
        response = wire.call("CreateTopics", topics=[wanted], validate_only=validate_only)
        assert response["topics"][0]["error_code"] == code


def test_topics_outlive_the_broker_and_keep_their_ids(tmp_path):
    wire = Peer(OsDisk(str(tmp_path))).connect()
    made = wire.create("t", partitions=2, retention_ms="5000")
    assert made["error_message"] is None
    wire.call("CreatePartitions", topics=[{"name": "t", "count": 4}])
    wire.produce("t", b"v", index=3)
    again = Peer(OsDisk(str(tmp_path))).connect()
    topic = again.call("Metadata", topics=[{"name": "t"}])["topics"][0]
    assert (topic["topic_id"], len(topic["partitions"])) == (made["topic_id"], 4)
    assert again.fetch("t", 0, index=3)["high_watermark"] == 1
    assert config_of(again, "t")["retention.ms"]["value"] == "5000"
    assert (tmp_path / "t-3" / PARTITION_METADATA).read_text().startswith("version: 0\n")


def test_a_namesake_is_another_topic(tmp_path):
    wire = Peer(OsDisk(str(tmp_path))).connect()
    first = wire.create("t")
    wire.produce("t", b"v")
    wire.peer.broker.topics.sync()
    assert wire.call("DeleteTopics", topics=[{"name": "t"}])["responses"][0]["error_code"] == 0
    assert not (tmp_path / "t-0").exists()
    second = wire.create("t")
    assert second["topic_id"] != first["topic_id"]
    assert wire.fetch("t", 0)["high_watermark"] == 0
    assert Peer(OsDisk(str(tmp_path))).connect().fetch("t", 0)["high_watermark"] == 0


def test_what_an_interrupted_deletion_left_is_removed(tmp_path):
    wire = Peer(OsDisk(str(tmp_path))).connect()
    wire.create("t")
    wire.create("gone")
    catalog = (tmp_path / "topics.json").read_text()
    (tmp_path / "topics.json").write_text(catalog.replace("gone", "t2"))
    (tmp_path / "gone-7").mkdir()
    (tmp_path / "gone-7" / "00000000000000000000.log").write_bytes(b"")
    Peer(OsDisk(str(tmp_path)))
    assert not (tmp_path / "gone-7").exists()
    assert (tmp_path / "t-0").exists()


def config_of(wire, topic):
    resource = {"resource_type": 2, "resource_name": topic, "configuration_keys": None}
    result = wire.call("DescribeConfigs", resources=[resource], include_synonyms=True)
    assert result["results"][0]["error_code"] == 0
    return {entry["name"]: entry for entry in result["results"][0]["configs"]}


def alter(wire, name, value, operation=0, topic="t"):
    config = {"name": name, "value": value, "config_operation": operation}
    resource = {"resource_type": 2, "resource_name": topic, "configs": [config]}
    response = wire.call("IncrementalAlterConfigs", resources=[resource])
    return response["responses"][0]["error_code"]


def test_configuration_is_altered_and_acted_on(wire):
    wire.create("t")
    assert alter(wire, "max.message.bytes", "200") == 0
    assert wire.produce("t", b"x" * 300)["error_code"] == Code.MESSAGE_TOO_LARGE
    assert config_of(wire, "t")["max.message.bytes"]["config_source"] == 1
    assert alter(wire, "max.message.bytes", None, operation=1) == 0
    assert wire.produce("t", b"x" * 300)["error_code"] == 0
    assert alter(wire, "max.message.bytes", "-5") == Code.INVALID_CONFIG
    assert alter(wire, "no.such", "1") == Code.INVALID_CONFIG
    assert alter(wire, "retention.ms", "1", topic="none") == Code.UNKNOWN_TOPIC_OR_PARTITION


def test_a_groups_timeouts_are_altered_while_it_lives(wire, peer):
    wire.create("t")

    def beat(**more):
        return wire.call("ConsumerGroupHeartbeat", group_id="g", **more)

    joined = beat(member_id="", member_epoch=0, subscribed_topic_names=["t"],
                  rebalance_timeout_ms=5000, topic_partitions=[])
    assert joined["heartbeat_interval_ms"] < 9000
    for name in ("consumer.heartbeat.interval.ms", "consumer.session.timeout.ms"):
        config = {"name": name, "value": "9000", "config_operation": 0}
        resource = {"resource_type": 32, "resource_name": "g", "configs": [config]}
        response = wire.call("IncrementalAlterConfigs", resources=[resource])
        assert response["responses"][0]["error_code"] == 0
    me = {"member_id": joined["member_id"], "member_epoch": joined["member_epoch"]}
    assert beat(**me)["heartbeat_interval_ms"] == 9000
    peer.clock.advance(9001)
    assert beat(**me)["error_code"] == Code.UNKNOWN_MEMBER_ID


def test_the_broker_tells_its_own_configuration(wire):
    resource = {"resource_type": 4, "resource_name": "1", "configuration_keys": ["node.id"]}
    result = wire.call("DescribeConfigs", resources=[resource])["results"][0]
    assert [(c["name"], c["value"]) for c in result["configs"]] == [("node.id", "1")]


def offset_for(wire, timestamp, version=None):
    part = {"index": 0, "timestamp": timestamp}
    topics = [{"name": "t", "partitions": [part]}]
    response = wire.call("ListOffsets", version, replica_id=-1, topics=topics)
    found = response["topics"][0]["partitions"][0]
    return found["error_code"], found["offset"]


@pytest.mark.parametrize("version", range(1, 9))
def test_offsets_for_times(wire, version):
    wire.create("t")
    begin = wire.peer.clock.wall_ms()
    for _ in range(3):
        wire.produce("t", b"v")
        wire.peer.clock.advance(10)
    asked = {-1: 3, -2: 0, begin: 0, begin + 1: 1, begin + 20: 2, begin + 21: -1}
    for timestamp, offset in asked.items():
        assert offset_for(wire, timestamp, version) == (0, offset)
    if version >= 7:
        assert offset_for(wire, -3, version) == (0, 2)


def test_records_are_deleted_from_the_front(wire):
    wire.create("t")
    for _ in range(3):
        wire.produce("t", b"v")

    def delete(offset):
        topics = [{"name": "t", "partitions": [{"index": 0, "offset": offset}]}]
        part = wire.call("DeleteRecords", topics=topics)["topics"][0]["partitions"][0]
        return part["error_code"], part["low_watermark"]

    assert delete(2) == (0, 2)
    assert wire.fetch("t", 1)["error_code"] == Code.OFFSET_OUT_OF_RANGE
    assert offset_for(wire, -2) == (0, 2)
    assert delete(4) == (Code.OFFSET_OUT_OF_RANGE, -1)
    assert delete(-1) == (0, 3)


def commit(wire, offset, group="g", topic="t", **member):
    part = {"index": 0, "committed_offset": offset, "committed_metadata": "note"}
    topics = [{"name": topic, "partitions": [part]}]
    response = wire.call("OffsetCommit", 8, group_id=group, topics=topics, **member)
    return response["topics"][0]["partitions"][0]["error_code"]


def committed(wire, version=7, group="g", topics=None):
    if version >= 8:
        response = wire.call("OffsetFetch", version, groups=[{"group_id": group, "topics": topics}])
        found = response["groups"][0]["topics"]
    else:
        found = wire.call("OffsetFetch", version, group_id=group, topics=topics)["topics"]
    return {t["name"]: [p["committed_offset"] for p in t["partitions"]] for t in found}


@pytest.mark.parametrize("version", range(1, 10))
def test_committed_offsets_come_back(wire, version):
    wire.create("t")
    assert commit(wire, 5) == 0
    asked = [{"name": "t", "partitions": [0, 1]}]
    assert committed(wire, version, topics=asked) == {"t": [5, -1]}
    assert committed(wire, version, group="other", topics=asked) == {"t": [-1, -1]}
    if version >= 2:
        assert committed(wire, version) == {"t": [5]}


def test_committed_offsets_outlive_the_broker(tmp_path):
    wire = Peer(OsDisk(str(tmp_path))).connect()
    wire.create("t")
    wire.create("u")
    for offset in range(10):
        commit(wire, offset)
        commit(wire, offset, topic="u")
    wire.call("DeleteTopics", topics=[{"name": "u"}])
    again = Peer(OsDisk(str(tmp_path))).connect()
    assert committed(again) == {"t": [9]}


def test_offsets_of_groups_are_listed_and_deleted(wire):
    wire.create("t")
    commit(wire, 5)
    assert [g["group_id"] for g in wire.call("ListGroups")["groups"]] == ["g"]
    topics = [{"name": "t", "partitions": [{"index": 0}]}]
    assert wire.call("OffsetDelete", group_id="g", topics=topics)["error_code"] == 0
    assert committed(wire) == {}
    assert wire.call("DeleteGroups", groups=["g"])["results"][0]["error_code"] == 69


def test_a_full_disk_is_an_error_and_not_the_end(tmp_path):
    medium = Medium(Rand(1), capacity=2_000_000)
    peer = Peer(medium.disk())
    wire = peer.connect()
    wire.create("t")
    wire.produce("t", b"kept")
    while wire.produce("t", b"x" * 50_000)["error_code"] == 0:
        pass
    assert wire.produce("t", b"x" * 50_000)["error_code"] == Code.KAFKA_STORAGE_ERROR
    assert wire.create("u")["error_code"] in (0, Code.KAFKA_STORAGE_ERROR)
    assert wire.fetch("t", 0)["error_code"] == 0
    assert not wire.link.closed


def test_ids_of_producers_are_given_once_even_across_a_restart(tmp_path):
    taken = set()
    for _ in range(3):
        wire = Peer(OsDisk(str(tmp_path))).connect()
        for _ in range(5):
            response = wire.call("InitProducerId", transactional_id=None)
            taken.add(response["producer_id"])
    assert len(taken) == 15


def test_a_stopped_broker_says_that_it_stopped_in_order(tmp_path):
    disk = OsDisk(str(tmp_path))
    peer = Peer(disk)
    assert not disk.exists(".kafka_cleanshutdown")
    peer.broker.close()
    assert disk.exists(".kafka_cleanshutdown")
    Peer(disk)
    assert not disk.exists(".kafka_cleanshutdown")
