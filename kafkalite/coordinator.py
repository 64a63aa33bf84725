"""The group coordinator: finds the group a request is for, and guards who may commit offsets."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from kafkalite.errors import Code, KafkaError
from kafkalite.group import Group, State
from kafkalite.later import Later
from kafkalite.offsets import Committed, Offsets, Partition

if TYPE_CHECKING:
    from bedrock.world import World
    from kafkalite.group_record import GroupRecord
    from kafkalite.topics import Topics

logger = logging.getLogger("kafkalite")

MAX_METADATA_BYTES = 4096


class Coordinator:
    """All groups of the broker.

    min_session_ms, max_session_ms: session timeouts that members may ask for
    """

    def __init__(self, world: World, topics: Topics, min_session_ms: int, max_session_ms: int):
        self.world = world
        self.offsets = Offsets(topics)
        self.min_session_ms = min_session_ms
        self.max_session_ms = max_session_ms
        self.groups: dict[str, Group] = {}
        for group_id, record in self.offsets.members.items():
            self._make(group_id).restore(record)

    def resume(self) -> None:
        """Begin the sessions of members that outlived a restart."""
        for group in self.groups.values():
            group.resume()

    def _make(self, group_id: str) -> Group:
        def keep(record: GroupRecord) -> None:
            try:
                self.offsets.keep_group(group_id, record)
            except KafkaError as exc:
                logger.error("group %r: a restart will forget its members: %s", group_id, exc)

        group = self.groups[group_id] = Group(group_id, self.world.clock, self._new_id, keep)
        return group

    def join(
        self, request: dict[str, Any], client_id: str, host: str, promise: bool
    ) -> Later:
        """A JoinGroup request; see Group.join."""
        if not request["group_id"]:
            raise KafkaError(Code.INVALID_GROUP_ID)
        if not self.min_session_ms <= request["session_timeout_ms"] <= self.max_session_ms:
            raise KafkaError(Code.INVALID_SESSION_TIMEOUT)
        group = self.groups.get(request["group_id"])
        if group is None:
            if request["member_id"]:
                raise KafkaError(Code.UNKNOWN_MEMBER_ID)
            group = self._make(request["group_id"])
        return group.join(request, client_id, host, promise)

    def _new_id(self) -> str:
        raw = self.world.rand.bytes(16).hex()
        return f"{raw[:8]}-{raw[8:12]}-{raw[12:16]}-{raw[16:20]}-{raw[20:]}"

    def group(self, group_id: str) -> Group:
        """The group of a member's request; KafkaError (UNKNOWN_MEMBER_ID) if there is none."""
        if not group_id:
            raise KafkaError(Code.INVALID_GROUP_ID)
        group = self.groups.get(group_id)
        if group is None:
            raise KafkaError(Code.UNKNOWN_MEMBER_ID)
        return group

    # ------------------------------------------------------------------ offsets

    def check_commit(self, request: dict[str, Any]) -> None:
        """KafkaError unless the sender of an OffsetCommit may commit."""
        if not request["group_id"]:
            raise KafkaError(Code.INVALID_GROUP_ID)
        group = self.groups.get(request["group_id"])
        generation = request["generation_id"]
        if generation < 0 and (group is None or not group.members):
            return  # a client that assigns partitions by itself
        if group is None:
            raise KafkaError(Code.ILLEGAL_GENERATION)
        group.member(request["member_id"], request["group_instance_id"], generation)
        if group.state is State.COMPLETING:
            raise KafkaError(Code.REBALANCE_IN_PROGRESS)

    def check_commit_in_transaction(self, request: dict[str, Any]) -> None:
        """KafkaError unless the sender of a TxnOffsetCommit may commit."""
        if request["generation_id"] >= 0 or request["member_id"]:
            self.check_commit(request)
        elif not request["group_id"]:
            raise KafkaError(Code.INVALID_GROUP_ID)

    def commit(self, group_id: str, commits: dict[Partition, Committed]) -> None:
        """Keep offsets that `check_commit` let pass."""
        self.offsets.commit(group_id, commits)

    def delete_offsets(self, group_id: str, partitions: list[Partition]) -> None:
        """Forget offsets; KafkaError while members may be reading there."""
        if self.state(group_id) is State.DEAD:
            raise KafkaError(Code.GROUP_ID_NOT_FOUND)
        group = self.groups.get(group_id)
        if group is not None and group.members:
            raise KafkaError(Code.GROUP_SUBSCRIBED_TO_TOPIC)
        self.offsets.delete(group_id, partitions)

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

    def delete(self, group_id: str) -> None:
        """Remove a group without members, and its offsets."""
        if self.state(group_id) is State.DEAD:
            raise KafkaError(Code.GROUP_ID_NOT_FOUND)
        group = self.groups.get(group_id)
        if group is not None:
            if group.members:
                raise KafkaError(Code.NON_EMPTY_GROUP)
            group.close()
            del self.groups[group_id]
            self.offsets.keep_group(group_id, None)
        self.offsets.delete(group_id, list(self.offsets.get(group_id)))

    def close(self) -> None:
        """Answer everybody who waits."""
        for group in self.groups.values():
            group.close()
