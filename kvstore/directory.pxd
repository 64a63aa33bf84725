from libc.stdint cimport int64_t, uint8_t, uint64_t

from bedrock.net.buf cimport Buf

cdef enum:
    ENTRY = 12                     # bytes
    PARTS = 256


cdef struct Partition:
    uint8_t* slots                 # ENTRY bytes each, ordered by hash; position 0 = free
    size_t cap                     # nominal slots, which hashes map to
    size_t end                     # allocated slots
    size_t used


cdef class Directory:
    cdef Partition parts[PARTS]
    cdef readonly size_t used

    # A hash will be asked for soon: its slot should be in the processor's cache by then.
    cdef int expect(self, uint64_t h) noexcept
    # The positions noted under a hash: the first slot, then the next; -1 at the end.
    cdef int64_t first(self, uint64_t h, int64_t* slot) noexcept
    cdef int64_t next(self, uint64_t h, int64_t* slot) noexcept
    # Whether a position is noted under a hash, and in which slot.
    cdef bint has(self, uint64_t h, int64_t position, int64_t* slot) noexcept
    cdef int add(self, uint64_t h, int64_t position) except -1
    cdef int replace(self, uint64_t h, int64_t slot, int64_t position) noexcept
    cdef int remove(self, uint64_t h, int64_t slot) noexcept
    # Append positions from `cursor` on, at least `count` if there are as many; the next cursor.
    cdef uint64_t scan(self, uint64_t cursor, size_t count, list positions) except? 0
    cdef int clear(self) except -1
    cdef int clear_part(self, int i) except -1
    # A part as bytes, and back again.
    cdef int put_part(self, int i, Buf out) except -1
    cdef bint take_part(self, int i, const char* entries, size_t n, int64_t low,
                        int64_t high) except -1
    cdef int spread(self, Partition* part, const uint8_t* source, size_t n, size_t cap,
                    uint64_t least) except -1
    cdef int grow(self, Partition* part) except -1
