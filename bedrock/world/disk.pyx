"""Files, seen as a database sees them: what is written is lost until it is synced.

Names are relative to the data directory, with `/` between components; `..` and absolute names are
refused.  Rules that every store keeps (and the simulator's disk punishes):

1. A new file is durable after `file.sync()` and `disk.sync_dir()`; a renamed or removed one after
   `disk.sync_dir()` of its directory.
2. Replace a file by writing another, syncing it, renaming it over and syncing the directory.
3. Sectors written since the last sync may reach the disk in any order, or not, or in part; the
   size may grow before the data.
4. A failed sync is final (`DiskFailed`): the kernel may have dropped the pages, so a second try
   that succeeds proves nothing.  The process stops and recovers from its log.
5. `allocate` takes the room beforehand, so that a full disk is an error (`DiskFull`) before
   anything was promised, not in the middle of a flush.
"""

import errno
import os

from libc.errno cimport EINTR, EINVAL, EIO, EOPNOTSUPP, errno as c_errno
from posix.types cimport off_t

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize


cdef extern from "<unistd.h>" nogil:
    Py_ssize_t pread(int fd, void* into, size_t n, off_t offset)
    Py_ssize_t pwrite(int fd, const void* p, size_t n, off_t offset)
    int fdatasync(int fd)
    int ftruncate(int fd, off_t size)
    int c_close "close"(int fd)

cdef extern from *:
    """
    #if defined(__linux__)
    #define _GNU_SOURCE_FALLOCATE 1
    #include <fcntl.h>
    #include <linux/falloc.h>
    #include <sys/syscall.h>
    #include <unistd.h>
    /* Keeps the file's size: a reader never sees room that was only reserved. */
    static int take_room(int fd, long long offset, long long n) {
        return (int)syscall(SYS_fallocate, fd, FALLOC_FL_KEEP_SIZE, offset, n);
    }
    #else
    #include <errno.h>
    static int take_room(int fd, long long offset, long long n) {
        (void)fd; (void)offset; (void)n; errno = EOPNOTSUPP; return -1;
    }
    #endif
    """
    int take_room(int fd, long long offset, long long n) nogil


class DiskFailed(OSError):
    """The disk can no longer be trusted: the process must stop without another reply."""


class DiskFull(OSError):
    """No room left; what was there is intact."""


# The disk, the user's quota and the process's limit of a file's size (ulimit -f).
cdef tuple NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


cdef object raise_os(int number, str what, str name):
    if number in NO_ROOM:
        raise DiskFull(number, f"{what}: {os.strerror(number)}", name)
    raise DiskFailed(number, f"{what}: {os.strerror(number)}", name)


cdef class File:
    """Interface of an open file; see the module for what its calls promise."""

    cdef Py_ssize_t read_into(self, char* into, Py_ssize_t n, int64_t offset) except -1:
        raise NotImplementedError

    cdef int write(self, const char* p, Py_ssize_t n, int64_t offset) except -1:
        raise NotImplementedError

    def read_at(self, int64_t offset, Py_ssize_t n) -> bytes:
        """Up to n bytes from offset; fewer only at the end of the file."""
        if n < 0 or offset < 0:
            raise ValueError("negative offset or size")
        cdef bytes data = PyBytes_FromStringAndSize(NULL, n)
        cdef Py_ssize_t got = self.read_into(PyBytes_AS_STRING(data), n, offset)
        return data if got == n else data[:got]

    def write_at(self, int64_t offset, const unsigned char[::1] data not None) -> None:
        """Write bytes at offset; durable after `sync`."""
        if data.shape[0]:
            self.write(<const char*>&data[0], data.shape[0], offset)

    def append(self, const unsigned char[::1] data not None) -> int:
        """Write bytes at the end and return the offset they begin at."""
        cdef int64_t offset = self.size()
        if data.shape[0]:
            self.write(<const char*>&data[0], data.shape[0], offset)
        return offset

    cpdef int64_t size(self) except -1:
        """Bytes up to the end of the file."""
        raise NotImplementedError

    cpdef int sync(self) except -1:
        """Make the contents durable, or raise `DiskFailed` once and for all."""
        raise NotImplementedError

    cpdef int allocate(self, int64_t offset, int64_t n) except -1:
        """Reserve room for [offset, offset + n) without changing the size; `DiskFull` if none."""
        raise NotImplementedError

    cpdef int truncate(self, int64_t size) except -1:
        """Cut or extend (with zeros) to `size` bytes."""
        raise NotImplementedError

    cpdef int fileno(self) except? -1:
        """The descriptor, for sendfile and mmap; -1 where the disk has none (simulation)."""
        return -1

    cpdef int close(self) except -1:
        """Release the file; its error is raised, not swallowed."""
        raise NotImplementedError

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


