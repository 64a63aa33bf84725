"""A list: elements in order, quick at both ends and by position.

    small   | 5 hello | 1 a | 3 foo |                    one run of memory (packed)
    ring    | c  d  e  -  -  a  b |                      pointers, head = 5, n = 5
                              ^ element 0

A list begins packed; when an element or their sum grows past what `list-max-listpack-size` allows
for one node, or there are more than `MOST_PACKED`, it becomes a ring, for good.  In a ring, pushing
and popping at either end and reading any position take constant time; inserting and removing in the
middle moves the shorter side.  OBJECT ENCODING answers "quicklist", the name Redis 7.0 has for
every list.

The commands are in `list_commands`.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.ref cimport Py_INCREF, Py_XDECREF
from libc.stdint cimport int64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcmp

from kvstore.keyspace cimport LIST, as_arg
from kvstore.memory cimport gave, malloc_size, took, weight

cdef enum:
    MOST_PACKED = 128              # so that a position is never far
    DEFAULT_LIMIT = -2


cdef inline Py_ssize_t node_bytes(int64_t limit) noexcept:
    """What a limit allows in bytes: 4 KiB for -1, twice that for each further step, 8 KiB else."""
    return 4096 << min(-limit - 1, 4) if limit < 0 else 8192


@cython.no_gc                      # no value leads to itself
cdef class List(Value):
    """Invariants:

    1. While `small` is not None it has all elements, and there is no ring.
    2. cap is 0 or a power of two, n <= cap; element i of a ring is ring[(head + i) % cap].
    """

    def __cinit__(self):
        self.kind = LIST
        self.small = Packed()

    def __dealloc__(self):
        cdef Py_ssize_t i
        if self.ring is NULL:
            return
        for i in range(self.n):
            gave(weight(<object>self.ring[(self.head + i) & (self.cap - 1)]))
            Py_XDECREF(self.ring[(self.head + i) & (self.cap - 1)])
        gave(malloc_size(self.cap * sizeof(PyObject*)))
        free(self.ring)

    cdef Py_ssize_t length(self) noexcept:
        return self.n

    cdef str encoding_name(self):
        return "quicklist"

    cdef Value duplicate(self):
        return List.of(self.elements())

    def elements(self) -> list[bytes]:
        """All elements from left to right."""
        cdef list found = []
        cdef Arg element
        cdef Py_ssize_t _i, place = 0
        for _i in range(self.n):
            place = self.read(place, &element)
            found.append(PyBytes_FromStringAndSize(element.p, element.n))
        return found

    @staticmethod
    def of(elements, int64_t limit=DEFAULT_LIMIT) -> List:
        """A list of bytes objects."""
        cdef List value = List()
        cdef Arg arg
        for element in elements:
            arg = as_arg(element)
            value.push(&arg, False, limit)
        return value

    @property
    def memory(self) -> int:
        """Bytes it takes."""
        cdef Py_ssize_t i
        if self.small is not None:
            return self.small.memory
        return self.cap * sizeof(PyObject*) + sum([weight(self.at(i)) for i in range(self.n)])

    # ------------------------------------------------------------------ reading

    cdef Py_ssize_t seek(self, Py_ssize_t i) noexcept:
        cdef Arg element
        cdef Py_ssize_t _k, place = 0
        if self.small is None:
            return i
        for _k in range(i):
            place = self.small.read(place, &element)
        return place

    cdef Py_ssize_t read(self, Py_ssize_t place, Arg* element) noexcept:
        cdef PyObject* held
        if self.small is not None:
            return self.small.read(place, element)
        held = self.ring[(self.head + place) & (self.cap - 1)]
        element.p = PyBytes_AS_STRING(<object>held)
        element.n = PyBytes_GET_SIZE(<object>held)
        return place + 1

    cdef bytes at(self, Py_ssize_t i):
        cdef Arg element
        if self.small is None:
            return <bytes>self.ring[(self.head + i) & (self.cap - 1)]
        self.read(self.seek(i), &element)
        return PyBytes_FromStringAndSize(element.p, element.n)

    cdef bint equals(self, Py_ssize_t i, const Arg* word) noexcept:
        cdef Arg element
        self.read(self.seek(i), &element)
        return element.n == word.n and memcmp(element.p, word.p, word.n) == 0

    cdef Py_ssize_t index_of(self, const Arg* word, Py_ssize_t i) noexcept:
        cdef Arg element
        cdef Py_ssize_t place = self.seek(i)
        while i < self.n:
            place = self.read(place, &element)
            if element.n == word.n and memcmp(element.p, word.p, word.n) == 0:
                return i
            i += 1
        return -1

    # ------------------------------------------------------------------ changing

    cdef bint has_room(self, Py_ssize_t more, int64_t limit) noexcept:
        """Whether it may stay packed with so many bytes more."""
        if limit > 0 and self.n >= limit:
            return False
        return self.n < MOST_PACKED and self.small.n + more <= node_bytes(limit)

    cdef int unpack(self) except -1:
        """From packed to ring; there is no way back."""
        cdef Packed small = self.small
        cdef Arg element
        cdef bytes held
        cdef Py_ssize_t place = 0
        self.small = None
        self.n = 0
        while place < small.n:
            place = small.read(place, &element)
            held = PyBytes_FromStringAndSize(element.p, element.n)
            self.put(<PyObject*>held, False)
        return 0

    cdef int reserve(self) except -1:
        """Room for one more in the ring."""
        cdef Py_ssize_t i, cap
        cdef PyObject** ring
        if self.n < self.cap:
            return 0
        cap = self.cap * 2 if self.cap else 4
        ring = <PyObject**>malloc(cap * sizeof(PyObject*))
        if ring is NULL:
            raise MemoryError(cap)
        took(malloc_size(cap * sizeof(PyObject*)))
        for i in range(self.n):
            ring[i] = self.ring[(self.head + i) & (self.cap - 1)]
        if self.ring is not NULL:
            gave(malloc_size(self.cap * sizeof(PyObject*)))
            free(self.ring)
        self.ring = ring
        self.cap = cap
        self.head = 0
        return 0

    cdef int put(self, PyObject* element, bint left) except -1:
        """Add an element at an end of the ring."""
        self.reserve()
        Py_INCREF(<object>element)
        took(weight(<object>element))
        if left:
            self.head = (self.head - 1) & (self.cap - 1)
            self.ring[self.head] = element
        else:
            self.ring[(self.head + self.n) & (self.cap - 1)] = element
        self.n += 1
        return 0

    cdef int push(self, const Arg* element, bint left, int64_t limit) except -1:
        cdef bytes held
        if self.small is not None:
            if self.has_room(element.n, limit):
                self.n += 1
                return self.small.insert(0 if left else self.small.n, element)
            self.unpack()
        held = PyBytes_FromStringAndSize(element.p, element.n)
        return self.put(<PyObject*>held, left)

    cdef bytes pop(self, bint left):
        cdef bytes element = self.at(0 if left else self.n - 1)
        self.drop(1, left)
        return element

    cdef int drop(self, Py_ssize_t count, bint left) except -1:
        """Remove elements at an end."""
        cdef Py_ssize_t _i
        cdef PyObject* old
        if self.small is not None:
            self.small.erase(0 if left else self.seek(self.n - count), count)
            self.n -= count
            return 0
        for _i in range(count):
            self.n -= 1
            if left:
                old = self.ring[self.head]
                self.head = (self.head + 1) & (self.cap - 1)
            else:
                old = self.ring[(self.head + self.n) & (self.cap - 1)]
            gave(weight(<object>old))
            Py_XDECREF(old)
        return 0

    cdef int replace(self, Py_ssize_t i, const Arg* element, int64_t limit) except -1:
        cdef PyObject* old
        cdef bytes held
        if self.small is not None:
            if self.small.n + element.n <= node_bytes(limit):
                return self.small.replace(self.seek(i), element)
            self.unpack()
        i = (self.head + i) & (self.cap - 1)
        old = self.ring[i]
        held = PyBytes_FromStringAndSize(element.p, element.n)
        Py_INCREF(held)
        took(weight(held) - weight(<object>old))
        self.ring[i] = <PyObject*>held
        Py_XDECREF(old)
        return 0

    cdef int insert(self, Py_ssize_t i, const Arg* element, int64_t limit) except -1:
        """Before element i; i = n appends."""
        cdef Py_ssize_t mask, k
        cdef PyObject* moved
        if self.small is not None and self.has_room(element.n, limit):
            self.n += 1
            return self.small.insert(self.seek(i), element)
        self.push(element, i < self.n // 2, limit)
        mask = self.cap - 1
        if i < (self.n - 1) // 2:
            # It sits in front: move the i elements that belong before it.
            moved = self.ring[self.head]
            for k in range(i):
                self.ring[(self.head + k) & mask] = self.ring[(self.head + k + 1) & mask]
            self.ring[(self.head + i) & mask] = moved
        else:
            moved = self.ring[(self.head + self.n - 1) & mask]
            for k in range(self.n - 1, i, -1):
                self.ring[(self.head + k) & mask] = self.ring[(self.head + k - 1) & mask]
            self.ring[(self.head + i) & mask] = moved
        return 0

    cdef int remove(self, Py_ssize_t i) except -1:
        cdef Py_ssize_t mask = self.cap - 1, k
        cdef PyObject* old
        if self.small is not None:
            self.n -= 1
            return self.small.erase(self.seek(i), 1)
        old = self.ring[(self.head + i) & mask]
        if i < self.n // 2:
            for k in range(i, 0, -1):
                self.ring[(self.head + k) & mask] = self.ring[(self.head + k - 1) & mask]
            self.head = (self.head + 1) & mask
        else:
            for k in range(i, self.n - 1):
                self.ring[(self.head + k) & mask] = self.ring[(self.head + k + 1) & mask]
        self.n -= 1
        gave(weight(<object>old))
        Py_XDECREF(old)
        return 0
