"""The keyspace: numbered databases, each a map from key to value with optional times to live.

A string is a plain `bytes` (or a `bytearray` once APPEND or SETRANGE grew it in place); every other
type is a `Value`.  Deadlines live beside the values, in a table of their own, so that a key without
one pays nothing.

    lookup ─► deadline passed? ─► delete it, tell the log (DEL) and the subscribers ─► "not there"

A key dies when it is next touched (lazy) or when the sampling of `expire_some` meets it (active);
both ways the same code runs.  Whoever changes a value calls `changed`, which is where transactions
(WATCH), blocked clients, notifications and the log hear of it.

Every lookup notes in the key's slot when that was, for those who choose what to evict:

    by time (LRU)        | second of last use : 24 |                 wraps after 194 days
    by frequency (LFU)   | minute : 16 | counter : 8 |               logarithmic, and decays

Invariants:
1. An empty list, set, sorted set or hash is never stored.
2. A key in `expires` is in `keys`.
3. Nothing expires while the log is replayed: the log says when keys died.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, \
    PyBytes_GET_SIZE
from cpython.object cimport PyObject

from kvstore.hashtable cimport NOTE, hash_of, order_of
from kvstore.memory cimport gave, object_size, took
from kvstore.resp import ReplyError

cdef extern from *:
    """
    static inline int overwrite(PyObject* value, const char* p, Py_ssize_t n) {
        if (!PyBytes_CheckExact(value) || Py_REFCNT(value) != 1 || Py_SIZE(value) != n) return 0;
        memcpy(PyBytes_AS_STRING(value), p, n);
        ((PyBytesObject*)value)->ob_shash = -1;
        return 1;
    }
    """
    # Put other bytes into a bytes object that is as long and has no other owner.
    bint overwrite(PyObject* value, const char* p, Py_ssize_t n) noexcept

KIND_NAMES = ("string", "list", "set", "zset", "hash", "stream")

cdef enum:
    SAMPLE = 20                    # keys looked at in one round of active expiry
    NEW_COUNTER = 5                # so that a new key is not the first to go


class WrongType(ReplyError):
    """The key holds a value of another type than the command is for."""

    def __init__(self):
        super().__init__("WRONGTYPE Operation against a key holding the wrong kind of value")


cdef class Value:
    """Base of the collection types."""

    def __cinit__(self, *_, **__):
        took(object_size(self))

    def __dealloc__(self):
        gave(object_size(self))

    cdef Value duplicate(self):
        """A deep copy (COPY)."""
        raise NotImplementedError

    cdef str encoding_name(self):
        """What OBJECT ENCODING calls the present representation."""
        raise NotImplementedError

    cdef Py_ssize_t length(self) noexcept:
        """Elements held."""
        return 0

    @property
    def encoding(self) -> str:
        """What OBJECT ENCODING calls the present representation."""
        return self.encoding_name()

    def __len__(self) -> int:
        return self.length()


cdef class Walk:
    """What a database tells someone who must know it as it was."""

    cdef int before(self, Slot* slot) except -1:
        raise NotImplementedError

    cdef int born(self, uint64_t h, bytes key) except -1:
        raise NotImplementedError


cdef class Behind:
    """What holds the keys that are not in memory."""

    cdef bint fetch(self, Database db, const Arg* key) except -1:
        raise NotImplementedError

    cdef int note(self, Database db, const Arg* key) except -1:
        raise NotImplementedError

    cdef int admit(self, value) except -1:
        raise NotImplementedError

    cdef int reserve(self, size_t n) except -1:
        raise NotImplementedError

    cdef Py_ssize_t count(self, Database db) except -1:
        raise NotImplementedError

    cdef uint64_t scan(self, Database db, uint64_t cursor, size_t count, list keys) except? 0:
        raise NotImplementedError

    cdef int clear(self, Database db) except -1:
        raise NotImplementedError


cdef class Watch:
    """What a client watches, from WATCH to EXEC: `broken` once any of it changed.

    A key whose time has passed is not there, whether it is still stored or not: that it goes, or
    is exchanged for another such key, is no change to those who watched it as missing.
    """

    def __cinit__(self):
        self.keys = {}

    def add(self, Database db, bytes key) -> None:
        """Watch one more key."""
        if (db, key) not in self.keys:
            self.keys[db, key] = db.find_bytes(key) is not None
            db.watched.setdefault(key, []).append(self)

    def end(self) -> None:
        """Watch nothing any more."""
        for db, key in self.keys:
            watchers = (<Database>db).watched[key]
            watchers.remove(self)
            if not watchers:
                del (<Database>db).watched[key]
        self.keys = {}
        self.broken = False

    @property
    def is_broken(self) -> bool:
        """True when a watched key changed, or expired since it was watched."""
        if not self.broken:
            for (db, key), was_there in self.keys.items():
                if was_there and (<Database>db).find_bytes(key) is None:
                    self.broken = True
        return self.broken


cdef Arg as_arg(bytes data) noexcept:
    """A view of bytes, which must outlive it."""
    cdef Arg arg
    arg.p = PyBytes_AS_STRING(data)
    arg.n = PyBytes_GET_SIZE(data)
    return arg


cdef Kind kind_of(object value) noexcept:
    return (<Value>value).kind if isinstance(value, Value) else STRING


def type_name(value) -> str:
    """What TYPE answers for a value; None = not there."""
    return "none" if value is None else KIND_NAMES[kind_of(value)]


cdef class Keyspace:
    """All databases, and what they tell the outside.

    n:    number of databases
    rand: for random elements and for sampling
    """

    def __init__(self, int n, Rand rand not None):
        self.rand = rand
        self.ready = []
        self.databases = [Database(self, i) for i in range(n)]

    cdef int notify(self, int kind, str name, bytes key, Database db) except -1:
        if self.events & kind and self.on_event is not None:
            self.on_event(kind, name, key, db)
        return 0

    # ------------------------------------------------------------------ use of keys

    def age_by(self, counting: bool, lfu_log_factor: int, lfu_decay_minutes: int) -> None:
        """What is noted of keys from now on."""
        self.counting = counting
        self.lfu_log_factor = lfu_log_factor
        self.lfu_decay_minutes = lfu_decay_minutes
        self.tell_time(self.now_ms)

    cdef int tell_time(self, int64_t now_ms) noexcept:
        self.now_ms = now_ms
        if self.counting:
            self.clock = <uint64_t>(now_ms // 60_000 & 0xFFFF) << 8
        else:
            self.clock = <uint64_t>(now_ms // 1000) & NOTE
        return 0

    cdef int use(self, Slot* slot) noexcept:
        """A key is used."""
        cdef int counter
        cdef uint64_t above
        if not self.counting:
            slot.hash = order_of(slot) | self.clock
            return 0
        counter = self.frequency(slot)
        if counter < 255:
            above = <uint64_t>max(counter - NEW_COUNTER, 0) * self.lfu_log_factor + 1
            counter += self.rand.next() % above == 0
        slot.hash = order_of(slot) | self.clock | <uint64_t>counter
        return 0

    cdef int age_anew(self, Slot* slot) noexcept:
        """A key is there for the first time."""
        slot.hash = order_of(slot) | self.clock | (NEW_COUNTER if self.counting else 0)
        return 0

    cdef int frequency(self, const Slot* slot) noexcept:
        """The counter of a key as it is now, decayed by the time since its last use."""
        cdef uint64_t note = slot.hash & NOTE
        cdef int minutes = <int>((self.clock >> 8) - (note >> 8)) & 0xFFFF
        cdef int lost = minutes // self.lfu_decay_minutes if self.lfu_decay_minutes else 0
        return max(<int>(note & 0xFF) - lost, 0)

    cdef int64_t idle_s(self, const Slot* slot) noexcept:
        """Seconds since the last use of a key."""
        if self.counting:
            return <int64_t>(((self.clock >> 8) - (slot.hash >> 8)) & 0xFFFF) * 60
        return <int64_t>((self.clock - slot.hash) & NOTE)

    # ------------------------------------------------------------------ active expiry

    def expire_some(self, budget: int = 16) -> int:
        """Active expiry: sample every database, again while a quarter of the sample was dead.

        budget: rounds at most, so that a turn stays short.  Returns the keys removed.
        """
        cdef Py_ssize_t _i
        cdef Database db
        cdef Slot* slot
        cdef Slot* dead
        cdef int64_t at
        cdef int gone, total = 0
        for db in self.databases:
            while budget > 0 and db.expires.used:
                budget -= 1
                gone = 0
                for _i in range(min(<size_t>SAMPLE, db.expires.used)):
                    slot = db.expires.any(self.rand)
                    if slot is NULL:
                        break
                    at = <int64_t>slot.value
                    if at <= self.now_ms:
                        dead = db.keys.find_bytes(<bytes>slot.key)
                        db.vanish(dead, EVENT_EXPIRED, "expired")
                        gone += 1
                total += gone
                if gone * 4 <= SAMPLE:
                    break
        return total


cdef class Database:
    """One numbered database (SELECT)."""

    def __init__(self, Keyspace keyspace not None, int index):
        self.keyspace = keyspace
        self.index = index
        self.keys = HashTable()
        self.expires = HashTable(raw=True, borrows=True)
        self.watched = {}
        self.blocked = {}

    # ------------------------------------------------------------------ lookups

    cdef Slot* slot_of(self, const Arg* key) except? NULL:
        """Where a key is that is alive, NULL without one."""
        cdef Slot* slot = self.keys.find(key.p, key.n)
        if slot is NULL:
            if self.behind is None or not self.behind.fetch(self, key):
                return NULL
            slot = self.keys.find(key.p, key.n)
        if self.expires.used and self.is_dead(slot):
            if not self.keyspace.passive:
                self.vanish(slot, EVENT_EXPIRED, "expired")
            return NULL
        if self.walk is not None:
            self.touched(slot)
        return slot

    cdef object find(self, const Arg* key):
        cdef Slot* slot = self.slot_of(key)
        if slot is NULL:
            return None
        self.keyspace.use(slot)
        return <object><PyObject*>slot.value

    cdef object peek(self, const Arg* key):
        cdef Slot* slot = self.slot_of(key)
        return None if slot is NULL else <object><PyObject*>slot.value

    cdef object read(self, const Arg* key):
        return self.counted(key, self.find(key))

    cdef object read_quietly(self, const Arg* key):
        return self.counted(key, self.peek(key))

    cdef object counted(self, const Arg* key, object value):
        if value is None:
            self.keyspace.misses += 1
            if self.keyspace.events & EVENT_MISS:
                self.keyspace.notify(
                    EVENT_MISS, "keymiss", PyBytes_FromStringAndSize(key.p, key.n), self)
        else:
            self.keyspace.hits += 1
        return value

    cdef Value find_kind(self, const Arg* key, Kind kind):
        value = self.find(key)
        if value is None:
            return None
        if not isinstance(value, Value) or (<Value>value).kind != kind:
            raise WrongType
        return <Value>value

    cdef Value read_kind(self, const Arg* key, Kind kind):
        value = self.read(key)
        if value is None:
            return None
        if not isinstance(value, Value) or (<Value>value).kind != kind:
            raise WrongType
        return <Value>value

    cdef object find_bytes(self, bytes key):
        cdef Arg arg = as_arg(key)
        return self.find(&arg)

    def get(self, key: bytes):
        """The value of a key, None when it is not there; not a use of it."""
        cdef Arg arg = as_arg(key)
        return self.peek(&arg)

    def held(self, key: bytes):
        """The same, whether or not its time has passed."""
        cdef Slot* slot = self.keys.find(PyBytes_AS_STRING(key), PyBytes_GET_SIZE(key))
        return self.get(key) if slot is NULL else <object><PyObject*>slot.value

    def add_missing(self, key: bytes, value: bytes) -> None:
        """Give a key a value if it has none."""
        cdef Arg arg = as_arg(key)
        if self.peek(&arg) is None:
            self.set(&arg, value, False)
            self.changed(&arg, EVENT_STRING, "set")

    def remove(self, key: bytes) -> None:
        """Remove a key that is there, and tell of it."""
        cdef Arg arg = as_arg(key)
        self.delete(&arg)
        self.changed(&arg, EVENT_GENERIC, "del")

    def idle_s(self, key: bytes) -> int | None:
        """Seconds since a key was used, None without it."""
        cdef Arg arg = as_arg(key)
        cdef Slot* slot = self.slot_of(&arg)
        return None if slot is NULL else self.keyspace.idle_s(slot)

    def frequency(self, key: bytes) -> int | None:
        """How often a key is used, on a logarithmic scale; None without it."""
        cdef Arg arg = as_arg(key)
        cdef Slot* slot = self.slot_of(&arg)
        return None if slot is NULL else self.keyspace.frequency(slot)

    def note_use(self, key: bytes, idle_s: int = -1, frequency: int = -1) -> None:
        """State of a key that it was not used for a while, or how often it is (RESTORE)."""
        cdef Arg arg = as_arg(key)
        cdef Slot* slot = self.slot_of(&arg)
        cdef Keyspace keyspace = self.keyspace
        if slot is NULL:
            return
        if frequency >= 0 and keyspace.counting:
            slot.hash = order_of(slot) | keyspace.clock | <uint64_t>min(frequency, 255)
        elif idle_s >= 0 and not keyspace.counting:
            slot.hash = order_of(slot) | (keyspace.clock - <uint64_t>idle_s) & NOTE

    def ttl_at(self, key: bytes) -> int:
        """When a key expires (ms since 1970), -1 when it does not."""
        cdef Arg arg = as_arg(key)
        return self.expires_at(&arg)

    def __len__(self) -> int:
        return self.keys.used if self.behind is None else self.behind.count(self)

    cdef uint64_t scan(self, uint64_t cursor, size_t count, list keys) except? 0:
        if self.behind is not None:
            return self.behind.scan(self, cursor, count, keys)
        return self.keys.scan(cursor, count, keys)

    cdef bytes any_key(self):
        """A random key, perhaps a dead one; None when there is none."""
        cdef Slot* slot
        cdef list found = []
        if self.behind is not None:
            if not self.behind.scan(self, self.keyspace.rand.next() >> 16, 1, found) and not found:
                self.behind.scan(self, 0, 1, found)
            return found[0] if found else None
        slot = self.keys.any(self.keyspace.rand)
        return None if slot is NULL else <bytes>slot.key

    cdef bint is_dead(self, Slot* slot) noexcept:
        cdef Slot* deadline = self.expires.find_hash(
            order_of(slot), PyBytes_AS_STRING(<object>slot.key), PyBytes_GET_SIZE(<object>slot.key))
        return deadline is not NULL and <int64_t>deadline.value <= self.keyspace.now_ms \
            and not self.keyspace.loading

    cdef int vanish(self, Slot* slot, int kind, str name) except -1:
        """A key goes without a command to remove it (expired, evicted), for everyone."""
        cdef bytes key = <bytes>slot.key
        cdef Arg arg = as_arg(key)
        if kind == EVENT_EXPIRED:
            self.keyspace.expired += 1
        else:
            self.keyspace.evicted += 1
        if self.keyspace.on_vanished is not None:
            self.keyspace.on_vanished(self, key)
        self.delete(&arg)
        if self.watched:
            self.break_watches(key, True)
        if self.keyspace.on_touched is not None:
            self.keyspace.on_touched(key, True)
        self.keyspace.notify(kind, name, key, self)
        return 0

    # ------------------------------------------------------------------ walks

    cdef int attend(self, Walk walk) except -1:
        """Tell a walk of every key that may change."""
        walk.next = self.walk
        self.walk = walk
        return 0

    cdef int dismiss(self, Walk walk) except -1:
        """Tell it no more; a walk that is not told is left alone."""
        cdef Walk each = self.walk
        if each is walk:
            self.walk = walk.next
            return 0
        while each is not None and each.next is not walk:
            each = each.next
        if each is not None:
            each.next = walk.next
        return 0

    cdef int touched(self, Slot* slot) except -1:
        cdef Walk walk = self.walk
        while walk is not None:
            walk.before(slot)
            walk = walk.next
        return 0

    cdef int added(self, Slot* slot) except -1:
        cdef Walk walk = self.walk
        while walk is not None:
            walk.born(slot.hash, <bytes>slot.key)
            walk = walk.next
        return 0

    # ------------------------------------------------------------------ changes

    cdef int set(self, const Arg* key, object value, bint keep_ttl) except -1:
        """Give a key a value, whether it was there or not; its time to live ends unless kept."""
        cdef Slot* slot
        cdef uint64_t h = hash_of(key.p, key.n)
        if self.behind is not None:
            self.behind.admit(value)
            if keep_ttl:
                self.slot_of(key)
            self.behind.note(self, key)
        slot = self.keys.find_hash(h, key.p, key.n)
        if slot is NULL:
            slot = self.keys.add(h, PyBytes_FromStringAndSize(key.p, key.n))
            if self.walk is not None:
                self.added(slot)
            self.keys.put_value(slot, value)
            self.keyspace.age_anew(slot)
            if self.keyspace.events & EVENT_NEW:
                self.keyspace.notify(EVENT_NEW, "new", <bytes>slot.key, self)
            return 0
        if self.walk is not None:
            self.touched(slot)
        if self.expires.used and not keep_ttl:
            self.forget_expiry(h, key)
        self.keyspace.use(slot)
        return self.keys.put_value(slot, value)

    cdef int set_text(self, const Arg* key, const Arg* text, bint keep_ttl) except -1:
        cdef uint64_t h
        cdef Slot* slot = NULL
        if self.behind is None:
            h = hash_of(key.p, key.n)
            slot = self.keys.find_hash(h, key.p, key.n)
        if slot is NULL:
            return self.set(key, PyBytes_FromStringAndSize(text.p, text.n), keep_ttl)
        if self.walk is not None:
            self.touched(slot)
        if self.expires.used and not keep_ttl:
            self.forget_expiry(h, key)
        self.keyspace.use(slot)
        return self.write_at(slot, text)

    cdef int write_at(self, Slot* slot, const Arg* text) except -1:
        """Another string for a key: where the old one was, if it is as long and nobody has it."""
        if overwrite(<PyObject*>slot.value, text.p, text.n):
            return 0
        return self.keys.put_value(slot, PyBytes_FromStringAndSize(text.p, text.n))

    cdef int set_bytes(self, bytes key, object value, bint keep_ttl) except -1:
        cdef Arg arg = as_arg(key)
        return self.set(&arg, value, keep_ttl)

    cdef int replace(self, const Arg* key, object value) except -1:
        """Another value for a key, its time to live goes on."""
        return self.set(key, value, True)

    cdef bint delete(self, const Arg* key) except -1:
        """Remove a key; False when it was not there."""
        cdef uint64_t h = hash_of(key.p, key.n)
        cdef Slot* slot = self.keys.find_hash(h, key.p, key.n)
        if slot is NULL:
            if self.behind is None or not self.behind.fetch(self, key):
                return False
            slot = self.keys.find_hash(h, key.p, key.n)
        if self.behind is not None:
            self.behind.note(self, key)
        if self.walk is not None:
            self.touched(slot)
        if self.expires.used:
            self.forget_expiry(h, key)
        self.keys.remove(slot)
        return True

    cdef int changed(self, const Arg* key, int kind, str name) except -1:
        """A key's value changed: count it, and tell watchers, waiters and subscribers.

        kind, name: class and name of the notification.
        """
        cdef Keyspace keyspace = self.keyspace
        keyspace.dirty += 1
        if self.behind is not None:
            self.behind.note(self, key)
        if self.watched or self.blocked or keyspace.events & kind \
                or keyspace.on_touched is not None:
            self.tell(PyBytes_FromStringAndSize(key.p, key.n), kind, name)
        return 0

    cdef int tell(self, bytes key, int kind, str name) except -1:
        if self.watched:
            self.break_watches(key, False)
        if self.keyspace.on_touched is not None:
            self.keyspace.on_touched(key)
        if key in self.blocked:
            self.keyspace.ready.append((self, key))
        return self.keyspace.notify(kind, name, key, self)

    cdef int break_watches(self, bytes key, bint gone) except -1:
        """Tell who watches a key that it changed; gone: to those who saw it there that it is not."""
        cdef Watch watch
        for watch in self.watched.get(key, ()):
            if not gone or watch.keys[self, key]:
                watch.broken = True
        return 0

    cdef int drop_if_empty(self, const Arg* key, Value value) except -1:
        """Keep invariant 1 after elements were removed."""
        if value.length() == 0:
            self.delete(key)
            self.keyspace.notify(
                EVENT_GENERIC, "del", PyBytes_FromStringAndSize(key.p, key.n), self)
        return 0

    cdef int clear(self) except -1:
        """Remove every key (FLUSHDB)."""
        for key in list(self.watched):
            if self.find_bytes(key) is not None:
                self.break_watches(key, False)
        self.keyspace.dirty += len(self)
        if self.behind is not None:
            self.behind.clear(self)
        if self.walk is None:
            self.keys.clear()
            self.expires.clear()
        else:
            # A snapshot goes on with what was there.
            self.keys = HashTable()
            self.expires = HashTable(raw=True, borrows=True)
            self.walk = None
        self.keyspace.ready.extend([(self, key) for key in self.blocked])
        return 0

    cdef object living(self, bytes key):
        """What is at a key; None if its time has passed, though it may still be stored."""
        cdef Slot* slot = self.keys.find_bytes(key)
        return None if slot is NULL or self.is_dead(slot) else <object><PyObject*>slot.value

    def exchange(self, Database other not None) -> None:
        """SWAPDB: each gets the other's keys; clients stay where they are."""
        if self.behind is not None:
            raise ReplyError("ERR SWAPDB is not possible with the log engine")
        watched = {(db, key) for db in (self, other) for key in (<Database>db).watched}
        before = {(db, key): (<Database>db).living(key) for db, key in watched}
        self.keys, other.keys = other.keys, self.keys
        self.expires, other.expires = other.expires, self.expires
        self.walk, other.walk = other.walk, self.walk
        for db, key in watched:
            if (<Database>db).living(key) is not before[db, key]:
                (<Database>db).tell(key, 0, "")
        for db in (self, other):
            for key in (<Database>db).blocked:
                if (<Database>db).keys.find_bytes(key) is not NULL:
                    self.keyspace.ready.append((db, key))

    # ------------------------------------------------------------------ deadlines

    cdef int64_t expires_at(self, const Arg* key) noexcept:
        cdef Slot* slot = self.expires.find(key.p, key.n)
        return -1 if slot is NULL else <int64_t>slot.value

    cdef int set_expiry(self, const Arg* key, int64_t at_ms) except -1:
        """Let a key that is there die at a time (ms since 1970)."""
        cdef uint64_t h = hash_of(key.p, key.n)
        cdef Slot* slot = self.expires.find_hash(h, key.p, key.n)
        cdef Slot* owner
        if self.behind is not None:
            self.behind.note(self, key)
        if slot is NULL:
            owner = self.keys.find_hash(h, key.p, key.n)
            slot = self.expires.add(h, <bytes>owner.key)
        slot.value = <void*>at_ms
        return 0

    cdef bint clear_expiry(self, const Arg* key) except -1:
        """Let a key live on; False when it had no deadline."""
        if self.behind is not None:
            self.behind.note(self, key)
        return self.expires.discard(key.p, key.n)

    cdef int forget_expiry(self, uint64_t h, const Arg* key) except -1:
        cdef Slot* slot = self.expires.find_hash(h, key.p, key.n)
        if slot is not NULL:
            self.expires.remove(slot)
        return 0
