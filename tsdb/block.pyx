"""A block: samples of many series, written once and never changed.  One file:

    8   magic "TSDBBLK2"
    ..  chunks, row after row, series after series in the order of their keys (see chunk)
    ..  series table, zstd:
            3 x u64   series s, rows of each r, chunks c in all
            for each chunk, a column after the other: i64 first time, i64 last time, f64 minimum,
            f64 maximum, f64 sum, u32 samples, u32 bytes, u32 CRC-32C
            s x r     u32 chunks of a row
            s         u32 key length;  the keys
    ..  postings, zstd'd msgpack: {label name: {value: roaring bitmap of series numbers}}
    ..  meta, msgpack: first, last, samples, series; rows, resolution, low, replaces, ...
    52  u64 offset and u32 size and u32 CRC-32C of table, postings and meta (3 x 16 bytes),
        u32 CRC-32C of those 48 bytes

Little-endian.  A block of samples has one row for each series; a downsampled one has six for its
buckets: last, minimum, maximum, sum, count and ago (see `tiers`).  A chunk's minimum, maximum and sum
are NaN when one of its values is.  Opening reads the foot and meta; table and postings are loaded
when first asked for.

The name is `<rank>-<generation>.block`, or `<rank>-<generation>-<resolution>.block`: of two blocks
that hold the same sample the one of higher rank was written later and wins.  What replaces a run of
neighbours has the highest rank of them, their lowest in `low`, and the next generation.

Invariants:
1. A block appears under its name whole and durable, or not at all.
2. Every byte that is used was covered by a checksum that held; else Damaged is raised.
3. Loading what is lazy is safe on several threads: each makes its own and publishes it whole.
"""

import msgpack

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memset

from cpython.bytes cimport PyBytes_AS_STRING

from bedrock.codec.crc32c cimport crc32c_of
from tsdb.chunk cimport CHUNK_SLACK
from tsdb.columns cimport Columns
from tsdb.labels cimport labels_of_key

from bedrock.codec.compress import decompress
from bedrock.codec.errors import Malformed
from bedrock.storage.errors import Damaged
from tsdb.chunk import describe
from tsdb.postings import Postings, StoredPostings

MAGIC = b"TSDBBLK2"
ROWS = ("last", "min", "max", "sum", "count", "ago")     # of a downsampled series
cdef int64_t TIME_MAX = 0x7fffffffffffffff
cdef uint64_t STALE = 0x7ff0000000000002
cdef enum:
    FOOT = 52
    LAST = 0
    AGO = 5
    INDEX_MAX = 1 << 30            # bytes of an unpacked table or postings


cdef uint32_t crc(bytes data):
    return crc32c_of(PyBytes_AS_STRING(data), len(data), 0)


cdef class Index:
    """A block's series table; ValueError if its parts do not fit together."""

    def __init__(self, bytes table):
        import numpy as np  # here, because a server must be ready before numpy is loaded

        self.table = table
        series, rows, chunks = np.frombuffer(table, np.uint64, 3).tolist()
        if max(series, rows, chunks, series * rows) > len(table):
            raise ValueError("more entries than bytes")
        self.series, self.rows_each, self.chunks = series, rows, chunks
        at = 24
        parts = []
        for kind in (np.int64, np.int64, np.float64, np.float64, np.float64,
                     np.uint32, np.uint32, np.uint32):
            parts.append(np.frombuffer(table, kind, chunks, at))
            at += parts[len(parts) - 1].nbytes
        (self.first, self.last, self.least, self.most, self.total,
         self.count, self.size, self.check) = parts
        row_chunks = np.frombuffer(table, np.uint32, series * rows, at)
        key_sizes = np.frombuffer(table, np.uint32, series, at + 4 * series * rows)
        starts = sums(0, row_chunks)
        key_at = sums(at + 4 * series * (rows + 1), key_sizes)
        self.starts, self.offsets, self.key_at = starts, sums(len(MAGIC), parts[6]), key_at
        if self.starts[series * rows] != chunks or self.key_at[series] != len(table):
            raise ValueError("parts do not fit together")


def sums(first, sizes):
    """first, first + sizes[0], first + sizes[0] + sizes[1], ..."""
    import numpy as np

    made = np.empty(len(sizes) + 1, np.int64)
    made[0] = 0
    np.cumsum(sizes, out=made[1:])
    made += first
    return made


