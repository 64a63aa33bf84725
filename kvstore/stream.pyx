"""Streams: entries of fields and values under ids that only grow.

    Stream
      chunks  [ ids ..., bodies ... ] [ ids ..., bodies ... ] ...      100 entries each, in order
      last    the highest id given       added     how many entries there ever were
      deleted the highest id XDEL took   groups    who reads together (stream_groups.pyx)

A body is kept as the RESP array that every reader is sent, so reading a range copies bytes and
makes no objects.  An id is `milliseconds-number`; ids of a chunk lie side by side, so that finding
one is two binary searches.

Invariants:
1. Ids ascend through all chunks, none is above `last`; no chunk is empty.
2. An empty stream stays at its key, with its last id: ids never come again.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.object cimport PyObject
from libc.stdint cimport UINT64_MAX
from libc.stdlib cimport free, realloc
from libc.string cimport memchr, memmove

from kvstore.keyspace cimport STREAM
from kvstore.memory cimport gave, malloc_size, object_size, took, weight
from kvstore.resp cimport put_array, put_bytes
from kvstore.resp import ReplyError

BAD_ID = "ERR Invalid stream ID specified as stream command argument"

NOTHING.ms = NOTHING.seq = 0
EVERYTHING.ms = EVERYTHING.seq = UINT64_MAX


# ---------------------------------------------------------------------- ids

cdef int compare(Id a, Id b) noexcept:
    if a.ms != b.ms:
        return -1 if a.ms < b.ms else 1
    return (a.seq > b.seq) - (a.seq < b.seq)


cdef bint next_id(Id* id) noexcept:
    if id.seq < UINT64_MAX:
        id.seq += 1
        return True
    if id.ms == UINT64_MAX:
        return False
    id.ms += 1
    id.seq = 0
    return True


cdef bint previous_id(Id* id) noexcept:
    if id.seq:
        id.seq -= 1
        return True
    if not id.ms:
        return False
    id.ms -= 1
    id.seq = UINT64_MAX
    return True


cdef bytes id_text(Id id):
    return b"%d-%d" % (id.ms, id.seq)


cdef int put_id(Buf out, Id id) except -1:
    return put_bytes(out, id_text(id))


cdef bint read_unsigned(const char* p, Py_ssize_t n, uint64_t* value) noexcept:
    """A number as strtoull takes it: blanks, a plus and zeros may stand before it."""
    cdef uint64_t number = 0, digit
    cdef Py_ssize_t i
    while n and p[0] == c' ':
        p, n = p + 1, n - 1
    if n and p[0] == c'+':
        p, n = p + 1, n - 1
    if n < 1:
        return False
    for i in range(n):
        if not c'0' <= p[i] <= c'9':
            return False
        digit = p[i] - c'0'
        if number > (UINT64_MAX - digit) // 10:
            return False
        number = number * 10 + digit
    value[0] = number
    return True


cdef bint read_id(const Arg* arg, uint64_t seq, Id* id) noexcept:
    cdef const char* dash = <const char*>memchr(arg.p, c'-', arg.n) if arg.n else NULL
    cdef Py_ssize_t n = arg.n if dash is NULL else dash - arg.p
    id.seq = seq
    if not read_unsigned(arg.p, n, &id.ms):
        return False
    return dash is NULL or read_unsigned(dash + 1, arg.n - n - 1, &id.seq)


cdef Id id_of(const Arg* arg, uint64_t seq) except *:
    cdef Id id
    if not read_id(arg, seq, &id):
        raise ReplyError(BAD_ID)
    return id


# ---------------------------------------------------------------------- entries

cdef class Chunk:
    """Some entries that follow each other."""

    def __cinit__(self):
        self.bodies = []
        took(object_size(self))

    def __dealloc__(self):
        self.drop_bodies(self.bodies)
        if self.ids is not NULL:
            gave(malloc_size(self.cap * sizeof(Id)))
            free(self.ids)
        gave(object_size(self))

    cdef int drop_bodies(self, list bodies) except -1:
        for body in bodies:
            gave(weight(body) + sizeof(PyObject*))
        return 0

    cdef int append(self, Id id, bytes body) except -1:
        cdef Id* grown
        if self.n == self.cap:
            grown = <Id*>realloc(self.ids, max(8, self.cap * 2) * sizeof(Id))
            if grown is NULL:
                raise MemoryError
            took(malloc_size(max(8, self.cap * 2) * sizeof(Id))
                 - (malloc_size(self.cap * sizeof(Id)) if self.ids is not NULL else 0))
            self.ids = grown
            self.cap = max(8, self.cap * 2)
        self.ids[self.n] = id
        self.n += 1
        took(weight(body) + sizeof(PyObject*))
        self.bodies.append(body)
        return 0

    cdef int cut(self, Py_ssize_t at, Py_ssize_t count) except -1:
        """Remove entries."""
        memmove(self.ids + at, self.ids + at + count, (self.n - at - count) * sizeof(Id))
        self.n -= count
        self.drop_bodies(self.bodies[at:at + count])
        del self.bodies[at:at + count]
        return 0

    cdef Py_ssize_t place(self, Id id) noexcept:
        """The first entry that is not below an id."""
        cdef Py_ssize_t low = 0, high = self.n, middle
        while low < high:
            middle = (low + high) // 2
            if compare(self.ids[middle], id) < 0:
                low = middle + 1
            else:
                high = middle
        return low


cdef class Stream(Value):
    def __cinit__(self):
        self.kind = STREAM
        self.chunks = []

    cdef Py_ssize_t length(self) noexcept:
        return self.n

    cdef str encoding_name(self):
        return "stream"

    cdef Value duplicate(self):
        cdef Stream copy = Stream()
        cdef Chunk chunk, own
        cdef Py_ssize_t i
        for chunk in self.chunks:
            own = Chunk()
            for i in range(chunk.n):
                own.append(chunk.ids[i], chunk.bodies[i])
            copy.chunks.append(own)
        copy.n, copy.last, copy.deleted, copy.added = self.n, self.last, self.deleted, self.added
        if self.groups:
            copy.groups = {name: group.duplicate() for name, group in self.groups.items()}
        return copy

    @property
    def memory(self) -> int:
        """Bytes it takes."""
        cdef Chunk chunk
        return sum([
            chunk.cap * sizeof(Id) + sum([PyBytes_GET_SIZE(body) + 33 for body in chunk.bodies])
            for chunk in self.chunks])

    @property
    def nodes(self) -> int:
        """Chunks, as XINFO tells them."""
        return len(self.chunks)

    cdef int append(self, Id id, bytes body, Py_ssize_t most) except -1:
        cdef Chunk chunk
        if self.chunks:
            chunk = <Chunk>self.chunks[len(self.chunks) - 1]
        if not self.chunks or (most and chunk.n >= most):
            chunk = Chunk()
            self.chunks.append(chunk)
        chunk.append(id, body)
        self.n += 1
        self.added += 1
        self.last = id
        return 0

    cdef Py_ssize_t chunk_of(self, Id id) noexcept:
        """The first chunk that reaches an id."""
        cdef Py_ssize_t low = 0, high = len(self.chunks), middle
        cdef Chunk chunk
        while low < high:
            middle = (low + high) // 2
            chunk = <Chunk>self.chunks[middle]
            if compare(chunk.ids[chunk.n - 1], id) < 0:
                low = middle + 1
            else:
                high = middle
        return low

    cdef Chunk holding(self, Id id, Py_ssize_t* at):
        """The chunk with this very id and its place there, or None."""
        cdef Py_ssize_t number = self.chunk_of(id)
        cdef Chunk chunk
        if number == <Py_ssize_t>len(self.chunks):
            return None
        chunk = <Chunk>self.chunks[number]
        at[0] = chunk.place(id)
        return chunk if compare(chunk.ids[at[0]], id) == 0 else None

    cdef bytes body_of(self, Id id):
        cdef Py_ssize_t at
        cdef Chunk chunk = self.holding(id, &at)
        return None if chunk is None else <bytes>chunk.bodies[at]

    cdef bint remove(self, Id id) except -1:
        cdef Py_ssize_t at
        cdef Chunk chunk = self.holding(id, &at)
        if chunk is None:
            return False
        if chunk.n == 1:
            del self.chunks[self.chunk_of(id)]
        else:
            chunk.cut(at, 1)
        self.n -= 1
        if compare(id, self.deleted) > 0:
            self.deleted = id
        return True

    cdef Id first(self) noexcept:
        return (<Chunk>self.chunks[0]).ids[0] if self.n else NOTHING

    cdef Py_ssize_t trim_to(self, Py_ssize_t keep, bint exact, int64_t limit) except -1:
        return self.trim(max(<Py_ssize_t>0, self.n - keep), exact, limit)

    cdef Py_ssize_t trim_below(self, Id least, bint exact, int64_t limit) except -1:
        cdef Py_ssize_t number = self.chunk_of(least), i, below = 0
        for i in range(number):
            below += (<Chunk>self.chunks[i]).n
        if number < <Py_ssize_t>len(self.chunks):
            below += (<Chunk>self.chunks[number]).place(least)
        return self.trim(below, exact, limit)

    cdef Py_ssize_t trim(self, Py_ssize_t surplus, bint exact, int64_t limit) except -1:
        cdef Py_ssize_t gone = 0
        cdef Chunk chunk
        while gone < surplus:
            chunk = <Chunk>self.chunks[0]
            if limit and gone + chunk.n > limit:
                break
            if chunk.n <= surplus - gone:
                gone += chunk.n
                del self.chunks[0]
            elif exact:
                chunk.cut(0, surplus - gone)
                gone = surplus
            else:
                break
        self.n -= gone
        return gone

    cdef Py_ssize_t put_range(self, Buf out, Id low, Id high, int64_t count,
                              bint reverse) except -1:
        cdef Py_ssize_t number, at, done = 0
        cdef Chunk chunk
        cdef int step = -1 if reverse else 1
        if not self.n or compare(low, high) > 0:
            return 0
        number = min(self.chunk_of(high if reverse else low), <Py_ssize_t>len(self.chunks) - 1)
        chunk = <Chunk>self.chunks[number]
        at = chunk.place(high if reverse else low)
        if reverse and (at == chunk.n or compare(chunk.ids[at], high) > 0):
            at -= 1
        while count < 0 or done < count:
            if at < 0 or at >= chunk.n:
                number += step
                if number < 0 or number >= <Py_ssize_t>len(self.chunks):
                    break
                chunk = <Chunk>self.chunks[number]
                at = chunk.n - 1 if reverse else 0
            if compare(chunk.ids[at], low) < 0 or compare(chunk.ids[at], high) > 0:
                break
            put_entry(out, chunk.ids[at], <bytes>chunk.bodies[at])
            done += 1
            at += step
        return done


cdef int put_entry(Buf out, Id id, bytes body) except -1:
    put_array(out, 2)
    put_id(out, id)
    return out.put(PyBytes_AS_STRING(body), PyBytes_GET_SIZE(body))


cdef Stream find_stream(Client c, const Arg* key, bint counted):
    """The stream at a key, None if there is none; another type is an error."""
    return <Stream>(c.db.read_kind(key, STREAM) if counted else c.db.find_kind(key, STREAM))
