"""Groups of the classic protocol beside a model: what all members of a generation were told.

Clients join, sync, commit, leave, vanish and come back in any order while time passes.  The model
is the list of generations: who leads, who is in it, which share each was given; and the offset that
was committed last.  Left alone, whoever is there ends up in one generation.
"""

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from bedrock.sim.disk import Medium
from bedrock.world import Rand
from kafkalite.errors import Code

from .test_cluster import commit, committed
from .test_group import SESSION_MS, Member
from .wire import Peer

LEFT_BEHIND = {Code.UNKNOWN_MEMBER_ID, Code.ILLEGAL_GENERATION, Code.FENCED_INSTANCE_ID}
REBALANCE_MS = SESSION_MS // 2  # so that one may be too late to join, and is still there
OFTEN = ("join", "sync", "commit", "beat", "wait") * 3
STEPS = st.sampled_from((*OFTEN, "leave", "restart", "wait long"))
CLIENTS = st.sampled_from((0, 1, 2))
INSTANCES = {2: "static"}  # by number of the client


@dataclass
class Generation:
    """leader, protocol: as all are told; members: as the leader is; shares: the leader's"""

    leader: str
    protocol: str
    members: set = field(default_factory=set)
    shares: dict | None = None


class World:
    """The broker, the clients and the model."""

    def __init__(self):
        self.peer = Peer(Medium(Rand(1)).disk())
        self.control = self.peer.connect()
        self.control.create("t")
        self.generations = {}
        self.clients = {}
        self.committed = -1
        self.commits = 0

    @property
    def newest(self):
        return max(self.generations, default=-1)

    def client(self, number):
        if number not in self.clients:
            self.clients[number] = Client(self, INSTANCES.get(number))
        return self.clients[number]

    def step(self, number, what):
        if what == "wait":
            self.peer.clock.advance(SESSION_MS // 3)
        elif what == "wait long":
            self.peer.clock.advance(2 * SESSION_MS)
        elif what == "restart":
            self.clients.pop(number, None)  # it says nothing, and is there again as another
            self.client(number).join()
        elif self.client(number).waits is None:
            getattr(self.client(number), what)()
        self.listen()

    def listen(self):
        """Take the answers that have come: the leader's first, as the shares are its."""
        waiting = [c for c in self.clients.values() if c.waits]
        for client in sorted(waiting, key=lambda c: not c.leads):
            client.hear()

    def settle(self):
        """Everybody does what a client does, until nobody has anything to do."""
        for _ in range(12):
            for client in self.clients.values():
                client.go_on()
            self.listen()
            self.peer.clock.advance(SESSION_MS // 3)
            self.listen()


class Client:
    def __init__(self, world, instance):
        self.world = world
        self.member = Member(world.peer, instance, ("range", "sticky"), REBALANCE_MS)
        self.waits = None  # for the answer to a join or a sync
        self.share = None  # of its generation

    @property
    def generation(self):
        return self.world.generations[self.member.generation]

    @property
    def leads(self):
        known = self.world.generations.get(self.member.generation)
        return known is not None and known.leader == self.member.id

    def begin_anew(self):
        self.member.id, self.member.generation, self.share = "", -1, None

    def hear(self):
        response = self.member.wire.answer(self.member.sent)
        if response is not None:
            self.take(response)

    def take(self, response):
        kind, self.waits = self.waits, None
        code = response["error_code"]
        if code:
            assert code in LEFT_BEHIND | {Code.REBALANCE_IN_PROGRESS}
            if code != Code.REBALANCE_IN_PROGRESS:
                self.begin_anew()
        elif kind == "join":
            self.joined(response)
        else:
            self.synced(response)

    def join(self):
        self.waits, self.share = "join", None
        response = self.member.join()
        if response is not None:
            self.take(response)

    def joined(self, response):
        world, number = self.world, response["generation_id"]
        assert number >= world.newest
        self.member.take(response)
        known = world.generations.setdefault(
            number, Generation(response["leader"], response["protocol_name"])
        )
        listed = {m["member_id"] for m in response["members"]}
        if listed:
            assert response["leader"] == response["member_id"]
            known.leader = response["leader"]
            known.members = listed
        # A static member that came back is told of a generation that was settled without it.
        assert self.member.instance or response["leader"] == known.leader
        assert response["protocol_name"] == known.protocol == "range"

    def sync(self):
        if self.member.generation < 0:
            return
        known, sent = self.generation, {}
        if self.leads:
            # Half of them are given nothing.
            given = sorted(known.members)[: (len(known.members) + 1) // 2]
            sent = {each: f"{self.member.generation} {each}".encode() for each in given}
        self.waits = "sync"
        before = known.shares
        self.member.sent = self.member.wire.send(
            "SyncGroup", 3, group_id="g", generation_id=self.member.generation,
            member_id=self.member.id, group_instance_id=self.member.instance,
            assignments=[{"member_id": k, "assignment": v} for k, v in sent.items()],
        )  # fmt: skip
        response = self.member.wire.answer(self.member.sent)
        if response is not None and not response["error_code"] and sent and before is None:
            known.shares = sent
        if response is not None:
            self.take(response)

    def synced(self, response):
        assert self.member.generation == self.world.newest
        shares = self.generation.shares
        assert shares is not None
        if not self.member.instance:  # else the share may be that of its id before
            assert response["assignment"] == shares.get(self.member.id, b"")
        self.share = response["assignment"]

    def beat(self):
        code = self.member.heartbeat()
        if code == Code.NONE:
            assert self.member.generation == self.world.newest
        elif code in LEFT_BEHIND:
            self.begin_anew()
        return code

    def commit(self):
        """Only a member of the newest generation may, while nobody is joining."""
        self.world.commits += 1
        if self.member.generation < 0:
            return
        code = commit(
            self.member.wire, self.world.commits, generation_id=self.member.generation,
            member_id=self.member.id, group_instance_id=self.member.instance,
        )
        if code == Code.NONE:
            assert self.member.generation == self.world.newest
            self.world.committed = self.world.commits
        asked = [{"name": "t", "partitions": [0]}]
        assert committed(self.world.control, topics=asked) == {"t": [self.world.committed]}

    def leave(self):
        if self.member.id:
            assert self.member.leave() in (Code.NONE, *LEFT_BEHIND)
            self.begin_anew()

    def go_on(self):
        if self.waits:
            return
        if self.member.generation < 0 or self.beat() != Code.NONE:
            self.join()
        elif self.share is None:
            self.sync()


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(CLIENTS, STEPS), min_size=20, max_size=60))
def test_members_agree_on_every_generation(steps):
    world = World()
    for number, what in steps:
        world.step(number, what)
    world.settle()
    if world.clients:
        assert {c.member.generation for c in world.clients.values()} == {world.newest}
        assert all(c.share is not None for c in world.clients.values())
        ids = {c.member.id for c in world.clients.values()}
        described = world.control.call("DescribeGroups", groups=["g"])["groups"][0]
        assert described["group_state"] == "Stable"
        assert {m["member_id"] for m in described["members"]} == ids
