"""What the head writes to its log: new series, and samples.

A record is one batch (or a part of a large one), of what `bedrock.storage.RecordLog` frames and
checks:

    varint  n new series, then for each:  varint ref, varint key length, the key
    samples to the record's end, each
        u8      bits 0-2  width of the value that follows: 0..7 -> 0, 1, 2, 4, 8 bytes as below
                bit 3     the ref is the previous one + 1 (else: varint zigzag difference)
                bit 4     the time is the previous one (else: varint zigzag difference, ms)
        value   0: zero; 1, 2, 4 bytes: a whole number, signed; 8 bytes: the double's bits

so that a scrape or a line of integers takes 2 to 4 bytes a sample.  A deletion is a record with
n = 2^40, then: varint zigzag first and last time, varint series, and their varint refs.

Invariant 1: a record holds every series its samples refer to that no earlier record holds.
"""

from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from bedrock.codec.varint cimport get_uvarint, get_varint, put_uvarint, put_varint
from bedrock.storage.recordlog cimport RecordLog
from tsdb.columns cimport Columns
from tsdb.head cimport Batch, Head, Series, batch_add

cdef enum:
    SAMPLE_MAX = 32                # bytes of one encoded sample, at most
    RECORD_SAMPLES = 1 << 17       # samples of one record, at most
    NEXT_REF = 8
    SAME_TIME = 16

cdef int64_t TIME_MIN = -0x7fffffffffffffff - 1
cdef int64_t TIME_MAX = 0x7fffffffffffffff
cdef uint64_t DELETION = <uint64_t>1 << 40
cdef int[5] WIDTHS
WIDTHS[:] = [0, 1, 2, 4, 8]


class BadRecord(ValueError):
    """A record that passed its checksum and yet makes no sense."""


cdef inline Py_ssize_t put_value(char* p, double v, int* code) noexcept nogil:
    cdef int64_t whole
    cdef double back
    cdef uint64_t a, b
    cdef int8_t i8
    cdef int16_t i16
    cdef int32_t i32
    if -2147483648.0 <= v <= 2147483647.0:
        whole = <int64_t>v
        back = <double>whole
        memcpy(&a, &v, 8)
        memcpy(&b, &back, 8)
        if a == b:                            # not -0
            if whole == 0:
                code[0] = 0
                return 0
            if -128 <= whole <= 127:
                i8 = <int8_t>whole
                memcpy(p, &i8, 1)
                code[0] = 1
                return 1
            if -32768 <= whole <= 32767:
                i16 = <int16_t>whole
                memcpy(p, &i16, 2)
                code[0] = 2
                return 2
            i32 = <int32_t>whole
            memcpy(p, &i32, 4)
            code[0] = 3
            return 4
    memcpy(p, &v, 8)
    code[0] = 4
    return 8


def log_batch(RecordLog log, Head head, Batch batch) -> None:
    """Append a batch to the log, with the series that the log has not seen yet.

    DiskFull: nothing of the (part of the) batch was logged; the caller applies nothing.
    """
    cdef Py_ssize_t first = 0, n
    while True:
        n = min(batch.n - first, RECORD_SAMPLES)
        log_part(log, head, batch, first, n)
        first += n
        if first >= batch.n:
            return


cdef int log_part(RecordLog log, Head head, Batch batch, Py_ssize_t first,
                  Py_ssize_t n) except -1:
    cdef list fresh = unknown(head, batch, first, n)
    cdef Py_ssize_t room = 16 + n * SAMPLE_MAX, i
    cdef Series series
    cdef char* start
    cdef char* p
    cdef char* tag
    cdef int code = 0
    cdef int64_t time = 0, ref = 0
    for series in fresh:
        room += len(series.key) + 24
    start = <char*>malloc(room)
    if start == NULL:
        raise MemoryError
    try:
        p = start + put_uvarint(start, len(fresh))
        for series in fresh:
            p += put_uvarint(p, series.ref)
            p += put_uvarint(p, len(series.key))
            memcpy(p, <const char*>series.key, len(series.key))
            p += len(series.key)
        for i in range(first, first + n):
            tag = p
            tag[0] = 0
            p += 1
            if batch.ref[i] == ref + 1:
                tag[0] |= NEXT_REF
            else:
                p += put_varint(p, <int64_t>batch.ref[i] - ref)
            if batch.t[i] == time:
                tag[0] |= SAME_TIME
            else:
                p += put_varint(p, <int64_t>(<uint64_t>batch.t[i] - <uint64_t>time))
            p += put_value(p, batch.v[i], &code)
            tag[0] |= <char>code
            ref = batch.ref[i]
            time = batch.t[i]
        log.put(start, p - start)
    except BaseException:
        for series in fresh:
            series.epoch = 0
        raise
    finally:
        free(start)
    return 0


