"""A block: samples of many series, written once and never changed.  One file:

    8   magic "TSDBBLK1"
    ..  chunks, series after series in the order of their keys  (see chunk)
    ..  series table, zstd; for each series in the order of their keys:
            varint key length, key, u32 CRC-32C of the series' chunks,
            varint n chunks, for each: varint zigzag first time, less the last chunk's last one,
            varint last - first, varint size
    ..  postings, zstd'd msgpack: {label name: {value: roaring bitmap of series numbers}}
    ..  meta, msgpack: first, last, samples, series, replaces
    52  u64 offset and u32 size and u32 CRC-32C of table, postings and meta (3 x 16 bytes),
        u32 CRC-32C of those 48 bytes

Little-endian.  Opening reads the foot and meta; table and postings are loaded when first asked
for.  The name is `<rank>-<generation>.block`: of two blocks that hold the same sample the one of
higher rank was written later and wins; a compaction of neighbours keeps the highest rank
and takes the next generation.

Invariants:
1. A block appears under its name whole and durable, or not at all.
2. Every byte that is used was covered by a checksum that held; else Damaged is raised.
"""

import msgpack

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from cpython.bytearray cimport PyByteArray_AS_STRING
from cpython.bytes cimport PyBytes_AS_STRING

from bedrock.codec.crc32c cimport crc32c_of
from bedrock.codec.varint cimport get_uvarint, get_varint, put_uvarint, put_varint
from tsdb.columns cimport Columns
from tsdb.chunk cimport CHUNK_SLACK, SMALL, chunk_bound, chunk_encode
from tsdb.labels cimport labels_of_key

from bedrock.codec.compress import compress, decompress
from bedrock.codec.errors import Malformed
from bedrock.storage.errors import Damaged
from tsdb.postings import Postings, StoredPostings

cdef bytes MAGIC = b"TSDBBLK1"
cdef enum:
    FOOT = 52
    CHUNK_SAMPLES = 1024           # samples of a full chunk
    SPILL = 1 << 20                # bytes of chunks gathered before they are written
    INDEX_MAX = 1 << 30            # bytes of an unpacked table or postings


cdef uint32_t crc(bytes data):
    return crc32c_of(PyBytes_AS_STRING(data), len(data), 0)


