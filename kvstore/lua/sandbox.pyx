"""What the prelude builds the world of scripts with: tables that do not change, and functions of Lua's
own that need another form.

A frozen table is an empty one that leads to the real one by its metatable.  Lua's functions that work
on a table itself, past its metatable, are told apart: those that change it refuse (`guarding`), those
that only look are given the real one (`seeing`).
"""

from libc.stdint cimport INT32_MAX, int32_t, int64_t

from kvstore.lua.api cimport (
    MULTRET, NIL, NUMBER, STRING, TABLE, UPVALUE, lua, lua_CFunction, put_function,
)


cdef int pcall(lua_State* L) noexcept nogil:
    """Lua's, but of an error that is a table only the text is told."""
    if lua.gettop(L) == 0:
        lua.argerror(L, 1, b"value expected")
    if lua.pcall(L, lua.gettop(L) - 1, MULTRET, 0) == 0:
        lua.pushboolean(L, True)
    else:
        if lua.type(L, -1) == TABLE:
            lua.getfield(L, -1, b"err")
            if lua.type(L, -1) == STRING or lua.type(L, -1) == NUMBER:
                lua.replace(L, -2)
            else:
                lua.settop(L, -2)
        lua.pushboolean(L, False)
    lua.insert(L, 1)
    return lua.gettop(L)


cdef int unpack(lua_State* L) noexcept nogil:
    """Lua's, which does not survive bounds that are too far apart for an int."""
    cdef int64_t first, last, i
    lua.checktype(L, 1, TABLE)
    first = lua.optinteger(L, 2, 1)
    if lua.type(L, 3) <= NIL:
        last = <int64_t>lua.objlen(L, 1)
    else:
        last = lua.checkinteger(L, 3)
    first, last = <int32_t>first, <int32_t>last
    if first > last:
        return 0
    if last - first >= INT32_MAX or not lua.checkstack(L, <int>(last - first + 1)):
        lua.error(L, b"too many results to unpack")
    for i in range(first, last + 1):
        lua.rawgeti(L, 1, <int>i)
    return <int>(last - first + 1)


# ---------------------------------------------------------------------- tables that do not change

cdef bint is_frozen(lua_State* L) noexcept nogil:
    """Push what the first argument, a frozen table, shows; or nothing."""
    if lua.type(L, 1) != TABLE or not lua.getmetatable(L, 1):
        return False
    lua.settop(L, -2)
    lua.pushvalue(L, 1)
    lua.rawget(L, UPVALUE - 1)
    if lua.type(L, -1) == TABLE:
        return True
    lua.settop(L, -2)
    return False


cdef int guarded(lua_State* L) noexcept nogil:
    """The function in upvalue 2, unless its first argument is frozen."""
    if is_frozen(L):
        lua.pushstring(L, b"Attempt to modify a readonly table")
        return lua.raise_(L)
    return lua.tocfunction(L, UPVALUE - 2)(L)


cdef int seeing(lua_State* L) noexcept nogil:
    """The function in upvalue 2, with what a frozen table shows in its place."""
    if is_frozen(L):
        lua.replace(L, 1)
    return lua.tocfunction(L, UPVALUE - 2)(L)


cdef void push_variant(lua_State* L, lua_CFunction function) noexcept nogil:
    lua.pushvalue(L, UPVALUE - 1)      # the frozen tables
    lua.pushvalue(L, 1)
    lua.pushcclosure(L, function, 2)


cdef int through(lua_State* L) noexcept nogil:
    """The function in the upvalue; unlike a Lua function, its caller keeps its place when it
    returns what this returns, so that an error can name the caller's line."""
    cdef int n = lua.gettop(L)
    lua.pushvalue(L, UPVALUE - 1)
    lua.insert(L, 1)
    lua.call(L, n, MULTRET)
    return lua.gettop(L)


cdef int make_native(lua_State* L) noexcept nogil:
    lua.settop(L, 1)
    lua.pushcclosure(L, through, 1)
    return 1


cdef int make_guarded(lua_State* L) noexcept nogil:
    push_variant(L, guarded)
    return 1


cdef int make_seeing(lua_State* L) noexcept nogil:
    push_variant(L, seeing)
    return 1


cdef int make_pairs(lua_State* L) noexcept nogil:
    """`pairs` with another `next`, its upvalue."""
    lua.settop(L, 2)
    lua.pushcclosure(L, lua.tocfunction(L, 1), 1)
    return 1


cdef void lend_sandbox(lua_State* L) noexcept nogil:
    put_function(L, b"pcall", pcall)
    put_function(L, b"unpack", unpack)
    put_function(L, b"native", make_native)
    put_function(L, b"walking", make_pairs)
    lua.createtable(L, 0, 16)
    lua.pushvalue(L, -1)
    lua.pushcclosure(L, make_guarded, 1)
    lua.setfield(L, -3, b"guarding")
    lua.pushvalue(L, -1)
    lua.pushcclosure(L, make_seeing, 1)
    lua.setfield(L, -3, b"seeing")
    lua.setfield(L, -2, b"frozen")
