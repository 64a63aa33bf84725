"""Brokers, topics and partitions."""

from __future__ import annotations

from typing import Any

from kafkalite.acls import CLUSTER_NAME, Resource
from kafkalite.broker import Broker, Call
from kafkalite.errors import Code, KafkaError
from kafkalite.handlers.configs import describe_topic
from kafkalite.topics import Topic, check_name

REPLICAS = 1
DEFAULT = -1
NAMELESS_SINCE = 12  # version of Metadata: a topic may be told of without its name
CREATED_CONFIG = ("name", "value", "read_only", "config_source", "is_sensitive")


def metadata(broker: Broker, request: dict, call: Call) -> dict[str, Any]:
    """Who leads which partition: this broker, all of them.  Makes topics, if it may."""
    wanted = request["topics"]
    if wanted is None or (call.version == 0 and not wanted):
        topics = [_described(broker, t) for t in broker.topics.by_name.values()]
    else:
        may_create = request["allow_auto_topic_creation"]
        topics = [_topic_metadata(broker, item, may_create) for item in wanted]
        if call.version < NAMELESS_SINCE:
            topics = [topic | {"name": topic["name"] or ""} for topic in topics]
    if request["include_topic_authorized_operations"]:
        for topic in topics:
            name = topic["name"] or ""
            topic["topic_authorized_operations"] = authorized(broker, call, Resource.TOPIC, name)
    described: dict[str, Any] = {}
    if request["include_cluster_authorized_operations"]:
        described["cluster_authorized_operations"] = authorized(broker, call, Resource.CLUSTER)
    return described | {
        "brokers": [_address(broker)],
        "cluster_id": broker.cluster_id,
        "controller_id": broker.node_id,
        "topics": topics,
    }


def authorized(
    broker: Broker, call: Call, resource: Resource, name: str = CLUSTER_NAME
) -> int:
    """What the client may do to a resource, as a bit field."""
    return broker.authorizer.operations(call.principal, call.host, resource, name)


def _address(broker: Broker) -> dict[str, Any]:
    return {"node_id": broker.node_id, "host": broker.host, "port": broker.port}


def _topic_metadata(broker: Broker, item: dict, may_create: bool) -> dict[str, Any]:
    name, topic_id = item["name"], item["topic_id"]
    try:
        return _described(broker, wanted_topic(broker, name, topic_id, may_create))
    except KafkaError as exc:
        return {"error_code": exc.code, "name": name, "topic_id": topic_id}


def wanted_topic(broker: Broker, name: str | None, topic_id: bytes, may_create: bool) -> Topic:
    """The topic a client asks about, made if it may be; KafkaError if there is none."""
    if name:
        check_name(name)
        if may_create and broker.config.auto_create_topics and name not in broker.topics.by_name:
            broker.topics.create(name, broker.config.num_partitions)
    return broker.topics.find(name, topic_id)


def _described(broker: Broker, topic: Topic) -> dict[str, Any]:
    me = [broker.node_id]
    return {
        "name": topic.name,
        "topic_id": topic.id,
        "is_internal": topic.internal,
        "partitions": [
            {
                "index": index,
                "leader_id": broker.node_id,
                "leader_epoch": 0,
                "replica_nodes": me,
                "isr_nodes": me,
            }
            for index in range(len(topic.logs))
        ],
    }


def describe_cluster(broker: Broker, request: dict, call: Call) -> dict[str, Any]:
    """The one broker."""
    address = _address(broker)
    address["broker_id"] = address.pop("node_id")
    described: dict[str, Any] = {}
    if request["include_cluster_authorized_operations"]:
        described["cluster_authorized_operations"] = authorized(broker, call, Resource.CLUSTER)
    return described | {
        "cluster_id": broker.cluster_id,
        "controller_id": broker.node_id,
        "brokers": [address],
    }


def create_topics(broker: Broker, request: dict, call: Call) -> dict[str, Any]:
    """Make topics, or only check whether they could be made."""
    names = [item["name"] for item in request["topics"]]
    results = []
    for item in request["topics"]:
        try:
            if names.count(item["name"]) > 1:
                raise KafkaError(Code.INVALID_REQUEST, "Create topics request has a topic twice.")
            results.append(_create(broker, item, request["validate_only"]))
        except KafkaError as exc:
            results.append(
                {"name": item["name"], "error_code": exc.code, "error_message": exc.message}
            )
    return {"topics": results}


