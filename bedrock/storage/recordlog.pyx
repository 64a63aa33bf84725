"""The record log: append records, make them durable together, read them back after a crash.

Every write-ahead log of the project is one of these: minidb's and tsdb's WAL, hdfs_sim's edits,
chat's history.

    log = RecordLog(world.disk.sub("wal"), world.turn)
    for position, payload in log.replay(): ...      once, after opening
    position = log.append(b"...")                   buffered; the turn's end writes and syncs
    log.trim(position)                              a checkpoint covers what lies before

Group commit: the first record after a flush defers `flush` on the turn, so that all records of a
turn share one write and one sync, which end before any reply of that turn leaves.  Without a turn
the owner calls `flush` himself.

Errors.  `DiskFull` comes from `append`, before anything changed: room is reserved ahead, in steps,
so that a flush does not run out.  Any other failure of the disk is final: the log refuses all
further work with `DiskFailed`, and the process has to recover by opening it anew.

Recovery, on opening.  The last segment is read through.  What follows its last intact record is a
torn tail and cut off (`findings` tells), unless a later record proves that it had been durable:
then, and for a missing or shortened earlier segment, opening raises `Damaged`.  The last batch is
written and synced again, since only the cache may have had it.  Earlier segments' records are
checked when `replay` or `check` reads them.

Invariants:
1. Segments touch: each begins at the position where the one before it ends.
2. A segment is durable, and so is its name, before a record is put in it; it is durable as a whole
   before its successor is made.  So only the last one can be torn.
3. durable <= written <= end, and the buffer holds the records from written to end.
4. A batch is what lies between `durable` and `end`; a record's `back` reaches to its start.
5. What recovery cuts off is gone for good before the first new record takes its place.

Left out: several writers, deletion in the middle, compression (the payload is the owner's).
"""

from libc.errno cimport EIO
from libc.stdint cimport uint32_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE

from bedrock.storage.segment cimport (
    RECORD_HEAD, SEGMENT_HEAD, SegmentReader, record_size, seal, segment_head,
)

from bedrock.storage.errors import Damaged, Finding
from bedrock.world.disk import DiskFailed, DiskFull
from bedrock.world.rand import OsRand

cdef enum:
    SPILL = 1 << 20                    # buffered bytes that are handed to the file without waiting
    RESERVE = 4 << 20                  # room is taken in steps of this size
    BATCH_MAX = 1 << 30                # `back` has 32 bits; beyond this a batch is flushed
    PAYLOAD_MAX = 1 << 30


def segment_name(int64_t base) -> str:
    """The name of the segment that begins at position `base`."""
    return f"{base:020d}.log"


def segment_bases(disk: Disk) -> list[int]:
    """Positions at which the segments of a log begin, ascending."""
    return sorted(
        int(name[:20]) for name in disk.list()
        if len(name) == 24 and name.endswith(".log") and name[:20].isdecimal()
    )