cdef class Disk:
    """Interface of a data directory."""

    def open(self, name: str, mode: str = "r") -> File:
        """Open `name`: "r" an existing file to read, "rw" to read and write, made if missing.

        Missing directories on the way are made.  FileNotFoundError for a missing file and "r".
        """
        raise NotImplementedError

    def rename(self, old: str, new: str) -> None:
        """Give a file (or directory) another name, replacing a file of that name."""
        raise NotImplementedError

    def remove(self, name: str) -> None:
        """Remove a file."""
        raise NotImplementedError

    def remove_tree(self, directory: str) -> None:
        """Remove a directory and all below it; nothing happens when it is not there."""
        raise NotImplementedError

    def list(self, prefix: str = "") -> list[str]:
        """Names of all files below this directory that begin with prefix, sorted."""
        raise NotImplementedError

    def exists(self, name: str) -> bool:
        """True if a file of that name is there."""
        raise NotImplementedError

    def sync_dir(self) -> None:
        """Make this directory's own entries durable (not those of sub-directories)."""
        raise NotImplementedError

    def free_bytes(self) -> int:
        """Room left on the device."""
        raise NotImplementedError

    def sub(self, directory: str) -> Disk:
        """The sub-directory as a disk of its own, made durably if missing."""
        raise NotImplementedError

    def path(self, name: str = "") -> str:
        """For messages and sub-processes: where a name lies, as a person would write it."""
        raise NotImplementedError

    def replace(self, name: str, data: bytes) -> None:
        """Write a whole file so that a crash leaves the old or the new one (rule 2)."""
        head, _, tail = name.rpartition("/")
        cdef Disk directory = self.sub(head) if head else self
        with directory.open(tail + ".new", "rw") as f:
            f.truncate(0)
            f.write_at(0, data)
            f.sync()
        directory.rename(tail + ".new", tail)
        directory.sync_dir()

    def read(self, name: str) -> bytes:
        """A whole file."""
        with self.open(name) as f:
            return f.read_at(0, f.size())


def check_name(name: str) -> str:
    """The name itself, or ValueError if it could lead out of the data directory."""
    if not name or "\0" in name or any(part in ("", ".", "..") for part in name.split("/")):
        raise ValueError(f"bad file name: {name!r}")
    return name


def make_directory(path: str) -> None:
    """Make a directory and those above it that are missing, each of them durably."""
    if os.path.isdir(path):
        return
    parent = os.path.dirname(path)
    make_directory(parent)
    try:
        os.mkdir(path)
    except FileExistsError:
        if not os.path.isdir(path):
            raise
    except OSError as exc:
        if exc.errno in NO_ROOM:
            raise DiskFull(*exc.args, path) from exc
        raise
    sync_directory(parent)


