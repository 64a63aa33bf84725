from libc.stdint cimport int64_t, uint64_t

from bedrock.world.rand cimport Rand
from kvstore.hashtable cimport HashTable, Slot
from kvstore.resp cimport Arg


cdef enum Kind:
    STRING, LIST, SET, ZSET, HASH, STREAM


# Classes of keyspace notifications, as `notify-keyspace-events` names them.
cdef enum Event:
    EVENT_KEYSPACE = 1             # K
    EVENT_KEYEVENT = 2             # E
    EVENT_GENERIC = 4              # g
    EVENT_STRING = 8               # $
    EVENT_LIST = 16                # l
    EVENT_SET = 32                 # s
    EVENT_HASH = 64                # h
    EVENT_ZSET = 128               # z
    EVENT_EXPIRED = 256            # x
    EVENT_EVICTED = 512            # e
    EVENT_STREAM = 1024            # t
    EVENT_MISS = 2048              # m
    EVENT_MODULE = 4096            # d
    EVENT_NEW = 8192               # n


cdef class Value:
    cdef Kind kind

    cdef Value duplicate(self)
    cdef str encoding_name(self)
    cdef Py_ssize_t length(self) noexcept


# Someone who must know a database as it was at one moment (kvstore.snapshot, kvstore.checkpoint).
cdef class Walk:
    cdef Walk next                 # another one, or None
    cdef int before(self, Slot* slot) except -1            # a key may be about to change
    cdef int born(self, uint64_t h, bytes key) except -1   # a key that was not there


# Where keys are that are not in memory (kvstore.log_engine).
cdef class Behind:
    cdef bint fetch(self, Database db, const Arg* key) except -1    # put it in `db.keys`
    cdef int note(self, Database db, const Arg* key) except -1      # it may have changed
    cdef int admit(self, value) except -1                           # refuse what it cannot hold
    cdef int reserve(self, size_t n) except -1                      # room for n bytes of changes
    cdef Py_ssize_t count(self, Database db) except -1
    cdef uint64_t scan(self, Database db, uint64_t cursor, size_t count, list keys) except? 0
    cdef int clear(self, Database db) except -1


cdef class Watch:
    cdef bint broken               # a watched key changed
    cdef dict keys                 # (Database, bytes) -> whether it was there


cdef class Keyspace:
    cdef readonly list databases
    cdef readonly Rand rand
    cdef public int64_t now_ms     # wall time of the current turn
    cdef uint64_t clock            # what a key used now is noted with (kvstore.aging)
    cdef bint counting             # the note is how often a key is used, not only when
    cdef int lfu_log_factor, lfu_decay_minutes
    cdef public uint64_t dirty     # changes since the start
    cdef public int events         # classes of notifications someone wants
    cdef public object on_event    # (class, name, key, database) of a notification
    cdef public object on_vanished # (database, key) of a key that expired or was evicted
    cdef public object on_touched  # (key[, died]) of a key that changed or went, for who tracks
    cdef readonly list ready       # (database, key) that changed and that clients wait for
    cdef public bint passive       # a replica: the primary removes keys, here they are only hidden
    cdef public bint loading       # replaying the log: nothing expires by itself
    cdef public uint64_t hits, misses, expired, evicted

    cdef int notify(self, int kind, str name, bytes key, Database db) except -1
    cdef int tell_time(self, int64_t now_ms) noexcept
    cdef int use(self, Slot* slot) noexcept
    cdef int age_anew(self, Slot* slot) noexcept
    cdef int frequency(self, const Slot* slot) noexcept
    cdef int64_t idle_s(self, const Slot* slot) noexcept


cdef class Database:
    cdef readonly Keyspace keyspace
    cdef readonly int index
    cdef readonly HashTable keys       # bytes -> bytes | bytearray | Value
    cdef readonly HashTable expires    # bytes -> ms since 1970, raw
    cdef readonly dict watched         # bytes -> list of Watch
    cdef Walk walk                     # the first of those there are, or None
    cdef readonly dict blocked         # bytes -> dict of what waits for it, in order
    cdef Behind behind                 # where the keys are that `keys` has not, or None

    cdef int attend(self, Walk walk) except -1
    cdef int dismiss(self, Walk walk) except -1
    cdef int touched(self, Slot* slot) except -1        # a key may be about to change
    cdef int added(self, Slot* slot) except -1

    # Append at least `count` keys from `cursor` on; the next cursor, 0 at the end.
    cdef uint64_t scan(self, uint64_t cursor, size_t count, list keys) except? 0
    cdef bytes any_key(self)

    # Look a key up; None when it is not there (any more).
    cdef object find(self, const Arg* key)
    cdef object peek(self, const Arg* key)              # the same, not counted as a use of it
    cdef Slot* slot_of(self, const Arg* key) except? NULL
    cdef object read(self, const Arg* key)              # the same, counted as a hit or a miss
    cdef object read_quietly(self, const Arg* key)      # counted, but not as a use of it
    cdef object counted(self, const Arg* key, object value)
    cdef Value find_kind(self, const Arg* key, Kind kind)
    cdef Value read_kind(self, const Arg* key, Kind kind)
    cdef object find_bytes(self, bytes key)

    # Change the map of keys.  What happened to the value is told by `changed`.
    cdef int set(self, const Arg* key, object value, bint keep_ttl) except -1
    # `set` for a string; `write_at` for one that is there and goes on living.
    cdef int set_text(self, const Arg* key, const Arg* text, bint keep_ttl) except -1
    cdef int write_at(self, Slot* slot, const Arg* text) except -1
    cdef int set_bytes(self, bytes key, object value, bint keep_ttl) except -1
    cdef int replace(self, const Arg* key, object value) except -1
    cdef bint delete(self, const Arg* key) except -1
    cdef int changed(self, const Arg* key, int kind, str name) except -1
    cdef int drop_if_empty(self, const Arg* key, Value value) except -1
    cdef int clear(self) except -1

    cdef int64_t expires_at(self, const Arg* key) noexcept
    cdef int set_expiry(self, const Arg* key, int64_t at_ms) except -1
    cdef bint clear_expiry(self, const Arg* key) except -1
    cdef object living(self, bytes key)
    cdef int vanish(self, Slot* slot, int kind, str name) except -1
    cdef bint is_dead(self, Slot* slot) noexcept
    cdef int tell(self, bytes key, int kind, str name) except -1
    cdef int break_watches(self, bytes key, bint gone) except -1
    cdef int forget_expiry(self, uint64_t h, const Arg* key) except -1

cdef Arg as_arg(bytes data) noexcept
cdef Kind kind_of(object value) noexcept
