from libc.stdint cimport int64_t

cdef enum:
    GROUP_BITS = 16
    GROUP_ROWS = 65536

cdef int64_t NEVER
cdef int64_t FIRST_TRANSACTION


cdef class Snapshot:
    cdef readonly int64_t at       # commits up to this number are seen
    cdef readonly int64_t me       # the transaction's own stamp; 0 = it has not written


cdef class Version:
    cdef readonly int64_t stamp    # who made this version
    cdef readonly tuple values     # the whole row
    cdef readonly Version older    # or None


cdef class RowGroup:
    cdef readonly list chunks      # Chunk of each column
    cdef readonly Py_ssize_t rows  # slots handed out, live or not
    cdef readonly Py_ssize_t capacity
    cdef object stamps_array, deaths_array
    cdef int64_t* stamps           # who made the newest version
    cdef int64_t* deaths           # who deleted the row; NEVER = nobody
    cdef readonly dict undo        # slot -> Version, newest first
    cdef public Py_ssize_t pending # stamps of transactions still running
    cdef public int64_t newest     # largest commit stamp
    cdef public Py_ssize_t dead    # slots with a death stamp
    cdef public int64_t written    # commit number of the last change: what a checkpoint asks

    cdef int reserve(self, Py_ssize_t rows) except -1
    cdef bint clean(self, Snapshot s) noexcept
    cdef bint live(self, Py_ssize_t slot, Snapshot s) noexcept
    cdef tuple row(self, Py_ssize_t slot)
    cdef tuple read(self, Py_ssize_t slot, Snapshot s)
    cdef Version seen(self, Py_ssize_t slot, Snapshot s)
    cdef int restore(self, Py_ssize_t slot, tuple values) except -1
