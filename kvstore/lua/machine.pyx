"""A Lua machine for scripts: how one runs, how it calls commands, and how it is stopped.

    run ─► pcall ─► script ─► redis.call ─► call_engine ─► ScriptClient ─► the engine
     ▲                │  ▲                                                   │
     └─ put_value ────┘  └──────────── push_reply ◄──────────────────────────┘

The machine's own stack holds `on_error` at the bottom and nothing else between two runs.  Every
100,000 instructions a hook asks whether the script has to stop; one that must is stopped at its next
line, and at every line of what would catch that.

Invariants:
1. What raises an error of Lua (`lua.raise_`, `lua.error`, any push) runs in a function of C types
   only, called by Lua: `redis_call` and its like.  What holds Python objects (`call_engine`, `look`)
   is called by those, raises nothing and pushes nothing.
2. An exception that is no reply is kept in `failure` until the script is over, and raised then.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdio cimport snprintf
from libc.string cimport strcmp, strlen

from kvstore.lua.api cimport (
    BOOLEAN, GC_COLLECT, GC_COUNT, GC_SETPAUSE, GLOBALS, MASKCOUNT, MASKLINE, NIL, NUMBER,
    REGISTRY, STRING, TABLE, UPVALUE, Bare, find, lua, lua_Debug, lua_State, put_function,
)
from kvstore.lua.bits cimport open_bit
from kvstore.lua.json cimport open_json
from kvstore.lua.msgpack cimport open_msgpack
from kvstore.lua.sandbox cimport lend_sandbox
from kvstore.lua.struct cimport open_struct
from kvstore.lua.values cimport push_error, push_reply, put_value

import hashlib

from bedrock.app.logs import logger
from kvstore.resp import ReplyError

log = logger("kvstore")

LEVELS = ("debug", "info", "info", "warning")

cdef enum:
    TICK = 100000                      # instructions between two looks
    PAUSE = 160                        # per cent of what lived, when it is collected next
    HANDLER = 1                        # where `on_error` is on the stack


# ---------------------------------------------------------------------- redis.call

cdef int call_engine(lua_State* L, void* machine, int n, const char** reply) noexcept:
    """Run the command whose n words are the stack; where its reply is, or 1: give up."""
    cdef Machine self = <Machine>machine
    cdef size_t size
    cdef const char* word
    cdef int i
    if self.failure is not None:
        return 1
    try:
        self.client.words.reset()
        for i in range(1, n + 1):
            word = lua.tolstring(L, i, &size)
            self.client.words.push(word, size)
        self.client.call()
    except BaseException as error:
        self.failure = error
        return 1
    reply[0] = self.client.out.p if self.client.out.n else NULL
    return 0


cdef bint write_numbers(lua_State* L, int n) noexcept nogil:
    """Turn the numbers among n arguments into text; False if one is no word at all."""
    cdef char[32] number
    cdef int i, kind
    for i in range(1, n + 1):
        kind = lua.type(L, i)
        if kind == NUMBER:
            lua.pushlstring(L, number, snprintf(number, 32, b"%.17g", lua.tonumber(L, i)))
            lua.replace(L, i)
        elif kind != STRING:
            return False
    return True


cdef bint fails(lua_State* L) noexcept:
    """Call the command whose words are the arguments, push its reply; True if that is an error."""
    cdef int n = lua.gettop(L)
    cdef const char* why = NULL
    cdef const char* reply = NULL
    if n == 0:
        why = b"ERR Please specify at least one argument for this redis lib call"
    elif not write_numbers(L, n):
        why = b"ERR Lua redis lib command arguments must be strings or integers"
    elif call_engine(L, lua.touserdata(L, UPVALUE - 1), n, &reply):
        why = b"ERR the server could not run this command"
    lua.settop(L, 0)                   # there may be as many words as the stack can hold
    if why is not NULL:
        push_error(L, why, strlen(why))
        return True
    if reply is NULL:
        lua.pushnil(L)
        return False
    push_reply(L, reply)
    return reply[0] == c"-"


cdef int redis_call(lua_State* L) noexcept:
    return lua.raise_(L) if fails(L) else 1


cdef int redis_pcall(lua_State* L) noexcept:
    fails(L)
    return 1


# ---------------------------------------------------------------------- the rest of `redis`

cdef int is_allowed(lua_State* L, void* machine, int n) noexcept:
    """1 if the user may run the command whose n words are the stack, 0 if not, -1: no such."""
    cdef Machine self = <Machine>machine
    cdef size_t size
    cdef const char* word
    cdef int i
    try:
        self.client.words.reset()
        for i in range(1, n + 1):
            word = lua.tolstring(L, i, &size)
            self.client.words.push(word, size)
        return self.client.may_call()
    except ReplyError:
        return -1
    except BaseException as error:
        self.failure = error
        return -1


cdef int acl_check_cmd(lua_State* L) noexcept:
    cdef int n = lua.gettop(L)
    cdef const char* why = NULL
    cdef int allowed = 0
    if n == 0:
        why = b"ERR Please specify at least one argument for this redis lib call"
    elif not write_numbers(L, n):
        why = b"ERR Lua redis lib command arguments must be strings or integers"
    else:
        allowed = is_allowed(L, lua.touserdata(L, UPVALUE - 1), n)
        if allowed < 0:
            why = b"ERR Invalid command passed to redis.acl_check_cmd()"
    if why is not NULL:
        push_error(L, why, strlen(why))
        return lua.raise_(L)
    lua.pushboolean(L, allowed)
    return 1


cdef void digest(const char* p, size_t n, char* into) noexcept:
    cdef bytes found = hashlib.sha1(p[:n], usedforsecurity=False).hexdigest().encode()
    cdef int i
    for i in range(40):
        into[i] = PyBytes_AS_STRING(found)[i]


cdef int sha1hex(lua_State* L) noexcept:
    cdef size_t n
    cdef const char* p = lua.checklstring(L, 1, &n)
    cdef char[40] found
    digest(p, n, found)
    lua.pushlstring(L, found, 40)
    return 1


cdef void say(int level, const char* p, size_t n) noexcept:
    getattr(log, LEVELS[level])("script", said=p[:n].decode("latin-1"))


cdef int write_log(lua_State* L) noexcept:
    cdef size_t n
    cdef const char* p = lua.checklstring(L, 2, &n)
    say(<int>lua.tonumber(L, 1), p, n)
    return 0


cdef int setresp(lua_State* L) noexcept:
    (<Machine>lua.touserdata(L, UPVALUE - 1)).client.resp = <int>lua.tonumber(L, 1)
    return 0


cdef int set_repl(lua_State* L) noexcept:
    (<Machine>lua.touserdata(L, UPVALUE - 1)).client.set_recorded(<int>lua.tonumber(L, 1))
    return 0


# ---------------------------------------------------------------------- stopping, and errors

cdef bint look(lua_State* L, const char** why, size_t* n) noexcept:
    """Ask whether the script has to stop, and why."""
    cdef Machine self
    lua.getfield(L, REGISTRY, b"machine")
    self = <Machine>lua.touserdata(L, -1)
    lua.settop(L, -2)
    try:
        if self.failure is None:
            self.killed = self.tick()
        else:
            self.killed = b"ERR the server could not run this command"
    except BaseException as error:
        self.failure = error
        self.killed = b"ERR the script was interrupted"
    if self.killed is None:
        return False
    why[0], n[0] = PyBytes_AS_STRING(self.killed), PyBytes_GET_SIZE(self.killed)
    return True


cdef void on_count(lua_State* L, lua_Debug* at) noexcept:
    cdef const char* why
    cdef size_t n
    if look(L, &why, &n):
        lua.sethook(L, on_count, MASKLINE, 0)
        push_error(L, why, n)
        lua.raise_(L)


cdef void copy_field(lua_State* L, const char* name) noexcept nogil:
    """A field of the table at 1 goes into the one at 2."""
    lua.pushstring(L, name)
    lua.pushvalue(L, -1)
    lua.rawget(L, 1)
    lua.rawset(L, 2)


cdef int on_error(lua_State* L) noexcept nogil:
    """What was raised becomes a table: err, and the source and line of the script it came from."""
    cdef lua_Debug at
    cdef int level = 1, kind = lua.type(L, 1)
    lua.createtable(L, 0, 4)           # anew, for what was raised may be anyone's table
    if kind == TABLE:
        copy_field(L, b"err")
        copy_field(L, b"ignore_error_stats_update")
    else:
        lua.pushstring(L, b"ERR ")
        if kind == STRING or kind == NUMBER:
            lua.pushvalue(L, 1)
        elif kind == NIL:
            lua.pushstring(L, b"nil")
        elif kind == BOOLEAN:
            lua.pushstring(L, b"true" if lua.toboolean(L, 1) else b"false")
        else:
            lua.pushfstring(L, b"%s: %p", lua.typename(L, kind), lua.topointer(L, 1))
        lua.concat(L, 2)
        lua.setfield(L, 2, b"err")
    while lua.getstack(L, level, &at):
        lua.getinfo(L, b"Sl", &at)
        if strcmp(at.what, b"C") != 0 and strcmp(at.source, b"=prelude") != 0 \
                and at.currentline >= 0:
            lua.pushstring(L, at.source)
            lua.setfield(L, 2, b"source")
            lua.pushnumber(L, at.currentline)
            lua.setfield(L, 2, b"line")
            break
        level += 1
    return 1


# ---------------------------------------------------------------------- the machine

cdef void open_library(lua_State* L, const char* name, Bare open) noexcept nogil:
    """Let one of Lua's own libraries set its globals."""
    lua.pushcclosure(L, open, 0)
    lua.pushstring(L, name)
    lua.call(L, 1, 0)


