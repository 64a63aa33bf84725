"""Transactions: MULTI queues, EXEC runs the queue with nothing between, WATCH makes it conditional.

    plain ─ MULTI ─► queueing ─ EXEC ────► run all, one array of replies
                        │  └─── DISCARD ─► plain
                        └ a command that cannot run (unknown, wrong arity) spoils it: EXECABORT

What the queue changed is recorded between MULTI and EXEC, so that after a crash it is there as a
whole or not at all.
"""

from bedrock.net.buf cimport Buf
from kvstore.admission cimport check_access
from kvstore.binding cimport Command, define
from kvstore.engine cimport IN_MULTI, RESTRICTED, Client
from kvstore.keyspace cimport Watch
from kvstore.resp cimport Args, put_array, put_nil_array, put_ok
from kvstore.resp import ReplyError


cdef int multi(Client c, Args a, Buf out) except -1:
    if c.gate & IN_MULTI:
        raise ReplyError("ERR MULTI calls can not be nested")
    c.gate |= IN_MULTI
    c.queue = []
    return put_ok(out)


cdef int discard(Client c, Args a, Buf out) except -1:
    if not c.gate & IN_MULTI:
        raise ReplyError("ERR DISCARD without MULTI")
    c.leave_multi()
    return put_ok(out)


cdef int exec_(Client c, Args a, Buf out) except -1:
    cdef list queue
    cdef Command command
    cdef Args words
    if not c.gate & IN_MULTI:
        raise ReplyError("ERR EXEC without MULTI")
    queue = c.queue
    if c.spoiled:
        c.leave_multi()
        raise ReplyError("EXECABORT Transaction discarded because of previous errors.")
    if c.watch is not None and c.watch.is_broken:
        c.leave_multi()
        return put_nil_array(out, c.resp)
    c.leave_multi()
    c.store.reserve(queue)
    c.executing = True
    if c.store.journal is not None:
        c.store.journal.start_transaction()
    put_array(out, len(queue))
    try:
        for command, words in queue:
            if c.gate & RESTRICTED:
                try:
                    check_access(c.store, c, command, words)
                except ReplyError as error:
                    c.store.put_failure(out, error)
                    continue
            c.store.call(c, command, words, out)
    finally:
        c.executing = False
        if c.store.journal is not None:
            c.store.journal.end_transaction()
    return 0


cdef int watch(Client c, Args a, Buf out) except -1:
    cdef Py_ssize_t i
    if c.gate & IN_MULTI:
        raise ReplyError("ERR WATCH inside MULTI is not allowed")
    if c.watch is None:
        c.watch = Watch()
    for i in range(1, a.n):
        c.watch.add(c.db, a.text(i))
    return put_ok(out)


cdef int unwatch(Client c, Args a, Buf out) except -1:
    c.unwatch()
    return put_ok(out)


define("multi", multi)
define("exec", exec_)
define("discard", discard)
define("watch", watch)
define("unwatch", unwatch)
