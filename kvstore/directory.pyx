"""Where each key's record is: twelve bytes a key, and nothing of the key itself.

    slot   hash: 56 bits | position: 40 bits, in units of 8 bytes (8 TiB)

A hash names a slot; that it is the right key is for the record to say, which is read anyway.  The
table is ordered by hash, as `hashtable` is: growing is a copy in order, and a cursor is a hash.  It
is cut into 256 parts by the hash's upper byte, each with slots of its own, so that growing never
needs room for the whole a second time, and so that it can be written down a part at a time.

    hash   | part: 8 | order within the part: 48 | 8 bits not kept |

Invariants:
1. Occupied slots of a part are in the order of their hashes, and no free slot lies between a hash's
   home and its slot.
2. used <= 7/8 of cap; the last slot of a part is free.
"""

from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memmove, memset

cdef extern from *:
    """
    #include <stdint.h>
    #include <string.h>
    /* 6 bytes of hash (48 bits below the part), 6 bytes of position; 5 would do, 12 keeps it even */
    static inline uint64_t entry_order(const uint8_t* e) {
        uint64_t x = 0; memcpy(&x, e, 6); return x;
    }
    static inline uint64_t entry_position(const uint8_t* e) {
        uint64_t x = 0; memcpy(&x, e + 6, 6); return x;
    }
    static inline void entry_set(uint8_t* e, uint64_t order, uint64_t position) {
        memcpy(e, &order, 6); memcpy(e + 6, &position, 6);
    }
    static inline uint64_t order_of(uint64_t h) {
        return (h >> 8) & 0xFFFFFFFFFFFF;
    }
    static inline size_t order_home(uint64_t order, size_t cap) {
        return (size_t)(((__uint128_t)(order << 16) * cap) >> 64);
    }
    """
    uint64_t entry_order(const uint8_t* e) noexcept nogil
    uint64_t entry_position(const uint8_t* e) noexcept nogil
    void entry_set(uint8_t* e, uint64_t order, uint64_t position) noexcept nogil
    uint64_t order_of(uint64_t h) noexcept nogil
    size_t order_home(uint64_t order, size_t cap) noexcept nogil
    void prefetch "__builtin_prefetch" (const void* p) noexcept nogil

cdef enum:
    SMALLEST = 16
    MARGIN = 24


