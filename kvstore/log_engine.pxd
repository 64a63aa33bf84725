from libc.stdint cimport int64_t, uint64_t

from bedrock.net.buf cimport Buf
from bedrock.storage.recordlog cimport RecordLog
from bedrock.world.disk cimport File
from bedrock.world.turn cimport Turn
from kvstore.directory cimport Directory
from kvstore.engine cimport Store
from kvstore.feed cimport Feed
from kvstore.keyspace cimport Behind, Database
from kvstore.resp cimport Arg
from kvstore.snapshot cimport SnapshotWalk

cdef enum:
    HEAD = 15                      # bytes of a record before the key


# A snapshot that is being read from the log (kvstore.log_walk).
cdef class RecordWalk(SnapshotWalk):
    # A record that was alive is about to be replaced.
    cdef int before_change(self, int64_t position, const char* payload, Py_ssize_t n) except -1


cdef class LogEngine(Behind):
    cdef readonly Store store
    cdef readonly object disk
    cdef RecordLog log
    cdef Turn turn
    cdef object hook
    cdef bint waiting              # `settle` is deferred to the end of the turn
    cdef readonly LogJournal journal
    cdef uint64_t[2] seed          # of the directories' hash
    cdef list directories          # by database
    cdef list dirty                # by database: dict of the keys that may have changed
    cdef size_t owed               # bytes that writing those may take
    cdef Py_ssize_t longest        # bytes of the longest record so far
    cdef dict files                # base -> File of a finished segment
    cdef char* scratch             # what was read last
    cdef Py_ssize_t cap
    cdef const char* found         # payload of the record read last
    cdef Py_ssize_t found_n
    cdef int64_t found_at          # position of what `seek` found
    cdef Buf record                # being put together
    cdef Buf hint                  # of the segment being written
    cdef int64_t hint_base
    cdef uint64_t in_segment       # records in it, dead ones too
    cdef dict counts               # base -> the same of a finished one
    cdef readonly uint64_t total   # of all
    cdef readonly object cleaning, writing
    cdef RecordWalk walk           # of the snapshot under way, or None
    cdef int64_t synced_ns

    cdef uint64_t hash(self, const char* p, Py_ssize_t n) noexcept
    cdef int wait(self) except -1
    cdef int reserve(self, size_t n) except -1
    cdef int commit(self) except -1
    cdef int read(self, int64_t position) except -1
    cdef File file_of(self, int64_t position, int64_t* base)
    # Find the record of a key: its slot in the directory, and itself in `found`.
    cdef bint seek(self, Directory directory, uint64_t h, const char* p, Py_ssize_t n,
                   int64_t* slot) except -1
    cdef bytes key_at(self, int64_t position, int64_t now_ms)
    cdef int bring(self, Database db, bytes name, object value, int64_t deadline) except -1
    cdef int write_dirty(self) except -1
    cdef int write_key(self, Database db, bytes key) except -1
    cdef int64_t append(self) except -1
    # A record for the hint of the segment being written, and for the counts.
    cdef int note_hint(self, int64_t position, const char* payload, Py_ssize_t n) except -1
    cdef int finish_segment(self) except -1
    cdef Py_ssize_t count_keys(self) except -1


cdef class LogJournal(Feed):
    cdef LogEngine engine

    cdef int drop(self) except -1


# Which segment a position is in.
cdef Py_ssize_t index_of(list bases, int64_t position) except -1
cpdef str segment_name(int64_t base)
cpdef str hint_name(int64_t base)
