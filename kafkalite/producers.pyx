"""Idempotent producers: which batches of each producer a partition has already.

A producer numbers its records per partition.  After a lost reply it sends the same batch again, and
the broker must answer with the old offset instead of storing it twice.  The state is made of the
batches themselves (their headers carry producer id, epoch and sequence), so it needs no log of its
own: replaying the headers rebuilds it, and a snapshot, written whenever a segment is rolled, saves
replaying all of them.

    SEGMENT.snapshot   version int16 (1), crc uint32 (CRC-32C of what follows), [ entry ]
                       with the base offset of the segment that begins there as its name

Rules, in this order (KIP-98, KIP-360):

    epoch below the producer's                                  INVALID_PRODUCER_EPOCH
    outside its open transaction                                INVALID_TXN_STATE
    new epoch                                                   must begin at 0
    same first and last sequence as one of the last 5 batches   duplicate: the old offset
    otherwise                                                   must follow the last (wraps at 2^31)
    a producer not known                                        may begin anywhere

A transaction opens with a producer's first transactional batch and is ended by a marker, a control
batch of the transaction coordinator's.  The marker may carry a newer epoch (KIP-890): what an older
one still has under way is refused from then on.
"""

from kafkalite.batch cimport TRANSACTIONAL_BIT

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
  last_sequence                int32 = -1
  last_offset                  int64 = -1
  offset_delta                 int32
  timestamp                    int64
  coordinator_epoch            int32 = -1
  current_first_offset         int64 = -1
""")
CRC_FROM = 6

cdef enum:
    OUT_OF_ORDER_SEQUENCE_NUMBER = 45
    INVALID_PRODUCER_EPOCH = 47
    INVALID_TXN_STATE = 48


cdef inline int32_t sequence_after(int32_t sequence, int32_t steps) noexcept:
    return <int32_t>((<int64_t>sequence + steps) & 0x7FFFFFFF)


cdef class Producer:
    """One producer, as one partition knows it."""

    def __cinit__(self):
        self.coordinator_epoch = -1
        self.transaction_start = self.last_timestamp = -1

    @property
    def last_sequence(self) -> int:
        """Of its newest record, -1 if none of this epoch is there."""
        return self.sent[self.n - 1].last_sequence if self.n else -1

    @property
    def last_offset(self) -> int:
        """Of its newest record, -1 if none of this epoch is there."""
        return self.sent[self.n - 1].last_offset if self.n else -1

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
        self.open = {}

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
        if producer.transaction_start >= 0 and not h.attributes & TRANSACTIONAL_BIT:
            return INVALID_TXN_STATE
        if h.producer_epoch > producer.epoch or producer.n == 0:
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

    cdef Producer known(self, const Header* h):
        """The producer of a batch, in its epoch."""
        cdef Producer producer = self.by_id.get(h.producer_id)
        if producer is None:
            producer = Producer()
            producer.id = h.producer_id
            producer.epoch = h.producer_epoch
            self.by_id[h.producer_id] = producer
        elif producer.epoch != h.producer_epoch:
            producer.epoch = h.producer_epoch
            producer.n = 0
        producer.last_timestamp = h.max_timestamp
        return producer

    cdef int update(self, const Header* h, int64_t base_offset) except -1:
        cdef Producer producer = self.known(h)
        cdef Sent* sent = producer.push()
        sent.first_sequence = h.base_sequence
        sent.last_sequence = sequence_after(h.base_sequence, h.last_delta)
        sent.base_offset = base_offset
        sent.last_offset = base_offset + h.last_delta
        sent.timestamp = h.max_timestamp
        if h.attributes & TRANSACTIONAL_BIT and producer.transaction_start < 0:
            producer.transaction_start = self.open[producer.id] = base_offset
        return 0

    cdef int64_t end(self, const Header* h, int32_t coordinator_epoch) except -2:
        cdef Producer producer = self.known(h)
        cdef int64_t first = producer.transaction_start
        producer.coordinator_epoch = max(coordinator_epoch, producer.coordinator_epoch)
        producer.transaction_start = -1
        self.open.pop(producer.id, None)
        return first

    cdef int64_t first_open(self, int64_t otherwise) except -1:
        for first in self.open.values():
            return first
        return otherwise

    def __len__(self) -> int:
        return len(self.by_id)

    def expire(self, int64_t before_ms) -> None:
        """Forget the producers that have sent nothing since before_ms."""
        cdef Producer producer
        for producer in list(self.by_id.values()):
            if producer.last_timestamp < before_ms and producer.transaction_start < 0:
                del self.by_id[producer.id]

    def snapshot(self) -> bytes:
        """The state as a file: the last batch of each producer."""
        cdef Producer producer
        cdef Sent* last
        entries = []
        for producer in self.by_id.values():
            entry = {
                "producer_id": producer.id,
                "epoch": producer.epoch,
                "timestamp": producer.last_timestamp,
                "coordinator_epoch": producer.coordinator_epoch,
                "current_first_offset": producer.transaction_start,
            }
            if producer.n:
                last = &producer.sent[producer.n - 1]
                entry["last_sequence"] = last.last_sequence
                entry["last_offset"] = last.last_offset
                entry["offset_delta"] = <int32_t>(last.last_offset - last.base_offset)
            entries.append(entry)
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
        self.open = {}
        for entry in content["entries"]:
            producer = Producer()
            producer.id = entry["producer_id"]
            producer.epoch = entry["epoch"]
            producer.coordinator_epoch = entry["coordinator_epoch"]
            producer.transaction_start = entry["current_first_offset"]
            producer.last_timestamp = entry["timestamp"]
            self.by_id[producer.id] = producer
            if entry["last_sequence"] < 0:
                continue
            sent = producer.push()
            sent.last_sequence = entry["last_sequence"]
            sent.first_sequence = <int32_t>(
                (<int64_t>sent.last_sequence - entry["offset_delta"]) & 0x7FFFFFFF)
            sent.last_offset = entry["last_offset"]
            sent.base_offset = sent.last_offset - entry["offset_delta"]
            sent.timestamp = entry["timestamp"]
        starts = ((p.transaction_start, p.id) for p in self.by_id.values())
        self.open = {id_: start for start, id_ in sorted(starts) if start >= 0}
