"""The journal of a store that keeps nothing but has replicas: records go to them alone."""


cdef class Feed(Journal):
    """turn: whose end hands the records on."""

    def __init__(self, turn):
        self.turn = turn
        self.hook = self.flush

    cdef int deferred(self) except -1:
        return self.turn.defer(self.hook)

    cdef int hand_on(self) except -1:
        self.split(0)
        self.publish(0)
        self.buffer.clear()
        return 0

    def flush(self) -> None:
        """Hand on what this turn wrote; before its replies leave."""
        self.hand_on()
