from libc.stdint cimport int64_t

from bedrock.net.buf cimport Buf


cdef struct Arg:
    const char* p
    Py_ssize_t n


# What a request may cost before it is authenticated, and after.
cdef struct Bounds:
    int64_t args
    int64_t bulk


cdef class Args:
    cdef Arg* v                    # v[0] is the command's name
    cdef Py_ssize_t n, cap
    cdef const char* raw           # the request as it came, NULL when there is no such frame
    cdef size_t raw_n
    cdef object owner              # holds the bytes when they are ours (bytes, or a tuple), else None
    cdef Py_ssize_t declared       # arguments announced by a request not yet whole; 0 = none
    cdef size_t at                 # bytes of it parsed
    cdef size_t need               # bytes it needs at least, 0 = unknown
    cdef bytes error               # what was wrong with it

    cdef int borrow(self, tuple words) except -1
    cdef int push(self, const char* p, Py_ssize_t n) except -1
    cdef size_t size(self) noexcept
    cdef int reset(self) noexcept
    cdef bytes text(self, Py_ssize_t i)
    cdef str shown(self, Py_ssize_t i, Py_ssize_t most=*)  # for messages
    cpdef Args copy(self)

# Parse one request at p: bytes consumed, 0 = not whole yet, -1 = protocol error (args.error).
cdef Py_ssize_t parse(Args args, const char* p, size_t n, const Bounds* bounds) except -2

# Case-insensitive comparison of an argument with a lower-case word.
cdef bint is_word(const Arg* arg, const char* word) noexcept

# Strict numbers, as the protocol wants them; False when it is not one.
cdef bint parse_int(const char* p, Py_ssize_t n, int64_t* value) noexcept
cdef bint parse_double(const char* p, Py_ssize_t n, double* value) noexcept
cdef bint parse_long_double(const char* p, Py_ssize_t n, long double* value) noexcept

# Numbers as text; room for 24, 32 and 5120 bytes.  They return the length.
cdef int format_int(char* into, int64_t value) noexcept
cdef int format_double(char* into, double value) noexcept
cdef bytes format_long_double(long double value)

# Replies.  `resp` is the protocol version of the client, 2 or 3.
cdef int put_ok(Buf out) except -1
cdef int put_int(Buf out, int64_t value) except -1
cdef int put_bulk(Buf out, const char* p, Py_ssize_t n) except -1
cdef int put_bytes(Buf out, bytes data) except -1
cdef int put_nil(Buf out, int resp) except -1
cdef int put_nil_array(Buf out, int resp) except -1
cdef int put_array(Buf out, Py_ssize_t n) except -1
cdef int put_map(Buf out, Py_ssize_t n, int resp) except -1
cdef int put_set(Buf out, Py_ssize_t n, int resp) except -1
cdef int put_push(Buf out, Py_ssize_t n, int resp) except -1
cdef int put_double(Buf out, double value, int resp) except -1
cdef int put_error(Buf out, bytes message) except -1
cdef int put_object(Buf out, object value, int resp) except -1

# The form of a request, as in the append-only file: put_array(n), then put_bulk for each.
cdef int put_request(Buf out, Args args) except -1
