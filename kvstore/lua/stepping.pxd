from kvstore.lua.api cimport lua_State
from kvstore.lua.machine cimport Machine
from kvstore.script_client cimport ScriptClient


cdef class SteppingMachine(Machine):
    cdef readonly object debugger      # kvstore.ldb.Debugger
    cdef lua_State* stopped            # the thread of Lua whose line is about to run
    cdef bytes verdict                 # why the script must end

    cdef bytes global_text(self, bytes name)


cdef class SteppedClient(ScriptClient):
    cdef object debugger
