"""The way in: what a request meets before its command runs.

    request ─► busy? ─► paused? ─► tracked? ─► known to the server (auth, ACL)? ─► may the client stay?
            ─► are its keys here (slot)? ─► is there memory? ─► subscribed? ─► the server's state?
            ─► a fault?
            ─► queued by MULTI, or called

Most requests meet none of it: `Store.execute` looks whether the client has a gate, or the server
something to guard, and calls the command if not.  Everything here answers by an error, lets the
request through, or (`postpones`) keeps it for later.

Invariants:
1. A request that is refused has changed nothing, and spoils the transaction it is part of.
2. The log and the primary's stream are obeyed, whatever they cost and wherever their keys are.
3. What was evicted to make room is told to those who track it before the reply of who needed room.
"""

from bedrock.net.buf cimport Buf
from kvstore.binding cimport (
    ALLOW_BUSY, DENY_OOM, MAY_REPLICATE, NOT_ASIDE, NO_AUTH, NO_MULTI, READ_ONLY, UNQUEUED,
    WHEN_LOADING, WHEN_STALE, WHEN_SUBSCRIBED, WRITE, Command, check_arity, subcommand,
)
from kvstore.engine cimport (
    FAULTY, FOLLOWING, IN_MULTI, LOADING, LOADING_ASIDE, REPLY_OFF, REPLY_SKIP, RESTRICTED, STALE,
    SUBSCRIBED, UNAUTHENTICATED, Client, Store,
)
from kvstore.eviction cimport Evictor
from kvstore.resp cimport Args, is_word
from kvstore.slots cimport Router

from bedrock.app.logs import logger
from kvstore.refusals import LOADING as LOADING_DATA
from kvstore.refusals import MASTER_DOWN, NOT_FOR_REPLICAS, OUT_OF_MEMORY
from kvstore.resp import ReplyError

log = logger("kvstore")

SCRIPT_NAMES = {"eval", "evalsha", "fcall"}


cdef int admit(Store s, Client c, Command command, Args a, Buf out) except -1:
    """The way in for clients that are not in the plain state."""
    cdef size_t mark = out.n
    cdef bint lacking
    if c.gate & FOLLOWING:
        return hear_replica(s, c, command, a, out)
    if c.gate & UNAUTHENTICATED and not command.flags & NO_AUTH:
        return s.refuse(c, command, out, ReplyError("NOAUTH Authentication required."))
    if c.gate & RESTRICTED:
        try:
            check_access(s, c, command, a)
        except ReplyError as error:
            return s.refuse(c, command, out, error)
    # The log and the primary's stream are obeyed, whatever they cost and wherever keys are.
    if s.watched and c.link is not None and not s.keyspace.loading:
        s.client_limits.evict()
        if c.link.closing:
            return 0
    if s.router is not None and not s.keyspace.loading:
        try:
            check_slot(s, c, command, a)
        except ReplyError as error:
            c.asking = False
            if command.row.name == "exec":
                c.leave_multi()            # and told where to go, not EXECABORT
                command.rejected += 1
                command = None
            return s.refuse(c, command, out, error)
    if s.limited and not s.keyspace.loading:
        lacking = lacks_memory(s, c, command)
        tell_pending(s, c, out)      # of what was evicted: before the reply
        if lacking:
            return s.refuse(c, command, out, ReplyError(OUT_OF_MEMORY))
    if c.gate & SUBSCRIBED and c.resp == 2 and not command.flags & WHEN_SUBSCRIBED:
        return s.refuse(c, command, out, ReplyError(
            f"ERR Can't execute '{command.row.name}': only (P|S)SUBSCRIBE / "
            "(P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context"))
    if c.gate & (LOADING | LOADING_ASIDE | STALE | IN_MULTI):
        why = not_now(s, c, command, a)
        if why is not None:
            return s.refuse(c, command, out, ReplyError(why))
    if c.gate & FAULTY and suffer(s, c, command, a, out):
        return 0
    if c.gate & IN_MULTI and not command.flags & UNQUEUED:
        if command.flags & NO_MULTI:
            return s.refuse(c, command, out, ReplyError(
                "ERR Command not allowed inside a transaction"))
        if command.subcommands is not None and a.n > 1:
            try:
                check_subcommand(command, a)
            except ReplyError as error:
                return s.refuse(c, command, out, error)
        c.queue.append((command, a.copy()))
        return out.put(b"+QUEUED\r\n", 9)
    cdef bint skip = c.gate & REPLY_SKIP
    c.gate &= ~REPLY_SKIP
    c.pushed = False
    s.call(c, command, a, out)
    if (skip or c.gate & REPLY_OFF) and not c.pushed:
        out.n = mark
    if s.watched and c.link is not None and s.client_limits.check(c, out.n):
        out.clear()
    return 0


cdef object not_now(Store s, Client c, Command command, Args a):
    """Why the server's state does not allow a request, None if it does."""
    cdef Command queued
    cdef Args words
    cdef int flags
    if c.replaying or s.keyspace.loading and not c.gate & LOADING:
        return None
    if command.row.name == "exec" and c.queue is not None:
        for queued, words in c.queue:
            why = not_now(s, c, queued, words)
            if why is not None:
                return why
        return None
    flags = flags_of(command, a)
    if c.gate & LOADING and not flags & WHEN_LOADING:
        return LOADING_DATA
    if c.gate & LOADING_ASIDE and flags & NOT_ASIDE:
        return LOADING_DATA
    if c.gate & STALE and not flags & WHEN_STALE:
        return MASTER_DOWN
    if s.refusal is not None and (flags & WRITE or is_writing_script(s, command, a)):
        return s.refusal
    return None


