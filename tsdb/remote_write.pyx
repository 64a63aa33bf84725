"""Prometheus remote-write 1.0 and 2.0: a protobuf message, parsed straight into samples.

    1.0  WriteRequest { 1: repeated TimeSeries, 3: repeated Metadata }
         TimeSeries   { 1: repeated Label { 1: name, 2: value }, 2: repeated Sample, 3: repeated
                        Exemplar, 4 (histograms, not kept) }
    2.0  Request      { 4: repeated string symbols, 5: repeated TimeSeries }
         TimeSeries   { 1: packed uint32 labels: symbols of name, value, name, ...
                        2: repeated Sample, 3, 4, 5, 6 }
         Sample       { 1: double value, 2: int64 timestamp (ms) }

In 1.0 a series' encoded labels are the same bytes in every request, so they are looked up as they
stand (`KeyMap`) and parsed only when new.  In 2.0 the numbers of symbols differ from request to
request: the symbols are put one after the other, each after a 0xFF, and those bytes looked up.
Exemplars and metadata (of 1.0) are handed on as they are encoded; native histograms are passed
over.

Invariant 1: nothing of a malformed message is kept: the batch is as it was before.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memcpy

from cpython.bytes cimport PyBytes_FromStringAndSize

from bedrock.codec.varint cimport get_uvarint
from tsdb.head cimport Batch, Head, batch_add
from tsdb.keymap cimport KeyMap, hash_bytes
from tsdb.labels cimport key_of_pairs
from tsdb.room cimport resized

from tsdb.labels import is_label_name, is_metric_name

cdef enum:
    VARINT = 0
    FIXED64 = 1
    BYTES = 2
    FIXED32 = 5
    CACHE_BYTES_MAX = 256 << 20
    JOINED_MAX = 1 << 20           # bytes of one series' labels


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
    cdef Cursor* symbols           # of the 2.0 message being parsed
    cdef Py_ssize_t symbol_n, symbol_cap
    cdef uint8_t* joined           # a 2.0 series' labels, to look up
    cdef Py_ssize_t joined_cap
    cdef readonly list exemplars   # of the last message: (ref of the series, encoded)
    cdef readonly list metadata    # of the last message, encoded

    def __init__(self, Head head):
        self.head = head
        self.keys = KeyMap()
        self.exemplars = []
        self.metadata = []

    def __dealloc__(self):
        free(self.symbols)
        free(self.joined)

    def parse(self, const uint8_t[::1] message not None, Batch batch not None,
              bint second=False) -> None:
        """Add the message's samples to the batch; BadRequest.

        second: it is of version 2.0
        """
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
        self.symbol_n = 0
        try:
            while at.p < at.end:
                read_field(&at, &tag, &inner, &number)
                if second and tag == (4 << 3 | BYTES):
                    self.symbol(inner)
                elif tag == ((5 if second else 1) << 3 | BYTES):
                    self.series(inner, batch, second)
                elif not second and tag == (3 << 3 | BYTES):
                    self.metadata.append(PyBytes_FromStringAndSize(
                        <const char*>inner.p, inner.end - inner.p))
        except ValueError:
            batch.n = mark
            raise

    cdef int symbol(self, Cursor text) except -1:
        """One more symbol of a 2.0 message."""
        if self.symbol_n == self.symbol_cap:
            self.symbol_cap = max(256, self.symbol_cap * 2)
            self.symbols = <Cursor*>resized(self.symbols, self.symbol_cap * sizeof(Cursor))
        self.symbols[self.symbol_n] = text
        self.symbol_n += 1
        return 0

    cdef int series(self, Cursor at, Batch batch, bint second) except -1:
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
        if second:
            self.join(first, labels_end, &first, &labels_end)
        hash = hash_bytes(first, labels_end - first, 0)
        ref = self.keys.find(first, labels_end - first, hash)
        if ref < 0:
            ref = self.head.ref_of(key_of_joined(first, labels_end) if second
                                   else key_of_labels(first, labels_end))
            self.keys.put(first, labels_end - first, hash, <uint32_t>ref)
        while at.p < at.end:
            read_field(&at, &tag, &inner, &number)
            if tag == (2 << 3 | BYTES):
                self.sample(inner, <uint32_t>ref, batch)
            elif tag == (1 << 3 | BYTES):
                raise BadRequest("a series' labels must come before its samples")
            elif not second and tag == (3 << 3 | BYTES):
                self.exemplars.append((ref, PyBytes_FromStringAndSize(
                    <const char*>inner.p, inner.end - inner.p)))
        return 0

    cdef int join(self, const uint8_t* p, const uint8_t* end, const uint8_t** first,
                  const uint8_t** last) except -1:
        """Put the labels that symbols name one after the other."""
        cdef Cursor at, packed
        cdef Cursor* text
        cdef uint64_t tag = 0, number = 0
        cdef Py_ssize_t n = 0, size
        at.p = p
        at.end = end
        while at.p < at.end:
            read_field(&at, &tag, &packed, &number)
            while packed.p < packed.end:
                read_varint(&packed, &number)
                if number >= <uint64_t>self.symbol_n:
                    raise BadRequest(f"symbol {number} of {self.symbol_n}")
                text = self.symbols + number
                size = text.end - text.p
                if n + size + 1 > JOINED_MAX:
                    raise BadRequest("labels that are too long")
                if n + size + 1 > self.joined_cap:
                    self.joined = <uint8_t*>resized(self.joined, (n + size + 1) * 2)
                    self.joined_cap = (n + size + 1) * 2
                self.joined[n] = 0xff
                memcpy(self.joined + n + 1, text.p, size)
                n += size + 1
        first[0] = self.joined
        last[0] = self.joined + n
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


cdef bytes key_of_joined(const uint8_t* first, const uint8_t* end):
    """The canonical key of joined symbols; BadRequest."""
    cdef bytes joined = PyBytes_FromStringAndSize(<const char*>first, end - first)
    cdef list parts = joined.split(b"\xff")[1:]
    if len(parts) % 2:
        raise BadRequest("an odd number of symbols for labels")
    return checked_key(list(zip(parts[::2], parts[1::2], strict=True)))


cdef bytes key_of_labels(const uint8_t* first, const uint8_t* end):
    """The canonical key of encoded labels; BadRequest."""
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
    return checked_key(pairs)


cdef bytes checked_key(list pairs):
    """The canonical key of labels; BadRequest if Prometheus would refuse them."""
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
