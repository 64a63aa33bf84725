"""Room: memory that grows, for what is kept in C arrays."""

from libc.stdlib cimport realloc


cdef inline void* resized(void* p, size_t size) except NULL nogil:
    """`realloc`, or MemoryError; p is as it was then."""
    cdef void* found = realloc(p, size)
    if found == NULL:
        with gil:
            raise MemoryError
    return found
