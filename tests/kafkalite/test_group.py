"""The group's dance, step by step, on a clock that stands still."""

import pytest

from bedrock.world import OsDisk
from kafkalite.errors import Code

from .test_cluster import commit, committed
from .wire import Peer

pytestmark = pytest.mark.usefixtures("no_session_may_fail")

SESSION_MS = 10_000
REBALANCE_MS = 60_000


class Member:
    """A client that follows the protocol by hand."""

    def __init__(self, peer, instance=None, protocols=("range",), rebalance_ms=REBALANCE_MS):
        self.wire = peer.connect()
        self.rebalance_ms = rebalance_ms
        self.id = ""
        self.instance = instance
        self.protocols = [{"name": p, "metadata": b"topics of " + p.encode()} for p in protocols]
        self.generation = -1

    def join(self, version=5):
        """Send JoinGroup, after asking for an id if the broker wants that."""
        sent = self.send_join(version)
        response = self.wire.answer(sent)
        if response and response["error_code"] == Code.MEMBER_ID_REQUIRED:
            self.id = response["member_id"]
            sent = self.send_join(version)
            response = self.wire.answer(sent)
        self.sent = sent
        return self.take(response)

    def send_join(self, version=5):
        return self.wire.send(
            "JoinGroup", version, group_id="g", session_timeout_ms=SESSION_MS,
            rebalance_timeout_ms=self.rebalance_ms, member_id=self.id,
            group_instance_id=self.instance, protocol_type="consumer", protocols=self.protocols,
        )

    def joined(self):
        """The response to a join that had to wait, None while it does."""
        return self.take(self.wire.answer(self.sent))

    def take(self, response):
        if response and not response["error_code"]:
            self.id, self.generation = response["member_id"], response["generation_id"]
        return response

    def send_sync(self, assignments=()):
        self.sent = self.wire.send(
            "SyncGroup", 3, group_id="g", generation_id=self.generation, member_id=self.id,
            group_instance_id=self.instance,
            assignments=[{"member_id": m.id, "assignment": a} for m, a in assignments],
        )
        return self.wire.answer(self.sent)

    def heartbeat(self):
        return self.wire.call(
            "Heartbeat", 3, group_id="g", generation_id=self.generation, member_id=self.id,
            group_instance_id=self.instance,
        )["error_code"]

    def leave(self):
        return self.wire.call(
            "LeaveGroup", 3, group_id="g",
            members=[{"member_id": self.id, "group_instance_id": self.instance}],
        )["members"][0]["error_code"]


@pytest.fixture
def pair(peer):
    """Two members of a stable group; the first leads."""
    one, two = Member(peer), Member(peer)
    one.join()
    one.send_sync([(one, b"all")])
    assert two.join() is None
    assert one.heartbeat() == Code.REBALANCE_IN_PROGRESS
    one.join()
    assert two.joined()["leader"] == one.id
    assert two.send_sync() is None
    assert one.send_sync([(one, b"first"), (two, b"second")])["assignment"] == b"first"
    assert two.wire.answer(two.sent)["assignment"] == b"second"
    return one, two


def state(peer):
    group = peer.connect().call("DescribeGroups", groups=["g"])["groups"][0]
    return group["group_state"], len(group["members"])


def test_a_new_member_is_given_an_id_before_it_joins(peer):
    member = Member(peer)
    response = member.wire.answer(member.send_join())
    assert response["error_code"] == Code.MEMBER_ID_REQUIRED
    assert response["member_id"].startswith("test-")
    assert state(peer) == ("Empty", 0)
    member.id = response["member_id"]
    assert member.join()["generation_id"] == 1


def test_an_old_client_joins_at_once(peer):
    assert Member(peer).join(version=3)["error_code"] == 0


def test_two_members_share_and_the_leader_decides(peer, pair):
    assert state(peer) == ("Stable", 2)
    assert [member.heartbeat() for member in pair] == [0, 0]


def test_the_leader_sees_what_all_subscribe_to(peer, pair):
    one, two = pair
    assert one.join() is None
    two.join()
    response = one.joined()
    assert {m["member_id"] for m in response["members"]} == {one.id, two.id}
    assert response["members"][0]["metadata"] == b"topics of range"


def test_a_member_that_leaves_makes_the_others_share_anew(peer, pair):
    one, two = pair
    assert two.leave() == 0
    assert one.heartbeat() == Code.REBALANCE_IN_PROGRESS
    assert one.join()["generation_id"] == 3
    assert two.heartbeat() == Code.UNKNOWN_MEMBER_ID
    assert one.leave() == 0
    assert state(peer) == ("Empty", 0)


