"""A consumer group: its members, and the two-step dance in which they share the partitions.

        first member joins              all have joined, or time is up
  EMPTY ──────────────────► PREPARING ──────────────────────────────► COMPLETING
    ▲                        ▲   ▲                                        │
    │ last member left       │   └── a member joins, leaves or is lost ───┤ the leader has
    └────────────────────────┤                                            │ sent the assignment
                             └──────────────────── STABLE ◄───────────────┘

A member joins and gets its answer when everybody has joined (`JoinGroup`); the answer to the
leader, the oldest member, lists the others and what they subscribe to.  The leader computes who
reads what; every member asks for its share (`SyncGroup`) and gets it when the leader has sent it.
The broker never looks into subscriptions and assignments.

A member is lost when it sends nothing for its session timeout, except while it waits for an answer.
A static member (`group.instance.id`, KIP-345) that comes back under a new id takes the place of the
old one without a rebalance; the old one is fenced.

A settled generation is kept in `__consumer_offsets` (kafkalite.group_record), so that its members
go on after a restart of the broker.  The group protocol of KIP-848 is kafkalite.consumer_group's.

Invariants:
1. A generation begins when, and only when, all joined members are answered.
2. A member has at most one answer outstanding of each kind.
3. A member that was answered with a generation is known until it leaves or its session ends.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from kafkalite.errors import Code, KafkaError
from kafkalite.group_record import GroupRecord
from kafkalite.later import Later
from kafkalite.member import Member

if TYPE_CHECKING:
    from bedrock.world import Clock, Timer


class State(StrEnum):
    """As DescribeGroups names them."""

    EMPTY = "Empty"
    PREPARING = "PreparingRebalance"
    COMPLETING = "CompletingRebalance"
    ASSIGNING = "Assigning"
    RECONCILING = "Reconciling"
    STABLE = "Stable"
    DEAD = "Dead"


class Group:
    """One group.

    new_id    makes a suffix for member ids
    keep      called with what is to outlive the broker whenever that has changed
    delay_ms  time an empty group waits for more members before its first generation
    """

    type = "classic"

    def __init__(
        self,
        group_id: str,
        clock: Clock,
        new_id: Callable[[], str],
        keep: Callable[[GroupRecord], None] = lambda record: None,
        delay_ms: int = 0,
    ):
        self.id = group_id
        self.clock = clock
        self.new_id = new_id
        self.keep = keep
        self.delay_ms = delay_ms
        self._gathering = False
        self.since_ms = clock.wall_ms()
        self.state = State.EMPTY
        self.generation = 0
        self.protocol_type = ""
        self.protocol: str | None = None
        self.leader = ""
        self.members: dict[str, Member] = {}
        self.static: dict[str, str] = {}
        self.promised: dict[str, Timer] = {}
        self.rebalances = 0
        self._timer: Timer | None = None

    # ------------------------------------------------------------------ outliving the broker

    def record(self) -> GroupRecord:
        """The group as it is to be found by the next broker."""
        members = [
            {
                "id": m.id,
                "instance_id": m.instance_id,
                "client_id": m.client_id,
                "client_host": m.client_host,
                "rebalance_timeout_ms": m.rebalance_timeout_ms,
                "session_timeout_ms": m.session_timeout_ms,
                "subscription": m.protocols.get(self.protocol or "", b""),
                "assignment": m.assignment,
            }
            for m in self.members.values()
        ]
        return GroupRecord(
            self.protocol_type, self.generation, self.protocol, self.leader or None,
            self.since_ms, members,
        )  # fmt: skip

    def restore(self, record: GroupRecord) -> None:
        """Be what a record says; `resume` lets sessions begin."""
        self.protocol_type = record.protocol_type
        self.generation = record.generation
        self.protocol = record.protocol
        self.leader = record.leader or ""
        self.since_ms = record.since_ms
        for fields in record.members:
            protocols = {record.protocol or "": fields["subscription"]}
            member = Member(
                fields["id"], fields["instance_id"], fields["client_id"], fields["client_host"],
                fields["session_timeout_ms"], fields["rebalance_timeout_ms"],
                protocols, fields["assignment"],
            )  # fmt: skip
            self.members[member.id] = member
            if member.instance_id is not None:
                self.static[member.instance_id] = member.id
        self.state = State.STABLE if self.members else State.EMPTY

    def resume(self) -> None:
        """Begin the sessions of restored members."""
        for member in self.members.values():
            self._heard(member)

    def _settle(self, state: State) -> None:
        """Enter a state that is to outlive the broker."""
        self.state = state
        self.since_ms = self.clock.wall_ms()
        self.keep(self.record())

    # ------------------------------------------------------------------ joining

    def join(self, request: dict[str, Any], client_id: str, host: str, promise: bool) -> Later:
        """A JoinGroup request; promise: the client is first to learn its id, then to join."""
        self._check_protocols(request)
        member_id, instance_id = request["member_id"], request["group_instance_id"]
        if instance_id is not None and instance_id in self.static:
            member_id = self._check_instance(member_id, instance_id)
            if not request["member_id"]:
                return self._replace(self.members[member_id], request)
        elif not member_id:
            member_id = f"{instance_id or client_id}-{self.new_id()}"
            if promise and instance_id is None:
                self._promise(member_id, request["session_timeout_ms"])
                return _refused(Code.MEMBER_ID_REQUIRED, member_id)
            return self._enter(member_id, request, client_id, host)
        elif member_id in self.promised:
            self.promised.pop(member_id).cancel()
            return self._enter(member_id, request, client_id, host)
        member = self.members.get(member_id)
        if member is None:
            raise KafkaError(Code.UNKNOWN_MEMBER_ID)
        return self._rejoin(member, request)

    def _check_protocols(self, request: dict[str, Any]) -> None:
        names = {p["name"] for p in request["protocols"]}
        if not names or not request["protocol_type"]:
            raise KafkaError(Code.INCONSISTENT_GROUP_PROTOCOL)
        others = [m for m in self.members.values() if m.id != request["member_id"]]
        if others and (
            request["protocol_type"] != self.protocol_type
            or not names.intersection(*(m.protocols for m in others))
        ):
            raise KafkaError(Code.INCONSISTENT_GROUP_PROTOCOL)

    def _check_instance(self, member_id: str, instance_id: str) -> str:
        known = self.static[instance_id]
        if member_id and member_id != known:
            raise KafkaError(Code.FENCED_INSTANCE_ID)
        return known

    def _promise(self, member_id: str, session_timeout_ms: int) -> None:
        """Keep the id for one session timeout, for its client to join with."""
        when_ns = self.clock.now_ns() + session_timeout_ms * 1_000_000
        self.promised[member_id] = self.clock.call_at(
            when_ns, lambda: self.promised.pop(member_id, None)
        )

    def _enter(self, member_id: str, request: dict[str, Any], client_id: str, host: str) -> Later:
        member = Member(member_id, request["group_instance_id"], client_id, host, 0, 0)
        self.members[member_id] = member
        if member.instance_id is not None:
            self.static[member.instance_id] = member_id
        if not self.leader:
            self.leader = member_id
        self.protocol_type = request["protocol_type"]
        member.take_settings(request)
        return self._wait_for_join(member)

    def _replace(self, old: Member, request: dict[str, Any]) -> Later:
        """A static member is back under a new id."""
        self._answer_join(old, _failure(Code.FENCED_INSTANCE_ID, old.id))
        self._answer_sync(old, {"error_code": Code.FENCED_INSTANCE_ID})
        self._stop_session(old)
        del self.members[old.id]
        member = Member(
            f"{old.instance_id}-{self.new_id()}", old.instance_id, old.client_id, old.client_host,
            0, 0, old.protocols, old.assignment,
        )
        self.members[member.id] = member
        self.static[str(member.instance_id)] = member.id
        if self.leader == old.id:
            self.leader = member.id
        same = not member.take_settings(request)
        if self.state is State.STABLE and same:
            self._heard(member)
            later = Later()
            later.set(self._joined(member, skip_assignment=member.id == self.leader))
            return later
        return self._wait_for_join(member)

    def _rejoin(self, member: Member, request: dict[str, Any]) -> Later:
        changed = member.take_settings(request)
        settled = self.state in (State.STABLE, State.COMPLETING)
        leads = member.id == self.leader and self.state is State.STABLE
        if settled and not changed and not leads:
            # A repeated request: the answer to the first was lost.
            self._heard(member)
            later = Later()
            later.set(self._joined(member))
            return later
        return self._wait_for_join(member)

    def _wait_for_join(self, member: Member) -> Later:
        self._answer_join(member, _failure(Code.UNKNOWN_MEMBER_ID, member.id))
        member.joining = later = Later()
        self._prepare()
        return later

    def _prepare(self) -> None:
        """Ask everybody to join again, and wait for them as long as the most patient allows."""
        if self.state is State.EMPTY and self.delay_ms:
            self.state = State.PREPARING
            self.rebalances += 1
            self._gathering = True
            self._set_timer(self.delay_ms, self._begin_generation)
        if self.state is not State.PREPARING:
            for member in self.members.values():
                self._answer_sync(member, {"error_code": Code.REBALANCE_IN_PROGRESS})
            self.state = State.PREPARING
            self.rebalances += 1
            timeout_ms = max(m.rebalance_timeout_ms for m in self.members.values())
            self._set_timer(timeout_ms, self._begin_generation)
        everybody = all(member.joining for member in self.members.values())
        if everybody and not self._gathering:
            self._begin_generation()

    def _begin_generation(self) -> None:
        self._cancel_timer()
        self._gathering = False
        for member in list(self.members.values()):
            if member.joining is None and member.instance_id is None:
                self._forget(member)
        if not any(member.joining for member in self.members.values()):
            self._empty()
            return
        self.generation += 1
        self.state = State.COMPLETING
        self.protocol = self._vote()
        if self.leader not in self.members or self.members[self.leader].joining is None:
            self.leader = next(m.id for m in self.members.values() if m.joining)
        for member in self.members.values():
            member.assignment = b""
            if member.joining is not None:
                self._answer_join(member, self._joined(member))
        timeout_ms = max(m.rebalance_timeout_ms for m in self.members.values())
        self._set_timer(timeout_ms, self._sync_overdue)

    def _vote(self) -> str:
        """The protocol that all can speak and most like best."""
        common = set.intersection(*(set(m.protocols) for m in self.members.values()))
        votes: dict[str, int] = {}
        for member in self.members.values():
            choice = next(name for name in member.protocols if name in common)
            votes[choice] = votes.get(choice, 0) + 1
        return max(votes, key=lambda name: votes[name])

    def _joined(self, member: Member, skip_assignment: bool = False) -> dict[str, Any]:
        leads = member.id == self.leader
        return {
            "error_code": Code.NONE,
            "generation_id": self.generation,
            "protocol_type": self.protocol_type,
            "protocol_name": self.protocol,
            "leader": self.leader,
            "skip_assignment": skip_assignment,
            "member_id": member.id,
            "members": [
                {
                    "member_id": m.id,
                    "group_instance_id": m.instance_id,
                    "metadata": m.protocols[str(self.protocol)],
                }
                for m in (self.members.values() if leads else ())
            ],
        }

    # ------------------------------------------------------------------ syncing

    def sync(self, request: dict[str, Any]) -> Later:
        """A SyncGroup request: the leader brings the assignment, everybody takes his share."""
        member = self.member(
            request["member_id"], request["group_instance_id"], request["generation_id"]
        )
        for key, own in (("protocol_type", self.protocol_type), ("protocol_name", self.protocol)):
            if request[key] is not None and request[key] != own:
                raise KafkaError(Code.INCONSISTENT_GROUP_PROTOCOL)
        if self.state is State.PREPARING:
            raise KafkaError(Code.REBALANCE_IN_PROGRESS)
        self._answer_sync(member, {"error_code": Code.UNKNOWN_MEMBER_ID})
        later = member.syncing = Later()
        if self.state is State.STABLE:
            self._answer_sync(member, self._synced(member))
        elif member.id == self.leader:
            for item in request["assignments"]:
                if item["member_id"] in self.members:
                    self.members[item["member_id"]].assignment = item["assignment"]
            self._settle(State.STABLE)
            self._cancel_timer()
            for each in self.members.values():
                self._answer_sync(each, self._synced(each))
        return later

    def _synced(self, member: Member) -> dict[str, Any]:
        return {
            "error_code": Code.NONE,
            "protocol_type": self.protocol_type,
            "protocol_name": self.protocol,
            "assignment": member.assignment,
        }

    def _sync_overdue(self) -> None:
        """Members that joined and never asked for their share are gone."""
        self._timer = None
        for member in list(self.members.values()):
            if member.syncing is None:
                self._forget(member)
        self._after_loss()

    # ------------------------------------------------------------------ living

    def member(self, member_id: str, instance_id: str | None, generation: int) -> Member:
        """The member a request speaks for; KafkaError if it may not speak."""
        if instance_id is not None and self.static.get(instance_id, member_id) != member_id:
            raise KafkaError(Code.FENCED_INSTANCE_ID)
        member = self.members.get(member_id)
        if member is None:
            raise KafkaError(Code.UNKNOWN_MEMBER_ID)
        if generation != self.generation:
            raise KafkaError(Code.ILLEGAL_GENERATION)
        self._heard(member)
        return member

    def heartbeat(self, member_id: str, instance_id: str | None, generation: int) -> None:
        """KafkaError (REBALANCE_IN_PROGRESS) tells the member to join again."""
        self.member(member_id, instance_id, generation)
        if self.state is State.PREPARING:
            raise KafkaError(Code.REBALANCE_IN_PROGRESS)

    def leave(self, member_id: str, instance_id: str | None) -> None:
        """A member goes of its own will; KafkaError if it is none."""
        if instance_id is not None:
            known = self.static.get(instance_id)
            if known is None:
                raise KafkaError(Code.UNKNOWN_MEMBER_ID)
            if member_id and member_id != known:
                raise KafkaError(Code.FENCED_INSTANCE_ID)
            member_id = known
        if member_id in self.promised:
            self.promised.pop(member_id).cancel()
            return
        member = self.members.get(member_id)
        if member is None:
            raise KafkaError(Code.UNKNOWN_MEMBER_ID)
        self._forget(member)
        self._after_loss()

    def close(self) -> None:
        """Answer everybody who waits, and stop all timers."""
        self.state = State.DEAD
        self._cancel_timer()
        for timer in self.promised.values():
            timer.cancel()
        for member in list(self.members.values()):
            self._forget(member)

    def _heard(self, member: Member) -> None:
        """The member is alive: its session begins anew."""
        member.deadline_ns = self.clock.now_ns() + member.session_timeout_ms * 1_000_000
        if member.timer is None:
            self._watch(member)

    def _watch(self, member: Member) -> None:
        member.timer = self.clock.call_at(member.deadline_ns, lambda: self._check_session(member))

    def _check_session(self, member: Member) -> None:
        member.timer = None
        if member.waits:
            return
        if self.clock.now_ns() < member.deadline_ns:
            self._watch(member)
            return
        self._forget(member)
        self._after_loss()

    def _stop_session(self, member: Member) -> None:
        if member.timer is not None:
            member.timer.cancel()
            member.timer = None

    def _forget(self, member: Member) -> None:
        self._stop_session(member)
        del self.members[member.id]
        if member.instance_id is not None and self.static.get(member.instance_id) == member.id:
            del self.static[member.instance_id]
        if self.leader == member.id:
            self.leader = next(iter(self.members), "")
        self._answer_join(member, _failure(Code.UNKNOWN_MEMBER_ID, member.id))
        self._answer_sync(member, {"error_code": Code.UNKNOWN_MEMBER_ID})

    def _after_loss(self) -> None:
        if not self.members:
            self._empty()
        else:
            self._prepare()

    def _empty(self) -> None:
        self._cancel_timer()
        for member in list(self.members.values()):
            self._forget(member)
        self.generation += 1
        self.protocol = None
        self.leader = ""
        self._settle(State.EMPTY)

    def topics_read(self) -> set[str]:
        """The topics members subscribe to; of protocol type "consumer" only."""
        return {
            topic
            for member in self.members.values()
            for topic in member.topics(self.protocol)
        }

    # ------------------------------------------------------------------ answers and timers

    def _answer_join(self, member: Member, response: dict[str, Any]) -> None:
        later, member.joining = member.joining, None
        if later is not None:
            if member.id in self.members:
                self._heard(member)
            later.set(response)

    def _answer_sync(self, member: Member, response: dict[str, Any]) -> None:
        later, member.syncing = member.syncing, None
        if later is not None:
            if member.id in self.members:
                self._heard(member)
            later.set(response)

    def _set_timer(self, after_ms: int, call: Callable[[], None]) -> None:
        self._cancel_timer()
        self._timer = self.clock.call_at(self.clock.now_ns() + after_ms * 1_000_000, call)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _failure(code: Code, member_id: str) -> dict[str, Any]:
    return {"error_code": code, "member_id": member_id, "protocol_name": ""}


def _refused(code: Code, member_id: str) -> Later:
    later = Later()
    later.set(_failure(code, member_id))
    return later
