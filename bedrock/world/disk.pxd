from libc.stdint cimport int64_t


cdef class File:
    cdef readonly str name

    # n bytes wanted at offset; returns how many there were (short only at the end of the file).
    cdef Py_ssize_t read_into(self, char* into, Py_ssize_t n, int64_t offset) except -1
    cdef int write(self, const char* p, Py_ssize_t n, int64_t offset) except -1
    cpdef int64_t size(self) except -1
    cpdef int sync(self) except -1
    cpdef int allocate(self, int64_t offset, int64_t n) except -1
    cpdef int truncate(self, int64_t size) except -1
    cpdef int fileno(self) except? -1
    cpdef int close(self) except -1


cdef class Disk:
    pass


cdef class OsFile(File):
    cdef int fd
    cdef bint failed


cdef class OsDisk(Disk):
    cdef readonly str root