cdef class RecordLog:
    """An open log; see the module.

    disk:          a directory of its own
    turn:          where `flush` is deferred to; None leaves flushing to the owner
    segment_bytes: size at which a new segment is begun (a larger record has one for itself)
    rand:          draws a new log's id; the system when None
    """

    def __init__(self, Disk disk, Turn turn=None, int64_t segment_bytes=64 << 20, rand=None):
        self.disk = disk
        self.turn = turn
        self.hook = self.flush
        self.segment_bytes = segment_bytes
        self.findings = []
        self.segments = segment_bases(disk)
        if not self.segments:
            self.log_id = (OsRand() if rand is None else rand).u64()
            self.segments.append(0)
            self.start_segment(0)
        else:
            self.recover(rand)

    def __dealloc__(self):
        free(self.buf)

    # -- appending

    def append(self, data) -> int:
        """Append a record (any bytes-like object) and return its position.

        Durable after the next `flush`.  DiskFull: no room, nothing changed.  DiskFailed: the log
        is finished.
        """
        cdef const unsigned char[::1] view
        if type(data) is bytes:
            return self.put(PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))
        view = memoryview(data)
        return self.put(<const char*>&view[0] if view.shape[0] else NULL, view.shape[0])

    cdef int64_t put(self, const char* p, size_t n) except -1:
        cdef size_t size = record_size(n)
        cdef int64_t position
        cdef char* record
        if self.failed is not None or self.file is None:
            self.refuse()
        if n > PAYLOAD_MAX:
            raise ValueError(f"a record of {n} bytes; {PAYLOAD_MAX} is the most")
        if self.must_roll or (
            self.end + <int64_t>size > self.base + self.segment_bytes
            and self.end > self.base + SEGMENT_HEAD
        ):
            self.roll()
        elif self.end - self.durable > BATCH_MAX:
            self.flush()
        self.reserve(size)
        self.grow(size)
        position = self.end
        record = self.buf + (position - self.written)
        if n:
            memcpy(record + RECORD_HEAD, p, n)
        seal(record, n, <uint32_t>(position - self.durable), position, self.log_id)
        self.end += size
        self.records += 1
        self.bytes += size
        if self.turn is not None and not self.deferred:
            self.deferred = True
            self.turn.defer(self.hook)
        if self.end - self.written > SPILL:
            self.write_out()
        return position

    cdef int reserve(self, size_t n) except -1:
        """Take room on the disk for n more bytes, and some ahead."""
        cdef int64_t wanted = self.end + <int64_t>n, ahead
        if wanted <= self.reserved:
            return 0
        ahead = max(wanted, min(self.reserved + RESERVE, self.base + self.segment_bytes))
        try:
            self.file.allocate(self.reserved - self.base, ahead - self.reserved)
        except DiskFull:
            # Near the end of the disk: just what is needed.
            self.file.allocate(self.reserved - self.base, wanted - self.reserved)
            ahead = wanted
        except DiskFailed as exc:
            self.failed = exc
            raise
        self.reserved = ahead
        return 0

    cdef int grow(self, size_t n) except -1:
        """Room for n more bytes in the buffer."""
        cdef size_t wanted = self.end - self.written + n
        cdef size_t cap = max(self.cap, <size_t>4096)
        cdef char* buf
        if wanted > self.cap:
            while cap < wanted:
                cap *= 2
            buf = <char*>realloc(self.buf, cap)
            if buf == NULL:
                raise MemoryError
            self.buf = buf
            self.cap = cap
        return 0

    cdef int write_out(self) except -1:
        """Hand the buffer to the file; durable only after its sync."""
        cdef size_t n = self.end - self.written
        try:
            if n:
                self.file.write(self.buf, n, self.written - self.base)
        except OSError as exc:
            # Also DiskFull: the room was reserved, and the records are promised.
            self.failed = exc
            raise DiskFailed(
                exc.errno, "the log could not be written", self.file.name
            ) from exc
        self.written = self.end
        if self.cap > 2 * SPILL:
            free(self.buf)
            self.buf = NULL
            self.cap = 0
        return 0

    def flush(self) -> None:
        """Make every appended record durable: at most one write and one sync."""
        self.deferred = False
        if self.failed is not None or self.file is None:
            self.refuse()
        if self.durable == self.end:
            return
        self.write_out()
        self.sync(self.file)
        self.syncs += 1
        self.durable = self.end

    cdef int sync(self, file) except -1:
        """Sync a File or, with None, the directory; whatever goes wrong is final."""
        try:
            if file is None:
                self.disk.sync_dir()
            else:
                file.sync()
        except OSError as exc:
            self.failed = exc
            raise DiskFailed(
                exc.errno, "the log could not be synced", segment_name(self.base)
            ) from exc
        return 0

    def roll(self) -> None:
        """Flush, finish the last segment and begin another.

        DiskFull: no room for another segment; the next append tries again.
        """
        self.flush()
        if self.end == self.base + SEGMENT_HEAD:
            return
        # From here on the old segment's end is the new one's name: it must not grow any more.
        self.must_roll = True
        cdef File old = self.file
        self.start_segment(self.end)
        self.segments.append(self.base)
        self.must_roll = False
        old.close()

    def start_segment(self, int64_t base) -> None:
        """Make the file of a segment and make it durable; only then is it the last one."""
        cdef File file = self.disk.open(segment_name(base), "rw")
        cdef bytes head = segment_head(base, self.log_id)
        file.truncate(0)
        file.allocate(0, SEGMENT_HEAD)
        file.write(head, SEGMENT_HEAD, 0)
        self.sync(file)
        self.sync(None)
        self.file = file
        self.base = base
        self.end = self.durable = self.written = self.reserved = base + SEGMENT_HEAD

    # -- reading

    def replay(self, int64_t start=0):
        """Yield (position, payload) of every durable record from `start` on, in order.

        start: 0, a record's position, or the end.  Damaged when a record is bad or has been
        trimmed away.
        """
        cdef SegmentReader reader
        cdef int64_t base, stop
        cdef Py_ssize_t i
        cdef list segments = list(self.segments)
        if start > 0 and start < segments[0]:
            raise Damaged(segment_name(segments[0]), 0, f"the log no longer reaches back to {start}")
        for i in range(len(segments)):
            base = segments[i]
            stop = segments[i + 1] if i + 1 < len(segments) else self.durable
            if stop <= start:
                continue
            with self.disk.open(segment_name(base)) as file:
                reader = SegmentReader(file, base)
                need_head(reader, self.log_id)
                if start > base + SEGMENT_HEAD:
                    reader.at = start - base
                while base + reader.at < stop:
                    if not reader.step():
                        raise Damaged(file.name, reader.at, "bad record")
                    yield (
                        base + reader.record,
                        PyBytes_FromStringAndSize(reader.payload, reader.n),
                    )

    @property
    def start(self) -> int:
        """The position of the oldest record kept (or where it would be)."""
        return self.segments[0] + SEGMENT_HEAD

    # -- trimming and closing

    def trim(self, int64_t position) -> None:
        """Remove the segments that lie wholly before `position`; the last one always stays."""
        while len(self.segments) > 1 and self.segments[1] <= position:
            # One at a time, oldest first: a crash must not leave a hole.
            self.disk.remove(segment_name(self.segments[0]))
            self.sync(None)
            del self.segments[0]

    def close(self) -> None:
        """Flush and close; nothing can be appended afterwards."""
        if self.file is None:
            return
        try:
            if self.failed is None:
                self.flush()
        finally:
            self.file.close()
            self.file = None

    def refuse(self) -> None:
        """Say why the log takes nothing any more."""
        if self.failed is not None:
            raise DiskFailed(EIO, "the log failed before", segment_name(self.base)) from self.failed
        raise ValueError("the log is closed")

    # -- recovery

    def recover(self, rand) -> None:
        """Open the last segment for appending, cut to its last intact record."""
        cdef SegmentReader reader
        *earlier, base = self.segments
        for one, following in zip(earlier, self.segments[1:]):
            check_touching(self.disk, one, following)
            with self.disk.open(segment_name(one)) as file:
                reader = SegmentReader(file, one)
                need_head(reader, self.log_id)
                self.log_id = reader.log_id
        cdef File last = self.disk.open(segment_name(base), "rw")
        reader = SegmentReader(last, base)
        if not reader.head():
            if reader.size > SEGMENT_HEAD:
                raise Damaged(last.name, 0, "bad segment head")
            # Its making was interrupted, so nothing was ever put in it.
            self.findings.append(Finding(last.name, 0, "unfinished segment made anew", True))
            if not earlier:
                self.log_id = (OsRand() if rand is None else rand).u64()
            self.start_segment(base)
            return
        need_head(reader, self.log_id)
        self.log_id = reader.log_id
        tail = read_tail(reader)
        if tail is not None:
            if not tail.harmless:
                raise Damaged(tail.file, tail.offset, tail.why)
            self.findings.append(tail)
            last.truncate(reader.at)
        self.settle(last, reader)
        self.file = last
        self.base = base
        self.end = self.durable = self.written = self.reserved = base + reader.at


    cdef int settle(self, File last, SegmentReader reader) except -1:
        """Make durable what was read, which is about to be counted as such.

        After a crash of the process alone it may be in the system's cache only; after a failed
        sync the cache may even hold it as clean, so that no sync would write it.  All but the
        last batch was synced with success; the last batch is written again.
        """
        cdef int64_t start = 0 if reader.batch == SEGMENT_HEAD else reader.batch
        cdef bytes again = last.read_at(start, reader.at - start)
        last.write(again, len(again), start)
        last.sync()
        self.disk.sync_dir()
        return 0


