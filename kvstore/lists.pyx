"""A list: elements in order, quick at both ends and by position.

    ring    | run 2 | run 3 |   -   |   -   |   -   |   -   | run 0 | run 1 |     head = 6, held = 4
                                                                |
                                        | free | entry | entry | entry | free |     (runs)

A list is a deque of runs of entries, each of some KiB as `list-max-listpack-size` says; a small one
is one run.  Pushing writes an entry at an end and makes no object; popping moves where the run
begins or ends.  A position is found by the numbers of entries in the runs, from the nearer end, and
by reading one run.  What comes into the middle of a full run parts it, and parts that fit together
are joined; an element longer than a run may be has one for itself.

OBJECT ENCODING answers "quicklist", the name Redis 7.0 has for every list.  The commands are in
`list_commands`.
"""

cimport cython
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from kvstore.keyspace cimport LIST, as_arg
from kvstore.listpack cimport checked_size, encode, same, size_before, size_of, write
from kvstore.listpack cimport read as read_entry
from kvstore.memory cimport gave, malloc_size, took
from kvstore.runs cimport copy_run, fill_run, fit, free_run, open_run, size_of_run, splice

cdef enum:
    DEFAULT_LIMIT = -2
    SMALL_RING = 8                 # runs; not worth giving back
    AROUND = 7                     # what a listpack in a file has around its entries


cdef inline Py_ssize_t most_bytes(int64_t limit) noexcept:
    """What a limit allows in bytes: 4 KiB for -1, twice that for each further step, 8 KiB else."""
    return (4096 << min(-limit - 1, 4) if limit < 0 else 8192) - AROUND


cdef inline bint has_room(const Run* run, Py_ssize_t more, Py_ssize_t entries,
                          int64_t limit) noexcept:
    """Whether a run may have so many bytes and entries more."""
    return size_of_run(run) + more <= most_bytes(limit) \
        and (limit < 0 or run.count + entries <= limit)


