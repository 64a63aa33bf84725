"""A run: entries (`listpack`) in one piece of memory, with room at both ends.

    |  free  | entry | entry | entry |    free    |
    p        start                   end          cap

Room at the left makes pushing there as quick as at the right: neither moves what is there.  What is
put or taken in the middle moves the shorter side.  When the room at one end is used up the entries
slide, so that half of what is free is there again, or the piece grows by a quarter.

Invariant: 0 <= start <= end <= cap.
"""

from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcpy, memmove

from kvstore.memory cimport gave, malloc_size, took

cdef enum:
    SMALLEST = 24                  # what the smallest piece of malloc holds


cdef int open_run(Run* run, Py_ssize_t cap) except -1:
    run.p = <char*>malloc(cap)
    if run.p is NULL:
        raise MemoryError(cap)
    took(malloc_size(cap))
    run.cap = cap
    run.start = run.end = run.count = 0
    return 0


cdef int free_run(Run* run) noexcept:
    gave(malloc_size(run.cap))
    free(run.p)
    return 0


cdef int fill_run(Run* run, const char* p, Py_ssize_t n, Py_ssize_t count) except -1:
    open_run(run, n)
    memcpy(run.p, p, n)
    run.end = n
    run.count = count
    return 0


cdef int copy_run(Run* run, const Run* of) except -1:
    return fill_run(run, of.p + of.start, of.end - of.start, of.count)


cdef int resize(Run* run, Py_ssize_t cap, Py_ssize_t start) except -1:
    """Have another capacity, and the entries at a place in it."""
    cdef Py_ssize_t size = run.end - run.start
    cdef char* p
    if run.start == start:
        p = <char*>realloc(run.p, cap)
        if p is NULL:
            raise MemoryError(cap)
    else:
        p = <char*>malloc(cap)
        if p is NULL:
            raise MemoryError(cap)
        memcpy(p + start, run.p + run.start, size)
        free(run.p)
    took(malloc_size(cap) - malloc_size(run.cap))
    run.p = p
    run.cap = cap
    run.start = start
    run.end = start + size
    return 0


cdef int make_room(Run* run, Py_ssize_t n, bint left, Py_ssize_t most) except -1:
    """Room for n bytes at an end."""
    cdef Py_ssize_t size = run.end - run.start, left_over = run.cap - size - n, cap, start
    if left_over >= 0 and (left_over >= run.cap // 8 or run.cap >= most):
        start = left_over // 2 + (n if left else 0)
        memmove(run.p + start, run.p + run.start, size)
        run.start = start
        run.end = start + size
        return 0
    cap = max(size + n, min(most, (size + n) * 5 // 4), <Py_ssize_t>SMALLEST)
    return resize(run, cap, cap - size if left else 0)


cdef char* splice(Run* run, Py_ssize_t at, Py_ssize_t old, Py_ssize_t new, Py_ssize_t most) \
        except NULL:
    cdef Py_ssize_t more = new - old, behind = run.end - run.start - at - old
    cdef bint left = at < behind
    if more > (run.start if left else run.cap - run.end):
        make_room(run, more, left, most)
    if left:
        memmove(run.p + run.start - more, run.p + run.start, at)
        run.start -= more
    else:
        memmove(run.p + run.start + at + new, run.p + run.start + at + old, behind)
        run.end += more
    if more < 0 and run.cap > 2 * SMALLEST and run.end - run.start < run.cap // 4:
        resize(run, max((run.end - run.start) * 5 // 4, <Py_ssize_t>SMALLEST), 0)
    return run.p + run.start + at


cdef int fit(Run* run) except -1:
    """Give back what is free: no more entries are expected."""
    if run.cap - (run.end - run.start) > run.cap // 16:
        resize(run, max(run.end - run.start, <Py_ssize_t>SMALLEST), 0)
    return 0
