"""REPLICAOF: following another server, and ceasing to."""

from __future__ import annotations

from typing import Any

from bedrock.app.logs import logger
from kvstore.engine import command
from kvstore.replication import number
from kvstore.resp import ReplyError, Simple
from kvstore.upstream import Upstream

log = logger("kvstore")

RETRY_S = 1.0


class Follower:
    """Keeps a connection to the primary, and begins another when it ends."""

    def __init__(self, store: Any, host: str, port: int):
        self.store = store
        self.host, self.port = host, port
        self.upstream: Any = None
        self.task = store.world.spawn(self._run(), "replica")

    @property
    def up(self) -> bool:
        """True while the stream flows."""
        return self.upstream is not None and bool(self.upstream.up)

    def handshake(self) -> list[list[bytes]]:
        """What is said, each after the answer to the one before."""
        store, primary = self.store, self.store.primary
        password = store.parameters["masterauth"]
        listening = store.server.ports.get("port", 0)
        wanted = (
            [primary.id, b"%d" % (primary.offset + 1)] if primary.synced else [b"?", b"-1"]
        )
        return [
            [b"PING"],
            *([[b"AUTH", password.encode()]] if password else []),
            [b"REPLCONF", b"listening-port", b"%d" % listening],
            [b"REPLCONF", b"capa", b"psync2"],
            [b"PSYNC", *wanted],
        ]

    async def _run(self) -> None:
        world = self.store.world
        while True:
            try:
                self.upstream = await world.net.connect(
                    lambda: Upstream(self, self.handshake()), (self.host, self.port)
                )
                while not self.upstream.ended:
                    await world.clock.sleep(RETRY_S)
                    if self.upstream.up:
                        self.upstream.acknowledge()
            except OSError as error:
                log.warning("no connection to the primary", why=str(error))
            await world.clock.sleep(RETRY_S)

    def stop(self) -> None:
        """Follow no more."""
        self.task.cancel()
        if self.upstream is not None and not self.upstream.ended:
            self.upstream.link.abort()

    def facts(self) -> dict[str, Any]:
        """For INFO."""
        return {
            "role": "slave",
            "master_host": self.host,
            "master_port": self.port,
            "master_link_status": "up" if self.up else "down",
            "master_sync_in_progress": 0,
            "slave_read_repl_offset": self.store.primary.offset,
            "slave_repl_offset": self.store.primary.offset,
            "slave_read_only": 1,
        }


def follow(store: Any, host: str, port: int) -> None:
    """Become the replica of a server."""
    cease(store, keep_place=True)
    store.follow(Follower(store, host, port))


def cease(store: Any, keep_place: bool = False) -> None:
    """Be a primary again."""
    if store.follower is not None:
        store.follower.stop()
        store.follow(None)
        if not keep_place:
            store.primary.rename()


@command("replicaof")
def replicaof(client, words):
    """REPLICAOF host port | NO ONE"""
    store = client.store
    if store.server is None:
        raise ReplyError("ERR an embedded store follows nobody")
    if [word.lower() for word in words[1:]] == [b"no", b"one"]:
        cease(store)
        return "OK"
    host, port = words[1].decode("latin-1"), number(words[2])
    if not 0 < port < 65536:
        raise ReplyError("ERR Invalid master port")
    if store.follower is not None and (store.follower.host, store.follower.port) == (host, port):
        return Simple("OK Already connected to specified master")
    follow(store, host, port)
    return "OK"


command("slaveof")(replicaof)
