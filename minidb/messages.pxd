from bedrock.net.buf cimport Buf


cdef size_t begin(Buf out, char kind) except? 0
cdef int end(Buf out, size_t start) except -1
cdef int put_cstring(Buf out, str text) except -1
cdef int put_short(Buf out, int v) except -1
cdef int put_word(Buf out, long v) except -1
cdef int bare(Buf out, char kind) except -1
cdef int ready(Buf out, char status) except -1
cdef int complete(Buf out, str tag) except -1
cdef int row_description(Buf out, fields, tuple formats) except -1
cdef int error(Buf out, char kind, exc, str severity) except -1
cdef int parameter_status(Buf out, str name, str value) except -1
cdef int copy_response(Buf out, char kind, int binary, int columns) except -1
