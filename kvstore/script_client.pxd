from libc.stdint cimport uint64_t

from bedrock.net.buf cimport Buf
from kvstore.binding cimport Command
from kvstore.engine cimport Client
from kvstore.resp cimport Args


# What redis.set_repl chooses among.
cdef enum Sides:
    TO_FILE = 1
    TO_REPLICAS = 2
    TO_BOTH = 3


cdef class ScriptClient(Client):
    cdef int sides                     # of `Sides`: who hears of changes
    cdef bint unrecorded               # its caller is the log itself
    cdef bint read_only                # the script may not change anything
    cdef bint one_slot                 # all keys it uses must be in one slot
    cdef int slot                      # that one, -1 = not known yet
    cdef public bint may_all           # call what is not for scripts
    cdef public bint may_take          # it may go over `maxmemory`
    cdef uint64_t begun_dirty          # changes there were when the script began
    cdef Args words                    # of the command being called, and its reply
    cdef Buf out

    # Run the command in `words`; `out` has its reply.
    cdef int call(self) except -1
    cdef int begin(self, Client caller, bint read_only) except -1
    cdef int end(self, Client caller) except -1
    cdef int call_for_one_side(self, Command command, Args a) except -1
    cdef Command find(self, Args a)
    cdef int check(self, Command command, Args a) except -1
    cdef int check_slot(self, Command command, Args a) except -1
