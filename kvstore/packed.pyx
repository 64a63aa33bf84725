"""A few small entries in one run of memory: how small collections are kept.

    | length | bytes | length | bytes | ...         (words)

One allocation instead of two objects an entry; a search walks the run, which for the sizes this is
used for stays in cache.  The role is that of Redis's listpack, the layout our own.
"""

from libc.stdlib cimport free, realloc
from libc.string cimport memcmp, memmove

from kvstore.memory cimport gave, malloc_size, object_size, took
from kvstore.words cimport count_size, put_word, read_word


cdef class Packed:
    def __cinit__(self):
        took(object_size(self))

    def __dealloc__(self):
        if self.p is not NULL:
            gave(malloc_size(self.cap))
            free(self.p)
        gave(object_size(self))

    @property
    def memory(self) -> int:
        """Bytes it takes."""
        return object_size(self) + (malloc_size(self.cap) if self.p is not NULL else 0)

    cdef Py_ssize_t read(self, Py_ssize_t at, Arg* entry) noexcept:
        return read_word(self.p + at, entry) - self.p

    cdef int splice(self, Py_ssize_t at, Py_ssize_t old, Py_ssize_t new) except -1:
        """Make the `old` bytes at an offset `new` bytes long."""
        cdef Py_ssize_t size = self.n - old + new
        if size > self.cap:
            self.allocate(size)
        memmove(self.p + at + new, self.p + at + old, self.n - at - old)
        self.n = size
        if size < self.cap // 4:
            self.allocate(size)
        return 0

    cdef int allocate(self, Py_ssize_t size) except -1:
        """Have memory for that many bytes, and some more."""
        cdef Py_ssize_t cap = size + size // 4 + 16
        cdef char* grown = <char*>realloc(self.p, cap)
        if grown is NULL:
            raise MemoryError(cap)
        took(malloc_size(cap) - (malloc_size(self.cap) if self.p is not NULL else 0))
        self.p = grown
        self.cap = cap
        return 0

    cdef int append(self, const Arg* entry) except -1:
        return self.insert(self.n, entry)

    cdef int insert(self, Py_ssize_t at, const Arg* entry) except -1:
        """An entry of its own at an offset."""
        self.splice(at, 0, count_size(entry.n) + entry.n)
        put_word(self.p + at, entry.p, entry.n)
        self.count += 1
        return 0

    cdef int replace(self, Py_ssize_t at, const Arg* entry) except -1:
        cdef Arg old
        cdef Py_ssize_t end = self.read(at, &old)
        self.splice(at, end - at, count_size(entry.n) + entry.n)
        put_word(self.p + at, entry.p, entry.n)
        return 0

    cdef int erase(self, Py_ssize_t at, Py_ssize_t entries) except -1:
        cdef Arg entry
        cdef Py_ssize_t _i, end = at
        for _i in range(entries):
            end = self.read(end, &entry)
        self.splice(at, end - at, 0)
        self.count -= entries
        return 0

    cdef Py_ssize_t find(self, const Arg* wanted, Py_ssize_t step) noexcept:
        cdef Py_ssize_t _i
        cdef Arg entry
        cdef Py_ssize_t at = 0, here
        while at < self.n:
            here = at
            at = self.read(at, &entry)
            if entry.n == wanted.n and memcmp(entry.p, wanted.p, entry.n) == 0:
                return here
            for _i in range(step - 1):
                at = self.read(at, &entry)
        return -1
