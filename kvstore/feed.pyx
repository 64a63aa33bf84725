"""The journal of a store that keeps nothing but has replicas: records go to them alone."""

from bedrock.world.turn cimport Turn
from kvstore.journal cimport Journal


cdef class Feed(Journal):
    """turn: whose end hands the records on."""

    cdef Turn turn
    cdef object hook

    def __init__(self, turn):
        self.turn = turn
        self.hook = self.flush

    cdef int deferred(self) except -1:
        return self.turn.defer(self.hook)

    def flush(self) -> None:
        """Hand on what this turn wrote; before its replies leave."""
        self.split(0)
        self.publish(0)
        self.buffer.clear()