def _partitions(broker: Broker, item: dict) -> int:
    """How many partitions a new topic is to have; KafkaError if it cannot be placed so."""
    count, replicas = item["num_partitions"], item["replication_factor"]
    if item["assignments"]:
        if count != DEFAULT or replicas != DEFAULT:
            raise KafkaError(
                Code.INVALID_REQUEST,
                "Both numPartitions or replicationFactor and replicasAssignments were set.",
            )
        check_assignments(broker, [a["broker_ids"] for a in item["assignments"]])
        count = len(item["assignments"])
        if sorted(a["index"] for a in item["assignments"]) != list(range(count)):
            raise KafkaError(
                Code.INVALID_REPLICA_ASSIGNMENT, "Partitions must be a consecutive sequence from 0."
            )
        return count
    clamped = broker.config.clamp_replication and replicas > REPLICAS
    if replicas not in (DEFAULT, REPLICAS) and not clamped:
        raise KafkaError(
            Code.INVALID_REPLICATION_FACTOR,
            f"Unable to replicate the partition {replicas} time(s): the cluster has 1 broker.",
        )
    return broker.config.num_partitions if count == DEFAULT else count


def _create(broker: Broker, item: dict, validate_only: bool) -> dict[str, Any]:
    count = _partitions(broker, item)
    overrides = {config["name"]: config["value"] for config in item["configs"]}
    if validate_only:
        broker.topics.check_new(item["name"], count, overrides)
        topic = Topic(item["name"], bytes(16), overrides)
    else:
        topic = broker.topics.create(item["name"], count, overrides)
    return {
        "name": topic.name,
        "topic_id": topic.id,
        "num_partitions": count,
        "error_message": None,
        "replication_factor": REPLICAS,
        "configs": [
            {key: entry[key] for key in CREATED_CONFIG}
            for entry in describe_topic(broker, topic)
        ],
    }


def check_assignments(broker: Broker, assignments: list[list[int]]) -> None:
    """KafkaError unless every partition is to be on this broker, which is all there is."""
    for broker_ids in assignments:
        if broker_ids != [broker.node_id]:
            raise KafkaError(
                Code.INVALID_REPLICA_ASSIGNMENT,
                f"Inconsistent replica assignment {broker_ids}: the cluster has one broker, "
                f"{broker.node_id}.",
            )


def delete_topics(broker: Broker, request: dict, call: Call) -> dict[str, Any]:
    """Remove topics with all their records and committed offsets."""
    wanted = [(t["name"], t["topic_id"]) for t in request["topics"]]
    wanted += [(name, bytes(16)) for name in request["topic_names"]]
    results: list[dict[str, Any]] = []
    for name, topic_id in wanted:
        try:
            topic = broker.topics.find(name, topic_id)
            if topic.internal:
                raise KafkaError(Code.INVALID_TOPIC, "The broker needs this topic.")
            broker.topics.delete(topic)
            broker.coordinator.offsets.delete_topic(topic.name)
            results.append({"name": topic.name, "topic_id": topic.id})
        except KafkaError as exc:
            results.append(
                {
                    "name": name,
                    "topic_id": topic_id,
                    "error_code": exc.code,
                    "error_message": exc.message,
                }
            )
    return {"responses": results}


def create_partitions(broker: Broker, request: dict, call: Call) -> dict[str, Any]:
    """Add partitions to topics."""
    results = []
    for item in request["topics"]:
        result: dict[str, Any] = {"name": item["name"]}
        try:
            topic = broker.topics.find(item["name"])
            if topic.internal:
                raise KafkaError(Code.INVALID_TOPIC, "The broker's own topic has one partition.")
            if item["assignments"]:
                check_assignments(broker, [a["broker_ids"] for a in item["assignments"]])
                if len(item["assignments"]) != item["count"] - len(topic.logs):
                    raise KafkaError(
                        Code.INVALID_REPLICA_ASSIGNMENT,
                        f"Increasing the number of partitions by {item['count'] - len(topic.logs)} "
                        f"but {len(item['assignments'])} assignments provided.",
                    )
            if request["validate_only"]:
                broker.topics.check_growth(topic, item["count"])
            else:
                broker.topics.grow(topic, item["count"])
        except KafkaError as exc:
            result |= {"error_code": exc.code, "error_message": exc.message}
        results.append(result)
    return {"results": results}


def describe_log_dirs(broker: Broker, request: dict, call: Call) -> dict[str, Any]:
    """How large each partition is."""
    wanted = request["topics"]
    if wanted is None:
        names = dict.fromkeys(broker.topics.by_name)
    else:
        names = {item["name"]: item["partitions"] for item in wanted}
    topics = []
    for name, indexes in names.items():
        if name not in broker.topics.by_name:
            continue
        logs = broker.topics.by_name[name].logs
        parts = [
            {"index": index, "partition_size": log.size_bytes}
            for index, log in enumerate(logs)
            if indexes is None or index in indexes
        ]
        topics.append({"name": name, "partitions": parts})
    return {
        "results": [
            {
                "log_dir": broker.world.disk.path(),
                "topics": topics,
                "usable_bytes": broker.world.disk.free_bytes(),
            }
        ]
    }
