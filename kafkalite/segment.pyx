"""A segment: a run of record batches in one file, with its two indexes, named as Kafka names them.

    00000000000000012345.log         batches, back to back; 12345 is the first offset
    00000000000000012345.index       see kafkalite.index
    00000000000000012345.timeindex
    00000000000000012345.txnindex    see kafkalite.aborted

The last segment of a log is the active one; the others are sealed and never change.

Invariants:
1. Batches lie back to back from position 0, and their offsets grow from `base` on: without a gap,
   except where a cleaner left one.
2. `size` bytes of the file's room were taken before a batch of them was accepted: by `reserve`, or
   by writing it, so a full disk is met before anything is promised.
"""

from libc.stdint cimport int32_t

from bedrock.world.disk cimport File
from kafkalite.batch cimport ABORT, CONTROL_BIT, HEADER, fault, read_header, read_marker
from kafkalite.index cimport Index
from kafkalite.producers cimport Producers

from bedrock.codec.errors import Malformed
from bedrock.storage.errors import Damaged
from bedrock.world import DiskFull
from kafkalite.aborted import Aborted, AbortedIndex

LOG, OFFSETS, TIMES, SNAPSHOT = ".log", ".index", ".timeindex", ".snapshot"
TRANSACTIONS = ".txnindex"
CLEANED, SWAP = ".cleaned", ".swap"    # see kafkalite.cleaner

cdef enum:
    SCAN_BYTES = 1 << 20               # read at once by a scanner
    WINDOW_BYTES = 6 << 10             # read at once to find a batch: an index interval and more
    ROOM_MIN = 64 << 10                # taken ahead of need: doubled from here ...
    ROOM_MAX = 16 << 20                # ... to here


def segment_name(base: int) -> str:
    """The name of the segment that begins at offset `base`."""
    return f"{base:020d}"


cdef class Scanner:
    """Reads the batches of a file one after the other and checks each, checksum included."""

    def __init__(self, File file not None, int64_t position, int64_t limit):
        self.file = file
        self.position = self.buf_at = position
        self.limit = limit
        self.buf = Buf()

    cdef const char* have(self, Py_ssize_t n) except? NULL:
        """n bytes at `position` (there are as many before `limit`), NULL if the file is short."""
        cdef int64_t start
        cdef Py_ssize_t got, more
        self.buf.drop(self.position - self.buf_at)
        self.buf_at = self.position
        if <Py_ssize_t>self.buf.n < n:
            start = self.position + <int64_t>self.buf.n
            more = min(max(n - <Py_ssize_t>self.buf.n, <Py_ssize_t>SCAN_BYTES),
                       self.limit - start)
            got = self.file.read_into(self.buf.room(more), more, start)
            self.buf.n += got
            if <Py_ssize_t>self.buf.n < n:
                return NULL
        return self.buf.p

    cdef const char* next(self, Header* h) except? NULL:
        cdef const char* p
        cdef const char* wrong
        cdef int64_t left = self.limit - self.position
        if left == 0:
            return NULL
        if left < HEADER:
            self.why = f"{left} bytes left, less than a batch header"
            return NULL
        p = self.have(HEADER)
        if p is NULL:
            self.why = "the file is shorter than its size"
            return NULL
        read_header(p, h)
        if h.total > left:
            self.why = f"a batch of {h.total} bytes where {left} are left"
            return NULL
        if h.total >= HEADER:
            p = self.have(h.total)
            if p is NULL:
                self.why = "the file is shorter than its size"
                return NULL
        wrong = fault(p, h)
        if wrong is not NULL:
            self.why = (<bytes>wrong).decode()
            return NULL
        self.position += h.total
        return p

    def __iter__(self):
        """(position, header as a dict) of each batch; afterwards `why` tells what ended it."""
        cdef Header h
        while True:
            at = self.position
            if self.next(&h) is NULL:
                return
            yield at, h


