"""Being a member of a group: join, sync, heartbeat, leave."""

from __future__ import annotations

from typing import Any

from kafkalite.broker import Broker, Call
from kafkalite.errors import KafkaError
from kafkalite.later import Later

PROMISES_SINCE = 4  # version of JoinGroup: the broker names a member before it joins (KIP-394)
LEAVES_MANY_SINCE = 3  # version of LeaveGroup


def join_group(broker: Broker, request: dict, call: Call) -> dict[str, Any] | Later:
    """Join, or join again; answered when the generation begins."""
    try:
        return broker.coordinator.join(
            request, call.client_id, call.host, promise=call.version >= PROMISES_SINCE
        )
    except KafkaError as exc:
        return {"error_code": exc.code, "member_id": request["member_id"], "protocol_name": ""}


def sync_group(broker: Broker, request: dict, call: Call) -> dict[str, Any] | Later:
    """Bring or get the assignment; answered when the leader has brought it."""
    try:
        return broker.coordinator.group(request["group_id"]).sync(request)
    except KafkaError as exc:
        return {"error_code": exc.code}


def heartbeat(broker: Broker, request: dict, call: Call) -> dict[str, Any]:
    """I am alive; the answer tells to join again."""
    try:
        broker.coordinator.group(request["group_id"]).heartbeat(
            request["member_id"], request["group_instance_id"], request["generation_id"]
        )
    except KafkaError as exc:
        return {"error_code": exc.code}
    return {}


def consumer_group_heartbeat(broker: Broker, request: dict, call: Call) -> dict[str, Any]:
    """All of membership in a group of KIP-848."""
    try:
        return broker.coordinator.heartbeat(request, call.client_id, call.host)
    except KafkaError as exc:
        return {"error_code": exc.code, "error_message": exc.message}


def leave_group(broker: Broker, request: dict, call: Call) -> dict[str, Any]:
    """One member leaves, or an administrator removes several."""
    members = request["members"]
    if call.version < LEAVES_MANY_SINCE:
        members = [{"member_id": request["member_id"], "group_instance_id": None}]
    results = []
    for member in members:
        result = {key: member[key] for key in ("member_id", "group_instance_id")}
        try:
            broker.coordinator.remove_member(
                request["group_id"], member["member_id"], member["group_instance_id"]
            )
        except KafkaError as exc:
            result["error_code"] = exc.code
        results.append(result)
    if call.version < LEAVES_MANY_SINCE:
        return {"error_code": results[0].get("error_code", 0)}
    return {"members": results}
