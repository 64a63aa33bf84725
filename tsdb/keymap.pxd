from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t


cdef struct Slot:
    uint64_t hash
    const uint8_t* key
    uint32_t size
    uint32_t value


cdef class KeyMap:
    cdef Slot* slots
    cdef Py_ssize_t mask           # slots - 1; a power of two
    cdef readonly Py_ssize_t count
    cdef list arenas               # bytearrays that hold the keys
    cdef uint8_t* room             # free part of the last one
    cdef Py_ssize_t room_left
    cdef readonly Py_ssize_t bytes_held

    cdef int64_t find(self, const uint8_t* key, Py_ssize_t n, uint64_t hash) noexcept nogil
    cdef int put(self, const uint8_t* key, Py_ssize_t n, uint64_t hash, uint32_t value) except -1
    cdef int place(self, uint64_t hash, const uint8_t* key, uint32_t n, uint32_t value) except -1
    cdef int grow(self) except -1
    cdef const uint8_t* keep(self, const uint8_t* p, Py_ssize_t n) except NULL
    cpdef clear(self)


cdef inline uint64_t load_word(const uint8_t* p) noexcept nogil:
    return (<const uint64_t*>p)[0]


# Multiply-and-fold over 8-byte words; n and seed are mixed in.
cdef uint64_t hash_bytes(const uint8_t* p, Py_ssize_t n, uint64_t seed) noexcept nogil
