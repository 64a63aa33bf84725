from libc.stdint cimport uint8_t

from kvstore.binding cimport Command
from kvstore.engine cimport Client
from kvstore.resp cimport Args

cdef enum:
    SLOTS = 16384


# What this node has to do with a slot.
cdef enum State:
    NOT_MINE = 0
    MINE = 1                       # and nothing else is the matter
    IN_TRANSIT = 2                 # being handed over, or taken over


cdef class Router:
    cdef uint8_t[SLOTS] states
    cdef readonly object cluster       # kvstore.cluster.Cluster

    # Let a request pass, or raise the ReplyError that says where to go.
    cdef int check(self, Client c, Command command, Args a) except -1
    cdef int check_queue(self, Client c) except -1
    cdef int check_keys(self, Client c, Command command, list keys) except -1

cdef int slot_of(const char* p, Py_ssize_t n) noexcept
