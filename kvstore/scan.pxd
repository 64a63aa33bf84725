from libc.stdint cimport uint64_t

from bedrock.net.buf cimport Buf
from kvstore.engine cimport Client
from kvstore.resp cimport Arg, Args


cdef struct ScanOptions:
    uint64_t cursor
    size_t count
    const Arg* pattern             # NULL = everything
    const Arg* type_name           # NULL = every type

# The cursor at a.v[at]; it is read before the key is looked at, the options after.
cdef int scan_cursor(Args a, Py_ssize_t at, ScanOptions* options) except -1
# [MATCH pattern] [COUNT n] [TYPE name] from a.v[at] on.
cdef int scan_options(Args a, Py_ssize_t at, ScanOptions* options, bint typed) except -1
cdef bint wanted(const ScanOptions* options, const char* p, Py_ssize_t n) noexcept
# The reply of the SCAN family: next cursor and items (bytes).
cdef int put_scan(Buf out, uint64_t cursor, list items) except -1
