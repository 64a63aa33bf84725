"""The broker as an engine: topics, groups and requests, without a socket.

    broker = Broker(world, config)
    broker.handle(key, version, request, call) -> response | Later | None

It is what the server and the embedded form share.  `start` begins the upkeep that needs an event
loop; without it nothing is deleted by age.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bedrock.world import DiskFull
from kafkalite.acls import Authorizer
from kafkalite.cleaner import Cleaner
from kafkalite.coordinator import Coordinator
from kafkalite.errors import KafkaError
from kafkalite.producer_ids import ProducerIds
from kafkalite.quotas import Quotas
from kafkalite.settings import Settings
from kafkalite.topics import Topics, id_text
from kafkalite.transactions import Transactions
from kafkalite.users import Users

if TYPE_CHECKING:
    from collections.abc import Callable

    from bedrock.world import Timer, World
    from kafkalite.config import KafkaConfig
    from kafkalite.faults import Faults

logger = logging.getLogger("kafkalite")

META = "meta.properties"
UPKEEP_S = 30.0
OWN_TIMERS = ("upkeep", "sync")


@dataclass
class Call:
    """Who calls: one for each connection, with the header of the request being handled.

    user    who logged in, None before that
    login   the exchange of messages that SaslHandshake began, None outside of one
    bare    its messages are no requests: what SaslHandshake of version 0 means
    """

    host: str = ""
    client_id: str = ""
    version: int = 0
    user: str | None = None
    login: Any = None
    bare: bool = False

    @property
    def principal(self) -> str:
        """Who this is to ACLs."""
        return f"User:{self.user or 'ANONYMOUS'}"


class Broker:
    """One node, cluster of its own.

    config     kafkalite.config.KafkaConfig
    password   what anyone may log in with; "" for only those of the users file, if there is one
    """

    def __init__(self, world: World, config: KafkaConfig, password: str = ""):
        self.world = world
        self.config = config
        self.node_id = config.node_id
        self.host = config.advertised_host or config.host
        self.port = config.advertised_port or config.port
        self.cluster_id = self._identity()
        self.faults: Faults | None = None
        self.closed = self.started = False
        self._password = password
        self._timers: dict[str, tuple[Timer, float, Callable[[], None]]] = {}
        self._open()

    def _open(self) -> None:
        """Everything that the disk holds."""
        world, config = self.world, self.config
        self.settings = Settings(world.disk, config)
        self.users = Users(
            world.disk, world.rand, config.sasl_mechanisms, config.users(), self._password
        )
        self.authorizer = Authorizer(
            world.disk, config.super_users, config.allow_everyone_if_no_acl_found
        )
        self.quotas = Quotas(world.disk, world.clock)
        self.topics = Topics(world, self.settings.log_config(), config.fsync)
        self.coordinator = Coordinator(
            world, self.topics,
            config.group_min_session_timeout_ms, config.group_max_session_timeout_ms,
            self.settings.group_timeouts, config.group_initial_rebalance_delay_ms,
        )
        self.producer_ids = ProducerIds(world.disk)
        self.transactions = Transactions(
            world, self.topics, self.coordinator.offsets, self.producer_ids,
            config.transaction_max_timeout_ms,
        )
        self.cleaner = Cleaner(world, self.topics)

    def reset(self, world: World | None = None) -> None:
        """As new, but for the cluster's id; for tests.  Clients stay connected.

        world: what to go on in: another clock, say, on the same disk
        """
        self.release()
        self.world.turn.run()
        for log in self.topics.all_logs():
            log.discard()
        disk = self.world.disk
        for folder in {name.partition("/")[0] for name in disk.list() if "/" in name}:
            disk.remove_tree(folder)
        for name in disk.list():
            if name != META:
                disk.remove(name)
        self.world = world or self.world
        self._open()
        timers, self._timers = self._timers, {}
        for name, (timer, seconds, work) in timers.items():
            timer.cancel()
            if name not in OWN_TIMERS:
                self.every(seconds, name, work)
        if self.started:
            self.start()

    def _identity(self) -> str:
        """The cluster's id, made once and kept in meta.properties."""
        try:
            text = self.world.disk.read(META).decode()
            lines = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
            return lines["cluster.id"]
        except FileNotFoundError:
            cluster_id, directory_id = (id_text(self.world.rand.bytes(16)) for _ in range(2))
            self.world.disk.replace(
                META,
                f"version=1\ncluster.id={cluster_id}\nnode.id={self.node_id}\n"
                f"directory.id={directory_id}\n".encode(),
            )
            return cluster_id

    # ------------------------------------------------------------------ requests

    def handle(self, key: int, version: int, request: dict[str, Any], call: Call) -> Any:
        """The response to a decoded request: a dict, a Later, or None for acks=0."""
        from kafkalite.handlers import HANDLERS

        call.version = version
        if self.authorizer.active:
            from kafkalite.authorization import authorized

            return authorized(self, key, HANDLERS[key], request, call)
        return HANDLERS[key](self, request, call)

    # ------------------------------------------------------------------ upkeep

    def start(self) -> None:
        """Go on with what a restart interrupted; begin upkeep.  Needs a running loop."""
        self.started = True
        self.coordinator.resume()
        self.transactions.resume()
        self.cleaner.start()
        self.every(UPKEEP_S, "upkeep", self._upkeep)
        if self.config.fsync == "interval":
            self.every(self.config.fsync_interval_ms / 1000, "sync", self._sync)

    def every(self, seconds: float, name: str, work: Any) -> None:
        """Do some work now and then, until the broker closes.  Needs a running loop."""

        def run() -> None:
            self.every(seconds, name, work)
            work()

        when_ns = self.world.clock.now_ns() + int(seconds * 1e9)
        self._timers[name] = (self.world.clock.call_at(when_ns, run), seconds, work)

    def _upkeep(self) -> None:
        self.topics.upkeep()
        try:
            self.transactions.expire()
            self.coordinator.expire()
        except KafkaError as exc:
            logger.error("upkeep: %s", exc)

    def _sync(self) -> None:
        try:
            self.topics.sync()
        except DiskFull as exc:
            logger.error("checkpoint: %s", exc)
        except OSError as exc:
            self.world.turn.fail(exc)

    def release(self) -> None:
        """Answer everybody who waits: the broker is about to close."""
        self.coordinator.close()
        self.transactions.close()
        self.cleaner.close()
        for log in self.topics.all_logs():
            log.release()

    def close(self) -> None:
        """Make everything durable and close; idempotent."""
        if self.closed:
            return
        self.closed = True
        for timer, _, _ in self._timers.values():
            timer.cancel()
        self.release()
        self.world.turn.run()
        self.topics.close()
