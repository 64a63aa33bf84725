"""The record batch, version 2: what producers send, the log stores and consumers get.

    base_offset      int64    0   the broker's to set, outside the checksum
    length           int32    8   bytes after this field
    leader_epoch     int32   12   the broker's to set, outside the checksum
    magic            int8    16   2
    crc              uint32  17   CRC-32C of all that follows
    attributes       int16   21   0-2 codec, 3 append time, 4 transactional, 5 control,
                                 6 base_timestamp is a delete horizon
    last_delta       int32   23
    base_timestamp   int64   27
    max_timestamp    int64   35
    producer_id      int64   43   -1 = not idempotent
    producer_epoch   int16   51
    base_sequence    int32   53
    count            int32   57
    records                  61   compressed as one block

    record: length varint, attributes int8 (0), timestamp_delta varint, offset_delta varint,
            key_length varint (-1 = null), key, value_length varint, value,
            header_count varint, { key_length varint, key, value_length varint, value }*

The broker works on headers only: it never unpacks what a producer packed.  `pack` and `unpack` are
for the embedded form, the committed offsets, searches by timestamp and the checker.

A control batch holds one record that is the broker's own.  One ends a transaction:

    key    version int16 (0), type int16 (0 abort, 1 commit)
    value  version int16 (0), coordinator_epoch int32

A batch of one record, key "k", value "v", at offset 0 and time 0 (a test decodes it):

    0000000000000000 0000003a 00000000 02 fe917cab 0000 00000000 0000000000000000
    0000000000000000 ffffffffffffffff ffff ffffffff 00000001  10 00 00 00 02 6b 02 76 00

Spec: Kafka documentation, "Message Format"; KIP-98.
"""

from collections import namedtuple

from cpython.bytes cimport PyBytes_FromStringAndSize

from bedrock.codec.crc32c cimport crc32c_of
from bedrock.codec.varint cimport MAX_VARINT, get_varint, put_varint
from bedrock.net.buf cimport Buf

from bedrock.codec.compress import compress, decompress
from bedrock.codec.errors import Malformed

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
PACKED_AS = ("none", "gzip", "snappy-java", "lz4", "zstd")     # as Java clients do
MAX_UNPACKED = 256 << 20

Record = namedtuple("Record", "offset timestamp key value headers", defaults=((),))
Record.__doc__ = """One record: offset, timestamp (ms), key and value (bytes or None), headers.

headers is a sequence of (str, bytes or None).
"""


cdef void read_header(const char* p, Header* h) noexcept nogil:
    h.base_offset = <int64_t>get64(p)
    h.total = <int64_t><int32_t>get32(p + 8) + PREFIX
    h.leader_epoch = <int32_t>get32(p + 12)
    h.magic = <int8_t>p[16]
    h.crc = get32(p + 17)
    h.attributes = <int16_t>get16(p + 21)
    h.last_delta = <int32_t>get32(p + 23)
    h.base_timestamp = <int64_t>get64(p + 27)
    h.max_timestamp = <int64_t>get64(p + 35)
    h.producer_id = <int64_t>get64(p + 43)
    h.producer_epoch = <int16_t>get16(p + 51)
    h.base_sequence = <int32_t>get32(p + 53)
    h.count = <int32_t>get32(p + 57)


cdef const char* fault(const char* p, const Header* h) noexcept nogil:
    if h.magic != 2:
        return "not of version 2"
    if h.total < HEADER:
        return "shorter than its header"
    if h.last_delta < 0 or h.base_offset < 0:
        return "offsets run backwards"
    if crc32c_of(p + CRC_FROM, h.total - CRC_FROM, 0) != h.crc:
        return "wrong checksum"
    return NULL


cdef int read_marker(const char* p, const Header* h, int32_t* coordinator_epoch) noexcept nogil:
    # Uncompressed, as every control batch: length, attributes, two deltas, 4 = length of the key.
    cdef const char* at = p + HEADER
    cdef const char* end = p + h.total
    cdef int64_t skipped = 0
    cdef Py_ssize_t used
    cdef int i, kind
    coordinator_epoch[0] = -1
    if not h.attributes & CONTROL_BIT or h.attributes & CODEC_BITS:
        return -1
    for i in range(5):
        if i == 1:
            at += 1
            continue
        used = get_varint(at, end - at, &skipped)
        if used <= 0:
            return -1
        at += used
    if skipped != 4 or end - at < 4:
        return -1
    kind = get16(at + 2)
    at += 4
    used = get_varint(at, end - at, &skipped)
    if used > 0 and skipped >= 6 and end - at - used >= 6:
        coordinator_epoch[0] = <int32_t>get32(at + used + 2)
    return kind if kind == ABORT or kind == COMMIT else -1


