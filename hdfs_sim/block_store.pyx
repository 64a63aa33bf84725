"""The replicas of one DataNode: a data file and a checksum file each.

    VERSION                                     who we are and whose blocks these are
    rbw/blk_<id>                                being written
    rbw/blk_<id>_<stamp>.meta
    tmp/...                                     a copy on its way here; removed at a start
    finalized/subdirA/subdirB/blk_<id>          complete; A = id bits 16-20, B = id bits 8-12
    finalized/subdirA/subdirB/blk_<id>_<stamp>.meta

    meta:  u16 version = 1 | u8 type = 2 (CRC-32C) | u32 bytes per checksum = 512
           then one u32 CRC-32C for each 512 bytes of data (big-endian, as HDFS writes it)

          create                 finalize                       stop / crash, then restart
    (none) ────► RBW ────────────────────► FINALIZED            RBW ──────────────► RWR
                  ▲        reopen (append)     │                 RWR waits for a recovery
                  └───────────────────────────-┘

File names come from numbers only.  A replica that a crash left in rbw/ counts as long as its
checksums say: bytes that were acknowledged have theirs.  Not so, after a power cut, the chunk that
was synced unfinished and then written on: its checksum is replaced in place.

Invariants:
1. Bytes below `length` have their checksums in the meta file, written after them.
2. A replica in finalized/ is durable, with its length, before anyone is told of it.
3. Nothing is read out of a replica without comparing it with its checksums (`Corrupt`).
4. A write that finds the disk full leaves `length` and the bytes below it as they were.
"""

from libc.stdint cimport int64_t, uint32_t
from libc.string cimport memcpy
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE

from bedrock.codec.crc32c cimport crc32c_of
from bedrock.world.disk cimport Disk, File
from hdfs_sim.packet cimport (
    CHUNK, HEADER_MAX, PREFIX, SUM, chunks_of, first_bad_chunk, get_u32, put_packet_head, put_u32,
)

from bedrock.world.disk import DiskFull
from hdfs_sim.messages.datanode import FINALIZED, RBW, RUR, RWR, TEMPORARY

cdef enum:
    META_HEAD = 7
cdef bytes META_MAGIC = b"\x00\x01\x02\x00\x00\x02\x00"

cdef int FINALIZED_STATE = FINALIZED, RBW_STATE = RBW, RWR_STATE = RWR, RUR_STATE = RUR
cdef int TEMPORARY_STATE = TEMPORARY


NO_META = "no checksum file"


class Corrupt(Exception):
    """Bytes on the disk differ from their checksums."""

    def __init__(self, replica, offset):
        super().__init__(f"block {replica.id}: checksum mismatch at {offset}")
        self.replica = replica
        self.offset = offset


class BadChecksum(ValueError):
    """Bytes that arrived differ from the checksums that came with them."""


class ReplicaNotFound(LookupError):
    """No replica of that block, or none in the state that is asked for."""


class ReplicaExists(Exception):
    """There is a replica of that block already."""


