"""A hash table of bytes that is ordered by hash: what the keyspace and every collection stand on.

Why not a dict: looking a key up must not make a bytes object of it, SCAN needs a cursor that
survives growth, and SPOP a random element in constant time.

    slot of a key = hash * cap >> 64, then linear probing; runs are kept sorted by hash

    hashes   | 03.. |  -   | 21.. | 24.. | 2f.. |  -   | 61.. |   ...        | margin |
    slots       0      1      2      3      4      5      6

Since the home slot grows with the hash, the whole table is sorted by it.  So

- growing is one pass from the end to the beginning, in place, and the capacity may be any number:
  a large table grows by an eighth, so that four fifths of its slots are in use;
- a SCAN cursor is simply the next hash: keys that stay are met exactly once, however often the
  table grew or shrank in between;
- a lookup ends at the first larger hash: misses cost no more than hits.

Ordered probing is Amble and Knuth, "Ordered hash tables" (1974); the hash is a keyed multiply-fold
in the manner of wyhash, so that a client cannot choose colliding keys.

A key is a bytes object, or a word (`words`): a field or a member is wanted as an object so seldom
that it need not be one.

The order needs no more than 40 bits of the hash.  The lower 24 of the word are the owner's: the
keyspace keeps there when a key was last used, which so takes no memory at all.

Invariants:
1. Occupied slots are strictly ordered by position and non-decreasing in hash, the note left out.
2. No free slot lies between a key's home slot and the key.
3. used <= 7/8 of cap; the margin is never full.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.ref cimport Py_INCREF, Py_XDECREF
from libc.stdlib cimport free, realloc
from libc.string cimport memcmp, memcpy, memmove, memset

from bedrock.world.rand cimport OsRand
from kvstore.memory cimport gave, malloc_size, object_size, took, weight
from kvstore.words cimport drop_word, make_word

cdef extern from *:
    """
    #include <stdint.h>
    #include <string.h>

    static uint64_t table_seed[2] = {0x9E3779B97F4A7C15ull, 0xD1B54A32D192ED03ull};

    static inline uint64_t fold(uint64_t a, uint64_t b) {
        __uint128_t product = (__uint128_t)a * b;
        return (uint64_t)product ^ (uint64_t)(product >> 64);
    }
    static inline uint64_t word(const char* p) {
        uint64_t x; memcpy(&x, p, 8); return x;
    }
    static inline uint64_t half(const char* p) {
        uint32_t x; memcpy(&x, p, 4); return x;
    }
    static inline uint64_t hash_with(const char* p, Py_ssize_t n, const uint64_t* seed) {
        uint64_t h = seed[0] ^ (uint64_t)n, a, b;
        if (n > 16) {
            const char* last = p + n - 16;
            while (p < last) {
                h = fold(word(p) ^ seed[1], word(p + 8) ^ h);
                p += 16;
            }
            a = word(last); b = word(last + 8);
        } else if (n >= 8) {
            a = word(p); b = word(p + n - 8);
        } else if (n >= 4) {
            a = half(p); b = half(p + n - 4);
        } else if (n > 0) {
            a = (uint64_t)(unsigned char)p[0] << 16 | (uint64_t)(unsigned char)p[n >> 1] << 8
                | (unsigned char)p[n - 1];
            b = 0;
        } else {
            a = b = 0;
        }
        return fold(fold(a ^ seed[1], b ^ h), seed[0] ^ 0x2D358DCCAA6C78A5ull);
    }
    static inline uint64_t hash_bytes(const char* p, Py_ssize_t n) {
        return hash_with(p, n, table_seed) & ~(uint64_t)0xFFFFFF;
    }
    static inline size_t home_of(uint64_t h, size_t cap) {
        return (size_t)(((__uint128_t)h * cap) >> 64);
    }
    """
    uint64_t* table_seed
    uint64_t hash_bytes(const char* p, Py_ssize_t n) nogil
    uint64_t hash_with(const char* p, Py_ssize_t n, const uint64_t* seed) nogil
    size_t home_of(uint64_t h, size_t cap) nogil

cdef enum:
    SMALLEST = 4
    LARGE = 1 << 14
    MARGIN = 24
    CURSOR_BITS = 40               # all that is ordered; some clients keep cursors in doubles


cdef inline size_t larger(size_t cap) noexcept:
    """The next capacity: a half more, an eighth when it is memory that counts, not time."""
    return cap + (cap >> 3 if cap >= LARGE else cap >> 1) if cap else SMALLEST


cdef uint64_t hash_of(const char* p, Py_ssize_t n) noexcept:
    return hash_bytes(p, n)


cdef uint64_t keyed_hash(const char* p, Py_ssize_t n, const uint64_t* seed) noexcept:
    return hash_with(p, n, seed)


cdef bint decided = False          # the first store of a process decides for all


cdef int seed_hash(Rand rand) except -1:
    """Key the hash, once in a process: another key would make every table there is unreadable.

    A simulation, whose numbers can be drawn again, leaves it as it is.
    """
    global decided
    if not decided and isinstance(rand, OsRand):
        table_seed[0] = rand.next() | 1
        table_seed[1] = rand.next() | 1
    decided = True
    return 0


cdef class HashTable:
    """raw: values are 8 bytes of anything; borrows: another table has the same keys.

    words: keys and values are words, not objects.
    """

    def __cinit__(self, bint raw=False, bint borrows=False, bint words=False):
        self.raw = raw
        self.borrows = borrows
        self.words = words
        took(object_size(self))

    def __dealloc__(self):
        self.drop_all(self.slots, self.end)
        gave(object_size(self))

    cdef int drop_all(self, Slot* slots, size_t end) except -1:
        """Give back the slots and what is in them."""
        cdef size_t i
        for i in range(end):
            if slots[i].key is not NULL:
                self.release(&slots[i])
        if slots is not NULL:
            gave(malloc_size(end * sizeof(Slot)))
            free(slots)
        return 0

    cdef int release(self, Slot* slot) except -1:
        """Give back a key and its value."""
        cdef PyObject* key = slot.key
        cdef PyObject* value = NULL if self.raw else <PyObject*>slot.value
        if self.words:
            drop_word(<char*>key)
            if value is not NULL:
                drop_word(<char*>value)
            return 0
        if value is not NULL:
            gave(weight(<object>value))
            Py_XDECREF(value)
        if not self.borrows:
            gave(weight(<object>key))
        Py_XDECREF(key)
        return 0

    def __len__(self) -> int:
        return self.used

    @property
    def memory(self) -> int:
        """Bytes of the table itself, keys and values not counted."""
        return self.end * sizeof(Slot)

    @property
    def slots_allocated(self) -> int:
        """Slots, in use or not."""
        return self.end

    cdef Slot* find_hash(self, uint64_t h, const char* p, Py_ssize_t n) noexcept:
        cdef Slot* slot
        if self.used == 0:
            return NULL
        slot = &self.slots[home_of(h, self.cap)]
        while slot.key is not NULL and slot.hash < h:
            slot += 1
        while slot.key is not NULL and slot.hash - h <= NOTE:
            if self.has_key(slot, p, n):
                return slot
            slot += 1
        return NULL

    cdef bint has_key(self, const Slot* slot, const char* p, Py_ssize_t n) noexcept:
        cdef Arg key
        if self.words:
            read_word(<const char*>slot.key, &key)
            return key.n == n and memcmp(key.p, p, n) == 0
        return PyBytes_GET_SIZE(<object>slot.key) == n \
            and memcmp(PyBytes_AS_STRING(<object>slot.key), p, n) == 0

    cdef Slot* find(self, const char* p, Py_ssize_t n) noexcept:
        return self.find_hash(hash_bytes(p, n), p, n)

    cdef Slot* find_bytes(self, bytes key) noexcept:
        return self.find(PyBytes_AS_STRING(key), PyBytes_GET_SIZE(key))

    cdef Slot* place(self, uint64_t h) except NULL:
        cdef Slot* slot
        cdef Slot* free_slot
        if self.used * 8 >= self.cap * 7:
            self.resize(larger(self.cap))
        while True:
            slot = &self.slots[home_of(h, self.cap)]
            while slot.key is not NULL and slot.hash <= h | NOTE:
                slot += 1
            free_slot = slot
            while free_slot.key is not NULL:
                free_slot += 1
            # The last slot stays free, so that every run ends inside the table.
            if free_slot < self.slots + self.end - 1:
                break
            self.resize(larger(self.cap))
        if free_slot != slot:
            memmove(slot + 1, slot, (free_slot - slot) * sizeof(Slot))
        slot.hash = h
        slot.value = NULL
        self.used += 1
        return slot

    cdef Slot* add(self, uint64_t h, bytes key) except NULL:
        cdef Slot* slot = self.place(h)
        Py_INCREF(key)
        if not self.borrows:
            took(weight(key))
        slot.key = <PyObject*>key
        return slot

    cdef Slot* add_bytes(self, bytes key) except NULL:
        return self.add(hash_bytes(PyBytes_AS_STRING(key), PyBytes_GET_SIZE(key)), key)

    cdef bint put(self, bytes key, object value) except -1:
        cdef uint64_t h = hash_bytes(PyBytes_AS_STRING(key), PyBytes_GET_SIZE(key))
        cdef Slot* slot = self.find_hash(h, PyBytes_AS_STRING(key), PyBytes_GET_SIZE(key))
        cdef bint new = slot is NULL
        if new:
            slot = self.add(h, key)
        self.put_value(slot, value)
        return new

    cdef bint put_word(self, const Arg* key, const Arg* value) except -1:
        cdef uint64_t h = hash_bytes(key.p, key.n)
        cdef Slot* slot = self.find_hash(h, key.p, key.n)
        cdef char* old = NULL if slot is NULL else <char*>slot.value
        cdef bint new = slot is NULL
        cdef char* word
        cdef Arg held
        if new:
            word = make_word(key.p, key.n)
            slot = self.place(h)
            slot.key = <PyObject*>word
        if value is NULL:
            return new
        if old is not NULL:
            read_word(old, &held)
            if held.n == value.n:
                memcpy(<char*>held.p, value.p, value.n)
                return False
        slot.value = make_word(value.p, value.n)
        if old is not NULL:
            drop_word(old)
        return new

    cdef int put_value(self, Slot* slot, object value) except -1:
        cdef PyObject* old = <PyObject*>slot.value
        took(weight(value))
        Py_INCREF(value)
        slot.value = <void*>value
        if old is not NULL:
            gave(weight(<object>old))
            Py_XDECREF(old)
        return 0

    cdef int remove(self, Slot* slot) except -1:
        cdef Slot gone = slot[0]
        cdef Slot* last = slot
        # Close the gap with those behind that are not in their home slot.
        while last[1].key is not NULL and \
                self.slots + home_of(order_of(&last[1]), self.cap) < last + 1:
            last += 1
        memmove(slot, slot + 1, (last - slot) * sizeof(Slot))
        last.key = NULL
        self.used -= 1
        if self.cap > 8 * SMALLEST and self.used * 8 < self.cap:
            self.resize(self.cap // 4)
        return self.release(&gone)

    cdef bint discard(self, const char* p, Py_ssize_t n) except -1:
        cdef Slot* slot = self.find(p, n)
        if slot is NULL:
            return False
        self.remove(slot)
        return True

    cdef int clear(self) except -1:
        cdef Slot* slots = self.slots
        cdef size_t end = self.end
        self.slots = NULL
        self.cap = self.end = self.used = 0
        return self.drop_all(slots, end)

    cdef int reserve(self, size_t keys) except -1:
        """Make room for so many keys in all.

        Needed before keys come in the order of another table: while this one is smaller they would
        all crowd at its beginning, and each insertion would walk through the crowd.
        """
        cdef size_t cap = keys + keys // 6 + SMALLEST
        return self.resize(cap) if cap > self.cap else 0

    cdef int resize(self, size_t cap) except -1:
        """Have another capacity; in place, so that no second table has to be paid for meanwhile."""
        cdef size_t end = cap + (MARGIN if cap > MARGIN else cap)
        if cap > self.cap:
            self.allocate(end)
            self.spread(cap)
        else:
            end = max(end, self.gather(cap) + 1)
            self.allocate(end)
        self.cap = cap
        return 0

    cdef int allocate(self, size_t end) except -1:
        """Have so many slots; those that come are free, those that go must be."""
        cdef Slot* slots = <Slot*>realloc(self.slots, end * sizeof(Slot))
        if slots is NULL:
            raise MemoryError(end * sizeof(Slot))
        if end > self.end:
            memset(slots + self.end, 0, (end - self.end) * sizeof(Slot))
        took(malloc_size(end * sizeof(Slot)))
        if self.end:
            gave(malloc_size(self.end * sizeof(Slot)))
        self.slots = slots
        self.end = end
        return 0

    cdef int spread(self, size_t cap) except -1:
        """Move all to their places in a larger table, the last one first.

        One whose new home lies before its slot was in a run, and so stays behind those it was
        behind: they stay as well.
        """
        cdef size_t i = self.end, at, open
        cdef Slot moved
        while i > 0:
            i -= 1
            if self.slots[i].key is NULL:
                continue
            at = home_of(order_of(&self.slots[i]), cap)
            if at <= i:
                continue
            moved = self.slots[i]
            self.slots[i].key = NULL
            open = at
            while self.slots[open].key is not NULL:
                open += 1
            if open >= self.end - 1:
                # A run longer than the margin at the very end: rarer than a lottery win.
                self.allocate(self.end + MARGIN)
            memmove(&self.slots[at + 1], &self.slots[at], (open - at) * sizeof(Slot))
            self.slots[at] = moved
        return 0

    cdef size_t gather(self, size_t cap) noexcept:
        """Move all to their places in a smaller table, the first one first; slots it needs."""
        cdef size_t i, at, needed = 0
        for i in range(self.end):
            if self.slots[i].key is NULL:
                continue
            at = max(needed, home_of(order_of(&self.slots[i]), cap))
            if at != i:
                self.slots[at] = self.slots[i]
                self.slots[i].key = NULL
            needed = at + 1
        return needed

    cdef bytes key_of(self, const Slot* slot):
        """The key of a slot as an object."""
        cdef Arg key
        if not self.words:
            return <bytes>slot.key
        read_word(<const char*>slot.key, &key)
        return PyBytes_FromStringAndSize(key.p, key.n)

    cdef Slot* any(self, Rand rand) noexcept:
        """A random slot in use (uniform up to the lengths of gaps); NULL when empty."""
        cdef Py_ssize_t _tries
        cdef size_t at
        if self.used == 0:
            return NULL
        for _tries in range(64):
            at = rand.next() % self.end
            if self.slots[at].key is not NULL:
                return &self.slots[at]
        while self.slots[at].key is NULL:
            at = at + 1 if at + 1 < self.end else 0
        return &self.slots[at]

    cdef uint64_t scan(self, uint64_t cursor, size_t count, list keys) except? 0:
        cdef uint64_t low = cursor << (64 - CURSOR_BITS)
        cdef size_t at, taken = 0
        cdef uint64_t step = 0
        if self.used == 0 or cursor >> CURSOR_BITS:
            return 0
        at = home_of(low, self.cap)
        # Home may lie in the middle of a run of smaller hashes.
        while at < self.end:
            if self.slots[at].key is not NULL and self.slots[at].hash >= low:
                # Those that share a cursor go together.
                if taken >= count and self.slots[at].hash >> (64 - CURSOR_BITS) != step:
                    return self.slots[at].hash >> (64 - CURSOR_BITS)
                step = self.slots[at].hash >> (64 - CURSOR_BITS)
                keys.append(self.key_of(&self.slots[at]))
                taken += 1
            at += 1
        return 0
