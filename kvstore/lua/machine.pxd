from bedrock.net.buf cimport Buf
from kvstore.lua.api cimport lua_State
from kvstore.resp cimport Args
from kvstore.script_client cimport ScriptClient


cdef class Machine:
    cdef lua_State* L
    cdef readonly ScriptClient client
    cdef object tick                   # () -> bytes: why the script must stop, or None
    cdef int globals, begin_loading, end_loading       # places in Lua's registry
    cdef object failure                # an exception that is no reply, on its way to `run`'s caller
    cdef bytes killed                  # why the script is being stopped
    cdef readonly bytes error, place   # of the last run that failed: its text, ` on source:line.`
    cdef readonly bint counted         # the engine has counted that error already

    # Push KEYS and ARGV: words from `first` on, the first n of them keys.
    cdef int push_words(self, Args a, Py_ssize_t first, Py_ssize_t n, bint as_globals) except -1
    # Run what was compiled, append its value; False if it failed.
    cdef bint run(self, int code, Args a, Py_ssize_t first, Py_ssize_t n, bint is_function,
                  Buf out, int resp) except -1
    cdef int take_error(self) except -1
    cdef int set_up(self, dict facts) except -1
    cpdef int compile(self, bytes code, bytes name) except -1