cdef class Machine:
    """tick is asked from time to time while a script runs; facts is what `redis` says of itself."""

    def __init__(self, ScriptClient client not None, tick, dict facts not None):
        self.client = client
        self.tick = tick
        find()
        self.L = lua.newstate()
        if self.L is NULL:
            raise MemoryError("no Lua state")
        self.set_up(facts)

    def __dealloc__(self):
        if self.L is not NULL:
            lua.close(self.L)

    @property
    def memory(self) -> int:
        """Bytes the machine holds."""
        return lua.gc(self.L, GC_COUNT, 0) << 10

    cdef int set_up(self, dict facts) except -1:
        """Make the world of scripts; what fails here is a fault of ours."""
        cdef lua_State* L = self.L
        from importlib.resources import files

        cdef bytes prelude = files("kvstore.lua").joinpath("prelude.lua").read_bytes()
        open_library(L, b"", lua.open_base)
        open_library(L, b"table", lua.open_table)
        open_library(L, b"string", lua.open_string)
        open_library(L, b"math", lua.open_math)
        lua.pushcclosure(L, on_error, 0)
        lua.pushlightuserdata(L, <void*>self)
        lua.setfield(L, REGISTRY, b"machine")
        if lua.loadbuffer(L, PyBytes_AS_STRING(prelude), len(prelude), b"=prelude"):
            raise AssertionError(lua.tolstring(L, -1, NULL))
        self.push_lent(facts)
        lua.createtable(L, 0, 4)
        open_json(L)
        lua.setfield(L, -2, b"cjson")
        open_msgpack(L)
        lua.setfield(L, -2, b"cmsgpack")
        open_struct(L)
        lua.setfield(L, -2, b"struct")
        open_bit(L)
        lua.setfield(L, -2, b"bit")
        if lua.pcall(L, 2, 4, HANDLER):
            self.take_error()
            raise AssertionError(self.error + self.place)
        self.end_loading = lua.ref(L, REGISTRY)
        self.begin_loading = lua.ref(L, REGISTRY)
        self.globals = lua.ref(L, REGISTRY)
        lua.replace(L, GLOBALS)
        lua.sethook(L, on_count, MASKCOUNT, TICK)
        lua.gc(L, GC_COLLECT, 0)
        lua.gc(L, GC_SETPAUSE, PAUSE)
        return 0

    def push_lent(self, dict facts) -> None:
        """Push the table of what the prelude is lent."""
        cdef lua_State* L = self.L
        cdef void* machine = <void*>self
        cdef bytes word
        lua.createtable(L, 0, 16)
        for name, value in facts.items():
            if isinstance(value, bytes):
                lua.pushlstring(L, value, len(value))
            elif isinstance(value, int):
                lua.pushnumber(L, value)
            else:
                lua.createtable(L, 0, 8)
                for word in value:
                    lua.pushboolean(L, True)
                    lua.setfield(L, -2, word)
            lua.setfield(L, -2, <bytes>name)
        lua.pushlightuserdata(L, machine)
        lua.pushcclosure(L, redis_call, 1)
        lua.setfield(L, -2, b"call")
        lua.pushlightuserdata(L, machine)
        lua.pushcclosure(L, redis_pcall, 1)
        lua.setfield(L, -2, b"try")
        lua.pushlightuserdata(L, machine)
        lua.pushcclosure(L, acl_check_cmd, 1)
        lua.setfield(L, -2, b"acl_check_cmd")
        lua.pushlightuserdata(L, machine)
        lua.pushcclosure(L, setresp, 1)
        lua.setfield(L, -2, b"setresp")
        lua.pushlightuserdata(L, machine)
        lua.pushcclosure(L, set_repl, 1)
        lua.setfield(L, -2, b"set_repl")
        put_function(L, b"sha1hex", sha1hex)
        put_function(L, b"log", write_log)
        lend_sandbox(L)

    cpdef int compile(self, bytes code, bytes name) except -1:
        """Compile a script; its place in the registry."""
        cdef lua_State* L = self.L
        cdef size_t n
        cdef const char* why
        if code.startswith(b"\x1b"):
            raise ReplyError(f"{name[1:].decode()}: binary code is refused")
        if lua.loadbuffer(L, PyBytes_AS_STRING(code), PyBytes_GET_SIZE(code), name):
            why = lua.tolstring(L, -1, &n)
            text = why[:n].decode("latin-1")
            lua.settop(L, HANDLER)
            raise ReplyError(text)
        return lua.ref(L, REGISTRY)

    def forget(self, int code) -> None:
        """Give up what was compiled, or a function that was registered."""
        lua.unref(self.L, REGISTRY, code)

    cdef int push_words(self, Args a, Py_ssize_t first, Py_ssize_t n, bint as_globals) except -1:
        cdef lua_State* L = self.L
        cdef Py_ssize_t i
        lua.createtable(L, <int>n, 0)
        for i in range(n):
            lua.pushlstring(L, a.v[first + i].p, a.v[first + i].n)
            lua.rawseti(L, -2, <int>(i + 1))
        if as_globals:
            lua.setfield(L, -2, b"KEYS")
        first += n
        lua.createtable(L, <int>(a.n - first), 0)
        for i in range(a.n - first):
            lua.pushlstring(L, a.v[first + i].p, a.v[first + i].n)
            lua.rawseti(L, -2, <int>(i + 1))
        if as_globals:
            lua.setfield(L, -2, b"ARGV")
        return 0

    cdef bint run(self, int code, Args a, Py_ssize_t first, Py_ssize_t n, bint is_function,
                  Buf out, int resp) except -1:
        cdef lua_State* L = self.L
        cdef int failed
        self.failure = None
        if is_function:
            lua.rawgeti(L, REGISTRY, code)
            self.push_words(a, first, n, False)
            failed = lua.pcall(L, 2, 1, HANDLER)
        else:
            lua.rawgeti(L, REGISTRY, self.globals)
            self.push_words(a, first, n, True)
            lua.settop(L, HANDLER)
            lua.rawgeti(L, REGISTRY, code)
            failed = lua.pcall(L, 0, 1, HANDLER)
        if self.killed is not None:
            self.killed = None
            lua.sethook(L, on_count, MASKCOUNT, TICK)
        if self.failure is not None:
            lua.settop(L, HANDLER)
            failure, self.failure = self.failure, None
            raise failure
        if failed:
            self.take_error()
            return False
        if lua.type(L, -1) == TABLE and self.is_error():
            return False
        put_value(L, out, resp, self.client.resp == 3)
        return True

    def is_error(self) -> bool:
        """True if the table on top is an error that a script returns: then it is taken."""
        cdef lua_State* L = self.L
        lua.pushstring(L, b"err")
        lua.rawget(L, -2)
        failed = lua.type(L, -1) == STRING
        lua.settop(L, -2)
        if failed:
            self.take_error()
            self.place = b""
        return failed

    cdef int take_error(self) except -1:
        """The error on top, and the place it came from; the stack is as between two runs."""
        cdef lua_State* L = self.L
        self.place, self.counted = b"", False
        self.error = b"ERR execution failure"
        if lua.type(L, -1) == TABLE:
            lua.pushstring(L, b"err")
            lua.rawget(L, -2)
            if lua.type(L, -1) == STRING:
                self.error = lua.tolstring(L, -1, NULL)     # up to a zero byte, as there
            else:
                self.error = b"ERR unknown error"
            lua.settop(L, -2)
            lua.pushstring(L, b"ignore_error_stats_update")
            lua.rawget(L, -2)
            self.counted = lua.toboolean(L, -1)
            lua.settop(L, -2)
            lua.pushstring(L, b"source")
            lua.rawget(L, -2)
            lua.pushstring(L, b"line")
            lua.rawget(L, -3)
            if lua.type(L, -2) == STRING and lua.type(L, -1) == NUMBER:
                self.place = b" on %s:%d." % (
                    <bytes>lua.tolstring(L, -2, NULL), <int>lua.tonumber(L, -1))
        elif lua.type(L, -1) == STRING:
            self.error = b"ERR " + <bytes>lua.tolstring(L, -1, NULL)
        lua.settop(L, HANDLER)
        return 0

    def collect(self, bytes code, bytes name) -> dict:
        """Run a library's code; what it registers: name -> (place, flags, description)."""
        cdef lua_State* L = self.L
        cdef int failed, compiled
        try:
            compiled = self.compile(code, name)
        except ReplyError as error:
            raise ReplyError(f"ERR Error compiling function: {error}") from None
        lua.rawgeti(L, REGISTRY, self.begin_loading)
        lua.pcall(L, 0, 0, 0)
        lua.rawgeti(L, REGISTRY, compiled)
        self.failure = None
        failed = lua.pcall(L, 0, 0, HANDLER)
        self.forget(compiled)
        if self.killed is not None:
            self.killed = None
            lua.sethook(L, on_count, MASKCOUNT, TICK)
        if failed:
            self.take_error()
        lua.rawgeti(L, REGISTRY, self.end_loading)
        lua.pcall(L, 0, 1, 0)
        rows = {}
        lua.pushnil(L)
        while not failed and lua.next(L, -2):
            rows[self.text_at(-2)] = self.row()
            lua.settop(L, -2)
        lua.settop(L, HANDLER)
        if self.failure is not None:
            failure, self.failure = self.failure, None
            raise failure
        if failed:
            raise ReplyError(
                f"ERR Error registering functions: {self.error.decode('latin-1')}")
        return rows

    def text_at(self, int at) -> bytes | None:
        """The string at a place of the stack."""
        cdef size_t n
        cdef const char* s
        if lua.type(self.L, at) != STRING:
            return None
        s = lua.tolstring(self.L, at, &n)
        return s[:n]

    def row(self) -> tuple:
        """The registered function whose table is on top."""
        cdef lua_State* L = self.L
        cdef list flags = []
        lua.getfield(L, -1, b"description")
        description = self.text_at(-1)
        lua.settop(L, -2)
        lua.getfield(L, -1, b"flags")
        lua.pushnil(L)
        while lua.next(L, -2):
            flags.append(self.text_at(-1))
            lua.settop(L, -2)
        lua.settop(L, -2)
        lua.getfield(L, -1, b"callback")
        return lua.ref(L, REGISTRY), flags, description