cdef int need_head(SegmentReader reader, uint64_t log_id) except -1:
    """Damaged unless the segment's head is intact and of this log (0: any log)."""
    if not reader.head():
        raise Damaged(reader.file.name, 0, "bad segment head")
    if log_id and reader.log_id != log_id:
        raise Damaged(reader.file.name, 8, "segment of another log")
    return 0


def check_touching(disk: Disk, int64_t earlier, int64_t later) -> None:
    """Damaged unless the segment at `earlier` reaches to the one at `later` (invariant 1)."""
    with disk.open(segment_name(earlier)) as file:
        end = earlier + file.size()
    if end < later:
        raise Damaged(file.name, end - earlier, f"segment ends here, the next begins at {later}")
    if end > later:
        raise Damaged(file.name, later - earlier, f"segment goes on, the next begins at {later}")


cdef object read_tail(SegmentReader reader):
    """Read a last segment through; None, or the Finding about what follows its last record."""
    cdef int64_t proof
    while reader.step():
        pass
    if reader.at == reader.size:
        return None
    proof = reader.proof()
    if proof < 0:
        return Finding(
            reader.file.name, reader.at, f"torn tail of {reader.size - reader.at} bytes", True
        )
    return Finding(
        reader.file.name, reader.at,
        f"bad record, yet the record at {proof} was written after it had been durable",
    )


