"""Loops over keys that numpy has no word for: numbering groups, pairing join keys, summing groups.

Keys of one integer column go through an open-addressing table of int64; all others through a dict
of Python values (a tuple for several columns), which gives numeric, text and NULL the equality of
SQL's GROUP BY.  Floats: NaN equals NaN and -0 equals 0, as PostgreSQL has it.
"""

import numpy as np

from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.stdlib cimport free, malloc

cdef extern from *:
    """
    typedef __int128 wide;
    """
    ctypedef long long wide


cdef inline uint64_t scatter(int64_t key) noexcept:
    cdef uint64_t h = <uint64_t>key * 0x9E3779B97F4A7C15ULL
    return h ^ (h >> 29)


cdef class IntTable:
    """int64 key -> number, counted from 0 in order of first sight."""

    cdef int64_t* keys
    cdef int64_t* numbers
    cdef Py_ssize_t slots
    cdef readonly Py_ssize_t count

    def __cinit__(self, Py_ssize_t expected=16):
        cdef Py_ssize_t slots = 64
        while slots < expected * 2:
            slots *= 2
        self.allocate(slots)

    def __dealloc__(self):
        free(self.keys)
        free(self.numbers)

    cdef int allocate(self, Py_ssize_t slots) except -1:
        cdef Py_ssize_t i
        self.keys = <int64_t*>malloc(slots * sizeof(int64_t))
        self.numbers = <int64_t*>malloc(slots * sizeof(int64_t))
        if self.keys == NULL or self.numbers == NULL:
            raise MemoryError
        self.slots = slots
        for i in range(slots):
            self.numbers[i] = -1
        return 0

    cdef int grow(self) except -1:
        cdef int64_t* keys = self.keys
        cdef int64_t* numbers = self.numbers
        cdef Py_ssize_t i, at, old = self.slots
        self.allocate(old * 2)
        for i in range(old):
            if numbers[i] >= 0:
                at = scatter(keys[i]) & (self.slots - 1)
                while self.numbers[at] >= 0:
                    at = (at + 1) & (self.slots - 1)
                self.keys[at] = keys[i]
                self.numbers[at] = numbers[i]
        free(keys)
        free(numbers)
        return 0

    cdef int64_t find(self, int64_t key) noexcept:
        cdef Py_ssize_t at = scatter(key) & (self.slots - 1)
        while self.numbers[at] >= 0:
            if self.keys[at] == key:
                return self.numbers[at]
            at = (at + 1) & (self.slots - 1)
        return -1

    cdef int64_t number(self, int64_t key) except -1:
        cdef Py_ssize_t at = scatter(key) & (self.slots - 1)
        while self.numbers[at] >= 0:
            if self.keys[at] == key:
                return self.numbers[at]
            at = (at + 1) & (self.slots - 1)
        self.keys[at] = key
        self.numbers[at] = self.count
        self.count += 1
        if self.count * 2 > self.slots:
            self.grow()
        return self.count - 1


class Grouper:
    """Numbers the groups of rows, batch after batch.

    integer: the key is one int64 column
    """

    def __init__(self, bint integer):
        self.integer = integer
        self.table = IntTable()
        self.map = {}
        self.null = -1
        self.count = 0

    def add(self, keys, nulls, Py_ssize_t n):
        """(group number of each row, rows that opened a group), for int64 keys and their nulls
        when `integer`, else for a list of n hashable keys (nulls is not looked at)."""
        numbers = np.empty(n, np.int64)
        cdef int64_t[::1] out = numbers
        cdef list fresh = []
        cdef Py_ssize_t i
        cdef int64_t g, count = self.count
        cdef const int64_t[::1] ints
        cdef const uint8_t[::1] flags
        cdef bint some = nulls is not None
        cdef IntTable table
        cdef dict map
        cdef int64_t null = self.null
        cdef int64_t shift
        if self.integer:
            ints = keys
            table = self.table
            if some:
                flags = nulls.view(np.uint8)
            # The NULL group has a number of its own between those of the table.
            shift = 1 if null >= 0 else 0
            for i in range(n):
                if some and flags[i]:
                    if null < 0:
                        null = self.null = count
                        count += 1
                        fresh.append(i)
                        shift = 1
                    out[i] = null
                    continue
                g = table.number(ints[i])
                if shift and g >= null:
                    g += 1
                if g >= count:
                    count = g + 1
                    fresh.append(i)
                out[i] = g
        else:
            map = self.map
            for i in range(n):
                key = keys[i]
                found = map.get(key)
                if found is None:
                    map[key] = found = count
                    count += 1
                    fresh.append(i)
                out[i] = <int64_t>found
        self.count = count
        return numbers, fresh


