"""Prometheus remote-write 1.0: a protobuf message, parsed straight into samples.

    WriteRequest  { 1: repeated TimeSeries, 3: repeated Metadata }
    TimeSeries    { 1: repeated Label { 1: name, 2: value }, 2: repeated Sample, 3: repeated
                    Exemplar, 4 (histograms, not kept) }
    Sample        { 1: double value, 2: int64 timestamp (ms) }

A series' encoded labels are the same bytes in every request, so they are looked up as they stand
(`KeyMap`) and parsed only when new.  Exemplars and metadata are handed on as they are encoded;
native histograms are passed over.

Invariant 1: nothing of a malformed message is kept: the batch is as it was before.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from cpython.bytes cimport PyBytes_FromStringAndSize

from bedrock.codec.varint cimport get_uvarint
from tsdb.head cimport Batch, Head, batch_add
from tsdb.keymap cimport KeyMap, hash_bytes
from tsdb.labels cimport key_of_pairs

from tsdb.labels import is_label_name, is_metric_name

cdef enum:
    VARINT = 0
    FIXED64 = 1
    BYTES = 2
    FIXED32 = 5
    CACHE_BYTES_MAX = 256 << 20


class BadRequest(ValueError):
    """Not a remote-write message, or one with labels that cannot be."""


cdef struct Cursor:
    const uint8_t* p
    const uint8_t* end


cdef int read_varint(Cursor* at, uint64_t* value) except -1:
    cdef Py_ssize_t used = get_uvarint(<const char*>at.p, at.end - at.p, value)
    if used <= 0:
        raise BadRequest("malformed protobuf: bad varint")
    at.p += used
    return 0


cdef int read_field(Cursor* at, uint64_t* tag, Cursor* inner, uint64_t* number) except -1:
    """Read one field: a length-delimited one to `inner`, another to `number`."""
    cdef uint64_t size = 0
    read_varint(at, tag)
    if tag[0] & 7 == BYTES:
        read_varint(at, &size)
        if size > <uint64_t>(at.end - at.p):
            raise BadRequest("malformed protobuf: length beyond the end")
        inner.p = at.p
        inner.end = at.p + size
        at.p += size
    elif tag[0] & 7 == VARINT:
        read_varint(at, number)
    elif tag[0] & 7 == FIXED64:
        if at.end - at.p < 8:
            raise BadRequest("malformed protobuf: cut off")
        memcpy(number, at.p, 8)
        at.p += 8
    elif tag[0] & 7 == FIXED32:
        if at.end - at.p < 4:
            raise BadRequest("malformed protobuf: cut off")
        at.p += 4
    else:
        raise BadRequest("malformed protobuf: unknown wire type")
    return 0


cdef class RemoteWriteParser:
    """Parses remote-write messages for one head."""

    cdef Head head
    cdef KeyMap keys
    cdef uint64_t generation
    cdef readonly list exemplars   # of the last message: (ref of the series, encoded)
    cdef readonly list metadata    # of the last message, encoded

    def __init__(self, Head head):
        self.head = head
        self.keys = KeyMap()
        self.exemplars = []
        self.metadata = []

    def parse(self, const uint8_t[::1] message not None, Batch batch not None) -> None:
        """Add the message's samples to the batch; BadRequest."""
        cdef Cursor at, inner
        cdef uint64_t tag = 0, number = 0
        cdef Py_ssize_t mark = batch.n
        self.exemplars = []
        self.metadata = []
        if self.generation != self.head.generation or self.keys.bytes_held > CACHE_BYTES_MAX:
            self.keys.clear()
            self.generation = self.head.generation
        if message.shape[0] == 0:
            return
        at.p = &message[0]
        at.end = at.p + message.shape[0]
        try:
            while at.p < at.end:
                read_field(&at, &tag, &inner, &number)
                if tag == (1 << 3 | BYTES):
                    self.series(inner, batch)
                elif tag == (3 << 3 | BYTES):
                    self.metadata.append(PyBytes_FromStringAndSize(
                        <const char*>inner.p, inner.end - inner.p))
        except ValueError:
            batch.n = mark
            raise

    cdef int series(self, Cursor at, Batch batch) except -1:
        """One TimeSeries."""
        cdef Cursor inner
        cdef const uint8_t* first = at.p
        cdef const uint8_t* labels_end
        cdef uint64_t tag = 0, number = 0, hash
        cdef int64_t ref
        # Labels come first from every known client; should they not, samples are looked for
        # among what follows, and labels there are refused.
        while at.p < at.end and at.p[0] == (1 << 3 | BYTES):
            read_field(&at, &tag, &inner, &number)
        labels_end = at.p
        hash = hash_bytes(first, labels_end - first, 0)
        ref = self.keys.find(first, labels_end - first, hash)
        if ref < 0:
            ref = self.head.ref_of(key_of_labels(first, labels_end))
            self.keys.put(first, labels_end - first, hash, <uint32_t>ref)
        while at.p < at.end:
            read_field(&at, &tag, &inner, &number)
            if tag == (2 << 3 | BYTES):
                self.sample(inner, <uint32_t>ref, batch)
            elif tag == (1 << 3 | BYTES):
                raise BadRequest("a series' labels must come before its samples")
            elif tag == (3 << 3 | BYTES):
                self.exemplars.append((ref, PyBytes_FromStringAndSize(
                    <const char*>inner.p, inner.end - inner.p)))
        return 0

    cdef int sample(self, Cursor at, uint32_t ref, Batch batch) except -1:
        cdef Cursor inner
        cdef uint64_t tag = 0, number = 0
        cdef double value = 0
        cdef int64_t t = 0
        while at.p < at.end:
            read_field(&at, &tag, &inner, &number)
            if tag == (1 << 3 | FIXED64):
                memcpy(&value, &number, 8)
            elif tag == (2 << 3 | VARINT):
                t = <int64_t>number
        return batch_add(batch, ref, t, value)


cdef bytes key_of_labels(const uint8_t* first, const uint8_t* end):
    """The canonical key of encoded labels; BadRequest if Prometheus would refuse them."""
    cdef Cursor at, label, text
    cdef uint64_t tag = 0, number = 0
    cdef list pairs = []
    at.p = first
    at.end = end
    while at.p < at.end:
        read_field(&at, &tag, &label, &number)
        name = value = b""
        while label.p < label.end:
            read_field(&label, &tag, &text, &number)
            if tag == (1 << 3 | BYTES):
                name = PyBytes_FromStringAndSize(<const char*>text.p, text.end - text.p)
            elif tag == (2 << 3 | BYTES):
                value = PyBytes_FromStringAndSize(<const char*>text.p, text.end - text.p)
        pairs.append((name, value))
    try:
        key = key_of_pairs(pairs)
        for name, value in pairs:
            value = value.decode()
            if name == b"__name__":
                if not is_metric_name(value):
                    raise BadRequest(f'invalid metric name "{value}"')
            elif not is_label_name(name.decode()):
                raise BadRequest(f'invalid label name "{name.decode()}"')
    except UnicodeDecodeError as exc:
        raise BadRequest(f"labels are not UTF-8: {exc.reason}") from exc
    except ValueError as exc:
        raise BadRequest(str(exc)) from exc
    if not key:
        raise BadRequest("a series without labels")
    return key
