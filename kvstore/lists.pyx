"""Lists: elements in order, quick at both ends and by position.

    small   | 5 hello | 1 a | 3 foo |                    one run of memory (packed)
    ring    | c  d  e  -  -  a  b |                      pointers, head = 5, n = 5
                              ^ element 0

A list begins packed; when an element or their sum grows past what `list-max-listpack-size` allows
for one node, or there are more than `MOST_PACKED`, it becomes a ring, for good.  In a ring, pushing
and popping at either end and reading any position take constant time; inserting and removing in the
middle moves the shorter side.  OBJECT ENCODING answers "quicklist", the name Redis 7.0 has for
every list.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.ref cimport Py_INCREF, Py_XDECREF
from libc.stdint cimport int64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcmp

from bedrock.net.buf cimport Buf
from kvstore.blocking cimport Waiter, timeout_of
from kvstore.engine cimport Client, define
from kvstore.keyspace cimport EVENT_GENERIC, EVENT_LIST, LIST, Database, as_arg
from kvstore.memory cimport gave, malloc_size, took, weight
from kvstore.resp cimport Arg, Args, is_word, parse_int, put_array, put_bulk, put_bytes, put_int, \
    put_nil, put_nil_array, put_ok
from kvstore.resp import ReplyError
from kvstore.strings cimport clamp_range, int_of

cdef enum:
    MOST_PACKED = 128              # so that a position is never far
    DEFAULT_LIMIT = -2


cdef inline Py_ssize_t node_bytes(int64_t limit) noexcept:
    """What a limit allows in bytes: 4 KiB for -1, twice that for each further step, 8 KiB else."""
    return 4096 << min(-limit - 1, 4) if limit < 0 else 8192


cdef class List(Value):
    """Invariants:

    1. While `small` is not None it has all elements, and there is no ring.
    2. cap is 0 or a power of two, n <= cap; element i of a ring is ring[(head + i) % cap].
    """

    def __cinit__(self):
        self.kind = LIST
        self.small = Packed()

    def __dealloc__(self):
        cdef Py_ssize_t i
        if self.ring is NULL:
            return
        for i in range(self.n):
            gave(weight(<object>self.ring[(self.head + i) & (self.cap - 1)]))
            Py_XDECREF(self.ring[(self.head + i) & (self.cap - 1)])
        gave(malloc_size(self.cap * sizeof(PyObject*)))
        free(self.ring)

    cdef Py_ssize_t length(self) noexcept:
        return self.n

    cdef str encoding_name(self):
        return "quicklist"

    cdef Value duplicate(self):
        return List.of(self.elements())

    def elements(self) -> list[bytes]:
        """All elements from left to right."""
        cdef list found = []
        cdef Arg element
        cdef Py_ssize_t _i, place = 0
        for _i in range(self.n):
            place = self.read(place, &element)
            found.append(PyBytes_FromStringAndSize(element.p, element.n))
        return found

    @staticmethod
    def of(elements, int64_t limit=DEFAULT_LIMIT) -> List:
        """A list of bytes objects."""
        cdef List value = List()
        cdef Arg arg
        for element in elements:
            arg = as_arg(element)
            value.push(&arg, False, limit)
        return value

    @property
    def memory(self) -> int:
        """Bytes it takes."""
        cdef Py_ssize_t i
        if self.small is not None:
            return self.small.cap
        return self.cap * sizeof(PyObject*) + sum([weight(self.at(i)) for i in range(self.n)])

    # ------------------------------------------------------------------ reading

    cdef Py_ssize_t seek(self, Py_ssize_t i) noexcept:
        cdef Arg element
        cdef Py_ssize_t _k, place = 0
        if self.small is None:
            return i
        for _k in range(i):
            place = self.small.read(place, &element)
        return place

    cdef Py_ssize_t read(self, Py_ssize_t place, Arg* element) noexcept:
        cdef PyObject* held
        if self.small is not None:
            return self.small.read(place, element)
        held = self.ring[(self.head + place) & (self.cap - 1)]
        element.p = PyBytes_AS_STRING(<object>held)
        element.n = PyBytes_GET_SIZE(<object>held)
        return place + 1

    cdef bytes at(self, Py_ssize_t i):
        cdef Arg element
        if self.small is None:
            return <bytes>self.ring[(self.head + i) & (self.cap - 1)]
        self.read(self.seek(i), &element)
        return PyBytes_FromStringAndSize(element.p, element.n)

    cdef bint equals(self, Py_ssize_t i, const Arg* word) noexcept:
        cdef Arg element
        self.read(self.seek(i), &element)
        return element.n == word.n and memcmp(element.p, word.p, word.n) == 0

    cdef Py_ssize_t index_of(self, const Arg* word, Py_ssize_t i) noexcept:
        cdef Arg element
        cdef Py_ssize_t place = self.seek(i)
        while i < self.n:
            place = self.read(place, &element)
            if element.n == word.n and memcmp(element.p, word.p, word.n) == 0:
                return i
            i += 1
        return -1

    # ------------------------------------------------------------------ changing

    cdef bint has_room(self, Py_ssize_t more, int64_t limit) noexcept:
        """Whether it may stay packed with so many bytes more."""
        if limit > 0 and self.n >= limit:
            return False
        return self.n < MOST_PACKED and self.small.n + more <= node_bytes(limit)

    cdef int unpack(self) except -1:
        """From packed to ring; there is no way back."""
        cdef Packed small = self.small
        cdef Arg element
        cdef bytes held
        cdef Py_ssize_t place = 0
        self.small = None
        self.n = 0
        while place < small.n:
            place = small.read(place, &element)
            held = PyBytes_FromStringAndSize(element.p, element.n)
            self.put(<PyObject*>held, False)
        return 0

    cdef int reserve(self) except -1:
        """Room for one more in the ring."""
        cdef Py_ssize_t i, cap
        cdef PyObject** ring
        if self.n < self.cap:
            return 0
        cap = self.cap * 2 if self.cap else 4
        ring = <PyObject**>malloc(cap * sizeof(PyObject*))
        if ring is NULL:
            raise MemoryError(cap)
        took(malloc_size(cap * sizeof(PyObject*)))
        for i in range(self.n):
            ring[i] = self.ring[(self.head + i) & (self.cap - 1)]
        if self.ring is not NULL:
            gave(malloc_size(self.cap * sizeof(PyObject*)))
            free(self.ring)
        self.ring = ring
        self.cap = cap
        self.head = 0
        return 0

    cdef int put(self, PyObject* element, bint left) except -1:
        """Add an element at an end of the ring."""
        self.reserve()
        Py_INCREF(<object>element)
        took(weight(<object>element))
        if left:
            self.head = (self.head - 1) & (self.cap - 1)
            self.ring[self.head] = element
        else:
            self.ring[(self.head + self.n) & (self.cap - 1)] = element
        self.n += 1
        return 0

    cdef int push(self, const Arg* element, bint left, int64_t limit) except -1:
        cdef bytes held
        if self.small is not None:
            if self.has_room(element.n, limit):
                self.n += 1
                return self.small.insert(0 if left else self.small.n, element)
            self.unpack()
        held = PyBytes_FromStringAndSize(element.p, element.n)
        return self.put(<PyObject*>held, left)

    cdef bytes pop(self, bint left):
        cdef bytes element = self.at(0 if left else self.n - 1)
        self.drop(1, left)
        return element

    cdef int drop(self, Py_ssize_t count, bint left) except -1:
        """Remove elements at an end."""
        cdef Py_ssize_t _i
        cdef PyObject* old
        if self.small is not None:
            self.small.erase(0 if left else self.seek(self.n - count), count)
            self.n -= count
            return 0
        for _i in range(count):
            self.n -= 1
            if left:
                old = self.ring[self.head]
                self.head = (self.head + 1) & (self.cap - 1)
            else:
                old = self.ring[(self.head + self.n) & (self.cap - 1)]
            gave(weight(<object>old))
            Py_XDECREF(old)
        return 0

    cdef int replace(self, Py_ssize_t i, const Arg* element, int64_t limit) except -1:
        cdef PyObject* old
        cdef bytes held
        if self.small is not None:
            if self.small.n + element.n <= node_bytes(limit):
                return self.small.replace(self.seek(i), element)
            self.unpack()
        i = (self.head + i) & (self.cap - 1)
        old = self.ring[i]
        held = PyBytes_FromStringAndSize(element.p, element.n)
        Py_INCREF(held)
        took(weight(held) - weight(<object>old))
        self.ring[i] = <PyObject*>held
        Py_XDECREF(old)
        return 0

    cdef int insert(self, Py_ssize_t i, const Arg* element, int64_t limit) except -1:
        """Before element i; i = n appends."""
        cdef Py_ssize_t mask, k
        cdef PyObject* moved
        if self.small is not None and self.has_room(element.n, limit):
            self.n += 1
            return self.small.insert(self.seek(i), element)
        self.push(element, i < self.n // 2, limit)
        mask = self.cap - 1
        if i < (self.n - 1) // 2:
            # It sits in front: move the i elements that belong before it.
            moved = self.ring[self.head]
            for k in range(i):
                self.ring[(self.head + k) & mask] = self.ring[(self.head + k + 1) & mask]
            self.ring[(self.head + i) & mask] = moved
        else:
            moved = self.ring[(self.head + self.n - 1) & mask]
            for k in range(self.n - 1, i, -1):
                self.ring[(self.head + k) & mask] = self.ring[(self.head + k - 1) & mask]
            self.ring[(self.head + i) & mask] = moved
        return 0

    cdef int remove(self, Py_ssize_t i) except -1:
        cdef Py_ssize_t mask = self.cap - 1, k
        cdef PyObject* old
        if self.small is not None:
            self.n -= 1
            return self.small.erase(self.seek(i), 1)
        old = self.ring[(self.head + i) & mask]
        if i < self.n // 2:
            for k in range(i, 0, -1):
                self.ring[(self.head + k) & mask] = self.ring[(self.head + k - 1) & mask]
            self.head = (self.head + 1) & mask
        else:
            for k in range(i, self.n - 1):
                self.ring[(self.head + k) & mask] = self.ring[(self.head + k + 1) & mask]
        self.n -= 1
        gave(weight(<object>old))
        Py_XDECREF(old)
        return 0


# ---------------------------------------------------------------------- push and pop

cdef int push_all(Client c, Args a, bint left, bint must_exist, Buf out) except -1:
    cdef List value = <List>c.db.find_kind(&a.v[1], LIST)
    cdef Py_ssize_t i
    if value is None:
        if must_exist:
            return put_int(out, 0)
        value = List()
        c.db.set(&a.v[1], value, False)
    for i in range(2, a.n):
        value.push(&a.v[i], left, c.store.list_limit)
    c.db.changed(&a.v[1], EVENT_LIST, "lpush" if left else "rpush")
    return put_int(out, value.n)


cdef int lpush(Client c, Args a, Buf out) except -1:
    return push_all(c, a, True, False, out)


cdef int rpush(Client c, Args a, Buf out) except -1:
    return push_all(c, a, False, False, out)


cdef int lpushx(Client c, Args a, Buf out) except -1:
    return push_all(c, a, True, True, out)


cdef int rpushx(Client c, Args a, Buf out) except -1:
    return push_all(c, a, False, True, out)


cdef int after_pop(Client c, const Arg* key, List value, bint left) except -1:
    c.db.changed(key, EVENT_LIST, "lpop" if left else "rpop")
    return c.db.drop_if_empty(key, value)


cdef int pop_many(Client c, const Arg* key, List value, int64_t count, bint left,
                  Buf out) except -1:
    """Up to count elements as an array."""
    cdef Py_ssize_t i
    cdef Arg element
    count = min(count, value.n)
    put_array(out, count)
    for i in range(count):
        value.read(value.seek(i if left else value.n - 1 - i), &element)
        put_bulk(out, element.p, element.n)
    value.drop(count, left)
    return after_pop(c, key, value, left)


cdef int64_t count_of(const Arg* arg) except -1:
    cdef int64_t count
    if not parse_int(arg.p, arg.n, &count) or count < 0:
        raise ReplyError("ERR value is out of range, must be positive")
    return count


cdef int pop_command(Client c, Args a, bint left, Buf out) except -1:
    cdef List value
    cdef Arg element
    cdef int64_t count = 1
    if a.n > 3:
        raise ReplyError(
            f"ERR wrong number of arguments for '{'lpop' if left else 'rpop'}' command")
    if a.n == 3:
        count = count_of(&a.v[2])
    value = <List>c.db.find_kind(&a.v[1], LIST)
    if value is None:
        return put_nil_array(out, c.resp) if a.n == 3 else put_nil(out, c.resp)
    if a.n == 3:
        if count == 0:
            return put_array(out, 0)
        return pop_many(c, &a.v[1], value, count, left, out)
    value.read(value.seek(0 if left else value.n - 1), &element)
    put_bulk(out, element.p, element.n)
    value.drop(1, left)
    return after_pop(c, &a.v[1], value, left)


cdef int lpop(Client c, Args a, Buf out) except -1:
    return pop_command(c, a, True, out)


cdef int rpop(Client c, Args a, Buf out) except -1:
    return pop_command(c, a, False, out)


# ---------------------------------------------------------------------- reading

cdef int llen(Client c, Args a, Buf out) except -1:
    cdef Value value = c.db.read_kind(&a.v[1], LIST)
    return put_int(out, 0 if value is None else value.length())


cdef int lindex(Client c, Args a, Buf out) except -1:
    cdef int64_t i
    cdef List value = <List>c.db.read_kind(&a.v[1], LIST)
    if value is None:
        return put_nil(out, c.resp)
    i = int_of(&a.v[2])
    if i < 0:
        i += value.n
    if not 0 <= i < value.n:
        return put_nil(out, c.resp)
    return put_bytes(out, value.at(i))


cdef int lrange(Client c, Args a, Buf out) except -1:
    cdef int64_t start = int_of(&a.v[2])
    cdef int64_t stop = int_of(&a.v[3])
    cdef int64_t _i
    cdef Py_ssize_t place
    cdef Arg element
    cdef List value = <List>c.db.read_kind(&a.v[1], LIST)
    if value is None or not clamp_range(&start, &stop, value.n):
        return put_array(out, 0)
    put_array(out, stop - start + 1)
    place = value.seek(start)
    for _i in range(start, stop + 1):
        place = value.read(place, &element)
        put_bulk(out, element.p, element.n)
    return 0


cdef int lpos(Client c, Args a, Buf out) except -1:
    cdef Py_ssize_t _k
    cdef int64_t rank = 1, count = -1, maxlen = 0, found = 0
    cdef Py_ssize_t i, step
    cdef List value
    cdef list places = []
    for i in range(3, a.n, 2):
        if i + 1 == a.n:
            raise ReplyError("ERR syntax error")
        if is_word(&a.v[i], "rank"):
            rank = int_of(&a.v[i + 1])
            if rank == 0:
                raise ReplyError(
                    "ERR RANK can't be zero: use 1 to start from the first match, 2 from the "
                    "second ... or use negative to start from the end of the list")
            if rank < -0x7FFFFFFFFFFFFFFF:
                raise ReplyError("ERR value is out of range")
        elif is_word(&a.v[i], "count"):
            if not parse_int(a.v[i + 1].p, a.v[i + 1].n, &count) or count < 0:
                raise ReplyError("ERR COUNT can't be negative")
        elif is_word(&a.v[i], "maxlen"):
            if not parse_int(a.v[i + 1].p, a.v[i + 1].n, &maxlen) or maxlen < 0:
                raise ReplyError("ERR MAXLEN can't be negative")
        else:
            raise ReplyError("ERR syntax error")
    value = <List>c.db.read_kind(&a.v[1], LIST)
    if value is not None:
        step = 1 if rank > 0 else -1
        i = 0 if rank > 0 else value.n - 1
        for _k in range(min(value.n, maxlen) if maxlen else value.n):
            if value.equals(i, &a.v[2]):
                found += 1
                if found >= rank * step:
                    places.append(i)
                    if count < 0 or len(places) == count:
                        break
            i += step
    if count < 0:
        return put_int(out, places[0]) if places else put_nil(out, c.resp)
    put_array(out, len(places))
    for place in places:
        put_int(out, place)
    return 0


# ---------------------------------------------------------------------- changing in place

cdef int lset(Client c, Args a, Buf out) except -1:
    cdef int64_t i
    cdef List value = <List>c.db.find_kind(&a.v[1], LIST)
    if value is None:
        raise ReplyError("ERR no such key")
    i = int_of(&a.v[2])
    if i < 0:
        i += value.n
    if not 0 <= i < value.n:
        raise ReplyError("ERR index out of range")
    value.replace(i, &a.v[3], c.store.list_limit)
    c.db.changed(&a.v[1], EVENT_LIST, "lset")
    return put_ok(out)


cdef int linsert(Client c, Args a, Buf out) except -1:
    cdef bint after = is_word(&a.v[2], "after")
    cdef List value
    cdef Py_ssize_t i
    if not after and not is_word(&a.v[2], "before"):
        raise ReplyError("ERR syntax error")
    value = <List>c.db.find_kind(&a.v[1], LIST)
    if value is None:
        return put_int(out, 0)
    i = value.index_of(&a.v[3], 0)
    if i < 0:
        return put_int(out, -1)
    value.insert(i + after, &a.v[4], c.store.list_limit)
    c.db.changed(&a.v[1], EVENT_LIST, "linsert")
    return put_int(out, value.n)


cdef int lrem(Client c, Args a, Buf out) except -1:
    cdef int64_t count = int_of(&a.v[2])
    cdef int64_t removed = 0
    cdef List value = <List>c.db.find_kind(&a.v[1], LIST)
    cdef Py_ssize_t i = 0
    if value is None:
        return put_int(out, 0)
    if count >= 0:
        while count == 0 or removed < count:
            i = value.index_of(&a.v[3], i)
            if i < 0:
                break
            value.remove(i)
            removed += 1
    else:
        i = value.n - 1
        while i >= 0 and removed < -count:
            if value.equals(i, &a.v[3]):
                value.remove(i)
                removed += 1
            i -= 1
    if removed:
        c.db.changed(&a.v[1], EVENT_LIST, "lrem")
        c.db.drop_if_empty(&a.v[1], value)
    return put_int(out, removed)


cdef int ltrim(Client c, Args a, Buf out) except -1:
    cdef int64_t start = int_of(&a.v[2])
    cdef int64_t stop = int_of(&a.v[3])
    cdef int64_t behind
    cdef List value = <List>c.db.find_kind(&a.v[1], LIST)
    if value is None:
        return put_ok(out)
    if not clamp_range(&start, &stop, value.n):
        start, stop = value.n, value.n - 1
    behind = value.n - 1 - stop
    value.drop(start, True)
    value.drop(behind, False)
    c.db.changed(&a.v[1], EVENT_LIST, "ltrim")
    c.db.drop_if_empty(&a.v[1], value)
    return put_ok(out)


# ---------------------------------------------------------------------- moving

cdef bint is_left(const Arg* word) except -1:
    if is_word(word, "left"):
        return True
    if not is_word(word, "right"):
        raise ReplyError("ERR syntax error")
    return False


cdef bint move_one(Client c, const Arg* source, const Arg* target, bint source_left,
                   bint target_left, Buf out) except -1:
    """Move an element between lists (or ends of one); False when the source is empty."""
    cdef List taken = <List>c.db.find_kind(source, LIST)
    cdef List given
    cdef bytes element
    cdef Arg moved
    if taken is None:
        return False
    given = <List>c.db.find_kind(target, LIST)
    element = taken.pop(source_left)
    if given is None:
        given = List()
        c.db.set(target, given, False)
    moved = as_arg(element)
    given.push(&moved, target_left, c.store.list_limit)
    c.db.changed(target, EVENT_LIST, "lpush" if target_left else "rpush")
    after_pop(c, source, taken, source_left)
    put_bytes(out, element)
    return True


cdef int lmove(Client c, Args a, Buf out) except -1:
    cdef bint source_left = is_left(&a.v[3])
    if not move_one(c, &a.v[1], &a.v[2], source_left, is_left(&a.v[4]), out):
        return put_nil(out, c.resp)
    return 0


cdef int rpoplpush(Client c, Args a, Buf out) except -1:
    if not move_one(c, &a.v[1], &a.v[2], False, True, out):
        return put_nil(out, c.resp)
    return 0


# ---------------------------------------------------------------------- waiting

cdef class PopWaiter(Waiter):
    """BLPOP and BRPOP (count 0: key and element), LMPOP and BLMPOP (key and elements)."""

    cdef bint left
    cdef int64_t count

    cdef bint take(self, const Arg* key, Buf out) except -1:
        cdef Client c = self.client
        cdef List value = <List>self.db.find_kind(key, LIST)
        cdef int64_t count = max(self.count, <int64_t>1)
        cdef bytes name
        if value is None:
            return False
        name = PyBytes_FromStringAndSize(key.p, key.n)
        put_array(out, 2)
        put_bulk(out, key.p, key.n)
        count = min(count, value.n)
        if self.count:
            pop_many(c, key, value, count, self.left, out)
        else:
            put_bytes(out, value.pop(self.left))
            after_pop(c, key, value, self.left)
        c.store.record(c, b"LPOP" if self.left else b"RPOP", name, count)
        return True


cdef class MoveWaiter(Waiter):
    """BLMOVE and BRPOPLPUSH."""

    cdef bint source_left, target_left
    cdef bytes target

    cdef bint take(self, const Arg* key, Buf out) except -1:
        cdef Client c = self.client
        cdef Arg target = as_arg(self.target)
        if not move_one(c, key, &target, self.source_left, self.target_left, out):
            return False
        c.store.record(c, b"LMOVE", PyBytes_FromStringAndSize(key.p, key.n), self.target,
                       b"LEFT" if self.source_left else b"RIGHT",
                       b"LEFT" if self.target_left else b"RIGHT")
        return True


cdef int block_pop(Client c, Args a, bint left, Buf out) except -1:
    cdef PopWaiter waiter = PopWaiter()
    cdef int64_t timeout_ms = timeout_of(c, &a.v[a.n - 1])
    waiter.client, waiter.kind, waiter.left, waiter.nil_array = c, LIST, left, True
    return waiter.run(a, 1, a.n - 2, timeout_ms, out)


cdef int blpop(Client c, Args a, Buf out) except -1:
    return block_pop(c, a, True, out)


cdef int brpop(Client c, Args a, Buf out) except -1:
    return block_pop(c, a, False, out)


cdef int block_move(Client c, Args a, bint source_left, bint target_left, const Arg* timeout,
                    Buf out) except -1:
    cdef MoveWaiter waiter = MoveWaiter()
    cdef int64_t timeout_ms = timeout_of(c, timeout)
    waiter.client, waiter.kind = c, LIST
    waiter.source_left, waiter.target_left = source_left, target_left
    waiter.target = a.text(2)
    return waiter.run(a, 1, 1, timeout_ms, out)


cdef int blmove(Client c, Args a, Buf out) except -1:
    cdef bint source_left = is_left(&a.v[3])
    return block_move(c, a, source_left, is_left(&a.v[4]), &a.v[5], out)


cdef int brpoplpush(Client c, Args a, Buf out) except -1:
    return block_move(c, a, False, True, &a.v[3], out)


cdef int pop_from_any(Client c, Args a, Py_ssize_t at, bint wait, Buf out) except -1:
    """LMPOP and BLMPOP; a.v[at] says how many keys follow."""
    cdef PopWaiter waiter = PopWaiter()
    cdef int64_t n
    cdef Py_ssize_t i
    if not parse_int(a.v[at].p, a.v[at].n, &n) or n <= 0:
        raise ReplyError("ERR numkeys should be greater than 0")
    i = at + 1 + n
    if n > a.n or i >= a.n:
        raise ReplyError("ERR syntax error")
    waiter.client, waiter.kind, waiter.nil_array = c, LIST, True
    waiter.left = is_left(&a.v[i])
    waiter.count = 1
    if i + 1 < a.n:
        if i + 2 >= a.n or not is_word(&a.v[i + 1], "count"):
            raise ReplyError("ERR syntax error")
        if not parse_int(a.v[i + 2].p, a.v[i + 2].n, &waiter.count) or waiter.count <= 0:
            raise ReplyError("ERR count should be greater than 0")
        if i + 3 != a.n:
            raise ReplyError("ERR syntax error")
    if wait:
        return waiter.run(a, at + 1, at + n, timeout_of(c, &a.v[1]), out)
    waiter.db = c.db
    for i in range(at + 1, at + 1 + n):
        if waiter.take(&a.v[i], out):
            return 0
    return put_nil_array(out, c.resp)


cdef int lmpop(Client c, Args a, Buf out) except -1:
    return pop_from_any(c, a, 1, False, out)


cdef int blmpop(Client c, Args a, Buf out) except -1:
    return pop_from_any(c, a, 2, True, out)


def store_list(Client client not None, bytes key, list elements) -> None:
    """Keep elements as a list at a key; nothing is kept of none (SORT STORE)."""
    cdef Arg arg = as_arg(key)
    cdef Database db = client.db
    if elements:
        db.set(&arg, List.of(elements, client.store.list_limit), False)
        db.changed(&arg, EVENT_LIST, "sortstore")
    elif db.find(&arg) is not None:
        db.delete(&arg)
        db.changed(&arg, EVENT_GENERIC, "del")


define("lpush", lpush)
define("rpush", rpush)
define("lpushx", lpushx)
define("rpushx", rpushx)
define("lpop", lpop)
define("rpop", rpop)
define("llen", llen)
define("lindex", lindex)
define("lrange", lrange)
define("lpos", lpos)
define("lset", lset)
define("linsert", linsert)
define("lrem", lrem)
define("ltrim", ltrim)
define("lmove", lmove)
define("rpoplpush", rpoplpush)
define("blpop", blpop)
define("brpop", brpop)
define("blmove", blmove)
define("brpoplpush", brpoplpush)
define("lmpop", lmpop)
define("blmpop", blmpop)