@cython.no_gc                      # no value leads to itself
cdef class List(Value):
    """Invariants:

    1. cap is 0 or a power of two, held <= cap; run i is runs[(head + i) % cap].
    2. No run is empty; their counts sum up to n.
    3. All entries are in the form that `listpack.encode` gives them.
    """

    def __cinit__(self):
        self.kind = LIST

    def __dealloc__(self):
        cdef Py_ssize_t i
        if self.runs is NULL:
            return
        for i in range(self.held):
            free_run(self.run(i))
        gave(malloc_size(self.cap * sizeof(Run)))
        free(self.runs)

    cdef Py_ssize_t length(self) noexcept:
        return self.n

    cdef str encoding_name(self):
        return "quicklist"

    cdef Value duplicate(self):
        cdef List copy = List()
        cdef Py_ssize_t i
        for i in range(self.held):
            copy.reserve()
            copy_run(copy.run(i), self.run(i))
            copy.held += 1
        copy.n = self.n
        return copy

    def elements(self) -> list[bytes]:
        """All elements from left to right."""
        cdef list found = []
        cdef Arg element
        cdef Place place
        cdef Py_ssize_t _i
        self.seek(0, &place)
        for _i in range(self.n):
            self.read(&place, &element)
            found.append(PyBytes_FromStringAndSize(element.p, element.n))
        return found

    @staticmethod
    def of(elements, int64_t limit=DEFAULT_LIMIT) -> List:
        """A list of bytes objects."""
        cdef List value = List()
        value.extend(elements, limit)
        return value

    @property
    def memory(self) -> int:
        """Bytes it takes."""
        cdef Py_ssize_t i, bytes_taken = malloc_size(self.cap * sizeof(Run))
        for i in range(self.held):
            bytes_taken += malloc_size(self.run(i).cap)
        return bytes_taken

    # ------------------------------------------------------------------ runs

    cdef Run* run(self, Py_ssize_t i) noexcept:
        return &self.runs[(self.head + i) & (self.cap - 1)]

    cdef int make_ring(self, Py_ssize_t cap) except -1:
        """Have a ring of another capacity."""
        cdef Py_ssize_t i
        cdef Run* runs = <Run*>malloc(cap * sizeof(Run))
        if runs is NULL:
            raise MemoryError(cap)
        took(malloc_size(cap * sizeof(Run)))
        for i in range(self.held):
            runs[i] = self.run(i)[0]
        if self.runs is not NULL:
            gave(malloc_size(self.cap * sizeof(Run)))
            free(self.runs)
        self.runs = runs
        self.cap = cap
        self.head = 0
        return 0

    cdef int reserve(self) except -1:
        """Room for one more in the ring."""
        return self.make_ring(max(1, 2 * self.cap)) if self.held == self.cap else 0

    cdef Run* add_run(self, Py_ssize_t i, Py_ssize_t cap) except NULL:
        """An empty run that becomes the i-th; the shorter side moves."""
        cdef Run made
        cdef Py_ssize_t k
        self.reserve()
        open_run(&made, cap)
        if i < self.held // 2 or i == 0:
            self.head = (self.head - 1) & (self.cap - 1)
            for k in range(i):
                self.run(k)[0] = self.run(k + 1)[0]
        else:
            for k in range(self.held, i, -1):
                self.run(k)[0] = self.run(k - 1)[0]
        self.held += 1
        self.run(i)[0] = made
        return self.run(i)

    cdef int drop_run(self, Py_ssize_t i) except -1:
        cdef Py_ssize_t k
        free_run(self.run(i))
        if i < self.held // 2:
            for k in range(i, 0, -1):
                self.run(k)[0] = self.run(k - 1)[0]
            self.head = (self.head + 1) & (self.cap - 1)
        else:
            for k in range(i, <Py_ssize_t>self.held - 1):
                self.run(k)[0] = self.run(k + 1)[0]
        self.held -= 1
        if self.cap > SMALL_RING and self.held < self.cap // 4:
            self.make_ring(self.cap // 2)
        return 0

    cdef int put_in(self, Run* run, Py_ssize_t at, const Entry* entry, int64_t limit) except -1:
        """An entry into a run that may have it."""
        write(splice(run, at, 0, entry.size, most_bytes(limit)), entry)
        run.count += 1
        return 0

    # ------------------------------------------------------------------ walking

    cdef int seek(self, Py_ssize_t i, Place* place) noexcept:
        cdef Py_ssize_t r, back = self.n - i
        cdef Run* run
        place.run = self.held
        place.at = 0
        if back == 0:
            return 0
        if i < back:
            r = 0
            while i >= self.run(r).count:
                i -= self.run(r).count
                r += 1
            back = self.run(r).count - i
        else:
            r = self.held - 1
            while back > self.run(r).count:
                back -= self.run(r).count
                r -= 1
            i = self.run(r).count - back
        run = self.run(r)
        place.run = r
        if i < back:
            while i:
                place.at += size_of(run.p + run.start + place.at)
                i -= 1
        else:
            place.at = size_of_run(run)
            while back:
                place.at -= size_before(run.p + run.start + place.at)
                back -= 1
        return 0

    cdef int read(self, Place* place, Arg* element) noexcept:
        cdef Run* run = self.run(place.run)
        place.at += read_entry(run.p + run.start + place.at, element, place.digits)
        if place.at == size_of_run(run):
            place.run += 1
            place.at = 0
        return 0

    cdef int read_back(self, Place* place, Arg* element) noexcept:
        cdef Run* run
        if place.at == 0:
            place.run -= 1
            place.at = size_of_run(self.run(place.run))
        run = self.run(place.run)
        place.at -= size_before(run.p + run.start + place.at)
        read_entry(run.p + run.start + place.at, element, place.digits)
        return 0

    cdef bint meets(self, Place* place, const Entry* wanted) noexcept:
        """Whether the element behind a place is the one wanted."""
        cdef Run* run = self.run(place.run)
        return same(run.p + run.start + place.at, wanted)

    cdef Py_ssize_t find(self, const Entry* wanted, Place* place) noexcept:
        cdef Py_ssize_t past = 0
        cdef const char* p
        cdef const char* end
        cdef Run* run
        while place.run < self.held:
            run = self.run(place.run)
            p = run.p + run.start + place.at
            end = run.p + run.end
            while p < end:
                if same(p, wanted):
                    place.at = p - run.p - run.start
                    return past
                p += size_of(p)
                past += 1
            place.run += 1
            place.at = 0
        return -1

    # ------------------------------------------------------------------ at the ends

    cdef int push(self, const Arg* element, bint left, int64_t limit) except -1:
        cdef Entry entry
        cdef Run* run
        encode(element, &entry)
        if self.held:
            run = self.run(0 if left else self.held - 1)
            if has_room(run, entry.size, 1, limit):
                self.put_in(run, 0 if left else size_of_run(run), &entry, limit)
                self.n += 1
                return 0
            fit(run)
            run = self.add_run(0 if left else self.held,
                               max(entry.size, most_bytes(limit) // 8 if limit < 0 else 0))
        else:
            run = self.add_run(0, max(entry.size, <Py_ssize_t>24))
        self.put_in(run, 0, &entry, limit)
        self.n += 1
        return 0

    cdef bytes pop(self, bint left):
        cdef Arg element
        cdef Place place
        cdef bytes popped
        self.seek(0 if left else self.n - 1, &place)
        self.read(&place, &element)
        popped = PyBytes_FromStringAndSize(element.p, element.n)
        self.drop(1, left)
        return popped

    cdef int extend(self, elements, int64_t limit) except -1:
        cdef Arg arg
        for element in elements:
            arg = as_arg(element)
            self.push(&arg, False, limit)
        return 0

    cdef int drop(self, Py_ssize_t count, bint left) except -1:
        """Remove elements at an end."""
        cdef Py_ssize_t r, size, at, _i
        cdef Run* run
        self.n -= count
        while count:
            r = 0 if left else self.held - 1
            run = self.run(r)
            if count >= run.count:
                count -= run.count
                self.drop_run(r)
                continue
            size = size_of_run(run)
            at = 0 if left else size
            for _i in range(count):
                if left:
                    at += size_of(run.p + run.start + at)
                else:
                    at -= size_before(run.p + run.start + at)
            run.count -= count
            splice(run, 0 if left else at, at if left else size - at, 0, 0)
            break
        return 0

    # ------------------------------------------------------------------ in the middle

    cdef int replace(self, Place* place, const Arg* element, int64_t limit) except -1:
        cdef Entry entry
        cdef Run* run = self.run(place.run)
        cdef Py_ssize_t old = size_of(run.p + run.start + place.at)
        encode(element, &entry)
        if entry.size > old and run.count > 1 and not has_room(run, entry.size - old, 0, limit):
            self.remove(place)
            return self.insert(place, element, limit)
        write(splice(run, place.at, old, entry.size, most_bytes(limit)), &entry)
        return 0

    cdef int insert(self, Place* place, const Arg* element, int64_t limit) except -1:
        cdef Entry entry
        cdef Py_ssize_t r = place.run
        encode(element, &entry)
        self.n += 1
        if r < self.held and has_room(self.run(r), entry.size, 1, limit):
            return self.put_in(self.run(r), place.at, &entry, limit)
        if place.at:
            return self.split(place, &entry, limit)
        # It may as well go to the end of the run before.
        if r and has_room(self.run(r - 1), entry.size, 1, limit):
            return self.put_in(self.run(r - 1), size_of_run(self.run(r - 1)), &entry, limit)
        return self.put_in(self.add_run(r, entry.size), 0, &entry, limit)

    cdef int split(self, Place* place, const Entry* entry, int64_t limit) except -1:
        """Part a run, with an entry between the parts, which go together with their neighbours."""
        cdef Py_ssize_t r = place.run, size = size_of_run(self.run(r)), at
        cdef Run* run
        cdef Run* right = self.add_run(r + 1, size - place.at)
        run = self.run(r)
        at = run.start + place.at
        memcpy(right.p, run.p + at, size - place.at)
        right.end = size - place.at
        at = 0
        while at < right.end:
            at += size_of(right.p + at)
            right.count += 1
        run.count -= right.count
        splice(run, place.at, size - place.at, 0, 0)
        if has_room(run, entry.size, 1, limit):
            self.put_in(run, place.at, entry, limit)
            r += 1
        else:
            self.put_in(self.add_run(r + 1, entry.size), 0, entry, limit)
            r += 2
        self.join(r, limit)
        return self.join(place.run - 1, limit)

    cdef int join(self, Py_ssize_t i, int64_t limit) except -1:
        """Make one run of the i-th and the next, if there are both and one may have it all."""
        cdef Run* run
        cdef Run* other
        cdef Py_ssize_t size
        if i < 0 or i + 1 >= self.held:
            return 0
        run, other = self.run(i), self.run(i + 1)
        size = size_of_run(other)
        if not has_room(run, size, other.count, limit):
            return 0
        memcpy(splice(run, size_of_run(run), 0, size, most_bytes(limit)), other.p + other.start,
               size)
        run.count += other.count
        return self.drop_run(i + 1)

    cdef int remove(self, Place* place) except -1:
        cdef Run* run = self.run(place.run)
        self.n -= 1
        if run.count == 1:
            self.drop_run(place.run)
            place.at = 0
            return 0
        run.count -= 1
        splice(run, place.at, size_of(run.p + run.start + place.at), 0, 0)
        if place.at == size_of_run(run):
            place.run += 1
            place.at = 0
        return 0

    # ------------------------------------------------------------------ from files

    cdef int take_entries(self, const char* p, Py_ssize_t n, int64_t limit) except -1:
        """Whole as they are, if each is in the form that it has here."""
        cdef Py_ssize_t at = 0, size, count = 0
        cdef bint strange = False
        cdef char[24] digits
        cdef Entry entry
        cdef Arg element
        while at < n:
            size = checked_size(p + at, n - at)
            if size < 0:
                raise ValueError("entries of a listpack are damaged")
            read_entry(p + at, &element, digits)
            encode(&element, &entry)
            strange = strange or entry.size != size or not same(p + at, &entry)
            at += size
            count += 1
        if not count:
            return 0
        if not strange:
            self.reserve()
            fill_run(self.run(self.held), p, n, count)
            self.held += 1
            self.n += count
            return 0
        at = 0
        while at < n:
            at += read_entry(p + at, &element, digits)
            self.push(&element, False, limit)
        return 0