def marker(int64_t producer_id, int16_t epoch, bint commit, int32_t coordinator_epoch,
           int64_t now_ms) -> bytes:
    """The control batch that ends a transaction."""
    key = b"\0\0" + (COMMIT if commit else ABORT).to_bytes(2, "big")
    value = b"\0\0" + coordinator_epoch.to_bytes(4, "big", signed=True)
    return pack([Record(0, now_ms, key, value)], producer_id=producer_id, producer_epoch=epoch,
                attributes=TRANSACTIONAL_BIT | CONTROL_BIT)


def marker_type(data) -> int:
    """1 for the marker of a commit, 0 for that of an abort, -1 for another batch."""
    cdef Header h
    cdef int32_t coordinator_epoch
    cdef const unsigned char[::1] view = data
    validate(data)
    read_header(<const char*>&view[0], &h)
    return read_marker(<const char*>&view[0], &h, &coordinator_epoch)


def describe(const unsigned char[::1] data not None) -> dict:
    """The header of the batch that `data` begins with, for tools and tests; Malformed if short."""
    cdef Header h
    if data.shape[0] < HEADER:
        raise Malformed("shorter than a batch header")
    read_header(<const char*>&data[0], &h)
    return h


def validate(const unsigned char[::1] data not None) -> None:
    """Malformed unless `data` is exactly one whole batch."""
    cdef Header h
    cdef const char* why
    if data.shape[0] < HEADER:
        raise Malformed("shorter than a batch header")
    read_header(<const char*>&data[0], &h)
    if h.total != data.shape[0]:
        raise Malformed(f"the batch says {h.total} bytes, there are {data.shape[0]}")
    why = fault(<const char*>&data[0], &h)
    if why is not NULL:
        raise Malformed((<bytes>why).decode())


cdef int put_number(Buf out, int64_t value) except -1:
    out.n += put_varint(out.room(MAX_VARINT), value)
    return 0


cdef inline int put_blob(Buf out, object data) except -1:
    if data is None:
        return put_number(out, -1)
    put_number(out, len(data))
    out.write(data)
    return 0


def pack(records, *, str codec="none", int64_t base_offset=0, int64_t producer_id=-1,
         int16_t producer_epoch=-1, int32_t base_sequence=-1, int16_t attributes=0) -> bytes:
    """One batch of records whose offsets count up from base_offset (their own are ignored)."""
    cdef Buf body = Buf(), one = Buf()
    cdef int64_t first = 0, newest = 0
    cdef int32_t i = 0
    for record in records:
        if i == 0:
            first = newest = record.timestamp
        newest = max(newest, record.timestamp)
        one.clear()
        one.put("\0", 1)
        put_number(one, record.timestamp - first)
        put_number(one, i)
        put_blob(one, record.key)
        put_blob(one, record.value)
        put_number(one, len(record.headers))
        for name, value in record.headers:
            put_blob(one, name.encode())
            put_blob(one, value)
        put_number(body, one.n)
        body.put(one.p, one.n)
        i += 1
    if i == 0:
        raise ValueError("a batch has at least one record")
    cdef Header h
    h.base_offset = base_offset
    h.leader_epoch = 0
    h.magic = 2
    h.attributes = attributes | CODECS.index(codec)
    h.last_delta = i - 1
    h.base_timestamp, h.max_timestamp = first, newest
    h.producer_id, h.producer_epoch, h.base_sequence = producer_id, producer_epoch, base_sequence
    h.count = i
    return assemble(&h, packed(CODECS.index(codec), bytes(body)))


cdef bytes packed(int codec, bytes body):
    return compress(PACKED_AS[codec], body) if codec else body


cdef bytes repacked(data, Header* h, int codec):
    body = bytes(body_of(data, h, MAX_UNPACKED))
    h.attributes = (h.attributes & ~CODEC_BITS) | codec
    return assemble(h, packed(codec, body))


