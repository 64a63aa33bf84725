"""Streams: entries of fields and values under ids that only grow.

    Stream
      chunks  [ entries ... ] [ entries ... ] ...      in order; as large as stream-node-max-* say
      last    the highest id given       added     how many entries there ever were
      deleted the highest id XDEL took   groups    who reads together (stream_groups.pyx)

An id is `milliseconds-number`.  How entries lie in memory is told in `stream_chunk`; finding one is
two binary searches, and reading a range makes no objects.

Invariants:
1. Ids ascend through all chunks, none is above `last`; no chunk is empty.
2. An empty stream stays at its key, with its last id: ids never come again.
"""

from libc.stdint cimport UINT64_MAX
from libc.string cimport memchr

from kvstore.keyspace cimport STREAM
from kvstore.resp cimport put_bytes
from kvstore.resp import ReplyError
from kvstore.stream_chunk cimport compare, id_text

BAD_ID = "ERR Invalid stream ID specified as stream command argument"

NOTHING.ms = NOTHING.seq = 0
EVERYTHING.ms = EVERYTHING.seq = UINT64_MAX


# ---------------------------------------------------------------------- ids

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
        cdef Chunk chunk
        for chunk in self.chunks:
            copy.chunks.append(chunk.duplicate())
        copy.n, copy.last, copy.deleted, copy.added = self.n, self.last, self.deleted, self.added
        if self.groups:
            copy.groups = {name: group.duplicate() for name, group in self.groups.items()}
        return copy

    @property
    def memory(self) -> int:
        """Bytes it takes."""
        return sum([chunk.memory for chunk in self.chunks])

    @property
    def nodes(self) -> int:
        """Chunks, as XINFO tells them."""
        return len(self.chunks)

    cdef int append(self, Id id, const Arg* words, Py_ssize_t n, int64_t most_entries,
                    int64_t most_bytes) except -1:
        cdef Chunk chunk = <Chunk>self.chunks[len(self.chunks) - 1] if self.chunks else None
        cdef Py_ssize_t i, size = 0
        for i in range(n):
            size += words[i].n
        if chunk is None or not chunk.accepts(id, size, most_entries, most_bytes):
            if chunk is not None:
                chunk.fit()
            chunk = Chunk()
            self.chunks.append(chunk)
        chunk.append(id, words, n)
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
            if compare(chunk.id(chunk.n - 1), id) < 0:
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
        return chunk if compare(chunk.id(at[0]), id) == 0 else None

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
        return (<Chunk>self.chunks[0]).id(0) if self.n else NOTHING

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
        if reverse and (at == chunk.n or compare(chunk.id(at), high) > 0):
            at -= 1
        while count < 0 or done < count:
            if at < 0 or at >= chunk.n:
                number += step
                if number < 0 or number >= <Py_ssize_t>len(self.chunks):
                    break
                chunk = <Chunk>self.chunks[number]
                at = chunk.n - 1 if reverse else 0
            if compare(chunk.id(at), low) < 0 or compare(chunk.id(at), high) > 0:
                break
            chunk.put_entry(out, at)
            done += 1
            at += step
        return done


cdef Stream find_stream(Client c, const Arg* key, bint counted):
    """The stream at a key, None if there is none; another type is an error."""
    return <Stream>(c.db.read_kind(key, STREAM) if counted else c.db.find_kind(key, STREAM))
