"""Time zones: names of the IANA data base, and fixed offsets as PostgreSQL writes them."""

from __future__ import annotations

import re
from datetime import UTC, timedelta, timezone, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from minidb.sqlstate import DatabaseError


class Zone:
    """A zone for Output: `info` is its tzinfo."""

    utc = UTC

    def __init__(self, info: tzinfo) -> None:
        self.info = info


@lru_cache(256)
def zone_of(name: str) -> Zone | None:
    """The zone of that name; None for UTC.  22023 when there is none."""
    if name.upper() in ("UTC", "GMT", "ETC/UTC", "UCT", "Z", "ZULU"):
        return None
    match = re.fullmatch(r"(?:UTC|GMT)?([+-]?)(\d{1,2})(?::?(\d\d))?", name, re.IGNORECASE)
    if match:
        minutes = int(match[2]) * 60 + int(match[3] or 0)
        if minutes > 15 * 60 + 59:
            raise DatabaseError("22023", f'invalid value for parameter "TimeZone": "{name}"')
        return Zone(timezone(timedelta(minutes=-minutes if match[1] == "-" else minutes)))
    try:
        return Zone(ZoneInfo(name))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise DatabaseError("22023", f'invalid value for parameter "TimeZone": "{name}"') from None
