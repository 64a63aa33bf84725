"""Options of a kafkalite server, and under which names clients see them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bedrock.app.component import Component, Port
from bedrock.app.config import ServerConfig, option
from kafkalite.topic_config import ConfigType, LogConfig


@dataclass
class KafkaConfig(ServerConfig):
    """Defaults are Kafka's, except where a single node in development wants another."""

    port: int = option(9092, "port for the Kafka protocol; 0 takes a free one")
    node_id: int = option(1, "this broker's number")
    advertised_host: str = option("", "host name that clients are told; default: --host")
    advertised_port: int = option(0, "port that clients are told; 0 for the real one")
    auto_create_topics: bool = option(True, "make a topic when a client first asks about it")
    num_partitions: int = option(1, "partitions of a topic that does not say how many")
    segment_bytes: int = option(1 << 30, "size at which a segment is rolled")
    segment_ms: int = option(604_800_000, "age at which a segment is rolled")
    retention_bytes: int = option(-1, "size above which a partition loses segments; -1 for any")
    retention_ms: int = option(604_800_000, "age above which segments go; -1 for any")
    max_message_bytes: int = option(1_048_588, "largest batch that is accepted")
    max_request_bytes: int = option(100 << 20, "largest request that is read")
    fsync: str = option(
        "never",
        "when a batch is made durable: before its reply, by the clock, or as the system sees fit",
        choices=["always", "interval", "never"],
    )
    fsync_interval_ms: int = option(1000, "time between syncs with --fsync interval")
    group_min_session_timeout_ms: int = option(6000, "shortest session a group member may ask for")
    group_max_session_timeout_ms: int = option(1_800_000, "longest session")
    transaction_max_timeout_ms: int = option(900_000, "longest transaction a producer may ask for")

    def log_config(self) -> LogConfig:
        """What topics have that say nothing else."""
        return LogConfig(
            segment_bytes=self.segment_bytes,
            segment_ms=self.segment_ms,
            retention_bytes=self.retention_bytes,
            retention_ms=self.retention_ms,
            max_message_bytes=self.max_message_bytes,
        )


# Kafka's name -> its type, and the value in a KafkaConfig: what DescribeConfigs tells of a broker.
BROKER_OPTIONS: dict[str, tuple[ConfigType, Callable[[KafkaConfig], Any]]] = {
    "node.id": (ConfigType.INT, lambda c: c.node_id),
    "broker.id": (ConfigType.INT, lambda c: c.node_id),
    "auto.create.topics.enable": (ConfigType.BOOLEAN, lambda c: c.auto_create_topics),
    "num.partitions": (ConfigType.INT, lambda c: c.num_partitions),
    "default.replication.factor": (ConfigType.INT, lambda c: 1),
    "log.segment.bytes": (ConfigType.INT, lambda c: c.segment_bytes),
    "log.roll.ms": (ConfigType.LONG, lambda c: c.segment_ms),
    "log.retention.bytes": (ConfigType.LONG, lambda c: c.retention_bytes),
    "log.retention.ms": (ConfigType.LONG, lambda c: c.retention_ms),
    "message.max.bytes": (ConfigType.INT, lambda c: c.max_message_bytes),
    "socket.request.max.bytes": (ConfigType.INT, lambda c: c.max_request_bytes),
    "group.min.session.timeout.ms": (ConfigType.INT, lambda c: c.group_min_session_timeout_ms),
    "group.max.session.timeout.ms": (ConfigType.INT, lambda c: c.group_max_session_timeout_ms),
    "transaction.max.timeout.ms": (ConfigType.INT, lambda c: c.transaction_max_timeout_ms),
}

COMPONENT = Component(
    name="kafkalite",
    speaks="the Kafka protocol",
    config=KafkaConfig,
    ports=(
        Port(
            "port",
            "Kafka",
            client="kcat -b {host}:{port} -L",
            env=(("KAFKA_BOOTSTRAP_SERVERS", "{host}:{port}"),),
        ),
    ),
    server="kafkalite.server:Server",
    check="kafkalite.check:check",
    shell="kafkalite.shell:Shell",
    simulation="kafkalite.simulation:scenario",
)