class JoinTable:
    """Build rows by key; each probe gives the pairs (probe row, build row)."""

    def __init__(self, bint integer, keys, nulls, Py_ssize_t n):
        cdef Py_ssize_t i
        cdef int64_t g
        cdef int64_t[::1] first, following
        cdef const int64_t[::1] ints
        cdef bint some = nulls is not None
        cdef const uint8_t[::1] flags
        cdef IntTable table
        self.integer = integer
        self.next = np.empty(n, np.int64)
        following = self.next
        if some:
            flags = nulls.view(np.uint8)
        if integer:
            self.table = table = IntTable(n)
            self.first = np.full(n + 1, -1, np.int64)
            first = self.first
            ints = keys
            # Backwards, so that chains run forwards.
            for i in range(n - 1, -1, -1):
                if some and flags[i]:
                    continue
                g = table.number(ints[i])
                following[i] = first[g]
                first[g] = i
        else:
            self.map = {}
            for i in range(n - 1, -1, -1):
                if some and flags[i]:
                    continue
                key = keys[i]
                following[i] = self.map.get(key, -1)
                self.map[key] = i

    def probe(self, keys, nulls, Py_ssize_t n):
        """(probe rows, build rows): int64 arrays of the matching pairs, by probe row."""
        cdef Py_ssize_t i, m = 0, room = n + 16
        cdef int64_t at, g
        cdef const int64_t[::1] following = self.next
        cdef const int64_t[::1] first, ints
        cdef bint some = nulls is not None
        cdef const uint8_t[::1] flags
        cdef bint integer = self.integer
        cdef IntTable table = None
        cdef dict map = None
        left = np.empty(room, np.int64)
        right = np.empty(room, np.int64)
        cdef int64_t[::1] l = left
        cdef int64_t[::1] r = right
        if some:
            flags = nulls.view(np.uint8)
        if integer:
            table = self.table
            first = self.first
            ints = keys
        else:
            map = self.map
        for i in range(n):
            if some and flags[i]:
                continue
            if integer:
                g = table.find(ints[i])
                at = first[g] if g >= 0 else -1
            else:
                at = map.get(keys[i], -1)
            while at >= 0:
                if m == room:
                    room *= 2
                    left = np.resize(left, room)
                    right = np.resize(right, room)
                    l = left
                    r = right
                l[m] = i
                r[m] = at
                m += 1
                at = following[at]
        return left[:m], right[:m]


def sum_ints(const int64_t[::1] values, const int64_t[::1] groups, totals):
    """Add int64 values into a list of Python ints, exactly."""
    cdef Py_ssize_t i, n = values.shape[0], count = len(totals)
    cdef wide* sums = <wide*>malloc((count + 1) * 16)
    cdef wide s
    cdef int64_t high
    cdef uint64_t low
    if sums == NULL:
        raise MemoryError
    for i in range(count):
        sums[i] = 0
    for i in range(n):
        sums[groups[i]] += values[i]
    for i in range(count):
        s = sums[i]
        high = <int64_t>(s >> 64)
        low = <uint64_t>s
        if s:
            totals[i] += (<object>high << 64) | low
    free(sums)


def sum_floats(const double[::1] values, const int64_t[::1] groups, double[::1] totals):
    """Add floats into totals in the order they come."""
    cdef Py_ssize_t i
    for i in range(values.shape[0]):
        totals[groups[i]] += values[i]


def count_rows(const int64_t[::1] groups, int64_t[::1] totals):
    cdef Py_ssize_t i
    for i in range(groups.shape[0]):
        totals[groups[i]] += 1


ctypedef fused number:
    int64_t
    double


def extreme(const number[::1] values, const int64_t[::1] groups, number[::1] best,
            uint8_t[::1] seen, bint largest):
    """min or max per group; NaN is larger than every number."""
    cdef Py_ssize_t i
    cdef int64_t g
    cdef number v
    cdef bint better
    for i in range(values.shape[0]):
        g = groups[i]
        v = values[i]
        if not seen[g]:
            seen[g] = 1
            best[g] = v
            continue
        if number is double:
            if v != v:
                better = largest
            elif best[g] != best[g]:
                better = not largest
            else:
                better = v > best[g] if largest else v < best[g]
        else:
            better = v > best[g] if largest else v < best[g]
        if better:
            best[g] = v