cdef bint is_writing_script(Store s, Command command, Args a) except -1:
    """True for what runs a script that says it writes."""
    if not command.flags & MAY_REPLICATE or command.row.name not in SCRIPT_NAMES:
        return False
    from kvstore.scripting import says_it_writes

    return says_it_writes(s, a.list())


cdef int flags_of(Command command, Args a) except -1:
    """Of the subcommand, where there is one."""
    if command.subcommands is not None and a.n > 1:
        command = command.subcommands.get(a.text(1).decode("latin-1").lower(), command)
    return command.flags


cdef int hear_replica(Store s, Client c, Command command, Args a, Buf out) except -1:
    """A replica says something: there is no place for an answer in the stream it gets."""
    from kvstore.connection import show_client

    cdef Buf answer = Buf()            # `out` may get more of the stream meanwhile
    if flags_of(command, a) & (READ_ONLY | WRITE | MAY_REPLICATE):
        s.refuse(c, command, answer, ReplyError(NOT_FOR_REPLICAS))
        log.error("== CRITICAL == This master is sending an error to its replica: "
                  f"'{NOT_FOR_REPLICAS[4:]}' after processing the command '{command.row.name}'")
    else:
        s.call(c, command, a, answer)
        command = c.command
    if answer.n:
        log.warning(f"Replica generated a reply to command '{command.row.name}', "
                    f"disconnecting it: {show_client(c)}")
        c.link.close()
    return 0


cdef int cut_off_browser(Store s, Client c, Buf out) except -1:
    """A web page made a browser send a request here: it gets no answer, to anything."""
    log.warning("Possible SECURITY ATTACK detected. It looks like somebody is sending POST or "
                "Host: commands to Redis. This is likely due to an attacker attempting to use "
                "Cross Protocol Scripting to compromise your Redis instance. Connection from "
                f"{c.link.peer} aborted.")
    out.clear()
    c.link.abort("POST or Host: command")
    return 0


cdef int run_tracked(Store s, Client c, Command command, Args a, Buf out) except -1:
    """Run a request while clients track keys: what changes may be due to this one."""
    s.tracking.limit()
    s.running = c
    if c.gate or s.guarded:
        admit(s, c, command, a, out)
    else:
        s.call(c, command, a, out)
    if c.tracked is not None and c.tracked.caching and not c.gate & IN_MULTI \
            and command.row.name != "client":
        c.tracked.caching = False
    tell_pending(s, c, out)
    s.running = None
    return 0


cdef int tell_pending(Store s, Client c, Buf out) except -1:
    """Tell a client that is being answered which of its keys became invalid meanwhile."""
    if s.tracking is not None and s.tracking.pending:
        c.reply, c.answering = out, True
        s.tracking.after_reply(c)
        c.answering = False
    return 0


cdef bint runs_while_busy(Store s, Command command, Args a) except -1:
    """True for what may run while a script takes long."""
    if command.subcommands is not None and a.n > 1:
        command = command.subcommands.get(a.text(1).decode("latin-1").lower(), command)
    if command.row.name == "shutdown":
        return a.n == 2 and is_word(&a.v[1], "nosave")
    return command.flags & ALLOW_BUSY != 0


cdef bint postpones(Store s, Client c, Command command, Args a) except -1:
    """True if a request must wait until the pause ends."""
    cdef Command queued
    cdef Args words
    if c.link is None or c in s.primary.replicas:
        return False
    if s.pause.everything:
        return True
    if command.row.name == "exec" and c.queue is not None:
        for queued, words in c.queue:
            if may_change(s, queued, words):
                return True
    return not c.gate & IN_MULTI and may_change(s, command, a)


cdef bint may_change(Store s, Command command, Args a) except -1:
    """True if a request may lead to a record, however it ends."""
    if command.flags & MAY_REPLICATE and command.row.name in SCRIPT_NAMES:
        from kvstore.scripting import only_reads

        return not only_reads(s, a.list())
    return command.flags & (WRITE | MAY_REPLICATE) != 0


cdef int check_slot(Store s, Client c, Command command, Args a) except -1:
    """The error that says where to go with a request whose keys are not here."""
    (<Router>s.router).check(c, command, a)
    c.asking = False
    return 0


cdef bint lacks_memory(Store s, Client c, Command command) except -1:
    """Evict what is too much; True if that did not help and the command may take memory."""
    cdef Command queued
    cdef bint takes = command.flags & DENY_OOM or (
        c.gate & IN_MULTI and not command.flags & UNQUEUED)
    if c.queue is not None and command.row.name == "exec":
        for queued, _ in c.queue:
            takes = takes or queued.flags & DENY_OOM
    s.out_of_memory = not (<Evictor>s.evictor).make_room()
    return takes and s.out_of_memory


cdef bint suffer(Store s, Client c, Command command, Args a, Buf out) except -1:
    """Let a command meet the faults there are; True if it has had its answer."""
    try:
        return s.faults.meet(c, command.row.name, a)
    except ReplyError as error:
        s.refuse(c, command, out, error)
        return True


cdef int check_access(Store s, Client c, Command command, Args a) except -1:
    """NOPERM for what the client's user may not do."""
    if command.subcommands is not None and a.n > 1:
        command = subcommand(command, a)
        check_arity(command, a)
    s.users.check(c, command.row.name, a.list())
    return 0


cdef int check_subcommand(Command container, Args a) except -1:
    """Refuse at once what could not run at EXEC."""
    check_arity(subcommand(container, a), a)


cdef object unknown_command(Args a):
    """The error for a name that is in no table."""
    cdef str words = ""
    cdef Py_ssize_t i
    for i in range(1, a.n):
        if len(words) >= 128:
            break
        words += f"'{a.shown(i, 128 - len(words))}' "
    return ReplyError(
        f"ERR unknown command '{a.shown(0)}', with args beginning with: {words}")
