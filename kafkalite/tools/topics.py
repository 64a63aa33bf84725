"""kafka-topics.sh: make, list, describe, alter and remove topics."""

from __future__ import annotations

import argparse
import re
from typing import Any

from kafkalite.client import TOPIC_RESOURCE, Client, check
from kafkalite.tools.common import Refused, pairs, parser, run
from kafkalite.topic_config import Source
from kafkalite.topics import id_text

BROKERS_DEFAULT = -1


def main(argv: list[str] | None = None) -> int:
    """The command line."""
    made = parser("kafka-topics.sh", __doc__ or "")
    action = made.add_mutually_exclusive_group(required=True)
    for name in ("create", "list", "describe", "alter", "delete"):
        action.add_argument(f"--{name}", action="store_true")
    made.add_argument("--topic", help="a name, or for list, describe and delete a pattern")
    made.add_argument("--topic-id", help="with --describe: a topic's id")
    made.add_argument("--partitions", type=int, default=BROKERS_DEFAULT, metavar="N")
    made.add_argument("--replication-factor", type=int, default=BROKERS_DEFAULT, metavar="N")
    made.add_argument("--replica-assignment", metavar="B:B,B:B", help="brokers of each partition")
    made.add_argument("--config", action="append", default=[], metavar="NAME=VALUE")
    made.add_argument("--if-not-exists", action="store_true")
    made.add_argument("--if-exists", action="store_true")
    made.add_argument("--exclude-internal", action="store_true")
    for problem in (
        "unavailable-partitions", "under-replicated-partitions", "under-min-isr-partitions",
        "at-min-isr-partitions", "topics-with-overrides",
    ):
        made.add_argument(f"--{problem}", action="store_true")
    options = made.parse_args(argv)
    if not options.topic and (options.create or options.alter or options.delete):
        made.error("Missing required argument \"[topic]\"")

    async def work(client: Client) -> None:
        for name, act in _ACTIONS.items():
            if getattr(options, name):
                await act(client, options)

    return run("topic", options, work)


def _assignments(text: str | None) -> list[dict[str, Any]]:
    if not text:
        return []
    lists = [[int(number) for number in part.split(":")] for part in text.split(",")]
    return [{"index": index, "broker_ids": brokers} for index, brokers in enumerate(lists)]


async def _create(client: Client, options: argparse.Namespace) -> None:
    name = options.topic
    if options.if_not_exists and name in {t["name"] for t in await client.topics()}:
        return
    if "_" in name or "." in name:
        print(
            "WARNING: Due to limitations in metric names, topics with a period ('.') or "
            "underscore ('_') could collide. To avoid issues it is best to use either, but not "
            "both."
        )
    wanted = {
        "name": name,
        "num_partitions": options.partitions,
        "replication_factor": options.replication_factor,
        "assignments": _assignments(options.replica_assignment),
        "configs": [{"name": k, "value": v} for k, v in pairs(options.config).items()],
    }
    check((await client.call("CreateTopics", topics=[wanted]))["topics"][0])
    print(f"Created topic {name}.")


async def _matching(client: Client, options: argparse.Namespace) -> list[dict[str, Any]]:
    """The topics that are meant; Refused when a name was given and none is."""
    topics = await client.topics()
    if options.topic_id:
        topics = [t for t in topics if id_text(t["topic_id"]) == options.topic_id]
    if options.topic:
        patterns = [re.compile(part.strip() or "$") for part in options.topic.split(",")]
        topics = [t for t in topics if any(p.fullmatch(t["name"]) for p in patterns)]
    if options.exclude_internal:
        topics = [t for t in topics if not t["is_internal"]]
    if not topics and (options.topic or options.topic_id) and not options.if_exists:
        named = options.topic or options.topic_id
        raise Refused(f"Topic '{named}' does not exist as expected")
    return topics


async def _list(client: Client, options: argparse.Namespace) -> None:
    for topic in await client.topics():
        hidden = options.exclude_internal and topic["is_internal"]
        if not hidden and (not options.topic or re.fullmatch(options.topic, topic["name"])):
            print(topic["name"])


async def _describe(client: Client, options: argparse.Namespace) -> None:
    filtered = options.unavailable_partitions or options.under_replicated_partitions \
        or options.under_min_isr_partitions
    for topic in await _matching(client, options):
        overrides = await _overrides(client, topic["name"])
        if filtered or (options.topics_with_overrides and not overrides):
            continue  # there is one replica, which is there
        parts = sorted(topic["partitions"], key=lambda part: part["index"])
        configs = ",".join(f"{k}={v}" for k, v in overrides.items())
        if not options.at_min_isr_partitions:
            print(
                f"Topic: {topic['name']}\tTopicId: {id_text(topic['topic_id'])}\t"
                f"PartitionCount: {len(parts)}\tReplicationFactor: "
                f"{len(parts[0]['replica_nodes'])}\tConfigs: {configs}"
            )
        if options.topics_with_overrides:
            continue
        for part in parts:
            replicas, isr = (
                ",".join(map(str, part[nodes])) for nodes in ("replica_nodes", "isr_nodes")
            )
            print(
                f"\tTopic: {topic['name']}\tPartition: {part['index']}\tLeader: "
                f"{part['leader_id']}\tReplicas: {replicas}\tIsr: {isr}\tElr: \tLastKnownElr: "
            )


async def _overrides(client: Client, topic: str) -> dict[str, str]:
    resource = {
        "resource_type": TOPIC_RESOURCE, "resource_name": topic, "configuration_keys": None,
    }
    result = check((await client.call("DescribeConfigs", resources=[resource]))["results"][0])
    return {c["name"]: c["value"] for c in result["configs"] if c["config_source"] == Source.TOPIC}


async def _alter(client: Client, options: argparse.Namespace) -> None:
    if options.config:
        raise Refused("Topic configs are altered by kafka-configs.sh")
    assignments = [{"broker_ids": a["broker_ids"]} for a in _assignments(
        options.replica_assignment
    )]
    for topic in await _matching(client, options):
        wanted = {
            "name": topic["name"],
            "count": options.partitions,
            "assignments": assignments[len(topic["partitions"]):] or None,
        }
        check((await client.call("CreatePartitions", topics=[wanted]))["results"][0])


async def _delete(client: Client, options: argparse.Namespace) -> None:
    for topic in await _matching(client, options):
        named = {"name": topic["name"]}
        check((await client.call("DeleteTopics", topics=[named]))["responses"][0])


_ACTIONS = {
    "create": _create, "list": _list, "describe": _describe, "alter": _alter, "delete": _delete,
}
