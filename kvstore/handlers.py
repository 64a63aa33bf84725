"""Which modules hold the handlers of commands.

Importing a module binds its handlers to their rows; the engine does so when a store is made.
"""

from importlib import import_module

MODULES = (
    "strings", "bits", "bitfield", "hyperloglog", "lcs", "list_commands", "hashes", "sets",
    "zset_commands", "zset_ranges", "zset_algebra", "geo",
    "stream_commands", "stream_groups", "stream_claims",
    "keys", "sorting", "multi", "pubsub", "dump", "scripts", "scripting",
    "connection", "tracking", "pausing", "acl_commands", "cluster_commands", "latency",
    "debugging", "memory_report",
    "info", "introspection", "admin", "saving", "stopping", "replica_commands", "following",
    "failover", "rehearsal", "slowlog", "migrating", "modules",
)


def import_all() -> None:
    """Bind every handler."""
    for name in MODULES:
        import_module(f"kvstore.{name}")
