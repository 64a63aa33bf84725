"""What the page shows, as plain data.

Everything is asked for by commands, as any client would, so that the page can do nothing that a
client could not; a look at a million keys is cut into SCANs, of which each request makes a few.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from bedrock.app.pages import Missing
from kvstore.resp import Args, ReplyError, decode
from kvstore.shell import PEEK, show

SCANS, AT_ONCE, SHOWN = 20, 500, 100
BIG, BIG_LOOK = 10, 2_000
KEPT = 120  # samples of the operations, one a second
SLOWEST = 12


class Views:
    """Reads a store."""

    def __init__(self, store: Any):
        self.store = store
        self.rates: deque[float] = deque(maxlen=KEPT)
        self._last: tuple[int, int] | None = None  # (ns, commands)

    def sample(self) -> None:
        """Note how many commands were run since the last time."""
        now = (self.store.clock.now_ns(), self.store.processed)
        if self._last is not None and now[0] > self._last[0]:
            self.rates.append((now[1] - self._last[1]) * 1e9 / (now[0] - self._last[0]))
        self._last = now

    def run(self, db: int, *words: Any) -> Any:
        """A command's reply; ReplyError as it is."""
        client = self.store.client()
        client.db = self.store.keyspace.databases[db]
        said = decode(self.store.run(client, Args.of(*words)))[0]
        if isinstance(said, ReplyError):
            raise said
        return said

    def overview(self) -> dict[str, Any]:
        """The first page."""
        store = self.store
        databases = [
            {"index": db.index, "keys": len(db), "mortal": len(db.expires)}
            for db in store.keyspace.databases
            if len(db)
        ]
        lookups = store.keyspace.hits + store.keyspace.misses
        return {
            "address": store.server.address_text,
            "keys": sum(db["keys"] for db in databases),
            "databases": databases,
            "clients": len(store.clients),
            "ops_per_s": self.rates[-1] if self.rates else 0.0,
            "rates": list(self.rates),
            "hit_rate": store.keyspace.hits / lookups if lookups else 1.0,
            "commands": self.busiest(),
            "slow": self.slow(),
        }

    def busiest(self) -> list[dict[str, Any]]:
        """The commands that took the most time."""
        called = [c for c in self.store.commands.values() if c.calls]
        called.sort(key=lambda c: -c.nsec)
        return [
            {"name": c.name, "calls": c.calls, "ms": c.nsec / 1e6, "us": c.nsec / 1e3 / c.calls}
            for c in called[:SLOWEST]
        ]

    def slow(self) -> list[dict[str, Any]]:
        """The slow log, newest first."""
        entries = [list(entry)[:5] for entry in self.run(0, "SLOWLOG", "GET", SLOWEST)]
        return [
            {"at_s": at_s, "us": us, "command": " ".join(map(text, words)), "client": text(address)}
            for _, at_s, us, words, address in entries
        ]

    def keys(self, db: int, pattern: str, cursor: int) -> dict[str, Any]:
        """Some of the keys that match a pattern, and where to go on."""
        self._known(db)
        found: list[bytes] = []
        for _ in range(SCANS):
            next_cursor, some = self.run(
                db, "SCAN", cursor, "MATCH", pattern or "*", "COUNT", AT_ONCE
            )
            cursor = int(next_cursor)
            found += some
            if not cursor or len(found) >= SHOWN:
                break
        lines = [self.line(db, key) for key in sorted(found)]
        return {"db": db, "pattern": pattern, "keys": lines, "cursor": cursor}

    def big(self, db: int) -> dict[str, Any]:
        """The biggest of some keys drawn at random (all of them when there are few)."""
        self._known(db)
        seen: set[bytes] = set()
        cursor, steps = 0, 0
        while len(seen) < BIG_LOOK and steps < SCANS:
            start, some = self.run(db, "SCAN", cursor, "COUNT", AT_ONCE)
            seen.update(some)
            cursor, steps = int(start), steps + 1
            if not cursor:
                break
        lines = sorted((self.line(db, key) for key in seen), key=lambda line: -line["memory"])
        return {"db": db, "keys": lines[:BIG], "looked_at": len(seen), "all": not cursor}

    def line(self, db: int, key: bytes) -> dict[str, Any]:
        """What a list says of a key."""
        return {
            "name": text(key),
            "id": key.hex(),
            "type": text(self.run(db, "TYPE", key)),
            "ttl_ms": self.run(db, "PTTL", key),
            "memory": self.run(db, "MEMORY", "USAGE", key) or 0,
        }

    def key(self, db: int, key: bytes) -> dict[str, Any]:
        """One key, and the beginning of its value."""
        self._known(db)
        line = self.line(db, key)
        if line["type"] not in PEEK:
            raise Missing(f"key {text(key)}")
        _, (command, *rest) = PEEK[line["type"]]
        value = self.run(db, command, key, *rest)
        encoding = text(self.run(db, "OBJECT", "ENCODING", key))
        return line | {"db": db, "encoding": encoding, "value": show(line["type"], value)}

    def _known(self, db: int) -> None:
        if not 0 <= db < len(self.store.keyspace.databases):
            raise Missing(f"database {db}")


def text(word: Any) -> str:
    """A word as text, whatever its bytes."""
    return word.decode("utf-8", "backslashreplace") if isinstance(word, bytes) else str(word)
