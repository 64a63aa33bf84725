from libc.stdint cimport int64_t, uint32_t

from kvstore.keyspace cimport Value
from kvstore.listpack cimport Entry
from kvstore.resp cimport Arg
from kvstore.runs cimport Run


# Where a walk stands: before an entry, or at the end.
cdef struct Place:
    Py_ssize_t run                 # from the left; those of an end have no entry at `at`
    Py_ssize_t at                  # bytes from where the run's entries begin
    char[24] digits                # the number read last, as text


cdef class List(Value):
    cdef uint32_t cap              # of the ring, a power of two
    cdef uint32_t head             # place of run 0
    cdef uint32_t held             # runs
    cdef Run* runs
    cdef Py_ssize_t n              # elements

    # Walk: `seek` stands before element i (0 <= i <= n); `read` and `read_back` give the element
    # behind or before that place and go past it.  What they give is good until the next of them.
    cdef int seek(self, Py_ssize_t i, Place* place) noexcept
    cdef int read(self, Place* place, Arg* element) noexcept
    cdef int read_back(self, Place* place, Arg* element) noexcept
    cdef bint meets(self, Place* place, const Entry* wanted) noexcept
    # How many elements come before the first that is wanted, going on; -1 without one.
    cdef Py_ssize_t find(self, const Entry* wanted, Place* place) noexcept
    # `limit` is list-max-listpack-size: elements, or (negative) a class of sizes.
    cdef int push(self, const Arg* element, bint left, int64_t limit) except -1
    cdef int extend(self, elements, int64_t limit) except -1     # bytes objects, at the right
    cdef bytes pop(self, bint left)
    cdef int drop(self, Py_ssize_t count, bint left) except -1
    # At a place that `seek` or a walk has led to, and which stands behind it then.
    cdef int replace(self, Place* place, const Arg* element, int64_t limit) except -1
    cdef int insert(self, Place* place, const Arg* element, int64_t limit) except -1
    cdef int remove(self, Place* place) except -1
    # Entries of a listpack as another run at the right; ValueError if they are none.
    cdef int take_entries(self, const char* p, Py_ssize_t n, int64_t limit) except -1

    cdef Run* run(self, Py_ssize_t i) noexcept
    cdef Run* add_run(self, Py_ssize_t i, Py_ssize_t cap) except NULL
    cdef int drop_run(self, Py_ssize_t i) except -1
    cdef int reserve(self) except -1
    cdef int make_ring(self, Py_ssize_t cap) except -1
    cdef int put_in(self, Run* run, Py_ssize_t at, const Entry* entry, int64_t limit) except -1
    cdef int split(self, Place* place, const Entry* entry, int64_t limit) except -1
    cdef int join(self, Py_ssize_t i, int64_t limit) except -1
