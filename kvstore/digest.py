"""DEBUG DIGEST: a checksum of the data, the same wherever the data is the same.

It depends on neither the order of keys nor on encodings, so that a replica, a reloaded file and the
original agree: SHA-1 of each key with its value, combined by exclusive or.
"""

from __future__ import annotations

import hashlib
from typing import Any

from kvstore.admin import DEBUG
from kvstore.resp import Args, decode

WIDTH = 20
# How a value of each type is read, and whether what comes back has an order of its own.
READ: dict[str, tuple[tuple[bytes, ...], bool]] = {
    "string": ((b"GET",), True),
    "list": ((b"LRANGE", b"0", b"-1"), True),
    "set": ((b"SMEMBERS",), False),
    "zset": ((b"ZRANGE", b"0", b"-1", b"WITHSCORES"), True),
    "hash": ((b"HGETALL",), False),
    "stream": ((b"XRANGE", b"-", b"+"), True),
}


def value_digest(store: Any, client: Any, key: bytes) -> int:
    """Of the value at a key; 0 when there is none."""

    def run(*words: bytes) -> Any:
        return decode(store.run(client, Args.of(*words)))[0]

    kind = str(run(b"TYPE", key))
    if kind not in READ:
        return 0
    (name, *rest), ordered = READ[kind]
    value = run(name, key, *rest)
    if kind == "hash":
        value = list(value.items())
    parts = [repr(part) for part in value] if isinstance(value, list) else [repr(value)]
    if isinstance(value, set):
        parts = [repr(part) for part in value]
    if kind == "stream":
        parts.append(repr(run(b"XINFO", b"GROUPS", key)))
    found = hashlib.sha1(kind.encode(), usedforsecurity=False)
    for part in parts if ordered else sorted(parts):
        found.update(part.encode() + b"\0")
    if run(b"PEXPIRETIME", key) != -1:
        found.update(b"expires")
    return int.from_bytes(found.digest(), "big")


def as_text(digest: int) -> bytes:
    """A digest as hexadecimal digits."""
    return b"%040x" % digest


def debug_digest(client, words):
    """DEBUG DIGEST: of all data"""
    store, whole = client.store, 0
    reader = store.client()
    for db in store.keyspace.databases:
        reader.db = db
        for key in decode(store.run(reader, Args.of(b"KEYS", b"*")))[0]:
            digest = value_digest(store, reader, key)
            named = b"%d:%s:" % (db.index, key) + digest.to_bytes(WIDTH, "big")
            whole ^= int.from_bytes(hashlib.sha1(named, usedforsecurity=False).digest(), "big")
    return as_text(whole)


def debug_digest_value(client, words):
    """DEBUG DIGEST-VALUE key [key ...]: of each of these values"""
    reader = client.store.client()
    reader.db = client.db
    return [as_text(value_digest(client.store, reader, key)) for key in words[2:]]


DEBUG |= {"digest": debug_digest, "digest-value": debug_digest_value}
