from cpython.object cimport PyObject

from bedrock.world.rand cimport Rand
from kvstore.resp cimport Arg


cdef struct Lane:
    Node* next
    Py_ssize_t span                # elements from this node to `next`

cdef struct Node:
    double score
    PyObject* member               # bytes, owned
    int height
    Lane[1] lanes                  # `height` of them


cdef class SkipList:
    cdef Node* head
    cdef Py_ssize_t n
    cdef int height
    cdef Rand rand

    cdef int insert(self, double score, bytes member) except -1
    cdef bint remove(self, double score, const Arg* member) except -1
    cdef Node* at(self, Py_ssize_t rank) noexcept
    # How many elements come before (score, member); with `after`, before or at it.
    # score NaN compares members only, for sets whose scores are all equal.
    # member NULL stands for "lower than any member" (or, with `after`, "higher than any").
    cdef Py_ssize_t count_below(self, double score, const Arg* member, bint after) noexcept

cdef int compare(const char* p, Py_ssize_t pn, const char* q, Py_ssize_t qn) noexcept
