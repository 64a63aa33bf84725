"""SHUTDOWN: how the server ends, and what it sees to before.

    SHUTDOWN, or a signal ─► writes wait ─► replicas catch up (shutdown-timeout) ─► snapshot ─► end
        NOW skips the replicas, NOSAVE the snapshot, SAVE makes one without save points,
        FORCE ends the process though the snapshot failed, ABORT (from another client) ends the wait

A signal takes the options of `shutdown-on-sigterm`.  Who sends SHUTDOWN while one is under way
waits for the same end.  When it cannot be (the snapshot failed, ABORT) everyone who asked is told,
writes go on, and so does the service.

Invariant: the process ends by itself only after `ready`, or by a second signal.
"""

from __future__ import annotations

import asyncio
import os
import signal
from typing import Any

from bedrock.app.logs import logger
from kvstore.binding import command
from kvstore.pausing import Pause
from kvstore.resp import ReplyError, encode

log = logger("kvstore")

LOOK_S = 0.01
FAILED = ReplyError("ERR Errors trying to SHUTDOWN. Check logs.")
OPTIONS = {b"NOSAVE", b"SAVE", b"NOW", b"FORCE", b"ABORT"}


class Stopping:
    """The end of a store's service.

    options: of the end that is being prepared, None while there is none
    waiting: clients that asked for it; they are answered only if it does not come
    ready:   everything is seen to
    """

    def __init__(self, store: Any):
        self.store = store
        self.options: set[bytes] | None = None
        self.waiting: list[Any] = []
        self.until_ns = 0
        self.aborted = self.saved = self.ready = False
        self._ended = asyncio.Event()  # the preparation, whichever way

    # ------------------------------------------------------------------ who asks

    async def may_stop(self) -> bool:
        """The process was sent a signal, perhaps by SHUTDOWN itself."""
        if self.ready:
            return True
        if self.options is not None:
            await self._ended.wait()
            return self.ready
        words = self.store.parameters["shutdown-on-sigterm"]
        return await self.prepare({word.upper().encode() for word in words})

    def ask(self, client: Any, options: set[bytes]) -> None:
        """SHUTDOWN from a client, who waits from now on."""
        client.postponed = True
        client.link.hold()
        self.waiting.append(client)
        if self.options is None:
            self.options = options
            self.store.world.spawn(self._end(options), "shutdown")

    async def _end(self, options: set[bytes]) -> None:
        if await self.prepare(options):
            os.kill(os.getpid(), signal.SIGTERM)

    # ------------------------------------------------------------------ the preparation

    async def prepare(self, options: set[bytes]) -> bool:
        """See to everything; False if the server must go on."""
        store = self.store
        self.options = options
        self._ended.clear()
        self.ready = await self._see_to(options)
        if not self.ready:
            if store.pause is not None:
                store.pause.end()
            if self.aborted:
                log.info("Shutdown manually aborted.")
            else:
                log.warning("Errors trying to shut down the server. Check the logs for more "
                            "information.")
            self.options, self.aborted = None, False
            for client in self.waiting:
                client.postponed = False
                client.link.write(encode(FAILED))
                client.link.resume()
            self.waiting.clear()
        self.until_ns = 0
        self._ended.set()
        return self.ready

    async def _see_to(self, options: set[bytes]) -> bool:
        store = self.store
        if b"NOW" not in options and not await self._wait_for_replicas():
            return False
        if store.aof is not None and store.aof.aside and b"FORCE" not in options:
            log.warning("Writing initial AOF, can't exit.")
            return False
        return self.save() or b"FORCE" in options

    async def _wait_for_replicas(self) -> bool:
        """Until all replicas have all of the stream; True unless the wait was aborted."""
        store, primary, clock = self.store, self.store.primary, self.store.world.clock
        if store.follower is not None or not primary.begun:
            return True
        timeout_s = store.parameters["shutdown-timeout"]
        store.journal.flush()
        self.until_ns = clock.now_ns() + timeout_s * 1_000_000_000
        if self._lagging() and timeout_s:
            log.info("Waiting for replicas before shutting down.")
            store.pause = store.pause or Pause(store)
            store.pause.extend(store.now() + timeout_s * 1000, False)
        while self._lagging() and clock.now_ns() < self.until_ns and not self.aborted:
            await clock.sleep(LOOK_S)
        if self.aborted:
            return False
        lagging = self._lagging()
        for replica in lagging:
            log.info(f"Lagging replica {replica.name} reported offset "
                     f"{primary.offset - replica.acked} behind master")
        count = len(primary.replicas)
        if count:
            log.info(f"{count - len(lagging)} of {count} replicas are in sync when shutting down.")
        return True

    def _lagging(self) -> list[Any]:
        primary = self.store.primary
        return [r for r in primary.replicas.values() if r.acked < primary.offset]

    def save(self) -> bool:
        """The snapshot at the end, if there is to be one; False when it failed."""
        store = self.store
        options = self.options or set()
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

    def facts(self) -> dict[str, Any]:
        """For INFO."""
        if not self.until_ns:
            return {}
        left_ns = self.until_ns - self.store.world.clock.now_ns()
        return {"shutdown_in_milliseconds": max(left_ns, 0) // 1_000_000}


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
    stopping.ask(client, options)
    return NotImplemented
