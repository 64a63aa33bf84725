"""What SCAN, HSCAN, SSCAN and ZSCAN have in common: options, and the shape of the reply.

The cursor is a position in the order of hashes (`hashtable.pyx`): an element that is there from the
first call to the last is returned once, whatever else comes and goes.
"""


from libc.stdint cimport int64_t

from kvstore.glob cimport glob
from kvstore.resp cimport format_int, is_word, parse_int, put_array, put_bulk, put_bytes
from kvstore.resp import ReplyError


cdef int scan_cursor(Args a, Py_ssize_t at, ScanOptions* options) except -1:
    cdef const char* p = a.v[at].p
    cdef Py_ssize_t n = a.v[at].n
    cdef bint negative = n > 1 and p[0] == c'-'
    cdef Py_ssize_t i
    options.cursor = 0
    options.count = 10
    options.pattern = options.type_name = NULL
    # As strtoul reads it: a sign may stand before it, and nothing at all is zero.
    if n > 1 and p[0] in b"+-":
        p, n = p + 1, n - 1
    if n > 20:
        raise ReplyError("ERR invalid cursor")
    for i in range(n):
        if not c'0' <= p[i] <= c'9':
            raise ReplyError("ERR invalid cursor")
        options.cursor = options.cursor * 10 + (p[i] - c'0')
    if negative:
        options.cursor = 0 - options.cursor
    return 0


cdef int scan_options(Args a, Py_ssize_t at, ScanOptions* options, bint typed) except -1:
    cdef int64_t number
    cdef Py_ssize_t i
    for i in range(at, a.n, 2):
        if i + 1 == a.n:
            raise ReplyError("ERR syntax error")
        if is_word(&a.v[i], "match"):
            options.pattern = &a.v[i + 1]
        elif is_word(&a.v[i], "count"):
            if not parse_int(a.v[i + 1].p, a.v[i + 1].n, &number):
                raise ReplyError("ERR value is not an integer or out of range")
            if number < 1:
                raise ReplyError("ERR syntax error")
            options.count = number
        elif typed and is_word(&a.v[i], "type"):
            options.type_name = &a.v[i + 1]
        else:
            raise ReplyError("ERR syntax error")
    return 0


cdef bint wanted(const ScanOptions* options, const char* p, Py_ssize_t n) noexcept:
    return options.pattern is NULL or glob(options.pattern.p, options.pattern.n, p, n, False)


cdef int put_scan(Buf out, uint64_t cursor, list items) except -1:
    cdef char[24] digits
    cdef bytes item
    put_array(out, 2)
    put_bulk(out, digits, format_int(digits, cursor))
    put_array(out, len(items))
    for item in items:
        put_bytes(out, item)
    return 0
