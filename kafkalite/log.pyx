# cython: wraparound=True
"""A partition: an append-only log of record batches in segments, the thing Kafka is made of.

    start_offset                        high_watermark   end_offset
         |  sealed | sealed |  active        |  pending  |
         +---------+--------+----------------+-----------+

A turn's batches gather in `pending`; the flush before its replies writes them with one call (long
batches go to the file directly) and moves the high watermark, up to which consumers read.

What an acknowledgement promises depends on `fsync`: "always" syncs in the same flush, so that the
batch survives a power cut; with "interval" and "never" it is with the kernel, which a killed
process does not take with it and a power cut does.

Recovery: below the recovery point everything was synced, so anything wrong there is `Damaged`.
Beyond it an interrupted write may have left anything: the log ends at the first byte that is no
valid batch, and what follows is cut off.  What is kept of it is written again: only the cache may
have it, and after a sync that failed the kernel takes such pages for clean.

Records of an open transaction are there like all others; what readers of committed records see
ends at the `stable_offset`, before the first of them.  A marker, written for the transaction
coordinator, ends a transaction; the aborted ones are told to readers from an index.

Invariants:
1. Offsets are dense: a batch's base offset is the offset after the last one's, except where the
   cleaner (kafkalite.cleaner) has left a gap in a compacted log.
2. start_offset <= stable_offset <= high_watermark <= end_offset; recovery_point <= high_watermark.
3. A batch that is refused changes nothing.
4. A batch is acknowledged after it was written (and synced, for "always").
"""

import logging

from libc.stdint cimport int16_t, int32_t
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.string cimport memcpy

from bedrock.codec.crc32c cimport crc32c_of
from bedrock.world.disk cimport File
from kafkalite.batch cimport APPEND_TIME_BIT, CODEC_BITS, CONTROL_BIT, CRC_FROM, HEADER, \
    TRANSACTIONAL_BIT, fault, get16, read_header, repacked, set16, set32, set64
from kafkalite.producers cimport Producer

from bedrock.codec.errors import Malformed, TooLarge
from bedrock.storage.errors import Damaged, Finding
from bedrock.world import DiskFull

from kafkalite.batch import CODECS, describe, marker, pack, split, unpack, unpack_all
from kafkalite.errors import Code, KafkaError
from kafkalite.producers import EXPIRY_MS
from kafkalite.segment import CLEANED, LOG, SNAPSHOT, SWAP, segment_name

logger = logging.getLogger("kafkalite")

EPOCHS = "leader-epoch-checkpoint"
EPOCHS_TEXT = b"0\n1\n0 0\n"

cdef enum:
    OK = 0
    CORRUPT_MESSAGE = 2
    UNKNOWN_TOPIC_OR_PARTITION = 3
    MESSAGE_TOO_LARGE = 10
    INVALID_TIMESTAMP = 32
    INVALID_PRODUCER_EPOCH = 47
    TRANSACTION_COORDINATOR_FENCED = 52
    UNSUPPORTED_FOR_MESSAGE_FORMAT = 43
    KAFKA_STORAGE_ERROR = 56
    UNSUPPORTED_COMPRESSION_TYPE = 76
    INVALID_RECORD = 87

    DIRECT_BYTES = 32 << 10        # records of this size are not gathered but written at once
    MAX_POSITION = 0x7FFFFFFF      # an index holds positions and relative offsets in 31 bits
    LOOKUP_BYTES = 32 << 20        # a batch is unpacked to find a record by its time


