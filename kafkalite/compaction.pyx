"""Compaction of a batch: which records the newest ones of their keys have superseded.

    latest = {}                     key -> offset of its newest record
    note_keys(batch, latest)        for each batch that was added since the last compaction
    compacted(batch, latest, ...)   for each batch from the start of the log

A record goes when its key has a newer one, or it has no key.  A tombstone (a record without value)
is the newest of its key, and goes too, some time after it was first met: the batch then gets a
*delete horizon*, kept where its base timestamp was, until which readers may still learn of it.

The batch keeps its range of offsets and its producer's sequences whatever is left of it.
"""

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int64_t

from bedrock.net.buf cimport Buf
from kafkalite.batch cimport CODEC_BITS, HORIZON_BIT, Header, assemble, body_of, packed, \
    put_number, read_header, take, take_blob

from bedrock.codec.errors import Malformed

from kafkalite.batch import MAX_UNPACKED, validate


cdef struct Place:
    const char* start              # of the record, its length included
    const char* deltas             # the offset delta and what follows
    const char* end
    int64_t timestamp              # delta
    int64_t offset                 # delta


cdef object next_record(const char** at, const char* end, Place* record):
    """The key of the next record."""
    record.start = at[0]
    cdef int64_t n = take(at, end)
    if n < 1 or n > end - at[0]:
        raise Malformed("a record is longer than its batch")
    record.end = at[0] + n
    at[0] += 1
    record.timestamp = take(at, record.end)
    record.deltas = at[0]
    record.offset = take(at, record.end)
    return take_blob(at, record.end)


def note_keys(data, dict latest) -> None:
    """Learn which keys a batch has, and where."""
    cdef Header h
    cdef Place record
    cdef const unsigned char[::1] view = data
    validate(data)
    read_header(<const char*>&view[0], &h)
    cdef const unsigned char[::1] raw = body_of(data, &h, MAX_UNPACKED)
    if raw.shape[0] == 0:
        return
    cdef const char* p = <const char*>&raw[0]
    cdef const char* end = p + raw.shape[0]
    while p < end:
        key = next_record(&p, end, &record)
        p = record.end
        if key is not None:
            latest[key] = h.base_offset + record.offset


cdef list keyless(const char* p, const Header* h):
    """Positions of the records of a valid batch that have no key."""
    cdef Place record
    cdef const unsigned char[::1] raw = body_of(
        PyBytes_FromStringAndSize(p, h.total), h, MAX_UNPACKED)
    cdef list found = []
    cdef const char* at
    cdef const char* end
    cdef int i = 0
    if raw.shape[0]:
        at = <const char*>&raw[0]
        end = at + raw.shape[0]
        while at < end:
            if next_record(&at, end, &record) is None:
                found.append(i)
            at = record.end
            i += 1
    return found


def emptied(data) -> bytes:
    """The batch with no record left, which still tells of its producer's sequences."""
    cdef Header h
    cdef const unsigned char[::1] view = data
    read_header(<const char*>&view[0], &h)
    h.count = 0
    h.attributes &= ~CODEC_BITS
    return assemble(&h, b"")


def with_horizon(data, int64_t horizon_ms) -> bytes:
    """A control batch that may go once horizon_ms has passed."""
    cdef Header h
    cdef const unsigned char[::1] view = data
    read_header(<const char*>&view[0], &h)
    if h.attributes & HORIZON_BIT:
        return bytes(data)
    h.attributes |= HORIZON_BIT
    h.base_timestamp = horizon_ms
    return assemble(&h, bytes(data)[61:])


def compacted(data, dict latest, int64_t now_ms, int64_t tombstone_ms) -> bytes:
    """What is left of a batch, b"" for nothing; the batch itself if all of it is.

    tombstone_ms: how long tombstones are kept (delete.retention.ms)
    """
    cdef Header h
    cdef Place record
    cdef const unsigned char[::1] view = data
    cdef Buf out = Buf(), one
    cdef int64_t horizon = -1, base, newest
    cdef int kept = 0
    cdef bint tombstones = False, over
    read_header(<const char*>&view[0], &h)
    cdef const unsigned char[::1] raw = body_of(data, &h, MAX_UNPACKED)
    if raw.shape[0] == 0:
        return b""
    base = h.base_timestamp
    over = h.attributes & HORIZON_BIT and base <= now_ms
    cdef const char* p
    cdef const char* end = <const char*>&raw[0] + raw.shape[0]
    cdef list spans = []
    p = <const char*>&raw[0]
    newest = base
    while p < end:
        key = next_record(&p, end, &record)
        if key is not None and latest.get(key, -1) <= h.base_offset + record.offset:
            is_tombstone = take(&p, record.end) == -1
            if not (is_tombstone and over):
                tombstones = tombstones or is_tombstone
                newest = base + record.timestamp if not kept else \
                    max(newest, base + record.timestamp)
                spans.append(<Py_ssize_t>(record.start - <const char*>&raw[0]))
                kept += 1
        p = record.end
    if not kept:
        return b""
    if tombstones and not h.attributes & HORIZON_BIT:
        horizon = now_ms + tombstone_ms
    elif kept == h.count:
        return bytes(data)
    if horizon >= 0:
        # Timestamps are told from the base timestamp, which makes room for the horizon.
        one = Buf()
        for at in spans:
            p = <const char*>&raw[0] + <Py_ssize_t>at
            next_record(&p, end, &record)
            one.clear()
            one.put("\0", 1)
            put_number(one, base + record.timestamp - horizon)
            one.put(record.deltas, record.end - record.deltas)
            put_number(out, one.n)
            out.put(one.p, one.n)
        h.base_timestamp = horizon
        h.attributes |= HORIZON_BIT
    else:
        for at in spans:
            p = <const char*>&raw[0] + <Py_ssize_t>at
            next_record(&p, end, &record)
            out.put(record.start, record.end - record.start)
    h.count = kept
    if not h.attributes & 8:
        h.max_timestamp = newest
    body = PyBytes_FromStringAndSize(out.p, out.n)
    return assemble(&h, packed(h.attributes & CODEC_BITS, body))
