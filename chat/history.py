"""What was said, kept in the record log, so that who comes back can read it.

A record is a msgpack array, one for each message to a channel or a user:

    [time_ms, msgid, source, command, target, text]

`target` is the folded channel name, or for a private message both folded nicks in order, joined
by a space (which no name contains).  The newest `lines` messages of each conversation are held in
memory, HELD of all together: beyond that the conversation that has been silent longest is let go.
The log keeps them all.

Invariants:
1. A message is echoed to its sender only after its record is durable: the log's flush is deferred
   on the turn that also holds the echo back.
2. `conversations` is in the order in which they last spoke, and holds `held` messages in all.
3. Within a conversation times never decrease, so it can be searched by bisection.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import NamedTuple

import msgpack

from bedrock.app.logs import logger
from bedrock.storage.errors import Finding
from bedrock.storage.recordlog import RecordLog, records
from bedrock.storage.recordlog import check as check_log
from bedrock.world import Disk, World
from chat.names import fold, is_channel

HELD = 200_000  # messages in memory


class Entry(NamedTuple):
    """A message as it was said."""

    time_ms: int
    msgid: str
    source: str
    command: str
    target: str
    text: str


def conversation(source_nick: str, target: str) -> str:
    """The key under which a message from source to target is kept."""
    if is_channel(target):
        return fold(target)
    return " ".join(sorted((fold(source_nick), fold(target))))


def timestamp(time_ms: int) -> str:
    """RFC 3339 in UTC with milliseconds, as server-time has it."""
    when = datetime.fromtimestamp(time_ms / 1000, UTC)
    return f"{when:%Y-%m-%dT%H:%M:%S}.{time_ms % 1000:03d}Z"


def parse_timestamp(text: str) -> int:
    """Milliseconds since 1970; ValueError when it is no RFC 3339 time."""
    when = datetime.fromisoformat(text)
    if when.tzinfo is None:
        raise ValueError(f"no time zone: {text}")
    return int(when.timestamp() * 1000)


class History:
    """The log and the conversations in memory.

    lines: messages held for each conversation
    """

    def __init__(self, world: World, lines: int):
        self.world = world
        self.lines = lines
        self.conversations: OrderedDict[str, deque[Entry]] = OrderedDict()
        self.held = 0
        self.log = RecordLog(world.disk, turn=world.turn)
        self.last_ms = 0
        for finding in self.log.findings:
            logger("chat").warning("the history's end was repaired", finding=str(finding))
        for _, record in self.log.replay():
            key, *fields = msgpack.unpackb(record, unicode_errors="surrogateescape")
            self._keep(key, Entry(*fields))

    def now_ms(self) -> int:
        """The wall clock, kept from going back (invariant 3)."""
        self.last_ms = max(self.last_ms, self.world.clock.wall_ms())
        return self.last_ms

    def append(self, key: str, entry: Entry) -> None:
        """Keep a message; DiskFull before anything changed if there is no room."""
        record = msgpack.packb([key, *entry], unicode_errors="surrogateescape")
        self.log.append(record)
        self._keep(key, entry)

    def _keep(self, key: str, entry: Entry) -> None:
        kept = self.conversations.get(key)
        if kept is None:
            kept = self.conversations[key] = deque(maxlen=self.lines)
        if len(kept) < self.lines:
            self.held += 1
        kept.append(entry)
        self.conversations.move_to_end(key)
        while self.held > HELD and len(self.conversations) > 1:
            _, silent = self.conversations.popitem(last=False)
            self.held -= len(silent)
        self.last_ms = max(self.last_ms, entry.time_ms)

    def time_of(self, key: str, msgid: str) -> int | None:
        """When a message was said, None if it is not (or no longer) known."""
        for entry in reversed(self.conversations.get(key, ())):
            if entry.msgid == msgid:
                return entry.time_ms
        return None

    def before(self, key: str, time_ms: int, limit: int) -> list[Entry]:
        """The last `limit` messages older than time_ms, oldest first."""
        kept = self.conversations.get(key, deque())
        end = bisect_left(kept, time_ms, key=lambda entry: entry.time_ms)
        return list(islice(kept, max(0, end - limit), end))

    def after(self, key: str, time_ms: int, limit: int) -> list[Entry]:
        """The first `limit` messages newer than time_ms, oldest first."""
        kept = self.conversations.get(key, deque())
        start = bisect_right(kept, time_ms, key=lambda entry: entry.time_ms)
        return list(islice(kept, start, start + limit))

    def between(self, key: str, start_ms: int, end_ms: int, limit: int) -> list[Entry]:
        """Up to `limit` messages strictly between two times, nearest to the first."""
        if start_ms <= end_ms:
            return [e for e in self.after(key, start_ms, limit) if e.time_ms < end_ms]
        return [e for e in self.before(key, start_ms, limit) if e.time_ms > end_ms]

    def targets(self, nick: str, start_ms: int, end_ms: int) -> Iterator[tuple[str, int]]:
        """Conversations in which something was said between two times, with the last time."""
        low, high = sorted((start_ms, end_ms))
        for key, kept in self.conversations.items():
            if kept and low < kept[-1].time_ms < high:
                yield key, kept[-1].time_ms

    def close(self) -> None:
        """Write what is buffered and let the files go."""
        self.log.flush()
        self.log.close()


def check(disk: Disk) -> Iterable[Finding]:
    """Findings about a history directory: the log's own, then records that make no sense."""
    findings = list(check_log(disk))
    yield from findings
    if any(not finding.harmless for finding in findings):
        return
    last_ms: dict[str, int] = {}
    for position, record in records(disk):
        try:
            key, *fields = msgpack.unpackb(record, unicode_errors="surrogateescape")
            entry = Entry(*fields)
        except (ValueError, TypeError) as exc:
            yield Finding(disk.path(), position, f"not a message: {exc}")
            continue
        if entry.time_ms < last_ms.get(key, 0):
            yield Finding(disk.path(), position, f"{key}: time goes back")
        last_ms[key] = entry.time_ms
