"""Transactions: who runs, what each may see, who waits for whom.

    begin -> (statements: snapshot, writes) -> commit  -> stamps become the commit number
                                            -> abort   -> writes undone, newest first

READ COMMITTED takes a snapshot per statement, REPEATABLE READ one at its first statement.  A writer
that meets a row of a running transaction gets `Blocked`: its statement is undone, it waits for that
transaction's end and runs again from a fresh snapshot (READ COMMITTED), so it sees what the
other committed; this is what PostgreSQL's EvalPlanQual reaches by re-checking single rows.  Under
REPEATABLE READ a row changed by a later commit is `SerializationFailure`: the first updater wins.
A cycle of waits is found when the last edge is added (`DeadlockDetected`), without a timeout.

SERIALIZABLE runs as REPEATABLE READ (snapshot isolation): write skew is possible.

Invariants:
1. Commit numbers are handed out in the order of the log's records.
2. Undo is dropped only when no pinned snapshot is older than the commit that made it.
3. A transaction that wrote nothing takes no commit number and leaves no trace.
"""

from collections import deque

from libc.stdint cimport int64_t

from minidb.rowgroup cimport FIRST_TRANSACTION, Snapshot, Version

from minidb.sqlstate import DatabaseError


class Blocked(Exception):
    """The row, key or table belongs to `owner`, a running transaction."""

    def __init__(self, owner):
        self.owner = owner


class Stale(Exception):
    """READ COMMITTED met a version newer than its statement's snapshot: run it again."""


def serialization_failure():
    return DatabaseError("40001", "could not serialize access due to concurrent update")


cdef class Write:
    """One change by a running transaction, or one whose undo is still kept."""

    def __init__(self, table, int op, int64_t tid, Version before=None, columns=None, tids=None,
                 bint rekeyed=False):
        self.table = table
        self.op = op
        self.tid = tid
        self.before = before
        self.columns = columns
        self.tids = tids
        self.rekeyed = rekeyed


cdef class Transaction:
    """One transaction; made by `Transactions.begin`."""

    def __init__(self, Transactions manager, int64_t id, str isolation, bint read_only):
        self.manager = manager
        self.id = id
        self.isolation = isolation
        self.read_only = read_only
        self.writes = []
        self.waiters = []
        self.locked = set()

    cdef int log(self, Write write) except -1:
        self.writes.append(write)
        return 0

    @property
    def keeps_snapshot(self) -> bool:
        return self.isolation != "read committed"

    def start_statement(self) -> Snapshot:
        """The snapshot of the statement that begins; pair it with `end_statement`."""
        if self.snapshot is None:
            self.snapshot = Snapshot(self.manager.last_commit, self.id)
            self.manager.pin(self.snapshot.at)
        return self.snapshot

    def end_statement(self) -> None:
        if self.snapshot is not None and not self.keeps_snapshot:
            self.manager.unpin(self.snapshot.at)
            self.snapshot = None

    def set_isolation(self, str isolation) -> None:
        if self.snapshot is not None and self.keeps_snapshot or self.writes:
            raise DatabaseError(
                "25001", "SET TRANSACTION ISOLATION LEVEL must be called before any query")
        self.isolation = isolation

    def mark(self) -> int:
        """A point to return to: `undo_to(mark)`."""
        return len(self.writes)

    def undo_to(self, Py_ssize_t mark) -> None:
        """Take back the writes since `mark`."""
        cdef Write write
        while len(self.writes) > mark:
            write = self.writes.pop()
            write.table.undo(write)

    def wait_for(self, Transaction owner) -> None:
        """Note the wait; DeadlockDetected when it closes a cycle."""
        cdef Transaction t = owner
        while t is not None:
            if t is self:
                raise DatabaseError("40P01", "deadlock detected")
            t = t.waits_for
        self.waits_for = owner

    def commit(self) -> None:
        """Make the writes visible; DiskFull from the journal leaves the transaction running."""
        cdef Write write
        if self.writes or self.catalog is not None:
            if self.manager.journal is not None:
                self.manager.journal(self)
            self.manager.last_commit += 1
            self.commit_number = self.manager.last_commit
            for write in self.writes:
                write.table.settle(write, self.commit_number)
        self.end(True)

    def abort(self) -> None:
        if not self.ended:
            self.undo_to(0)
            self.end(False)

    cdef end(self, bint committed):
        self.ended = True
        if self.snapshot is not None:
            self.manager.unpin(self.snapshot.at)
            self.snapshot = None
        self.manager.running.pop(self.id, None)
        if committed and self.commit_number:
            self.manager.history.append((self.commit_number, self.writes))
        self.writes = []
        for table in self.locked:
            table.locked_by = None
        self.locked.clear()
        self.waits_for = None
        self.manager.collect()
        waiters, self.waiters = self.waiters, []
        for call in waiters:
            call()


cdef class Transactions:
    """The transaction manager of one engine."""

    def __init__(self, int64_t last_commit=0):
        self.last_commit = last_commit
        self.next_id = FIRST_TRANSACTION
        self.running = {}
        self.pinned = {}
        self.history = deque()
        self.journal = None

    cpdef Transaction begin(self, str isolation="read committed", bint read_only=False):
        self.next_id += 1
        cdef Transaction t = Transaction(self, self.next_id, isolation, read_only)
        self.running[t.id] = t
        return t

    def resume_from(self, int64_t last_commit) -> None:
        """Recovery: the next commit follows this one."""
        self.last_commit = last_commit

    def pin(self, int64_t at) -> None:
        self.pinned[at] = self.pinned.get(at, 0) + 1

    def unpin(self, int64_t at) -> None:
        n = self.pinned[at] - 1
        if n:
            self.pinned[at] = n
        else:
            del self.pinned[at]

    cdef int64_t horizon(self):
        """Every snapshot, now and later, sees commits up to here."""
        return min(self.pinned) if self.pinned else self.last_commit

    def collect(self) -> None:
        """Drop the undo that no snapshot needs."""
        cdef Write write
        cdef int64_t horizon = self.horizon()
        while self.history and self.history[0][0] <= horizon:
            for write in self.history.popleft()[1]:
                write.table.forget(write, horizon)
