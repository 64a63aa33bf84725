cdef struct Run:
    char* p                        # allocated
    Py_ssize_t cap
    Py_ssize_t start, end          # of the entries within
    Py_ssize_t count


cdef int open_run(Run* run, Py_ssize_t cap) except -1
cdef int free_run(Run* run) noexcept
cdef int copy_run(Run* run, const Run* of) except -1
# Entries that came as they are: n bytes.
cdef int fill_run(Run* run, const char* p, Py_ssize_t n, Py_ssize_t count) except -1
# Make the `old` bytes at an offset from `start` `new` bytes long; where they begin.  With room for
# up to `most` bytes in all as it grows, more only if this needs more.
cdef char* splice(Run* run, Py_ssize_t at, Py_ssize_t old, Py_ssize_t new, Py_ssize_t most) \
    except NULL
cdef int fit(Run* run) except -1
cdef int make_room(Run* run, Py_ssize_t n, bint left, Py_ssize_t most) except -1
cdef int resize(Run* run, Py_ssize_t cap, Py_ssize_t start) except -1


cdef inline Py_ssize_t size_of_run(const Run* run) noexcept:
    return run.end - run.start