def test_a_silent_member_is_lost_after_its_session(peer, pair):
    one, two = pair
    for _ in range(3):
        peer.clock.advance(SESSION_MS // 2)
        code = two.heartbeat()
    assert code == Code.REBALANCE_IN_PROGRESS
    assert two.join()["leader"] == two.id
    assert one.heartbeat() == Code.UNKNOWN_MEMBER_ID


def test_the_group_waits_for_its_members_only_so_long(peer, pair):
    one, two = pair
    third = Member(peer)
    assert third.join() is None
    for _ in range(REBALANCE_MS // 5000 + 1):
        one.heartbeat()
        two.heartbeat()
        peer.clock.advance(5000)
    response = third.joined()
    assert (response["error_code"], len(response["members"])) == (0, 1)
    assert one.heartbeat() == Code.UNKNOWN_MEMBER_ID


def test_members_that_join_and_never_sync_are_dropped(peer):
    one = Member(peer)
    one.join()
    for _ in range(REBALANCE_MS // 5000 + 1):
        one.heartbeat()
        peer.clock.advance(5000)
    assert one.heartbeat() == Code.UNKNOWN_MEMBER_ID
    assert state(peer) == ("Empty", 0)


def test_the_protocol_is_one_that_all_speak(peer):
    one, two = Member(peer, protocols=("range", "sticky")), Member(peer, protocols=("sticky",))
    one.join()
    two.join()
    assert one.join()["protocol_name"] == "sticky"
    third = Member(peer, protocols=("other",))
    assert third.join()["error_code"] == Code.INCONSISTENT_GROUP_PROTOCOL


def test_a_static_member_comes_back_without_a_rebalance(peer):
    one = Member(peer, instance="i1")
    one.join()
    one.send_sync([(one, b"mine")])
    again = Member(peer, instance="i1")
    response = again.join()
    assert (response["generation_id"], response["error_code"]) == (1, 0)
    assert again.send_sync()["assignment"] == b"mine"
    assert one.heartbeat() == Code.FENCED_INSTANCE_ID
    assert state(peer) == ("Stable", 1)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"generation": 1}, Code.ILLEGAL_GENERATION),
        ({"id": "nobody"}, Code.UNKNOWN_MEMBER_ID),
    ],
)
def test_only_members_of_the_generation_may_speak(pair, change, code):
    one, _ = pair
    vars(one).update(change)
    assert one.heartbeat() == code
    assert one.send_sync()["error_code"] == code
    assert commit(
        one.wire, 1, generation_id=one.generation, member_id=one.id
    ) in (code, Code.UNKNOWN_TOPIC_OR_PARTITION)


def test_commits_are_for_members_while_there_are_any(peer, pair):
    one, _ = pair
    wire = peer.connect()
    wire.create("t")
    assert commit(wire, 5) == Code.UNKNOWN_MEMBER_ID
    assert commit(wire, 5, generation_id=one.generation, member_id=one.id) == 0
    assert commit(wire, 5, group="other") == 0


def test_a_group_with_members_is_not_deleted(peer, pair):
    wire = peer.connect()
    assert wire.call("DeleteGroups", groups=["g"])["results"][0]["error_code"] == 68
    for member in pair:
        member.leave()
    assert wire.call("DeleteGroups", groups=["g"])["results"][0]["error_code"] == 0


@pytest.mark.parametrize("timeout_ms", [-1, 0, 5999, 1 << 30])
def test_a_session_timeout_has_bounds(wire, timeout_ms):
    response = wire.call(
        "JoinGroup", group_id="g", session_timeout_ms=timeout_ms, protocol_type="consumer"
    )
    assert response["error_code"] == Code.INVALID_SESSION_TIMEOUT


def test_closing_the_broker_answers_everybody(peer, pair):
    third = Member(peer)
    assert third.join() is None
    peer.broker.release()
    assert third.joined()["error_code"] == Code.UNKNOWN_MEMBER_ID


def test_members_go_on_after_a_restart_of_the_broker(tmp_path, pair, peer):
    one, two = pair
    again = peer.restart(OsDisk(str(tmp_path)))
    again.broker.coordinator.resume()
    one.wire, two.wire = again.connect(), again.connect()
    assert (one.heartbeat(), two.heartbeat()) == (0, 0)
    described = one.wire.call("DescribeGroups", groups=["g"])["groups"][0]
    assert (described["group_state"], len(described["members"])) == ("Stable", 2)
    again.clock.advance(SESSION_MS // 2)
    one.heartbeat()
    again.clock.advance(SESSION_MS // 2 + 1)
    # The second has been silent since.
    assert one.heartbeat() == Code.REBALANCE_IN_PROGRESS
    assert two.heartbeat() == Code.UNKNOWN_MEMBER_ID


def test_an_empty_group_may_wait_for_more_members(tmp_path):
    peer = Peer(OsDisk(str(tmp_path)), group_initial_rebalance_delay_ms=500)
    one, two = Member(peer), Member(peer)
    assert one.join() is None
    assert two.join() is None
    peer.clock.advance(501)
    assert one.joined()["generation_id"] == two.joined()["generation_id"] == 1


def subscription(*topics):
    data = b"\0\1" + len(topics).to_bytes(4, "big")
    return data + b"".join(len(t).to_bytes(2, "big") + t.encode() for t in topics) + b"\xff" * 4


def test_offsets_are_kept_while_somebody_reads_there_and_a_week_longer(peer):
    member = Member(peer)
    member.protocols = [{"name": "range", "metadata": subscription("t", "x")}]
    member.wire.create("t")
    member.wire.create("u")
    member.join()
    member.send_sync([(member, b"")])
    for topic in ("t", "u"):
        commit(member.wire, 7, topic=topic, generation_id=1, member_id=member.id)
    deleted = member.wire.call(
        "OffsetDelete", group_id="g",
        topics=[{"name": t, "partitions": [{"index": 0}]} for t in ("t", "x")],
    )
    codes = [t["partitions"][0]["error_code"] for t in deleted["topics"]]
    assert codes == [Code.GROUP_SUBSCRIBED_TO_TOPIC] * 2
    week_ms = 7 * 86_400_000

    def live(ms):
        for _ in range(0, ms, week_ms // 100):
            peer.clock.ms += week_ms // 100
            assert member.heartbeat() == 0

    live(week_ms + week_ms // 50)
    peer.broker.coordinator.expire()
    assert committed(member.wire) == {"t": [7]}
    member.leave()
    peer.clock.ms += week_ms + 1
    peer.broker.coordinator.expire()
    assert committed(member.wire) == {}
    assert peer.broker.coordinator.ids() == []
