"""Variable-length integers: LEB128, seven bits a byte, least significant first.

    300 = 0b10_0101100  ->  1_0101100 0_0000010  =  ac 02

A set high bit means that another byte follows.  Signed numbers are zigzag-mapped first (0, -1, 1,
-2 -> 0, 1, 2, 3), so that small negatives stay short.  This is the form of protobuf (`uint64`,
`sint64`), of Kafka's records and of Prometheus' files; 64 bits take at most 10 bytes.

The C functions are inline in varint.pxd; this module gives them to Python.
"""

from bedrock.codec.errors import Malformed


def encode_uvarint(uint64_t v) -> bytes:
    """The unsigned form of v; OverflowError unless 0 <= v < 2**64."""
    cdef char[MAX_VARINT] room
    cdef size_t n = put_uvarint(room, v)
    return room[:n]


def encode_varint(int64_t v) -> bytes:
    """The zigzag form of v; OverflowError unless it fits 64 bits."""
    cdef char[MAX_VARINT] room
    cdef size_t n = put_varint(room, v)
    return room[:n]


def decode_uvarint(const unsigned char[::1] data not None, Py_ssize_t offset=0) -> tuple[int, int]:
    """The number at `offset` and the offset after it; Malformed if cut off or over 64 bits."""
    cdef uint64_t v = 0
    cdef Py_ssize_t n = data.shape[0], used = 0
    if offset < 0 or offset > n:
        raise ValueError("offset outside the data")
    if offset < n:
        used = get_uvarint(<const char*>&data[offset], n - offset, &v)
    if used == 0:
        raise Malformed("varint is cut off")
    if used < 0:
        raise Malformed("varint exceeds 64 bits")
    return v, offset + used


def decode_varint(const unsigned char[::1] data not None, Py_ssize_t offset=0) -> tuple[int, int]:
    """The zigzag number at `offset` and the offset after it."""
    raw, after = decode_uvarint(data, offset)
    return unzigzag(raw), after
