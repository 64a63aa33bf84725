from bedrock.world.turn cimport Turn
from kvstore.journal cimport Journal


cdef class Feed(Journal):
    cdef Turn turn
    cdef object hook

    cdef int hand_on(self) except -1
