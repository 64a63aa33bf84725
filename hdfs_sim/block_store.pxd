from libc.stdint cimport int64_t, uint32_t

from bedrock.world.disk cimport Disk, File


cdef class Replica:
    cdef readonly BlockStore store
    cdef readonly int64_t id
    cdef readonly int64_t gs           # generation stamp
    cdef readonly int state            # messages.datanode: FINALIZED, RBW, RWR, RUR, TEMPORARY
    cdef readonly int64_t length       # bytes that are here with their checksums
    cdef public object writer          # the session that is writing it, or None
    cdef public int64_t recovery_gs    # stamp of the recovery under way, 0 if none
    cdef File data
    cdef File meta
    cdef readonly int readers
    cdef bint named                    # its directory entries are durable

    cdef int sync_files(self) except -1
    cdef int open_files(self) except -1
    cdef int write(self, int64_t offset, const char* data, size_t n,
                   const char* sums, size_t sums_n) except -1
    cdef uint32_t prefix_sum(self, int64_t offset) except? 0


cdef class BlockStore:
    cdef readonly Disk disk
    cdef readonly dict replicas        # id -> Replica
    cdef readonly int64_t used         # bytes of data in all replicas
    cdef dict folders                  # directory -> Disk
