"""HyperLogLog: how many different elements, about, in 12 KiB whatever they are.

A hash of the element picks one of 16,384 registers by its lower 14 bits; the register keeps the
longest run of zeros seen in the others, plus one.  Long runs are rare, so the registers tell how
many elements there were, with a standard error of 0.81 % (O. Ertl's estimator, 2017).

The value is a string, with Redis's layout:

    "HYLL"  encoding(1)  0 0 0  cached count(8, little-endian; the highest bit: not valid)
    dense   16,384 registers of 6 bits, the first in the lower bits of the first byte
    sparse  00nnnnnn            n + 1 registers are zero
            01nnnnnn nnnnnnnn   n + 1 registers are zero
            1vvvvvnn            n + 1 registers hold v + 1

Registers are spread out to a byte each to be changed or counted, and packed again; what a sparse
string does not say about all 16,384 is damage (INVALIDOBJ).
"""

from cpython.bytearray cimport PyByteArray_AS_STRING
from libc.math cimport INFINITY, llround, sqrt
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memset

from bedrock.net.buf cimport Buf
from kvstore.binding cimport define
from kvstore.engine cimport Client
from kvstore.keyspace cimport EVENT_STRING
from kvstore.resp cimport Arg, Args, is_word, put_array, put_bytes, put_int, put_ok
from kvstore.resp import ReplyError
from kvstore.strings cimport text_of

cdef enum:
    BITS = 14
    REGISTERS = 1 << BITS
    RUN = 64 - BITS                # a register's value is at most RUN + 1
    HEAD = 16
    DENSE_BYTES = HEAD + REGISTERS * 6 // 8
    SPARSE_MOST = 32               # the largest value that the sparse encoding can say

cdef enum Encoding:
    DENSE, SPARSE

NOT_ONE = "WRONGTYPE Key is not a valid HyperLogLog string value."
DAMAGED = "INVALIDOBJ Corrupted HLL object detected"


cdef uint64_t murmur(const uint8_t* p, Py_ssize_t n) noexcept:
    """MurmurHash64A, as Redis seeds it: its HyperLogLogs and ours can be merged."""
    cdef uint64_t m = 0xC6A4A7935BD1E995ULL
    cdef uint64_t h = 0xADC83B19ULL ^ (<uint64_t>n * m)
    cdef uint64_t k
    cdef Py_ssize_t i, left = n & 7
    for i in range(n >> 3):
        memcpy(&k, p + 8 * i, 8)
        k *= m
        k ^= k >> 47
        k *= m
        h ^= k
        h *= m
    if left:
        k = 0
        memcpy(&k, p + n - left, left)
        h ^= k
        h *= m
    h ^= h >> 47
    h *= m
    return h ^ (h >> 47)


cdef bint note(uint8_t* registers, const Arg* element) noexcept:
    """Count an element; True if a register changed."""
    cdef uint64_t h = murmur(<const uint8_t*>element.p, element.n)
    cdef uint64_t at = h & (REGISTERS - 1)
    cdef uint8_t run = 1
    h = h >> BITS | <uint64_t>1 << RUN
    while not h & 1:
        run += 1
        h >>= 1
    if registers[at] >= run:
        return False
    registers[at] = run
    return True


# ---------------------------------------------------------------------- the string

cdef bint spread(object value, uint8_t* registers) except -1:
    """A value's registers, a byte each; False if there is no value."""
    cdef Arg text
    cdef const uint8_t* p
    cdef Py_ssize_t at = HEAD, i = 0, n
    cdef uint8_t byte
    if not text_of(value, &text):
        return False
    check_head(&text)
    p = <const uint8_t*>text.p
    if p[4] == DENSE:
        unpack(p + HEAD, registers)
        return True
    while at < text.n:
        byte = p[at]
        n = (byte & 3 if byte & 0x80 else byte & 63) + 1
        if byte & 0xC0 == 0x40:
            at += 1
            if at == text.n:
                raise ReplyError(DAMAGED)
            n = ((byte & 63) << 8 | p[at]) + 1
        if i + n > REGISTERS:
            raise ReplyError(DAMAGED)
        memset(registers + i, (byte >> 2 & 31) + 1 if byte & 0x80 else 0, n)
        i += n
        at += 1
    if i != REGISTERS:
        raise ReplyError(DAMAGED)
    return True


cdef int check_head(const Arg* text) except -1:
    if text.n < HEAD or memcmp(text.p, "HYLL", 4) or <uint8_t>text.p[4] > SPARSE \
            or (text.p[4] == DENSE and text.n != DENSE_BYTES):
        raise ReplyError(NOT_ONE)
    return 0


