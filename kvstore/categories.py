"""ACL categories: the words for groups of commands in rules, and which a command belongs to."""

from __future__ import annotations

from kvstore.commands import Row

CATEGORIES = (
    "keyspace", "read", "write", "set", "sortedset", "list", "hash", "string", "bitmap",
    "hyperloglog", "geo", "stream", "pubsub", "admin", "fast", "slow", "blocking", "dangerous",
    "connection", "transaction", "scripting",
)  # fmt: skip


def categories(row: Row) -> list[str]:
    """ACL categories: those of the row, and those that follow from its flags."""
    flags = set(row.flags.split())
    found = set(row.acl.split())
    if "write" in flags:
        found.add("write")
    if "readonly" in flags and "scripting" not in found:
        found.add("read")
    if "admin" in flags:
        found |= {"admin", "dangerous"}
    if "pubsub" in flags:
        found.add("pubsub")
    if "blocking" in flags:
        found.add("blocking")
    found.add("fast" if "fast" in flags else "slow")
    return ["@" + name for name in CATEGORIES if name in found]
