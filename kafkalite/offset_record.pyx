"""A committed offset as a record of `__consumer_offsets`, in Kafka's own form.

    key 0, 1   version int16, group string, topic string, partition int32
    value 3    version int16, offset int64, leader_epoch int32, metadata string, commit time int64

Written by hand, as every partition of every commit is one; read by table, as a start does it, in
all the versions that there ever were.
"""

from typing import NamedTuple

from libc.stdint cimport int32_t

from bedrock.net.buf cimport Buf
from kafkalite.cursor cimport put_int16, put_int32, put_int64, put_text

from kafkalite.schema import table

cdef enum:
    KEY_VERSION = 1
    VALUE_VERSION = 3
    FLEXIBLE_SINCE = 4

VERSION = table("""
version       int16
""")
KEY = table("""
version       int16
group         string
topic         string
partition     int32
""")
VALUE = """
version       int16
offset        int64
leader_epoch  int32   3+ = -1
metadata      string
time_ms       int64
expires_ms    int64   1 = -1
topic_id      uuid    4+ ~0
"""


class Committed(NamedTuple):
    """A committed offset; metadata is the client's own note."""

    offset: int
    leader_epoch: int = -1
    metadata: str = ""
    time_ms: int = 0


cdef int put_str(Buf out, str text) except -1:
    cdef bytes raw = text.encode()
    return put_text(out, False, raw, len(raw))


def encode_key(str group not None, str topic not None, int32_t partition) -> bytes:
    """The key for a group in a partition."""
    cdef Buf out = Buf()
    put_int16(out, KEY_VERSION)
    put_str(out, group)
    put_str(out, topic)
    put_int32(out, partition)
    return bytes(out)


def encode_value(committed) -> bytes:
    """The value that says where the group is."""
    cdef Buf out = Buf()
    put_int16(out, VALUE_VERSION)
    put_int64(out, committed.offset)
    put_int32(out, committed.leader_epoch)
    put_str(out, committed.metadata)
    put_int64(out, committed.time_ms)
    return bytes(out)


def decode_key(bytes data not None) -> dict | None:
    """group, topic and partition of a key; None if it is of another kind of record."""
    if VERSION.decode(data[:2])["version"] > KEY_VERSION:
        return None
    return KEY.decode(data)


def decode_value(bytes data not None) -> Committed:
    """What a value says; Malformed if it is none."""
    version = VERSION.decode(data[:2])["version"]
    value = table(VALUE, version, version >= FLEXIBLE_SINCE).decode(data)
    return Committed(
        value["offset"], value["leader_epoch"], value["metadata"], value["time_ms"])
