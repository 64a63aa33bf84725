"""A machine whose script asks at each line whether it has to stop there, and can be looked into then.

    Lua ─► on_event ─► ask ─► Debugger.reached ─ goes on ─► Lua
                                     │  ▲
                                     ▼  │ variables, frames, evaluate, call
                                   who debugs

Only scripts that are debugged run in one; the machines of all others know nothing of it.  As everywhere
where Lua calls us (kvstore.lua.machine): `on_event` and its like hold C types only and may raise,
`ask` and its like hold Python objects and raise nothing.  While a hook runs Lua calls no other, so what
`evaluate` runs is not stopped.
"""

from libc.stdio cimport snprintf
from libc.string cimport strchr, strcmp

from kvstore.lua.api cimport (
    BOOLEAN, HOOKCOUNT, MASKCOUNT, MASKLINE, NIL, NUMBER, REGISTRY, STRING, TABLE, UPVALUE, lua,
    lua_Debug, lua_State,
)
from kvstore.lua.values cimport push_error

from kvstore.redis_conf import in_quotes

cdef enum:
    TICK = 100000                      # instructions of one line after which it is asked too
    DEPTH = 10                         # tables within tables that are shown

cdef const char* SCRIPT = b"@user_script"


# ---------------------------------------------------------------------- called by Lua

cdef bint ask(lua_State* L, lua_Debug* at, const char** why, size_t* n) noexcept:
    """Let the debugger stop the script here; True if it must end, and why."""
    cdef SteppingMachine self
    lua.getfield(L, REGISTRY, b"machine")
    self = <SteppingMachine>lua.touserdata(L, -1)
    lua.settop(L, -2)
    self.stopped = L
    try:
        self.verdict = self.debugger.reached(self, at.currentline, at.event == HOOKCOUNT)
    except BaseException as error:
        self.failure = error
        self.verdict = b"ERR the debugger failed"
    if self.verdict is None:
        return False
    why[0], n[0] = self.verdict, len(self.verdict)
    return True


cdef void on_event(lua_State* L, lua_Debug* at) noexcept:
    cdef const char* why
    cdef size_t n
    lua.getinfo(L, b"Sl", at)
    if strcmp(at.source, SCRIPT) == 0 and ask(L, at, &why, &n):
        push_error(L, why, n)
        lua.raise_(L)


cdef void tell(lua_State* L, void* machine, int n) noexcept:
    """What the script says to who debugs it."""
    cdef SteppingMachine self = <SteppingMachine>machine
    cdef int i
    try:
        shown = []
        for i in range(1, n + 1):
            lua.pushvalue(L, i)
            shown.append(show(L, 0))
            lua.settop(L, -2)
        self.debugger.told(shown)
    except BaseException as error:
        self.failure = error


cdef int debug(lua_State* L) noexcept:
    tell(L, lua.touserdata(L, UPVALUE - 1), lua.gettop(L))
    return 0


cdef void ask_to_stop(void* machine) noexcept:
    (<SteppingMachine>machine).debugger.called = True


cdef int breakpoint(lua_State* L) noexcept:
    ask_to_stop(lua.touserdata(L, UPVALUE - 1))
    lua.pushboolean(L, True)
    return 1


# ---------------------------------------------------------------------- values as text

cdef bytes show(lua_State* L, int depth):
    """The value on top of the stack, which stays."""
    cdef int kind = lua.type(L, -1)
    cdef size_t n
    cdef const char* s
    cdef char[32] number
    if depth == DEPTH or not lua.checkstack(L, 4):
        return b"<tables within tables, too deep to be shown>"
    if kind == STRING:
        s = lua.tolstring(L, -1, &n)
        return in_quotes(s[:n]).encode()
    if kind == NUMBER:
        snprintf(number, 32, b"%g", lua.tonumber(L, -1))
        return number
    if kind == BOOLEAN:
        return b"true" if lua.toboolean(L, -1) else b"false"
    if kind == NIL:
        return b"nil"
    if kind == TABLE:
        return show_table(L, depth + 1)
    return b'"%s@0x%x"' % (<bytes>lua.typename(L, kind), <size_t>lua.topointer(L, -1))


cdef bytes show_table(lua_State* L, int depth):
    """{1st; 2nd} when the keys are 1, 2 and so on in that order, else {[key]=value; ...}"""
    cdef bint is_array = True
    cdef list keys = [], values = []
    lua.pushnil(L)
    while lua.next(L, -2):
        values.append(show(L, depth))
        lua.settop(L, -2)
        keys.append(show(L, depth))
        is_array = is_array and lua.type(L, -1) == NUMBER and lua.tonumber(L, -1) == len(keys)
    if not is_array:
        values = [b"[%s]=%s" % pair for pair in zip(keys, values, strict=True)]
    return b"{%s}" % b"; ".join(values)


