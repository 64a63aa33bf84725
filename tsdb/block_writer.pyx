"""Writing a block: series go in sorted by key, a file comes out whole and durable, or not at all.

A writer touches nothing but its own file, so it may work on a thread beside the loop; encoding,
which is most of its work, holds no lock of Python's.  The layout is told in `block`.
"""

import msgpack

from libc.stdint cimport int64_t, uint8_t, uint32_t
from libc.stdlib cimport free
from libc.string cimport memcpy

from cpython.bytearray cimport PyByteArray_AS_STRING
from cpython.bytes cimport PyBytes_AS_STRING

from bedrock.codec.crc32c cimport crc32c_of
from tsdb.chunk cimport COLD, SMALL, chunk_bound, chunk_encode
from tsdb.columns cimport Columns
from tsdb.room cimport resized

from bedrock.codec.compress import compress
from tsdb.block import MAGIC, Block
from tsdb.postings import Postings

cdef enum:
    CHUNK_SAMPLES = 1024           # samples of a full chunk
    SPILL = 1 << 20                # bytes of chunks gathered before they are written


cdef class BlockWriter:
    """Writes one block; see the module.

    meta: what the block says of itself besides what the writer counts (see `block`).
    DiskFull leaves nothing behind but a file that `abandon` removes.
    """

    def __init__(self, disk, str name, dict meta):
        self.disk = disk
        self.name = name
        self.meta = meta
        self.file = disk.open(name + ".new", "rw")
        self.file.truncate(0)
        self.chunk_samples = CHUNK_SAMPLES
        self.rows_each = meta["rows"]
        self.level = COLD if meta["cold"] else SMALL
        self.keys = []
        self.row_chunks = bytearray()
        self.put(MAGIC)
        self.first = 0x7fffffffffffffff
        self.last = -0x7fffffffffffffff - 1

    def __dealloc__(self):
        free(self.entries)
        free(self.out)

    def add(self, list keys, Columns columns) -> None:
        """Write series: each has `rows` rows of columns; those without samples are left out."""
        cdef Py_ssize_t row = 0, end, i, n
        cdef int64_t at
        cdef uint32_t chunks
        for key in keys:
            end = row + self.rows_each
            if columns.starts[row] == columns.starts[end]:
                row = end
                continue
            assert not self.keys or key > self.keys[len(self.keys) - 1], "series out of order"
            self.keys.append(key)
            for i in range(row, end):
                at = columns.starts[i]
                n = columns.starts[i + 1] - at
                with nogil:
                    chunks = <uint32_t>self.encode_row(columns.t + at, columns.v + at, n)
                self.row_chunks += (<char*>&chunks)[:4]
                if i == row:
                    self.samples += n
            row = end
            if self.out_n > SPILL:
                self.spill()

    def bound(self, int64_t first, int64_t last) -> None:
        """The block stands for this time, whether or not it has samples of all of it."""
        self.first = min(self.first, first)
        self.last = max(self.last, last)

    cdef Py_ssize_t encode_row(
        self, const int64_t* t, const double* v, Py_ssize_t n
    ) except -1 nogil:
        """Encode a row's samples to `out`; returns in how many chunks."""
        cdef Py_ssize_t chunks = 0, k, i
        cdef Entry* entry
        while n:
            k = min(n, self.chunk_samples)
            if self.entry_n == self.entry_cap:
                self.entry_cap = max(256, self.entry_cap * 2)
                self.entries = <Entry*>resized(self.entries, self.entry_cap * sizeof(Entry))
            if self.out_cap - self.out_n < chunk_bound(k):
                self.out_cap = max(self.out_cap * 2, self.out_n + chunk_bound(k))
                self.out = <uint8_t*>resized(self.out, self.out_cap)
            entry = self.entries + self.entry_n
            entry.size = <uint32_t>chunk_encode(t, v, k, self.out + self.out_n, self.level)
            entry.check = crc32c_of(self.out + self.out_n, entry.size, 0)
            entry.count = <uint32_t>k
            entry.first = t[0]
            entry.last = t[k - 1]
            entry.least = entry.most = entry.total = v[0]
            for i in range(1, k):
                entry.total += v[i]
                entry.least = v[i] if v[i] < entry.least else entry.least
                entry.most = v[i] if v[i] > entry.most else entry.most
            if entry.total != entry.total:
                entry.least = entry.most = entry.total
            self.first = min(self.first, entry.first)
            self.last = max(self.last, entry.last)
            self.out_n += entry.size
            self.entry_n += 1
            chunks += 1
            t += k
            v += k
            n -= k
        return chunks

    cdef int put(self, bytes part) except -1:
        """Put bytes behind the chunks."""
        cdef Py_ssize_t size = len(part)
        if self.out_cap - self.out_n < size:
            self.out_cap = max(self.out_cap * 2, self.out_n + size)
            self.out = <uint8_t*>resized(self.out, self.out_cap)
        memcpy(self.out + self.out_n, PyBytes_AS_STRING(part), size)
        self.out_n += size
        return 0

    def spill(self) -> None:
        """Write what was gathered; DiskFull before any of it."""
        self.file.allocate(self.offset, self.out_n)
        self.file.write(<char*>self.out, self.out_n, self.offset)
        self.offset += self.out_n
        self.out_n = 0

    def table(self) -> bytes:
        """The series table, column by column, so that it compresses."""
        cdef Py_ssize_t i, at = 0, n = self.entry_n
        cdef bytearray columns = bytearray(48 * n)
        cdef char* p = PyByteArray_AS_STRING(columns)
        cdef Entry* entry
        for i in range(n):
            entry = self.entries + i
            memcpy(p + 8 * i, &entry.first, 8)
            memcpy(p + 8 * (n + i), &entry.last, 8)
            memcpy(p + 8 * (2 * n + i), &entry.least, 8)
            memcpy(p + 8 * (3 * n + i), &entry.most, 8)
            memcpy(p + 8 * (4 * n + i), &entry.total, 8)
            memcpy(p + 40 * n + 4 * i, &entry.count, 4)
            memcpy(p + 44 * n + 4 * i, &entry.size, 4)
        checks = bytearray(4 * n)
        p = PyByteArray_AS_STRING(checks)
        for i in range(n):
            memcpy(p + 4 * i, &self.entries[i].check, 4)
        sizes = bytearray(4 * len(self.keys))
        p = PyByteArray_AS_STRING(sizes)
        for i, key in enumerate(self.keys):
            at = len(key)
            memcpy(p + 4 * i, &at, 4)
        head = b"".join([x.to_bytes(8, "little") for x in (len(self.keys), self.rows_each, n)])
        return b"".join([head, columns, checks, self.row_chunks, sizes, *self.keys])

    def finish(self) -> None:
        """Write the index, make all durable, give the file its name and open it as `block`."""
        postings = Postings(ordered=True)
        for i, key in enumerate(self.keys):
            postings.add(i, key)
        self.meta |= {"first": self.first, "last": self.last, "samples": self.samples,
                      "series": len(self.keys)}
        foot = b""
        for part in (compress("zstd", self.table()),
                     compress("zstd", postings.packed()),
                     msgpack.packb(self.meta)):
            foot += (self.offset + self.out_n).to_bytes(8, "little") + sized(part)
            self.put(part)
        self.put(foot + check_of(foot))
        self.spill()
        self.file.sync()
        self.file.close()
        self.disk.rename(self.name + ".new", self.name)
        self.disk.sync_dir()
        self.block = Block(self.disk, self.name)

    def abandon(self) -> None:
        """Give up: remove the unfinished file."""
        self.file.close()
        if self.disk.exists(self.name + ".new"):
            self.disk.remove(self.name + ".new")


cdef bytes check_of(bytes part):
    cdef uint32_t check = crc32c_of(PyBytes_AS_STRING(part), len(part), 0)
    return (<char*>&check)[:4]


cdef bytes sized(bytes part):
    return len(part).to_bytes(4, "little") + check_of(part)
