"""Configuration of a broker, under the names clients know: a table, a line an option.

    name                     type     default    may be altered    field

    may be altered   no       only where the broker is started
                     broker   also by AlterConfigs, for one broker or for all
    field            of KafkaConfig, when the broker can be started with another value

Most options tell how this broker behaves in any case, so that an administrator's tools find what
they look for.  Of those that may be altered, the ones that are the default of a topic option
(`Option.broker` in kafkalite.topic_config) are acted on at once; so are `message.max.bytes` and the
group limits.  The rest is kept and shown.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from kafkalite.topic_config import OPTIONS, ConfigType, at_least, boolean, words

TABLE = """
advertised.listeners                           string  -            broker
allow.everyone.if.no.acl.found boolean true no allow_everyone_if_no_acl_found
auto.create.topics.enable                      boolean true         no  auto_create_topics
auto.leader.rebalance.enable                   boolean true         no
background.threads                             int     10           broker
broker.heartbeat.interval.ms                   int     2000         no
broker.id                                      int     1            no  node_id
broker.rack                                    string  -            no
broker.session.timeout.ms                      int     9000         no
compression.gzip.level                         int     -1           broker
compression.lz4.level                          int     9            broker
compression.type                               string  producer     broker
compression.zstd.level                         int     3            broker
connections.max.idle.ms                        long    600000       no
connections.max.reauth.ms                      long    0            no
controlled.shutdown.enable                     boolean true         no
default.replication.factor                     int     1            no
delete.topic.enable                            boolean true         no
fetch.max.bytes                                int     57671680     no
fetch.purgatory.purge.interval.requests        int     1000         no
follower.replication.throttled.rate            long    9223372036854775807 broker
group.consumer.heartbeat.interval.ms int 5000 no group_consumer_heartbeat_interval_ms
group.consumer.max.heartbeat.interval.ms       int     15000        no
group.consumer.max.session.timeout.ms          int     60000        no
group.consumer.max.size                        int     2147483647   no
group.consumer.min.heartbeat.interval.ms       int     5000         no
group.consumer.min.session.timeout.ms          int     45000        no
group.consumer.session.timeout.ms int 45000 no group_consumer_session_timeout_ms
group.coordinator.rebalance.protocols          list    classic,consumer no
group.initial.rebalance.delay.ms int 0 no group_initial_rebalance_delay_ms
group.max.session.timeout.ms                   int     1800000      no  group_max_session_timeout_ms
group.max.size                                 int     2147483647   no
group.min.session.timeout.ms                   int     6000         no  group_min_session_timeout_ms
inter.broker.listener.name                     string  -            no
leader.imbalance.check.interval.seconds        long    300          no
leader.replication.throttled.rate              long    9223372036854775807 broker
listener.security.protocol.map                 string  PLAINTEXT:PLAINTEXT,SSL:SSL no
listeners                                      list    PLAINTEXT://:9092 broker
log.cleaner.backoff.ms                         long    15000        broker
log.cleaner.dedupe.buffer.size                 long    134217728    broker
log.cleaner.delete.retention.ms                long    86400000     broker
log.cleaner.enable                             boolean true         no
log.cleaner.io.buffer.load.factor              double  0.9          broker
log.cleaner.io.buffer.size                     int     524288       broker
log.cleaner.io.max.bytes.per.second            double  1.7976931348623157E308 broker
log.cleaner.max.compaction.lag.ms              long    9223372036854775807 broker
log.cleaner.min.cleanable.ratio                double  0.5          broker
log.cleaner.min.compaction.lag.ms              long    0            broker
log.cleaner.threads                            int     1            broker
log.cleanup.policy                             list    delete       broker
log.dir                                        string  -            no
log.dirs                                       string  -            no
log.flush.interval.messages                    long    9223372036854775807 broker
log.flush.interval.ms                          long    9223372036854775807 broker
log.flush.offset.checkpoint.interval.ms        int     60000        no
log.flush.scheduler.interval.ms                long    9223372036854775807 no
log.index.interval.bytes                       int     4096         broker
log.index.size.max.bytes                       int     10485760     broker
log.local.retention.bytes                      long    -2           broker
log.local.retention.ms                         long    -2           broker
log.message.timestamp.after.max.ms             long    3600000      broker
log.message.timestamp.before.max.ms            long    9223372036854775807 broker
log.message.timestamp.type                     string  CreateTime   broker
log.preallocate                                boolean false        broker
log.retention.bytes                            long    -1           broker  retention_bytes
log.retention.check.interval.ms                long    30000        no
log.retention.hours                            int     168          no
log.retention.ms                               long    604800000    broker  retention_ms
log.roll.hours                                 int     168          no
log.roll.jitter.ms                             long    0            broker
log.roll.ms                                    long    604800000    broker  segment_ms
log.segment.bytes                              int     1073741824   broker  segment_bytes
log.segment.delete.delay.ms                    long    60000        broker
max.connection.creation.rate                   int     2147483647   broker
max.connections                                int     2147483647   broker
max.connections.per.ip                         int     2147483647   broker
max.incremental.fetch.session.cache.slots      int     0            no
message.max.bytes                              int     1048588      broker  max_message_bytes
metric.reporters                               list    -            broker
min.insync.replicas                            int     1            broker
node.id                                        int     1            no  node_id
num.io.threads                                 int     1            broker
num.network.threads                            int     1            broker
num.partitions                                 int     1            no  num_partitions
num.recovery.threads.per.data.dir              int     1            broker
num.replica.fetchers                           int     1            broker
offset.metadata.max.bytes                      int     4096         no
offsets.retention.check.interval.ms            long    600000       no
offsets.retention.minutes                      int     10080        no
offsets.topic.compression.codec                int     0            no
offsets.topic.num.partitions                   int     1            no
offsets.topic.replication.factor               short   1            no
offsets.topic.segment.bytes                    int     104857600    no
principal.builder.class                        string  -            broker
process.roles                                  list    broker,controller no
producer.id.expiration.ms                      int     86400000     no
queued.max.requests                            int     500          no
quota.window.num                               int     11           no
quota.window.size.seconds                      int     1            no
remote.log.manager.copy.max.bytes.per.second   long    9223372036854775807 broker
remote.log.storage.system.enable               boolean false        no
replica.fetch.max.bytes                        int     1048576      no
replica.lag.time.max.ms                        long    30000        no
request.timeout.ms                             int     30000        no
sasl.enabled.mechanisms                        list    PLAIN        broker  sasl_mechanisms
sasl.jaas.config                               password -           broker
sasl.kerberos.kinit.cmd                        string  /usr/bin/kinit broker
sasl.kerberos.min.time.before.relogin          long    60000        broker
sasl.kerberos.principal.to.local.rules         list    DEFAULT      broker
sasl.kerberos.service.name                     string  -            broker
sasl.kerberos.ticket.renew.jitter              double  0.05         broker
sasl.kerberos.ticket.renew.window.factor       double  0.8          broker
sasl.login.refresh.buffer.seconds              short   300          broker
sasl.login.refresh.min.period.seconds          short   60           broker
sasl.login.refresh.window.factor               double  0.8          broker
sasl.login.refresh.window.jitter               double  0.05         broker
sasl.mechanism.inter.broker.protocol           string  PLAIN        broker
security.inter.broker.protocol                 string  PLAINTEXT    no
socket.listen.backlog.size                     int     50           no
socket.receive.buffer.bytes                    int     102400       no
socket.request.max.bytes                       int     104857600    no  max_request_bytes
socket.send.buffer.bytes                       int     102400       no
ssl.client.auth                                string  none         broker
ssl.enabled.protocols                          list    TLSv1.2,TLSv1.3 broker
ssl.keystore.location                          string  -            broker
ssl.keystore.password                          password -           broker
ssl.keystore.type                              string  PEM          broker
ssl.truststore.location                        string  -            broker
super.users                                    string  -            no  super_users
transaction.abort.timed.out.transaction.cleanup.interval.ms int 10000 no
transaction.max.timeout.ms                     int     900000       no  transaction_max_timeout_ms
transaction.state.log.min.isr                  int     1            no
transaction.state.log.num.partitions           int     1            no
transaction.state.log.replication.factor       short   1            no
transactional.id.expiration.ms                 int     604800000    no
unclean.leader.election.enable                 boolean false        broker
unclean.leader.election.interval.ms            long    300000       no
"""

_PARSERS: dict[ConfigType, Callable[[str], Any]] = {
    ConfigType.BOOLEAN: boolean,
    ConfigType.STRING: str,
    ConfigType.PASSWORD: str,
    ConfigType.SHORT: int,
    ConfigType.INT: int,
    ConfigType.LONG: int,
    ConfigType.DOUBLE: float,
    ConfigType.LIST: words,
}


@dataclass(frozen=True)
class BrokerOption:
    """One line of the table.

    default    None where there is no value; only text has such
    parse      text -> value; ValueError refuses
    """

    name: str
    type: ConfigType
    default: str | None
    dynamic: bool
    parse: Callable[[str], Any]
    field: str = ""

    def text(self, value: Any) -> str:
        """A value of KafkaConfig as clients see it."""
        if isinstance(value, list):
            return ";".join(value) if self.type is ConfigType.STRING else ",".join(value)
        return str(value).lower() if self.type is ConfigType.BOOLEAN else str(value)


@cache
def broker_options() -> dict[str, BrokerOption]:
    """All options by name."""
    parsers = {option.broker: option.parse for option in OPTIONS.values() if option.broker}
    options = {}
    for line in TABLE.strip().splitlines():
        name, kind, default, alterable, *field = line.split()
        type_ = ConfigType[kind.upper()]
        options[name] = BrokerOption(
            name, type_, None if default == "-" else default, alterable == "broker",
            parsers.get(name, _PARSERS[type_]), *field,
        )
    return options


# Of a group of the consumer protocol (KIP-848): name -> (the broker option behind it, parser).
HEARTBEAT, SESSION = "consumer.heartbeat.interval.ms", "consumer.session.timeout.ms"
GROUP_OPTIONS: dict[str, tuple[str, Callable[[str], Any]]] = {
    HEARTBEAT: ("group.consumer.heartbeat.interval.ms", at_least(1)),
    SESSION: ("group.consumer.session.timeout.ms", at_least(1)),
}
