from libc.stdint cimport int64_t

from minidb.index cimport Index
from minidb.rowgroup cimport RowGroup, Snapshot, Version
from minidb.transaction cimport Transaction, Write


cdef class TableStore:
    cdef readonly int64_t oid
    cdef readonly list kinds       # numpy type code of each column
    cdef readonly list groups
    cdef readonly dict indexes     # oid -> Index
    cdef list free                 # tids of slots to use again
    cdef public Transaction locked_by

    cdef RowGroup group_of(self, int64_t tid)
    cdef int64_t take_slot(self) except -1
    cdef bint writable(self, RowGroup group, Py_ssize_t slot, Transaction t,
                       Snapshot s) except -1
    cdef int check_unique(self, Index index, object key, int64_t tid, Transaction t) except -1
    cdef int64_t holder_of(self, Index index, object key, int64_t tid, Transaction t) except -2
    cdef int64_t insert_row(self, Transaction t, tuple row) except -1
    cdef bint update_row(self, Transaction t, Snapshot s, int64_t tid, tuple columns,
                         tuple values) except -1
    cdef bint delete_row(self, Transaction t, Snapshot s, int64_t tid) except -1
    cdef tuple fetch(self, Index index, object key, Snapshot s)
    cdef int check_lock(self, Transaction t) except -1
    cdef settle_undo(self, Version v, int64_t commit)
    cdef undo_insert(self, int64_t tid)
    cdef release(self, RowGroup group, Py_ssize_t slot, int64_t tid)
    cdef drop_keys(self, RowGroup group, Py_ssize_t slot, int64_t tid, tuple row)
    cdef fill(self, RowGroup group, Py_ssize_t rows)
