"""Elections and reassignments, as a cluster of one broker answers them; topics page by page."""

from __future__ import annotations

from typing import Any

from kafkalite.acls import Resource
from kafkalite.broker import Broker, Call
from kafkalite.errors import Code, KafkaError
from kafkalite.handlers.cluster import authorized, check_assignments
from kafkalite.topics import Topic

METADATA_PARTITION = ("__cluster_metadata", 0)
PAGE_PARTITIONS = 2000


def elect_leaders(broker: Broker, request: dict, call: Call) -> dict[str, Any]:
    """Every partition has the leader it can have; nothing to tell when all were asked about."""
    results = []
    for item in request["topic_partitions"] or ():
        parts = []
        for index in item["partitions"]:
            try:
                broker.topics.log(item["topic"], index)
                code, message = Code.ELECTION_NOT_NEEDED, "Leader election not needed"
            except KafkaError as exc:
                code, message = exc.code, str(exc.message)
            parts.append({"partition_id": index, "error_code": code, "error_message": message})
        results.append({"topic": item["topic"], "partition_result": parts})
    return {"replica_election_results": results}


def alter_reassignments(broker: Broker, request: dict, call: Call) -> dict[str, Any]:
    """A partition can only stay where it is."""

    def answer(topic: str, part: dict) -> dict[str, Any]:
        index, replicas = part["partition_index"], part["replicas"]
        try:
            broker.topics.log(topic, index)
            if replicas is None:
                raise KafkaError(Code.NO_REASSIGNMENT_IN_PROGRESS)
            check_assignments(broker, [replicas])
        except KafkaError as exc:
            return {
                "partition_index": index,
                "error_code": exc.code,
                "error_message": exc.message,
            }
        return {"partition_index": index}

    return {
        "responses": [
            {"name": t["name"], "partitions": [answer(t["name"], p) for p in t["partitions"]]}
            for t in request["topics"]
        ]
    }


def list_reassignments(broker: Broker, request: dict, call: Call) -> dict[str, Any]:
    """None is ever in progress."""
    return {}


def describe_quorum(broker: Broker, request: dict, call: Call) -> dict[str, Any]:
    """The one voter: this broker, which leads; there is no metadata log, so it ends at 0."""
    voter = {"replica_id": broker.node_id}

    def answer(topic: str, part: dict) -> dict[str, Any]:
        index = part["partition_index"]
        if (topic, index) != METADATA_PARTITION:
            return {"partition_index": index, "error_code": Code.UNKNOWN_TOPIC_OR_PARTITION}
        return {
            "partition_index": index,
            "leader_id": broker.node_id,
            "current_voters": [voter],
        }

    listener = {"name": "CONTROLLER", "host": broker.host, "port": broker.port}
    return {
        "topics": [
            {
                "topic_name": topic["topic_name"],
                "partitions": [answer(topic["topic_name"], p) for p in topic["partitions"]],
            }
            for topic in request["topics"]
        ],
        "nodes": [{"node_id": broker.node_id, "listeners": [listener]}],
    }


def describe_topic_partitions(broker: Broker, request: dict, call: Call) -> dict[str, Any]:
    """Topics in the order of their names, at most so many partitions at a time."""
    names = sorted({t["name"] for t in request["topics"]} or broker.topics.by_name)
    cursor = request["cursor"]
    at = (cursor["topic_name"], cursor["partition_index"]) if cursor else ("", 0)
    room = max(1, min(request["response_partition_limit"], PAGE_PARTITIONS))
    topics: list[dict[str, Any]] = []
    for name in [name for name in names if name >= at[0]]:
        if room == 0:
            return {"topics": topics, "next_cursor": {"topic_name": name, "partition_index": 0}}
        try:
            topic = broker.topics.find(name)
        except KafkaError as exc:
            topics.append({"name": name, "error_code": exc.code})
            continue
        first = at[1] if name == at[0] else 0
        last = min(len(topic.logs), first + room)
        topics.append(_topic_page(broker, call, topic, range(first, last)))
        room -= last - first
        if last < len(topic.logs):
            return {"topics": topics, "next_cursor": {"topic_name": name, "partition_index": last}}
    return {"topics": topics}


def _topic_page(broker: Broker, call: Call, topic: Topic, indexes: range) -> dict[str, Any]:
    """Some partitions of a topic."""
    me = [broker.node_id]
    return {
        "name": topic.name,
        "topic_id": topic.id,
        "is_internal": topic.internal,
        "topic_authorized_operations": authorized(broker, call, Resource.TOPIC, topic.name),
        "partitions": [
            {
                "partition_index": index,
                "leader_id": broker.node_id,
                "leader_epoch": 0,
                "replica_nodes": me,
                "isr_nodes": me,
            }
            for index in indexes
        ],
    }
