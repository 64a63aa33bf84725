from cpython.object cimport PyObject
from libc.stdint cimport uint64_t

from bedrock.world.rand cimport Rand
from kvstore.resp cimport Arg
from kvstore.words cimport read_word


cdef enum:
    NOTE = 0xFFFFFF                # bits of a slot's hash that are not the hash but the owner's


cdef struct Slot:
    uint64_t hash                  # order in the table, and a note
    PyObject* key                  # bytes, or a word (`words`), owned; NULL = free
    void* value                    # owned object, 8 bytes of anything (`raw`), a word or NULL


cdef class HashTable:
    cdef Slot* slots
    cdef size_t cap                # nominal slots, which hashes map to
    cdef size_t end                # allocated slots: cap and a margin for the last run
    cdef size_t used
    cdef bint raw, borrows, words

    cdef Slot* find(self, const char* p, Py_ssize_t n) noexcept
    cdef Slot* find_hash(self, uint64_t h, const char* p, Py_ssize_t n) noexcept
    cdef Slot* find_bytes(self, bytes key) noexcept
    # Add a key known to be absent; its value is NULL until the caller sets it.
    cdef Slot* add(self, uint64_t h, bytes key) except NULL
    cdef Slot* add_bytes(self, bytes key) except NULL
    # Set the value (an object) of a key, present or not; True if it is new.
    cdef bint put(self, bytes key, object value) except -1
    # The same in a table of words, which keeps no objects; a NULL is no value.
    cdef bint put_word(self, const Arg* key, const Arg* value) except -1
    # A slot of its own for a hash; the caller must fill in the key.
    cdef Slot* place(self, uint64_t h) except NULL
    cdef bint has_key(self, const Slot* slot, const char* p, Py_ssize_t n) noexcept
    cdef int release(self, Slot* slot) except -1
    cdef int put_value(self, Slot* slot, object value) except -1
    cdef int remove(self, Slot* slot) except -1
    cdef bint discard(self, const char* p, Py_ssize_t n) except -1
    cdef int clear(self) except -1
    cdef int drop_all(self, Slot* slots, size_t end) except -1
    cdef bytes key_of(self, const Slot* slot)
    cdef Slot* any(self, Rand rand) noexcept
    cdef int resize(self, size_t cap) except -1
    cdef int allocate(self, size_t end) except -1
    cdef int spread(self, size_t cap) except -1
    cdef size_t gather(self, size_t cap) noexcept
    cdef int reserve(self, size_t keys) except -1
    # Append at least `count` keys (bytes) from `cursor` on to `keys`; the next cursor, 0 at the end.
    cdef uint64_t scan(self, uint64_t cursor, size_t count, list keys) except? 0


cdef inline uint64_t order_of(const Slot* slot) noexcept:
    return slot.hash & ~<uint64_t>NOTE

# Key and value of a slot of a table of words; it must have both.
cdef inline int read_slot(const Slot* slot, Arg* key, Arg* value) noexcept:
    read_word(<const char*>slot.key, key)
    read_word(<const char*>slot.value, value)
    return 0


cdef uint64_t hash_of(const char* p, Py_ssize_t n) noexcept
# All 64 bits, under a key of the caller's: two numbers.
cdef uint64_t keyed_hash(const char* p, Py_ssize_t n, const uint64_t* seed) noexcept
cdef int seed_hash(Rand rand) except -1
