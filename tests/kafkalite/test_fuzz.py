"""Input nobody would send: an answer of the protocol or a clean close, nobody else disturbed."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bedrock.sim.disk import Medium
from bedrock.world import Rand
from kafkalite.apis import APIS
from kafkalite.batch import Record, pack

from .wire import Peer, frame

pytestmark = pytest.mark.usefixtures("no_session_may_fail")

BATCH = pack([Record(0, 0, b"k", b"v")], producer_id=1, producer_epoch=0, base_sequence=0)
PART = {"index": 0}
TOPIC = {"name": "t", "partitions": [{**PART, "records": BATCH}]}
BODIES = {
    "Produce": {"acks": -1, "topics": [TOPIC]},
    "Fetch": {"topics": [{"name": "t", "partitions": [{**PART, "max_bytes": 999}]}]},
    "ListOffsets": {"topics": [{"name": "t", "partitions": [PART]}]},
    "DeleteRecords": {"topics": [{"name": "t", "partitions": [PART]}]},
    "OffsetForLeaderEpoch": {"topics": [{"name": "t", "partitions": [PART]}]},
    "Metadata": {"topics": [{"name": "t"}]},
    "CreateTopics": {"topics": [{"name": "n", "num_partitions": 1, "replication_factor": 1}]},
    "CreatePartitions": {"topics": [{"name": "t", "count": 3}]},
    "DeleteTopics": {"topics": [{"name": "n"}], "topic_names": ["n"]},
    "DescribeConfigs": {"resources": [{"resource_type": 2, "resource_name": "t"}]},
    "AlterConfigs": {"resources": [{"resource_type": 2, "resource_name": "t"}]},
    "OffsetCommit": {"group_id": "g", "topics": [{"name": "t", "partitions": [PART]}]},
    "OffsetFetch": {"group_id": "g", "groups": [{"group_id": "g"}]},
    "OffsetDelete": {"group_id": "g", "topics": [{"name": "t", "partitions": [PART]}]},
    "FindCoordinator": {"key": "g", "coordinator_keys": ["g"]},
    "JoinGroup": {
        "group_id": "g",
        "session_timeout_ms": 6000,
        "rebalance_timeout_ms": 6000,
        "protocol_type": "consumer",
        "protocols": [{"name": "range", "metadata": b"m"}],
    },
    "SyncGroup": {"group_id": "g", "assignments": [{"member_id": "m", "assignment": b"a"}]},
    "LeaveGroup": {"group_id": "g", "members": [{"member_id": "m"}]},
    "DescribeGroups": {"groups": ["g"]},
    "DeleteGroups": {"groups": ["h"]},
    "CreateAcls": {
        "creations": [
            {
                "resource_type": 3,
                "resource_name": "g2",
                "resource_pattern_type": 3,
                "principal": "User:nobody",
                "host": "*",
                "operation": 3,
                "permission_type": 3,
            }
        ]
    },
    "DeleteAcls": {"filters": [{"resource_type_filter": 2, "resource_name_filter": "none"}]},
    "IncrementalAlterConfigs": {
        "resources": [
            {
                "resource_type": 2,
                "resource_name": "t",
                "configs": [{"name": "flush.ms", "config_operation": 0, "value": "5"}],
            }
        ]
    },
    "AlterClientQuotas": {
        "entries": [
            {
                "entity": [{"entity_type": "user", "entity_name": "nobody"}],
                "ops": [{"key": "producer_byte_rate", "value": 1e9, "remove": False}],
            }
        ]
    },
    "AlterUserScramCredentials": {
        "upsertions": [
            {
                "name": "u",
                "mechanism": 1,
                "iterations": 4096,
                "salt": b"salt",
                "salted_password": b"salted",
            }
        ]
    },
    "ElectLeaders": {"topic_partitions": [{"topic": "t", "partitions": [0]}]},
    "AlterPartitionReassignments": {
        "topics": [{"name": "t", "partitions": [{"partition_index": 0, "replicas": [1]}]}]
    },
}


def requests(version_of):
    """One request of every API, in the version that `version_of(api)` names."""
    out = []
    for api in APIS.values():
        version = version_of(api)
        decoder = api.decoder(version)
        body = BODIES.get(api.name, {})
        out.append(frame(api, version, 1, {k: v for k, v in body.items() if k in decoder.defaults}))
    return out


FRAMES = requests(lambda api: api.newest) + requests(lambda api: api.oldest)
EDITS = st.lists(
    st.tuples(st.integers(0, 1 << 16), st.integers(0, 3), st.integers(0, 255)), max_size=4
)


def mutate(data, edits):
    data = bytearray(data)
    for place, what, value in edits:
        place %= len(data) + 1
        if what == 0:
            data[place : place + 1] = bytes([value])
        elif what == 1:
            data[place:place] = bytes([value]) * 3
        elif what == 2:
            data[place : place + 4] = [b"\x7f\xff\xff\xff", b"\x80\0\0\0", b"\xff" * 4][value % 3]
        else:
            del data[place : place + value % 16]
    return bytes(data)


def fresh_broker():
    peer = Peer(Medium(Rand(1)).disk(), max_request_bytes=100_000)
    peer.connect().create("t")
    return peer


@pytest.mark.parametrize("data", FRAMES)
def test_an_odd_but_whole_request_is_answered(data):
    peer = fresh_broker()
    link = peer.connect().link
    answer = link.feed(data)
    peer.clock.advance(60_000)
    answer += link.feed(b"")
    assert answer or b"t" not in data or link.closed


@settings(max_examples=1500)
@given(st.sampled_from(FRAMES), EDITS, st.booleans())
def test_mutated_requests_get_an_answer_or_the_end(data, edits, keep_length):
    peer = fresh_broker()
    if keep_length:
        body = mutate(data[4:], edits)
        data = len(body).to_bytes(4, "big") + body
    else:
        data = mutate(data, edits)
    wire, other = peer.connect(), peer.connect()
    wire.link.feed(data)
    peer.clock.advance(60_000)
    wire.link.feed(b"")
    assert other.call("ApiVersions")["error_code"] == 0


@settings(max_examples=300)
@given(st.binary(max_size=300))
def test_noise_gets_an_answer_or_the_end(data):
    peer = fresh_broker()
    peer.connect().link.feed(data)
    peer.connect().link.feed(len(data).to_bytes(4, "big") + data)


def test_a_frame_takes_memory_as_it_arrives_and_not_as_it_promises():
    peer = Peer(Medium(Rand(1)).disk())
    links = [peer.connect().link for _ in range(200)]
    for link in links:
        link.feed((100 << 20).to_bytes(4, "big") + b"x" * 100)
        assert not link.closed
