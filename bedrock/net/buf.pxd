cdef struct Held:
    size_t bytes                   # allocated by all buffers of the process

cdef Held held


cdef class Buf:
    cdef char* p                   # first byte
    cdef readonly size_t n         # bytes held
    cdef size_t head               # bytes dropped from the front, not yet reclaimed
    cdef size_t cap                # bytes allocated at p - head

    cdef int put(self, const char* s, size_t n) except -1
    cdef char* room(self, size_t n) except NULL      # write there, then `self.n += written`
    cdef void drop(self, size_t n) noexcept
    cdef void clear(self) noexcept                   # keeps the memory
    cdef void release(self) noexcept                 # gives it back
    cpdef write(self, data)
