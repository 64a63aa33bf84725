from libc.stdint cimport int64_t, uint64_t

from bedrock.net.buf cimport Buf
from bedrock.storage.recordlog cimport RecordLog
from bedrock.world.disk cimport File
from bedrock.world.turn cimport Turn
from kvstore.directory cimport Directory
from kvstore.engine cimport Store
from kvstore.journal cimport Journal
from kvstore.keyspace cimport Behind, Database
from kvstore.resp cimport Arg


cdef class LogEngine(Behind):
    cdef readonly Store store
    cdef readonly object disk
    cdef RecordLog log
    cdef Turn turn
    cdef object hook
    cdef bint waiting              # `settle` is deferred to the end of the turn
    cdef list directories          # by database
    cdef list dirty                # by database: dict of the keys that may have changed
    cdef dict files                # base -> File of a finished segment
    cdef char* scratch             # what was read last
    cdef Py_ssize_t cap
    cdef const char* found         # payload of the record read last
    cdef Py_ssize_t found_n
    cdef Buf record                # being put together
    cdef Buf hint                  # of the segment being written
    cdef int64_t hint_base
    cdef readonly uint64_t total   # records in the log, dead ones too
    cdef readonly object compacting
    cdef int64_t synced_ns

    cdef int wait(self) except -1
    cdef int read(self, int64_t position) except -1
    cdef File file_of(self, int64_t position, int64_t* base)
    cdef bint seek(self, Directory directory, uint64_t h, const char* p, Py_ssize_t n,
                   int64_t* slot) except -1
    cdef bytes key_at(self, int64_t position, int64_t now_ms)
    cdef int bring(self, Database db, uint64_t h, bytes name, object value,
                   int64_t deadline) except -1
    cdef int write_key(self, Database db, bytes key) except -1
    cdef int64_t append(self) except -1
    cdef int note_hint(self, int64_t position, const char* payload, Py_ssize_t n) except -1
    cdef int replay(self, int64_t position, const char* p, Py_ssize_t n) except -1
    cdef int learn(self, int64_t position, char op, int index, const char* key,
                   Py_ssize_t n) except -1
    cdef int load_segment(self, int64_t base) except -1


cdef class Reservation(Journal):
    cdef LogEngine engine
