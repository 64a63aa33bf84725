"""Commands of replication: what replicas say (REPLCONF, PSYNC, SYNC), and WAIT and ROLE."""

from __future__ import annotations

import asyncio
from typing import Any

from bedrock.app.logs import logger
from kvstore.binding import command
from kvstore.replication import GETACK
from kvstore.resp import ReplyError, encode

log = logger("kvstore")


def number(word: bytes) -> int:
    """A word that must be a whole number."""
    if not word.removeprefix(b"-").isdigit():
        raise ReplyError("ERR value is not an integer or out of range")
    return int(word)


@command("role")
def role(client, words):
    """ROLE"""
    primary, follower = client.store.primary, client.store.follower
    if follower is not None:
        state = follower.state.encode()
        return [b"slave", follower.host.encode(), follower.port, state, primary.offset]
    return [
        b"master",
        primary.offset,
        [
            [r.host.encode(), b"%d" % r.port, b"%d" % r.acked]
            for r in primary.replicas.values()
            if r.online
        ],
    ]


def tell_offset(client, value):
    """ACK: how far a replica is; it expects no answer."""
    primary = client.store.primary
    if client in primary.replicas:
        primary.replicas[client].acknowledge(number(value), client.store.keyspace.now_ms)
        primary.tell_acknowledged()
        if client.store.refusal is not None:
            primary.judge_writes()
    return NotImplemented


def tell_port(client, value):
    """listening-port: where it can be reached."""
    client.store.primary.replica(client).port = number(value)


def tell_address(client, value):
    """ip-address: where it can be reached, when that is not where it connects from."""
    client.store.primary.replica(client).address = value.decode("latin-1")


def tell_capability(client, value):
    """capa: what it understands."""
    if value.lower() == b"eof":
        client.store.primary.replica(client).takes_eof = True


def want_only_snapshot(client, value):
    """rdb-only: it wants no stream."""
    client.store.primary.replica(client).snapshot_only = number(value) != 0


def want_only_part(client, value):
    """rdb-filter-only: which parts of the snapshot it wants."""
    parts = frozenset(value.split())
    if not parts <= {b"functions"}:
        raise ReplyError("ERR Unsupported rdb-filter-only option")
    client.store.primary.replica(client).parts = parts


def tell_version(client, value):
    """version: of the replica's program."""


OPTIONS = {
    b"ack": tell_offset,
    b"listening-port": tell_port,
    b"ip-address": tell_address,
    b"capa": tell_capability,
    b"rdb-only": want_only_snapshot,
    b"rdb-filter-only": want_only_part,
    b"version": tell_version,
}


@command("replconf")
def replconf(client, words):
    """REPLCONF option value ...: what replicas tell"""
    if len(words) % 2 == 0:
        raise ReplyError("ERR syntax error")
    reply: Any = "OK"
    for option, value in zip(words[1::2], words[2::2], strict=True):
        tell = OPTIONS.get(option.lower())
        if tell is None:
            text = option.decode("latin-1")[:128]
            raise ReplyError(f"ERR Unrecognized REPLCONF option: {text}")
        if tell(client, value) is NotImplemented:
            reply = NotImplemented
    return reply


def take_over(client: Any, wanted: bytes) -> None:
    """The primary asks this server, its replica, to be the primary."""
    from kvstore.following import cease

    store = client.store
    if store.follower is None:
        raise ReplyError("ERR PSYNC FAILOVER can't be sent to a master.")
    if wanted != store.primary.id:
        raise ReplyError("ERR PSYNC FAILOVER replid must match my replid.")
    log.info("Failover request received for replid " + wanted.decode())
    cease(store)


def begin_to_follow(client: Any, wanted: bytes, offset: int) -> Any:
    """The client wants the stream."""
    if client.store.server is None:
        raise ReplyError("ERR an embedded store has no replicas")
    client.store.primary.follow(client, wanted, offset)
    return NotImplemented


@command("psync")
def psync(client, words):
    """PSYNC replicationid offset [FAILOVER]"""
    try:
        offset = number(words[2])
    except ReplyError:
        name = client.store.primary.replica(client).name
        log.warning(f"Replica {name} asks for synchronization but with a wrong offset")
        raise
    if len(words) > 3 and words[3].upper() == b"FAILOVER":
        take_over(client, words[1])
    return begin_to_follow(client, words[1], offset)


@command("sync")
def sync(client, words):
    """SYNC"""
    return begin_to_follow(client, b"", -1)


@command("wait")
def wait(client, words):
    """WAIT numreplicas timeout"""
    wanted, timeout_ms = number(words[1]), number(words[2])
    if timeout_ms < 0:
        raise ReplyError("ERR timeout is negative")
    primary = client.store.primary
    if client.store.follower is not None:
        raise ReplyError(
            "ERR WAIT cannot be used with replica instances. Please also note that since Redis "
            "4.0 if a replica is configured to be writable (which is not the default) writes to "
            "replicas are just local and are not propagated."
        )
    place, journal = client.place, client.store.journal
    at_once = client.executing or client.link is None
    if journal is not None and not at_once:
        journal.flush()
    if place is None:
        offset = 0
    elif place.offset >= 0:
        offset = place.offset
    elif journal is not None and journal.ahead:
        return 0  # within a transaction: what was written before it in this turn is with nobody
    else:
        offset = primary.offset
    reached: int = primary.reached(offset)
    if reached >= wanted or at_once:
        return reached
    client.link.run(wait_for_replicas(client, wanted, timeout_ms, offset))
    return NotImplemented


async def wait_for_replicas(client: Any, wanted: int, timeout_ms: int, offset: int) -> None:
    """Answer when enough replicas are at an offset, or in time."""
    primary, clock = client.store.primary, client.store.world.clock
    if primary.replicas:
        primary.publish(GETACK)
    until = clock.now_ns() + timeout_ms * 1_000_000
    while primary.reached(offset) < wanted:
        left = (until - clock.now_ns()) / 1e9 if timeout_ms else 3600.0
        if left <= 0 or client.link.closed:
            break
        try:
            await asyncio.wait_for(primary.acknowledged.wait(), left)
        except TimeoutError:
            break
    client.push(encode(primary.reached(offset)))
