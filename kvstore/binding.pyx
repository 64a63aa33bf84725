"""Bindings: rows of the command table with the handlers that run them, found by name.

    rows/ (what is said about a command)  ─┐
                                           ├─►  Command  ◄── Bindings.lookup(name as it came)
    define(), @command (what runs it)     ─┘

A handler is a C function that takes the words as pointers into the input and appends to the output
buffer; those of rare commands are Python functions that return a value.  Modules bind theirs as
they are imported, which is when one of their commands runs for the first time (kvstore.handlers);
each store makes its own Commands, since they count.

Invariants:
1. Every row has a handler in the module that kvstore.handlers says, or is a roof over rows that do.
2. The index holds fewer names than places, so that a search ends.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.object cimport PyObject

from bedrock.net.buf cimport Buf
from kvstore.engine cimport Client
from kvstore.resp cimport Arg, Args, is_word, put_object

from kvstore.commands import ROWS
from kvstore.handlers import import_handler
from kvstore.keyspecs import key_places
from kvstore.resp import ReplyError


cdef class Bound:
    cdef Handler run


cdef dict HANDLERS = {}            # name -> Bound
PYTHON_HANDLERS = {}               # name -> function

FLAGS = {
    "write": WRITE,
    "denyoom": DENY_OOM,
    "no_auth": NO_AUTH,
    "noscript": NO_SCRIPT,
    "no_multi": NO_MULTI,
    "skip_monitor": SKIP_MONITOR,
    "skip_slowlog": SKIP_SLOWLOG,
    "admin": ADMIN,
    "readonly": READ_ONLY,
    "allow_busy": ALLOW_BUSY,
    "may_replicate": MAY_REPLICATE,
    "loading": WHEN_LOADING,
    "stale": WHEN_STALE,
    "no_async_loading": NOT_ASIDE,
}
CONTAINERS = {name.partition("|")[0] for name in ROWS if "|" in name}
UNQUEUED_NAMES = {"exec", "discard", "multi", "watch", "quit", "reset"}
SUBSCRIBED_NAMES = {
    "subscribe", "psubscribe", "ssubscribe", "unsubscribe", "punsubscribe", "sunsubscribe",
    "ping", "quit", "reset",
}


cdef int define(str name, Handler run) except -1:
    """Bind a C handler to its row."""
    cdef Bound bound = Bound()
    bound.run = run
    assert name in ROWS, name
    HANDLERS[name] = bound
    return 0


def command(name):
    """Bind a Python handler to its row: `handler(client, words: list[bytes]) -> reply`."""
    assert name in ROWS, name

    def bind(handler):
        PYTHON_HANDLERS[name] = handler
        return handler

    return bind


def bound_names() -> set[str]:
    """The commands whose handlers have been imported."""
    return {*HANDLERS, *PYTHON_HANDLERS}


cdef Handler handler_of(Command command) except NULL:
    """What runs a command; imported now, if it is the first of its module."""
    cdef str name = command.row.name
    if name not in HANDLERS and name not in PYTHON_HANDLERS:
        import_handler(name)
    cdef Bound bound = HANDLERS.get(name)
    if bound is not None:
        return bound.run
    command.call = PYTHON_HANDLERS[name]
    return run_python


cdef int run_first(Client c, Args a, Buf out) except -1:
    """A command that has not run yet."""
    cdef Command command = c.command
    command.run = handler_of(command)
    return command.run(c, a, out)


cdef int run_python(Client c, Args a, Buf out) except -1:
    c.reply = out
    c.store.running = c
    cdef object reply = c.command.call(c, a.list())
    if reply is not NotImplemented:      # it replied by itself
        put_object(out, reply, c.resp)
    return 0


cdef int run_container(Client c, Args a, Buf out) except -1:
    """A command that is only a roof over subcommands."""
    cdef Command container = c.command
    if a.n == 1:
        return handler_of(container)(c, a, out)
    cdef Command command = subcommand(container, a)
    check_arity(command, a)
    c.command = command
    c.store.reserve_for(c, command, a)
    return command.run(c, a, out)


cdef Command subcommand(Command container, Args a):
    """Which command of a container a request means."""
    cdef str name = a.text(1).decode("latin-1")
    cdef Command command = container.subcommands.get(name.lower())
    if command is None:
        raise ReplyError(f"ERR unknown subcommand '{a.shown(1)}'. "
                         f"Try {container.row.name.upper()} HELP.")
    return command


cdef int check_arity(Command command, Args a) except -1:
    """Refuse a wrong number of words."""
    if not fits(command, a):
        raise wrong_arity(command)
    return 0


cdef object wrong_arity(Command command):
    return ReplyError(f"ERR wrong number of arguments for '{command.row.name}' command")


cdef class Command:
    """A row of the table, bound to its handler, with its counters."""

    def __init__(self, row):
        words = set(row.flags.split())
        self.row = row
        self.arity = row.arity
        for word, bit in FLAGS.items():
            if word in words:
                self.flags |= bit
        if row.name in UNQUEUED_NAMES:
            self.flags |= UNQUEUED
        if row.name in SUBSCRIBED_NAMES:
            self.flags |= WHEN_SUBSCRIBED
        self.run = run_first
        if row.name in CONTAINERS:
            self.run = run_container
            self.subcommands = {}

    cdef int place_keys(self) except -1:
        """Find out where its keys stand."""
        self.movable, (self.first_key, self.last_key, self.key_step) = key_places(self.row)
        self.placed = True
        return 0

    def took_octaves(self) -> list[int]:
        """How many runs took 2^i up to 2^(i+1) ns, for each i."""
        return list(self.took)

    @property
    def name(self) -> str:
        """The full name, `container|sub` for a subcommand."""
        return self.row.name


cdef inline unsigned int name_hash(const char* p, Py_ssize_t n) noexcept:
    """FNV-1a over the letters without their case."""
    cdef unsigned int h = 2166136261
    cdef Py_ssize_t i
    for i in range(n):
        h = (h ^ (p[i] | 0x20)) * 16777619
    return (h ^ (h >> 15)) & 1023


cdef class Bindings:
    """All commands of a store, by name."""

    def __cinit__(self):
        cdef Command command
        cdef unsigned int at
        cdef int i
        for i in range(1024):
            self.index[i] = NULL
        self.by_name = {name: Command(row) for name, row in ROWS.items()}
        for name, command in self.by_name.items():
            if "|" in name:
                container, _, sub = name.partition("|")
                (<Command>self.by_name[container]).subcommands[sub] = command
                continue
            command.own_name = name.encode()
            command.name_p = PyBytes_AS_STRING(command.own_name)
            command.name_n = PyBytes_GET_SIZE(command.own_name)
            at = name_hash(command.name_p, command.name_n)
            while self.index[at] is not NULL:
                at = (at + 1) & 1023
            self.index[at] = <void*>command

    cdef Command lookup(self, const char* p, Py_ssize_t n):
        """The command of a name in any case, None if there is none."""
        cdef unsigned int at = name_hash(p, n)
        cdef Command command
        cdef Arg word
        word.p = p
        word.n = n
        while self.index[at] is not NULL:
            command = <Command><PyObject*>self.index[at]
            if command.name_n == n and is_word(&word, command.name_p):
                return command
            at = (at + 1) & 1023
        return None
