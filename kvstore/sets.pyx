"""Sets: members without order, each once.

    numbers   | -7 | 3 | 15 | 200 |      "intset"      whole numbers, no more than
                                                       `set-max-intset-entries`, ascending, of
                                                       2, 4 or 8 bytes each, as the widest needs
    small     | 3 foo | 5 hello |        "hashtable"   a few short members in one run of memory
    table     hash table of words        "hashtable"

A set begins as numbers and goes down this list, never up.  OBJECT ENCODING has no name of its own
for the form between, which Redis 7.0 does not have; SSCAN gives all of it at once.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport INT64_MAX, int16_t, int32_t
from libc.stdlib cimport free, realloc
from libc.string cimport memmove

from bedrock.net.buf cimport Buf
from kvstore.binding cimport define
from kvstore.engine cimport Client
from kvstore.hashtable cimport Slot
from kvstore.keyspace cimport EVENT_GENERIC, EVENT_SET, SET, as_arg
from kvstore.memory cimport gave, malloc_size, took
from kvstore.resp cimport Args, format_int, is_word, parse_int, put_array, put_bulk, put_bytes, \
    put_int, put_nil, put_set
from kvstore.resp import ReplyError
from kvstore.scan cimport ScanOptions, put_scan, scan_cursor, scan_options, wanted
from kvstore.strings cimport draws_of
from kvstore.words cimport read_word, word_weight

cdef enum:
    SMALL_ENTRIES = 64
    SMALL_MEMBER = 64              # bytes


cdef inline bytes text_of_number(int64_t number):
    cdef char[24] digits
    return PyBytes_FromStringAndSize(digits, format_int(digits, number))


cdef inline int width_of(int64_t number) noexcept:
    """Bytes a number needs."""
    if -0x8000 <= number < 0x8000:
        return 2
    return 4 if -<int64_t>0x80000000 <= number < <int64_t>0x80000000 else 8


@cython.no_gc                      # no value leads to itself
cdef class Set(Value):
    def __cinit__(self):
        self.kind = SET
        self.width = 2

    def __dealloc__(self):
        self.drop_numbers()

    cdef Py_ssize_t length(self) noexcept:
        if self.table is not None:
            return self.table.used
        return self.small.count if self.small is not None else self.n

    cdef str encoding_name(self):
        return "intset" if self.table is None and self.small is None else "hashtable"

    cdef Value duplicate(self):
        cdef Set copy = Set()
        cdef SetPlace place = START
        cdef Arg word
        copy.expected = self.length()
        if self.table is not None or self.small is not None:
            copy.convert(self.table is None)
        while self.next(&place, &word):
            copy.add(&word, INT64_MAX)
        return copy

    def elements(self) -> list[bytes]:
        """All members."""
        return self.members()

    @property
    def memory(self) -> int:
        """Bytes it takes."""
        cdef Arg member
        cdef Py_ssize_t words = 0
        cdef SetPlace at = START
        if self.table is not None:
            while self.next(&at, &member):
                words += word_weight(member.n)
            return self.table.memory + words
        return self.small.memory if self.small is not None else malloc_size(self.cap * self.width)

    # ------------------------------------------------------------------ numbers

    cdef int64_t number_at(self, Py_ssize_t i) noexcept:
        if self.width == 2:
            return (<int16_t*>self.numbers)[i]
        if self.width == 4:
            return (<int32_t*>self.numbers)[i]
        return (<int64_t*>self.numbers)[i]

    cdef int write_number(self, Py_ssize_t i, int64_t number) noexcept:
        if self.width == 2:
            (<int16_t*>self.numbers)[i] = <int16_t>number
        elif self.width == 4:
            (<int32_t*>self.numbers)[i] = <int32_t>number
        else:
            (<int64_t*>self.numbers)[i] = number
        return 0

    cdef Py_ssize_t place(self, int64_t number) noexcept:
        """Of the first number that is not below."""
        cdef Py_ssize_t low = 0, high = self.n, middle
        if self.n and self.number_at(self.n - 1) < number:
            return self.n
        while low < high:
            middle = (low + high) // 2
            if self.number_at(middle) < number:
                low = middle + 1
            else:
                high = middle
        return low

    cdef bint has_number(self, Py_ssize_t at, int64_t number) noexcept:
        """Whether a number is at its place."""
        return at < self.n and self.number_at(at) == number

    cdef int allocate(self, Py_ssize_t cap, int width) except -1:
        """Have room for so many numbers of so many bytes each."""
        cdef char* grown = <char*>realloc(self.numbers, cap * width)
        cdef Py_ssize_t i
        cdef int64_t number
        cdef int old = self.width
        if grown is NULL:
            raise MemoryError(cap)
        took(malloc_size(cap * width))
        if self.numbers is not NULL:
            gave(malloc_size(self.cap * old))
        self.numbers, self.cap = grown, cap
        if width != old:
            for i in range(self.n - 1, -1, -1):
                self.width = old
                number = self.number_at(i)
                self.width = width
                self.write_number(i, number)
            self.width = width
        return 0

    cdef int insert_number(self, Py_ssize_t at, int64_t number) except -1:
        cdef int width = max(self.width, width_of(number))
        if self.n == self.cap or width != self.width:
            self.allocate(self.n + self.n // 4 + 2, width)
        self.move_numbers(at + 1, at)
        self.n += 1
        self.write_number(at, number)
        return 0

    cdef int move_numbers(self, Py_ssize_t to, Py_ssize_t at) noexcept:
        """Let all numbers from a place on begin at another."""
        memmove(self.numbers + to * self.width, self.numbers + at * self.width,
                (self.n - at) * self.width)
        return 0

    cdef int drop_numbers(self) except -1:
        if self.numbers is not NULL:
            gave(malloc_size(self.cap * self.width))
            free(self.numbers)
        self.numbers = NULL
        self.n = self.cap = 0
        return 0

    cdef int convert(self, bint packed) except -1:
        """To the packed form, or to a table; there is no way back."""
        cdef Packed small = Packed() if packed else None
        cdef HashTable table = None if packed else HashTable(words=True)
        cdef SetPlace at = START
        cdef Arg word
        if not packed:
            table.reserve(max(self.expected, self.length()))
        while self.next(&at, &word):
            if packed:
                small.append(&word)
            else:
                table.put_word(&word, NULL)
        self.small, self.table = small, table
        return self.drop_numbers()

    # ------------------------------------------------------------------ members

    cdef bint add(self, const Arg* member, int64_t max_integers) except -1:
        """True if the member is new."""
        cdef int64_t number
        cdef Py_ssize_t at
        if self.table is None and self.small is None:
            if parse_int(member.p, member.n, &number):
                at = self.place(number)
                if self.has_number(at, number):
                    return False
                if self.n < max_integers:
                    self.insert_number(at, number)
                    return True
                # Too many: the new one may decide what comes next.
            self.convert(self.n < SMALL_ENTRIES)
        if self.small is not None:
            if self.small.find(member, 1) >= 0:
                return False
            if member.n <= SMALL_MEMBER and self.small.count < SMALL_ENTRIES:
                self.small.append(member)
                return True
            self.convert(False)
        return self.table.put_word(member, NULL)

    cdef bint remove(self, const Arg* member) except -1:
        cdef int64_t number
        cdef Py_ssize_t at
        if self.table is not None:
            return self.table.discard(member.p, member.n)
        if self.small is not None:
            at = self.small.find(member, 1)
            if at >= 0:
                self.small.erase(at, 1)
            return at >= 0
        if not parse_int(member.p, member.n, &number):
            return False
        at = self.place(number)
        if not self.has_number(at, number):
            return False
        self.move_numbers(at, at + 1)
        self.n -= 1
        return True

    cdef bint contains(self, const Arg* member) noexcept:
        cdef int64_t number
        if self.table is not None:
            return self.table.find(member.p, member.n) is not NULL
        if self.small is not None:
            return self.small.find(member, 1) >= 0
        if not parse_int(member.p, member.n, &number):
            return False
        return self.has_number(self.place(number), number)

    cdef bint next(self, SetPlace* place, Arg* member) noexcept:
        cdef Slot* slot
        if self.table is not None:
            while place.at < <Py_ssize_t>self.table.end:
                slot = &self.table.slots[place.at]
                place.at += 1
                if slot.key is not NULL:
                    read_word(<const char*>slot.key, member)
                    return True
            return False
        if self.small is not None:
            if place.at >= self.small.n:
                return False
            place.at = self.small.read(place.at, member)
            return True
        if place.at >= self.n:
            return False
        member.p = place.digits
        member.n = format_int(place.digits, self.number_at(place.at))
        place.at += 1
        return True

    cdef list members(self):
        cdef list found = []
        cdef SetPlace place = START
        cdef Arg member
        while self.next(&place, &member):
            found.append(PyBytes_FromStringAndSize(member.p, member.n))
        return found

    cdef bytes any(self, Rand rand):
        """A random member of a set that is not empty."""
        cdef Arg member
        cdef Py_ssize_t _i, at = 0
        if self.table is not None:
            return self.table.key_of(self.table.any(rand))
        if self.small is None:
            return text_of_number(self.number_at(rand.next() % <uint64_t>self.n))
        for _i in range(rand.next() % <uint64_t>self.small.count + 1):
            at = self.small.read(at, &member)
        return PyBytes_FromStringAndSize(member.p, member.n)


cdef bint add_member(Client c, Set value, const Arg* member) except -1:
    return value.add(member, c.store.intset_entries)


# ---------------------------------------------------------------------- members

cdef int sadd(Client c, Args a, Buf out) except -1:
    cdef Set value = <Set>c.db.find_kind(&a.v[1], SET)
    cdef Py_ssize_t i
    cdef int new = 0
    if value is None:
        value = Set()
        c.db.set(&a.v[1], value, False)
    for i in range(2, a.n):
        new += add_member(c, value, &a.v[i])
    if new:
        c.db.changed(&a.v[1], EVENT_SET, "sadd")
    return put_int(out, new)


cdef int srem(Client c, Args a, Buf out) except -1:
    cdef Set value = <Set>c.db.find_kind(&a.v[1], SET)
    cdef Py_ssize_t i
    cdef int removed = 0
    if value is None:
        return put_int(out, 0)
    for i in range(2, a.n):
        removed += value.remove(&a.v[i])
    if removed:
        c.db.changed(&a.v[1], EVENT_SET, "srem")
        c.db.drop_if_empty(&a.v[1], value)
    return put_int(out, removed)


cdef int smove(Client c, Args a, Buf out) except -1:
    cdef Set source = <Set>c.db.find_kind(&a.v[1], SET)
    cdef Set target
    if source is None:
        return put_int(out, 0)
    target = <Set>c.db.find_kind(&a.v[2], SET)
    if source is target:
        return put_int(out, source.contains(&a.v[3]))
    if not source.remove(&a.v[3]):
        return put_int(out, 0)
    c.db.changed(&a.v[1], EVENT_SET, "srem")
    c.db.drop_if_empty(&a.v[1], source)
    if target is None:
        target = Set()
        c.db.set(&a.v[2], target, False)
    if add_member(c, target, &a.v[3]):
        c.db.changed(&a.v[2], EVENT_SET, "sadd")
    return put_int(out, 1)


cdef int sismember(Client c, Args a, Buf out) except -1:
    cdef Set value = <Set>c.db.read_kind(&a.v[1], SET)
    return put_int(out, value is not None and value.contains(&a.v[2]))


cdef int smismember(Client c, Args a, Buf out) except -1:
    cdef Set value = <Set>c.db.read_kind(&a.v[1], SET)
    cdef Py_ssize_t i
    put_array(out, a.n - 2)
    for i in range(2, a.n):
        put_int(out, value is not None and value.contains(&a.v[i]))
    return 0


cdef int scard(Client c, Args a, Buf out) except -1:
    cdef Value value = c.db.read_kind(&a.v[1], SET)
    return put_int(out, 0 if value is None else value.length())


cdef int put_members(Client c, list members, Buf out) except -1:
    cdef bytes member
    put_set(out, len(members), c.resp)
    for member in members:
        put_bytes(out, member)
    return 0


cdef int smembers(Client c, Args a, Buf out) except -1:
    cdef Set value = <Set>c.db.read_kind(&a.v[1], SET)
    cdef SetPlace place = START
    cdef Arg member
    if value is None:
        return put_set(out, 0, c.resp)
    put_set(out, value.length(), c.resp)
    while value.next(&place, &member):
        put_bulk(out, member.p, member.n)
    return 0


cdef int sscan(Client c, Args a, Buf out) except -1:
    cdef ScanOptions options
    cdef Set value
    cdef list found = []
    cdef uint64_t cursor = 0
    scan_cursor(a, 2, &options)
    value = <Set>c.db.read_kind(&a.v[1], SET)
    if value is None:
        return put_scan(out, 0, [])
    scan_options(a, 3, &options, False)
    if value is not None:
        if value.table is None:
            found = value.members()
        else:
            cursor = value.table.scan(options.cursor, options.count, found)
        found = [m for m in found
                 if wanted(&options, PyBytes_AS_STRING(m), PyBytes_GET_SIZE(m))]
    return put_scan(out, cursor, found)


# ---------------------------------------------------------------------- random members

cdef int spop(Client c, Args a, Buf out) except -1:
    cdef Rand rand = c.store.keyspace.rand
    cdef Set value
    cdef int64_t count = 1
    cdef list taken
    cdef bytes member
    cdef Arg word
    if a.n > 3:
        raise ReplyError("ERR syntax error")
    if a.n == 3 and (not parse_int(a.v[2].p, a.v[2].n, &count) or count < 0):
        raise ReplyError("ERR value is out of range, must be positive")
    value = <Set>c.db.find_kind(&a.v[1], SET)
    if value is None:
        return put_nil(out, c.resp) if a.n == 2 else put_set(out, 0, c.resp)
    if count >= value.length():
        taken = value.members()
        c.db.delete(&a.v[1])
        c.db.changed(&a.v[1], EVENT_SET, "spop")
        c.db.keyspace.notify(EVENT_GENERIC, "del", a.text(1), c.db)
        if a.n == 2:
            c.store.record(c, b"SREM", a.text(1), *taken)
        else:
            c.store.record(c, b"DEL", a.text(1))
    elif count == 0:
        return put_set(out, 0, c.resp)
    else:
        taken = []
        for _ in range(count):
            member = value.any(rand)
            taken.append(member)
            word = as_arg(member)
            value.remove(&word)
        c.db.changed(&a.v[1], EVENT_SET, "spop")
        c.store.record(c, b"SREM", a.text(1), *taken)
    if a.n == 2:
        return put_bytes(out, taken[0])
    return put_members(c, taken, out)


cdef int srandmember(Client c, Args a, Buf out) except -1:
    cdef Py_ssize_t _i
    cdef Rand rand = c.store.keyspace.rand
    cdef Set value
    cdef int64_t count
    cdef list chosen
    if a.n > 3:
        raise ReplyError("ERR syntax error")
    if a.n == 2:
        value = <Set>c.db.read_kind(&a.v[1], SET)
        if value is None:
            return put_nil(out, c.resp)
        return put_bytes(out, value.any(rand))
    count = draws_of(&a.v[2])
    if not -(INT64_MAX // 2) <= count <= INT64_MAX // 2:
        raise ReplyError("ERR value is out of range")
    value = <Set>c.db.read_kind(&a.v[1], SET)
    if value is None or count == 0:
        return put_array(out, 0)
    if count < 0:
        # With repetition, written as they are drawn.
        put_array(out, -count)
        for _i in range(-count):
            if out.n > c.store.longest_reply:
                break                  # its client is going to be cut off
            put_bytes(out, value.any(rand))
        return 0
    chosen = value.members()
    if count < len(chosen):
        rand.shuffle(chosen)
        del chosen[count:]
    # An array in RESP3 too, as it is with repetitions.
    put_array(out, len(chosen))
    for member in chosen:
        put_bytes(out, member)
    return 0


# ---------------------------------------------------------------------- algebra

cdef list sets_at(Client c, Args a, Py_ssize_t first, Py_ssize_t last, bint reading):
    """The sets at some keys, None for those that are not there."""
    cdef list found = []
    cdef Py_ssize_t i
    for i in range(first, last + 1):
        found.append(c.db.read_kind(&a.v[i], SET) if reading else c.db.find_kind(&a.v[i], SET))
    return found


cdef list intersection(list sets, int64_t limit):
    """Members of all; at most `limit` of them when it is not 0."""
    cdef list found = []
    cdef Set smallest, other
    cdef SetPlace place = START
    cdef Arg word
    if None in sets:
        return found
    sets = sorted(sets, key=len)
    smallest = sets[0]
    while smallest.next(&place, &word):
        for other in sets[1:]:
            if other is not smallest and not other.contains(&word):
                break
        else:
            found.append(PyBytes_FromStringAndSize(word.p, word.n))
            if len(found) == limit:
                break
    return found


cdef list union(list sets):
    cdef Set one
    cdef dict found = {}
    for one in sets:
        if one is not None:
            for member in one.members():
                found[member] = None
    return list(found)


cdef list difference(list sets):
    cdef Set first = sets[0], other
    cdef list found = []
    cdef SetPlace place = START
    cdef Arg word
    if first is None:
        return found
    while first.next(&place, &word):
        for other in sets[1:]:
            if other is not None and other.contains(&word):
                break
        else:
            found.append(PyBytes_FromStringAndSize(word.p, word.n))
    return found


cdef int store_result(Client c, const Arg* key, list members, str name, Buf out) except -1:
    """Keep the members at a key, or nothing there when there are none."""
    cdef Set value
    cdef Arg word
    if not members:
        if c.db.find(key) is not None:
            c.db.delete(key)
            c.db.changed(key, EVENT_GENERIC, "del")
        return put_int(out, 0)
    value = Set()
    value.expected = len(members)
    for member in members:
        word = as_arg(member)
        add_member(c, value, &word)
    c.db.set(key, value, False)
    c.db.changed(key, EVENT_SET, name)
    return put_int(out, value.length())


cdef int sinter(Client c, Args a, Buf out) except -1:
    return put_members(c, intersection(sets_at(c, a, 1, a.n - 1, True), 0), out)


cdef int sunion(Client c, Args a, Buf out) except -1:
    return put_members(c, union(sets_at(c, a, 1, a.n - 1, True)), out)


cdef int sdiff(Client c, Args a, Buf out) except -1:
    return put_members(c, difference(sets_at(c, a, 1, a.n - 1, True)), out)


cdef int sinterstore(Client c, Args a, Buf out) except -1:
    return store_result(
        c, &a.v[1], intersection(sets_at(c, a, 2, a.n - 1, False), 0), "sinterstore", out)


cdef int sunionstore(Client c, Args a, Buf out) except -1:
    return store_result(c, &a.v[1], union(sets_at(c, a, 2, a.n - 1, False)), "sunionstore", out)


cdef int sdiffstore(Client c, Args a, Buf out) except -1:
    return store_result(
        c, &a.v[1], difference(sets_at(c, a, 2, a.n - 1, False)), "sdiffstore", out)


cdef int sintercard(Client c, Args a, Buf out) except -1:
    cdef int64_t n, limit = 0
    if not parse_int(a.v[1].p, a.v[1].n, &n) or n <= 0:
        raise ReplyError("ERR numkeys should be greater than 0")
    if n > a.n - 2:
        raise ReplyError("ERR Number of keys can't be greater than number of args")
    if n + 2 < a.n:
        if n + 4 != a.n or not is_word(&a.v[n + 2], "limit"):
            raise ReplyError("ERR syntax error")
        if not parse_int(a.v[n + 3].p, a.v[n + 3].n, &limit) or limit < 0:
            raise ReplyError("ERR LIMIT can't be negative")
    return put_int(out, len(intersection(sets_at(c, a, 2, n + 1, True), limit)))


define("sadd", sadd)
define("srem", srem)
define("smove", smove)
define("sismember", sismember)
define("smismember", smismember)
define("scard", scard)
define("smembers", smembers)
define("sscan", sscan)
define("spop", spop)
define("srandmember", srandmember)
define("sinter", sinter)
define("sunion", sunion)
define("sdiff", sdiff)
define("sinterstore", sinterstore)
define("sunionstore", sunionstore)
define("sdiffstore", sdiffstore)
define("sintercard", sintercard)