def check(disk: Disk):
    """Yield the Findings about a log on `disk`, which is not changed; none when it is sound."""
    cdef SegmentReader reader
    cdef uint64_t log_id = 0
    bases = segment_bases(disk)
    for i, base in enumerate(bases):
        try:
            if i + 1 < len(bases):
                check_touching(disk, base, bases[i + 1])
            with disk.open(segment_name(base)) as file:
                reader = SegmentReader(file, base)
                if i + 1 == len(bases) and reader.size <= SEGMENT_HEAD and not reader.head():
                    yield Finding(file.name, 0, "unfinished segment", True)
                    continue
                need_head(reader, log_id)
                log_id = reader.log_id
                tail = read_tail(reader)
                if tail is not None and i + 1 < len(bases):
                    yield Finding(file.name, reader.at, "bad record")
                elif tail is not None:
                    yield tail
        except Damaged as exc:
            yield exc.finding


def records(disk: Disk, int64_t start=0):
    """Yield (position, payload) of the intact records from `start` on, as `replay` would.

    For checkers: nothing is changed, and a last segment ends where its last intact record does.
    """
    cdef SegmentReader reader
    for base in segment_bases(disk):
        with disk.open(segment_name(base)) as file:
            reader = SegmentReader(file, base)
            if base + reader.size <= start or reader.size <= SEGMENT_HEAD or not reader.head():
                continue
            if start > base + SEGMENT_HEAD:
                reader.at = start - base
            while reader.step():
                yield base + reader.record, PyBytes_FromStringAndSize(reader.payload, reader.n)