cdef class BlockWriter:
    """Writes one block; series must come in the order of their keys.

    DiskFull leaves nothing behind but a file that `abandon` removes.
    """

    def __init__(self, disk, str name):
        self.disk = disk
        self.name = name
        self.file = disk.open(name + ".new", "rw")
        self.file.truncate(0)
        self.table = bytearray()
        self.keys = []
        self.chunks = bytearray(MAGIC)
        self.first = 0x7fffffffffffffff
        self.last = -0x7fffffffffffffff - 1

    def add(self, bytes key, Columns columns, Py_ssize_t row) -> None:
        """Write one series: row `row` of columns."""
        cdef Py_ssize_t at = columns.starts[row], end = columns.starts[row + 1], n, size, begun
        cdef int64_t before = 0
        cdef char[40] head
        cdef char* p
        cdef bytearray table = bytearray()
        cdef uint8_t* out
        if at == end:
            return
        assert not self.keys or key > self.keys[len(self.keys) - 1], "series out of order"
        begun = len(self.chunks)
        out = <uint8_t*>malloc(chunk_bound(CHUNK_SAMPLES))
        if out == NULL:
            raise MemoryError
        table += varint((end - at + CHUNK_SAMPLES - 1) // CHUNK_SAMPLES)
        self.first = min(self.first, columns.t[at])
        self.last = max(self.last, columns.t[end - 1])
        self.samples += end - at
        while at < end:
            n = min(CHUNK_SAMPLES, end - at)
            size = chunk_encode(columns.t + at, columns.v + at, n, out, SMALL)
            self.chunks += (<char*>out)[:size]
            p = head
            p += put_varint(p, <int64_t>(<uint64_t>columns.t[at] - <uint64_t>before))
            before = columns.t[at + n - 1]
            p += put_uvarint(p, <uint64_t>before - <uint64_t>columns.t[at])
            p += put_uvarint(p, size)
            table += head[:p - head]
            at += n
        free(out)
        self.keys.append(key)
        self.table += varint(len(key))
        self.table += key
        self.table += crc(bytes(self.chunks[begun:])).to_bytes(4, "little")
        self.table += table
        if len(self.chunks) > SPILL:
            self.spill()

    def spill(self) -> None:
        """Write what was gathered; DiskFull before any of it."""
        self.file.allocate(self.offset, len(self.chunks))
        self.file.write(PyByteArray_AS_STRING(self.chunks), len(self.chunks), self.offset)
        self.offset += len(self.chunks)
        self.chunks = bytearray()

    def finish(self, replaces=()) -> Block:
        """Write the index, make all durable, give the file its name and open it."""
        postings = Postings()
        for i, key in enumerate(self.keys):
            postings.add(i, labels_of_key(key))
        meta = {"first": self.first, "last": self.last, "samples": self.samples,
                "series": len(self.keys), "replaces": list(replaces)}
        foot = b""
        for part in (compress("zstd", bytes(self.table)),
                     compress("zstd", msgpack.packb(postings.stored())),
                     msgpack.packb(meta)):
            foot += (self.offset + len(self.chunks)).to_bytes(8, "little")
            foot += len(part).to_bytes(4, "little") + crc(part).to_bytes(4, "little")
            self.chunks += part
        self.chunks += foot + crc(foot).to_bytes(4, "little")
        self.spill()
        self.file.sync()
        self.file.close()
        self.disk.rename(self.name + ".new", self.name)
        self.disk.sync_dir()
        return Block(self.disk, self.name)

    def abandon(self) -> None:
        """Give up: remove the unfinished file."""
        self.file.close()
        if self.disk.exists(self.name + ".new"):
            self.disk.remove(self.name + ".new")


cdef bytes varint(uint64_t x):
    cdef char[10] out
    return out[:put_uvarint(out, x)]


cdef class Block:
    """A block, open for reading; Damaged if its foot or meta are."""

    def __init__(self, disk, str name):
        self.disk = disk
        self.name = name
        self.file = disk.open(name)
        self.meta = msgpack.unpackb(self.part(2))
        self.first = self.meta["first"]
        self.last = self.meta["last"]
        self.samples = self.meta["samples"]

    def close(self) -> None:
        """Close the file."""
        self.file.close()

    @property
    def rank(self) -> int:
        """Higher was written later."""
        return int(self.name.partition("-")[0])

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self.file.size()

    def damaged(self, int64_t offset, str why):
        return Damaged(self.name, offset, why)

    def part(self, int index) -> bytes:
        """Table (0), postings (1) or meta (2) as they lie in the file."""
        cdef int64_t size = self.file.size()
        if size < FOOT + 8 or self.file.read_at(0, 8) != MAGIC:
            raise self.damaged(0, "not a block")
        foot = self.file.read_at(size - FOOT, FOOT)
        if crc(foot[:48]) != int.from_bytes(foot[48:], "little"):
            raise self.damaged(size - FOOT, "bad checksum of the foot")
        entry = foot[index * 16:index * 16 + 16]
        offset = int.from_bytes(entry[:8], "little")
        data = self.file.read_at(offset, int.from_bytes(entry[8:12], "little"))
        if crc(data) != int.from_bytes(entry[12:], "little"):
            raise self.damaged(offset, f"bad checksum of {('table', 'postings', 'meta')[index]}")
        return data

    cpdef load(self):
        """Read the series table, once."""
        cdef bytes table
        cdef const char* p
        cdef const char* end
        cdef uint64_t size = 0, n = 0, span = 0
        cdef int64_t offset = 8, time, delta = 0
        cdef uint32_t check
        if self.keys is not None:
            return
        import numpy as np  # here, because a server must be ready before numpy is loaded

        try:
            table = decompress("zstd", self.part(0), INDEX_MAX)
        except Malformed as exc:
            raise self.damaged(0, f"series table: {exc}") from exc
        keys = []
        offsets, sums, starts = [8], [], [0]
        firsts, lasts, sizes = [], [], []
        p = table
        end = p + len(table)
        while p < end:
            p = step(p, end, get_uvarint(p, end - p, &size), self)
            if size > <uint64_t>(end - p) or end - p - size < 4:
                raise self.damaged(0, "series table: cut off")
            keys.append(p[:size])
            p += size
            memcpy(&check, p, 4)
            sums.append(check)
            p += 4
            p = step(p, end, get_uvarint(p, end - p, &n), self)
            time = 0
            for _ in range(n):
                p = step(p, end, get_varint(p, end - p, &delta), self)
                time = <int64_t>(<uint64_t>time + <uint64_t>delta)
                firsts.append(time)
                p = step(p, end, get_uvarint(p, end - p, &span), self)
                time = <int64_t>(<uint64_t>time + span)
                lasts.append(time)
                p = step(p, end, get_uvarint(p, end - p, &size), self)
                sizes.append(size)
                offset += size
            offsets.append(offset)
            starts.append(len(firsts))
        self.offsets = np.array(offsets, np.int64)
        self.sums = np.array(sums, np.uint32)
        self.starts = np.array(starts, np.int64)
        self.chunk_first = np.array(firsts, np.int64)
        self.chunk_last = np.array(lasts, np.int64)
        self.chunk_size = np.array(sizes, np.int64)
        self.labels = [None] * len(keys)
        self.keys = keys

    @property
    def postings(self) -> Postings:
        """The inverted index, of series numbers."""
        if self.loaded_postings is None:
            try:
                stored = msgpack.unpackb(
                    decompress("zstd", self.part(1), INDEX_MAX), strict_map_key=False)
            except Malformed as exc:
                raise self.damaged(0, f"postings: {exc}") from exc
            self.loaded_postings = StoredPostings(stored, self.meta["series"])
        return self.loaded_postings

    def labels_of(self, Py_ssize_t number):
        """The Labels of a series."""
        self.load()
        labels = self.labels[number]
        if labels is None:
            labels = self.labels[number] = labels_of_key(self.keys[number])
        return labels

    def read(self, Py_ssize_t number, Columns into, int64_t low, int64_t high) -> None:
        """Add the samples of a series in [low, high] to the one `into` is gathering."""
        cdef Py_ssize_t i, first, end
        cdef int64_t size, at = 0
        cdef uint8_t* p
        self.load()
        first = self.starts[number]
        end = self.starts[number + 1]
        if first == end or self.chunk_last[end - 1] < low or self.chunk_first[first] > high:
            return
        size = self.offsets[number + 1] - self.offsets[number]
        if self.scratch is None or len(self.scratch) < size + CHUNK_SLACK:
            self.scratch = bytearray(size + CHUNK_SLACK)
        p = <uint8_t*>PyByteArray_AS_STRING(self.scratch)
        if self.file.read_into(<char*>p, size, self.offsets[number]) != size:
            raise self.damaged(self.offsets[number], "chunks cut off")
        if crc32c_of(p, size, 0) != self.sums[number]:
            raise self.damaged(self.offsets[number], "bad checksum of a series' chunks")
        for i in range(first, end):
            if self.chunk_last[i] >= low and self.chunk_first[i] <= high:
                into.add_chunk(p + at, self.chunk_size[i], low, high)
            at += self.chunk_size[i]


cdef const char* step(const char* p, const char* end, Py_ssize_t used, Block block) except NULL:
    if used <= 0:
        raise block.damaged(0, "series table: cut off")
    return p + used
