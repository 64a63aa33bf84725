"""KeyMap: from bytes as they arrive on the wire to a small number, with nothing allocated on a hit.

A series is named in every request by the same bytes (a line's measurement and tags, a message's
encoded labels).  Looking those up unparsed is what makes ingest cheap; only bytes never seen
before are parsed, sorted and checked.  Open addressing with linear probing; keys are copied to
arenas and compared in full, so a hash collision costs time, never truth.

Left out: removal of one key.  The owner clears the whole map when it grows too large.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp, memcpy

from cpython.bytearray cimport PyByteArray_AS_STRING

cdef extern from *:
    """
    static inline unsigned long long fold(unsigned long long a, unsigned long long b) {
        __uint128_t product = (__uint128_t)a * b;
        return (unsigned long long)product ^ (unsigned long long)(product >> 64);
    }
    """
    uint64_t fold(uint64_t a, uint64_t b) noexcept nogil

cdef enum:
    ARENA = 1 << 18
    SLOTS_MIN = 256


cdef uint64_t hash_bytes(const uint8_t* p, Py_ssize_t n, uint64_t seed) noexcept nogil:
    cdef uint64_t h = seed ^ 0x9e3779b97f4a7c15ULL ^ <uint64_t>n
    cdef uint64_t last = 0
    while n >= 16:
        h = fold(load_word(p) ^ 0xa0761d6478bd642fULL ^ h, load_word(p + 8) ^ 0xe7037ed1a0b428dbULL)
        p += 16
        n -= 16
    if n >= 8:
        h = fold(load_word(p) ^ 0x8ebc6af09c88c6e3ULL, h ^ 0x589965cc75374cc3ULL)
        p += 8
        n -= 8
    if n:
        memcpy(&last, p, n)
    return fold(last ^ 0x1d8e4e27c47d124fULL, h ^ 0xeb44accab455d165ULL)


cdef class KeyMap:
    """Bytes -> uint32; see the module."""

    def __cinit__(self):
        self.clear()

    def __dealloc__(self):
        free(self.slots)

    cpdef clear(self):
        """Forget all keys."""
        free(self.slots)
        self.slots = <Slot*>calloc(SLOTS_MIN, sizeof(Slot))
        if self.slots == NULL:
            raise MemoryError
        self.mask = SLOTS_MIN - 1
        self.count = 0
        self.arenas = []
        self.room_left = 0
        self.bytes_held = 0

    cdef int64_t find(self, const uint8_t* key, Py_ssize_t n, uint64_t hash) noexcept nogil:
        """The key's value, or -1."""
        cdef Py_ssize_t i = hash & self.mask
        cdef Slot* slot
        while True:
            slot = self.slots + i
            if slot.key == NULL:
                return -1
            if slot.hash == hash and slot.size == n and memcmp(slot.key, key, n) == 0:
                return slot.value
            i = (i + 1) & self.mask

    cdef const uint8_t* keep(self, const uint8_t* p, Py_ssize_t n) except NULL:
        """A copy of the bytes that lives until `clear`."""
        cdef uint8_t* copy
        if n > self.room_left:
            arena = bytearray(max(n, ARENA))
            self.arenas.append(arena)
            self.bytes_held += len(arena)
            self.room = <uint8_t*>PyByteArray_AS_STRING(arena)
            self.room_left = len(arena)
        copy = self.room
        memcpy(copy, p, n)
        self.room += n
        self.room_left -= n
        return copy

    cdef int put(self, const uint8_t* key, Py_ssize_t n, uint64_t hash, uint32_t value) except -1:
        """Add a key that `find` does not know."""
        if self.count * 2 > self.mask:
            self.grow()
        self.place(hash, self.keep(key, n), <uint32_t>n, value)
        self.count += 1
        return 0

    cdef int place(self, uint64_t hash, const uint8_t* key, uint32_t n, uint32_t value) except -1:
        cdef Py_ssize_t i = hash & self.mask
        while self.slots[i].key != NULL:
            i = (i + 1) & self.mask
        self.slots[i] = Slot(hash, key, n, value)
        return 0

    cdef int grow(self) except -1:
        cdef Slot* old = self.slots
        cdef Py_ssize_t i, slots = self.mask + 1
        cdef Slot* grown = <Slot*>calloc(slots * 2, sizeof(Slot))
        if grown == NULL:
            raise MemoryError
        self.slots = grown
        self.mask = slots * 2 - 1
        for i in range(slots):
            if old[i].key != NULL:
                self.place(old[i].hash, old[i].key, old[i].size, old[i].value)
        free(old)
        return 0
