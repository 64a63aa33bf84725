"""The turn: one pass of the event loop, and what must happen before its replies leave.

A driver reads from every ready connection and feeds the sessions; a log that buffered a record
meanwhile has put its `flush` on the turn by `defer`; the driver runs `flush` and only then sends.
So all writes of a turn share one write and one sync, and no client sees a reply whose data is not
durable: group commit with no machinery of its own.

Work outside a turn (an asyncio task that appends) defers in the same way; the turn then calls
`wake`, by which the driver arranges to flush soon.

Invariants:
1. A hook deferred in a turn runs before any byte queued in that turn is sent.
2. A hook runs once for each time it was deferred; deferring twice in a turn is the caller's to
   avoid (a log keeps a flag).
3. After a hook raised, or `fail` was called, nothing is sent any more: `failed` is called, once,
   and the server must stop.
"""


cdef class Turn:
    def __init__(self):
        self.hooks = []
        self.pending = False
        self.inside = False
        self.broken = False
        self.wake = None
        self.failed = None

    cdef int defer(self, hook) except -1:
        """Run `hook()` before this turn's replies leave."""
        self.hooks.append(hook)
        if not self.pending:
            self.pending = True
            if not self.inside and self.wake is not None:
                self.wake()
        return 0

    def fail(self, exc: BaseException) -> None:
        """The disk can no longer be trusted: nothing is flushed or sent from now on.

        For `DiskFailed` met outside a hook.  Without anyone to tell, the error is raised.
        """
        if self.failed is None:
            raise exc
        if not self.broken:
            self.broken = self.pending = True    # so that no driver sends what is queued
            self.failed(exc)

    def before_flush(self, hook) -> None:
        """`defer` for Python callers."""
        self.defer(hook)

    cdef int flush(self) except -1:
        """Run what was deferred, also what those hooks defer in turn."""
        cdef list hooks
        if self.broken:
            return 0
        while self.hooks:
            hooks = self.hooks
            self.hooks = []
            for hook in hooks:
                try:
                    hook()
                except Exception as exc:
                    self.fail(exc)
                    return 0
        self.pending = False
        return 0

    def run(self) -> None:
        """`flush` for Python callers: tests, embedded forms, shutdown."""
        self.flush()
