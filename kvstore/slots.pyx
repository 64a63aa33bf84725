"""Hash slots: which of the 16,384 a key is in, and whether its slot is served here.

    slot = CRC16(key) mod 16384         CRC-16/XMODEM; of what stands in {} only, if there is any

The check before each request of a node in a cluster: where the keys of most commands stand is known
as first, last, step, so that it costs one CRC a key and makes no objects.  Whatever is not plainly
"one slot, mine, whole" is judged by `kvstore.cluster`, which knows the other nodes.

Reference: Redis Cluster Specification, "Key distribution model" and "Redirection and resharding".
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport uint16_t
from libc.string cimport memchr

from kvstore.binding cimport READ_ONLY
from kvstore.keyspace cimport Database
from kvstore.keyspecs import keys_of, shard_channels_of
from kvstore.resp import ReplyError

CROSS_SLOT = "CROSSSLOT Keys in request don't hash to the same slot"

cdef uint16_t[256] TABLE


cdef int fill_table() noexcept:
    cdef int i, _k
    cdef uint16_t crc
    for i in range(256):
        crc = <uint16_t>(i << 8)
        for _k in range(8):
            crc = <uint16_t>(crc << 1 ^ 0x1021) if crc & 0x8000 else <uint16_t>(crc << 1)
        TABLE[i] = crc
    return 0


fill_table()


cdef int slot_of(const char* p, Py_ssize_t n) noexcept:
    cdef const char* start = <const char*>memchr(p, c'{', n) if n else NULL
    cdef const char* end = NULL
    cdef uint16_t crc = 0
    cdef Py_ssize_t i
    if start is not NULL:
        end = <const char*>memchr(start + 1, c'}', n - (start + 1 - p))
        if end is not NULL and end > start + 1:
            p = start + 1
            n = end - p
    for i in range(n):
        crc = <uint16_t>(crc << 8) ^ TABLE[(crc >> 8 ^ <uint8_t>p[i]) & 0xFF]
    return crc & (SLOTS - 1)


def key_slot(key: bytes) -> int:
    """The slot of a key."""
    return slot_of(PyBytes_AS_STRING(key), PyBytes_GET_SIZE(key))


def keys_in_slot(Database db not None, int slot, Py_ssize_t most=-1) -> list[bytes]:
    """Keys there are in a slot; all keys are walked, as nothing is kept by slot."""
    cdef list found = []
    cdef bytes key
    cdef size_t i
    for i in range(db.keys.end):
        if len(found) == most:
            break
        if db.keys.slots[i].key is not NULL:
            key = <bytes>db.keys.slots[i].key
            if slot_of(PyBytes_AS_STRING(key), PyBytes_GET_SIZE(key)) == slot:
                found.append(key)
    return found


cdef class Router:
    """What one node serves; `cluster` keeps `states` in step with what it knows."""

    def __init__(self, cluster):
        self.cluster = cluster

    def set_state(self, int slot, int state) -> None:
        """Note what this node has to do with a slot."""
        self.states[slot] = state

    cdef int check(self, Client c, Command command, Args a) except -1:
        cdef int slot, first_slot
        cdef Py_ssize_t i, last
        if command.subcommands is not None and a.n > 1:
            command = command.subcommands.get(a.text(1).decode("latin-1").lower(), command)
        if command.row.name == "exec":
            return self.check_queue(c)
        if not command.placed:
            command.place_keys()
        if command.movable:
            return self.check_keys(c, command, keys_named(command.row.name, a.list()))
        if command.first_key == 0 or command.first_key >= a.n:
            return 0
        last = command.last_key if command.last_key >= 0 else a.n + command.last_key
        first_slot = slot_of(a.v[command.first_key].p, a.v[command.first_key].n)
        for i in range(command.first_key + command.key_step, min(last + 1, a.n), command.key_step):
            slot = slot_of(a.v[i].p, a.v[i].n)
            if slot != first_slot:
                raise ReplyError(CROSS_SLOT)
        if self.states[first_slot] == MINE and self.cluster.up:
            return 0
        words = a.list()
        return self.check_keys(
            c, command,
            keys_named(command.row.name, words) or shard_channels_of(command.row.name, words))

    cdef int check_queue(self, Client c) except -1:
        """EXEC: all keys of the transaction count as those of one request."""
        cdef Command command
        cdef Args words
        cdef list keys = []
        cdef bint reads = True
        for command, words in c.queue or ():
            keys += keys_named(command.row.name, words.list())
            reads = reads and command.flags & READ_ONLY
        if keys:
            self.cluster.judge(c, same_slot(keys), keys, reads)
        return 0

    cdef int check_keys(self, Client c, Command command, list keys) except -1:
        if keys:
            self.cluster.judge(
                c, same_slot(keys), keys, command.flags & READ_ONLY != 0,
                command.row.name == "restore-asking")
        return 0


def keys_named(name: str, words: list[bytes]) -> list[bytes]:
    """The keys of a request; none of one that is wrong, which the command itself will tell."""
    try:
        return [key for key, _ in keys_of(name, words)]
    except ValueError:
        return []


def same_slot(keys: list[bytes]) -> int:
    """The slot of all keys, or the error for several."""
    slots = {key_slot(key) for key in keys}
    if len(slots) > 1:
        raise ReplyError(CROSS_SLOT)
    return slots.pop()


def slot_of_request(name: str, words: list[bytes]) -> int:
    """The slot of a request's keys, -1 when it names none."""
    keys = keys_named(name, words)
    return same_slot(keys) if keys else -1
