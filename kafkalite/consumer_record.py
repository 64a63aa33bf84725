"""What `__consumer_offsets` keeps of a group of KIP-848: records of five kinds, as Kafka's.

    key      of                value
    3        group             its epoch
    5        group, member     who the member is and what it subscribes to
    6        group             the epoch the assignment was made for
    7        group, member     what it is to read
    8        group, member     its epoch, how far it has come, what it reads and must give up

Values begin with a version int16 (0).  Partitions are told by topic id; those of a topic that is
gone are forgotten.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from kafkalite.schema import table

GROUP, MEMBER, ASSIGNMENT, TARGET, CURRENT = 3, 5, 6, 7, 8
GROUP_KEY = table("""
kind                       int16
group                      string
""")
MEMBER_KEY = table("""
kind                       int16
group                      string
member                     string
""")
KEYS = {
    GROUP: GROUP_KEY, ASSIGNMENT: GROUP_KEY,
    MEMBER: MEMBER_KEY, TARGET: MEMBER_KEY, CURRENT: MEMBER_KEY,
}  # fmt: skip
PARTITIONS = """
  topic_id                 uuid
  partitions               []int32
"""
VALUES = {
    GROUP: """
epoch                      int32
""",
    MEMBER: """
instance_id                string?
rack_id                    string?
client_id                  string
client_host                string
topics                     []string
regex                      string?
rebalance_timeout_ms       int32    = -1
assignor                   string?
""",
    ASSIGNMENT: """
epoch                      int32
""",
    TARGET: f"""
partitions                 []{PARTITIONS}""",
    CURRENT: f"""
epoch                      int32
previous_epoch             int32
progress                   int8
assigned                   []{PARTITIONS}revoking                   []{PARTITIONS}""",
}
VERSION = b"\0\0"

Fields = dict[str, Any]


def encode(kind: int, group: str, member: str, fields: Fields) -> tuple[bytes, bytes]:
    """The key and the value of a record; member: "" for those of the group."""
    return (
        KEYS[kind].encode({"kind": kind, "group": group} | ({"member": member} if member else {})),
        VERSION + table(VALUES[kind], 0, flexible=True).encode(fields),
    )


def decode(key: bytes, value: bytes | None) -> tuple[int, str, str, Fields | None]:
    """Kind, group and member of a record, and what it says of them; Malformed if it is none.

    The kind has to be one of `KEYS`.
    """
    kind = int.from_bytes(key[:2], "big")
    names = KEYS[kind].decode(key)
    fields = None
    if value is not None:
        fields = table(VALUES[kind], 0, flexible=True).decode(value[len(VERSION) :])
    return kind, names["group"], names.get("member", ""), fields


@dataclass
class ConsumerRecords:
    """All that is kept of one group: fields by kind, and by member ("" for the group)."""

    found: dict[tuple[int, str], Fields] = field(default_factory=dict)

    def take(self, kind: int, member: str, fields: Fields | None) -> None:
        """A record of the group; None says that there is nothing any more."""
        if fields is None:
            self.found.pop((kind, member), None)
        else:
            self.found[kind, member] = fields

    def epoch(self, kind: int) -> int:
        """What a record of the group says."""
        return self.found.get((kind, ""), {"epoch": 0})["epoch"]

    def members(self) -> list[tuple[str, Fields, Fields, Fields]]:
        """Each member: id, who it is, what it is to read, and how far it has come."""
        return [
            (member, who, self.found.get((TARGET, member), {"partitions": []}), current)
            for (kind, member), who in self.found.items()
            if kind == MEMBER and (current := self.found.get((CURRENT, member))) is not None
        ]
