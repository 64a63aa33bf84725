"""Lua's C interface, from the library that lupa carries.

lupa's wheel holds Lua 5.1 in the extension `lupa.lua51` and exports its functions.  They are looked
up there by name, once, so that neither building nor running needs Lua's headers or a Lua of the
system.  `lua.pushnil(L)` is then `lua_pushnil(L)`.

What to know when calling them: an error of Lua is a longjmp to the innermost `pcall`, past every C
frame between.  So a function that may raise one holds no reference to a Python object and has no
`try` meanwhile, in its own frame or in a caller's up to the `pcall`.  All of this package but
`machine` keeps to C types for that reason.
"""

NAMES = (
    "luaL_newstate", "luaL_loadbuffer", "luaL_error", "luaL_argerror", "luaL_checklstring",
    "luaL_checknumber", "luaL_checkinteger", "luaL_optinteger", "luaL_checkoption",
    "luaL_checktype", "luaL_checkstack", "luaL_where", "luaL_ref", "luaL_unref",
    "lua_call", "lua_close", "lua_checkstack", "lua_concat", "lua_createtable", "lua_gc", "lua_getfield",
    "lua_getinfo", "lua_getlocal", "lua_getmetatable", "lua_getstack", "lua_gettop", "lua_insert",
    "lua_isnumber",
    "lua_newuserdata", "lua_next", "lua_objlen", "lua_pcall", "lua_pushboolean", "lua_pushcclosure",
    "lua_pushfstring", "lua_pushinteger", "lua_pushlightuserdata", "lua_pushlstring",
    "lua_pushnil", "lua_pushnumber", "lua_pushstring", "lua_pushvalue", "lua_rawget",
    "lua_rawgeti", "lua_rawset", "lua_rawseti", "lua_remove", "lua_replace", "lua_setfield",
    "lua_sethook", "lua_setmetatable", "lua_settable", "lua_settop", "lua_error", "lua_toboolean",
    "lua_tocfunction", "lua_tolstring", "lua_tonumber", "lua_topointer", "lua_touserdata", "lua_type",
    "lua_typename", "luaopen_base", "luaopen_table", "luaopen_string",
    "luaopen_math",
)


cdef bint found = False


cdef int find() except -1:
    """Fill the table of functions, unless it is; it takes 5 ms, which no start should wait for."""
    global found
    if found:
        return 0
    import ctypes

    from lupa import lua51

    cdef void** slots = <void**>&lua
    cdef Py_ssize_t i
    cdef size_t address
    assert len(NAMES) * sizeof(void*) == sizeof(Lua), "NAMES and the struct differ"
    library = ctypes.PyDLL(lua51.__file__)
    for i, name in enumerate(NAMES):
        try:
            address = ctypes.cast(getattr(library, name), ctypes.c_void_p).value
        except AttributeError:
            raise ImportError(
                f"{lua51.__file__} does not export {name}: scripts need lupa's wheel, "
                "or a build of lupa that carries Lua 5.1") from None
        slots[i] = <void*>address
    found = True
    return 0


cdef void put_function(lua_State* L, const char* name, lua_CFunction function) noexcept nogil:
    lua.pushcclosure(L, function, 0)
    lua.setfield(L, -2, name)
