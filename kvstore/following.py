"""REPLICAOF: following another server, and ceasing to.

    connect ─► handshake ─► snapshot ─► stream ─► (line lost, or silent for repl-timeout) ─► connect

The connection itself is `upstream.Upstream`; this is who opens it, watches it and opens another.
A server that was a primary offers its own stream's name and place: the new primary may have
followed it, and then only what it missed has to come.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from bedrock.app.logs import logger
from kvstore.binding import command
from kvstore.replica_commands import number
from kvstore.replication import state_changed
from kvstore.resp import ReplyError, Simple
from kvstore.upstream import Upstream

log = logger("kvstore")

RETRY_S = 1.0  # after a connection that failed
AGAIN_S = 0.05  # after one that was good, before its backlog is overwritten
TELL_S = 1.0  # between two words to the primary of how far this server is
UNBLOCKED = ReplyError(
    "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)"
)
Step = tuple[str, list[bytes]]


class Follower:
    """Keeps a connection to the primary, and begins another when it ends."""

    def __init__(self, store: Any, host: str, port: int, failing_over: bool = False):
        self.store = store
        self.host, self.port = host, port
        self.failing_over = failing_over  # it is a replica, and is asked to be the primary
        self.refused = False  # the primary answered PSYNC with an error
        self.upstream: Any = None
        self.down_ns = store.clock.now_ns()  # since when the stream does not flow
        self.changed = asyncio.Event()
        self.task = store.world.spawn(self._run(), "replica")

    @property
    def up(self) -> bool:
        """True while the stream flows."""
        return self.upstream is not None and bool(self.upstream.up)

    def look(self) -> None:
        """Something about the connection has changed."""
        self.failing_over = self.failing_over and not self.up
        self.changed.set()
        self.judge()

    def judge(self) -> None:
        """Whether the data may be looked at, though it is perhaps old."""
        stale = not self.up and not self.store.parameters["replica-serve-stale-data"]
        self.store.go_stale(stale and self.store.follower is self)

    @property
    def loads_aside(self) -> bool:
        """True while a snapshot is loaded beside data that is served."""
        return self.upstream is not None and bool(self.upstream.loads_aside)

    @property
    def state(self) -> str:
        """How far the connection is, as ROLE says it."""
        return "connect" if self.upstream is None else self.upstream.state

    def handshake(self) -> list[Step]:
        """What is said, each after the answer to the one before."""
        store, primary = self.store, self.store.primary
        user, password = store.parameters["masteruser"], store.parameters["masterauth"]
        listening = store.parameters["replica-announce-port"] or store.server.ports.get("port", 0)
        address = store.parameters["replica-announce-ip"]
        # Without a stream of one's own, a name that nobody has heard is like none.
        wanted = [primary.id, b"%d" % (primary.offset + 1)] if primary.begun else [b"?", b"-1"]
        secret = [user.encode(), password.encode()] if user else [password.encode()]
        steps: list[Step] = [("PING", [b"PING"])]
        if password:
            steps.append(("AUTH", [b"AUTH", *secret]))
        steps.append(("REPLCONF", [b"REPLCONF", b"listening-port", b"%d" % listening]))
        if address:
            steps.append(("REPLCONF", [b"REPLCONF", b"ip-address", address.encode()]))
        steps.append(("REPLCONF", [b"REPLCONF", b"capa", b"eof", b"capa", b"psync2"]))
        if self.failing_over:
            wanted.append(b"FAILOVER")
        steps.append(("PSYNC", [b"PSYNC", *wanted]))
        return steps

    async def _run(self) -> None:
        world = self.store.world
        log.info(f"Connecting to MASTER {self.host}:{self.port}")
        while True:
            try:
                self.upstream = await world.net.connect(
                    lambda: Upstream(self, self.handshake()), (self.host, self.port)
                )
                log.info("MASTER <-> REPLICA sync started")
                await self._watch(self.upstream)
                if self.upstream.got_on:
                    log.info(f"Reconnecting to MASTER {self.host}:{self.port} after failure")
                    await world.clock.sleep(AGAIN_S)
                    continue
            except OSError as error:
                log.warning("no connection to the primary", why=str(error))
            await world.clock.sleep(RETRY_S)

    async def _watch(self, upstream: Any) -> None:
        """Until the connection has ended."""
        clock = self.store.world.clock
        was_up = False
        while not upstream.ended:
            self.changed.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self.changed.wait(), TELL_S)
            was_up = was_up or upstream.up
            upstream.acknowledge()
            if upstream.silent_ns() > self.store.parameters["repl-timeout"] * 1_000_000_000:
                log.warning(upstream.timeout)
                upstream.link.abort("repl-timeout")
        if was_up:
            self.down_ns = clock.now_ns()

    def stop(self) -> None:
        """Follow no more."""
        self.task.cancel()
        if self.upstream is not None and not self.upstream.ended:
            self.upstream.link.abort()

    def facts(self) -> dict[str, Any]:
        """For INFO."""
        parameters, upstream = self.store.parameters, self.upstream
        flowing = upstream is not None and not upstream.ended
        syncing = flowing and self.state == "sync"
        facts = {
            "role": "slave",
            "master_host": self.host,
            "master_port": self.port,
            "master_link_status": "up" if self.up else "down",
            "master_last_io_seconds_ago": upstream.silent_ns() // 10**9 if self.up else -1,
            "master_sync_in_progress": int(syncing),
            "slave_read_repl_offset": self.store.primary.offset,
            "slave_repl_offset": self.store.primary.offset,
        }
        if syncing:
            facts |= upstream.progress()
        if not self.up:
            down_ns = self.store.clock.now_ns() - self.down_ns
            facts["master_link_down_since_seconds"] = down_ns // 10**9
        return facts | {
            "slave_priority": parameters["replica-priority"],
            "slave_read_only": int(parameters["replica-read-only"]),
            "replica_announced": int(parameters["replica-announced"]),
        }


def follow(store: Any, host: str, port: int, failing_over: bool = False) -> None:
    """Become the replica of a server.

    Who follows this one stays: its data and its stream change only when another's has come.
    """
    cease(store, keep_place=True)
    store.follow(Follower(store, host, port, failing_over))
    state_changed(store)
    for client in list(store.clients.values()):
        if client.waiter is not None:
            client.waiter.fail(UNBLOCKED)
            client.link.close()


def cease(store: Any, keep_place: bool = False) -> None:
    """Be a primary again."""
    if store.follower is not None:
        store.follower.stop()
        store.follow(None)
        state_changed(store)
        if not keep_place:
            store.primary.rename()


@command("replicaof")
def replicaof(client, words):
    """REPLICAOF host port | NO ONE"""
    store = client.store
    if store.server is None:
        raise ReplyError("ERR an embedded store follows nobody")
    if client in store.primary.replicas:
        raise ReplyError("ERR Command is not valid when client is a replica.")
    if [word.lower() for word in words[1:]] == [b"no", b"one"]:
        if store.follower is not None:
            log.info("MASTER MODE enabled (user request)")
        cease(store)
        return "OK"
    host, port = words[1].decode("latin-1"), number(words[2])
    if not 0 <= port < 65536:
        raise ReplyError("ERR Invalid master port")
    if store.follower is not None and (store.follower.host, store.follower.port) == (host, port):
        return Simple("OK Already connected to specified master")
    log.info(f"REPLICAOF {host}:{port} enabled (user request)")
    follow(store, host, port)
    return "OK"


command("slaveof")(replicaof)
