"""The client in whose name scripts call commands.

It stands in for whoever called the script: same database, same user, same tracking.  What it
changes between `begin` and `end` belongs together, so that a log or a replica has the script as a
whole or not at all.

Invariants:
1. A command runs in a script only if its caller could run it, and if it is allowed in scripts.
2. A script that has changed something goes on to its end, whatever memory there is, and whether
   or not others may still write.
"""

from libc.stdint cimport int64_t

from bedrock.net.buf cimport Buf
from kvstore.admission cimport check_access
from kvstore.binding cimport DENY_OOM, MAY_REPLICATE, NO_SCRIPT, WHEN_STALE, WRITE, Command
from kvstore.engine cimport RESTRICTED, STALE, TRACKED, Client, Store
from kvstore.journal cimport Journal
from kvstore.resp cimport Args
from kvstore.slots cimport Router

from kvstore.refusals import LOADING, OUT_OF_MEMORY
from kvstore.resp import ReplyError
from kvstore.slots import slot_of_request

OTHER_SLOT = "ERR Script attempted to access keys that do not hash to the same slot"


cdef class ScriptClient(Client):

    def __init__(self, Store store not None):
        super().__init__(store)
        self.scripted = True
        self.words = Args()
        self.out = Buf()

    cdef int begin(self, Client caller, bint read_only) except -1:
        """A script starts, called by a client."""
        self.db, self.resp, self.executing = caller.db, 2, True
        self.unrecorded = self.replaying = caller.replaying
        self.read_only, self.sides = read_only, TO_BOTH
        if self.user is not caller.user or (self.gate ^ caller.gate) & RESTRICTED:
            self.become(caller.user)
        self.has_read = False
        self.begun_dirty = self.store.keyspace.dirty
        self.store.time_stands = True
        self.gate = self.gate & ~(TRACKED | STALE) | caller.gate & (TRACKED | STALE)
        if self.store.journal is not None and not caller.executing:
            self.store.journal.start_transaction()
        return 0

    cdef int end(self, Client caller) except -1:
        """The script is over."""
        self.executing = self.store.time_stands = False
        if self.store.journal is not None and not caller.executing:
            self.store.journal.end_transaction()
        return 0

    def set_recorded(self, int sides) -> None:
        """Who hears of what follows, for as long as the script runs."""
        self.sides = sides
        self.replaying = self.unrecorded or not sides

    def breathe(self, why: str) -> None:
        """Serve others from inside of a script, as far as may be; `why` is for the rest."""
        cdef Store store = self.store
        cdef Args scratch = store.scratch
        cdef int64_t last_ns = store.last_ns
        if store.world.net is None:
            return
        store.scratch, store.busy = Args(), LOADING if self.replaying else why
        try:
            store.world.net.breathe()
        finally:
            store.scratch, store.busy, store.last_ns = scratch, None, last_ns

    cdef int call(self) except -1:
        cdef Args a = self.words
        cdef Command command = None
        self.out.clear()
        try:
            command = self.find(a)
            if a.n != command.arity if command.arity > 0 else a.n < -command.arity:
                raise ReplyError("ERR Wrong number of args calling Redis command from script")
            self.check(command, a)
        except ReplyError as error:
            self.store.refuse(self, command, self.out, error)
            return 0
        if self.sides != TO_BOTH and command.flags & WRITE and not self.replaying \
                and self.store.journal is not None:
            return self.call_for_one_side(command, a)
        self.store.call(self, command, a, self.out)
        return 0

    cdef int call_for_one_side(self, Command command, Args a) except -1:
        """Run a command whose record is not for everyone who hears of changes."""
        cdef Journal journal = self.store.journal
        cdef size_t start
        journal.begin(self.db.index)       # what opens a record is for both
        start = journal.buffer.n
        self.store.call(self, command, a, self.out)
        if journal.buffer.n > start:
            journal.set_aside(start, self.sides == TO_FILE)
        return 0

    cdef Command find(self, Args a):
        """The command a script means."""
        cdef Command command = self.store.bindings.lookup(a.v[0].p, a.v[0].n)
        if command is None:
            raise ReplyError("ERR Unknown Redis command called from script")
        if command.subcommands is not None and a.n > 1:
            if a.text(1).decode("latin-1").lower() not in command.subcommands:
                raise ReplyError("ERR Unknown Redis command called from script")
        return command

    def may_call(self) -> bool:
        """True if the user may run the command in `words`; an error if there is no such command."""
        command = self.find(self.words)
        if not self.gate & RESTRICTED:
            return True
        words = self.words.list()
        name = command.name
        if command.subcommands is not None:
            name = command.subcommands[words[1].decode("latin-1").lower()].name
        return self.user.refusal(name, words) is None

    cdef int check(self, Command command, Args a) except -1:
        """Refuse what this script may not do."""
        cdef Command part = None
        cdef Store store = self.store
        if command.subcommands is not None and a.n > 1:
            part = command.subcommands.get(a.text(1).decode("latin-1").lower())
        cdef int flags = command.flags | (part.flags if part is not None else 0)
        if flags & NO_SCRIPT and not self.may_all:
            raise ReplyError("ERR This Redis command is not allowed from script")
        if self.gate & STALE and not flags & WHEN_STALE:
            raise ReplyError("ERR Can not execute the command on a stale replica")
        if self.read_only and flags & (WRITE | MAY_REPLICATE):
            raise ReplyError("ERR Write commands are not allowed from read-only scripts.")
        if store.keyspace.dirty == self.begun_dirty:
            if flags & WRITE and store.refusal is not None and not self.unrecorded:
                raise ReplyError(store.refusal)
            if store.out_of_memory and command.flags & DENY_OOM and not self.may_take:
                raise ReplyError(OUT_OF_MEMORY)
        if self.gate & RESTRICTED:
            check_access(store, self, command, a)
        if store.router is not None and not store.keyspace.loading:
            self.check_slot(command, a)
        return 0

    cdef int check_slot(self, Command command, Args a) except -1:
        """A script may only use keys that are here, and of one slot unless it says otherwise."""
        cdef Router router = self.store.router
        cdef int slot
        try:
            router.check(self, command, a)
        except ReplyError as error:
            if str(error).startswith("CROSSSLOT"):
                raise ReplyError(OTHER_SLOT) from None
            raise ReplyError("ERR Script attempted to access a non local key in a cluster "
                             "node") from None
        if self.one_slot:
            slot = slot_of_request(command.row.name, a.list())
            if self.slot >= 0 and slot >= 0 and slot != self.slot:
                raise ReplyError(OTHER_SLOT)
            self.slot = slot if slot >= 0 else self.slot
        return 0