def sync_directory(path: str) -> None:
    """Make a directory's own entries durable."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    except OSError as exc:
        raise DiskFailed(exc.errno, f"sync: {exc.strerror}", path) from exc
    finally:
        os.close(fd)


cdef class OsFile(File):
    def __init__(self, name: str, int fd):
        self.name = name
        self.fd = fd

    cdef Py_ssize_t read_into(self, char* into, Py_ssize_t n, int64_t offset) except -1:
        cdef Py_ssize_t done = 0, got
        while done < n:
            # Cached pages are the rule: giving up the GIL would cost more than the copy.
            got = pread(self.fd, into + done, n - done, offset + done)
            if got == 0:
                break
            if got < 0:
                if c_errno == EINTR:
                    continue
                raise_os(c_errno, "read", self.name)
            done += got
        return done

    cdef int write(self, const char* p, Py_ssize_t n, int64_t offset) except -1:
        cdef Py_ssize_t done = 0, put
        while done < n:
            put = pwrite(self.fd, p + done, n - done, offset + done)
            if put < 0:
                if c_errno == EINTR:
                    continue
                raise_os(c_errno, "write", self.name)
            done += put
        return 0

    cpdef int64_t size(self) except -1:
        return os.fstat(self.fd).st_size

    cpdef int sync(self) except -1:
        cdef int rc
        if self.failed:
            raise DiskFailed(EIO, "sync failed before", self.name)
        with nogil:
            rc = fdatasync(self.fd)
        if rc != 0:
            self.failed = True
            raise DiskFailed(c_errno, f"sync: {os.strerror(c_errno)}", self.name)
        return 0

    cpdef int allocate(self, int64_t offset, int64_t n) except -1:
        if take_room(self.fd, offset, n) != 0 and c_errno not in (EOPNOTSUPP, EINVAL):
            raise_os(c_errno, "allocate", self.name)
        return 0

    cpdef int truncate(self, int64_t size) except -1:
        if ftruncate(self.fd, size) != 0:
            raise_os(c_errno, "truncate", self.name)
        return 0

    cpdef int fileno(self) except? -1:
        return self.fd

    cpdef int close(self) except -1:
        cdef int fd = self.fd
        self.fd = -1
        if fd >= 0 and c_close(fd) != 0 and c_errno != EINTR:
            raise_os(c_errno, "close", self.name)
        return 0

    def __dealloc__(self):
        if self.fd >= 0:
            c_close(self.fd)


cdef class OsDisk(Disk):
    """A directory of the machine, made if missing."""

    def __init__(self, root: str):
        self.root = os.path.abspath(root)
        make_directory(self.root)

    def path(self, name: str = "") -> str:
        return os.path.join(self.root, check_name(name)) if name else self.root

    def open(self, name: str, mode: str = "r") -> File:
        path = self.path(check_name(name))
        if mode == "r":
            return OsFile(name, os.open(path, os.O_RDONLY | os.O_CLOEXEC))
        if mode != "rw":
            raise ValueError(f"mode is r or rw, not {mode!r}")
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        try:
            return OsFile(name, os.open(path, flags, 0o644))
        except FileNotFoundError:
            make_directory(os.path.dirname(path))
            return OsFile(name, os.open(path, flags, 0o644))
        except OSError as exc:
            if exc.errno in NO_ROOM:
                raise DiskFull(*exc.args, path) from exc
            raise

    def rename(self, old: str, new: str) -> None:
        os.replace(self.path(old), self.path(new))

    def remove(self, name: str) -> None:
        os.remove(self.path(name))

    def remove_tree(self, directory: str) -> None:
        path = self.path(directory)
        if os.path.isdir(path):
            import shutil    # slow to load, and at most starts there is nothing to remove

            shutil.rmtree(path, ignore_errors=True)

    def list(self, prefix: str = "") -> list[str]:
        found = []
        top = os.path.dirname(prefix)
        for folder, _, names in os.walk(os.path.join(self.root, top)):
            relative = os.path.relpath(folder, self.root)
            base = "" if relative == "." else relative + "/"
            found += [base + name for name in names if (base + name).startswith(prefix)]
        return sorted(found)

    def exists(self, name: str) -> bool:
        return os.path.isfile(self.path(name))

    def sync_dir(self) -> None:
        sync_directory(self.root)

    def free_bytes(self) -> int:
        stat = os.statvfs(self.root)
        return stat.f_bavail * stat.f_frsize

    def sub(self, directory: str) -> Disk:
        return OsDisk(self.path(directory))
