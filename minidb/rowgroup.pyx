"""A row group: up to 65,536 rows as column chunks, with what tells their versions apart.

The newest version of a row stands in the chunks; older ones, which a running snapshot may still
need, hang off it as undo:

    slot 17   chunks: 17 | 'b' | 420     stamp 9   ->  Version(stamp 6: 17, 'b', 400)  ->  None
              death: NEVER

A *stamp* is a commit number, or, while its transaction runs, that transaction's id, which is larger
than any commit number.  A snapshot sees stamp s iff s <= snapshot.at or s is its own transaction.
Commit replaces the ids by the commit number; hence a snapshot is two integers, and there is no list
of running transactions to search.

When no snapshot older than a version is left its undo is dropped; a group without undo, running
writers and deaths is read as raw arrays (`clean`).

Invariants:
1. deaths[slot] == NEVER iff nobody deleted the row; a free slot has stamp 0 and death 0.
2. Stamps fall strictly along an undo chain, except within one transaction, where they are equal.
3. pending == 0 implies that no stamp or death in the group is a transaction id.
"""

from libc.stdint cimport INT64_MAX, int64_t

from minidb.chunk cimport Chunk, address

from bedrock.lazy import numpy as np

NEVER = INT64_MAX
FIRST_TRANSACTION = <int64_t>1 << 62


cdef class Snapshot:
    """What a statement sees: commits up to `at`, and the writes of transaction `me`."""

    def __init__(self, int64_t at, int64_t me=0):
        self.at = at
        self.me = me


cdef class Version:
    """An older version of a row."""

    def __init__(self, int64_t stamp, tuple values, Version older):
        self.stamp = stamp
        self.values = values
        self.older = older


cdef class RowGroup:
    def __init__(self, kinds, Py_ssize_t capacity=0):
        self.chunks = [Chunk(kind) for kind in kinds]
        self.undo = {}
        self.stamps_array = self.deaths_array = None
        if capacity:
            self.reserve(capacity)

    cdef int reserve(self, Py_ssize_t rows) except -1:
        """Make room for `rows` slots."""
        cdef Chunk chunk
        cdef Py_ssize_t capacity
        if rows <= self.capacity:
            return 0
        capacity = max(self.capacity, 16)
        while capacity < rows:
            capacity *= 2
        for chunk in self.chunks:
            chunk.reserve(capacity)
        stamps = np.zeros(capacity, np.int64)
        deaths = np.zeros(capacity, np.int64)
        if self.stamps_array is not None:
            stamps[:self.capacity] = self.stamps_array
            deaths[:self.capacity] = self.deaths_array
        self.stamps_array, self.deaths_array = stamps, deaths
        self.stamps = <int64_t*>address(stamps)
        self.deaths = <int64_t*>address(deaths)
        self.capacity = capacity
        return 0

    cdef bint clean(self, Snapshot s) noexcept:
        """Whether every slot is visible as it stands."""
        return self.pending == 0 and self.dead == 0 and self.newest <= s.at

    cdef bint live(self, Py_ssize_t slot, Snapshot s) noexcept:
        """Whether the row is not deleted for s (its version may still be too new)."""
        cdef int64_t death = self.deaths[slot]
        return death > s.at and death != s.me

    cdef tuple row(self, Py_ssize_t slot):
        """The newest values."""
        cdef Chunk chunk
        return tuple([chunk.get(slot) for chunk in self.chunks])

    cdef Version seen(self, Py_ssize_t slot, Snapshot s):
        """The undo version that s sees, given that the newest is not it; None = no row."""
        cdef Version v = self.undo.get(slot)
        while v is not None and v.stamp > s.at and v.stamp != s.me:
            v = v.older
        return v

    cdef tuple read(self, Py_ssize_t slot, Snapshot s):
        """The row's values for s, or None."""
        cdef int64_t stamp
        cdef Version v
        if not self.live(slot, s):
            return None
        stamp = self.stamps[slot]
        if stamp <= s.at or stamp == s.me:
            return self.row(slot)
        v = self.seen(slot, s)
        return None if v is None else v.values

    cdef int restore(self, Py_ssize_t slot, tuple values) except -1:
        cdef Chunk chunk
        cdef Py_ssize_t i = 0
        for chunk in self.chunks:
            chunk.put(slot, values[i])
            i += 1
        return 0

    def select(self, Snapshot s):
        """What s sees of the group: None if every slot as it stands, else
        (slots: int64 array, patches: list of (position in slots, Version))."""
        cdef Py_ssize_t i, n = 0
        cdef int64_t stamp, death
        cdef Version v
        cdef list patches
        cdef int64_t[::1] slots
        if self.clean(s):
            return None
        array = np.empty(self.rows, np.int64)
        slots = array
        patches = []
        for i in range(self.rows):
            death = self.deaths[i]
            if death <= s.at or death == s.me:
                continue
            stamp = self.stamps[i]
            if stamp > s.at and stamp != s.me:
                v = self.seen(i, s)
                if v is None:
                    continue
                patches.append((n, v))
            slots[n] = i
            n += 1
        return array[:n], patches

    def column(self, Py_ssize_t i, selection):
        """A copy of column i for what `select` returned: (values, nulls or None)."""
        cdef Chunk chunk = self.chunks[i]
        cdef Version v
        if selection is None:
            nulls = chunk.nulls[:self.rows].copy() if chunk.any_null else None
            return chunk.data[:self.rows].copy(), nulls
        slots, patches = selection
        data = chunk.data[slots]
        nulls = chunk.nulls[slots] if chunk.any_null else None
        for at, v in patches:
            value = v.values[i]
            if value is None:
                if nulls is None:
                    nulls = np.zeros(len(slots), np.bool_)
                nulls[at] = True
                if chunk.kind == "O":
                    data[at] = None
            else:
                data[at] = value
                if nulls is not None:
                    nulls[at] = False
        return data, nulls

    def load(self, columns, Py_ssize_t rows, free):
        """Fill an empty group with recovered columns: (values, nulls) each; `free` = unused slots."""
        cdef Chunk chunk
        cdef Py_ssize_t i
        self.reserve(rows)
        for chunk, (data, nulls) in zip(self.chunks, columns):
            chunk.data[:rows] = data
            if nulls is not None:
                chunk.nulls[:rows] = nulls
                chunk.any_null = True
        for i in range(rows):
            self.deaths[i] = NEVER
        for i in free:
            self.deaths[i] = 0
            self.dead += 1
        self.rows = rows