# ---------------------------------------------------------------------- the machine

cdef class SteppingMachine(Machine):
    """debugger is asked at every line of the script."""

    def __init__(self, debugger, ScriptClient client not None, dict facts not None):
        self.debugger = debugger
        super().__init__(client, None, facts)
        lua.sethook(self.L, on_event, MASKLINE | MASKCOUNT, TICK)

    def push_lent(self, dict facts) -> None:
        """Push the table of what the prelude is lent: with what talks to the debugger."""
        cdef lua_State* L = self.L
        Machine.push_lent(self, facts)
        lua.pushlightuserdata(L, <void*>self)
        lua.pushcclosure(L, debug, 1)
        lua.setfield(L, -2, b"debug")
        lua.pushlightuserdata(L, <void*>self)
        lua.pushcclosure(L, breakpoint, 1)
        lua.setfield(L, -2, b"breakpoint")

    def variable(self, bytes name not None) -> bytes | None:
        """The innermost local variable of a name, else KEYS or ARGV; None if there is none."""
        cdef lua_State* L = self.stopped
        cdef lua_Debug at
        cdef const char* found
        cdef int level = 0, i
        while lua.getstack(L, level, &at):
            i = 1
            while True:
                found = lua.getlocal(L, &at, i)
                if found is NULL:
                    break
                if strcmp(found, name) == 0:
                    return self.take()
                lua.settop(L, -2)
                i += 1
            level += 1
        return self.global_text(name) if name in (b"KEYS", b"ARGV") else None

    cdef bytes global_text(self, bytes name):
        cdef lua_State* L = self.stopped
        lua.rawgeti(L, REGISTRY, self.globals)
        lua.pushstring(L, name)
        lua.rawget(L, -2)
        shown = self.take()
        lua.settop(L, -2)
        return shown

    def take(self) -> bytes:
        """The value on top of the stack, which is removed."""
        shown = show(self.stopped, 0)
        lua.settop(self.stopped, -2)
        return shown

    def variables(self) -> list[tuple[bytes, bytes]]:
        """The local variables of the function that was stopped: (name, value)."""
        cdef lua_State* L = self.stopped
        cdef lua_Debug at
        cdef const char* found
        cdef int i = 1
        shown = []
        if lua.getstack(L, 0, &at):
            while True:
                found = lua.getlocal(L, &at, i)
                if found is NULL:
                    break
                if strchr(found, c"(") is NULL:     # "(*temporary)" is no variable
                    shown.append((<bytes>found, show(L, 0)))
                lua.settop(L, -2)
                i += 1
        return shown

    def frames(self) -> list[tuple[bytes, int]]:
        """The calls of the script that led here, the last first: (function, line)."""
        cdef lua_State* L = self.stopped
        cdef lua_Debug at
        cdef int level = 0
        found = []
        while lua.getstack(L, level, &at):
            lua.getinfo(L, b"Snl", &at)
            if strcmp(at.source, SCRIPT) == 0:
                found.append((b"top level" if at.name is NULL else <bytes>at.name, at.currentline))
            level += 1
        return found

    def evaluate(self, bytes code not None) -> tuple[bool, bytes]:
        """Run an expression, or else a statement; whether that went well, and what came of it."""
        cdef lua_State* L = self.stopped
        cdef bytes expression = b"return " + code
        if lua.loadbuffer(L, expression, len(expression), b"@ldb_eval"):
            lua.settop(L, -2)
            if lua.loadbuffer(L, code, len(code), b"@ldb_eval"):
                return False, self.take_reason()
        if lua.pcall(L, 0, 1, 0):
            return False, self.take_reason()
        return True, self.take()

    def take_reason(self) -> bytes:
        """The error on top of the stack, which is removed: its text."""
        cdef lua_State* L = self.stopped
        if lua.type(L, -1) == TABLE:
            lua.pushstring(L, b"err")
            lua.rawget(L, -2)
            if lua.type(L, -1) == STRING:
                lua.replace(L, -2)
            else:
                lua.settop(L, -2)
        if lua.type(L, -1) != STRING:
            return self.take()
        reason = <bytes>lua.tolstring(L, -1, NULL)
        lua.settop(L, -2)
        return reason

    def call(self, list words not None) -> None:
        """Run a command as the script would; the debugger is told what came of it."""
        cdef bytes word
        self.client.words.reset()
        for word in words:
            self.client.words.push(word, len(word))
        self.client.call()


cdef class SteppedClient(ScriptClient):
    """Calls commands for a script that is debugged, and tells of them."""

    def __init__(self, store, debugger):
        super().__init__(store)
        self.debugger = debugger

    cdef int call(self) except -1:
        words = self.words.list()
        refused = self.store.rejected_calls
        ScriptClient.call(self)
        self.debugger.called_command(
            words, bytes(self.out), self.store.rejected_calls != refused)
        return 0