cdef void unpack(const uint8_t* p, uint8_t* registers) noexcept:
    cdef uint32_t four
    for _ in range(REGISTERS // 4):
        four = p[0] | <uint32_t>p[1] << 8 | <uint32_t>p[2] << 16
        registers[0], registers[1] = four & 63, four >> 6 & 63
        registers[2], registers[3] = four >> 12 & 63, four >> 18 & 63
        registers += 4
        p += 3


cdef bytearray packed(const uint8_t* registers, Encoding encoding, Py_ssize_t most):
    """The string of these registers; sparse only if they fit in `most` bytes."""
    cdef bytearray made
    cdef uint8_t* p
    cdef Py_ssize_t i, at = HEAD
    cdef uint32_t four
    if encoding == SPARSE:
        made = sparse(registers, most)
        if made is not None:
            return made
    made = bytearray(DENSE_BYTES)
    p = <uint8_t*>PyByteArray_AS_STRING(made)
    for i in range(0, REGISTERS, 4):
        four = registers[i] | <uint32_t>registers[i + 1] << 6 \
            | <uint32_t>registers[i + 2] << 12 | <uint32_t>registers[i + 3] << 18
        p[at], p[at + 1], p[at + 2] = four & 255, four >> 8 & 255, four >> 16 & 255
        at += 3
    return headed(made, DENSE)


cdef bytearray sparse(const uint8_t* registers, Py_ssize_t most):
    """The sparse string, None if it would be longer than `most` or cannot say a value."""
    cdef bytearray made = bytearray(HEAD + 2 * REGISTERS)
    cdef uint8_t* p = <uint8_t*>PyByteArray_AS_STRING(made)
    cdef Py_ssize_t i = 0, n, at = HEAD
    cdef uint8_t value
    while i < REGISTERS:
        value = registers[i]
        if value > SPARSE_MOST:
            return None
        n = 1
        while i + n < REGISTERS and registers[i + n] == value and (not value or n < 4):
            n += 1
        if value:
            p[at] = 0x80 | (value - 1) << 2 | (n - 1)
        elif n <= 64:
            p[at] = n - 1
        else:
            p[at] = 0x40 | (n - 1) >> 8
            at += 1
            p[at] = (n - 1) & 255
        at += 1
        i += n
        if at > HEAD + most:
            return None
    del made[at:]
    return headed(made, SPARSE)


cdef bytearray headed(bytearray made, Encoding encoding):
    cdef char* p = PyByteArray_AS_STRING(made)
    memcpy(p, "HYLL", 4)
    p[4] = <char>encoding
    p[15] = <char>0x80
    return made


# ---------------------------------------------------------------------- the estimate

cdef double tau(double x) noexcept:
    cdef double y = 1, z = 1 - x, before = -1
    if x == 0 or x == 1:
        return 0
    while before != z:
        x = sqrt(x)
        before = z
        y /= 2
        z -= (1 - x) * (1 - x) * y
    return z / 3


cdef double sigma(double x) noexcept:
    cdef double y = 1, z = x, before = -1
    if x == 1:
        return INFINITY
    while before != z:
        x *= x
        before = z
        z += x * y
        y += y
    return z


cdef int64_t estimate(const uint8_t* registers) noexcept:
    cdef int[64] with_run
    cdef double z, m = REGISTERS
    cdef Py_ssize_t i
    memset(with_run, 0, sizeof(with_run))
    for i in range(REGISTERS):
        with_run[registers[i]] += 1
    z = m * tau((m - with_run[RUN + 1]) / m)
    for i in range(RUN, 0, -1):
        z = (z + with_run[i]) / 2
    z += m * sigma(with_run[0] / m)
    return llround(0.721347520444481703680 * m * m / z)


# ---------------------------------------------------------------------- commands

cdef Encoding encoding_of(object value) except *:
    cdef Arg text
    if not text_of(value, &text):
        return SPARSE
    check_head(&text)
    return <Encoding>text.p[4]


cdef int keep(Client c, const Arg* key, bytearray made) except -1:
    c.db.set(key, made, True)
    return c.db.changed(key, EVENT_STRING, "pfadd")


cdef int pfadd(Client c, Args a, Buf out) except -1:
    cdef uint8_t[REGISTERS] registers
    cdef Py_ssize_t i
    cdef int changed = 0
    value = c.db.find(&a.v[1])
    if value is not None and a.n == 2:
        encoding_of(value)
        return put_int(out, 0)
    if not spread(value, registers):
        memset(registers, 0, REGISTERS)
        changed = 1
    for i in range(2, a.n):
        changed |= note(registers, &a.v[i])
    if changed:
        keep(c, &a.v[1], packed(registers, encoding_of(value),
                                c.store.parameters["hll-sparse-max-bytes"]))
    return put_int(out, changed)


cdef bint unite(Client c, Args a, Py_ssize_t first, uint8_t* registers) except -1:
    """The largest of each register over the keys; True if one of them is dense."""
    cdef uint8_t[REGISTERS] one
    cdef Py_ssize_t i, k
    cdef bint dense = False
    memset(registers, 0, REGISTERS)
    for i in range(first, a.n):
        value = c.db.find(&a.v[i])
        if spread(value, one):
            dense = dense or encoding_of(value) == DENSE
            for k in range(REGISTERS):
                registers[k] = max(registers[k], one[k])
    return dense


cdef int pfcount(Client c, Args a, Buf out) except -1:
    cdef uint8_t[REGISTERS] registers
    cdef Arg text
    cdef uint64_t count
    cdef bytearray cached
    if a.n > 2:
        unite(c, a, 1, registers)
        return put_int(out, estimate(registers))
    value = c.db.read(&a.v[1])
    if not text_of(value, &text):
        return put_int(out, 0)
    check_head(&text)
    memcpy(&count, text.p + 8, 8)
    if not count >> 63:
        return put_int(out, <int64_t>count)
    spread(value, registers)
    count = <uint64_t>estimate(registers)
    if not isinstance(value, bytearray):
        value = bytearray(text.p[:text.n])
        c.db.replace(&a.v[1], value)
    cached = value
    memcpy(PyByteArray_AS_STRING(cached) + 8, &count, 8)
    return put_int(out, <int64_t>count)


cdef int pfmerge(Client c, Args a, Buf out) except -1:
    cdef uint8_t[REGISTERS] registers
    cdef bint dense = unite(c, a, 1, registers)
    keep(c, &a.v[1], packed(registers, DENSE if dense else SPARSE,
                            c.store.parameters["hll-sparse-max-bytes"]))
    return put_ok(out)


cdef int pfdebug(Client c, Args a, Buf out) except -1:
    cdef uint8_t[REGISTERS] registers
    cdef Py_ssize_t i
    value = c.db.find(&a.v[2])
    if value is None:
        raise ReplyError("ERR The specified key does not exist")
    encoding_of(value)
    if a.text(1).lower() not in (b"encoding", b"getreg", b"decode", b"todense"):
        raise ReplyError(f"ERR Unknown PFDEBUG subcommand '{a.text(1).decode('latin-1')}'")
    spread(value, registers)
    if is_word(&a.v[1], "encoding"):
        out.write(b"+dense\r\n" if encoding_of(value) == DENSE else b"+sparse\r\n")
        return 0
    if is_word(&a.v[1], "getreg"):
        put_array(out, REGISTERS)
        for i in range(REGISTERS):
            put_int(out, registers[i])
        return 0
    if is_word(&a.v[1], "decode"):
        if encoding_of(value) == DENSE:
            raise ReplyError("ERR HLL encoding is not sparse")
        return put_bytes(out, runs(registers))
    if encoding_of(value) == DENSE:
        return put_int(out, 0)
    keep(c, &a.v[2], packed(registers, DENSE, 0))
    return put_int(out, 1)


cdef bytes runs(const uint8_t* registers):
    """`z:n` for n zeros, `v:value,n` for n registers of a value."""
    cdef list said = []
    cdef Py_ssize_t i = 0, n
    while i < REGISTERS:
        n = 1
        while i + n < REGISTERS and registers[i + n] == registers[i]:
            n += 1
        said.append(b"v:%d,%d" % (registers[i], n) if registers[i] else b"z:%d" % n)
        i += n
    return b" ".join(said)


cdef int pfselftest(Client c, Args a, Buf out) except -1:
    """Registers must survive packing, and a known count must come out near enough."""
    cdef uint8_t[REGISTERS] registers, again
    cdef Arg element
    cdef bytes word
    cdef int64_t number, told
    memset(registers, 0, REGISTERS)
    for number in range(1, 100_001):
        word = b"element %d" % number
        element.p, element.n = word, len(word)
        note(registers, &element)
        if number in (10, 1000, 100_000):
            told = estimate(registers)
            if abs(told - number) > 1 + number * 0.05:
                raise ReplyError(f"TESTFAILED {number} elements were counted as {told}")
            for encoding in (DENSE, SPARSE):
                spread(packed(registers, encoding, REGISTERS), again)
                if memcmp(registers, again, REGISTERS):
                    raise ReplyError(f"TESTFAILED {number} elements did not survive packing")
    return put_ok(out)


define("pfadd", pfadd)
define("pfcount", pfcount)
define("pfmerge", pfmerge)
define("pfdebug", pfdebug)
define("pfselftest", pfselftest)
