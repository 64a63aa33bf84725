"""A disk that keeps only what was synced, and sometimes not in one piece.

Each file has two images: `data`, what a reader sees, and `synced`, what the platter holds, with the
set of 512-byte sectors that differ.  Names have the same two states.  `sync` and `sync_dir` copy
one to the other; `crash` lets an arbiter decide, sector by sector and name by name, what reached
the platter before the power went:

    sector   KEEP the new bytes, DROP them, or TORN (a first part new, the rest old)
    size     KEEP the new size (sectors that were dropped then read as zeros), DROP, or TORN (any
             size between)
    name     KEEP or DROP a creation, renaming or removal

The arbiter is the seed (`random_arbiter`), or a test that goes through all subsets.  A rename is
atomic; a directory's changes wait for its own `sync_dir`, as POSIX allows, though most file systems
are kinder.

Faults while running: the n-th operation fails (`fail_at`), the n-th finds the power gone
(`crash_at`), capacity, and by chance: a failing sync (whose sectors are then never written, as
Linux does it), a flipped bit in what is read, a write that goes astray, a sync that lies.

Left out: directories as such (a name brings its own), times, permissions, hard links.
"""

import errno

from libc.stdint cimport int64_t
from libc.string cimport memcpy

from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_GET_SIZE, PyByteArray_Resize

from bedrock.world.disk cimport Disk, File
from bedrock.world.rand cimport Rand

from dataclasses import dataclass

from bedrock.world.disk import DiskFailed, DiskFull, check_name

cdef enum:
    SECTOR_BYTES = 512

SECTOR = SECTOR_BYTES
KEEP, DROP, TORN = "keep", "drop", "torn"


class PowerCut(BaseException):
    """The machine is off.  Not an Exception: no handler of the engine's may survive it."""


@dataclass
class DiskFaults:
    """What goes wrong by chance, as probabilities per operation.  All 0: a perfect disk."""

    sync_eio: float = 0.0      # a sync fails
    bit_flip: float = 0.0      # a read returns one wrong bit
    misdirected: float = 0.0   # a write lands in another sector of its file
    sync_skipped: float = 0.0  # a sync reports success and did nothing: a planted bug


