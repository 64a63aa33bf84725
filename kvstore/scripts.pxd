from libc.stdint cimport int64_t, uint64_t

from bedrock.net.buf cimport Buf
from kvstore.engine cimport Client, Store
from kvstore.lua.machine cimport Machine
from kvstore.resp cimport Args
from kvstore.script_client cimport ScriptClient


cdef class Script:
    cdef int code                      # its place in the machine
    cdef readonly bytes name           # its SHA1, or a function's name
    cdef readonly object flags         # frozenset of words; None without a line that states them
    cdef readonly bytes description    # a function's, or None


cdef class Library:
    cdef readonly bytes name, code
    cdef readonly list functions       # of Script


cdef class Running:
    cdef int64_t began_ns
    cdef uint64_t dirty                # changes there were when it began
    cdef Args words
    cdef readonly Client caller
    cdef readonly bint is_function
    cdef readonly bytes name
    cdef public bytes killed
    cdef bint slow                     # it was logged that it takes long


cdef class Scripts:
    cdef Store store
    cdef readonly ScriptClient client
    cdef Machine evals, calls          # of EVAL, and of functions; None until one is needed
    cdef readonly dict by_sha, by_code
    cdef readonly dict libraries, functions
    cdef readonly Running running      # or None
    cdef Running spare                 # the object `running` is while there is one
    cdef int64_t loading_until_ns

    cdef Script script_of(self, bytes code)
    cdef int admit(self, Client caller, ScriptClient client, Script script,
                   bint* read_only) except -1
    cdef int run(self, Client caller, Machine machine, Script script, Args a, bint is_function,
                 bint read_only, Buf out) except -1
    cdef int fail(self, Client caller, Machine machine, Script script, Buf out) except -1
    cdef Machine machine(self)
    cdef int debug(self, Client caller, Args a, Buf out, bint read_only) except -1
    cdef int run_stepping(self, Client caller, Args a, Buf out, bint read_only, serve) except -1

cpdef Scripts scripts_of(Client c)
