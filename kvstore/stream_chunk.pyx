"""Chunks of a stream: entries that follow each other, with what they share told once.

    base    an id                          marks   | ms seq at | ms seq at | ...      12 bytes each
    text    | name name ... | 0 value value ... | 2 name value name value | 0 value value ... |
              of the chunk    entry of these      entry of other fields

All words as in `words`.  A mark has an id, less the base, and where its entry is told: finding an id
is a binary search, and an entry with the fields of the chunk's first one is its values.  An entry
that is removed leaves its text behind until half of all text is of such.

Invariants:
1. Ids ascend; at least one entry has its mark (but in a chunk just made).
2. An id that the marks cannot tell belongs into another chunk.
"""

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport UINT32_MAX
from libc.stdlib cimport free, realloc
from libc.string cimport memcmp, memcpy, memmove

from kvstore.memory cimport gave, malloc_size, object_size, took
from kvstore.resp cimport put_array, put_bulk, put_bytes
from kvstore.words cimport count_size, put_count, put_word, read_count

cdef enum:
    LARGEST = 1 << 30              # bytes of text


cdef int compare(Id a, Id b) noexcept:
    if a.ms != b.ms:
        return -1 if a.ms < b.ms else 1
    return (a.seq > b.seq) - (a.seq < b.seq)


cdef bytes id_text(Id id):
    return b"%d-%d" % (id.ms, id.seq)


