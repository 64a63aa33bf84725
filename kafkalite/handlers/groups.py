"""Groups from outside: where they are coordinated, what they committed, who is in them."""

from __future__ import annotations

from typing import Any

from kafkalite.acls import Resource
from kafkalite.assignors import Share
from kafkalite.broker import Broker, Call
from kafkalite.consumer_group import ConsumerGroup, ConsumerMember
from kafkalite.errors import Code, KafkaError
from kafkalite.group import State
from kafkalite.offset_record import Committed
from kafkalite.offsets import Partition

KEY_TYPES = (0, 1)  # groups, transactions
MANY_KEYS_SINCE = 4  # version of FindCoordinator
MANY_GROUPS_SINCE = 8  # version of OffsetFetch
NEVER = -1
CONSUMER = 1  # type of a member


def find_coordinator(broker: Broker, request: dict, call: Call) -> dict[str, Any]:
    """Every group and every transaction is coordinated here."""

    def answer(key: str) -> dict[str, Any]:
        code, message = Code.NONE, None
        if request["key_type"] not in KEY_TYPES:
            code, message = Code.INVALID_REQUEST, "Only groups and transactions are coordinated."
        elif not key:
            code, message = Code.INVALID_GROUP_ID, "The group id is empty."
        if code:
            return {"node_id": -1, "port": -1, "error_code": code, "error_message": message}
        return {
            "node_id": broker.node_id,
            "host": broker.host,
            "port": broker.port,
            "error_message": None,
        }

    if call.version < MANY_KEYS_SINCE:
        return answer(request["key"])
    return {"coordinators": [{"key": k, **answer(k)} for k in request["coordinator_keys"]]}


# ---------------------------------------------------------------------- offsets


def offset_commit(broker: Broker, request: dict, call: Call) -> dict[str, Any]:
    """Keep where a group is; the answer leaves once it is kept."""
    try:
        broker.coordinator.check_commit(*committer(request))
    except KafkaError as exc:
        return commit_response(request, {}, exc.code)
    errors, commits = asked_commits(broker, request)
    try:
        broker.coordinator.commit(request["group_id"], commits)
    except KafkaError as exc:
        errors |= dict.fromkeys(commits, exc.code)
    return commit_response(request, errors, Code.NONE)


def committer(request: dict) -> tuple[str, str, str | None, int]:
    """Who a request to commit says it is from."""
    return (
        request["group_id"], request["member_id"], request["group_instance_id"],
        request["generation_id"],
    )  # fmt: skip


def asked_commits(
    broker: Broker, request: dict
) -> tuple[dict[Partition, Code], dict[Partition, Committed]]:
    """What a request wants committed: what cannot be, and what can."""
    errors: dict[Partition, Code] = {}
    commits: dict[Partition, Committed] = {}
    now_ms = broker.world.clock.wall_ms()
    for topic in request["topics"]:
        for part in topic["partitions"]:
            key = (topic["name"], part["index"])
            try:
                commits[key] = broker.coordinator.commit_of(
                    key, part["committed_offset"], part["committed_leader_epoch"],
                    part["committed_metadata"] or "", now_ms,
                )  # fmt: skip
            except KafkaError as exc:
                errors[key] = exc.code
    return errors, commits


def commit_response(request: dict, errors: dict, other: Code) -> dict[str, Any]:
    """The response for partitions: their errors, `other` for those that have none."""
    return {
        "topics": [
            {
                "name": topic["name"],
                "partitions": [
                    {
                        "index": part["index"],
                        "error_code": errors.get((topic["name"], part["index"]), other),
                    }
                    for part in topic["partitions"]
                ],
            }
            for topic in request["topics"]
        ]
    }


def offset_fetch(broker: Broker, request: dict, call: Call) -> dict[str, Any]:
    """Where groups are; -1 where they never committed, known group or not."""
    stable = request["require_stable"]
    if call.version < MANY_GROUPS_SINCE:
        return {"topics": _committed(broker, request["group_id"], request["topics"], stable)}
    groups = []
    for group in request["groups"]:
        answer: dict[str, Any] = {"group_id": group["group_id"]}
        try:
            broker.coordinator.check_fetch(
                group["group_id"], group["member_id"], group["member_epoch"]
            )
            answer["topics"] = _committed(broker, group["group_id"], group["topics"], stable)
        except KafkaError as exc:
            answer["error_code"] = exc.code
        groups.append(answer)
    return {"groups": groups}


def _committed(
    broker: Broker, group_id: str, wanted: list[dict] | None, stable: bool
) -> list[dict[str, Any]]:
    known = broker.coordinator.offsets.get(group_id)
    unstable = broker.coordinator.offsets.unstable(group_id) if stable else set()
    if wanted is None:
        by_topic: dict[str, list[int]] = {}
        for topic, index in known.keys() | unstable:
            by_topic.setdefault(topic, []).append(index)
    else:
        by_topic = {topic["name"]: topic["partitions"] for topic in wanted}
    nothing = Committed(NEVER)
    topics = []
    for topic, indexes in by_topic.items():
        parts = []
        for index in indexes:
            wait = (topic, index) in unstable
            committed = nothing if wait else known.get((topic, index), nothing)
            parts.append(
                {
                    "index": index,
                    "committed_offset": committed.offset,
                    "committed_leader_epoch": committed.leader_epoch,
                    "metadata": committed.metadata,
                    "error_code": Code.UNSTABLE_OFFSET_COMMIT if wait else Code.NONE,
                }
            )
        topics.append({"name": topic, "partitions": parts})
    return topics