cdef class Block:
    """A block, open for reading; Damaged if its foot or meta are."""

    def __init__(self, disk, str name):
        self.disk = disk
        self.name = name
        self.file = disk.open(name)
        self.size = self.file.size()
        self.meta = msgpack.unpackb(self.part(2))
        self.first = self.meta["first"]
        self.last = self.meta["last"]
        self.samples = self.meta["samples"]
        self.resolution = self.meta["resolution"]
        self.rank = int(name.partition("-")[0])
        self.cuts = []

    def close(self) -> None:
        """Close the file."""
        self.file.close()

    @property
    def generation(self) -> int:
        """How many times its samples were written to a block."""
        return int(self.name[9:13])

    @property
    def low(self) -> int:
        """The lowest rank whose samples it holds."""
        return self.meta["low"]

    @property
    def cold(self) -> bool:
        """Whether zstd was tried on its chunks."""
        return self.meta.get("cold", False)

    def within(self, Block other) -> bool:
        """Whether it is another block, or has been made of it or a part."""
        return (other.low <= self.low and self.rank <= other.rank
                and (self is other or self.resolution > other.resolution))

    def damaged(self, int64_t offset, str why):
        return Damaged(self.name, offset, why)

    def part(self, int index) -> bytes:
        """Table (0), postings (1) or meta (2) as they lie in the file."""
        cdef int64_t size = self.size
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

    cdef Index index(self):
        """The series table, read when first asked for."""
        cdef Index found = self.loaded_index
        if found is None:
            try:
                found = Index(decompress("zstd", self.part(0), INDEX_MAX))
            except (Malformed, ValueError) as exc:
                raise self.damaged(0, f"series table: {exc}") from exc
            self.labels = [None] * found.series
            self.loaded_index = found
        return found

    def __len__(self):
        return self.meta["series"]

    @property
    def postings(self) -> Postings:
        """The inverted index, of series numbers."""
        if self.loaded_postings is None:
            try:
                packed = decompress("zstd", self.part(1), INDEX_MAX)
            except Malformed as exc:
                raise self.damaged(0, f"postings: {exc}") from exc
            self.loaded_postings = StoredPostings(packed, self.meta["series"])
        return self.loaded_postings

    def key_of(self, Py_ssize_t number) -> bytes:
        """The key of a series."""
        cdef Index index = self.index()
        if not 0 <= number < index.series:
            raise IndexError(number)
        return index.table[index.key_at[number]:index.key_at[number + 1]]

    def labels_of(self, Py_ssize_t number):
        """The Labels of a series."""
        self.index()
        labels = self.labels[number]
        if labels is None:
            labels = self.labels[number] = labels_of_key(self.key_of(number))
        return labels

    def cut(self, numbers, int64_t low, int64_t high) -> None:
        """Samples of these series in [low, high] are not to be read any more."""
        self.cuts.append((numbers, low, high))

    cpdef int read(self, Py_ssize_t number, Columns into, int64_t low, int64_t high) except -1:
        """Add the samples of a series in [low, high] to the one `into` is gathering.

        Of a downsampled series these are the buckets' last samples.
        """
        cdef Py_ssize_t i, kept, mark = into.n
        cdef Columns ago
        if self.index().rows_each == 1:
            return self.read_row(number, LAST, into, low, high)
        ago = Columns()
        high = min(high, TIME_MAX - self.resolution)
        self.read_row(number, LAST, into, low, high + self.resolution)
        self.read_row(number, AGO, ago, low, high + self.resolution)
        kept = mark
        for i in range(ago.n):
            into.t[kept] = into.t[mark + i] - <int64_t>ago.v[i]
            into.v[kept] = into.v[mark + i]
            kept += low <= into.t[kept] <= high
        into.n = kept
        return 0

    cpdef int read_row(self, Py_ssize_t number, int column, Columns into, int64_t low,
                       int64_t high) except -1:
        """Add what a row of a series has in [low, high], as it is written; column: of ROWS."""
        cdef Index index = self.index()
        cdef Py_ssize_t row, i, first, end, mark = into.n
        cdef int64_t at, size
        cdef uint8_t* p
        if not 0 <= number < index.series or not 0 <= column < index.rows_each:
            raise IndexError(number, column)
        row = number * index.rows_each + column
        first = index.starts[row]
        end = index.starts[row + 1]
        while first < end and index.last[first] < low:
            first += 1
        while end > first and index.first[end - 1] > high:
            end -= 1
        if first == end:
            return 0
        at = index.offsets[first]
        size = index.offsets[end] - at
        p = into.room(size + CHUNK_SLACK)
        if self.file.read_into(<char*>p, size, at) != size:
            raise self.damaged(at, "chunks cut off")
        memset(p + size, 0, CHUNK_SLACK)
        for i in range(first, end):
            if crc32c_of(p, index.size[i], 0) != index.check[i]:
                raise self.damaged(index.offsets[i], "bad checksum of a chunk")
            into.add_chunk(p, index.size[i], low, high)
            p += index.size[i]
        for numbers, cut_low, cut_high in self.cuts:
            if number not in numbers:
                continue
            if column == LAST and index.rows_each > 1:
                self.end_buckets(number, into, mark, cut_low, cut_high)
            into.cut(mark, cut_low, cut_high)
        return 0

    cdef int end_buckets(self, Py_ssize_t number, Columns into, Py_ssize_t mark, int64_t low,
                         int64_t high) except -1:
        """Of a bucket whose last sample is in [low, high], and gone, the last is a stale marker."""
        cdef Columns ago = Columns()
        cdef Py_ssize_t i, k = 0
        cdef uint64_t* bits = <uint64_t*>into.v
        if into.n == mark:
            return 0
        self.read_row(number, AGO, ago, into.t[mark], into.t[into.n - 1])
        for i in range(mark, into.n):
            while k < ago.n and ago.t[k] < into.t[i]:
                k += 1
            if k < ago.n and ago.t[k] == into.t[i] and low <= into.t[i] - <int64_t>ago.v[k] <= high:
                bits[i] = STALE
        return 0

    def chunks(self, Py_ssize_t number) -> list:
        """What is known of a series' chunks, row by row: dicts for people and for exports."""
        cdef Index index = self.index()
        cdef Py_ssize_t row, i
        found = []
        for row in range(number * index.rows_each, (number + 1) * index.rows_each):
            for i in range(index.starts[row], index.starts[row + 1]):
                data = self.file.read_at(index.offsets[i], index.size[i])
                if crc(data) != index.check[i]:
                    raise self.damaged(index.offsets[i], "bad checksum of a chunk")
                found.append({
                    "row": ROWS[row % index.rows_each], "offset": index.offsets[i],
                    "first": index.first[i], "last": index.last[i], "min": index.least[i],
                    "max": index.most[i], "sum": index.total[i], **describe(data)})
        return found