cdef list unknown(Head head, Batch batch, Py_ssize_t first, Py_ssize_t n):
    """The series of samples that the log does not know yet; from now on it does."""
    cdef list found = []
    cdef Series series
    cdef Py_ssize_t i
    for i in range(first, first + n):
        series = <Series>head.series[batch.ref[i]]
        if series.epoch != head.epoch:
            series.epoch = head.epoch
            found.append(series)
    return found


def replay(const uint8_t[::1] record not None, Head head, Batch batch,
           int64_t cut=TIME_MIN) -> None:
    """Bring a record back into the head, but for samples older than cut; BadRecord."""
    cdef const char* p = <const char*>&record[0] if record.shape[0] else NULL
    cdef const char* end = p + record.shape[0]
    cdef uint64_t fresh = 0, ref = 0, size = 0
    cdef int64_t delta = 0, time = 0, last = 0
    cdef Py_ssize_t used, width
    cdef uint8_t tag
    cdef double v
    cdef int8_t i8
    cdef int16_t i16
    cdef int32_t i32
    cdef list series = head.series
    batch.n = 0
    used = get_uvarint(p, end - p, &fresh)
    if used <= 0:
        raise BadRecord("cut off in its head")
    p += used
    if fresh == DELETION:
        replay_deletion(p, end, head)
        return
    for _ in range(fresh):
        used = get_uvarint(p, end - p, &ref)
        p += max(used, 0)
        if used > 0:
            used = get_uvarint(p, end - p, &size)
            p += max(used, 0)
        if used <= 0 or size > <uint64_t>(end - p) or ref > 0xfffffffe:
            raise BadRecord("cut off in a series")
        head.restore(<uint32_t>ref, p[:size])
        p += size
    while p < end:
        tag = <uint8_t>p[0]
        p += 1
        used = 1
        if tag & NEXT_REF:
            last += 1
        else:
            used = get_varint(p, end - p, &delta)
            p += max(used, 0)
            last += delta
        if used > 0 and not tag & SAME_TIME:
            used = get_varint(p, end - p, &delta)
            p += max(used, 0)
            time = <int64_t>(<uint64_t>time + <uint64_t>delta)
        if used <= 0 or tag & 7 > 4 or WIDTHS[tag & 7] > end - p:
            raise BadRecord("cut off in a sample")
        if not 0 <= last < len(series) or series[last] is None:
            raise BadRecord(f"a sample of series {last}, which it has not introduced")
        width = WIDTHS[tag & 7]
        v = 0
        if width == 1:
            memcpy(&i8, p, 1)
            v = i8
        elif width == 2:
            memcpy(&i16, p, 2)
            v = i16
        elif width == 4:
            memcpy(&i32, p, 4)
            v = i32
        elif width == 8:
            memcpy(&v, p, 8)
        p += width
        if time >= cut:
            batch_add(batch, <uint32_t>last, time, v)
    head.append(batch)


def log_deletion(RecordLog log, list refs, int64_t low, int64_t high) -> None:
    """Append that the samples in [low, high] of these series are gone from the head."""
    cdef char[40] head
    cdef Py_ssize_t used = put_uvarint(head, DELETION)
    cdef bytearray record
    used += put_varint(head + used, low)
    used += put_varint(head + used, high)
    used += put_uvarint(head + used, len(refs))
    record = bytearray(head[:used])
    for ref in refs:
        record += head[:put_uvarint(head, ref)]
    log.append(bytes(record))


cdef int replay_deletion(const char* p, const char* end, Head head) except -1:
    cdef int64_t low = 0, high = 0
    cdef uint64_t n = 0, ref = 0
    cdef Py_ssize_t used = get_varint(p, end - p, &low)
    cdef list refs = []
    if used > 0:
        p += used
        used = get_varint(p, end - p, &high)
    if used > 0:
        p += used
        used = get_uvarint(p, end - p, &n)
    while used > 0:
        p += used
        if len(refs) == <Py_ssize_t>n:
            head.delete(refs, low, high)
            return 0
        used = get_uvarint(p, end - p, &ref)
        if used > 0 and ref < <uint64_t>len(head.series) and head.series[ref] is not None:
            refs.append(ref)
        elif used > 0:
            n -= 1
    raise BadRecord("cut off in a deletion")


def log_samples(RecordLog log, Head head, list keys) -> None:
    """Append all that the head holds of these series (those that are gone are passed over)."""
    cdef Columns columns
    cdef Batch batch = Batch()
    cdef Series series
    cdef Py_ssize_t i
    for key in keys:
        found = head.by_key.get(key)
        if found is None:
            continue
        series = found
        columns = Columns()
        series.read(columns, TIME_MIN, TIME_MAX)
        columns.end_series(None, True)
        for i in range(columns.n):
            batch_add(batch, series.ref, columns.t[i], columns.v[i])
        if batch.n >= RECORD_SAMPLES:
            log_batch(log, head, batch)
            batch.n = 0
    if batch.n:
        log_batch(log, head, batch)
