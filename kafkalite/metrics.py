"""What `/metrics` tells of a broker, in the names of kafka_exporter, so that its boards fit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kafkalite.broker import Broker
    from kafkalite.lag import Lag


def broker_metrics(broker: Broker, lag: Lag) -> Iterator[Any]:
    """Topics, partitions and groups."""
    from prometheus_client.core import GaugeMetricFamily

    topics = broker.topics.by_name
    groups = broker.coordinator.ids()
    yield GaugeMetricFamily("kafka_brokers", "Brokers of the cluster.", 1)
    yield GaugeMetricFamily("bedrock_kafkalite_topics", "Topics.", len(topics))
    yield GaugeMetricFamily("bedrock_kafkalite_groups", "Groups.", len(groups))
    yield from _topics(broker)
    yield from _groups(broker, lag, groups)


def _topics(broker: Broker) -> Iterator[Any]:
    from prometheus_client.core import GaugeMetricFamily

    def of_partition(name: str, help: str) -> GaugeMetricFamily:
        return GaugeMetricFamily(name, help, labels=["topic", "partition"])

    prefix = "kafka_topic_partition"
    counts = GaugeMetricFamily("kafka_topic_partitions", "Partitions.", labels=["topic"])
    ends = of_partition(f"{prefix}_current_offset", "End of the log.")
    starts = of_partition(f"{prefix}_oldest_offset", "Start of the log.")
    leaders = of_partition(f"{prefix}_leader", "The broker that leads.")
    replicas = of_partition(f"{prefix}_replicas", "Replicas.")
    in_sync = of_partition(f"{prefix}_in_sync_replica", "Replicas that are in sync.")
    preferred = of_partition(f"{prefix}_leader_is_preferred", "1: the first replica leads.")
    missing = of_partition(f"{prefix}_under_replicated_partition", "1: a replica is missing.")
    sizes = of_partition("bedrock_kafkalite_partition_size_bytes", "Size of the log.")
    for topic in broker.topics.by_name.values():
        counts.add_metric([topic.name], len(topic.logs))
        for index, log in enumerate(topic.logs):
            at = [topic.name, str(index)]
            ends.add_metric(at, log.high_watermark)
            starts.add_metric(at, log.start_offset)
            leaders.add_metric(at, broker.node_id)
            replicas.add_metric(at, 1)
            in_sync.add_metric(at, 1)
            preferred.add_metric(at, 1)
            missing.add_metric(at, 0)
            sizes.add_metric(at, log.size_bytes)
    yield from (counts, ends, starts, leaders, replicas, in_sync, preferred, missing, sizes)


def _groups(broker: Broker, lag: Lag, groups: list[str]) -> Iterator[Any]:
    from prometheus_client.core import GaugeMetricFamily

    place = ["consumergroup", "topic", "partition"]
    summed = place[:2]
    prefix = "kafka_consumergroup"
    at = GaugeMetricFamily(f"{prefix}_current_offset", "Committed offset.", labels=place)
    at_sum = GaugeMetricFamily(
        f"{prefix}_current_offset_sum", "Committed offsets of a topic.", labels=summed
    )
    lags = GaugeMetricFamily(f"{prefix}_lag", "Records not consumed yet.", labels=place)
    lag_sum = GaugeMetricFamily(
        f"{prefix}_lag_sum", "Records of a topic not consumed yet.", labels=summed
    )
    members = GaugeMetricFamily(f"{prefix}_members", "Members.", labels=place[:1])
    seconds = GaugeMetricFamily(
        "bedrock_kafkalite_group_lag_seconds", "Age of the first record not consumed yet.",
        labels=place,
    )
    for group in groups:
        held = broker.coordinator.groups.get(group)
        members.add_metric([group], len(held.members) if held else 0)
        totals: dict[str, list[int]] = {}
        for (topic, index), behind in lag.of_group(group).items():
            labels = [group, topic, str(index)]
            at.add_metric(labels, behind.committed)
            lags.add_metric(labels, behind.lag)
            seconds.add_metric(labels, behind.behind_ms / 1000)
            total = totals.setdefault(topic, [0, 0])
            total[0] += behind.committed
            total[1] += behind.lag
        for topic, (offsets, records) in totals.items():
            at_sum.add_metric([group, topic], offsets)
            lag_sum.add_metric([group, topic], records)
    yield from (at, at_sum, lags, lag_sum, members, seconds)
