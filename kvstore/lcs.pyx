"""LCS: the longest common subsequence of two strings, by the table of Wagner and Fischer (1974).

    row i, column j = length for the first i bytes of one and j bytes of the other

The table takes 4 bytes for each pair of bytes; a request for more than `TABLE_MAX` is refused.
"""

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free

from bedrock.net.buf cimport Buf
from kvstore.binding cimport define
from kvstore.engine cimport Client
from kvstore.resp cimport Arg, Args, is_word, put_array, put_bytes, put_int, put_map
from kvstore.resp import ReplyError
from kvstore.keyspace cimport Value
from kvstore.strings cimport int_of, text_of

cdef enum:
    TABLE_MAX = 512 << 20


cdef uint32_t* lengths(const Arg* x, const Arg* y) except NULL:
    cdef uint64_t cells = <uint64_t>(x.n + 1) * <uint64_t>(y.n + 1)
    cdef uint32_t* table
    cdef Py_ssize_t i, j, width = y.n + 1
    if cells * sizeof(uint32_t) > <uint64_t>TABLE_MAX:
        raise ReplyError(
            "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len")
    table = <uint32_t*>calloc(cells, sizeof(uint32_t))
    if table is NULL:
        raise MemoryError(cells)
    for i in range(1, x.n + 1):
        for j in range(1, y.n + 1):
            if x.p[i - 1] == y.p[j - 1]:
                table[i * width + j] = table[(i - 1) * width + j - 1] + 1
            else:
                table[i * width + j] = max(table[(i - 1) * width + j], table[i * width + j - 1])
    return table


cdef list matches(const uint32_t* table, const Arg* x, const Arg* y):
    """(start in x, start in y, length) of the common runs, last first."""
    cdef Py_ssize_t i = x.n, j = y.n, width = y.n + 1, run = 0
    cdef list found = []
    while i and j:
        if x.p[i - 1] == y.p[j - 1]:
            run += 1
            i -= 1
            j -= 1
            continue
        if run:
            found.append((i, j, run))
            run = 0
        if table[(i - 1) * width + j] > table[i * width + j - 1]:
            i -= 1
        else:
            j -= 1
    if run:
        found.append((i, j, run))
    return found


cdef int put_runs(Client c, list runs, uint32_t length, bint with_lengths, Buf out) except -1:
    put_map(out, 2, c.resp)
    put_bytes(out, b"matches")
    put_array(out, len(runs))
    for i, j, n in runs:
        put_array(out, 3 if with_lengths else 2)
        for start in (i, j):
            put_array(out, 2)
            put_int(out, start)
            put_int(out, start + n - 1)
        if with_lengths:
            put_int(out, n)
    put_bytes(out, b"len")
    return put_int(out, length)


cdef int lcs(Client c, Args a, Buf out) except -1:
    cdef Arg x, y
    cdef bint only_length = False, runs_wanted = False, with_lengths = False
    cdef int64_t shortest = 0
    cdef uint32_t* table
    cdef uint32_t length
    cdef Py_ssize_t i = 3
    one, two = c.db.read(&a.v[1]), c.db.read(&a.v[2])
    if isinstance(one, Value) or isinstance(two, Value):
        raise ReplyError("ERR The specified keys must contain string values")
    text_of(one, &x)
    text_of(two, &y)
    while i < a.n:
        if is_word(&a.v[i], "idx"):
            runs_wanted = True
        elif is_word(&a.v[i], "len"):
            only_length = True
        elif is_word(&a.v[i], "withmatchlen"):
            with_lengths = True
        elif is_word(&a.v[i], "minmatchlen") and i + 1 < a.n:
            i += 1
            shortest = int_of(&a.v[i])
        else:
            raise ReplyError("ERR syntax error")
        i += 1
    if only_length and runs_wanted:
        raise ReplyError(
            "ERR If you want both the length and indexes, please just use IDX.")
    table = lengths(&x, &y)
    try:
        length = table[x.n * (y.n + 1) + y.n]
        if only_length:
            return put_int(out, length)
        runs = matches(table, &x, &y)
    finally:
        free(table)
    if runs_wanted:
        return put_runs(c, [run for run in runs if run[2] >= shortest], length, with_lengths, out)
    text = b"".join([PyBytes_FromStringAndSize(x.p + <Py_ssize_t>run[0], run[2])
                     for run in reversed(runs)])
    return put_bytes(out, text)


define("lcs", lcs)
