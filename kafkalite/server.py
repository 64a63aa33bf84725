"""The server: a broker behind a listener."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from bedrock.net import Limits
from bedrock.net import Server as Listener
from bedrock.world import World
from kafkalite.broker import Broker
from kafkalite.session import KafkaSession

if TYPE_CHECKING:
    from kafkalite.config import KafkaConfig


# A consumer's records are sent from their files, so what is queued for it costs little memory.
LIMITS = Limits()


class Server:
    """What `bedrock.app` runs; see bedrock.app.component."""

    def __init__(self, world: World, config: KafkaConfig):
        self.config = config
        self.ready = False
        self.broker = Broker(world, config, config.password())
        self._listener = Listener(
            world,
            lambda: KafkaSession(self.broker, config.max_request_bytes),
            (config.host, config.port),
            limits=LIMITS,
            tls=config.tls(),
        )

    @property
    def ports(self) -> dict[str, int]:
        """Where it really listens."""
        return {"port": self._listener.port}

    async def start(self) -> None:
        """Listen; OSError when the port cannot be had."""
        await self._listener.start()
        if not self.config.advertised_port:
            self.broker.port = self._listener.port
        self.broker.start()
        self.ready = True

    async def drain(self, grace_s: float) -> None:
        """Let waiting requests be answered, then close the connections."""
        self.ready = False
        self.broker.release()
        await self._listener.drain(grace_s)

    async def stop(self) -> None:
        """Close everything; idempotent."""
        self.ready = False
        await self._listener.stop()
        self.broker.close()

    def metrics(self) -> Iterator[Any]:
        """Topics, partitions, groups, and how far each log goes."""
        from prometheus_client.core import GaugeMetricFamily

        topics = self.broker.topics.by_name
        yield GaugeMetricFamily("bedrock_kafkalite_topics", "Topics.", len(topics))
        yield GaugeMetricFamily(
            "bedrock_kafkalite_groups", "Groups.", len(self.broker.coordinator.ids())
        )
        labels = ["topic", "partition"]
        ends = GaugeMetricFamily(
            "kafka_topic_partition_current_offset", "End of the log.", labels=labels
        )
        starts = GaugeMetricFamily(
            "kafka_topic_partition_oldest_offset", "Start of the log.", labels=labels
        )
        sizes = GaugeMetricFamily(
            "bedrock_kafkalite_partition_size_bytes", "Size of the log.", labels=labels
        )
        for topic in topics.values():
            for index, log in enumerate(topic.logs):
                values = [topic.name, str(index)]
                ends.add_metric(values, log.high_watermark)
                starts.add_metric(values, log.start_offset)
                sizes.add_metric(values, log.size_bytes)
        yield from (ends, starts, sizes)
        yield from self._group_metrics()

    def _group_metrics(self) -> Iterator[Any]:
        from prometheus_client.core import GaugeMetricFamily

        labels = ["consumergroup", "topic", "partition"]
        at = GaugeMetricFamily(
            "kafka_consumergroup_current_offset", "Committed offset.", labels=labels
        )
        lag = GaugeMetricFamily(
            "kafka_consumergroup_lag", "Records not consumed yet.", labels=labels
        )
        for group, partitions in self.broker.coordinator.offsets.groups.items():
            for (topic, index), committed in partitions.items():
                values = [group, topic, str(index)]
                log = self.broker.topics.by_name[topic].logs[index]
                at.add_metric(values, committed.offset)
                lag.add_metric(values, max(0, log.high_watermark - committed.offset))
        yield from (at, lag)