cdef class Replica:
    """One replica.  Made by BlockStore."""

    def __init__(self, BlockStore store, int64_t id, int64_t gs, int state, int64_t length):
        self.store = store
        self.id = id
        self.gs = gs
        self.state = state
        self.length = length

    @property
    def folder(self) -> str:
        """The directory its files are in."""
        if self.state == FINALIZED_STATE:
            return finalized_folder(self.id)
        return "tmp" if self.state == TEMPORARY_STATE else "rbw"

    @property
    def data_name(self) -> str:
        return f"{self.folder}/blk_{self.id}"

    @property
    def meta_name(self) -> str:
        return f"{self.folder}/blk_{self.id}_{self.gs}.meta"

    cdef int open_files(self) except -1:
        if self.data is None:
            mode = "r" if self.state == FINALIZED_STATE else "rw"
            self.data = self.store.disk.open(self.data_name, mode)
            self.meta = self.store.disk.open(self.meta_name, mode)
        return 0

    def close_files(self) -> None:
        """Give the descriptors back; they are opened again when needed."""
        if self.data is not None:
            self.data.close()
            self.meta.close()
            self.data = self.meta = None

    # ------------------------------------------------------------------ reading

    def begin_read(self) -> None:
        """A reader comes; the files stay open until the last one has gone."""
        self.open_files()
        self.readers += 1

    def end_read(self) -> None:
        """A reader is done."""
        self.readers -= 1
        if self.readers == 0 and self.writer is None:
            self.close_files()

    def packet(self, int64_t offset, int64_t n, int64_t seqno) -> bytes:
        """The packet with n bytes from offset (a chunk's start), verified; Corrupt if they differ.

        n ends at a chunk's end or at the end of the replica.
        """
        cdef char[PREFIX + HEADER_MAX] head
        cdef size_t sums_n = chunks_of(n) * SUM
        cdef size_t head_n = put_packet_head(head, offset, seqno, False, False, sums_n, n)
        cdef bytes packet = PyBytes_FromStringAndSize(NULL, head_n + sums_n + n)
        cdef char* at = PyBytes_AS_STRING(packet)
        cdef Py_ssize_t bad
        assert offset % CHUNK == 0
        self.open_files()
        memcpy(at, head, head_n)
        at += head_n
        if (self.meta.read_into(at, sums_n, META_HEAD + offset // CHUNK * SUM) < <Py_ssize_t>sums_n
                or self.data.read_into(at + sums_n, n, offset) < n):
            raise Corrupt(self, offset)
        bad = first_bad_chunk(at + sums_n, n, at)
        if bad >= 0:
            raise Corrupt(self, offset + bad * CHUNK)
        return packet

    def sums(self) -> bytes:
        """All checksums, as they are in the meta file."""
        self.open_files()
        data = self.meta.read_at(META_HEAD, chunks_of(self.length) * SUM)
        if not self.readers and self.writer is None:
            self.close_files()
        return data

    def verify(self) -> int:
        """Compare all bytes with their checksums; returns the offset where it fails, or -1."""
        cdef int64_t offset = 0, n
        self.begin_read()
        try:
            while offset < self.length:
                n = min(1 << 20, self.length - offset)
                self.packet(offset, n, 0)
                offset += n
        except Corrupt as exc:
            return exc.offset
        finally:
            self.end_read()
        return -1

    # ------------------------------------------------------------------ writing

    cdef int write(self, int64_t offset, const char* data, size_t n,
                   const char* sums, size_t sums_n) except -1:
        """Put n bytes at offset (not beyond the length), with the checksums they came with.

        BadChecksum if they do not match; nothing is changed then, nor when the disk is full.
        """
        cdef char[SUM] joined
        cdef uint32_t sum
        cdef size_t into_chunk = offset % CHUNK
        cdef int64_t last_sum
        cdef bytes kept
        if offset > self.length:
            raise ValueError(f"a gap: {offset} after {self.length}")
        if sums_n != chunks_of(n) * SUM or (into_chunk and into_chunk + n > CHUNK):
            raise BadChecksum("not one checksum for each 512 bytes")
        if first_bad_chunk(data, n, sums) >= 0:
            raise BadChecksum("checksum mismatch")
        self.open_files()
        if into_chunk:
            # The chunk's checksum goes on from what is there already.
            sum = crc32c_of(data, n, self.prefix_sum(offset))
            put_u32(joined, sum)
            sums = joined
        last_sum = META_HEAD + self.length // CHUNK * SUM
        kept = self.meta.read_at(last_sum, SUM) if self.length % CHUNK else b""
        try:
            self.data.write(data, n, offset)
            self.meta.write(sums, sums_n, META_HEAD + offset // CHUNK * SUM)
        except DiskFull:
            self.data.truncate(self.length)
            self.meta.truncate(last_sum + len(kept))
            self.meta.write_at(last_sum, kept)
            raise
        if offset + <int64_t>n > self.length:
            self.store.used += offset + n - self.length
            self.length = offset + n
        return 0

    cdef uint32_t prefix_sum(self, int64_t offset) except? 0:
        """The checksum of the chunk at offset, up to offset; Corrupt if what is there is not good.
        """
        cdef char[CHUNK] chunk
        cdef char[SUM] stored
        cdef int64_t start = offset - offset % CHUNK
        cdef size_t here = min(CHUNK, self.length - start)
        if self.data.read_into(chunk, here, start) < <Py_ssize_t>here:
            raise Corrupt(self, start)
        self.meta.read_into(stored, SUM, META_HEAD + start // CHUNK * SUM)
        if crc32c_of(chunk, here, 0) != get_u32(stored):
            raise Corrupt(self, start)
        return crc32c_of(chunk, offset - start, 0)

    def put(self, offset: int, data: bytes, sums: bytes) -> None:
        """`write` for Python callers."""
        self.write(offset, PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data),
                   PyBytes_AS_STRING(sums), PyBytes_GET_SIZE(sums))

    def sync(self) -> None:
        """What was written survives a crash, and so do the names of its files."""
        self.sync_files()
        if not self.named:
            self.store._folder(self.folder).sync_dir()
            self.named = True

    cdef int sync_files(self) except -1:
        self.open_files()
        self.data.sync()
        self.meta.sync()
        return 0

    def salvage(self) -> None:
        """Keep the sound bytes that a crash left, and drop what is behind them.

        They are written again: after a sync that failed the system's cache may hold them as clean,
        so that no later sync would write them.
        """
        cdef int64_t at
        self.open_files()
        for at in range(0, self.length, 1 << 20):
            self.data.write_at(at, self.data.read_at(at, min(1 << 20, self.length - at)))
        self.meta.write_at(0, self.meta.read_at(
            0, META_HEAD + <int64_t>chunks_of(self.length) * SUM))
        self.data.truncate(self.length)
        self.meta.truncate(META_HEAD + <int64_t>chunks_of(self.length) * SUM)
        self.close_files()

    def truncate(self, int64_t length) -> None:
        """Cut to a length; the checksum of a chunk cut in two is made anew."""
        cdef char[SUM] joined
        if length >= self.length:
            return
        self.open_files()
        if length % CHUNK:
            put_u32(joined, self.prefix_sum(length))
            self.meta.write(joined, SUM, META_HEAD + length // CHUNK * SUM)
        self.meta.truncate(META_HEAD + <int64_t>chunks_of(length) * SUM)
        self.data.truncate(length)
        self.store.used -= self.length - length
        self.length = length


cdef class BlockStore:
    """All replicas below a directory, found again when it is opened.

    scan: False leaves everything as it is and `replicas` empty, for the checker.

    Invariant 5: `replicas` holds exactly what is on the disk, but for damaged files, which
    `check` names.
    """

    def __init__(self, Disk disk, scan=True):
        self.disk = disk
        self.replicas = {}
        self.folders = {}
        if not scan:
            return
        self._folder("rbw")
        self.disk.remove_tree("tmp")
        self._finish_renames(self.disk.list())
        for replica, why in found(self, self.disk.list()):
            if replica.state == RWR_STATE and why is None:
                replica.salvage()
            if why != NO_META:
                self.replicas[replica.id] = replica
                self.used += replica.length

    def _finish_renames(self, names: list[str]) -> None:
        """A crash came amid the renames of a replica: give it one name for each of its two files.

        Data under both names is finalized: nothing was written since.  The meta follows the data.
        """
        data, metas = by_block(names)
        for id, folders in data.items():
            final = finalized_folder(id)
            home = final if final in folders else folders[0]
            stamps = metas.get(id, [])
            here = [gs for folder, gs in stamps if folder == home]
            if stamps and not here:
                folder, gs = max(stamps, key=lambda one: one[1])
                self.disk.rename(f"{folder}/blk_{id}_{gs}.meta", f"{home}/blk_{id}_{gs}.meta")
                self._folder(home).sync_dir()
                stamps.remove((folder, gs))
                here = [gs]
            stale = [f"{folder}/blk_{id}" for folder in folders if folder != home]
            stale += [f"{folder}/blk_{id}_{gs}.meta" for folder, gs in stamps
                      if (folder, gs) != (home, max(here))]
            for name in stale:
                self.disk.remove(name)
                self._folder(name.rpartition("/")[0]).sync_dir()

    def _folder(self, name: str) -> Disk:
        folder = self.folders.get(name)
        if folder is None:
            folder = self.folders[name] = self.disk.sub(name)
        return folder

    def get(self, int64_t id) -> Replica:
        """The replica of a block; ReplicaNotFound if there is none."""
        replica = self.replicas.get(id)
        if replica is None:
            raise ReplicaNotFound(f"no replica of block {id}")
        return replica

    def create(self, int64_t id, int64_t gs, int state) -> Replica:
        """An empty replica, RBW or TEMPORARY."""
        cdef Replica replica
        if id in self.replicas:
            raise ReplicaExists(f"block {id} is here already")
        replica = Replica(self, id, gs, state, 0)
        replica.open_files()
        try:
            replica.data.truncate(0)
            replica.meta.truncate(0)
            replica.meta.write_at(0, META_MAGIC)
        except BaseException:
            self._remove_files(replica)
            raise
        self.replicas[id] = replica
        return replica

    def finalize(self, Replica replica) -> None:
        """The replica is complete: make it durable under its final name."""
        old_data, old_meta = replica.data_name, replica.meta_name
        replica.sync_files()
        replica.close_files()
        folder = finalized_folder(replica.id)
        self._folder(folder)
        replica.state = FINALIZED_STATE
        self.disk.rename(old_meta, replica.meta_name)
        self.disk.rename(old_data, replica.data_name)
        # In this order: the creation in rbw/ may not be durable yet, and comes before the rename.
        self._folder("rbw").sync_dir()
        self._folder(folder).sync_dir()
        replica.named = True
        if replica.readers:
            replica.open_files()

    def reopen(self, Replica replica, int64_t gs) -> None:
        """Write on at a finalized replica under a (new) generation stamp."""
        if replica.state == FINALIZED_STATE:
            old_data, old_meta = replica.data_name, replica.meta_name
            replica.close_files()
            replica.state = RBW_STATE
            replica.gs = gs
            self.disk.rename(old_data, replica.data_name)
            self.disk.rename(old_meta, replica.meta_name)
            self._folder("rbw").sync_dir()
            self._folder(finalized_folder(replica.id)).sync_dir()
        else:
            self.restamp(replica, gs)
            replica.state = RBW_STATE
        replica.open_files()

    def restamp(self, Replica replica, int64_t gs) -> None:
        """Give a replica a newer generation stamp."""
        if gs == replica.gs:
            return
        old_meta = replica.meta_name
        replica.close_files()
        replica.gs = gs
        self.disk.rename(old_meta, replica.meta_name)
        self._folder(replica.folder).sync_dir()
        if replica.readers:
            replica.open_files()

    def truncate(self, Replica replica, int64_t length) -> None:
        """Cut a replica, which is then no longer finalized if it was."""
        if length < replica.length:
            if replica.state == FINALIZED_STATE:
                self.reopen(replica, replica.gs)
            replica.truncate(length)

    def remove(self, Replica replica) -> None:
        """Delete a replica; nothing happens if it is gone already."""
        if self.replicas.get(replica.id) is replica:
            del self.replicas[replica.id]
            self.used -= replica.length
            replica.close_files()
            self._remove_files(replica)

    def _remove_files(self, Replica replica) -> None:
        for name in (replica.data_name, replica.meta_name):
            try:
                self.disk.remove(name)
            except FileNotFoundError:
                pass

    def report(self) -> list[int]:
        """All replicas for a block report: id, length, stamp, state, one after another."""
        out = []
        for replica in self.replicas.values():
            if replica.state != TEMPORARY_STATE:
                out += (replica.id, replica.length, replica.gs, replica.state)
        return out

    def close(self) -> None:
        """Release all files."""
        for replica in self.replicas.values():
            replica.close_files()


def finalized_folder(int64_t id) -> str:
    """The directory of a complete replica."""
    return f"finalized/subdir{id >> 16 & 0x1F}/subdir{id >> 8 & 0x1F}"


def by_block(names):
    """The files of each block: id -> folders with data, and id -> (folder, stamp) of each meta."""
    data, metas = {}, {}
    for name in names:
        folder, _, last = name.rpartition("/")
        label, *numbers = last.removesuffix(".meta").split("_")
        if label != "blk" or not numbers or not all(map(str.isdecimal, numbers)):
            continue
        if folder not in ("rbw", finalized_folder(int(numbers[0]))):
            continue
        if last.endswith(".meta") and len(numbers) == 2:
            metas.setdefault(int(numbers[0]), []).append((folder, int(numbers[1])))
        elif last == f"blk_{numbers[0]}":
            data.setdefault(int(numbers[0]), []).append(folder)
    return data, metas


def found(BlockStore store, names):
    """(Replica, None or why it is not sound) for what the file names below a store stand for."""
    data_of, metas = by_block(names)
    for id, folder in [(id, folder) for id, folders in data_of.items() for folder in folders]:
        gs = max((gs for at, gs in metas.get(id, ()) if at == folder), default=0)
        if gs == 0:
            yield Replica(store, id, 0, RWR_STATE, 0), NO_META
            continue
        with store.disk.open(f"{folder}/blk_{id}") as data, \
                store.disk.open(f"{folder}/blk_{id}_{gs}.meta") as meta:
            if folder != "rbw":
                size = data.size()
                whole = meta.size() == META_HEAD + chunks_of(size) * SUM
                why = None if whole else "checksum file has another length"
                yield Replica(store, id, gs, FINALIZED_STATE, size), why
            else:
                yield Replica(store, id, gs, RWR_STATE, sound_length(data, meta)), None


cdef int64_t sound_length(File data, File meta) except -1:
    """How many bytes of a replica that was being written agree with their checksums."""
    cdef char[CHUNK] chunk
    cdef char[SUM] stored
    cdef int64_t offset = 0
    cdef Py_ssize_t got, k, best
    cdef uint32_t sum
    while True:
        got = data.read_into(chunk, CHUNK, offset)
        if got == 0 or meta.read_into(stored, SUM, META_HEAD + offset // CHUNK * SUM) < SUM:
            return offset
        if crc32c_of(chunk, got, 0) == get_u32(stored):
            offset += got
            if got < CHUNK:
                return offset
            continue
        # The chunk grew, its checksum did not yet: what it covers is still good.
        best = 0
        sum = 0
        for k in range(got):
            sum = crc32c_of(chunk + k, 1, sum)
            if sum == get_u32(stored):
                best = k + 1
        return offset + best
