from bedrock.net.buf cimport Buf
from kafkalite.codec cimport Output, Reply
from kafkalite.cursor cimport Reader


cdef class ByPartition(Reply):
    cdef bint by_id                # topics have ids instead of names
    cdef list topics               # (name or id, number of partitions)
    cdef Buf entries               # a struct of the subclass's own for each partition
    cdef Py_ssize_t n              # of entries

    cdef char* next_entry(self, size_t size) except NULL
    # The topics of the request: from its bytes, or as the table decoded them.
    cdef int read_topics(self, Reader* r, int version) except -1
    cdef int adopt_topics(self, list topics) except -1
    cdef object read_key(self, Reader* r)
    # Those of the response, likewise.
    cdef int write_topics(self, Output output, int version, bint flexible) except -1
    cdef list described_topics(self)

    # What a subclass has: one partition of the request, and of the response.
    cdef int read_entry(self, Reader* r, int version) except -1
    cdef int adopt_entry(self, dict part) except -1
    cdef dict described_entry(self, Py_ssize_t i)
    cdef int write_entry(self, Output output, Py_ssize_t i, int version,
                         bint flexible) except -1


# A string of the response, None for null.
cdef int put_str(Buf out, bint flexible, str text) except -1
