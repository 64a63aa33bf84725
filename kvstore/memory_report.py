"""MEMORY: what keys and the whole take, and where it is."""

from __future__ import annotations

import sys
from typing import Any

from kvstore.binding import command
from kvstore.connection import clients_by_kind
from kvstore.info import human, rss_bytes
from kvstore.memory import block_of, data_bytes
from kvstore.resp import ReplyError, Verbatim, whole
from kvstore.scripting import memory_facts

SLOT_BYTES = 32  # of the table a key is in, at its mean load
UNUSUAL_PEAK = 1.5  # of what is used now
UNUSUAL_SHARE = 1.4  # of resident memory that data does not explain
SMALL = 5 << 20  # below, nothing is unusual


@command("memory|usage")
def memory_usage(client, words):
    """MEMORY USAGE key [SAMPLES count]: counted, not sampled"""
    if len(words) not in (3, 5) or (len(words) == 5 and words[3].upper() != b"SAMPLES"):
        raise ReplyError("ERR syntax error")
    if len(words) == 5 and whole(words[4]) < 0:
        raise ReplyError("ERR syntax error")
    value = client.db.get(words[2])
    if value is None:
        return None
    size = sys.getsizeof(value) + value.memory if hasattr(value, "memory") else block_of(value)
    return size + block_of(words[2]) + SLOT_BYTES


def facts(store: Any) -> dict[str, int]:
    """What the report and INFO are made of, in bytes."""
    clients = {
        name: sum(client.memory for client in group)
        for name, group in clients_by_kind(store).items()
    }
    tables = sum(db.keys.memory + db.expires.memory for db in store.keyspace.databases)
    aof = 0 if store.aof is None else store.aof.buffered
    backlog = len(store.primary.backlog)
    overhead = sum(clients.values()) + tables + aof + backlog
    used = store.evictor.used_memory()
    return {
        "used": used,
        "peak": store.evictor.peak,
        "rss": rss_bytes(),
        "normal": clients["normal"] + clients["pubsub"],
        "replicas": clients["replica"],
        "tables": tables,
        "aof": aof,
        "backlog": backlog,
        "overhead": min(overhead, used),
        "data": max(used - overhead, 0),
        "not_counted": store.evictor.not_counted(),
    }


@command("memory|stats")
def memory_stats(client, words):
    """MEMORY STATS"""
    store = client.store
    found, scripts = facts(store), memory_facts(store)
    keys = sum(len(db) for db in store.keyspace.databases)
    report: dict[bytes, Any] = {
        b"peak.allocated": found["peak"],
        b"total.allocated": found["used"],
        b"startup.allocated": 0,
        b"replication.backlog": found["backlog"],
        b"clients.slaves": found["replicas"],
        b"clients.normal": found["normal"],
        b"cluster.links": 0,
        b"aof.buffer": found["aof"],
        b"lua.caches": scripts["used_memory_scripts_eval"],
        b"functions.caches": scripts["used_memory_functions"],
    }
    for db in store.keyspace.databases:
        if len(db):
            report[b"db.%d" % db.index] = {
                b"overhead.hashtable.main": db.keys.memory,
                b"overhead.hashtable.expires": db.expires.memory,
                b"overhead.hashtable.slot-to-keys": 0,
            }
    return report | {
        b"overhead.total": found["overhead"],
        b"keys.count": keys,
        b"keys.bytes-per-key": found["data"] // keys if keys else 0,
        b"dataset.bytes": found["data"],
        b"dataset.percentage": 100.0 * found["data"] / max(found["used"], 1),
        b"peak.percentage": 100.0 * found["used"] / max(found["peak"], 1),
        b"allocator.allocated": data_bytes(),
        b"allocator.resident": found["rss"],
        b"fragmentation": found["rss"] / max(found["used"], 1),
        b"fragmentation.bytes": found["rss"] - found["used"],
    }


@command("memory|doctor")
def memory_doctor(client, words):
    """MEMORY DOCTOR"""
    found = facts(client.store)
    if found["used"] < SMALL:
        return Verbatim("There is too little data to tell whether anything is unusual.\n")
    said = []
    if found["peak"] > UNUSUAL_PEAK * found["used"]:
        said.append(
            f"Peak memory: {human(found['peak'])} were used once, {human(found['used'])} are now; "
            "what was freed may still belong to the process."
        )
    if found["rss"] > UNUSUAL_SHARE * found["used"] + SMALL * 8:
        said.append(
            f"Resident memory: {human(found['rss'])}, of which data and buffers explain "
            f"{human(found['used'])}. MEMORY PURGE gives back what is free."
        )
    if found["normal"] + found["replicas"] > found["data"]:
        said.append("Clients: their buffers take more than the data.")
    return Verbatim("\n".join(said or ["Nothing about memory is unusual."]) + "\n")


@command("memory|purge")
def memory_purge(client, words):
    """MEMORY PURGE"""
    import ctypes

    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
    return "OK"


@command("memory|malloc-stats")
def memory_malloc_stats(client, words):
    """MEMORY MALLOC-STATS"""
    return Verbatim(
        f"data: {data_bytes()} bytes in the blocks of two allocators\n"
        f"Python's: {sys.getallocatedblocks()} blocks of up to 512 bytes\n"
        f"resident: {rss_bytes()} bytes\n"
    )
