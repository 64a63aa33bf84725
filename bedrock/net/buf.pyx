"""A growable run of bytes: the only allocator of the network core.

    base          p                p + n            base + cap
     |--- head ---|---- bytes -----|---- room -------|

Bytes are added at the end (`put`, `room`) and taken from the front (`drop`).  Dropping moves `p`
only; the space in front is reclaimed when the buffer empties or must grow.

`held` counts what all buffers of the process have allocated, for servers with a memory limit.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, \
    PyBytes_GET_SIZE
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memmove

cdef enum:
    SMALLEST = 256


cdef class Buf:
    """Invariant 1: p - head is the start of the allocation, head + n <= cap."""

    def __cinit__(self, data=None):
        self.p = NULL
        self.n = self.head = self.cap = 0

    def __init__(self, data=None):
        if data is not None:
            self.write(data)

    def __dealloc__(self):
        if self.p is not NULL:
            held.bytes -= self.cap
            free(self.p - self.head)

    cdef char* room(self, size_t n) except NULL:
        """At least n writable bytes after the last one; add what was used to `self.n`."""
        cdef size_t want
        cdef char* base
        if self.head + self.n + n <= self.cap:
            return self.p + self.n
        if self.head and self.n + n <= self.cap and self.head >= self.n:
            # Half of it is spent: slide instead of growing.
            base = self.p - self.head
            memmove(base, self.p, self.n)
        else:
            want = self.cap * 2 if self.cap else SMALLEST
            while want < self.n + n:
                want *= 2
            base = <char*>malloc(want)
            if base is NULL:
                raise MemoryError(want)
            if self.p is not NULL:
                memcpy(base, self.p, self.n)
                free(self.p - self.head)
            held.bytes += want - self.cap
            self.cap = want
        self.p = base
        self.head = 0
        return self.p + self.n

    cdef int put(self, const char* s, size_t n) except -1:
        """Add n bytes."""
        cdef char* at
        if n:
            at = self.room(n)
            memcpy(at, s, n)
            self.n += n
        return 0

    cdef void drop(self, size_t n) noexcept:
        """Remove n bytes (n <= self.n) from the front."""
        self.n -= n
        if self.n == 0:
            self.p -= self.head
            self.head = 0
        else:
            self.p += n
            self.head += n

    cdef void clear(self) noexcept:
        """Forget the bytes; memory beyond 128 KiB is given back."""
        self.n = 0
        if self.p is not NULL:
            self.p -= self.head
            self.head = 0
            if self.cap > 128 << 10:
                self.release()

    cdef void release(self) noexcept:
        """Forget the bytes and give the memory back."""
        if self.p is not NULL:
            held.bytes -= self.cap
            free(self.p - self.head)
        self.p = NULL
        self.n = self.head = self.cap = 0

    cpdef write(self, data):
        """Add any bytes-like object."""
        cdef const unsigned char[::1] view
        if PyBytes_CheckExact(data):
            self.put(PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))
        else:
            view = memoryview(data).cast("B")
            if view.shape[0]:
                self.put(<const char*>&view[0], view.shape[0])

    def take(self) -> bytes:
        """All bytes, removed."""
        data = bytes(self)
        self.clear()
        return data

    def __bytes__(self) -> bytes:
        return PyBytes_FromStringAndSize(self.p, self.n) if self.n else b""

    def __len__(self) -> int:
        return self.n
