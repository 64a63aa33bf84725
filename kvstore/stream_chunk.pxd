from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

from bedrock.net.buf cimport Buf
from kvstore.resp cimport Arg
from kvstore.words cimport read_word


cdef struct Id:                    # ordered by time, then by number
    uint64_t ms
    uint64_t seq


cdef struct Mark:                  # an entry: its id less that of the first, and where it is told
    uint32_t ms
    int32_t seq
    uint32_t at


# Walk through the fields of an entry.
cdef struct Pairs:
    Py_ssize_t left
    const char* name               # where the next one is read
    const char* value              # the same, unless it stands behind its name: NULL


cdef class Chunk:
    cdef Id base                   # what ids are told from
    cdef Mark* marks
    cdef char* text                # fields of the chunk, then entries
    cdef Py_ssize_t fields         # names at the beginning of the text
    cdef Py_ssize_t n, cap         # entries
    cdef Py_ssize_t size, room     # bytes of text
    cdef Py_ssize_t dead           # of them belong to entries that are gone

    # Whether an entry of so many bytes may be put here; `words` are fields and values.
    cdef bint accepts(self, Id id, Py_ssize_t more, int64_t most_entries, int64_t most_bytes) \
        noexcept
    cdef int append(self, Id id, const Arg* words, Py_ssize_t n) except -1
    cdef int cut(self, Py_ssize_t at, Py_ssize_t count) except -1      # not all of them
    cdef Id id(self, Py_ssize_t i) noexcept
    cdef Py_ssize_t place(self, Id id) noexcept
    cdef int open(self, Py_ssize_t i, Pairs* pairs) noexcept
    # Entry i as [id, fields], and its fields and values as an array.
    cdef int put_entry(self, Buf out, Py_ssize_t i) except -1
    cdef list words(self, Py_ssize_t i)
    cdef Chunk duplicate(self)
    cdef int fit(self) except -1   # no more entries are expected

    cdef bint same_fields(self, const Arg* words, Py_ssize_t n) noexcept
    cdef int allocate(self, Py_ssize_t cap, Py_ssize_t room) except -1
    cdef Py_ssize_t text_size(self, Py_ssize_t i) noexcept
    cdef int compact(self) except -1


# The next field and its value, while there are some left.
cdef inline int next_pair(Pairs* pairs, Arg* name, Arg* value) noexcept:
    pairs.left -= 1
    if pairs.value is NULL:
        pairs.name = read_word(read_word(pairs.name, name), value)
    else:
        pairs.name = read_word(pairs.name, name)
        pairs.value = read_word(pairs.value, value)
    return 0


cdef int compare(Id a, Id b) noexcept
cdef bytes id_text(Id id)
