from libc.stdint cimport int64_t, uint32_t

from bedrock.net.buf cimport Buf
from bedrock.world.clock cimport Clock
from bedrock.world.turn cimport Turn
from kafkalite.batch cimport Header
from kafkalite.codec cimport Slice
from kafkalite.producers cimport Producers
from kafkalite.segment cimport Segment


cdef struct Appended:
    int64_t base_offset            # given to the first record; -1 if refused
    int64_t time_ms                # -1 unless the log sets timestamps itself


cdef class Log:
    cdef readonly str name             # "topic-partition", for messages
    cdef readonly object disk
    cdef readonly Turn turn
    cdef readonly Clock clock
    cdef readonly object config
    cdef readonly list segments        # oldest first; the last is the active one
    cdef readonly Segment active
    cdef readonly Producers producers

    cdef readonly int64_t start_offset     # first offset that is readable
    cdef readonly int64_t end_offset       # given to the next record
    cdef readonly int64_t high_watermark   # below it all is written, and readable
    cdef readonly int64_t stable_offset    # below it no transaction is open (LSO)
    cdef public int64_t cleaned_offset     # below it the cleaner has been
    cdef readonly int64_t recovery_point   # below it all is durable
    cdef bint full                 # the last batch found no room
    cdef readonly object cut           # what recovery dropped, a Finding or None
    cdef readonly set waiting          # of DelayedFetch, tried again after a flush

    cdef Buf pending               # batches of this turn, not written yet
    cdef int64_t written           # bytes of the active segment that are in its file
    cdef int64_t readable          # bytes of the active segment below the high watermark
    cdef bint deferred             # `flush` is on the turn
    cdef bint entries_changed      # files were made or removed since the directory was synced
    cdef readonly bint deleted     # the topic is gone
    cdef bint sync_always
    cdef bint append_time
    cdef int codec                 # batches are packed with it; -1: they stay as they came
    cdef readonly bint compact         # every record needs a key
    cdef int64_t segment_bytes, segment_ms, max_message_bytes
    cdef int64_t after_max_ms, before_max_ms   # how far from now a timestamp may be

    # Kafka's error code, 0 for success; nothing has changed when it is not 0.
    cdef int add(self, const char* p, size_t n, Appended* result) except -2
    cdef int keep(self, const char* p, size_t n, Header* h, Appended* result) except -2
    cdef int keep_repacked(self, const char* p, size_t n, Header* h,
                           Appended* result) except -2
    cdef bint is_timely(self, const Header* h) except -1
    cdef int64_t first_unstable(self) except -1
    cdef int store(self, const char* p, size_t n, Header* h, Appended* result) except -1
    cdef int make_room(self, const Header* h) except -1
    cdef int write_direct(self, const char* p, size_t n) except -1
    cdef int write_pending(self) except -1
    cdef Segment segment_of(self, int64_t offset)
    # What can be sent of whole batches from `offset` on, None if nothing; committed: only what lies
    # below the stable offset.
    cdef Slice read(self, int64_t offset, int64_t max_bytes, bint at_least_one, bint committed=*)
    # The aborted transactions that meet a slice read from `offset`.
    cdef list aborted_in(self, int64_t offset, Slice slice)
