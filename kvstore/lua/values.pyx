"""Values across the border: replies of the engine to Lua values, Lua values to replies.

    reply                         Lua                     reply
    integer              ─►       number           ─►     integer, cut off
    bulk                 ─►       string           ─►     bulk
    nil                  ─►       false (RESP3: nil)  ─►  nil
                                  true             ─►     1
    status               ─►       {ok=}            ─►     status
    error                ─►       {err=}           ─►     error
    array                ─►       {1st, 2nd, ...}  ─►     array up to the first nil
    RESP3: double, map, set, big number, verbatim text, boolean
                         ─►       {double=}, {map=}, {set=}, {big_number=},
                                  {verbatim_string={format=, string=}}, boolean   ─►  the same

Booleans are booleans again for a script that has asked for RESP3 (`redis.setresp(3)`).  Replies come
from the engine itself and are whole.  Tables are read raw: a metatable's function could run code,
and fail, where nothing would catch it.
"""

from libc.stdint cimport int64_t
from libc.stdlib cimport strtod, strtoll
from libc.string cimport strlen

from kvstore.lua.api cimport BOOLEAN, NIL, NUMBER, STRING, TABLE, lua
from kvstore.resp cimport put_array, put_bulk, put_double, put_int, put_map, put_nil, put_set


# ---------------------------------------------------------------------- from the engine

cdef void push_error(lua_State* L, const char* p, size_t n) noexcept nogil:
    lua.createtable(L, 0, 2)
    lua.pushlstring(L, p, n)
    lua.setfield(L, -2, b"err")


cdef const char* push_items(lua_State* L, const char* p, int64_t n) noexcept nogil:
    cdef int64_t i
    lua.createtable(L, <int>n, 0)
    for i in range(1, n + 1):
        p = push_reply(L, p)
        lua.rawseti(L, -2, <int>i)
    return p


cdef const char* push_pairs(lua_State* L, const char* p, int64_t n, bint is_set) noexcept nogil:
    """{map = {key = value}} or {set = {member = true}}"""
    cdef int64_t _i
    lua.createtable(L, 0, 1)
    lua.createtable(L, 0, <int>n)
    for _i in range(n):
        p = push_reply(L, p)
        if is_set:
            lua.pushboolean(L, True)
        else:
            p = push_reply(L, p)
        if lua.type(L, -2) == NIL:
            lua.settop(L, -3)
        else:
            lua.rawset(L, -3)
    lua.setfield(L, -2, b"set" if is_set else b"map")
    return p


cdef const char* skip_attribute(lua_State* L, const char* p, int64_t n) noexcept nogil:
    """What is told about the reply that follows: a script does not get it."""
    cdef int64_t _i
    for _i in range(2 * n):
        p = push_reply(L, p)
        lua.settop(L, -2)
    return push_reply(L, p)


cdef const char* push_reply(lua_State* L, const char* p) noexcept nogil:
    cdef char kind = p[0]
    cdef const char* line = p + 1
    cdef char* end
    cdef const char* after
    cdef int64_t n
    lua.needstack(L, 4, b"too many nested replies")
    if kind == c"$" or kind == c"*" or kind == c"%" or kind == c"~" or kind == c"=" \
            or kind == c"|" or kind == c">":
        n = strtoll(line, &end, 10)
        p = end + 2
        if n < 0:
            lua.pushboolean(L, False)
        elif kind == c"$":
            lua.pushlstring(L, p, n)
            p += n + 2
        elif kind == c"%" or kind == c"~":
            p = push_pairs(L, p, n, kind == c"~")
        elif kind == c"=":
            lua.createtable(L, 0, 1)
            lua.createtable(L, 0, 2)
            lua.pushlstring(L, p, 3)
            lua.setfield(L, -2, b"format")
            lua.pushlstring(L, p + 4, n - 4)
            lua.setfield(L, -2, b"string")
            lua.setfield(L, -2, b"verbatim_string")
            p += n + 2
        elif kind == c"|":
            p = skip_attribute(L, p, n)
        else:
            p = push_items(L, p, n)
        return p
    if kind == c":":
        lua.pushnumber(L, <double>strtoll(line, &end, 10))
        return end + 2
    after = line
    while after[0] != c"\r":
        after += 1
    if kind == c"+":
        lua.createtable(L, 0, 1)
        lua.pushlstring(L, line, after - line)
        lua.setfield(L, -2, b"ok")
    elif kind == c"-":
        push_error(L, line, after - line)
        lua.pushboolean(L, True)       # the engine has counted it
        lua.setfield(L, -2, b"ignore_error_stats_update")
    elif kind == c",":
        lua.createtable(L, 0, 1)
        lua.pushnumber(L, strtod(line, NULL))
        lua.setfield(L, -2, b"double")
    elif kind == c"(":
        lua.createtable(L, 0, 1)
        lua.pushlstring(L, line, after - line)
        lua.setfield(L, -2, b"big_number")
    elif kind == c"#":
        lua.pushboolean(L, line[0] == c"t")
    else:
        lua.pushnil(L)
    return after + 2


# ---------------------------------------------------------------------- from a script

