from bedrock.net.buf cimport Buf


cdef class Output:
    cdef public object catalog     # names of regclass and kin; None = numbers
    cdef public object zone        # tzinfo for timestamptz; None = UTC

    cdef int put(self, Buf out, object value, int how, object type, bint binary) except -1
    cdef int put_binary(self, Buf out, object value, int how, object type) except -1
    cdef str text(self, object value, int how, object type)


cdef int how_of(object type) except -1
cdef int put_row(Output output, Buf out, object row, tuple types, tuple hows,
                 tuple binaries) except -1
