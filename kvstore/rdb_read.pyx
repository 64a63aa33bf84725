"""RDB files, read: every kind of value that a server up to 7.0 writes.

The bytes pass through a window; every length is checked against what is left of the file before
memory is taken for it.  Whatever is wrong raises Damaged with the offset.  The format is told in
`rdb.pyx`, the packed forms within in `compact.pyx`.

Not read: what modules keep; a file with such data is refused rather than loaded without.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.math cimport isnan
from libc.stdint cimport int8_t, int16_t, int32_t, uint32_t
from libc.string cimport memcpy

from bedrock.storage.errors import Damaged
from kvstore.compact cimport (
    LISTPACK_HEAD, intset_entries, listpack_end, listpack_entries, lzf_expand, ziplist_entries,
    zipmap_entries,
)
from kvstore.crc64 cimport crc64_of
from kvstore.hashes cimport Hash
from kvstore.keyspace cimport STREAM, Value, as_arg
from kvstore.lists cimport List
from kvstore.rdb cimport *
from kvstore.resp cimport Arg, Args
from kvstore.resp import ReplyError
from kvstore.sets cimport Set
from kvstore.stream cimport Stream
from kvstore.stream_chunk cimport Id
from kvstore.stream_groups cimport Consumer, Group, Pending, distance
from kvstore.zsets cimport ZSet, new_zset

cdef enum:
    WINDOW = 1 << 20
    STEP_KEYS = 1000               # between two places where something else may happen
    MOST_RESERVED = 1 << 24        # keys that a file is believed to hold without seeing them


cdef bint is_empty(object value) noexcept:
    """Collections of nothing are never stored; old servers wrote some by mistake."""
    return isinstance(value, Value) and (<Value>value).kind != STREAM \
        and (<Value>value).length() == 0


class Starved(Exception):
    """What comes next has not arrived yet."""


cdef class Reader:
    """Reads a file, or a payload in memory, into a store.

    file:  where from, beginning at its offset 0; None = `data` is all there is
    spare: (databases, list of libraries) to fill instead of the store's own
    lacks: offset up to which the file must have arrived before reading goes on; 0 = it may
    """

    def __init__(self, Store store not None, file, bytes data=b"", str name="payload", spare=None):
        self.store = store
        self.file = file
        self.name = name
        self.data = data
        self.end = len(data) if file is None else file.size()
        self.arriving = getattr(file, "arriving", False)
        self.databases, self.libraries = spare or (store.keyspace.databases, None)
        self.db = self.databases[0]
        self.expires = self.stream_offset = -1
        self.left_out = []

    # ------------------------------------------------------------------ bytes

    def damaged(self, why: str) -> Exception:
        """What to raise about the place read last."""
        return Damaged(self.name, self.base + self.at, why)

    cdef const char* need(self, Py_ssize_t n) except NULL:
        """The next n bytes; good until the next call."""
        if n < 0 or n > self.end - self.base - self.at:
            raise self.damaged("ends early")
        if n > PyBytes_GET_SIZE(self.data) - self.at:
            self.crc = crc64_of(PyBytes_AS_STRING(self.data), self.at, self.crc)
            self.base += self.at
            self.at = 0
            self.data = self.file.read_at(self.base, max(n, <Py_ssize_t>WINDOW))
            if n > PyBytes_GET_SIZE(self.data):
                if self.arriving:
                    self.lacks = self.base + n
                    raise Starved
                raise self.damaged("ends early")
        self.at += n
        return PyBytes_AS_STRING(self.data) + self.at - n

    cdef int byte(self) except -1:
        return <unsigned char>self.need(1)[0]

    cdef uint64_t big(self, int size) except? 0xFFFFFFFFFFFFFFFF:
        cdef const unsigned char* p = <const unsigned char*>self.need(size)
        cdef uint64_t n = 0
        cdef int i
        for i in range(size):
            n = n << 8 | p[i]
        return n

    cdef int64_t little(self) except? -1:
        cdef int64_t n
        memcpy(&n, self.need(8), 8)
        return n

    cdef uint64_t rest(self, int first) except? 0xFFFFFFFFFFFFFFFF:
        """The length that begins with a byte."""
        if first < 0x40:
            return first
        if first < 0x80:
            return (first & 0x3F) << 8 | self.byte()
        if first == 0x80:
            return self.big(4)
        if first == 0x81:
            return self.big(8)
        raise self.damaged("not a length")

    cdef uint64_t length(self) except? 0xFFFFFFFFFFFFFFFF:
        return self.rest(self.byte())

    cdef uint64_t count(self) except? 0xFFFFFFFFFFFFFFFF:
        """How many elements follow; each takes a byte at least."""
        cdef uint64_t n = self.length()
        if n > <uint64_t>(self.end - self.base - self.at):
            raise self.damaged("more elements than bytes")
        return n

    cdef bytes text(self):
        cdef int first = self.byte()
        cdef uint64_t n, whole
        cdef int16_t two
        cdef int32_t four
        if first == 0xC0:
            return b"%d" % <int8_t>self.need(1)[0]
        if first == 0xC1:
            memcpy(&two, self.need(2), 2)
            return b"%d" % two
        if first == 0xC2:
            memcpy(&four, self.need(4), 4)
            return b"%d" % four
        if first == 0xC3:
            n = self.count()
            whole = self.length()
            return lzf_expand(PyBytes_FromStringAndSize(self.need(n), n), whole)
        n = self.rest(first)
        if n > <uint64_t>(self.end - self.base - self.at):
            raise self.damaged("string longer than what is left")
        return PyBytes_FromStringAndSize(self.need(n), n)

    # ------------------------------------------------------------------ values

    cdef object value(self, int kind):
        """The value of a kind; ValueError and Damaged when it makes no sense."""
        if kind == RDB_STRING:
            return self.text()
        if kind == RDB_LIST:
            return self.list_of([self.text() for _ in range(self.count())])
        if kind == RDB_SET:
            return self.set_of([self.text() for _ in range(self.count())])
        if kind == RDB_SET_INTSET:
            return self.set_of(intset_entries(self.text()))
        if kind == RDB_HASH:
            return self.hash_of([self.text() for _ in range(self.count() * 2)])
        if kind == RDB_HASH_ZIPMAP:
            return self.hash_of(zipmap_entries(self.text()))
        if kind == RDB_HASH_ZIPLIST:
            return self.hash_of(ziplist_entries(self.text()))
        if kind == RDB_HASH_LISTPACK:
            return self.hash_of(listpack_entries(self.text()))
        if kind == RDB_ZSET_ZIPLIST:
            return self.zset_of_pairs(ziplist_entries(self.text()))
        if kind == RDB_ZSET_LISTPACK:
            return self.zset_of_pairs(listpack_entries(self.text()))
        if kind == RDB_ZSET or kind == RDB_ZSET_TEXT:
            return self.zset(kind == RDB_ZSET)
        if kind == RDB_LIST_ZIPLIST:
            return self.list_of(ziplist_entries(self.text()))
        if kind == RDB_QUICKLIST or kind == RDB_QUICKLIST_2:
            return self.quicklist(kind == RDB_QUICKLIST_2)
        if kind == RDB_STREAM or kind == RDB_STREAM_OLD:
            return self.stream(kind == RDB_STREAM)
        raise self.damaged(f"unknown kind of value {kind}")

    cdef List quicklist(self, bint plain_too):
        cdef List value = List()
        cdef bytes blob
        cdef uint64_t container
        for _ in range(self.count()):
            container = self.length() if plain_too else PLAIN
            blob = self.text()
            if not plain_too:
                value.extend(ziplist_entries(blob), self.store.list_limit)
            elif container == PLAIN:
                value.extend([blob], self.store.list_limit)
            elif container == PACKED:
                value.take_entries(PyBytes_AS_STRING(blob) + LISTPACK_HEAD,
                                   listpack_end(blob) - LISTPACK_HEAD, self.store.list_limit)
            else:
                raise ValueError("unknown container in a list")
        return value

    cdef List list_of(self, list elements):
        return List.of(elements, self.store.list_limit)

    cdef Set set_of(self, list members):
        cdef Set value = Set()
        cdef Arg arg
        value.expected = len(members)
        for member in members:
            arg = as_arg(member)
            if not value.add(&arg, self.store.intset_entries):
                raise ValueError("a member twice")
        return value

    cdef Hash hash_of(self, list words):
        cdef Hash value = Hash()
        cdef Arg field, text
        cdef Py_ssize_t i
        if len(words) % 2:
            raise ValueError("a field without value")
        if len(words) // 2 > self.store.hash_entries:
            value.convert()
            value.big.reserve(len(words) // 2)
        for i in range(0, len(words), 2):
            field, text = as_arg(words[i]), as_arg(words[i + 1])
            if not value.set(&field, &text, self.store.hash_entries, self.store.hash_value):
                raise ValueError("a field twice")
        return value

    cdef int put_score(self, ZSet value, bytes member, double score) except -1:
        cdef Arg arg = as_arg(member)
        if isnan(score):
            raise ValueError("a score that is no number")
        if not value.put(&arg, score, self.store.zset_entries, self.store.zset_value):
            raise ValueError("a member twice")
        return 0

    cdef ZSet zset_of_pairs(self, list words):
        cdef ZSet value = new_zset(self.store.keyspace.rand)
        cdef Py_ssize_t i
        if len(words) % 2:
            raise ValueError("a member without score")
        for i in range(0, len(words), 2):
            self.put_score(value, words[i], float(words[i + 1]))
        return value

    cdef ZSet zset(self, bint binary):
        cdef ZSet value = new_zset(self.store.keyspace.rand)
        cdef bytes member
        cdef double score
        cdef int n
        for _ in range(self.count()):
            member = self.text()
            if binary:
                memcpy(&score, self.need(8), 8)
            else:
                n = self.byte()
                score = float("nan") if n == 253 else float("inf") if n == 254 \
                    else float("-inf") if n == 255 \
                    else float(PyBytes_FromStringAndSize(self.need(n), n))
            self.put_score(value, member, score)
        return value

    # ------------------------------------------------------------------ streams

    cdef Id id_of_lengths(self) except *:
        cdef Id id
        id.ms = self.length()
        id.seq = self.length()
        return id

    cdef tuple raw_id(self):
        ms = self.big(8)
        return ms, self.big(8)

    cdef Stream stream(self, bint counted):
        cdef Stream value = Stream()
        cdef Id first
        cdef uint64_t entries
        for _ in range(self.count()):
            if self.length() != 16:
                raise ValueError("not the id of a stream's node")
            first.ms = self.big(8)
            first.seq = self.big(8)
            self.node(value, first, listpack_entries(self.text()))
        entries = self.length()
        if entries != <uint64_t>value.n:
            raise ValueError("number of a stream's entries is wrong")
        value.last = self.id_of_lengths()
        value.added = entries
        if counted:
            self.id_of_lengths()             # the first, which the entries tell
            value.deleted = self.id_of_lengths()
            value.added = self.length()
        for _ in range(self.count()):
            if value.groups is None:
                value.groups = {}
            self.group(value, counted)
        return value

    cdef int node(self, Stream value, Id first, list words) except -1:
        """The entries of one listpack; its layout is in `rdb.put_chunk`."""
        cdef Py_ssize_t at, fields, n = 0
        cdef int flags
        cdef Id id
        cdef Args args = Args()
        cdef list master, own
        fields = int(words[2])
        master = words[3:3 + fields]
        if fields < 0 or len(master) < fields or words[3 + fields] != b"0":
            raise ValueError("master entry of a stream's node is wrong")
        at = 4 + fields
        while at < len(words):
            flags = int(words[at])
            id.ms = first.ms + <uint64_t><int64_t>int(words[at + 1])
            id.seq = first.seq + <uint64_t><int64_t>int(words[at + 2])
            at += 3
            if flags & SAME_FIELDS:
                own = [word for pair in zip(master, words[at:at + fields]) for word in pair]
                at += fields
            else:
                n = int(words[at])
                own = words[at + 1:at + 1 + 2 * n]
                at += 1 + 2 * n
            if at >= len(words) or n < 0:
                raise ValueError("entry of a stream ends early")
            at += 1
            if flags & DELETED:
                continue
            args.borrow(tuple(own))
            value.append(id, args.v, args.n, self.store.stream_entries, self.store.stream_bytes)
        return 0

    cdef int group(self, Stream stream, bint counted) except -1:
        cdef Group group = Group()
        cdef Pending one
        cdef Consumer consumer
        cdef dict delivered = {}
        cdef bytes name = self.text()
        stream.groups[name] = group
        group.last = self.id_of_lengths()
        # Files of Redis 6 and before do not say how many entries a group has read.
        group.read = <int64_t>self.length() if counted else distance(stream, group.last)
        for _ in range(self.count()):
            id = self.raw_id()
            when = self.little()
            delivered[id] = when, self.length()
        for _ in range(self.count()):
            name = self.text()
            consumer = group.consumer(name, self.little())
            for _ in range(self.count()):
                id = self.raw_id()
                if id not in delivered:
                    raise ValueError("pending for a consumer, but not in its group")
                when, times = delivered.pop(id)
                one = group.assign(id, consumer, when)
                one.deliveries = times
        if delivered:
            raise ValueError("pending in a group, but for no consumer")
        return 0

    # ------------------------------------------------------------------ files

    def load(self, bint keep_dead) -> int:
        """Read the whole file into the store; the offset behind it.

        keep_dead: keys whose time has passed are loaded too, because a log that follows says when
        they died.
        """
        for _ in self.steps(keep_dead):
            pass
        return self.offset

    @property
    def offset(self) -> int:
        """How far it has read."""
        return self.base + self.at

    def steps(self, bint keep_dead):
        """The same a step at a time, as told in kvstore.saving."""
        try:
            yield from self.read_file(keep_dead)
        except (ValueError, IndexError, OverflowError) as error:
            raise self.damaged(str(error)) from None

    def read_file(self, bint keep_dead):
        cdef int64_t delay_us = self.store.parameters["key-load-delay"]
        cdef uint64_t taken = 0
        cdef Section read = BEGUN
        self.keep_dead = keep_dead
        while read != ENDED:
            self.mark()
            try:
                read = self.section()
            except Starved:
                self.go_back()
                yield None
                self.lacks = 0
                continue
            taken += read == A_KEY
            if read == A_KEY and delay_us > 0:
                yield delay_us / 1e6
            elif read == A_KEY and taken % STEP_KEYS == 0:
                yield None

    cdef int mark(self) except -1:
        """A section begins: remember it, in case that it has not arrived whole."""
        if self.arriving:
            self.marked = self.base, self.at, self.data, self.crc
        return 0

    cdef int go_back(self) except -1:
        """To where the section began."""
        self.base, self.at, self.data, self.crc = self.marked
        return 0

    cdef Section section(self) except *:
        """Read one opcode and what belongs to it."""
        cdef int op
        if self.version == 0:
            self.version = self.head()
            return BEGUN
        op = self.byte()
        if op == OP_EOF:
            self.verify()
            return ENDED
        if op == OP_EXPIRE_MS:
            self.expires = self.little()
        elif op == OP_EXPIRE_S:
            self.expires = self.little_4() * 1000
        elif op == OP_SELECT:
            found = self.length()
            if found >= <uint64_t>len(self.databases):
                raise self.damaged(f"database {found} is beyond `databases`")
            self.db = self.databases[found]
        elif op == OP_RESIZE:
            keys, mortal = self.length(), self.length()
            if self.db.behind is not None:
                return A_FACT          # no more than a turn's keys are ever in memory
            self.db.keys.reserve(self.db.keys.used + min(keys, <uint64_t>MOST_RESERVED))
            self.db.expires.reserve(self.db.expires.used + min(mortal, <uint64_t>MOST_RESERVED))
        elif op == OP_AUX:
            self.fact(self.text(), self.text())
        elif op == OP_FREQ:
            self.byte()
        elif op == OP_IDLE:
            self.length()
        elif op == OP_FUNCTION:
            self.library(self.text())
        elif op == OP_MODULE_AUX:
            raise self.damaged("holds data of modules")
        else:
            self.key(op)
            return A_KEY
        return A_FACT

    cdef int head(self) except -1:
        """The first bytes; the version."""
        cdef bytes head = PyBytes_FromStringAndSize(self.need(9), 9)
        if head[:5] != b"REDIS" or not head[5:].isdigit():
            raise self.damaged("not an RDB file")
        if not 1 <= int(head[5:]) <= RDB_VERSION:
            raise self.damaged(f"RDB version {int(head[5:])} is not known")
        return int(head[5:])

    cdef int fact(self, bytes name, bytes value) except -1:
        """Something the writer told about itself."""
        if name == b"repl-stream-db" and 0 <= int(value) < len(self.databases):
            self.stream_db = int(value)
        elif name == b"repl-id" and len(value) == 40:
            self.stream_id = value
        elif name == b"repl-offset":
            self.stream_offset = int(value)
        return 0

    cdef int key(self, int kind) except -1:
        """A key with its value; the deadline, if it has one, came before."""
        cdef bytes key = self.text()
        cdef Arg arg = as_arg(key)
        cdef int64_t expires = self.expires
        cdef int64_t start = self.base + self.at
        value = self.value(kind)
        self.expires = -1
        if is_empty(value) or (
                expires >= 0 and not self.keep_dead and expires <= self.store.keyspace.now_ms):
            self.dead += expires >= 0
            if self.resumes:
                self.left_out.append((self.db, key))
            return 0
        self.loaded += 1
        if not self.merges and self.db.find_bytes(key) is not None:
            raise self.damaged(f"key twice: {key[:40]!r}")
        if self.db.behind is not None:
            self.db.behind.reserve(self.base + self.at - start + len(key))
        self.db.set(&arg, value, False)
        if expires >= 0:
            self.db.set_expiry(&arg, expires)
        return 0

    cdef int verify(self) except -1:
        """The checksum behind the end, which old files have not, and which may be zero."""
        cdef uint64_t stated, found
        if self.version >= 5:
            found = crc64_of(PyBytes_AS_STRING(self.data), self.at, self.crc)
            stated = <uint64_t>self.little()
            if stated and stated != found:
                raise self.damaged("checksum does not match")
        return 0

    cdef int library(self, bytes code) except -1:
        from kvstore.scripts import Scripts

        if self.libraries is not None:
            self.libraries.append(code)
            return 0
        if self.store.scripts is None:
            self.store.scripts = Scripts(self.store)
        try:
            self.store.scripts.load_library(code, self.merges)
        except ReplyError as error:
            raise self.damaged(str(error)) from None
        return 0

    cdef int64_t little_4(self) except? -1:
        cdef uint32_t n
        memcpy(&n, self.need(4), 4)
        return n
