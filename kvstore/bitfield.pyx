"""BITFIELD: a string as a row of integers, of any width up to 64 bits and at any bit.

A number's first bit is its highest, as everywhere in bitmaps.  What lies beyond the string's end
is zero; a change makes the string longer first.  What happens to a result that does not fit is
chosen by OVERFLOW for the operations behind it:

    WRAP   the bits that fit (two's complement)
    SAT    the nearest number that fits
    FAIL   nothing is changed, and the answer is nil
"""

from cpython.bytearray cimport PyByteArray_AS_STRING
from libc.stdint cimport INT64_MAX, INT64_MIN, int64_t, uint64_t

from bedrock.net.buf cimport Buf
from kvstore.binding cimport define
from kvstore.engine cimport Client
from kvstore.keyspace cimport EVENT_STRING
from kvstore.resp cimport Arg, Args, is_word, parse_int, put_array, put_int, put_nil
from kvstore.resp import ReplyError
from kvstore.strings cimport grow, int_of, text_of

cdef enum Policy:
    WRAP, SAT, FAIL

cdef enum Verb:
    GET, SET, INCRBY

cdef struct Step:
    Verb verb
    Policy policy
    bint signed
    int bits
    uint64_t at                    # the first bit
    int64_t value


cdef int read_type(const Arg* arg, Step* step) except -1:
    """`i8`, `u16`: up to 64 bits with a sign, 63 without."""
    cdef int64_t bits = 0
    if arg.n < 2 or not parse_int(arg.p + 1, arg.n - 1, &bits) or bits < 1 \
            or arg.p[0] not in b"iu" or bits > (64 if arg.p[0] == b"i" else 63):
        raise ReplyError("ERR Invalid bitfield type. Use something like i16 u8. "
                         "Note that u64 is not supported but i64 is.")
    step.signed = arg.p[0] == b"i"
    step.bits = <int>bits
    return 0


