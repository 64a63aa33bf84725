from libc.stdint cimport uint8_t

from bedrock.net.buf cimport Buf
from kafkalite.cursor cimport Text


cdef class Span:
    """Bytes of a request that are not copied: valid until `feed` returns."""
    cdef const char* p
    cdef readonly Py_ssize_t n


cdef class Slice:
    """Bytes of a log to be sent from the file itself."""
    cdef readonly object file
    cdef readonly long long offset
    cdef readonly Py_ssize_t n


cdef struct Input:
    const uint8_t* p               # next byte
    const uint8_t* end
    bint spans                     # `records` become Spans instead of bytes


cdef class Output:
    cdef Buf buf
    cdef readonly list cuts        # (position in buf, Slice): the slice goes there
    cdef readonly Py_ssize_t n     # bytes of all slices

    cdef int cut(self, Slice slice) except -1


cdef class Field:
    cdef readonly str name
    cdef int kind
    cdef bint nullable
    cdef bint flexible
    cdef readonly int tag          # -1: not a tagged field
    cdef readonly object default
    cdef readonly Field item       # of an array
    cdef readonly Struct struct

    cdef bint holds_default(self, value) except -1
    cdef object read(self, Input* source)
    cdef int write(self, Output out, object value) except -1
    cdef Py_ssize_t read_size(self, Input* source) except -2
    cdef int write_size(self, Output out, Py_ssize_t n) except -1


cdef class Struct:
    cdef readonly list fields
    cdef readonly list tagged
    cdef readonly dict defaults    # of every field any version has
    cdef readonly bint flexible

    cdef dict read(self, Input* source)
    cdef int write(self, Output out, dict values) except -1
    cdef int read_tagged(self, Input* source, dict values) except -1
    cdef Py_ssize_t write_tagged(self, Output out, dict values) except -2


cdef class Reply:
    """A response that writes itself: see kafkalite.cursor."""
    cdef int write(self, Output out, int version, bint flexible) except -1


# As a str, None for null; Malformed for what is not UTF-8.
cdef str text_of(Text text)
