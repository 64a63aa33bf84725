"""SHUTDOWN: how the server ends, and what it sees to before.

    SHUTDOWN ─► writes wait ─► replicas catch up (shutdown-timeout) ─► snapshot ─► the process ends
        NOW skips the replicas, NOSAVE the snapshot, SAVE makes one without save points,
        FORCE ends the process though the snapshot failed, ABORT (from another client) ends the wait

A signal takes the same way, with what `shutdown-on-sigterm` says.
"""

from __future__ import annotations

import os
import signal
from typing import Any

from bedrock.app.logs import logger
from kvstore.engine import command
from kvstore.pausing import Pause
from kvstore.resp import ReplyError, encode

log = logger("kvstore")

LOOK_S = 0.05
FAILED = ReplyError("ERR Errors trying to SHUTDOWN. Check logs.")
OPTIONS = {b"NOSAVE", b"SAVE", b"NOW", b"FORCE", b"ABORT"}


class Stopping:
    """The end of a store's service.

    options: of the SHUTDOWN under way, None while there is none
    """

    def __init__(self, store: Any):
        self.store = store
        self.options: set[bytes] | None = None
        self.aborted = False
        self.saved = False

    async def wait_for_replicas(self, seconds: float) -> bool:
        """Until all replicas have all of the stream; True unless the wait was aborted."""
        store, primary = self.store, self.store.primary
        if store.follower is not None or not primary.begun:
            return True
        clock = store.world.clock
        until = clock.now_ns() + int(seconds * 1e9)
        store.journal.flush()
        while not self.aborted:
            lagging = [r for r in primary.replicas.values() if r.acked < primary.offset]
            if not lagging or clock.now_ns() >= until:
                break
            await clock.sleep(LOOK_S)
        else:
            return False
        for replica in lagging:
            log.info(f"Lagging replica {replica.host}:{replica.port} reported offset "
                     f"{primary.offset - replica.acked} behind master")
        count = len(primary.replicas)
        if count:
            log.info(f"{count - len(lagging)} of {count} replicas are in sync when shutting down.")
        return True

    def save(self) -> bool:
        """The snapshot at the end, if there is to be one; False when it failed."""
        store = self.store
        options = set() if self.options is None else self.options
        on_signal = store.parameters["shutdown-on-sigterm"]
        if self.options is None and on_signal != "default":
            options = {word.upper().encode() for word in on_signal.split()}
        wanted = b"SAVE" in options or (
            bool(store.parameters["save"]) and b"NOSAVE" not in options)
        if self.saved or not wanted or store.server is None:
            return True
        log.info("Saving the final RDB snapshot before exiting.")
        store.saver.give_up()
        try:
            store.saver.save()
        except ReplyError as error:
            log.error("Error trying to save the DB, can't exit.", why=str(error))
            return False
        self.saved = True
        return True

    async def told_to_end(self, grace_s: float) -> None:
        """The process was sent a signal, perhaps by SHUTDOWN itself."""
        if self.options is None:
            await self.wait_for_replicas(min(grace_s, self.store.parameters["shutdown-timeout"]))

    async def shut_down(self, client: Any) -> None:
        """SHUTDOWN with the options given."""
        assert self.options is not None
        store, options = self.store, self.options
        ready = True
        if b"NOW" not in options:
            timeout_s = store.parameters["shutdown-timeout"]
            store.pause = store.pause or Pause(store)
            store.pause.extend(store.now() + timeout_s * 1000, False)
            ready = await self.wait_for_replicas(timeout_s)
        if ready and store.aof is not None and store.aof.aside:
            log.warning("Writing initial AOF, can't exit.")
            ready = b"FORCE" in options
        if ready:
            ready = self.save() or b"FORCE" in options
        if ready:
            os.kill(os.getpid(), signal.SIGTERM)
            return
        if store.pause is not None:
            store.pause.end()
        if self.aborted:
            log.info("Shutdown manually aborted.")
        else:
            log.warning("Errors trying to shut down the server. Check the logs for more "
                        "information.")
        self.options, self.aborted = None, False
        client.push(encode(FAILED))


@command("shutdown")
def shutdown(client, words):
    """SHUTDOWN [NOSAVE | SAVE] [NOW] [FORCE] [ABORT]"""
    options = {word.upper() for word in words[1:]}
    if not options <= OPTIONS or {b"SAVE", b"NOSAVE"} <= options or (
            b"ABORT" in options and len(options) > 1):
        raise ReplyError("ERR syntax error")
    store = client.store
    stopping = store.stopping
    if store.server is None:
        raise ReplyError("ERR an embedded store is closed by its owner")
    if options == {b"ABORT"}:
        if stopping.options is None:
            raise ReplyError("ERR No shutdown in progress.")
        stopping.aborted = True
        return "OK"
    if client.executing:
        raise ReplyError("ERR SHUTDOWN is not allowed in a transaction")
    if store.scripts is not None:
        store.scripts.stop()
    stopping.options = options
    client.link.run(stopping.shut_down(client))
    return NotImplemented