cdef class Log:
    """disk: of the partition's own directory; turn, clock: of the world.

    config           kafkalite.topic_config.LogConfig
    fsync            "always", "interval" or "never" (the last two differ in who calls `sync`)
    recovery_point   offset below which everything is known to be durable
    start_offset     records below it were deleted
    cleaned_offset   below it the cleaner has been
    """

    def __init__(self, disk, Turn turn not None, Clock clock not None, config, *, str name="log",
                 str fsync="never", int64_t recovery_point=0, int64_t start_offset=0,
                 int64_t cleaned_offset=0):
        self.name = name
        self.disk = disk
        self.turn = turn
        self.clock = clock
        self.sync_always = fsync == "always"
        self.pending = Buf()
        self.segments = []
        self.producers = Producers()
        self.waiting = set()
        self.configure(config)
        self.cleaned_offset = cleaned_offset
        self.finish_swaps()
        self.recover(recovery_point, start_offset)

    def configure(self, config) -> None:
        """Take another configuration, from the next batch on."""
        self.config = config
        self.segment_bytes = min(config.segment_bytes, MAX_POSITION)
        self.segment_ms = config.segment_ms
        self.max_message_bytes = config.max_message_bytes
        self.after_max_ms = config.timestamp_after_max_ms
        self.before_max_ms = config.timestamp_before_max_ms
        self.append_time = config.append_time
        self.compact = config.compact
        self.codec = CODECS.index(config.codec) if config.codec in CODECS else -1

    # ------------------------------------------------------------------ starting

    def recover(self, int64_t recovery_point, int64_t start_offset) -> None:
        """Open the segments; see the module on what is cut and what is refused."""
        cdef Segment segment
        cdef int64_t size
        cdef list found = []           # segments that may hold what only the cache has
        names = self.disk.list()
        bases = sorted(int(name[:-len(LOG)]) for name in names if name.endswith(LOG))
        self.load_snapshot(bases, recovery_point)
        for i, base in enumerate(bases):
            segment = self.new_segment(base)
            size = segment.file.size()
            self.segments.append(segment)
            if i + 1 < len(bases) and bases[i + 1] <= recovery_point:
                segment.load(size)
                if segment.next_offset > bases[i + 1]:
                    raise Damaged(segment.file_name, size,
                                  f"holds offsets of the segment at {bases[i + 1]}")
                continue
            found.append(segment)
            why = segment.scan(size, self.producers)
            if why is not None:
                self.cut_off(segment, size, why, recovery_point, bases[i + 1:])
                break
            if i + 1 < len(bases):
                segment.seal()
        if not bases:
            self.segments.append(self.new_segment(start_offset))
            self.disk.replace(EPOCHS, EPOCHS_TEXT)
            self.entries_changed = True
        self.active = self.segments[-1]
        self.end_offset = self.high_watermark = self.active.next_offset
        if self.end_offset < recovery_point:
            raise Damaged(self.active.file_name, self.active.size,
                          f"ends at offset {self.end_offset}, {recovery_point} was durable")
        self.written = self.readable = self.active.allocated = self.active.size
        self.recovery_point = recovery_point
        self.start_offset = max(start_offset, (<Segment>self.segments[0]).base)
        self.stable_offset = self.first_unstable()
        for segment in found:
            segment.write_again(segment.locate(recovery_point))
            self.entries_changed = True
        if self.sync_always:
            self.sync()

    def finish_swaps(self) -> None:
        """Let a cleaned segment take the place of those it was made from, after a crash."""
        cdef Segment segment
        names = self.disk.list()
        for name in names:
            if name.endswith(CLEANED):
                self.disk.remove(name)
        for name in names:
            if not name.endswith(LOG + SWAP):
                continue
            base = int(name[:-len(LOG + SWAP)])
            segment = Segment(self.disk, self.name, base, 1 << 62, 0, SWAP, True)
            segment.scan(segment.file.size())
            for other in names:
                if other.endswith(LOG) and base <= int(other[:-len(LOG)]) < segment.next_offset:
                    self.new_segment(int(other[:-len(LOG)])).remove()
            self.disk.sync_dir()
            self.disk.rename(name, segment_name(base) + LOG)
            self.disk.sync_dir()

    def new_segment(self, int64_t base) -> Segment:
        """The segment at `base`, its file made if missing."""
        return Segment(self.disk, self.name, base, self.config.index_interval_bytes,
                       self.clock.wall_ms(), gaps=self.compact or self.cleaned_offset > 0)

    def cut_off(self, Segment segment, int64_t size, str why, int64_t recovery_point,
                list later) -> None:
        """End the log before the first thing that is no batch, or refuse to."""
        if segment.next_offset < recovery_point:
            raise Damaged(segment.file_name, segment.size, why)
        self.cut = Finding(segment.file_name, segment.size,
                           f"{size - segment.size} bytes cut off: {why}", True)
        logger.warning("%s", self.cut)
        segment.cut_at(segment.size)
        for base in later:
            logger.warning("%s: segment %d dropped, it follows what was cut off", self.name, base)
            self.new_segment(base).remove()
        self.entries_changed = True

    def load_snapshot(self, list bases, int64_t recovery_point) -> None:
        """Take the producers' state as it was where the scan for batches will begin."""
        scanned = [base for base in bases if base <= recovery_point]
        if not scanned:
            return
        try:
            self.producers.load(self.disk.read(segment_name(scanned[-1]) + SNAPSHOT))
        except FileNotFoundError:
            pass                   # a log written elsewhere: producers may begin anywhere
        except Malformed as exc:
            logger.warning("%s: producer snapshot ignored: %s", self.name, exc)

    # ------------------------------------------------------------------ appending

    cdef int add(self, const char* p, size_t n, Appended* result) except -2:
        cdef Header h
        cdef int code
        result.base_offset = result.time_ms = -1
        if self.deleted:
            return UNKNOWN_TOPIC_OR_PARTITION
        if n < HEADER:
            return CORRUPT_MESSAGE
        read_header(p, &h)
        if h.magic != 2:
            return UNSUPPORTED_FOR_MESSAGE_FORMAT
        if h.total != <int64_t>n:
            return CORRUPT_MESSAGE
        if h.total > self.max_message_bytes:
            return MESSAGE_TOO_LARGE
        if fault(p, &h) is not NULL:
            return CORRUPT_MESSAGE
        if h.count < 1 or h.last_delta != h.count - 1 or h.attributes & CONTROL_BIT:
            return INVALID_RECORD
        if h.attributes & CODEC_BITS > 4:
            return UNSUPPORTED_COMPRESSION_TYPE
        if not self.append_time and not self.is_timely(&h):
            return INVALID_TIMESTAMP
        if h.producer_id >= 0:
            if h.base_sequence < 0 or h.producer_epoch < 0:
                return INVALID_RECORD
            code = self.producers.check(&h, &result.base_offset)
            if code or result.base_offset >= 0:
                return code
        elif h.attributes & TRANSACTIONAL_BIT:
            return INVALID_RECORD
        if self.codec >= 0 and h.attributes & CODEC_BITS != self.codec:
            return self.keep_repacked(p, n, &h, result)
        return self.keep(p, n, &h, result)

    cdef bint is_timely(self, const Header* h) except -1:
        """Whether the times of a batch are as near to now as the topic wants them."""
        cdef int64_t now_ms = self.clock.wall_ms()
        if h.max_timestamp - now_ms > self.after_max_ms:
            return False
        # A batch says when its first record is from, and records follow each other in time.
        return h.base_timestamp < 0 or now_ms - h.base_timestamp <= self.before_max_ms

    cdef int keep_repacked(self, const char* p, size_t n, Header* h, Appended* result) except -2:
        """Store a batch that is in order, packed as the topic wants it (compression.type)."""
        cdef bytes data
        try:
            data = repacked(PyBytes_FromStringAndSize(p, n), h, self.codec)
        except (Malformed, TooLarge):
            return CORRUPT_MESSAGE
        if h.total > self.max_message_bytes:
            return MESSAGE_TOO_LARGE
        return self.keep(data, h.total, h, result)

    cdef int keep(self, const char* p, size_t n, Header* h, Appended* result) except -2:
        """Store a batch that is in order, if there is room."""
        try:
            self.make_room(h)
            self.store(p, n, h, result)
        except DiskFull as exc:
            if not self.full:          # once: producers try again many times a second
                logger.error("%s: refusing records: %s", self.name, exc)
            self.full = True
            return KAFKA_STORAGE_ERROR
        if self.full:
            logger.warning("%s: there is room again", self.name)
            self.full = False
        return OK

    cdef int make_room(self, const Header* h) except -1:
        """Roll the active segment if the batch does not belong there; take room to write later."""
        cdef Segment active = self.active
        if active.size and (
            active.size + h.total > self.segment_bytes
            or self.end_offset + h.last_delta - active.base > MAX_POSITION
            or self.clock.wall_ms() - active.created_ms > self.segment_ms
        ):
            self.roll()
        # A long batch is written at once, which tells as well whether there is room.
        if h.total - HEADER < DIRECT_BYTES:
            self.active.reserve(h.total)
        return 0

    cdef int store(self, const char* p, size_t n, Header* h, Appended* result) except -1:
        """Add a valid batch, with offset and leader epoch (and time) set in its header."""
        cdef char[HEADER] head
        cdef uint32_t crc
        memcpy(head, p, HEADER)
        set64(head, self.end_offset)
        set32(head + 12, 0)
        if self.append_time:
            result.time_ms = h.max_timestamp = self.clock.wall_ms()
            set16(head + CRC_FROM, get16(head + CRC_FROM) | APPEND_TIME_BIT)
            set64(head + 35, h.max_timestamp)
            crc = crc32c_of(head + CRC_FROM, HEADER - CRC_FROM, 0)
            set32(head + 17, crc32c_of(p + HEADER, n - HEADER, crc))
        self.pending.put(head, HEADER)
        if n - HEADER < DIRECT_BYTES:
            self.pending.put(p + HEADER, n - HEADER)
        else:
            self.write_direct(p + HEADER, n - HEADER)
        result.base_offset = self.end_offset
        self.active.note(h, self.end_offset)
        h.base_offset = self.end_offset
        self.active.learn(p, h, self.producers)
        self.end_offset += h.count
        if not self.deferred:
            self.deferred = True
            self.turn.defer(self.flush)
        return 0

    cdef int write_direct(self, const char* p, size_t n) except -1:
        """Write the records whose header is the last thing in `pending`."""
        cdef int64_t before = self.written + self.pending.n - HEADER
        try:
            self.write_pending()
            self.active.file.write(p, n, self.written)
            self.written += n
        except DiskFull:
            # What came before is written and stays; the header is written over.
            self.pending.clear()
            self.written = before
            raise
        return 0

    cdef int write_pending(self) except -1:
        if self.pending.n:
            self.active.file.write(self.pending.p, self.pending.n, self.written)
            self.written += self.pending.n
            self.pending.clear()
        return 0

    def flush(self) -> None:
        """Write what this turn added, and let readers have it."""
        self.deferred = False
        if self.deleted:
            return
        self.write_pending()
        if self.sync_always:
            self.sync()
        self.high_watermark = self.end_offset
        self.readable = self.written
        self.stable_offset = self.first_unstable()
        if self.waiting:
            for wait in list(self.waiting):
                wait.wake()

    cdef int64_t first_unstable(self) except -1:
        """What `stable_offset` is to be."""
        return max(self.producers.first_open(self.high_watermark), self.start_offset)

    def roll(self) -> None:
        """Seal the active segment and begin another."""
        self.write_pending()
        self.disk.replace(segment_name(self.end_offset) + SNAPSHOT, self.producers.snapshot())
        fresh = self.new_segment(self.end_offset)
        self.active.seal()
        self.segments.append(fresh)
        self.active = fresh
        self.written = self.readable = 0
        self.entries_changed = True
        self.remove_snapshots()

    def remove_snapshots(self) -> None:
        """Keep those a start may need: that of the segment with the recovery point, and later."""
        bases = [int(name[:-len(SNAPSHOT)]) for name in self.disk.list() if name.endswith(SNAPSHOT)]
        needed = max((base for base in bases if base <= self.recovery_point), default=0)
        for base in bases:
            if base < needed:
                self.disk.remove(segment_name(base) + SNAPSHOT)

    def sync(self) -> None:
        """Make everything that was added durable."""
        cdef Segment segment
        cdef Py_ssize_t i = len(self.segments)
        self.write_pending()
        while i and not (<Segment>self.segments[i - 1]).synced:
            i -= 1
        for segment in self.segments[i:]:
            segment.sync()
        if self.entries_changed:
            self.disk.sync_dir()
            self.entries_changed = False
        self.recovery_point = self.end_offset

    def append(self, records, *, codec: str = "none") -> int:
        """Add records as one batch; returns the first one's offset.  KafkaError when refused.

        They can be read once the turn was flushed.
        """
        return self.append_batch(pack(records, codec=codec))

    def append_in_transaction(self, records, producer_id: int, epoch: int) -> int:
        """Add records of the broker's own to a producer's transaction; sequences do not count."""
        cdef Appended result
        cdef Header h
        cdef Producer producer = self.producers.by_id.get(producer_id)
        if producer is not None and epoch < producer.epoch:
            raise KafkaError(Code.INVALID_PRODUCER_EPOCH)
        cdef const unsigned char[::1] data = pack(
            records, producer_id=producer_id, producer_epoch=epoch, base_sequence=0,
            attributes=TRANSACTIONAL_BIT)
        read_header(<const char*>&data[0], &h)
        cdef int code = self.keep(<const char*>&data[0], data.shape[0], &h, &result)
        if code:
            raise KafkaError(Code(code), self.name)
        return result.base_offset

    def append_batch(self, const unsigned char[::1] data not None) -> int:
        """Add one encoded batch; returns its base offset.  KafkaError when refused."""
        cdef Appended result
        cdef int code = self.add(<const char*>&data[0], data.shape[0], &result)
        if code:
            raise KafkaError(Code(code), self.name)
        return result.base_offset

    def end_transaction(self, int64_t producer_id, int16_t epoch, bint commit,
                        int32_t coordinator_epoch=0) -> int:
        """Append the marker that ends a producer's transaction; Kafka's error code, 0 for success.

        It is written whether or not the producer has one open here.
        """
        cdef Producer producer = self.producers.by_id.get(producer_id)
        cdef Appended result
        cdef Header h
        if self.deleted:
            return UNKNOWN_TOPIC_OR_PARTITION
        if producer is not None:
            if epoch < producer.epoch:
                return INVALID_PRODUCER_EPOCH
            if coordinator_epoch < producer.coordinator_epoch:
                return TRANSACTION_COORDINATOR_FENCED
        cdef const unsigned char[::1] data = marker(
            producer_id, epoch, commit, coordinator_epoch, self.clock.wall_ms())
        read_header(<const char*>&data[0], &h)
        return self.keep(<const char*>&data[0], data.shape[0], &h, &result)

    # ------------------------------------------------------------------ reading

    cdef Segment segment_of(self, int64_t offset):
        """The segment in whose range `offset` lies."""
        cdef Py_ssize_t low = 0, high = len(self.segments), mid
        while high - low > 1:
            mid = (low + high) >> 1
            if (<Segment>self.segments[mid]).base <= offset:
                low = mid
            else:
                high = mid
        return self.segments[low]

    cdef Slice read(self, int64_t offset, int64_t max_bytes, bint at_least_one,
                    bint committed=False):
        cdef Segment segment
        cdef Header h
        cdef int64_t start, end, limit
        cdef bint unstable = committed and self.stable_offset < self.high_watermark
        if offset >= (self.stable_offset if unstable else self.high_watermark):
            return None
        segment = self.segment_of(offset)
        while True:
            limit = self.readable if segment is self.active else segment.size
            if unstable and self.stable_offset < segment.next_offset:
                limit = min(limit, segment.locate(self.stable_offset))
            start = segment.locate(offset)
            if start < limit:
                break
            if segment is self.active:
                return None
            # What was at the end of this segment the cleaner has removed.
            segment = self.segments[self.segments.index(segment) + 1]
        end = segment.cut(start, max_bytes, limit)
        if end == start:
            if not at_least_one:
                return None
            segment.header_at(start, &h)
            end = start + h.total
        return Slice(segment.file, start, end - start)

    cdef list aborted_in(self, int64_t offset, Slice slice):
        cdef Segment segment = self.segment_of(offset)
        cdef Header h
        cdef int64_t end = slice.offset + slice.n
        while slice.file is not segment.file:
            segment = self.segments[self.segments.index(segment) + 1]
        if end < segment.size:
            segment.header_at(end, &h)
            end = h.base_offset
        else:
            end = segment.next_offset
        found = []
        for segment in self.segments[self.segments.index(segment):]:
            more, complete = segment.aborted.within(offset, end)
            found += more
            if complete:
                break
        return found

    def read_batches(self, int64_t offset, int64_t max_bytes=1 << 20) -> bytes:
        """Whole batches from the one that holds `offset`, at least one if there is any.

        KafkaError (OFFSET_OUT_OF_RANGE) outside start_offset ... end_offset.
        """
        if not self.start_offset <= offset <= self.end_offset:
            raise KafkaError(Code.OFFSET_OUT_OF_RANGE, f"{self.name} has no offset {offset}")
        cdef Slice slice = self.read(offset, max_bytes, True)
        return b"" if slice is None else (<File>slice.file).read_at(slice.offset, slice.n)

    def read_committed(self, int64_t offset, int64_t max_bytes=1 << 20) -> tuple:
        """As `read_batches`, below the stable offset; and the aborted transactions among them."""
        cdef Slice slice = self.read(offset, max_bytes, True, True)
        if slice is None:
            return b"", []
        return (<File>slice.file).read_at(slice.offset, slice.n), self.aborted_in(offset, slice)

    def batches(self):
        """Every batch that can be read, one by one."""
        at = self.start_offset
        while at < self.high_watermark:
            data = self.read_batches(at)
            if not data:
                return
            for batch in split(data):
                header = describe(batch)
                at = header["base_offset"] + header["last_delta"] + 1
                yield batch

    def records(self, int64_t offset=0, int64_t max_bytes=1 << 20) -> list:
        """The records from `offset` on, of as many batches as fit max_bytes and at least one."""
        found = unpack_all(self.read_batches(offset, max_bytes))
        return [record for record in found if record.offset >= offset]

    def offset_at(self, int64_t timestamp) -> tuple[int, int]:
        """(timestamp, offset) of the first record at or after `timestamp`; (-1, -1) if none.

        Malformed when its batch cannot be unpacked, or not within reason.
        """
        cdef Segment segment
        for segment in self.segments:
            if segment.max_timestamp < timestamp:
                continue
            data = segment.find_time(timestamp)
            for record in unpack(data, LOOKUP_BYTES) if data else ():
                if record.timestamp >= timestamp and record.offset >= self.start_offset:
                    if record.offset >= self.high_watermark:
                        return -1, -1
                    return record.timestamp, record.offset
        return -1, -1

    def newest(self) -> tuple[int, int]:
        """(timestamp, offset) of the record with the largest timestamp; (-1, -1) if empty."""
        cdef Segment segment
        best = max((segment.max_timestamp for segment in self.segments), default=-1)
        return self.offset_at(best) if best >= 0 else (-1, -1)

    # ------------------------------------------------------------------ upkeep

    @property
    def size_bytes(self) -> int:
        """Bytes of all segments."""
        cdef Segment segment
        return sum(segment.size for segment in self.segments)

    def retain(self) -> None:
        """Delete the oldest segments as retention.ms and retention.bytes say."""
        cdef Segment oldest
        cdef int64_t now_ms = self.clock.wall_ms(), newest_ms
        self.producers.expire(now_ms - EXPIRY_MS)
        size = self.size_bytes
        while True:
            oldest = self.segments[0]
            # Records without a timestamp age from when the segment was opened.
            newest_ms = oldest.max_timestamp if oldest.max_timestamp >= 0 else oldest.created_ms
            too_old = 0 <= self.config.retention_ms < now_ms - newest_ms
            too_much = 0 <= self.config.retention_bytes <= size - oldest.size
            if oldest.size == 0 or not self.config.delete or not (too_old or too_much):
                return
            size -= oldest.size
            if oldest is self.active:
                self.roll()
            self.delete_to(oldest.next_offset)

    def delete_to(self, int64_t offset) -> None:
        """Make `offset` the first readable one; segments wholly below it are removed."""
        if not 0 <= offset <= self.high_watermark:
            raise KafkaError(Code.OFFSET_OUT_OF_RANGE, f"{self.name} has no offset {offset}")
        self.start_offset = max(self.start_offset, offset)
        self.stable_offset = max(self.stable_offset, self.start_offset)
        while len(self.segments) > 1 and \
                (<Segment>self.segments[1]).base <= self.start_offset:
            self.segments.pop(0).remove()
            self.entries_changed = True

    def begin_cleaned(self, Segment first not None) -> Segment:
        """A segment to be filled with what is left of `first` and those after it."""
        return Segment(self.disk, self.name, first.base, self.config.index_interval_bytes,
                       first.created_ms, CLEANED, True)

    def replace_segments(self, list group, Segment fresh not None) -> None:
        """Let a cleaned segment take the place of others; see `finish_swaps` for a crash."""
        cdef Segment old
        name = fresh.name + LOG
        fresh.cut_at(fresh.size)
        fresh.file.sync()
        self.disk.rename(name + CLEANED, name + SWAP)
        self.disk.sync_dir()
        for old in group:
            old.remove()
        self.disk.sync_dir()
        self.disk.rename(name + SWAP, name)
        fresh.seal()
        at = self.segments.index(group[0])
        self.segments[at:at + len(group)] = [fresh]
        self.entries_changed = True

    def settle(self) -> None:
        """Make the sealed segments durable: the kernel has written them long since."""
        cdef Segment segment
        for segment in self.segments[:-1]:
            segment.sync()
        if self.entries_changed:
            self.disk.sync_dir()
            self.entries_changed = False
        self.recovery_point = max(self.recovery_point, self.active.base)

    def release(self) -> None:
        """Let those go who wait for records."""
        for wait in list(self.waiting):
            wait.finish()

    def discard(self) -> None:
        """The files are about to be deleted: write no more, and let those go who wait."""
        self.pending.clear()
        self.deleted = True
        self.release()

    def save_indexes(self) -> None:
        """Write the active segment's index files, for tools that look at a running log."""
        self.active.save_indexes()

    def close(self) -> None:
        """Write and sync everything."""
        self.flush()
        self.sync()
        self.active.save_indexes()
        self.active.cut_at(self.active.size)
