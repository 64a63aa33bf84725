"""What commands took: their counters, and who hears of the slow ones.

Every command adds to its row's `calls`, `nsec` and `took` (how many runs took 2^i ns up to twice
that); `Store.call` does it for those that end at once.  One that blocked counts when it is answered.
"""

from libc.stdint cimport int64_t
from libc.string cimport memset

from kvstore.binding cimport SKIP_SLOWLOG, Command
from kvstore.engine cimport Client, Store


cdef int note_time(Store s, Client c, Command command, list words, int64_t spent_ns) except -1:
    cdef int64_t now_s = s.now() // 1000
    if spent_ns >= s.latency_ns >= 0:
        event = "fast-command" if "fast" in command.row.flags.split() else "command"
        s.latency.add(event, now_s, spent_ns // 1_000_000)
    if spent_ns >= s.slow_ns >= 0 and not command.flags & SKIP_SLOWLOG:
        peer = getattr(c.link, "peer", None)
        address = "%s:%d" % peer if isinstance(peer, tuple) else peer or ""
        s.slowlog.add(now_s, spent_ns // 1000, words, address, c.name)
    return 0


cdef int count_answered(Store s, Client c, Command command, list words, bint failed) except -1:
    cdef int64_t spent_ns = s.clock.now_ns() - s.last_ns
    command.calls += 1
    command.failed += failed
    command.nsec += spent_ns
    command.took[octave(spent_ns)] += 1
    if spent_ns >= s.watch_ns >= 0:
        note_time(s, c, command, words, spent_ns)
    return 0


def reset_counters(Store s not None) -> None:
    """CONFIG RESETSTAT: everything counted so far is forgotten."""
    cdef Command command
    s.processed = s.connected = s.rejected_calls = s.errors = 0
    s.keyspace.hits = s.keyspace.misses = s.keyspace.expired = 0
    s.keyspace.evicted = s.evicted_clients = 0
    s.error_counts.clear()
    for command in s.commands.values():
        command.calls = command.failed = command.rejected = 0
        command.nsec = 0
        memset(command.took, 0, sizeof(command.took))


def stall(Store s not None, double seconds) -> None:
    """DEBUG SLEEP: do nothing, and let nobody else do anything; it counts as the command's time."""
    cdef int64_t until_ns = s.clock.now_ns() + <int64_t>(seconds * 1e9)
    while s.clock.now_ns() < until_ns:
        pass
    if not s.time_stands:
        s.keyspace.tell_time(s.clock.wall_ms())
