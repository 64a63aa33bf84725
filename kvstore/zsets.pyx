"""A sorted set: members with scores, in the order of score and then of bytes.

    small     | 3 ada | 2 7 | 5 linus | 8 9.5 |        one run of memory (packed), in order; scores
                                                       are numbers of 2 or 4 bytes or doubles
    table     member -> score                          ZSCORE, and whether a member is new
    order     skip list of both                        ranks and ranges

A set begins packed; with more than `zset-max-listpack-entries` members, or one longer than
`zset-max-listpack-value` bytes, it becomes a table and a skip list, for good.  OBJECT ENCODING
calls the one "listpack" and the other "skiplist".  A walk forwards is the same for both: a `Mark`
and `next`.

The commands are in `zset_commands`, those for ranges in `zset_ranges`, those that combine sets in
`zset_algebra`.
"""

cimport cython
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport INT64_MAX, int16_t, int32_t, uint64_t
from libc.string cimport memcpy

from kvstore.hashtable cimport Slot, hash_of
from kvstore.keyspace cimport ZSET, as_arg
from kvstore.memory cimport weight
from kvstore.skiplist cimport Lane, compare


@cython.no_gc                      # no value leads to itself
cdef class ZSet(Value):
    """Invariants:

    1. Either all members are in `small`, or `table` and `order` hold the same members with the
       same scores.
    2. Entries of `small` are strictly ordered by score, then by the bytes of the member.
    """

    def __cinit__(self, Rand rand not None):
        self.kind = ZSET
        self.small = Packed()
        self.rand = rand

    cdef Py_ssize_t length(self) noexcept:
        return self.small.count // 2 if self.small is not None else self.order.n

    cdef str encoding_name(self):
        return "listpack" if self.small is not None else "skiplist"

    cdef Value duplicate(self):
        cdef ZSet copy = new_zset(self.rand)
        cdef Mark mark = self.at(0)
        cdef Arg member
        cdef double score
        if self.small is None:
            copy.unpack()
            copy.table.reserve(self.order.n)
        while self.next(&mark, &member, &score):
            copy.put(&member, score, INT64_MAX, INT64_MAX)
        return copy

    def elements(self) -> list[bytes]:
        """All members, lowest score first."""
        cdef Mark mark = self.at(0)
        cdef Arg member
        cdef double score
        found = []
        while self.next(&mark, &member, &score):
            found.append(PyBytes_FromStringAndSize(member.p, member.n))
        return found

    @property
    def memory(self) -> int:
        """Bytes it takes, with a mean of 1 1/3 lanes a node."""
        if self.small is not None:
            return self.small.memory
        return self.table.memory + self.order.n * (sizeof(Node) + sizeof(Lane) // 3) \
            + sum([weight(member) for member in self.elements()])

    # ------------------------------------------------------------------ reading

    cdef Mark at(self, Py_ssize_t rank) noexcept:
        cdef Mark mark
        cdef Arg word
        cdef Py_ssize_t _i
        mark.node = NULL
        mark.at = 0
        if self.small is None:
            mark.node = self.order.at(rank)
        else:
            for _i in range(min(rank * 2, self.small.count)):
                mark.at = self.small.read(mark.at, &word)
        return mark

    cdef bint next(self, Mark* mark, Arg* member, double* score) noexcept:
        cdef Arg word
        if self.small is None:
            if mark.node is NULL:
                return False
            member[0] = as_arg(<bytes>mark.node.member)
            score[0] = mark.node.score
            mark.node = mark.node.lanes[0].next
            return True
        if mark.at >= self.small.n:
            return False
        mark.at = self.small.read(self.small.read(mark.at, member), &word)
        score[0] = score_from(&word)
        return True

    cdef bint score_of(self, const Arg* member, double* score) noexcept:
        cdef Slot* slot
        cdef Arg word
        cdef Py_ssize_t at
        if self.small is not None:
            at = self.small.find(member, 2)
            if at < 0:
                return False
            self.small.read(self.small.read(at, &word), &word)
            score[0] = score_from(&word)
            return True
        slot = self.table.find(member.p, member.n)
        if slot is NULL:
            return False
        score[0] = (<double*>&slot.value)[0]
        return True

    cdef Py_ssize_t count_below(self, double score, const Arg* member, bint after) noexcept:
        cdef Py_ssize_t rank
        if self.small is None:
            return self.order.count_below(score, member, after)
        self.offset_below(score, member, after, &rank)
        return rank

    cdef Py_ssize_t offset_below(self, double score, const Arg* member, bint after,
                                 Py_ssize_t* rank) noexcept:
        """Where in `small` the first begins that does not come before (score, member)."""
        cdef Mark mark = self.at(0)
        cdef Arg other
        cdef double other_score
        cdef Py_ssize_t here = 0
        cdef int order
        rank[0] = 0
        while self.next(&mark, &other, &other_score):
            order = 0
            if score == score:
                order = (other_score > score) - (other_score < score)
            if order == 0 and member is not NULL:
                order = compare(other.p, other.n, member.p, member.n)
            if order > 0 or (order == 0 and not after):
                break
            here = mark.at
            rank[0] += 1
        return here

    # ------------------------------------------------------------------ changing

    cdef int put(self, const Arg* member, double score, Py_ssize_t most,
                 Py_ssize_t longest) except -1:
        cdef uint64_t h
        cdef Slot* slot
        cdef bytes name
        cdef double old
        cdef Py_ssize_t at
        if self.small is not None:
            at = self.small.find(member, 2)
            if at >= 0:
                self.small.erase(at, 2)
            elif self.small.count // 2 >= most or member.n > longest:
                self.unpack()
            if self.small is not None:
                self.insert_small(member, score)
                return at < 0
        h = hash_of(member.p, member.n)
        slot = self.table.find_hash(h, member.p, member.n)
        if slot is not NULL:
            old = (<double*>&slot.value)[0]
            if old != score:
                name = <bytes>slot.key
                self.order.remove(old, member)
                self.order.insert(score, name)
                (<double*>&slot.value)[0] = score
            return 0
        name = PyBytes_FromStringAndSize(member.p, member.n)
        slot = self.table.add(h, name)
        (<double*>&slot.value)[0] = score
        self.order.insert(score, name)
        return 1

    cdef int insert_small(self, const Arg* member, double score) except -1:
        cdef Py_ssize_t rank
        cdef Py_ssize_t at = self.offset_below(score, member, False, &rank)
        cdef char[8] room
        cdef Arg word
        put_score(&word, room, score)
        self.small.insert(at, &word)
        return self.small.insert(at, member)

    cdef int reserve(self, Py_ssize_t n, Py_ssize_t most) except -1:
        if self.small is not None and n > most:
            self.unpack()
        return 0 if self.small is not None else self.table.reserve(n)

    cdef int unpack(self) except -1:
        """From packed to table and skip list; there is no way back."""
        cdef Packed small = self.small
        cdef Arg member, word
        cdef Py_ssize_t at = 0
        self.small = None
        self.table = HashTable(raw=True)
        self.order = SkipList(self.rand)
        while at < small.n:
            at = small.read(small.read(at, &member), &word)
            self.put(&member, score_from(&word), 0, 0)
        return 0

    cdef bint remove(self, const Arg* member) except -1:
        cdef Slot* slot
        cdef Py_ssize_t at
        if self.small is not None:
            at = self.small.find(member, 2)
            if at >= 0:
                self.small.erase(at, 2)
            return at >= 0
        slot = self.table.find(member.p, member.n)
        if slot is NULL:
            return False
        self.order.remove((<double*>&slot.value)[0], member)
        self.table.remove(slot)
        return True


cdef int put_score(Arg* word, char* room, double score) noexcept:
    """A score in as few of eight bytes as it needs; as in Redis there is no negative zero here."""
    cdef int32_t number = <int32_t>score if -0x80000000 < score < 0x7FFFFFFF else 0
    cdef int16_t short_number = <int16_t>number
    cdef double again = number
    word.p = room
    if again != score:
        memcpy(room, &score, sizeof(double))
        word.n = sizeof(double)
    elif short_number == number:
        memcpy(room, &short_number, sizeof(int16_t))
        word.n = sizeof(int16_t)
    else:
        memcpy(room, &number, sizeof(int32_t))
        word.n = sizeof(int32_t)
    return 0


cdef double score_from(const Arg* word) noexcept:
    cdef int16_t short_number
    cdef int32_t number
    cdef double score
    if word.n == sizeof(int16_t):
        memcpy(&short_number, word.p, sizeof(int16_t))
        return short_number
    if word.n == sizeof(int32_t):
        memcpy(&number, word.p, sizeof(int32_t))
        return number
    memcpy(&score, word.p, sizeof(double))
    return score


cdef ZSet new_zset(Rand rand):
    return ZSet(rand)