cdef class Segment:
    """disk, partition: directory and name of the partition; base: first offset.

    interval  bytes of log per index entry
    suffix    of the file, while it is not yet the segment's
    gaps      a cleaner may have been here: offsets grow, and are not dense
    """

    def __init__(self, disk, str partition not None, int64_t base, int64_t interval,
                 int64_t now_ms=0, str suffix="", bint gaps=False):
        self.disk = disk
        self.partition = partition
        self.base = self.next_offset = base
        self.name = segment_name(base)
        self.interval = interval
        self.gaps = gaps
        self.created_ms = now_ms
        self.max_timestamp = self.max_timestamp_offset = -1
        self.offsets = Index(base, 8)
        self.times = Index(base, 12)
        self.aborted = AbortedIndex()
        self.file = disk.open(self.name + LOG + suffix, "rw")

    @property
    def file_name(self) -> str:
        """The batches' file, for messages."""
        return f"{self.partition}/{self.name}{LOG}"

    cdef int reserve(self, int64_t n) except -1:
        """Take room for n more bytes; DiskFull when there is none."""
        cdef int64_t step
        if self.size + n > self.allocated:
            step = max(n, min(max(self.size, <int64_t>ROOM_MIN), <int64_t>ROOM_MAX))
            self.file.allocate(self.size, step)
            self.allocated = self.size + step
        return 0

    cdef int note(self, const Header* h, int64_t base_offset) except -1:
        """A batch was added at the end: keep size, offsets and indexes."""
        cdef int64_t last = base_offset + h.last_delta
        if h.max_timestamp > self.max_timestamp:
            self.max_timestamp = h.max_timestamp
            self.max_timestamp_offset = last
        if self.unindexed > self.interval:
            self.offsets.add(last, self.size)
            self.times.add(self.max_timestamp, self.max_timestamp_offset)
            self.unindexed = 0
        self.unindexed += h.total
        self.size += h.total
        self.next_offset = last + 1
        self.synced = False
        return 0

    cdef int learn(self, const char* p, const Header* h, Producers producers) except -1:
        """Take in what a batch that was added tells of its producer."""
        cdef int32_t coordinator_epoch
        cdef int64_t first, last = h.base_offset + h.last_delta
        cdef int kind
        if h.producer_id < 0:
            return 0
        if not h.attributes & CONTROL_BIT:
            return producers.update(h, h.base_offset)
        kind = read_marker(p, h, &coordinator_epoch)
        if kind < 0:
            return 0
        first = producers.end(h, coordinator_epoch)
        if kind == ABORT and first >= 0:
            self.aborted.add(Aborted(h.producer_id, first, last, producers.first_open(last + 1)))
        return 0

    def scan(self, int64_t size, Producers producers=None) -> str | None:
        """Take in the batches of the file's first `size` bytes; returns what was wrong at the end.

        producers: learns what each batch says of its producer.
        """
        cdef Header h
        cdef const char* p
        cdef Scanner scanner = Scanner(self.file, 0, size)
        if producers is not None and self.disk.exists(self.name + TRANSACTIONS):
            # It may tell of markers that a crash has taken.
            self.disk.remove(self.name + TRANSACTIONS)
        while True:
            p = scanner.next(&h)
            if p is NULL:
                return scanner.why
            if h.base_offset < self.next_offset or \
                    (h.base_offset > self.next_offset and not self.gaps):
                return f"offset {h.base_offset} where {self.next_offset} should be"
            self.note(&h, h.base_offset)
            if producers is not None:
                self.learn(p, &h, producers)

    def load(self, int64_t size) -> None:
        """Open a sealed segment: read its indexes and check its end; Damaged if that is not whole.

        An index that is missing or worn is made anew from the batches; one of transactions cannot
        be.
        """
        cdef Header h
        cdef Scanner scanner
        cdef int64_t key, value
        try:
            self.aborted.load(self.disk.read(self.name + TRANSACTIONS))
        except FileNotFoundError:
            pass
        except Malformed as exc:
            raise Damaged(f"{self.partition}/{self.name}{TRANSACTIONS}", 0, str(exc)) from None
        try:
            self.offsets.load(self.disk.read(self.name + OFFSETS))
            self.times.load(self.disk.read(self.name + TIMES))
            if self.times.n == 0:
                raise Malformed("an empty time index")
            key, value = self.times.entries[self.times.n - 1].key, 0
            self.max_timestamp = key
            self.max_timestamp_offset = self.times.entries[self.times.n - 1].value
            if self.offsets.n:
                value = self.offsets.entries[self.offsets.n - 1].value
            scanner = Scanner(self.file, min(value, size), size)
            while scanner.next(&h) is not NULL:
                self.next_offset = h.base_offset + h.last_delta + 1
            if scanner.why is not None:
                raise Malformed(scanner.why)
            self.size = size
            self.sealed = self.synced = True
        except (FileNotFoundError, Malformed):
            self.rebuild(size)

    def rebuild(self, int64_t size) -> None:
        """Make the indexes from the batches; Damaged when they do not fill the file."""
        self.offsets = Index(self.base, 8)
        self.times = Index(self.base, 12)
        self.next_offset = self.base
        self.size = self.unindexed = 0
        self.max_timestamp = self.max_timestamp_offset = -1
        why = self.scan(size)
        if why is not None:
            raise Damaged(self.file_name, self.size, why)
        self.seal()

    def save_indexes(self) -> None:
        """Write the indexes; on a full disk they stay in memory, and are made anew on a start."""
        for index, suffix in ((self.offsets, OFFSETS), (self.times, TIMES)):
            try:
                index.save(self.disk, self.name + suffix)
            except DiskFull:
                if self.disk.exists(self.name + suffix):
                    self.disk.remove(self.name + suffix)
        try:
            self.aborted.save(self.disk, self.name + TRANSACTIONS)
        except DiskFull:
            pass                   # `sync` tries again before the segment is trusted

    def seal(self) -> None:
        """No batch will be added: complete the indexes and give back the room not used."""
        if self.size:
            self.times.add(self.max_timestamp, self.max_timestamp_offset)
        self.save_indexes()
        self.file.truncate(self.size)
        self.allocated = self.size
        self.sealed = True
        self.synced = False

    def write_again(self, int64_t start) -> None:
        """Write what is there from `start` on once more, so that the next sync covers it."""
        cdef bytes piece
        while start < self.size:
            piece = self.file.read_at(start, min(self.size - start, SCAN_BYTES))
            self.file.write(piece, len(piece), start)
            start += len(piece)
        self.synced = False

    def cut_at(self, int64_t size) -> None:
        """Drop what follows the first `size` bytes of the file."""
        self.file.truncate(size)
        self.synced = False

    def sync(self) -> None:
        """Make the batches durable, and the indexes of a sealed segment: they will be trusted."""
        if self.synced:
            return
        self.file.sync()
        if self.sealed:
            self.aborted.save(self.disk, self.name + TRANSACTIONS)
        for suffix in (OFFSETS, TIMES, TRANSACTIONS) if self.sealed else ():
            if self.disk.exists(self.name + suffix):
                with self.disk.open(self.name + suffix, "rw") as file:
                    file.sync()
        self.synced = True

    def remove(self) -> None:
        """Delete the files.  Replies that are still being sent keep the open one."""
        for suffix in (LOG, OFFSETS, TIMES, TRANSACTIONS):
            if self.disk.exists(self.name + suffix):
                self.disk.remove(self.name + suffix)

    # ------------------------------------------------------------------ being cleaned

    def read_whole(self, int64_t position, int64_t max_bytes) -> bytes:
        """Whole batches from `position` on, at least one."""
        cdef Header h
        cdef int64_t end = self.cut(position, max_bytes, self.size)
        if end == position:
            self.header_at(position, &h)
            end = position + h.total
        return self.file.read_at(position, end - position)

    def add_cleaned(self, const unsigned char[::1] batch not None) -> None:
        """Add what is left of a batch, in a file that is not yet the segment's."""
        cdef Header h
        if batch.shape[0] == 0:
            return
        read_header(<const char*>&batch[0], &h)
        self.reserve(h.total)
        self.file.write(<const char*>&batch[0], h.total, self.size)
        self.note(&h, h.base_offset)

    def take_aborted(self, Segment other not None) -> None:
        """Have the aborted transactions of a segment that this one replaces."""
        for entry in other.aborted.entries:
            self.aborted.add(entry)

    def drop_cleaned(self) -> None:
        """Remove the file, unless it has become the segment's."""
        if self.disk.exists(self.name + LOG + CLEANED):
            self.disk.remove(self.name + LOG + CLEANED)

    # ------------------------------------------------------------------ finding

    cdef int header_at(self, int64_t position, Header* h) except -1:
        """Read the header of the batch at `position`; Damaged if there is none."""
        cdef char[HEADER] raw
        return self.check_header(raw, self.file.read_into(raw, HEADER, position), position, h)

    cdef int check_header(self, const char* p, int64_t n, int64_t position, Header* h) except -1:
        """The header in the n bytes at p, which were read from `position`."""
        if n < HEADER:
            raise Damaged(self.file_name, position, "no batch where one was")
        read_header(p, h)
        if h.total < HEADER or h.total > self.size - position:
            raise Damaged(self.file_name, position, f"a batch of {h.total} bytes")
        return 0

    cdef int64_t locate(self, int64_t offset) except -1:
        """Position of the batch that holds `offset`, or of the first one beyond it."""
        cdef Header h
        cdef char[WINDOW_BYTES] window
        cdef int64_t start = 0, got = 0
        cdef Py_ssize_t i = self.offsets.at_or_below(offset)
        cdef int64_t position = self.offsets.entries[i].value if i >= 0 else 0
        while position < self.size:
            if position + HEADER > start + got:
                start = position
                got = self.file.read_into(window, WINDOW_BYTES, start)
            self.check_header(window + (position - start), start + got - position, position, &h)
            if h.base_offset + h.last_delta >= offset:
                break
            position += h.total
        return position

    cdef int64_t cut(self, int64_t start, int64_t max_bytes, int64_t limit) except -1:
        """End of the longest run of whole batches from `start` that takes at most max_bytes.

        Where an index entry lies within reach it decides, at a loss of less than an interval.
        """
        cdef Header h
        cdef int64_t end = start
        if limit - start <= max_bytes:
            return limit
        cdef Py_ssize_t i = self.offsets.value_at_or_below(start + max_bytes)
        if i >= 0 and self.offsets.entries[i].value > start:
            return self.offsets.entries[i].value
        while end < limit:
            self.header_at(end, &h)
            if end + h.total - start > max_bytes:
                break
            end += h.total
        return end

    def find_time(self, int64_t timestamp) -> bytes:
        """The first batch with a record at or after `timestamp`; b"" if there is none."""
        cdef Header h
        if self.max_timestamp < timestamp:
            return b""
        cdef Py_ssize_t i = self.times.at_or_below(timestamp - 1)
        cdef int64_t position = self.locate(self.times.entries[i].value) if i >= 0 else 0
        while position < self.size:
            self.header_at(position, &h)
            if h.max_timestamp >= timestamp:
                return self.file.read_at(position, h.total)
            position += h.total
        return b""
