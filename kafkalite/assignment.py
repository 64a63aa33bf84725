"""What members of a classic group tell each other through the broker: subscriptions, assignments.

    subscription   version int16, topics []string, user data bytes?
    assignment     version int16, topics [] of (topic string, partitions []int32), user data bytes?

The broker carries both unread; tools and the console read them, the console consumer writes them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bedrock.codec.errors import Malformed
from kafkalite.schema import table

Partition = tuple[str, int]

_SUBSCRIPTION = table("""
version         int16
topics          []string
user_data       bytes?
""")
_ASSIGNMENT = table("""
version         int16
topics          []
  topic         string
  partitions    []int32
user_data       bytes?
""")


def read_assignment(data: bytes) -> list[Partition]:
    """The partitions of an assignment; none of one that cannot be read."""
    if not data:
        return []
    try:
        topics = _ASSIGNMENT.decode(data)["topics"]
    except Malformed:
        return []
    return [(topic["topic"], index) for topic in topics for index in topic["partitions"]]


def write_assignment(partitions: Sequence[Partition]) -> bytes:
    """An assignment."""
    by_topic: dict[str, list[int]] = {}
    for topic, index in partitions:
        by_topic.setdefault(topic, []).append(index)
    topics = [{"topic": topic, "partitions": indexes} for topic, indexes in by_topic.items()]
    return _ASSIGNMENT.encode({"topics": topics, "user_data": None})


def read_subscription(data: bytes) -> list[str]:
    """The topics of a subscription."""
    return _SUBSCRIPTION.decode(data)["topics"]


def write_subscription(topics: Sequence[str]) -> bytes:
    """A subscription."""
    return _SUBSCRIPTION.encode({"topics": topics, "user_data": None})


def assign_ranges(
    subscriptions: Mapping[str, Sequence[str]], partitions: Mapping[str, Sequence[int]]
) -> dict[str, list[Partition]]:
    """Kafka's range assignor: of each topic, members in their order get runs of partitions."""
    shares: dict[str, list[Partition]] = {member: [] for member in subscriptions}
    for topic, indexes in partitions.items():
        members = sorted(m for m, topics in subscriptions.items() if topic in topics)
        if not members:
            continue
        each, more = divmod(len(indexes), len(members))
        at = 0
        for i, member in enumerate(members):
            count = each + (i < more)
            shares[member] += [(topic, index) for index in sorted(indexes)[at : at + count]]
            at += count
    return shares
