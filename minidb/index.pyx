"""Indexes for point look-ups: key -> the tids that have, or had, that key.

A row keeps its tid for life, so an update that leaves the key alone touches no index.  One that
changes it adds an entry; the old entry stays until no snapshot needs the old version.  A look-up
may therefore return tids whose visible row has another key, and the caller checks the row.

`IntIndex` serves keys of one integer column: open addressing with linear probing over two int64
arrays, 32 to 64 bytes an entry, no Python object.  `ObjectIndex` serves all others with a dict.  A key with a NULL
is not stored: it equals nothing.

Neither is ordered: a range is a scan.

Invariants:
1. (key, tid) is stored at most once.
2. At least 3 of 8 slots of an IntIndex are free, so that probing ends.
"""

from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport free, malloc

cdef int64_t EMPTY = -1
cdef int64_t GONE = -2


cdef inline uint64_t scatter(int64_t key) noexcept:
    # Fibonacci hashing with the high bits folded down: neighbouring keys spread.
    cdef uint64_t h = <uint64_t>key * 0x9E3779B97F4A7C15ULL
    return h ^ (h >> 32)


cdef class Index:
    """Interface.  positions: the key's columns; unique: two live rows never share a key."""

    def __init__(self, positions, bint unique):
        self.positions = tuple(positions)
        self.unique = unique

    cdef object key_of(self, tuple row):
        """The key of a row, or None if it has a NULL."""
        if len(self.positions) == 1:
            return row[<Py_ssize_t>self.positions[0]]
        key = tuple([row[<Py_ssize_t>i] for i in self.positions])
        return None if None in key else key

    def key(self, tuple row):
        """`key_of` for Python."""
        return self.key_of(row)

    cdef int add(self, object key, int64_t tid) except -1:
        raise NotImplementedError

    cdef int discard(self, object key, int64_t tid) except -1:
        raise NotImplementedError

    cdef object find(self, object key):
        """The tids stored for key, as a sequence."""
        raise NotImplementedError

    def lookup(self, key):
        """`find`, `add` and `discard` for Python."""
        return self.find(key)

    def enter(self, key, int64_t tid):
        self.add(key, tid)

    def remove(self, key, int64_t tid):
        self.discard(key, tid)


cdef class IntIndex(Index):
    def __cinit__(self):
        self.slots = 0
        self.resize(16)

    def __dealloc__(self):
        free(self.keys)
        free(self.tids)

    cdef int resize(self, Py_ssize_t slots) except -1:
        cdef int64_t* old_keys = self.keys
        cdef int64_t* old_tids = self.tids
        cdef Py_ssize_t i, old = self.slots
        self.keys = <int64_t*>malloc(slots * sizeof(int64_t))
        self.tids = <int64_t*>malloc(slots * sizeof(int64_t))
        if self.keys == NULL or self.tids == NULL:
            raise MemoryError
        for i in range(slots):
            self.tids[i] = EMPTY
        self.slots = slots
        self.used = self.entries = 0
        for i in range(old):
            if old_tids[i] >= 0:
                self.place(old_keys[i], old_tids[i])
        free(old_keys)
        free(old_tids)
        return 0

    cdef void place(self, int64_t key, int64_t tid) noexcept:
        cdef Py_ssize_t i = scatter(key) & (self.slots - 1)
        while self.tids[i] >= 0:
            i = (i + 1) & (self.slots - 1)
        if self.tids[i] == EMPTY:
            self.used += 1
        self.keys[i] = key
        self.tids[i] = tid
        self.entries += 1

    cdef int64_t first(self, int64_t key) noexcept:
        """The only or first tid of key; -1 = none."""
        cdef Py_ssize_t i = scatter(key) & (self.slots - 1)
        while self.tids[i] != EMPTY:
            if self.keys[i] == key and self.tids[i] >= 0:
                return self.tids[i]
            i = (i + 1) & (self.slots - 1)
        return -1

    cdef object find(self, object key):
        cdef int64_t k
        cdef Py_ssize_t i
        cdef list found = []
        try:
            k = key
        except OverflowError:
            return found
        i = scatter(k) & (self.slots - 1)
        while self.tids[i] != EMPTY:
            if self.keys[i] == k and self.tids[i] >= 0:
                found.append(self.tids[i])
            i = (i + 1) & (self.slots - 1)
        return found

    cdef int add(self, object key, int64_t tid) except -1:
        cdef int64_t k = key
        cdef Py_ssize_t i = scatter(k) & (self.slots - 1)
        while self.tids[i] != EMPTY:
            if self.tids[i] == tid and self.keys[i] == k:
                return 0
            i = (i + 1) & (self.slots - 1)
        if (self.used + 1) * 8 > self.slots * 5:
            self.resize(self.slots * 2 if self.entries * 4 > self.slots else self.slots)
        self.place(k, tid)
        return 1

    cdef int discard(self, object key, int64_t tid) except -1:
        cdef int64_t k = key
        cdef Py_ssize_t i = scatter(k) & (self.slots - 1)
        while self.tids[i] != EMPTY:
            if self.tids[i] == tid and self.keys[i] == k:
                self.tids[i] = GONE
                self.entries -= 1
                return 0
            i = (i + 1) & (self.slots - 1)
        return 0

    def __len__(self):
        return self.entries


cdef class ObjectIndex(Index):
    def __init__(self, positions, bint unique):
        super().__init__(positions, unique)
        self.map = {}

    cdef object find(self, object key):
        return self.map.get(key, ())

    cdef int add(self, object key, int64_t tid) except -1:
        cdef tuple tids = self.map.get(key, ())
        if tid in tids:
            return 0
        self.map[key] = tids + (tid,)
        return 1

    cdef int discard(self, object key, int64_t tid) except -1:
        left = tuple([t for t in self.map.get(key, ()) if t != tid])
        if left:
            self.map[key] = left
        else:
            self.map.pop(key, None)
        return 0

    def __len__(self):
        return sum([len(tids) for tids in self.map.values()])
