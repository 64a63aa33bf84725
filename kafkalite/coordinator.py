"""The group coordinator: finds the group a request is for, and guards who may commit offsets.

A group speaks the classic protocol (kafkalite.group) or that of KIP-848 (kafkalite.consumer_group),
as its first member does; once it is empty, the next first member decides anew.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from kafkalite.consumer_group import JOINS, ConsumerGroup, Kept
from kafkalite.errors import Code, KafkaError
from kafkalite.group import Group, State
from kafkalite.later import Later
from kafkalite.offset_record import Committed
from kafkalite.offsets import Offsets, Partition

if TYPE_CHECKING:
    from collections.abc import Callable

    from bedrock.world import World
    from kafkalite.group_record import GroupRecord
    from kafkalite.topics import Topics

logger = logging.getLogger("kafkalite")

MAX_METADATA_BYTES = 4096
RETENTION_MS = 7 * 86_400_000  # of offsets whose group has no members


class Coordinator:
    """All groups of the broker.

    min_session_ms, max_session_ms  session timeouts that members of classic groups may ask for
    timeouts                        group id -> (session_ms, interval_ms) of a ConsumerGroup
    delay_ms                        see Group
    """

    def __init__(
        self,
        world: World,
        topics: Topics,
        min_session_ms: int,
        max_session_ms: int,
        timeouts: Callable[[str], tuple[int, int]] = lambda group_id: (45_000, 5000),
        delay_ms: int = 0,
    ):
        self.world = world
        self.topics = topics
        self.offsets = Offsets(topics)
        self.min_session_ms = min_session_ms
        self.max_session_ms = max_session_ms
        self.timeouts = timeouts
        self.delay_ms = delay_ms
        self.groups: dict[str, Group | ConsumerGroup] = {}
        for group_id, record in self.offsets.members.items():
            self._make(group_id).restore(record)
        for group_id, records in self.offsets.consumers.items():
            self._make_consumers(group_id).restore(records)

    def resume(self) -> None:
        """Begin the sessions of members that outlived a restart."""
        for group in self.groups.values():
            group.resume()

    def _make(self, group_id: str) -> Group:
        """A classic group."""

        def keep(record: GroupRecord) -> None:
            self._try_to_keep(group_id, lambda: self.offsets.keep_group(group_id, record))

        group = Group(group_id, self.world.clock, self._new_id, keep, self.delay_ms)
        self.groups[group_id] = group
        return group

    def _make_consumers(self, group_id: str) -> ConsumerGroup:
        """A group of KIP-848."""

        def keep(changes: Kept) -> bool:
            return self._try_to_keep(group_id, lambda: self.offsets.keep_consumers(changes))

        group = ConsumerGroup(
            group_id, self.world.clock, self.topics, *self.timeouts(group_id), keep
        )
        self.groups[group_id] = group
        return group

    def _try_to_keep(self, group_id: str, keep: Callable[[], None]) -> bool:
        """A full disk stops no group."""
        try:
            keep()
        except KafkaError as exc:
            logger.error("group %r: a restart will forget its members: %s", group_id, exc)
            return False
        return True

    def _new_id(self) -> str:
        raw = self.world.rand.bytes(16).hex()
        return f"{raw[:8]}-{raw[8:12]}-{raw[12:16]}-{raw[16:20]}-{raw[20:]}"

    # ------------------------------------------------------------------ members

    def join(self, request: dict[str, Any], client_id: str, host: str, promise: bool) -> Later:
        """A JoinGroup request; see Group.join."""
        if not request["group_id"]:
            raise KafkaError(Code.INVALID_GROUP_ID)
        if not self.min_session_ms <= request["session_timeout_ms"] <= self.max_session_ms:
            raise KafkaError(Code.INVALID_SESSION_TIMEOUT)
        group = self.groups.get(request["group_id"])
        if isinstance(group, ConsumerGroup):
            if group.members:
                raise KafkaError(Code.INCONSISTENT_GROUP_PROTOCOL)
            group.forget()
            group = None
        if group is None:
            if request["member_id"]:
                raise KafkaError(Code.UNKNOWN_MEMBER_ID)
            group = self._make(request["group_id"])
        return group.join(request, client_id, host, promise)

    def group(self, group_id: str) -> Group:
        """The classic group of a member's request; KafkaError if there is none."""
        if not group_id:
            raise KafkaError(Code.INVALID_GROUP_ID)
        group = self.groups.get(group_id)
        if not isinstance(group, Group):
            raise KafkaError(Code.UNKNOWN_MEMBER_ID)
        return group

    def heartbeat(self, request: dict[str, Any], client_id: str, host: str) -> dict[str, Any]:
        """A ConsumerGroupHeartbeat request; see ConsumerGroup.heartbeat."""
        group_id = request["group_id"]
        if not group_id:
            raise KafkaError(Code.INVALID_REQUEST, "GroupId can't be empty.")
        group = self.groups.get(group_id)
        if isinstance(group, Group):
            if group.members:
                raise KafkaError(Code.GROUP_ID_NOT_FOUND, "The group speaks the classic protocol.")
            self._forget(group_id)
            group = None
        if group is None:
            if request["member_epoch"] != JOINS:
                raise KafkaError(Code.UNKNOWN_MEMBER_ID)
            group = self._make_consumers(group_id)
        if not request["member_id"]:
            request = request | {"member_id": self._new_id()}
        return group.heartbeat(request, client_id, host)

    def take_timeouts(self, group_id: str) -> None:
        """The timeouts of a group may be others now."""
        group = self.groups.get(group_id)
        if isinstance(group, ConsumerGroup):
            group.set_timeouts(*self.timeouts(group_id))

    def remove_member(self, group_id: str, member_id: str, instance_id: str | None) -> None:
        """A member leaves, or an administrator removes it; KafkaError if it is none."""
        group = self.groups.get(group_id)
        if not isinstance(group, ConsumerGroup):
            self.group(group_id).leave(member_id, instance_id)
            return
        if instance_id is not None and not member_id:
            member_id = group.static.get(instance_id, "")
        group.remove(group.member(member_id, instance_id))

    # ------------------------------------------------------------------ offsets

    def check_commit(
        self, group_id: str, member_id: str, instance_id: str | None, generation: int
    ) -> None:
        """KafkaError unless the sender of an OffsetCommit may commit."""
        if not group_id:
            raise KafkaError(Code.INVALID_GROUP_ID)
        group = self.groups.get(group_id)
        if generation < 0 and (group is None or not group.members):
            return  # a client that assigns partitions by itself
        if group is None:
            raise KafkaError(Code.ILLEGAL_GENERATION)
        if isinstance(group, ConsumerGroup):
            group.check_commit(member_id, instance_id, generation)
            return
        group.member(member_id, instance_id, generation)
        if group.state is State.COMPLETING:
            raise KafkaError(Code.REBALANCE_IN_PROGRESS)

    def check_commit_in_transaction(
        self, group_id: str, member_id: str, instance_id: str | None, generation: int
    ) -> None:
        """KafkaError unless the sender of a TxnOffsetCommit may commit."""
        if generation >= 0 or member_id:
            self.check_commit(group_id, member_id, instance_id, generation)
        elif not group_id:
            raise KafkaError(Code.INVALID_GROUP_ID)

    def commit_of(
        self, partition: Partition, offset: int, leader_epoch: int, metadata: str, now_ms: int
    ) -> Committed:
        """What is to be kept of a commit; KafkaError if it cannot be."""
        if len(metadata) > MAX_METADATA_BYTES:
            raise KafkaError(Code.OFFSET_METADATA_TOO_LARGE)
        self.topics.log(*partition)
        return Committed(offset, leader_epoch, metadata, now_ms)

    def check_fetch(self, group_id: str, member_id: str | None, epoch: int) -> None:
        """KafkaError unless the sender of an OffsetFetch, if it says who it is, is a member."""
        group = self.groups.get(group_id)
        if member_id is not None and epoch >= 0 and isinstance(group, ConsumerGroup):
            group.check_commit(member_id, None, epoch)

    def commit(self, group_id: str, commits: dict[Partition, Committed]) -> None:
        """Keep offsets that `check_commit` let pass."""
        self.offsets.commit(group_id, commits)

    def delete_offsets(self, group_id: str, partitions: list[Partition]) -> dict[Partition, Code]:
        """Forget offsets, except where members read; those, with the reason."""
        if self.state(group_id) is State.DEAD:
            raise KafkaError(Code.GROUP_ID_NOT_FOUND)
        group = self.groups.get(group_id)
        read: set[str] = set()
        if group is not None and group.members:
            if group.protocol_type != "consumer":
                raise KafkaError(Code.NON_EMPTY_GROUP)
            read = group.topics_read()
        self.offsets.delete(group_id, [p for p in partitions if p[0] not in read])
        return {p: Code.GROUP_SUBSCRIBED_TO_TOPIC for p in partitions if p[0] in read}

    def expire(self) -> None:
        """Forget offsets that no member has needed for a week."""
        before_ms = self.world.clock.wall_ms() - RETENTION_MS
        for group_id, partitions in list(self.offsets.groups.items()):
            group = self.groups.get(group_id)
            if group is not None and group.members:
                read = group.topics_read() if group.protocol_type == "consumer" else None
                since_ms = 0
            else:
                read = set()
                since_ms = 0 if group is None else group.since_ms
            if read is None:
                continue
            gone = [
                partition
                for partition, committed in partitions.items()
                if partition[0] not in read and max(committed.time_ms, since_ms) < before_ms
            ]
            self.offsets.delete(group_id, gone)
        for group_id, group in list(self.groups.items()):
            empty = not group.members and group_id not in self.offsets.groups
            if empty and group.since_ms < before_ms:
                self._forget(group_id)

    # ------------------------------------------------------------------ admin

    def ids(self) -> list[str]:
        """All groups that have members or offsets."""
        return sorted(self.groups.keys() | self.offsets.groups.keys())

    def state(self, group_id: str) -> State:
        """DEAD for a group there is not."""
        group = self.groups.get(group_id)
        if group is not None:
            return group.state
        return State.EMPTY if group_id in self.offsets.groups else State.DEAD

    def type(self, group_id: str) -> str:
        """The protocol of a group."""
        group = self.groups.get(group_id)
        return Group.type if group is None else group.type

    def delete(self, group_id: str) -> None:
        """Remove a group without members, and its offsets."""
        if self.state(group_id) is State.DEAD:
            raise KafkaError(Code.GROUP_ID_NOT_FOUND)
        group = self.groups.get(group_id)
        if group is not None:
            if group.members:
                raise KafkaError(Code.NON_EMPTY_GROUP)
            self._forget(group_id)
        self.offsets.delete(group_id, list(self.offsets.get(group_id)))

    def _forget(self, group_id: str) -> None:
        group = self.groups.pop(group_id)
        if isinstance(group, ConsumerGroup):
            group.forget()
        else:
            group.close()
            self.offsets.keep_group(group_id, None)

    def close(self) -> None:
        """Answer everybody who waits."""
        for group in self.groups.values():
            group.close()
