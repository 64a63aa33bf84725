"""Groups of KIP-848: one heartbeat at a time, nobody reads what somebody else still reads."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bedrock.sim.disk import Medium
from bedrock.world import OsDisk, Rand
from kafkalite.assignors import ASSIGNORS, uniform
from kafkalite.errors import Code, KafkaError
from kafkalite.regex import Regex

from .wire import Peer, Wire


class Member:
    """A consumer that does what it is told, a heartbeat at a time.

    reads   what it has been given and not given up yet
    """

    def __init__(self, wire, name, topics=("t",), **settings):
        self.wire, self.name, self.epoch = wire, name, 0
        self.settings = {"rebalance_timeout_ms": 30_000, "subscribed_topic_names": list(topics)}
        self.settings |= settings
        self.reads = set()

    def beat(self, epoch=None, **more):
        fields = {"member_epoch": self.epoch if epoch is None else epoch, **more}
        if self.epoch == 0 and epoch is None:
            fields = self.settings | {"topic_partitions": []} | fields
        response = self.wire.call(
            "ConsumerGroupHeartbeat", group_id="g", member_id=self.name, **fields
        )
        if response["error_code"]:
            return Code(response["error_code"])
        if epoch is None:
            self.epoch = response["member_epoch"]
        if response["assignment"] is not None:
            ids = self.wire.peer.broker.topics.by_id
            self.reads = {
                (ids[t["topic_id"]].name, i)
                for t in response["assignment"]["topic_partitions"]
                for i in t["partitions"]
            }
        return Code.NONE

    def report(self):
        """A heartbeat that says what it reads."""
        by_name = self.wire.peer.broker.topics.by_name
        owned = [{"topic_id": by_name[t].id, "partitions": [i]} for t, i in sorted(self.reads)]
        return self.beat(topic_partitions=owned)


@pytest.fixture
def wire(tmp_path):
    wire = Peer(OsDisk(str(tmp_path))).connect()
    wire.create("t", 4)
    return wire


def described(wire):
    return wire.call("ConsumerGroupDescribe", group_ids=["g"])["groups"][0]


def test_the_first_member_reads_everything(wire):
    one = Member(wire, "one")
    assert one.beat() is Code.NONE
    assert one.reads == {("t", i) for i in range(4)}
    group = described(wire)
    assert (group["group_state"], group["assignor_name"]) == ("Stable", "uniform")
    assert group["members"][0]["assignment"]["topic_partitions"][0]["topic_name"] == "t"
    listed = wire.call("ListGroups", types_filter=["consumer"])["groups"]
    assert [(g["group_id"], g["group_type"]) for g in listed] == [("g", "consumer")]


def test_a_partition_is_given_up_before_another_reads_it(wire):
    one, two = Member(wire, "one"), Member(wire, "two")
    one.beat()
    two.beat()
    assert two.reads == set()
    assert described(wire)["group_state"] == "Reconciling"
    one.beat()
    assert len(one.reads) == 2
    two.beat()
    assert two.reads == set()  # the first has not said yet that it gave them up
    one.report()
    two.beat()
    assert len(two.reads) == 2
    assert one.reads | two.reads == {("t", i) for i in range(4)}
    assert described(wire)["group_state"] == "Stable"
    assert one.epoch == two.epoch == 2


def test_a_member_that_leaves_or_falls_silent_leaves_its_partitions(wire):
    one, two = Member(wire, "one"), Member(wire, "two")
    one.beat()
    two.beat()
    one.beat()
    one.report()
    two.beat()
    assert two.beat(epoch=-1) is Code.NONE
    one.beat()
    assert len(one.reads) == 4
    wire.peer.clock.advance(45_001)
    assert one.beat() is Code.UNKNOWN_MEMBER_ID
    assert described(wire)["group_state"] == "Empty"


def test_one_that_does_not_give_up_its_partitions_is_fenced(wire):
    one, two = Member(wire, "one"), Member(wire, "two")
    one.beat()
    two.beat()
    one.beat()
    for _ in range(4):
        wire.peer.clock.advance(8000)
        one.beat()
        two.beat()
    assert one.beat() is Code.UNKNOWN_MEMBER_ID
    two.beat()
    assert len(two.reads) == 4


def test_a_static_member_comes_back_to_what_it_read(wire):
    one = Member(wire, "one", instance_id="i")
    two = Member(wire, "two")
    one.beat()
    two.beat()
    one.beat()
    one.report()
    two.beat()
    before, epoch = one.reads, described(wire)["group_epoch"]
    assert Member(wire, "other", instance_id="i").beat() is Code.UNRELEASED_INSTANCE_ID
    one.beat(epoch=-2, instance_id="i")
    two.beat()
    assert len(two.reads) == 2
    back = Member(wire, "back", instance_id="i")
    assert back.beat() is Code.NONE
    assert (back.reads, described(wire)["group_epoch"]) == (before, epoch)
    assert one.beat(instance_id="i") is Code.FENCED_INSTANCE_ID


def test_epochs_are_checked(wire):
    one = Member(wire, "one")
    assert one.beat(epoch=5) is Code.UNKNOWN_MEMBER_ID
    one.beat()
    assert one.beat(epoch=7) is Code.FENCED_MEMBER_EPOCH
    assert Member(wire, "x", server_assignor="odd").beat() is Code.UNSUPPORTED_ASSIGNOR
    commit = {
        "group_id": "g",
        "member_id": "one",
        "topics": [
            {"name": "t", "partitions": [{"index": 0, "committed_offset": 3,
                                          "committed_metadata": ""}]}
        ],
    }  # fmt: skip

    def committed(epoch):
        response = wire.call("OffsetCommit", 9, generation_id=epoch, **commit)
        return response["topics"][0]["partitions"][0]["error_code"]

    assert committed(one.epoch) == 0
    assert committed(one.epoch + 1) == Code.STALE_MEMBER_EPOCH
    asked = {"group_id": "g", "member_id": "one", "member_epoch": 9, "topics": None}
    answer = wire.call("OffsetFetch", 9, groups=[asked])["groups"][0]
    assert answer["error_code"] == Code.STALE_MEMBER_EPOCH


def test_new_topics_and_partitions_are_read_too(wire):
    one = Member(wire, "one", topics=(), subscribed_topic_regex="t.*")
    one.beat()
    assert one.reads == {("t", i) for i in range(4)}
    wire.create("t2")
    wire.create("u")
    one.beat()
    assert ("t2", 0) in one.reads
    assert ("u", 0) not in one.reads
    wire.call("CreatePartitions", topics=[{"name": "t2", "count": 2}])
    one.beat()
    assert ("t2", 1) in one.reads
    wire.call("DeleteTopics", topics=[{"name": "t2"}])
    one.beat()
    one.report()
    assert one.reads == {("t", i) for i in range(4)}


def test_the_two_protocols_do_not_mix(wire):
    one = Member(wire, "one")
    one.beat()
    join = {
        "group_id": "g",
        "session_timeout_ms": 10_000,
        "member_id": "",
        "protocol_type": "consumer",
        "protocols": [{"name": "range", "metadata": b""}],
    }
    assert wire.call("JoinGroup", **join)["error_code"] == Code.INCONSISTENT_GROUP_PROTOCOL
    one.beat(epoch=-1)
    assert wire.call("JoinGroup", **join)["error_code"] == Code.MEMBER_ID_REQUIRED
    Wire(wire.peer).call("JoinGroup", 3, **join | {"group_id": "h"})
    answer = wire.call(
        "ConsumerGroupHeartbeat", group_id="h", member_id="m", member_epoch=0, topic_partitions=[]
    )
    assert answer["error_code"] == Code.GROUP_ID_NOT_FOUND


@pytest.mark.parametrize("pattern", ["(a*)*", "(a|b+)+c", "(", r"(a)\1", "(?=a)", "a" * 1001])
def test_a_pattern_that_could_take_for_ever_is_refused(pattern):
    with pytest.raises(KafkaError) as refused:
        Regex(pattern)
    assert refused.value.code is Code.INVALID_REGULAR_EXPRESSION


def test_a_pattern_is_for_the_whole_name():
    assert Regex("t[0-9]+").matches("t12")
    assert not Regex("t[0-9]+").matches("t12x")


TOPICS = {"a": 5, "b": 3, "c": 1}
SUBSCRIPTIONS = st.dictionaries(
    st.sampled_from("mnopq"), st.sets(st.sampled_from("abcx")), min_size=1
)


@pytest.mark.parametrize("name", ASSIGNORS)
@given(SUBSCRIPTIONS)
def test_every_partition_somebody_wants_has_one_reader_who_wants_it(name, subscriptions):
    shares = ASSIGNORS[name](subscriptions, TOPICS, {})
    given_out = [each for share in shares.values() for each in share]
    wanted = set().union(*subscriptions.values())
    expected = [(t, i) for t in TOPICS if t in wanted for i in range(TOPICS[t])]
    assert sorted(given_out) == sorted(expected)
    for member, share in shares.items():
        assert {topic for topic, _ in share} <= subscriptions[member]


@given(st.integers(1, 5), st.integers(1, 5))
def test_uniform_is_even_and_moves_no_more_than_it_must(before, after):
    old = uniform({f"m{i}": set(TOPICS) for i in range(before)}, TOPICS, {})
    new = uniform({f"m{i}": set(TOPICS) for i in range(after)}, TOPICS, old)
    sizes = [len(share) for share in new.values()]
    assert max(sizes) - min(sizes) <= 1
    total = sum(TOPICS.values())
    stayed = sum(len(old.get(member, set()) & share) for member, share in new.items())
    # What the others take over, or what those that left have had.
    assert stayed >= min(total * before // max(before, after), total * after // before) - 1


def restarted(wire, disk, members):
    """A connection to the broker that is there after this one was killed; members use it, too."""
    again = wire.peer.restart(disk)
    again.broker.coordinator.resume()
    wire = again.connect()
    for member in members:
        member.wire = wire
    return wire


def test_members_go_on_after_a_restart_of_the_broker(wire, tmp_path):
    one, two = Member(wire, "one", instance_id="i"), Member(wire, "two", topics=("t", "u"))
    one.beat()
    two.beat()
    one.report()  # it must give up two, and has not yet
    before = described(wire)
    assert before["group_state"] == "Reconciling"
    wire = restarted(wire, OsDisk(str(tmp_path)), (one, two))
    assert described(wire) == before
    one.report()
    two.report()
    assert {len(one.reads), len(two.reads)} == {2}
    assert two.epoch == one.epoch == 2
    # Its session goes on, and ends.
    wire.peer.clock.advance(30_000)
    assert one.beat() is Code.NONE
    wire = restarted(wire, OsDisk(str(tmp_path)), (one, two))
    wire.peer.clock.advance(44_000)
    assert one.beat() is Code.NONE
    wire.peer.clock.advance(2000)
    assert two.beat() is Code.UNKNOWN_MEMBER_ID
    one.report()
    assert len(one.reads) == 4


def test_a_group_that_is_gone_stays_gone(wire, tmp_path):
    one = Member(wire, "one")
    one.beat()
    one.beat(epoch=-1)
    assert wire.call("DeleteGroups", groups=["g"])["results"][0]["error_code"] == 0
    wire = restarted(wire, OsDisk(str(tmp_path)), (one,))
    assert wire.call("ListGroups")["groups"] == []
    assert not wire.peer.broker.coordinator.offsets.consumers


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 3), st.sampled_from(["beat", "report", "leave", "wait", "restart"])
        ),
        max_size=60,
    )
)
def test_no_partition_ever_has_two_readers(steps):
    """A model: what members read, by what they were told and have said."""
    medium = Medium(Rand(1))
    wire = Peer(medium.disk()).connect()
    wire.create("t", 5)
    members = {}
    for number, what in steps:
        if what == "restart":
            wire = restarted(wire, medium.disk(), members.values())
            continue
        member = members.setdefault(number, Member(wire, f"m{number}"))
        if what == "leave":
            if member.epoch:
                member.beat(epoch=-1)
                del members[number]
            continue
        if what == "wait":
            wire.peer.clock.advance(1000)
            continue
        code = member.report() if what == "report" and member.epoch else member.beat()
        assert code is Code.NONE
        reads = [each for m in members.values() for each in m.reads]
        assert len(reads) == len(set(reads))
    for _ in range(4):
        for member in members.values():
            member.report() if member.epoch else member.beat()
    reads = {each for m in members.values() for each in m.reads}
    if members:
        assert reads == {("t", i) for i in range(5)}
        assert described(wire)["group_state"] == "Stable"
