"""A group of the protocol of KIP-848: the coordinator decides who reads what, one request does it.

A member says in its heartbeats what it subscribes to and what it reads, and hears in the answers
what it is to read.  Nobody waits for anybody else, except for a partition to be given up:

    group epoch         grows when members, subscriptions or topics change
    assignment epoch    the group epoch for which the target assignment was computed
    member epoch        the assignment epoch a member has come to

    a member's state                     leaves it when
    UNREVOKED   must give up partitions  it says that it reads none of them any more
    UNRELEASED  waits for partitions     their readers have given them up
    STABLE      has its target           the target changes

A member joins with epoch 0 and leaves with -1; a static one (`group.instance.id`) that goes with -2
will be back, and its partitions wait.  One that is silent for the session timeout, or has not given
up partitions within its rebalance timeout, is fenced.

Whatever changes is kept in `__consumer_offsets` (kafkalite.consumer_record) before the answer
leaves, so that the members go on after a restart of the broker.

Left out: moving a live group from one protocol to the other.

Invariants:
1. A partition is read by one member at most, from when it is assigned until it is given up.
2. A member's epoch never falls while it is in the group.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from kafkalite import consumer_record as record
from kafkalite.assignors import ASSIGNORS, Share
from kafkalite.errors import Code, KafkaError
from kafkalite.group import State
from kafkalite.regex import Regex

if TYPE_CHECKING:
    from collections.abc import Callable

    from bedrock.world import Clock, Timer
    from kafkalite.topics import Topics

Kept = dict[bytes, bytes | None]
JOINS, LEAVES, LEAVES_FOR_NOW = 0, -1, -2


class Progress(Enum):
    """How far a member has come to its target."""

    STABLE = 0
    UNREVOKED = 1
    UNRELEASED = 2


@dataclass
class ConsumerMember:
    """assigned: what it may read; revoking: what it must give up and may still read; by name."""

    id: str
    instance_id: str | None
    client_id: str
    client_host: str
    rack_id: str | None = None
    epoch: int = 0
    previous_epoch: int = -1
    rebalance_timeout_ms: int = 0
    topics: set[str] = field(default_factory=set)
    regex: Regex | None = None
    assignor: str | None = None
    progress: Progress = Progress.STABLE
    assigned: Share = field(default_factory=set)
    revoking: Share = field(default_factory=set)
    deadline_ns: int = 0
    timer: Timer | None = None
    revocation: Timer | None = None


class ConsumerGroup:
    """One group.

    session_ms    silence after which a member is fenced
    interval_ms   time between heartbeats that members are told
    keep          called with the records that have changed, None for one that is no more; True if
                  they are kept
    """

    type = "consumer"
    protocol_type = "consumer"

    def __init__(
        self,
        group_id: str,
        clock: Clock,
        topics: Topics,
        session_ms: int,
        interval_ms: int,
        keep: Callable[[Kept], bool] = lambda changes: True,
    ):
        self.id = group_id
        self.clock = clock
        self.topics = topics
        self.session_ms = session_ms
        self.interval_ms = interval_ms
        self.keep = keep
        self.epoch = 0
        self.assignment_epoch = 0
        self.members: dict[str, ConsumerMember] = {}
        self.static: dict[str, str] = {}
        self.target: dict[str, Share] = {}
        self.since_ms = clock.wall_ms()
        self._known: dict[str, tuple[bytes, int]] = {}  # topic -> id and partitions, last looked at
        self._kept: dict[bytes, bytes] = {}
        self._changed = False  # since `_kept`

    @property
    def state(self) -> State:
        """As ListGroups names it."""
        if not self.members:
            return State.EMPTY
        if self.epoch > self.assignment_epoch:
            return State.ASSIGNING
        settled = all(
            m.progress is Progress.STABLE and m.epoch == self.assignment_epoch
            for m in self.members.values()
        )
        return State.STABLE if settled else State.RECONCILING

    @property
    def assignor(self) -> str:
        """The one most members ask for."""
        votes = [m.assignor for m in self.members.values() if m.assignor]
        return max(votes, key=votes.count) if votes else next(iter(ASSIGNORS))

    # ------------------------------------------------------------------ outliving the broker

    def _records(self) -> dict[bytes, bytes]:
        """The group as it is to be found by the next broker."""
        told: list[tuple[int, str, dict[str, Any]]] = [
            (record.GROUP, "", {"epoch": self.epoch}),
            (record.ASSIGNMENT, "", {"epoch": self.assignment_epoch}),
        ]
        for m in self.members.values():
            who = {
                "instance_id": m.instance_id,
                "rack_id": m.rack_id,
                "client_id": m.client_id,
                "client_host": m.client_host,
                "topics": sorted(m.topics),
                "regex": m.regex.text if m.regex else None,
                "rebalance_timeout_ms": m.rebalance_timeout_ms,
                "assignor": m.assignor,
            }
            current = {
                "epoch": m.epoch,
                "previous_epoch": m.previous_epoch,
                "progress": m.progress.value,
                "assigned": self.by_id(m.assigned),
                "revoking": self.by_id(m.revoking),
            }
            target = {"partitions": self.by_id(self.target.get(m.id, set()))}
            told += [(record.MEMBER, m.id, who), (record.TARGET, m.id, target),
                     (record.CURRENT, m.id, current)]  # fmt: skip
        return dict(record.encode(kind, self.id, member, f) for kind, member, f in told)

    def _keep(self, records: dict[bytes, bytes] | None = None) -> None:
        """Keep what is not as it was kept last."""
        now = self._records() if records is None else records
        changes: Kept = {k: v for k, v in now.items() if self._kept.get(k) != v}
        changes |= dict.fromkeys(self._kept.keys() - now.keys())
        self._changed = False
        if changes and self.keep(changes):
            self._kept = now

    def forget(self) -> None:
        """The group is no more."""
        self.close()
        self._keep({})

    def restore(self, records: record.ConsumerRecords) -> None:
        """Be what was kept; `resume` lets sessions begin."""
        self.epoch = records.epoch(record.GROUP)
        self.assignment_epoch = records.epoch(record.ASSIGNMENT)
        for member_id, who, target, current in records.members():
            self.members[member_id] = ConsumerMember(
                member_id, who["instance_id"], who["client_id"], who["client_host"],
                who["rack_id"], current["epoch"], current["previous_epoch"],
                who["rebalance_timeout_ms"], set(who["topics"]),
                Regex(who["regex"]) if who["regex"] else None, who["assignor"],
                Progress(current["progress"]), self._named(current["assigned"]),
                self._named(current["revoking"]),
            )  # fmt: skip
            if who["instance_id"] is not None:
                self.static[who["instance_id"]] = member_id
            self.target[member_id] = self._named(target["partitions"])
        self._topics_changed()
        self._kept = self._records()

    def resume(self) -> None:
        """Begin the sessions of restored members."""
        for member in self.members.values():
            self._heard(member)
            if member.progress is Progress.UNREVOKED:
                self._watch_revocation(member)

    # ------------------------------------------------------------------ the heartbeat

    def heartbeat(self, request: dict[str, Any], client_id: str, host: str) -> dict[str, Any]:
        """One heartbeat; KafkaError refuses it."""
        epoch = request["member_epoch"]
        if epoch < JOINS:
            return self._leave(request, for_now=epoch == LEAVES_FOR_NOW)
        if request["server_assignor"] not in (None, *ASSIGNORS):
            raise KafkaError(
                Code.UNSUPPORTED_ASSIGNOR, f"The assignors are {', '.join(ASSIGNORS)}."
            )
        regex = request["subscribed_topic_regex"]
        compiled = Regex(regex) if regex else None
        if epoch == JOINS:
            member, new = self._join(request, client_id, host)
        else:
            new = False
            member = self.member(request["member_id"], request["instance_id"])
            self._check_epoch(member, epoch, request["topic_partitions"])
        changed = self._take_settings(member, request, compiled)
        if self._topics_changed() or changed or new:
            self.epoch += 1
            self._changed = True
        if self.epoch > self.assignment_epoch:
            self._assign()
        before = set(member.assigned)
        owned = request["topic_partitions"]
        self._reconcile(member, None if owned is None else self._named(owned))
        self._heard(member)
        if self._changed:
            self._keep()
        response: dict[str, Any] = {
            "member_id": member.id,
            "member_epoch": member.epoch,
            "heartbeat_interval_ms": self.interval_ms,
        }
        if epoch == JOINS or owned is not None or before != member.assigned:
            response["assignment"] = {"topic_partitions": self.by_id(member.assigned)}
        return response

    def _join(
        self, request: dict[str, Any], client_id: str, host: str
    ) -> tuple[ConsumerMember, bool]:
        """The member, and whether the group did not know it before."""
        member_id, instance_id = request["member_id"], request["instance_id"]
        known = self.members.get(member_id)
        if known is not None:
            # The member lost the thread; it reads nothing now.
            known.revoking = set()
            return known, False
        member = ConsumerMember(member_id, instance_id, client_id, host)
        before = self.static.get(instance_id) if instance_id is not None else None
        if instance_id is not None and before is not None:
            old = self.members[before]
            if old.epoch != LEAVES_FOR_NOW:
                raise KafkaError(Code.UNRELEASED_INSTANCE_ID)
            self._stop(old)
            self._changed = True
            del self.members[before]
            self.target[member_id] = self.target.pop(before, set())
            member.topics, member.regex = old.topics, old.regex
            member.assigned = old.assigned
            member.assignor = old.assignor
        self.members[member_id] = member
        if instance_id is not None:
            self.static[instance_id] = member_id
        return member, before is None

    def member(self, member_id: str, instance_id: str | None = None) -> ConsumerMember:
        """The member of a request; KafkaError if it is none."""
        if instance_id is not None:
            known = self.static.get(instance_id)
            if known is not None and known != member_id:
                raise KafkaError(Code.FENCED_INSTANCE_ID)
        member = self.members.get(member_id)
        if member is None:
            raise KafkaError(Code.UNKNOWN_MEMBER_ID)
        return member

    def _check_epoch(self, member: ConsumerMember, epoch: int, owned: list[dict] | None) -> None:
        if epoch == member.epoch:
            return
        # The answer that brought the newer epoch was lost, unless it reads what it should not.
        repeated = epoch == member.previous_epoch and owned is not None
        if repeated and self._named(owned or []) <= member.assigned:
            return
        raise KafkaError(
            Code.FENCED_MEMBER_EPOCH, f"The member is at epoch {member.epoch}, not {epoch}."
        )

    def _take_settings(
        self, member: ConsumerMember, request: dict[str, Any], regex: Regex | None
    ) -> bool:
        """Copy what has changed; True if that is what it wants to read."""
        before = (member.topics, member.regex, member.assignor)
        if request["subscribed_topic_names"] is not None:
            member.topics = set(request["subscribed_topic_names"])
        if request["subscribed_topic_regex"] is not None:
            member.regex = regex
        if request["server_assignor"] is not None:
            member.assignor = request["server_assignor"]
        if request["rebalance_timeout_ms"] >= 0:
            self._changed |= member.rebalance_timeout_ms != request["rebalance_timeout_ms"]
            member.rebalance_timeout_ms = request["rebalance_timeout_ms"]
        if request["rack_id"] is not None:
            self._changed |= member.rack_id != request["rack_id"]
            member.rack_id = request["rack_id"]
        return before != (member.topics, member.regex, member.assignor)

    def _leave(self, request: dict[str, Any], for_now: bool) -> dict[str, Any]:
        member = self.member(request["member_id"], request["instance_id"])
        if for_now and member.instance_id is not None:
            member.epoch = LEAVES_FOR_NOW
            member.assigned |= member.revoking
            member.revoking = set()
            member.progress = Progress.STABLE
            self._keep()
        else:
            self.remove(member)
        return {"member_id": member.id, "member_epoch": request["member_epoch"]}

    def remove(self, member: ConsumerMember) -> None:
        """A member is gone."""
        self._stop(member)
        del self.members[member.id]
        if member.instance_id is not None:
            del self.static[member.instance_id]
        self.target.pop(member.id, None)
        self.epoch += 1
        self.since_ms = self.clock.wall_ms()
        self._keep()

    # ------------------------------------------------------------------ who reads what

    def subscribed(self, member: ConsumerMember) -> set[str]:
        """The topics a member wants to read, of those that are there."""
        names = self.topics.by_name
        wanted = {topic for topic in member.topics if topic in names}
        if member.regex is not None:
            wanted |= {t for t in names if not names[t].internal and member.regex.matches(t)}
        return wanted

    def _topics_changed(self) -> bool:
        """True if topics that members want came, went or grew since the last look."""
        wanted = set().union(*(self.subscribed(m) for m in self.members.values()))
        by_name = self.topics.by_name
        known = {topic: (by_name[topic].id, len(by_name[topic].logs)) for topic in wanted}
        changed = known != self._known
        self._known = known
        return changed

    def _assign(self) -> None:
        """Decide what each member is to read in the present epoch."""
        subscriptions = {m.id: self.subscribed(m) for m in self.members.values()}
        partitions = {topic: count for topic, (_, count) in self._known.items()}
        self.target = ASSIGNORS[self.assignor](subscriptions, partitions, self.target)
        self.assignment_epoch = self.epoch

    def _reconcile(self, member: ConsumerMember, owned: Share | None) -> None:
        """Bring a member nearer to its target, as far as other members allow."""
        if member.progress is Progress.UNREVOKED:
            if owned is None or owned & member.revoking:
                return
            member.revoking = set()
            self._cancel_revocation(member)
        elif member.progress is Progress.STABLE and member.epoch == self.assignment_epoch:
            return
        self._changed = True
        target = self.target.get(member.id, set())
        revoke = member.assigned - target
        read_elsewhere: Share = set()
        for other in self.members.values():
            if other is not member:
                read_elsewhere |= other.assigned | other.revoking
        reads = member.assigned if member.epoch > 0 else set()
        if owned is not None:
            reads = owned
        if revoke & reads:
            member.assigned = member.assigned - revoke
            member.revoking = revoke
            member.progress = Progress.UNREVOKED
            self._watch_revocation(member)
            return
        member.assigned = (member.assigned & target) | (target - read_elsewhere)
        member.progress = (
            Progress.STABLE if member.assigned == target else Progress.UNRELEASED
        )
        if member.epoch != self.assignment_epoch:
            member.previous_epoch = member.epoch
            member.epoch = self.assignment_epoch

    def _named(self, owned: list[dict]) -> Share:
        """Partitions by topic id, as names; those of topics that are gone are left out."""
        by_id = self.topics.by_id
        return {
            (by_id[each["topic_id"]].name, index)
            for each in owned
            if each["topic_id"] in by_id
            for index in each["partitions"]
        }

    def by_id(self, share: Share) -> list[dict[str, Any]]:
        """Partitions as responses list them."""
        found: dict[str, list[int]] = {}
        for topic, index in sorted(share):
            if topic in self.topics.by_name:
                found.setdefault(topic, []).append(index)
        return [
            {"topic_id": self.topics.by_name[topic].id, "partitions": indexes}
            for topic, indexes in found.items()
        ]

    # ------------------------------------------------------------------ timers

    def _heard(self, member: ConsumerMember) -> None:
        member.deadline_ns = self.clock.now_ns() + self.session_ms * 1_000_000
        if member.timer is None:
            self._watch(member)

    def set_timeouts(self, session_ms: int, interval_ms: int) -> None:
        """Other timeouts, from now on and for all members."""
        self.session_ms, self.interval_ms = session_ms, interval_ms
        for member in self.members.values():
            if member.timer is not None:
                member.timer.cancel()
                member.timer = None
            self._heard(member)

    def _watch(self, member: ConsumerMember) -> None:
        member.timer = self.clock.call_at(member.deadline_ns, lambda: self._check(member))

    def _check(self, member: ConsumerMember) -> None:
        member.timer = None
        if self.clock.now_ns() < member.deadline_ns:
            self._watch(member)
        else:
            self.remove(member)

    def _watch_revocation(self, member: ConsumerMember) -> None:
        self._cancel_revocation(member)
        when_ns = self.clock.now_ns() + member.rebalance_timeout_ms * 1_000_000

        def overdue() -> None:
            member.revocation = None
            self.remove(member)

        member.revocation = self.clock.call_at(when_ns, overdue)

    def _cancel_revocation(self, member: ConsumerMember) -> None:
        if member.revocation is not None:
            member.revocation.cancel()
            member.revocation = None

    def _stop(self, member: ConsumerMember) -> None:
        self._cancel_revocation(member)
        if member.timer is not None:
            member.timer.cancel()
            member.timer = None

    def close(self) -> None:
        """Stop all timers."""
        for member in self.members.values():
            self._stop(member)

    # ------------------------------------------------------------------ offsets

    def check_commit(self, member_id: str, instance_id: str | None, epoch: int) -> None:
        """KafkaError unless the member may commit offsets, or ask for them."""
        member = self.member(member_id, instance_id)
        if epoch != member.epoch:
            raise KafkaError(Code.STALE_MEMBER_EPOCH)

    def topics_read(self) -> set[str]:
        """The topics somebody in the group subscribes to."""
        return set().union(*(self.subscribed(m) for m in self.members.values()))