cdef class Chunk:
    def __cinit__(self):
        took(object_size(self))

    def __dealloc__(self):
        if self.marks is not NULL:
            gave(malloc_size(self.cap * sizeof(Mark)) + malloc_size(self.room))
        free(self.marks)
        free(self.text)
        gave(object_size(self))

    @property
    def memory(self) -> int:
        """Bytes it takes."""
        return object_size(self) + malloc_size(self.cap * sizeof(Mark)) + malloc_size(self.room)

    # ------------------------------------------------------------------ reading

    cdef Id id(self, Py_ssize_t i) noexcept:
        cdef Id id = self.base
        id.ms += self.marks[i].ms
        id.seq += <uint64_t><int64_t>self.marks[i].seq
        return id

    cdef Py_ssize_t place(self, Id id) noexcept:
        """The first entry that is not below an id."""
        cdef Py_ssize_t low = 0, high = self.n, middle
        while low < high:
            middle = (low + high) // 2
            if compare(self.id(middle), id) < 0:
                low = middle + 1
            else:
                high = middle
        return low

    cdef int open(self, Py_ssize_t i, Pairs* pairs) noexcept:
        cdef const char* at = read_count(self.text + self.marks[i].at, &pairs.left)
        if pairs.left:
            pairs.name = at
            pairs.value = NULL
        else:
            pairs.left = self.fields
            pairs.name = self.text
            pairs.value = at
        return 0

    cdef int put_entry(self, Buf out, Py_ssize_t i) except -1:
        cdef Pairs pairs
        cdef Arg name, value
        put_array(out, 2)
        put_bytes(out, id_text(self.id(i)))
        self.open(i, &pairs)
        put_array(out, 2 * pairs.left)
        while pairs.left:
            next_pair(&pairs, &name, &value)
            put_bulk(out, name.p, name.n)
            put_bulk(out, value.p, value.n)
        return 0

    cdef list words(self, Py_ssize_t i):
        cdef list found = []
        cdef Pairs pairs
        cdef Arg name, value
        self.open(i, &pairs)
        while pairs.left:
            next_pair(&pairs, &name, &value)
            found.append(PyBytes_FromStringAndSize(name.p, name.n))
            found.append(PyBytes_FromStringAndSize(value.p, value.n))
        return found

    # ------------------------------------------------------------------ changing

    cdef bint accepts(self, Id id, Py_ssize_t more, int64_t most_entries, int64_t most_bytes) \
            noexcept:
        cdef int64_t seq = <int64_t>(id.seq - self.base.seq)
        if most_entries and self.n >= most_entries:
            return False
        if self.size + more >= (most_bytes if 0 < most_bytes < LARGEST else LARGEST):
            return False
        return id.ms - self.base.ms <= UINT32_MAX \
            and -<int64_t>0x80000000 <= seq < <int64_t>0x80000000

    cdef int allocate(self, Py_ssize_t cap, Py_ssize_t room) except -1:
        """Have room for so many entries, and for so much text."""
        cdef Mark* marks = <Mark*>realloc(self.marks, cap * sizeof(Mark))
        cdef char* text
        if marks is NULL:
            raise MemoryError
        if self.marks is not NULL:
            gave(malloc_size(self.cap * sizeof(Mark)) + malloc_size(self.room))
        took(malloc_size(cap * sizeof(Mark)) + malloc_size(self.room))
        self.marks = marks
        self.cap = cap
        text = <char*>realloc(self.text, room)
        if text is NULL:
            raise MemoryError(room)
        took(malloc_size(room) - malloc_size(self.room))
        self.text = text
        self.room = room
        return 0

    cdef bint same_fields(self, const Arg* words, Py_ssize_t n) noexcept:
        """Whether the fields of an entry are those of the chunk."""
        cdef const char* at = self.text
        cdef Arg name
        cdef Py_ssize_t i
        if n != 2 * self.fields:
            return False
        for i in range(0, n, 2):
            at = read_word(at, &name)
            if name.n != words[i].n or memcmp(name.p, words[i].p, name.n) != 0:
                return False
        return True

    cdef int append(self, Id id, const Arg* words, Py_ssize_t n) except -1:
        cdef Py_ssize_t need = count_size(n), i
        cdef bint same
        cdef char* at
        for i in range(n):
            need += count_size(words[i].n) + words[i].n
        if self.n == self.cap or self.size + need > self.room:
            self.allocate(self.cap + (self.cap // 2 + 4 if self.n == self.cap else 0),
                          max(self.room, (self.size + need) * 5 // 4))
        at = self.text + self.size
        if self.n == 0:
            self.base = id
            self.fields = n // 2
            for i in range(0, n, 2):
                at += put_word(at, words[i].p, words[i].n)
        same = self.n == 0 or self.same_fields(words, n)
        self.marks[self.n].ms = <uint32_t>(id.ms - self.base.ms)
        self.marks[self.n].seq = <int32_t>(id.seq - self.base.seq)
        self.marks[self.n].at = <uint32_t>(at - self.text)
        at += put_count(at, 0 if same else n // 2)
        for i in range(1 if same else 0, n, 2 if same else 1):
            at += put_word(at, words[i].p, words[i].n)
        self.size = at - self.text
        self.n += 1
        return 0

    cdef Py_ssize_t text_size(self, Py_ssize_t i) noexcept:
        """Bytes that an entry is told in."""
        cdef Pairs pairs
        cdef Arg name, value
        self.open(i, &pairs)
        while pairs.left:
            next_pair(&pairs, &name, &value)
        return (pairs.name if pairs.value is NULL else pairs.value) \
            - (self.text + self.marks[i].at)

    cdef int cut(self, Py_ssize_t at, Py_ssize_t count) except -1:
        """Remove entries, but not all."""
        cdef Py_ssize_t i
        for i in range(at, at + count):
            self.dead += self.text_size(i)
        memmove(self.marks + at, self.marks + at + count, (self.n - at - count) * sizeof(Mark))
        self.n -= count
        if self.dead > self.size // 2:
            self.compact()
        return 0

    cdef int compact(self) except -1:
        """Forget the text of entries that are gone."""
        cdef Py_ssize_t i, _k, size, done
        cdef const char* names = self.text
        cdef Arg name
        for _k in range(self.fields):
            names = read_word(names, &name)
        done = names - self.text
        # Entries stand in the order of their marks, so none is written over before it is moved.
        for i in range(self.n):
            size = self.text_size(i)
            memmove(self.text + done, self.text + self.marks[i].at, size)
            self.marks[i].at = <uint32_t>done
            done += size
        self.size = done
        self.dead = 0
        return self.fit()

    cdef int fit(self) except -1:
        return self.allocate(self.n, self.size)

    cdef Chunk duplicate(self):
        cdef Chunk copy = Chunk()
        copy.base, copy.fields, copy.dead = self.base, self.fields, self.dead
        copy.allocate(self.n, self.size)
        memcpy(copy.marks, self.marks, self.n * sizeof(Mark))
        memcpy(copy.text, self.text, self.size)
        copy.n, copy.size = self.n, self.size
        return copy
