"""Options of a kafkalite server, and under which names clients see them."""

from __future__ import annotations

from dataclasses import dataclass

from bedrock.app.component import Component, Port
from bedrock.app.config import ConfigError, ServerConfig, option, read_text
from kafkalite.topic_config import LogConfig


@dataclass
class KafkaConfig(ServerConfig):
    """Defaults are Kafka's, except where a single node in development wants another."""

    port: int = option(9092, "port for the Kafka protocol; 0 takes a free one")
    page_port: int = option(-1, "port for the page of groups and topics; -1 for none, 0 for any")
    node_id: int = option(1, "this broker's number")
    advertised_host: str = option("", "host name that clients are told; default: --host")
    advertised_port: int = option(0, "port that clients are told; 0 for the real one")
    clamp_replication: bool = option(
        False, "take a replication factor above 1 for 1, for programs that want a cluster of three"
    )
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
    group_initial_rebalance_delay_ms: int = option(
        0, "time an empty group waits for more members than the first"
    )
    group_consumer_session_timeout_ms: int = option(45_000, "session with group.protocol=consumer")
    group_consumer_heartbeat_interval_ms: int = option(
        1000, "time between heartbeats with group.protocol=consumer"
    )
    transaction_max_timeout_ms: int = option(900_000, "longest transaction a producer may ask for")
    users_file: str = option("", "file with a line NAME:PASSWORD for everyone who may log in")
    sasl_mechanisms: list = option(
        ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"], "ways to log in, where logging in is asked"
    )
    super_users: list = option([], "who may do everything, as User:NAME")
    allow_everyone_if_no_acl_found: bool = option(
        True, "allow what no ACL speaks of; Kafka's own default is to refuse it"
    )

    def users(self) -> dict[str, str]:
        """Name -> password from the users file; ConfigError if it is no such file."""
        found: dict[str, str] = {}
        if not self.users_file:
            return found
        for line in read_text("users file", self.users_file).splitlines():
            name, colon, password = line.partition(":")
            if not (name and colon and password):
                raise ConfigError(f"users file {self.users_file}: want NAME:PASSWORD in each line")
            found[name] = password
        return found

    def refuse_exposure(self) -> None:
        """A users file asks for a password as a password file does."""
        if not self.users_file:
            super().refuse_exposure()

    def log_config(self) -> LogConfig:
        """What topics have that say nothing else."""
        return LogConfig(
            segment_bytes=self.segment_bytes,
            segment_ms=self.segment_ms,
            retention_bytes=self.retention_bytes,
            retention_ms=self.retention_ms,
            max_message_bytes=self.max_message_bytes,
        )


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
        Port("page_port", "HTTP, groups and topics", client="browse http://{host}:{port}/"),
    ),
    server="kafkalite.server:Server",
    check="kafkalite.check:check",
    shell="kafkalite.shell:Shell",
    simulation="kafkalite.simulation:scenario",
)
