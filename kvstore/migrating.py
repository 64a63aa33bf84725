"""MIGRATE: keys go to another server, by RESTORE, and are no longer here.

    everyone waits ─► connect ─► AUTH, SELECT, RESTORE for each key ─► an answer for each
                                                                         │
         DEL of those that arrived, OK or the first error ◄──────────────┘

A key is in one place at a time for all who look: while keys travel all other clients wait, as under
CLIENT PAUSE.  What it leaves out: a connection is not kept for the next MIGRATE, and a transaction
or a script, which cannot wait, is refused.
"""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

from bedrock.net.session import Session
from kvstore.binding import command
from kvstore.dump import sealed
from kvstore.pausing import Pause
from kvstore.resp import ReplyError, Simple, encode, whole

DEFAULT_MS = 1000
IMPATIENT = "ERR MIGRATE cannot wait inside a transaction or a script"
UNREACHABLE = "IOERR error or timeout connecting to the client"
REFUSED = "IOERR error or timeout writing to target instance"  # Redis notices when it writes
BROKEN = "IOERR error or timeout reading to target instance"


class Order(NamedTuple):
    """What a request asks for."""

    address: tuple[str, int]
    keys: list[bytes]
    db: int
    timeout_ms: int
    copy: bool
    replace: bool
    secret: list[bytes]

    @classmethod
    def of(cls, words: list[bytes]) -> Order:
        """MIGRATE host port key|"" db timeout [COPY] [REPLACE] [AUTH ...] [KEYS key ...]"""
        keys, options, secret = [words[3]], set(), []
        rest = words[6:]
        while rest:
            word = rest.pop(0).lower()
            needed = SECRETS.get(word, 0)
            if word == b"keys":
                if words[3]:
                    raise ReplyError("ERR When using MIGRATE KEYS option, the key argument must "
                                     "be set to the empty string")
                keys, rest = rest, []
            elif word in (b"copy", b"replace"):
                options.add(word)
            elif needed and len(rest) >= needed:
                secret, rest = rest[:needed], rest[needed:]
            else:
                raise ReplyError("ERR syntax error")
        timeout_ms, db = whole(words[5]), whole(words[4])
        return cls(
            (words[1].decode("latin-1"), whole(words[2])), keys, db,
            timeout_ms if timeout_ms > 0 else DEFAULT_MS,
            b"copy" in options, b"replace" in options, secret,
        )  # fmt: skip

    def requests(self, client: Any, keys: list[bytes]) -> list[list[bytes]]:
        """What the other server is told before the keys, and then one request a key."""
        store, db = client.store, client.db
        restore = b"RESTORE-ASKING" if store.router is not None else b"RESTORE"
        before = [[b"AUTH", *self.secret]] if self.secret else []
        before.append([b"SELECT", b"%d" % self.db])
        for key in keys:
            at_ms = db.ttl_at(key)
            ttl_ms = max(at_ms - store.keyspace.now_ms, 1) if at_ms >= 0 else 0
            words = [restore, key, b"%d" % ttl_ms, bytes(sealed(db.get(key)))]
            before.append([*words, b"REPLACE"] if self.replace else words)
        return before


SECRETS = {b"auth": 1, b"auth2": 2}


class Courier(Session):
    """The connection to the other server: it answers each request with one line."""

    def __init__(self, wanted: int):
        self.wanted = wanted
        self.answers: list[bytes] = []
        self.done = asyncio.get_running_loop().create_future()

    def received(self, data: bytes, out: Any) -> int:
        """Whole lines."""
        *lines, rest = data.split(b"\r\n")
        self.answers += lines
        if len(self.answers) >= self.wanted and not self.done.done():
            self.done.set_result(None)
        return len(data) - len(rest)

    def closed(self, exc: BaseException | None) -> None:
        """No more answers will come."""
        if not self.done.done():
            self.done.set_result(None)


async def send(client: Any, order: Order, requests: list[list[bytes]]) -> list[bytes]:
    """The answers that came in time."""
    courier = await client.store.world.net.connect(
        lambda: Courier(len(requests)), order.address, timeout_s=order.timeout_ms / 1000
    )
    try:
        for words in requests:
            courier.link.write(encode(words))
        await asyncio.wait_for(courier.done, order.timeout_ms / 1000)
    except TimeoutError:
        pass
    finally:
        courier.link.abort()
    return courier.answers


async def move(client: Any, order: Order, keys: list[bytes]) -> None:
    """Carry an order out, and answer."""
    store = client.store
    pause = store.pause = Pause(store)
    pause.extend(store.now() + 2 * order.timeout_ms, everything=True)
    requests = order.requests(client, keys)
    try:
        answers, reply = await send(client, order, requests), BROKEN
    except ConnectionRefusedError:
        answers, reply = [], REFUSED
    except OSError:
        answers, reply = [], UNREACHABLE
    before = len(requests) - len(keys)
    refusals = [answer for answer in answers if answer.startswith(b"-")]
    arrived = [] if any(answer in refusals for answer in answers[:before]) else [
        key for key, answer in zip(keys, answers[before:], strict=False)
        if not answer.startswith(b"-")
    ]
    if arrived and not order.copy:
        for key in arrived:
            client.db.remove(key)
        store.record(client, b"DEL", *arrived)
    if store.pause is pause:
        pause.end()
    if refusals:
        why = refusals[0][1:].decode("latin-1")
        reply = f"ERR Target instance replied with error: {why}"
    elif len(answers) == len(requests):
        reply = ""
    client.push(encode(ReplyError(reply) if reply else Simple("OK")))


@command("migrate")
def migrate(client, words):
    """MIGRATE host port key|"" db timeout [COPY] [REPLACE] [AUTH ...] [KEYS key ...]"""
    order = Order.of(words)
    keys = [key for key in order.keys if client.db.get(key) is not None]
    if not keys:
        return Simple("NOKEY")
    if client.executing or client.scripted or client.link is None:
        raise ReplyError(IMPATIENT)
    client.link.run(move(client, order, keys))
    return NotImplemented
