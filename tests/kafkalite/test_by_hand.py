"""Requests read and written by hand beside the same ones by table: the bytes must be the same."""

from operator import itemgetter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bedrock.sim.disk import Medium
from bedrock.world import Rand
from kafkalite.batch import Record, pack
from kafkalite.faults import Faults
from kafkalite.requests import BY_NAME, encode_request

from .wire import Peer

NAMES = ("plain", "keyed", "unknown", "no/name", "__consumer_offsets")
TOPIC = st.sampled_from(NAMES)
INDEX = st.integers(-1, 3)
SMALL = st.sampled_from((-1, 0, 1, 3, 1 << 20))
GOOD = pack([Record(0, 1000, None, b"value"), Record(0, 1001, b"k", b"v")])
RECORDS = st.sampled_from(
    (
        GOOD,
        pack([Record(0, 1000, b"k", b"v")]),
        pack([Record(0, 1000, b"k", b"v" * 100)], codec="zstd"),
        pack([Record(0, 1000, b"k", b"v")], producer_id=7, producer_epoch=0, base_sequence=0),
        pack([Record(0, 1000, b"k", b"v")], producer_id=7, producer_epoch=0, base_sequence=0,
             attributes=16),
        GOOD[:-1] + b"?",
        GOOD[:30],
        b"",
        None,
    )
)  # fmt: skip
TEXT = st.sampled_from(("", "m", "é", "x" * 5000))


def by_topic(**fields):
    """Topics with partitions that have these fields, each named once, as clients do."""
    parts = st.lists(
        st.fixed_dictionaries({"index": INDEX, **fields}), max_size=3, unique_by=itemgetter("index")
    )
    topics = st.fixed_dictionaries({"name": TOPIC, "partitions": parts})
    return st.lists(topics, max_size=3, unique_by=itemgetter("name"))


REQUESTS = {
    "Produce": {
        "transactional_id": st.sampled_from((None, "t")),
        "acks": st.sampled_from((-1, -1, 0, 1, 2)),
        "topics": by_topic(records=RECORDS),
    },
    "Fetch": {
        "min_bytes": st.sampled_from((0, 1)),
        "max_bytes": SMALL,
        "isolation_level": st.integers(0, 1),
        "session_id": st.integers(0, 1),
        "session_epoch": st.integers(-1, 1),
        "topics": by_topic(
            fetch_offset=st.integers(-1, 4), max_bytes=SMALL,
            current_leader_epoch=st.integers(-1, 1),
        ),
        "rack_id": TEXT,
    },
    "Metadata": {
        "topics": st.none() | st.lists(st.fixed_dictionaries({"name": TOPIC}), max_size=3),
        "allow_auto_topic_creation": st.booleans(),
        "include_cluster_authorized_operations": st.booleans(),
        "include_topic_authorized_operations": st.booleans(),
    },
    "OffsetCommit": {
        "group_id": st.sampled_from(("", "g", "other")),
        "generation_id": st.integers(-1, 1),
        "member_id": st.sampled_from(("", "m")),
        "group_instance_id": st.sampled_from((None, "i")),
        "topics": by_topic(
            committed_offset=st.integers(0, 5), committed_leader_epoch=st.integers(-1, 1),
            committed_metadata=st.none() | TEXT,
        ),
    },
    "Heartbeat": {
        "group_id": st.sampled_from(("", "g", "other")),
        "generation_id": st.integers(-1, 1),
        "member_id": st.sampled_from(("", "m")),
        "group_instance_id": st.sampled_from((None, "i")),
    },
}  # fmt: skip


def served():
    """A broker with topics, records and a group, and a connection to it."""
    wire = Peer(Medium(Rand(1)).disk()).connect()
    wire.create("plain", 2)
    wire.create("keyed", cleanup_policy="compact")
    wire.produce("plain", b"a", b"b", b"c")
    wire.call(
        "JoinGroup", 3, group_id="g", session_timeout_ms=10_000, rebalance_timeout_ms=10_000,
        member_id="", protocol_type="consumer", protocols=[{"name": "range", "metadata": b""}],
    )  # fmt: skip
    return wire


def as_bytes(api, version, request):
    """The request of a version, in which something may not be null yet."""
    for name, value in request.items():
        if value is None:
            try:
                api.decoder(version).encode({name: None})
            except ValueError:
                request = request | {name: []}
    return encode_request(api, version, 1, request, "test")


def watched(wire):
    """The same connection, with requests being looked at, and so decoded by table."""
    wire.peer.broker.faults = Faults(wire.peer.broker)
    return wire


@pytest.mark.parametrize("name", REQUESTS)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_the_answer_is_that_of_the_table(name, data):
    api = BY_NAME[name]
    by_hand, by_table = served(), watched(served())
    for _ in range(2):
        version = data.draw(st.integers(api.oldest, api.newest))
        request = data.draw(st.fixed_dictionaries(REQUESTS[name]))
        for topic in request["topics"] or () if name in ("Fetch", "Metadata") else ():
            found = by_hand.peer.broker.topics.by_name.get(topic["name"])
            topic["topic_id"] = found.id if found else bytes(16)
        raw = as_bytes(api, version, request)
        assert by_hand.link.feed(raw) == by_table.link.feed(raw)
    body = raw[4 : data.draw(st.integers(20, len(raw)))]
    cut = len(body).to_bytes(4, "big") + body
    assert by_hand.link.feed(cut) == by_table.link.feed(cut)
    assert by_hand.link.closed == by_table.link.closed