cdef bytes assemble(Header* h, bytes packed):
    cdef char[HEADER] head
    cdef char* p = head
    cdef const unsigned char[::1] view = packed
    h.total = HEADER + view.shape[0]
    set64(p, h.base_offset)
    set32(p + 8, h.total - PREFIX)
    set32(p + 12, h.leader_epoch)
    p[16] = h.magic
    set16(p + 21, h.attributes)
    set32(p + 23, h.last_delta)
    set64(p + 27, h.base_timestamp)
    set64(p + 35, h.max_timestamp)
    set64(p + 43, h.producer_id)
    set16(p + 51, h.producer_epoch)
    set32(p + 53, h.base_sequence)
    set32(p + 57, h.count)
    h.crc = crc32c_of(p + CRC_FROM, HEADER - CRC_FROM, 0)
    if view.shape[0]:
        h.crc = crc32c_of(&view[0], view.shape[0], h.crc)
    set32(p + 17, h.crc)
    return PyBytes_FromStringAndSize(head, HEADER) + packed


cdef int64_t take(const char** at, const char* end) except? -1:
    cdef int64_t value = 0
    cdef Py_ssize_t used = get_varint(at[0], end - at[0], &value)
    if used <= 0:
        raise Malformed("bad varint in a record")
    at[0] += used
    return value


cdef object take_blob(const char** at, const char* end):
    cdef int64_t n = take(at, end)
    if n == -1:
        return None
    if n < 0 or n > end - at[0]:
        raise Malformed("a record's field is longer than the record")
    at[0] += n
    return PyBytes_FromStringAndSize(at[0] - n, n)


cdef object body_of(data, const Header* h, max_bytes):
    cdef int codec = h.attributes & CODEC_BITS
    if codec >= len(CODECS):
        raise Malformed(f"unknown codec {codec}")
    body = memoryview(data)[HEADER:]
    return decompress(CODECS[codec], body, max_bytes) if codec and h.count else body


def unpack(data, max_bytes: int = MAX_UNPACKED) -> list[Record]:
    """The records of one whole batch; Malformed or TooLarge when they cannot be had."""
    cdef Header h
    cdef const unsigned char[::1] view = data
    validate(data)
    read_header(<const char*>&view[0], &h)
    cdef const unsigned char[::1] raw = body_of(data, &h, max_bytes)
    if raw.shape[0] == 0:
        if h.count:
            raise Malformed("no records")
        return []
    cdef const char* p = <const char*>&raw[0]
    cdef const char* end = p + raw.shape[0]
    cdef const char* stop
    cdef int64_t n, timestamp, offset
    cdef list records = []
    while p < end:
        n = take(&p, end)
        if n < 1 or n > end - p:
            raise Malformed("a record is longer than its batch")
        stop = p + n
        p += 1
        timestamp = h.base_timestamp + take(&p, stop)
        if h.attributes & APPEND_TIME_BIT:
            timestamp = h.max_timestamp
        offset = h.base_offset + take(&p, stop)
        key = take_blob(&p, stop)
        value = take_blob(&p, stop)
        headers = []
        for _ in range(take(&p, stop)):
            name = take_blob(&p, stop)
            if name is None:
                raise Malformed("a header without a name")
            headers.append((name.decode("utf-8", "replace"), take_blob(&p, stop)))
        if p != stop:
            raise Malformed("a record is shorter than it says")
        records.append(Record(offset, timestamp, key, value, tuple(headers)))
    if len(records) != h.count:
        raise Malformed(f"{len(records)} records where the batch says {h.count}")
    return records


def split(data: bytes):
    """Batches that lie back to back, one by one; a last one that is cut is left out."""
    cdef Header h
    cdef const unsigned char[::1] view = data
    cdef Py_ssize_t at = 0
    while len(data) - at >= HEADER:
        read_header(<const char*>&view[at], &h)
        if h.total > len(data) - at:
            break
        yield data[at:at + max(h.total, HEADER)]
        at += max(h.total, HEADER)


def unpack_all(data: bytes) -> list[Record]:
    """The records producers sent in batches that lie back to back; control batches hold none."""
    records = []
    for batch in split(data):
        if not describe(batch)["attributes"] & CONTROL_BIT:
            records += unpack(batch)
    return records
