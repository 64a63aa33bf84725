from libc.stdint cimport int16_t, int32_t, int64_t

from kafkalite.batch cimport Header

cdef enum:
    KEPT = 5                       # batches remembered: a producer has at most 5 in flight


cdef struct Sent:
    int32_t first_sequence
    int32_t last_sequence
    int64_t base_offset
    int64_t last_offset
    int64_t timestamp


cdef class Producer:
    cdef readonly int64_t id
    cdef readonly int16_t epoch
    cdef readonly int32_t coordinator_epoch    # of the last marker, -1 before one
    cdef readonly int64_t transaction_start    # offset of its open transaction, -1 for none
    cdef readonly int64_t last_timestamp
    cdef int n                     # of `sent`, oldest first
    cdef Sent[KEPT] sent

    cdef Sent* push(self) noexcept


cdef class Producers:
    cdef readonly dict by_id
    cdef readonly dict open            # id -> first offset of its transaction, oldest first

    cdef Producer known(self, const Header* h)
    # Kafka's error code for a batch about to be appended, 0 if it may; *duplicate is the offset
    # at which the same batch is already, -1 if it is new.
    cdef int check(self, const Header* h, int64_t* duplicate) except -1
    # Remember a batch that was appended at `base_offset`.
    cdef int update(self, const Header* h, int64_t base_offset) except -1
    # Remember a marker; returns the first offset of the transaction it ends, -1 if none was open.
    cdef int64_t end(self, const Header* h, int32_t coordinator_epoch) except -2
    # First offset of the oldest open transaction, `otherwise` if there is none.
    cdef int64_t first_open(self, int64_t otherwise) except -1
