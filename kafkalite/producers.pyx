"""Idempotent producers: which batches of each producer a partition has already.

A producer numbers its records per partition.  After a lost reply it sends the same batch again, and
the broker must answer with the old offset instead of storing it twice.  The state is made of the
batches themselves (their headers carry producer id, epoch and sequence), so it needs no log of its
own: replaying the headers rebuilds it, and a snapshot, written whenever a segment is rolled, saves
replaying all of them.

    SEGMENT.snapshot   version int16 (1), crc uint32 (CRC-32C of what follows), [ entry ]
                       with the base offset of the segment that begins there as its name

Rules, in this order (KIP-98, KIP-360):

    same first and last sequence as one of the last 5 batches   duplicate: the old offset
    epoch below the producer's                                  INVALID_PRODUCER_EPOCH
    new epoch                                                   must begin at 0
    otherwise                                                   must follow the last (wraps at 2^31)
    a producer not known                                        may begin anywhere

Left out: transactions (an entry's coordinator epoch and first offset are those of "none").
"""

from bedrock.codec.crc32c import crc32c
from bedrock.codec.errors import Malformed
from kafkalite.schema import table

EXPIRY_MS = 86_400_000

SNAPSHOT_VERSION = 1
SNAPSHOT = table("""
version                        int16
crc                            int32
entries                        []
  producer_id                  int64
  epoch                        int16
  last_sequence                int32
  last_offset                  int64
  offset_delta                 int32
  timestamp                    int64
  coordinator_epoch            int32 = -1
  current_first_offset         int64 = -1
""")
CRC_FROM = 6

cdef enum:
    OUT_OF_ORDER_SEQUENCE_NUMBER = 45
    INVALID_PRODUCER_EPOCH = 47


cdef inline int32_t sequence_after(int32_t sequence, int32_t steps) noexcept:
    return <int32_t>((<int64_t>sequence + steps) & 0x7FFFFFFF)


cdef class Producer:
    """One producer, as one partition knows it."""

    cdef Sent* push(self) noexcept:
        """Room for one more batch, in place of the oldest if need be."""
        cdef int i
        if self.n == KEPT:
            for i in range(1, KEPT):
                self.sent[i - 1] = self.sent[i]
            self.n -= 1
        self.n += 1
        return &self.sent[self.n - 1]


cdef class Producers:
    """All producers of a partition, by id."""

    def __init__(self):
        self.by_id = {}

    cdef int check(self, const Header* h, int64_t* duplicate) except -1:
        cdef int i
        cdef Sent* sent
        cdef int32_t last
        duplicate[0] = -1
        cdef Producer producer = self.by_id.get(h.producer_id)
        if producer is None:
            return 0
        if h.producer_epoch < producer.epoch:
            return INVALID_PRODUCER_EPOCH
        if h.producer_epoch > producer.epoch:
            return OUT_OF_ORDER_SEQUENCE_NUMBER if h.base_sequence != 0 else 0
        last = sequence_after(h.base_sequence, h.last_delta)
        for i in range(producer.n):
            sent = &producer.sent[i]
            if sent.first_sequence == h.base_sequence and sent.last_sequence == last:
                duplicate[0] = sent.base_offset
                return 0
        last = producer.sent[producer.n - 1].last_sequence
        if h.base_sequence != sequence_after(last, 1):
            return OUT_OF_ORDER_SEQUENCE_NUMBER
        return 0

    cdef int update(self, const Header* h, int64_t base_offset) except -1:
        cdef Producer producer = self.by_id.get(h.producer_id)
        if producer is None or producer.epoch != h.producer_epoch:
            producer = Producer()
            producer.id = h.producer_id
            producer.epoch = h.producer_epoch
            self.by_id[h.producer_id] = producer
        cdef Sent* sent = producer.push()
        sent.first_sequence = h.base_sequence
        sent.last_sequence = sequence_after(h.base_sequence, h.last_delta)
        sent.base_offset = base_offset
        sent.last_offset = base_offset + h.last_delta
        sent.timestamp = h.max_timestamp
        return 0

    def __len__(self) -> int:
        return len(self.by_id)

    def expire(self, int64_t before_ms) -> None:
        """Forget the producers that have sent nothing since before_ms."""
        cdef Producer producer
        for producer in list(self.by_id.values()):
            if producer.sent[producer.n - 1].timestamp < before_ms:
                del self.by_id[producer.id]

    def snapshot(self) -> bytes:
        """The state as a file: the last batch of each producer."""
        cdef Producer producer
        cdef Sent* last
        entries = []
        for producer in self.by_id.values():
            last = &producer.sent[producer.n - 1]
            entries.append({
                "producer_id": producer.id,
                "epoch": producer.epoch,
                "last_sequence": last.last_sequence,
                "last_offset": last.last_offset,
                "offset_delta": <int32_t>(last.last_offset - last.base_offset),
                "timestamp": last.timestamp,
            })
        data = bytearray(SNAPSHOT.encode({"version": SNAPSHOT_VERSION, "entries": entries}))
        data[2:6] = crc32c(data[CRC_FROM:]).to_bytes(4, "big")
        return bytes(data)

    def load(self, data: bytes) -> None:
        """Replace the state by a snapshot's; Malformed when it is not one."""
        cdef Producer producer
        cdef Sent* sent
        content = SNAPSHOT.decode(data)
        if content["version"] != SNAPSHOT_VERSION:
            raise Malformed(f"snapshot of version {content['version']}")
        if crc32c(data[CRC_FROM:]) != content["crc"] & 0xFFFFFFFF:
            raise Malformed("wrong checksum")
        self.by_id = {}
        for entry in content["entries"]:
            producer = Producer()
            producer.id = entry["producer_id"]
            producer.epoch = entry["epoch"]
            sent = producer.push()
            sent.last_sequence = entry["last_sequence"]
            sent.first_sequence = <int32_t>(
                (<int64_t>sent.last_sequence - entry["offset_delta"]) & 0x7FFFFFFF)
            sent.last_offset = entry["last_offset"]
            sent.base_offset = sent.last_offset - entry["offset_delta"]
            sent.timestamp = entry["timestamp"]
            self.by_id[producer.id] = producer
