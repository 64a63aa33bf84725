"""What `__consumer_offsets` keeps of a classic group: its generation, and who reads what.

    version int16 (3), protocol_type string, generation int32, protocol string?, leader string?,
    since_ms int64, members [ id string, instance_id string?, client_id string, client_host string,
    rebalance_timeout_ms int32, session_timeout_ms int32, subscription bytes, assignment bytes ]

Written when a generation is settled and when the last member is gone, so that the members go on
after a restart of the broker as if nothing had been.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from kafkalite.schema import table

VERSION = 3
VALUE = """
version                  int16
protocol_type            string
generation               int32
protocol                 string?
leader                   string?
since_ms                 int64    2+ = -1
members                  []
  id                     string
  instance_id            string?  3+ = null
  client_id              string
  client_host            string
  rebalance_timeout_ms   int32    1+ = -1
  session_timeout_ms     int32
  subscription           bytes
  assignment             bytes
"""
FLEXIBLE_SINCE = 4


@dataclass
class GroupRecord:
    """members: dicts with the fields of the table; since_ms: of its present state."""

    protocol_type: str
    generation: int
    protocol: str | None
    leader: str | None
    since_ms: int = -1
    members: list[dict[str, Any]] = field(default_factory=list)

    def encode(self) -> bytes:
        """The value of the record."""
        return table(VALUE, VERSION).encode({"version": VERSION, **asdict(self)})

    @classmethod
    def decode(cls, data: bytes) -> GroupRecord:
        """From the value of a record, of any version."""
        version = int.from_bytes(data[:2], "big")
        fields = table(VALUE, version, version >= FLEXIBLE_SINCE).decode(data)
        del fields["version"]
        return cls(**fields)
