"""The packet: how a block's bytes travel, from client to DataNode, between DataNodes, and back.

     0      4      6                6+h               6+h+4c                  6+h+4c+d
     | u32  | u16  | PacketHeader   | c checksums     | d bytes of data        |
     | len  | h    | (protobuf)     | u32 CRC-32C     |                        |

All numbers are big-endian.  len counts itself, the checksums and the data (4 + 4c + d), not the
header.  One checksum covers 512 bytes of data; the last one may cover fewer.  A packet that begins
inside a chunk (an append to a block whose last chunk is not full) fills that chunk at most.

PacketHeader (datatransfer.proto) is read and written by hand here because it is on the path of
every byte: 1 offsetInBlock sfixed64, 2 seqno sfixed64, 3 lastPacketInBlock bool, 4 dataLen
sfixed32, 5 syncBlock bool.

A block ends with an empty packet that has lastPacketInBlock set.  seqno -1 is a heartbeat.
"""

from libc.string cimport memcpy

from bedrock.codec.crc32c cimport crc32c_of
from bedrock.codec.varint cimport get_uvarint
from libc.stdint cimport uint64_t
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE

cdef enum:
    PAYLOAD_MAX = 16 << 20
    HEADER_LENGTH_MAX = 1024

CHUNK_BYTES = CHUNK
PACKET_BYTES_MAX = PAYLOAD_MAX + HEADER_LENGTH_MAX


cdef uint32_t get_u32(const char* p) noexcept nogil:
    cdef const unsigned char* b = <const unsigned char*>p
    return (<uint32_t>b[0] << 24) | (<uint32_t>b[1] << 16) | (<uint32_t>b[2] << 8) | b[3]


cdef void put_u32(char* p, uint32_t v) noexcept nogil:
    p[0] = <char>(v >> 24)
    p[1] = <char>(v >> 16)
    p[2] = <char>(v >> 8)
    p[3] = <char>v


cdef Py_ssize_t parse_packet(const char* p, size_t n, Packet* k, size_t* need) noexcept nogil:
    cdef uint32_t payload, header
    cdef size_t size
    cdef const char* at
    cdef const char* end
    cdef uint64_t key = 0, value = 0
    cdef Py_ssize_t used
    cdef int seen = 0
    need[0] = 0
    if n < PREFIX:
        return 0
    payload = get_u32(p)
    header = (<uint32_t><unsigned char>p[4] << 8) | <unsigned char>p[5]
    if payload < 4 or payload > PAYLOAD_MAX or header > HEADER_LENGTH_MAX:
        return -1
    size = PREFIX + header + payload - 4
    if n < size:
        need[0] = size
        return 0
    k.offset = k.seqno = 0
    k.data_n = 0
    k.last = k.sync = False
    at = p + PREFIX
    end = at + header
    while at < end:
        used = get_uvarint(at, end - at, &key)
        if used <= 0:
            return -1
        at += used
        if key & 7 == 1:
            if end - at < 8:
                return -1
            memcpy(&value, at, 8)
            at += 8
        elif key & 7 == 5:
            if end - at < 4:
                return -1
            value = 0
            memcpy(&value, at, 4)
            at += 4
        elif key & 7 == 0:
            used = get_uvarint(at, end - at, &value)
            if used <= 0:
                return -1
            at += used
        else:
            return -1
        if key == 0x09:
            k.offset = <int64_t>value
            seen |= 1
        elif key == 0x11:
            k.seqno = <int64_t>value
            seen |= 2
        elif key == 0x18:
            k.last = value != 0
            seen |= 4
        elif key == 0x25:
            k.data_n = <int32_t>value
            seen |= 8
        elif key == 0x28:
            k.sync = value != 0
    if seen != 15 or k.data_n < 0 or <uint32_t>k.data_n > payload - 4:
        return -1
    if k.offset < 0 or k.offset > <int64_t>1 << 56:
        return -1
    k.sums_n = payload - 4 - k.data_n
    k.sums = end
    k.data = end + k.sums_n
    return size


cdef size_t put_packet_head(
    char* into, int64_t offset, int64_t seqno, bint last, bint sync, uint32_t sums_n,
    uint32_t data_n
) noexcept nogil:
    cdef size_t header = HEADER_MAX if sync else HEADER_MAX - 2
    put_u32(into, 4 + sums_n + data_n)
    into[4] = <char>(header >> 8)
    into[5] = <char>header
    into += PREFIX
    into[0] = 0x09
    memcpy(into + 1, &offset, 8)
    into[9] = 0x11
    memcpy(into + 10, &seqno, 8)
    into[18] = 0x18
    into[19] = last
    into[20] = 0x25
    memcpy(into + 21, &data_n, 4)
    if sync:
        into[25] = 0x28
        into[26] = 1
    return PREFIX + header


cdef void put_sums(const char* data, size_t n, char* into) noexcept nogil:
    cdef size_t step
    while n:
        step = n if n < CHUNK else CHUNK
        put_u32(into, crc32c_of(data, step, 0))
        data += step
        into += SUM
        n -= step


cdef Py_ssize_t first_bad_chunk(const char* data, size_t n, const char* sums) noexcept nogil:
    cdef size_t step
    cdef Py_ssize_t i = 0
    while n:
        step = n if n < CHUNK else CHUNK
        if crc32c_of(data, step, 0) != get_u32(sums):
            return i
        data += step
        sums += SUM
        n -= step
        i += 1
    return -1


def build_packet(
    int64_t offset, int64_t seqno, bytes data not None, bint last=False, bint sync=False
) -> bytes:
    """A packet with its checksums, for data that begins `offset` bytes into its block.

    Data that begins inside a chunk must not go beyond it.
    """
    cdef size_t n = PyBytes_GET_SIZE(data)
    cdef size_t sums_n = chunks_of(n) * SUM
    cdef char[PREFIX + HEADER_MAX] head
    if offset % CHUNK and offset % CHUNK + <int64_t>n > CHUNK:
        raise ValueError("a packet that begins inside a chunk may only fill it")
    cdef size_t head_n = put_packet_head(head, offset, seqno, last, sync, sums_n, n)
    cdef bytes packet = PyBytes_FromStringAndSize(NULL, head_n + sums_n + n)
    cdef char* at = PyBytes_AS_STRING(packet)
    memcpy(at, head, head_n)
    put_sums(PyBytes_AS_STRING(data), n, at + head_n)
    memcpy(at + head_n + sums_n, PyBytes_AS_STRING(data), n)
    return packet


def read_packet(const unsigned char[::1] data not None):
    """(size, offset, seqno, last, sync, data, good) of the packet that data begins with.

    None if more is needed; ValueError if it is no packet.  good: all checksums match.
    """
    cdef Packet k
    cdef size_t need = 0
    cdef Py_ssize_t size
    if data.shape[0] == 0:
        return None
    size = parse_packet(<const char*>&data[0], data.shape[0], &k, &need)
    if size < 0:
        raise ValueError("not a packet")
    if size == 0:
        return None
    good = (<size_t>k.sums_n == chunks_of(k.data_n) * SUM
            and first_bad_chunk(k.data, k.data_n, k.sums) < 0)
    return size, k.offset, k.seqno, k.last, k.sync, k.data[:k.data_n], good
