"""Eviction: which keys go when `maxmemory` is reached.

    before a command: used > limit? ─► sample keys ─► pool of the best ─► evict the first ─► again
                                                                    └ none left: -OOM for writers

    allkeys-*    any key may go           lru      the longest unused      random   any
    volatile-*   only those with a TTL    lfu      the least used          ttl      the next to expire
    noeviction   none: commands that may take memory are refused

Exact order would need a list through all keys, and memory for it.  Instead a few keys are drawn and
kept in a pool with the best of earlier draws; measured by Redis's author, five a draw come near to
exact LRU.  What is known of a key stands in its slot (keyspace).

An evicted key is recorded as DEL, so replicas and the log need no memory limit of their own; a
replica evicts nothing.  One command evicts for half a millisecond at most (more with
`maxmemory-eviction-tenacity`); what is left to do is done between other commands.

Invariants:
1. Output to replicas and the log's buffer are not counted: evicting makes them grow.  Nor is what
   those who track keys are told of it, until it had its chance to leave.
2. Nothing is evicted inside a transaction or a script.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport UINT64_MAX

from bedrock.net.buf cimport held
from kvstore.engine cimport CLIENT_BYTES
from kvstore.hashtable cimport HashTable, Slot, order_of
from kvstore.keyspace cimport EVENT_EVICTED
from kvstore.memory cimport account

ORDERS = {
    "lru": BY_USE, "lfu": BY_FREQUENCY, "ttl": BY_DEADLINE, "random": AT_RANDOM,
    "noeviction": NOBODY,
}

cdef enum:
    CHECK_EVERY = 16               # evictions between two looks at the clock
    STEP_NS = 50_000               # of tenacity, below 10
    FOREVER_NS = 0x1000000000000000


cdef class Evictor:
    """Keeps a store below its limit."""

    def __init__(self, Store store not None):
        self.store = store
        self.pool = []

    def configure(self, parameters) -> None:
        """Take over changed parameters."""
        scope, _, rule = parameters["maxmemory-policy"].rpartition("-")
        tenacity = parameters["maxmemory-eviction-tenacity"]
        self.order = ORDERS[rule]
        self.volatile = scope == "volatile"
        self.limit = parameters["maxmemory"]
        self.samples = parameters["maxmemory-samples"]
        if tenacity >= 100:
            self.slice_ns = FOREVER_NS
        else:
            self.slice_ns = <int64_t>(STEP_NS * (
                tenacity if tenacity <= 10 else 10 * 1.15 ** (tenacity - 10)))
        self.pool.clear()

    def used_memory(self) -> int:
        """Bytes that data, connections and buffers take."""
        cdef int64_t used = account.data + held.bytes + len(self.store.primary.backlog) \
            + len(self.store.clients) * CLIENT_BYTES
        self.peak = max(self.peak, used)
        return used

    def not_counted(self) -> int:
        """Bytes of it that are no reason to evict: they grow with every eviction."""
        n = sum([replica.client.link.buffered for replica in self.store.primary.replicas.values()])
        return n + (0 if self.store.journal is None else self.store.journal.buffer.cap)

    cdef int64_t used(self) except -1:
        return self.used_memory() - self.not_counted()

    cdef bint make_room(self) except -1:
        """Evict as much data as is too much; False when that cannot be."""
        cdef int64_t before, excess = self.used() - self.limit
        cdef bint done
        if excess <= 0:
            return True
        if self.order == NOBODY:
            return False
        before, excess = held.bytes, excess - self.unsent()
        done = self.evict_down_to(account.data - excess)
        self.told += held.bytes - before
        return done

    cdef int64_t unsent(self) except -1:
        """Bytes that evictions have made clients be told, and that may not have left yet.

        They leave at the end of the turn, or of the next one if there was none.
        """
        net = self.store.world.net
        if net is None or net.turns > self.told_turn + 1:
            self.told = 0
            self.told_turn = 0 if net is None else net.turns
        return self.told

    cdef bint evict_down_to(self, int64_t enough) except -1:
        """Evict until there is no more data than that, or for as long as one may."""
        cdef int n = 0
        cdef int64_t until = self.store.clock.now_ns() + self.slice_ns
        while account.data > enough:
            if not self.evict_one():
                return False
            n += 1
            if n % CHECK_EVERY == 0 and self.store.clock.now_ns() > until:
                self.go_on_later()
                break
        return True

    def go_on_later(self) -> None:
        """Evict more between the commands to come."""
        if self.timer is None and self.store.server is not None:
            self.timer = self.store.clock.call_at(self.store.clock.now_ns(), self.go_on)

    def go_on(self) -> None:
        """Evict what is still too much, in turns of their own."""
        self.timer = None
        self.store.tick()
        if self.store.limited:
            self.make_room()

    cdef bint evict_one(self) except -1:
        """Evict the best candidate; False when there is none."""
        cdef Database db
        cdef Slot* slot
        cdef bint any_sampled = True
        if self.order == AT_RANDOM:
            return self.evict_any()
        while any_sampled:
            any_sampled = False
            for db in self.store.keyspace.databases:
                if (db.expires if self.volatile else db.keys).used:
                    any_sampled = True
                    self.sample(db)
            while self.pool:
                db, key = self.pool.pop()
                slot = db.keys.find_bytes(key)
                # It may be gone since, or live for ever now.
                if slot is not NULL and (
                        not self.volatile or db.expires.find_bytes(key) is not NULL):
                    db.vanish(slot, EVENT_EVICTED, "evicted")
                    return True
        return False

    cdef bint evict_any(self) except -1:
        cdef Database db
        cdef HashTable table
        cdef list databases = self.store.keyspace.databases
        for _ in range(len(databases)):
            self.next_db = (self.next_db + 1) % len(databases)
            db = databases[self.next_db]
            table = db.expires if self.volatile else db.keys
            if table.used:
                key = <bytes>table.any(self.store.keyspace.rand).key
                db.vanish(db.keys.find_bytes(key), EVENT_EVICTED, "evicted")
                return True
        return False

    cdef int sample(self, Database db) except -1:
        """Draw some keys, and propose each for the pool."""
        cdef HashTable table = db.expires if self.volatile or self.order == BY_DEADLINE else db.keys
        cdef Slot* slot
        cdef Slot* own
        cdef uint64_t score
        for _ in range(min(self.samples, <int64_t>table.used)):
            slot = own = table.any(self.store.keyspace.rand)
            if self.order == BY_DEADLINE:
                score = UINT64_MAX - <uint64_t>slot.value
            else:
                if table is not db.keys:
                    own = db.keys.find_hash(
                        order_of(slot), PyBytes_AS_STRING(<object>slot.key),
                        PyBytes_GET_SIZE(<object>slot.key))
                score = 255 - self.store.keyspace.frequency(own) if self.order == BY_FREQUENCY \
                    else <uint64_t>self.store.keyspace.idle_s(own)
            self.propose(score, db, <bytes>slot.key)
        return 0

    cdef int propose(self, uint64_t score, Database db, bytes key) except -1:
        """Keep a key in the pool if it is better than the worst there, or there is room."""
        cdef int at = 0, n = len(self.pool), i
        while at < n and self.scores[at] < score:
            at += 1
        if n == POOL:
            if at == 0:
                return 0
            # The worst makes room.
            del self.pool[0]
            at -= 1
            for i in range(at):
                self.scores[i] = self.scores[i + 1]
        else:
            for i in range(n, at, -1):
                self.scores[i] = self.scores[i - 1]
        self.scores[at] = score
        self.pool.insert(at, (db, key))
        return 0