cdef class Inode:
    """A file's two images.  A sector not in `dirty` is equal in both, up to their sizes."""

    cdef bytearray data
    cdef bytearray synced
    cdef set dirty
    cdef int64_t reserved          # room taken on the device, at least len(data)

    def __cinit__(self):
        self.data = bytearray()
        self.synced = bytearray()
        self.dirty = set()

    cdef int touch(self, int64_t start, int64_t stop) except -1:
        """The bytes [start, stop) were changed."""
        cdef int64_t sector
        if stop > start:
            for sector in range(start // SECTOR_BYTES, (stop - 1) // SECTOR_BYTES + 1):
                self.dirty.add(sector)
        return 0

    cdef int resize(self, int64_t size) except -1:
        cdef int64_t old = PyByteArray_GET_SIZE(self.data)
        PyByteArray_Resize(self.data, size)
        if size > old:
            self.data[old:size] = bytes(size - old)
        # What lay beyond a cut must not come back when the file grows again.
        self.touch(min(old, size), max(old, size))
        return 0

    cdef sync(self):
        cdef int64_t sector, start
        fit(self.synced, len(self.data))
        for sector in self.dirty:
            start = sector * SECTOR_BYTES
            if start < len(self.data):
                self.synced[start:start + SECTOR_BYTES] = self.data[start:start + SECTOR_BYTES]
        self.dirty.clear()

    def crash(self, name: str, decide) -> None:
        cdef bytearray image = self.synced
        old, new = len(image), len(self.data)
        size = new
        if old != new:
            verdict = decide("size", name, 0)
            if verdict == DROP:
                size = old
            elif verdict != KEEP:
                size = min(old, new) + int(abs(new - old) * verdict[1])
        fit(image, max(size, new))
        for sector in sorted(self.dirty):
            start = sector * SECTOR_BYTES
            if start >= min(size, new):
                continue
            verdict = decide("sector", name, sector)
            if verdict == DROP:
                continue
            stop = min(start + SECTOR_BYTES, new)
            if verdict != KEEP:
                stop = start + int((stop - start) * verdict[1])
            image[start:stop] = self.data[start:stop]
        fit(image, size)
        self.data = bytearray(image)
        self.dirty.clear()
        self.reserved = size


cdef int fit(bytearray image, int64_t size) except -1:
    cdef int64_t old = len(image)
    if size < old:
        del image[size:]
    else:
        image.extend(bytes(size - old))
    return 0


def random_arbiter(Rand rand):
    """Decide by the seed: everything, nothing, a prefix of the sectors, or each by itself."""
    style = rand.choice(("all", "none", "prefix", "each", "each"))
    keeping = [True]

    def decide(kind: str, name: str, index: int):
        if style == "all":
            return KEEP
        if style == "none":
            return DROP
        if style == "prefix":
            if keeping[0] and rand.chance(0.8):
                return KEEP
            if keeping[0] and kind != "name":
                keeping[0] = False
                return TORN, rand.random()
            keeping[0] = False
            return DROP
        if kind != "name" and rand.chance(0.2):
            return TORN, rand.random()
        return KEEP if rand.chance(0.5) else DROP

    return decide


cdef class Medium:
    """The device behind a machine's disk; it survives the machine.

    capacity:  bytes; 0 means no limit
    faults:    DiskFaults
    trace:     called with (what, name, number, number) at each operation
    fail_at:   (n, errno): the n-th operation from now on fails
    crash_at:  the n-th operation from now on, and all after it, raise PowerCut
    on_cut:    called when that happens, before it is raised
    """

    cdef readonly Rand rand
    cdef public int64_t capacity
    cdef public object faults
    cdef public object trace
    cdef public object on_cut
    cdef public int64_t operations     # since the last `arm`
    cdef dict names                    # path -> Inode, as a reader sees it
    cdef dict durable                  # path -> Inode, on the platter
    cdef list pending                  # [directory, {path: Inode or None}] not durable yet
    cdef int64_t fail_at, fail_errno, crash_at
    cdef readonly int64_t boots        # handles of an earlier boot are dead
    cdef bint off

    def __init__(self, Rand rand, int64_t capacity=0, faults=None, trace=None):
        self.rand = rand
        self.capacity = capacity
        self.faults = faults or DiskFaults()
        self.trace = trace
        self.names = {}
        self.durable = {}
        self.pending = []

    def arm(self, int64_t fail_at=0, int64_t fail_errno=errno.EIO, int64_t crash_at=0) -> None:
        """Count operations from here on; one of them fails, or finds the power gone."""
        self.operations = 0
        self.fail_at = fail_at
        self.fail_errno = fail_errno
        self.crash_at = crash_at

    cdef int operate(self, str what, str name, int64_t a, int64_t b, int64_t boot) except -1:
        """Every operation goes through here first."""
        if self.off or boot != self.boots:
            raise PowerCut(name)
        self.operations += 1
        if self.trace is not None:
            self.trace(what, name, a, b)
        if self.operations == self.crash_at:
            self.off = True
            if self.on_cut is not None:
                self.on_cut()
            raise PowerCut(name)
        if self.operations == self.fail_at:
            if self.fail_errno == errno.ENOSPC:
                raise DiskFull(self.fail_errno, f"{what}: injected", name)
            raise DiskFailed(self.fail_errno, f"{what}: injected", name)
        return 0

    def used_bytes(self) -> int:
        return sum((<Inode>inode).reserved for inode in self.names.values())

    cdef int take(self, Inode inode, int64_t upto, str name) except -1:
        """Take room for a file's bytes below `upto`."""
        if upto > inode.reserved:
            if self.capacity and self.used_bytes() + upto - inode.reserved > self.capacity:
                raise DiskFull(errno.ENOSPC, "no space left on device", name)
            inode.reserved = upto
        return 0

    def change(self, directory: str, changes: dict) -> None:
        """Change names in the reader's view; the platter follows at `sync_dir`."""
        apply_names(self.names, changes)
        self.pending.append((directory, changes))

    def sync_names(self, directory: str) -> None:
        for where, changes in self.pending:
            if where == directory:
                apply_names(self.durable, changes)
        self.pending = [item for item in self.pending if item[0] != directory]

    def unsynced(self) -> list:
        """What a crash would decide about: (kind, name, index), in a fixed order."""
        found = []
        decide = found.append
        for i in range(len(self.pending)):
            decide(("name", "", i))
        for name in sorted(self.names):
            inode = <Inode>self.names[name]
            if len(inode.synced) != len(inode.data):
                decide(("size", name, 0))
            for sector in sorted(inode.dirty):
                decide(("sector", name, sector))
        return found

    def settle_tree(self, str top) -> None:
        """Make durable what was done in a directory's parent about names below the directory."""
        late = []
        for directory, changes in self.pending:
            if directory == parent(top[:len(top) - 1]) and all(path.startswith(top) for path in changes):
                apply_names(self.durable, changes)
            else:
                late.append((directory, changes))
        self.pending = late

    def crash(self, decide=None) -> None:
        """Cut the power and bring back the disk: only what `decide` keeps is there."""
        if decide is None:
            decide = random_arbiter(self.rand)
        # Files first: a file's bytes are decided even where its name is then lost.
        for name in sorted(self.names):
            (<Inode>self.names[name]).crash(name, decide)
        for i, (_, changes) in enumerate(self.pending):
            if decide("name", "", i) == KEEP:
                apply_names(self.durable, changes)
        self.pending = []
        self.names = dict(self.durable)
        for inode in self.names.values():
            # Of files only reachable again because their removal was undone.
            if (<Inode>inode).dirty:
                (<Inode>inode).crash("", lambda *_: DROP)
        self.kill()

    def kill(self) -> None:
        """End the process alone (`kill -9`): the cache survives, open files do not."""
        self.boots += 1
        self.off = False
        self.arm()

    def disk(self) -> SimDisk:
        """The disk as the machine's present boot sees it."""
        return SimDisk(self, "")

    def corrupt(self, name: str, offset: int, mask: int) -> None:
        """Flip bits of one byte behind everyone's back, on the platter and in the cache."""
        inode = <Inode>self.names[name]
        inode.data[offset] ^= mask
        inode.synced[offset] ^= mask

    def save(self):
        """The whole state, to go back to by `load`; for tests that try many crashes."""
        inodes = {id(inode): inode for inode in [*self.names.values(), *self.durable.values()]}
        for _, changes in self.pending:
            inodes |= {id(inode): inode for inode in changes.values() if inode is not None}
        images = [
            (inode, bytes((<Inode>inode).data), bytes((<Inode>inode).synced),
             frozenset((<Inode>inode).dirty), (<Inode>inode).reserved)
            for inode in inodes.values()
        ]
        return dict(self.names), dict(self.durable), list(self.pending), images

    def load(self, state) -> None:
        """Go back to a state that `save` returned."""
        cdef Inode inode
        names, durable, pending, images = state
        self.names, self.durable, self.pending = dict(names), dict(durable), list(pending)
        for inode, data, synced, dirty, reserved in images:
            inode.data, inode.synced = bytearray(data), bytearray(synced)
            inode.dirty, inode.reserved = set(dirty), reserved
        self.off = False


cdef int apply_names(dict names, dict changes) except -1:
    for path, inode in changes.items():
        if inode is None:
            names.pop(path, None)
        else:
            names[path] = inode
    return 0


cdef class SimFile(File):
    cdef Medium medium
    cdef Inode inode
    cdef int64_t boot
    cdef bint writable
    cdef bint failed
    cdef bint closed

    def __init__(self, Medium medium, Inode inode, str name, bint writable):
        self.medium = medium
        self.inode = inode
        self.name = name
        self.boot = medium.boots
        self.writable = writable

    cdef int operate(self, str what, int64_t a, int64_t b, bint changes) except -1:
        if self.closed:
            raise ValueError(f"{self.name} is closed")
        if changes and not self.writable:
            raise DiskFailed(errno.EBADF, f"{what}: opened to read", self.name)
        return self.medium.operate(what, self.name, a, b, self.boot)

    cdef Py_ssize_t read_into(self, char* into, Py_ssize_t n, int64_t offset) except -1:
        cdef Py_ssize_t there
        cdef Py_ssize_t at
        self.operate("read", offset, n, False)
        there = max(0, min(n, <Py_ssize_t>(PyByteArray_GET_SIZE(self.inode.data) - offset)))
        memcpy(into, PyByteArray_AS_STRING(self.inode.data) + offset, there)
        if there and self.medium.faults.bit_flip:
            if self.medium.rand.chance(self.medium.faults.bit_flip):
                at = self.medium.rand.below(there)
                into[at] = into[at] ^ <char>(1 << self.medium.rand.below(8))
        return there

    cdef int write(self, const char* p, Py_ssize_t n, int64_t offset) except -1:
        cdef int64_t size = PyByteArray_GET_SIZE(self.inode.data)
        self.operate("write", offset, n, True)
        if self.medium.faults.misdirected:
            if self.medium.rand.chance(self.medium.faults.misdirected):
                offset = self.medium.rand.below(offset // SECTOR_BYTES + 1) * SECTOR_BYTES
        self.medium.take(self.inode, offset + n, self.name)
        if offset + n > size:
            self.inode.resize(offset + n)
        memcpy(PyByteArray_AS_STRING(self.inode.data) + offset, p, n)
        self.inode.touch(offset, offset + n)
        return 0

    cpdef int64_t size(self) except -1:
        if self.medium.off or self.boot != self.medium.boots:
            raise PowerCut(self.name)
        return PyByteArray_GET_SIZE(self.inode.data)

    cpdef int sync(self) except -1:
        faults = self.medium.faults
        if self.failed:
            raise DiskFailed(errno.EIO, "sync failed before", self.name)
        try:
            self.operate("sync", 0, 0, True)
            if faults.sync_eio and self.medium.rand.chance(faults.sync_eio):
                raise DiskFailed(errno.EIO, "sync: drawn", self.name)
        except OSError:
            # The kernel gives the pages up as clean: a later sync will not write them.
            self.failed = True
            self.inode.dirty.clear()
            raise
        if faults.sync_skipped and self.medium.rand.chance(faults.sync_skipped):
            return 0
        self.inode.sync()
        return 0

    cpdef int allocate(self, int64_t offset, int64_t n) except -1:
        self.operate("allocate", offset, n, True)
        self.medium.take(self.inode, offset + n, self.name)
        return 0

    cpdef int truncate(self, int64_t size) except -1:
        self.operate("truncate", size, 0, True)
        self.medium.take(self.inode, size, self.name)
        self.inode.resize(size)
        self.inode.reserved = size
        return 0

    cpdef int close(self) except -1:
        self.closed = True
        return 0


cdef class SimDisk(Disk):
    """A directory of a Medium, during one boot of its machine."""

    cdef readonly Medium medium
    cdef readonly str prefix
    cdef int64_t boot

    def __init__(self, Medium medium, str prefix):
        self.medium = medium
        self.prefix = prefix
        self.boot = medium.boots

    cdef str at(self, str name):
        return self.prefix + check_name(name)

    cdef int operate(self, str what, str name) except -1:
        return self.medium.operate(what, self.prefix + name, 0, 0, self.boot)

    def path(self, name: str = "") -> str:
        return "/sim/" + (self.at(name) if name else self.prefix.rstrip("/"))

    def open(self, name: str, mode: str = "r") -> File:
        path = self.at(name)
        if mode not in ("r", "rw"):
            raise ValueError(f"mode is r or rw, not {mode!r}")
        inode = self.medium.names.get(path)
        if inode is None:
            if mode == "r":
                raise FileNotFoundError(errno.ENOENT, "no such file", path)
            self.operate("create", name)
            inode = Inode()
            self.medium.change(parent(path), {path: inode})
        else:
            self.operate("open", name)
        return SimFile(self.medium, inode, path, mode == "rw")

    def rename(self, old: str, new: str) -> None:
        source, target = self.at(old), self.at(new)
        names = self.medium.names
        moved = {source: target} if source in names else {
            path: target + path[len(source):] for path in names if path.startswith(source + "/")
        }
        if not moved:
            raise FileNotFoundError(errno.ENOENT, "no such file", source)
        self.operate("rename", new)
        changes = dict.fromkeys(sorted(moved))
        changes.update((moved[path], names[path]) for path in sorted(moved))
        self.medium.change(parent(target), changes)

    def remove(self, name: str) -> None:
        path = self.at(name)
        if path not in self.medium.names:
            raise FileNotFoundError(errno.ENOENT, "no such file", path)
        self.operate("remove", name)
        self.medium.change(parent(path), {path: None})

    def remove_tree(self, directory: str) -> None:
        top = self.at(directory) + "/"
        below = sorted(path for path in self.medium.names if path.startswith(top))
        self.operate("remove", directory)
        self.medium.change(parent(top.rstrip("/")), dict.fromkeys(below))

    def list(self, prefix: str = "") -> list[str]:
        start = self.prefix + prefix
        cut = len(self.prefix)
        return sorted(path[cut:] for path in self.medium.names if path.startswith(start))

    def exists(self, name: str) -> bool:
        return self.at(name) in self.medium.names

    def sync_dir(self) -> None:
        self.operate("sync_dir", "")
        self.medium.sync_names(self.prefix.rstrip("/"))

    def free_bytes(self) -> int:
        if not self.medium.capacity:
            return 1 << 40
        return max(0, self.medium.capacity - self.medium.used_bytes())

    def sub(self, directory: str) -> Disk:
        path = self.at(directory)
        if not any(name.startswith(path + "/") for name in self.medium.names):
            # Made anew, and durably: by then the removal of its namesake is durable too.
            self.medium.settle_tree(path + "/")
        return SimDisk(self.medium, path + "/")


cdef str parent(str path):
    return path.rpartition("/")[0]