cdef int read_offset(Client c, const Arg* arg, Step* step) except -1:
    """A bit, or `#n`: the n-th number of this width."""
    cdef int64_t at = 0
    cdef int64_t limit = c.store.bounds.bulk * 8
    cdef bint counted = arg.n > 0 and arg.p[0] == b"#"
    if not parse_int(arg.p + counted, arg.n - counted, &at) or at < 0 \
            or at > (limit // step.bits if counted else limit) \
            or (at * step.bits if counted else at) + step.bits > limit:
        raise ReplyError("ERR bit offset is not an integer or out of range")
    step.at = at * step.bits if counted else at
    return 0


cdef uint64_t bits_at(const char* p, Py_ssize_t n, uint64_t at, int bits) noexcept:
    cdef uint64_t value = 0
    cdef uint64_t i
    for i in range(at, at + bits):
        value <<= 1
        if <Py_ssize_t>(i >> 3) < n:
            value |= (<unsigned char>p[i >> 3] >> (7 - (i & 7))) & 1
    return value


cdef void put_bits(char* p, uint64_t at, int bits, uint64_t value) noexcept:
    cdef uint64_t i
    cdef unsigned char mask
    for i in range(at + bits, at, -1):
        mask = 0x80 >> ((i - 1) & 7)
        if value & 1:
            p[(i - 1) >> 3] = <char>(<unsigned char>p[(i - 1) >> 3] | mask)
        else:
            p[(i - 1) >> 3] = <char>(<unsigned char>p[(i - 1) >> 3] & ~mask)
        value >>= 1


cdef int64_t as_signed(uint64_t value, int bits) noexcept:
    """The lower bits as a number in two's complement."""
    cdef int unused = 64 - bits
    return <int64_t>(value << unused) >> unused


cdef bint add_signed(int64_t value, int64_t more, Step* step, int64_t* result) noexcept:
    """value + more held to the width; False when FAIL forbids it."""
    cdef int64_t most = INT64_MAX if step.bits == 64 else (<int64_t>1 << (step.bits - 1)) - 1
    cdef int64_t least = INT64_MIN if step.bits == 64 else -most - 1
    cdef bint over = value > most or (more > 0 and value > most - more)
    cdef bint under = value < least or (more < 0 and value < least - more)
    if not over and not under:
        result[0] = value + more
        return True
    if step.policy == FAIL:
        return False
    if step.policy == SAT:
        result[0] = most if over else least
    else:
        result[0] = as_signed(<uint64_t>value + <uint64_t>more, step.bits)
    return True


cdef bint add_unsigned(uint64_t value, int64_t more, Step* step, int64_t* result) noexcept:
    """The same without a sign; at most 63 bits, so that sums fit."""
    cdef uint64_t most = (<uint64_t>1 << step.bits) - 1
    cdef bint over = value > most or (more > 0 and <uint64_t>more > most - value)
    cdef bint under = not over and more < 0 and <uint64_t>(-(more + 1)) + 1 > value
    if not over and not under:
        result[0] = <int64_t>(value + <uint64_t>more)
        return True
    if step.policy == FAIL:
        return False
    if step.policy == SAT:
        result[0] = <int64_t>most if over else 0
    else:
        result[0] = <int64_t>((value + <uint64_t>more) & most)
    return True


cdef bint run(Step* step, char* p, Py_ssize_t n, int64_t* answer) noexcept:
    """Carry out a step on the string; False when its answer is nil."""
    cdef uint64_t raw = bits_at(p, n, step.at, step.bits)
    cdef int64_t old = as_signed(raw, step.bits) if step.signed else <int64_t>raw
    cdef int64_t new
    cdef bint fits
    answer[0] = old
    if step.verb == GET:
        return True
    if step.verb == SET:
        fits = add_signed(step.value, 0, step, &new) if step.signed \
            else add_unsigned(<uint64_t>step.value, 0, step, &new)
    else:
        fits = add_signed(old, step.value, step, &new) if step.signed \
            else add_unsigned(raw, step.value, step, &new)
        answer[0] = new
    if fits:
        put_bits(p, step.at, step.bits, <uint64_t>new)
    return fits


cdef list parsed(Client c, Args a, bint only_get):
    """The operations of a request, each a Step packed as bytes."""
    cdef list steps = []
    cdef Step step
    cdef Policy policy = WRAP
    cdef Py_ssize_t i = 2, words
    while i < a.n:
        words = a.n - i
        if is_word(&a.v[i], "overflow") and words > 1:
            if is_word(&a.v[i + 1], "wrap"):
                policy = WRAP
            elif is_word(&a.v[i + 1], "sat"):
                policy = SAT
            elif is_word(&a.v[i + 1], "fail"):
                policy = FAIL
            else:
                raise ReplyError("ERR Invalid OVERFLOW type specified")
            i += 2
            continue
        step.value = 0
        step.policy = policy
        if is_word(&a.v[i], "get") and words > 2:
            step.verb = GET
        elif is_word(&a.v[i], "set") and words > 3:
            step.verb = SET
        elif is_word(&a.v[i], "incrby") and words > 3:
            step.verb = INCRBY
        else:
            raise ReplyError("ERR syntax error")
        read_type(&a.v[i + 1], &step)
        read_offset(c, &a.v[i + 2], &step)
        if step.verb != GET:
            if only_get:
                raise ReplyError("ERR BITFIELD_RO only supports the GET subcommand")
            step.value = int_of(&a.v[i + 3])
        steps.append((<char*>&step)[:sizeof(Step)])
        i += 3 if step.verb == GET else 4
    return steps


cdef int answer_steps(Client c, Args a, Buf out, bint only_get) except -1:
    cdef list steps = parsed(c, a, only_get)
    cdef bytes packed
    cdef Step step
    cdef Step* each
    cdef Arg text
    cdef uint64_t end = 0, before
    cdef int64_t answer
    cdef bint writes = False
    cdef int changes = 0
    cdef Py_ssize_t had
    cdef bytearray grown
    for packed in steps:
        each = <Step*><char*>packed
        if each.verb != GET:
            writes = True
            end = max(end, each.at + each.bits)
    value = c.db.find(&a.v[1]) if writes else c.db.read(&a.v[1])
    text_of(value, &text)
    had = text.n
    if writes:
        grown = grow(c, &a.v[1], value, max(text.n, <Py_ssize_t>((end + 7) >> 3)))
        text.p, text.n = PyByteArray_AS_STRING(grown), len(grown)
    put_array(out, len(steps))
    for packed in steps:
        step = (<Step*><char*>packed)[0]
        before = bits_at(text.p, text.n, step.at, step.bits)
        if run(&step, <char*>text.p, text.n, &answer):
            put_int(out, answer)
            changes += step.verb != GET and (
                text.n > had or before != bits_at(text.p, text.n, step.at, step.bits))
        else:
            put_nil(out, c.resp)
    if changes or text.n > had:
        c.db.changed(&a.v[1], EVENT_STRING, "setbit")
        c.db.keyspace.dirty += max(changes - 1, 0)
    return 0


cdef int bitfield(Client c, Args a, Buf out) except -1:
    return answer_steps(c, a, out, False)


cdef int bitfield_ro(Client c, Args a, Buf out) except -1:
    return answer_steps(c, a, out, True)


define("bitfield", bitfield)
define("bitfield_ro", bitfield_ro)