cdef class Directory:
    """The table.  Positions are multiples of 8 and never 0."""

    def __dealloc__(self):
        cdef int i
        for i in range(PARTS):
            free(self.parts[i].slots)

    def __len__(self) -> int:
        return self.used

    @property
    def memory(self) -> int:
        """Bytes it takes."""
        cdef int i
        cdef size_t n = 0
        for i in range(PARTS):
            n += self.parts[i].end * ENTRY
        return n

    cdef int expect(self, uint64_t h) noexcept:
        cdef Partition* part = &self.parts[h >> 56]
        if part.used:
            prefetch(part.slots + order_home(order_of(h), part.cap) * ENTRY)
        return 0

    cdef int64_t first(self, uint64_t h, int64_t* slot) noexcept:
        cdef Partition* part = &self.parts[h >> 56]
        cdef uint64_t order = order_of(h)
        cdef uint8_t* e
        if part.used == 0:
            return -1
        slot[0] = order_home(order, part.cap)
        e = part.slots + slot[0] * ENTRY
        while entry_position(e) and entry_order(e) < order:
            slot[0] += 1
            e += ENTRY
        if entry_position(e) and entry_order(e) == order:
            return entry_position(e) << 3
        return -1

    cdef int64_t next(self, uint64_t h, int64_t* slot) noexcept:
        cdef Partition* part = &self.parts[h >> 56]
        slot[0] += 1
        cdef uint8_t* e = part.slots + slot[0] * ENTRY
        if entry_position(e) and entry_order(e) == order_of(h):
            return entry_position(e) << 3
        return -1

    cdef bint has(self, uint64_t h, int64_t position, int64_t* slot) noexcept:
        cdef int64_t found = self.first(h, slot)
        while found >= 0 and found != position:
            found = self.next(h, slot)
        return found >= 0

    cdef int add(self, uint64_t h, int64_t position) except -1:
        cdef Partition* part = &self.parts[h >> 56]
        cdef uint64_t order = order_of(h)
        cdef size_t at, open
        if part.used * 8 >= part.cap * 7:
            self.grow(part)
        while True:
            at = order_home(order, part.cap)
            while entry_position(part.slots + at * ENTRY) \
                    and entry_order(part.slots + at * ENTRY) <= order:
                at += 1
            open = at
            while entry_position(part.slots + open * ENTRY):
                open += 1
            if open < part.end - 1:
                break
            self.grow(part)
        memmove(part.slots + (at + 1) * ENTRY, part.slots + at * ENTRY, (open - at) * ENTRY)
        entry_set(part.slots + at * ENTRY, order, position >> 3)
        part.used += 1
        self.used += 1
        return 0

    cdef int replace(self, uint64_t h, int64_t slot, int64_t position) noexcept:
        entry_set(self.parts[h >> 56].slots + slot * ENTRY, order_of(h), position >> 3)
        return 0

    cdef int remove(self, uint64_t h, int64_t slot) noexcept:
        cdef Partition* part = &self.parts[h >> 56]
        cdef size_t at = slot
        cdef uint8_t* after
        # Those behind that are not at home move up.
        while True:
            after = part.slots + (at + 1) * ENTRY
            if not entry_position(after) or order_home(entry_order(after), part.cap) > at:
                break
            memcpy(part.slots + at * ENTRY, after, ENTRY)
            at += 1
        memset(part.slots + at * ENTRY, 0, ENTRY)
        part.used -= 1
        self.used -= 1
        return 0

    cdef int grow(self, Partition* part) except -1:
        """More slots: an eighth more once there are many, since several parts share the memory."""
        cdef uint8_t* old = part.slots
        self.spread(part, old, part.end, part.cap + max(part.cap >> 3, <size_t>SMALLEST), 0)
        free(old)
        return 0

    cdef int spread(self, Partition* part, const uint8_t* source, size_t n, size_t cap,
                    uint64_t least) except -1:
        """Give a part the entries of an array of n, in order, from some position (in 8s) on."""
        cdef size_t end, i, at, taken
        cdef uint8_t* slots
        cdef const uint8_t* e
        while True:
            end = cap + MARGIN
            slots = <uint8_t*>calloc(end, ENTRY)
            if slots is NULL:
                raise MemoryError
            at = taken = 0
            for i in range(n):
                e = source + i * ENTRY
                if entry_position(e) and entry_position(e) >= least:
                    at = max(at, order_home(entry_order(e), cap))
                    if at >= end - 1:
                        break
                    memcpy(slots + at * ENTRY, e, ENTRY)
                    at += 1
                    taken += 1
            else:
                break
            free(slots)
            cap += cap >> 3
        part.slots, part.cap, part.end, part.used = slots, cap, end, taken
        return 0

    cdef int put_part(self, int i, Buf out) except -1:
        """Append the entries of a part."""
        cdef Partition* part = &self.parts[i]
        cdef const uint8_t* e = part.slots
        cdef const uint8_t* end = e + part.end * ENTRY
        while e < end:
            if entry_position(e):
                out.put(<const char*>e, ENTRY)
            e += ENTRY
        return 0

    cdef bint take_part(self, int i, const char* entries, size_t n, int64_t low,
                        int64_t high) except -1:
        """Have the entries that `put_part` gave, but for those before the position `low`.

        False if they are not what it gave, or if one is at `high` or behind it.
        """
        cdef Partition* part = &self.parts[i]
        cdef const uint8_t* source = <const uint8_t*>entries
        cdef const uint8_t* e
        cdef uint64_t before = 0
        cdef size_t k
        for k in range(n):
            e = source + k * ENTRY
            if entry_order(e) < before or not 0 < entry_position(e) < <uint64_t>high >> 3:
                return False
            before = entry_order(e)
        free(part.slots)
        self.used -= part.used
        memset(part, 0, sizeof(Partition))
        if n:
            self.spread(part, source, n, n + (n >> 2) + SMALLEST, <uint64_t>low >> 3)
        self.used += part.used
        return True

    cdef uint64_t scan(self, uint64_t cursor, size_t count, list positions) except? 0:
        cdef uint64_t low = cursor << 16, order
        cdef size_t part_i = low >> 56, at, taken = 0
        cdef Partition* part
        cdef uint8_t* e
        cdef uint64_t last = 0
        cdef bint any_taken = False
        if cursor >> 48:
            return 0
        order = order_of(low)
        while part_i < PARTS:
            part = &self.parts[part_i]
            at = order_home(order, part.cap) if part.used else part.end
            while at < part.end:
                e = part.slots + at * ENTRY
                at += 1
                if not entry_position(e) or entry_order(e) < order:
                    continue
                # A cursor keeps 40 bits of the order: those that share them go together.
                if taken >= count and (not any_taken or entry_order(e) >> 8 != last):
                    return (<uint64_t>part_i << 40) | (entry_order(e) >> 8)
                last, any_taken = entry_order(e) >> 8, True
                positions.append(<int64_t>(entry_position(e) << 3))
                taken += 1
            part_i += 1
            order = 0
            any_taken = False
        return 0

    cdef int clear(self) except -1:
        cdef int i
        for i in range(PARTS):
            self.clear_part(i)
        return 0

    cdef int clear_part(self, int i) except -1:
        """Forget a part."""
        self.used -= self.parts[i].used
        free(self.parts[i].slots)
        memset(&self.parts[i], 0, sizeof(Partition))
        return 0

    # ------------------------------------------------------------------ for tests

    def note(self, h: int, position: int) -> None:
        """`add` for Python."""
        self.add(h, position)

    def noted(self, h: int) -> list[int]:
        """The positions under a hash."""
        cdef int64_t slot = 0
        cdef int64_t position = self.first(h, &slot)
        cdef list found = []
        while position >= 0:
            found.append(position)
            position = self.next(h, &slot)
        return found

    def forget(self, h: int, position: int) -> None:
        """Remove what is noted."""
        cdef int64_t slot = 0
        assert self.has(h, position, &slot)
        self.remove(h, slot)