cdef int put_line(lua_State* L, Buf out, const char* mark) except -1:
    """The string on top, up to a zero byte, as a line; a line break inside would end it early."""
    cdef size_t i
    cdef const char* s = lua.tolstring(L, -1, NULL)
    cdef size_t n = strlen(s)
    cdef char* into
    while mark[0] == c"-" and n and (s[n - 1] == c"\r" or s[n - 1] == c"\n"):
        n -= 1
    out.put(mark, 1)
    into = out.room(n)
    for i in range(n):
        into[i] = c" " if s[i] == c"\r" or s[i] == c"\n" else s[i]
    out.n += n
    return out.put(b"\r\n", 2)


cdef bint has_field(lua_State* L, const char* name, int kind) noexcept:
    """Push a field of the table on top if it is of a kind."""
    lua.pushstring(L, name)
    lua.rawget(L, -2)
    if lua.type(L, -1) == kind:
        return True
    lua.settop(L, -2)
    return False


cdef int put_pairs(lua_State* L, Buf out, int resp, bint booleans,
                   bint is_set) except -1:
    """The table on top: its pairs, or only its keys."""
    cdef Py_ssize_t n = 0
    lua.pushnil(L)
    while lua.next(L, -2):
        n += 1
        lua.settop(L, -2)
    if is_set:
        put_set(out, n, resp)
    else:
        put_map(out, n, resp)
    lua.pushnil(L)
    while lua.next(L, -2):
        lua.pushvalue(L, -2)
        put_value(L, out, resp, booleans)
        if is_set:
            lua.settop(L, -2)
        else:
            put_value(L, out, resp, booleans)
    return 0


cdef bint put_verbatim(lua_State* L, Buf out, int resp) except -1:
    """{format=, string=}; False if it is anything less."""
    cdef size_t n, format_n
    cdef const char* s
    cdef const char* format
    if not has_field(L, b"format", STRING):
        return False
    format = lua.tolstring(L, -1, &format_n)
    lua.settop(L, -2)                  # the table still holds it
    if not has_field(L, b"string", STRING):
        return False
    s = lua.tolstring(L, -1, &n)
    if resp == 3:
        out.write(b"=%d\r\n" % (n + 4))
        out.put((<bytes>format[:format_n] + b"   ")[:3], 3)
        out.put(b":", 1)
        out.put(s, n)
        out.put(b"\r\n", 2)
    else:
        put_bulk(out, s, n)
    lua.settop(L, -2)
    return True


cdef int put_array_of(lua_State* L, Buf out, int resp, bint booleans) except -1:
    """The table on top: what it has from 1 on, up to the first nil."""
    cdef int n = 0, i
    while True:
        lua.rawgeti(L, -1, n + 1)
        if lua.type(L, -1) == NIL:
            break
        lua.settop(L, -2)
        n += 1
    lua.settop(L, -2)
    put_array(out, n)
    for i in range(1, n + 1):
        lua.rawgeti(L, -1, i)
        put_value(L, out, resp, booleans)
    return 0


cdef int put_table(lua_State* L, Buf out, int resp, bint booleans) except -1:
    cdef bint done
    if has_field(L, b"err", STRING):
        put_line(L, out, b"-")
    elif has_field(L, b"ok", STRING):
        put_line(L, out, b"+")
    elif has_field(L, b"double", NUMBER):
        put_double(out, lua.tonumber(L, -1), resp)
    elif has_field(L, b"map", TABLE):
        put_pairs(L, out, resp, booleans, False)
    elif has_field(L, b"set", TABLE):
        put_pairs(L, out, resp, booleans, True)
    elif has_field(L, b"big_number", STRING):
        put_big_number(L, out, resp)
    else:
        if has_field(L, b"verbatim_string", TABLE):
            done = put_verbatim(L, out, resp)
            lua.settop(L, -2)
            if done:
                return 0
        return put_array_of(L, out, resp, booleans)
    lua.settop(L, -2)                  # the field
    return 0


cdef int put_big_number(lua_State* L, Buf out, int resp) except -1:
    cdef size_t n
    cdef const char* s = lua.tolstring(L, -1, &n)
    cdef bytes shown = (<bytes>s[:n]).replace(b"\r", b" ").replace(b"\n", b" ")
    if resp != 3:
        return put_bulk(out, shown, len(shown))
    out.write(b"(" + shown)
    return out.put(b"\r\n", 2)


cdef int put_value(lua_State* L, Buf out, int resp, bint booleans) except -1:
    cdef int kind = lua.type(L, -1)
    cdef size_t n
    cdef const char* s
    if not lua.checkstack(L, 4):
        out.put(b"-ERR reached lua stack limit\r\n", 30)
    elif kind == STRING:
        s = lua.tolstring(L, -1, &n)
        put_bulk(out, s, n)
    elif kind == NUMBER:
        put_int(out, <int64_t>lua.tonumber(L, -1))
    elif kind == BOOLEAN:
        if booleans and resp == 3:
            out.put(b"#t\r\n" if lua.toboolean(L, -1) else b"#f\r\n", 4)
        elif booleans or lua.toboolean(L, -1):
            put_int(out, lua.toboolean(L, -1))
        else:
            put_nil(out, resp)
    elif kind == TABLE:
        put_table(L, out, resp, booleans)
    else:
        put_nil(out, resp)
    lua.settop(L, -2)
    return 0
