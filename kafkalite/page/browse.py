"""Records of a partition as a person looks at them: found by offset, time or key, and decoded."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bedrock.codec.errors import Malformed
from kafkalite.batch import Record, describe, split, unpack_all

if TYPE_CHECKING:
    from kafkalite.log import Log

READ_BYTES = 1 << 20
SCANNED_BYTES = 32 << 20  # looked through for a key, before one has to ask for more
MOST = 500
ONE_LINE = 100  # characters of JSON that need no lines of their own
WIRE_MAGIC = 0  # first byte of what serializers with a schema registry write


@dataclass(frozen=True)
class Page:
    """Some records; `next` is where to go on, and `whole` says that the log ends there."""

    records: list[Record]
    next: int
    whole: bool


def browse(log: Log, offset: int, limit: int, key: str = "") -> Page:
    """At most `limit` records from an offset on; with a key, only those it is in."""
    found: list[Record] = []
    at, scanned = max(offset, log.start_offset), 0
    limit = max(1, min(limit, MOST))
    wanted = key.encode()
    while at < log.high_watermark and scanned < SCANNED_BYTES:
        data = log.read_batches(at, READ_BYTES)
        if not data:
            break
        scanned += len(data)
        try:
            records = [record for record in unpack_all(data) if record.offset >= at]
        except Malformed:
            break
        for record in records:
            if not wanted or wanted in (record.key or b""):
                found.append(record)
                if len(found) == limit:
                    end = record.offset + 1
                    return Page(found, end, end >= log.high_watermark)
        at = max(at + 1, *(_end(batch) for batch in split(data)))
    return Page(found, at, at >= log.high_watermark)


def _end(batch: bytes) -> int:
    header = describe(batch)
    return header["base_offset"] + header["last_delta"] + 1


def shown(data: bytes | None, how: str = "auto") -> dict[str, Any]:
    """A key or value as text, and as what it was read."""
    if data is None:
        return {"as": "null", "text": "null"}
    if how == "hex":
        return {"as": "hex", "text": data.hex(" ")}
    if len(data) >= 5 and data[0] == WIRE_MAGIC and how == "auto":
        schema = int.from_bytes(data[1:5], "big")
        return {"as": f"schema {schema}", "text": data[5:].hex(" ")}
    try:
        text = data.decode()
    except UnicodeDecodeError:
        if how == "auto":
            return {"as": "hex", "text": data.hex(" ")}
        return {"as": "text", "text": data.decode("utf-8", "backslashreplace")}
    if how in ("auto", "json") and text[:1] in ("{", "["):
        try:
            indent = 1 if len(text) > ONE_LINE else None
            return {"as": "json", "text": json.dumps(json.loads(text), indent=indent)}
        except ValueError:
            pass
    return {"as": "text", "text": text}
