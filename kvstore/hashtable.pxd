from cpython.object cimport PyObject
from libc.stdint cimport uint64_t

from bedrock.world.rand cimport Rand


cdef enum:
    NOTE = 0xFFFFFF                # bits of a slot's hash that are not the hash but the owner's


cdef struct Slot:
    uint64_t hash                  # order in the table, and a note
    PyObject* key                  # bytes, owned; NULL = free
    void* value                    # owned object, or 8 bytes of anything (`raw`)


cdef class HashTable:
    cdef Slot* slots
    cdef size_t cap                # nominal slots, which hashes map to
    cdef size_t end                # allocated slots: cap and a margin for the last run
    cdef size_t used
    cdef bint raw, borrows

    cdef Slot* find(self, const char* p, Py_ssize_t n) noexcept
    cdef Slot* find_hash(self, uint64_t h, const char* p, Py_ssize_t n) noexcept
    cdef Slot* find_bytes(self, bytes key) noexcept
    # Add a key known to be absent; its value is NULL until the caller sets it.
    cdef Slot* add(self, uint64_t h, bytes key) except NULL
    cdef Slot* add_bytes(self, bytes key) except NULL
    # Set the value (an object) of a key, present or not; True if it is new.
    cdef bint put(self, bytes key, object value) except -1
    cdef int put_value(self, Slot* slot, object value) except -1
    cdef int remove(self, Slot* slot) except -1
    cdef bint discard(self, const char* p, Py_ssize_t n) except -1
    cdef int clear(self) except -1
    cdef int drop_all(self, Slot* slots, size_t end) except -1
    cdef Slot* any(self, Rand rand) noexcept
    cdef int resize(self, size_t cap) except -1
    cdef int allocate(self, size_t end) except -1
    cdef int spread(self, size_t cap) except -1
    cdef size_t gather(self, size_t cap) noexcept
    cdef int reserve(self, size_t keys) except -1
    # Append at least `count` keys from `cursor` on to `keys`; the next cursor, 0 at the end.
    cdef uint64_t scan(self, uint64_t cursor, size_t count, list keys) except? 0


cdef inline uint64_t order_of(const Slot* slot) noexcept:
    return slot.hash & ~<uint64_t>NOTE

cdef uint64_t hash_of(const char* p, Py_ssize_t n) noexcept
# All 64 bits, under a key of the caller's: two numbers.
cdef uint64_t keyed_hash(const char* p, Py_ssize_t n, const uint64_t* seed) noexcept
cdef int seed_hash(Rand rand) except -1
