"""Forwarding: samples that were taken, as remote-write 1.0 messages for another server.

    WriteRequest { 1: TimeSeries { 1: Label { 1: name, 2: value }..., 2: Sample { 1, 2 } } ... }

A series' encoded labels are made once and kept.  (Reading such messages: `remote_write`.)
"""

from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcpy


from bedrock.codec.varint cimport put_uvarint
from tsdb.head cimport Batch, Head, Series

cdef enum:
    SAMPLE_MAX = 40                # bytes of a sample and the lengths before it


cdef bytes field(int number, bytes content):
    """A length-delimited field."""
    cdef char[12] head
    cdef Py_ssize_t used
    head[0] = <char>(number << 3 | 2)
    used = 1 + put_uvarint(head + 1, len(content))
    return head[:used] + content


cdef class Encoder:
    """Encodes the samples of one head."""

    cdef Head head
    cdef dict labels               # ref -> encoded labels
    cdef uint64_t generation

    def __init__(self, Head head):
        self.head = head
        self.labels = {}

    cdef bytes labels_of(self, uint32_t ref):
        cdef list parts = (<Series>self.head.series[ref]).key.split(b"\xff")
        encoded = b"".join([
            field(1, field(1, name) + field(2, value))
            for name, value in zip(parts[::2], parts[1::2], strict=True)])
        self.labels[ref] = encoded
        return encoded

    def encode(self, Batch batch not None, Py_ssize_t first, Py_ssize_t n) -> bytes:
        """The message of n samples of the batch."""
        cdef bytearray out = bytearray()
        cdef char[SAMPLE_MAX] sample
        cdef char[SAMPLE_MAX] head
        cdef Py_ssize_t i, size, used
        cdef bytes labels
        if self.generation != self.head.generation:
            self.labels.clear()
            self.generation = self.head.generation
        for i in range(first, min(first + n, batch.n)):
            labels = self.labels.get(batch.ref[i])
            if labels is None:
                labels = self.labels_of(batch.ref[i])
            sample[2] = 1 << 3 | 1
            memcpy(sample + 3, &batch.v[i], 8)
            sample[11] = 2 << 3
            size = 10 + put_uvarint(sample + 12, <uint64_t>batch.t[i])
            sample[0] = 2 << 3 | 2
            sample[1] = <char>size
            head[0] = 1 << 3 | 2
            used = 1 + put_uvarint(head + 1, len(labels) + size + 2)
            out += head[:used]
            out += labels
            out += sample[:size + 2]
        return bytes(out)