def offset_delete(broker: Broker, request: dict, call: Call) -> dict[str, Any]:
    """Forget committed offsets."""
    keys = [(t["name"], p["index"]) for t in request["topics"] for p in t["partitions"]]
    try:
        errors = broker.coordinator.delete_offsets(request["group_id"], keys)
    except KafkaError as exc:
        return {"error_code": exc.code}
    return commit_response(request, errors, Code.NONE)


# ---------------------------------------------------------------------- admin


def list_groups(broker: Broker, request: dict, call: Call) -> dict[str, Any]:
    """All groups, or those in some states."""
    states, types = request["states_filter"], request["types_filter"]
    found = []
    for group_id in broker.coordinator.ids():
        state = broker.coordinator.state(group_id)
        if states and state.lower() not in {s.lower() for s in states}:
            continue
        kind = broker.coordinator.type(group_id)
        if types and kind not in {t.lower() for t in types}:
            continue
        group = broker.coordinator.groups.get(group_id)
        found.append(
            {
                "group_id": group_id,
                "protocol_type": group.protocol_type if group else "",
                "group_state": state,
                "group_type": kind,
            }
        )
    return {"groups": found}


def describe_groups(broker: Broker, request: dict, call: Call) -> dict[str, Any]:
    """State and members of groups."""
    groups = [_described(broker, g, call.version) for g in request["groups"]]
    if request["include_authorized_operations"]:
        for group in groups:
            group["authorized_operations"] = broker.authorizer.operations(
                call.principal, call.host, Resource.GROUP, group["group_id"]
            )
    return {"groups": groups}


def _described(broker: Broker, group_id: str, version: int) -> dict[str, Any]:
    group = broker.coordinator.groups.get(group_id)
    state = broker.coordinator.state(group_id)
    if isinstance(group, ConsumerGroup):
        group, state = None, State.DEAD  # ConsumerGroupDescribe tells of it
    described: dict[str, Any] = {"group_id": group_id, "group_state": state}
    if state is State.DEAD and version >= 6:
        described |= {
            "error_code": Code.GROUP_ID_NOT_FOUND,
            "error_message": f"Group {group_id} not found.",
        }
    if group is None:
        return described
    return described | {
        "protocol_type": group.protocol_type,
        "protocol_data": group.protocol or "",
        "members": [
            {
                "member_id": m.id,
                "group_instance_id": m.instance_id,
                "client_id": m.client_id,
                "client_host": f"/{m.client_host}",
                "member_metadata": m.protocols.get(group.protocol or "", b""),
                "member_assignment": m.assignment,
            }
            for m in group.members.values()
        ],
    }


def consumer_group_describe(broker: Broker, request: dict, call: Call) -> dict[str, Any]:
    """State, epochs and members of groups of KIP-848."""
    groups = []
    for group_id in request["group_ids"]:
        group = broker.coordinator.groups.get(group_id)
        if not isinstance(group, ConsumerGroup):
            groups.append(
                {
                    "group_id": group_id,
                    "error_code": Code.GROUP_ID_NOT_FOUND,
                    "error_message": f"Group {group_id} is not a consumer group.",
                }
            )
            continue
        described = {
            "group_id": group_id,
            "group_state": group.state,
            "group_epoch": group.epoch,
            "assignment_epoch": group.assignment_epoch,
            "assignor_name": group.assignor,
            "members": [_consumer(group, member) for member in group.members.values()],
        }
        if request["include_authorized_operations"]:
            described["authorized_operations"] = broker.authorizer.operations(
                call.principal, call.host, Resource.GROUP, group_id
            )
        groups.append(described)
    return {"groups": groups}


def _consumer(group: ConsumerGroup, member: ConsumerMember) -> dict[str, Any]:
    def named(share: Share) -> dict[str, Any]:
        names = {topic.id: name for name, topic in group.topics.by_name.items()}
        parts = [p | {"topic_name": names[p["topic_id"]]} for p in group.by_id(share)]
        return {"topic_partitions": parts}

    return {
        "member_id": member.id,
        "instance_id": member.instance_id,
        "rack_id": member.rack_id,
        "member_epoch": member.epoch,
        "client_id": member.client_id,
        "client_host": f"/{member.client_host}",
        "subscribed_topic_names": sorted(member.topics),
        "subscribed_topic_regex": member.regex.text if member.regex else None,
        "assignment": named(member.assigned),
        "target_assignment": named(group.target.get(member.id, set())),
        "member_type": CONSUMER,
    }


def delete_groups(broker: Broker, request: dict, call: Call) -> dict[str, Any]:
    """Remove groups without members."""
    results = []
    for group_id in request["groups"]:
        result: dict[str, Any] = {"group_id": group_id}
        try:
            broker.coordinator.delete(group_id)
        except KafkaError as exc:
            result["error_code"] = exc.code
        results.append(result)
    return {"results": results}
