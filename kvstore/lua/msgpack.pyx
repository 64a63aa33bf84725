"""The library `cmsgpack`, as lua-cmsgpack 0.4 has it: MessagePack without `bin` and `ext`.

    nil, boolean   as they are                   function, ...   nil
    number         the shortest integer that holds it, else a float if that keeps it, else a double
    string         str                           str             string
    table          an array if its keys are 1 to n, also when empty; else a map

Tables within MAX_NESTING tables are nil: a table that holds itself ends there.
"""

from libc.limits cimport INT_MAX
from libc.math cimport floor
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from kvstore.lua.api cimport BOOLEAN, NUMBER, STRING, TABLE, lua, put_function
from kvstore.lua.text cimport text, text_begin, text_put, text_room

cdef enum:
    MAX_NESTING = 16


# ---------------------------------------------------------------------- pack

cdef void put_tagged(lua_State* L, int tag, uint64_t value, int size) noexcept nogil:
    """A tag, and a big-endian number of so many bytes."""
    cdef char* out = text_room(L, 9)
    cdef int i
    out[0] = <char>tag
    for i in range(size):
        out[1 + i] = <char>(value >> 8 * (size - 1 - i))
    text.n += 1 + size


cdef void put_length(lua_State* L, size_t n, int short_tag, size_t shorts, int tag8, int tag16,
                     int tag32) noexcept nogil:
    """The head of something with a length; tag8 is 0 where there is no such form."""
    if n < shorts:
        put_tagged(L, short_tag | <int>n, 0, 0)
    elif n <= 0xFF and tag8:
        put_tagged(L, tag8, n, 1)
    elif n <= 0xFFFF:
        put_tagged(L, tag16, n, 2)
    else:
        put_tagged(L, tag32, n, 4)


cdef void put_integer(lua_State* L, int64_t n) noexcept nogil:
    if n >= 0:
        if n <= 127:
            put_tagged(L, <int>n, 0, 0)
        elif n <= 0xFF:
            put_tagged(L, 0xCC, n, 1)
        elif n <= 0xFFFF:
            put_tagged(L, 0xCD, n, 2)
        elif n <= <int64_t>0xFFFFFFFF:
            put_tagged(L, 0xCE, n, 4)
        else:
            put_tagged(L, 0xCF, n, 8)
    elif n >= -32:
        put_tagged(L, <int>(n & 0xFF), 0, 0)
    elif n >= -128:
        put_tagged(L, 0xD0, <uint64_t>n, 1)
    elif n >= -32768:
        put_tagged(L, 0xD1, <uint64_t>n, 2)
    elif n >= -2147483648:
        put_tagged(L, 0xD2, <uint64_t>n, 4)
    else:
        put_tagged(L, 0xD3, <uint64_t>n, 8)


cdef void put_number(lua_State* L, double value) noexcept nogil:
    cdef float single
    cdef uint32_t bits32
    cdef uint64_t bits64
    if -9.2e18 < value < 9.2e18 and <double><int64_t>value == value:
        put_integer(L, <int64_t>value)
        return
    single = <float>value
    if <double>single == value:
        memcpy(&bits32, &single, 4)
        put_tagged(L, 0xCA, bits32, 4)
    else:
        memcpy(&bits64, &value, 8)
        put_tagged(L, 0xCB, bits64, 8)


cdef int64_t array_length(lua_State* L) noexcept nogil:
    """The length of the table on top when it is an array; -1 - its entries when it is none."""
    cdef int64_t n = 0
    cdef double key, longest = 0
    cdef bint whole = True
    lua.pushnil(L)
    while lua.next(L, -2):
        lua.settop(L, -2)
        n += 1
        key = lua.tonumber(L, -1) if lua.type(L, -1) == NUMBER else 0
        if key < 1 or floor(key) != key:
            whole = False
        longest = max(longest, key)
    return n if whole and longest == n else -1 - n


cdef void put_value(lua_State* L, int level) noexcept nogil:
    """The value on top of the stack, which is taken from it."""
    cdef int kind = lua.type(L, -1)
    cdef size_t n
    cdef const char* s
    if kind == STRING:
        s = lua.tolstring(L, -1, &n)
        put_length(L, n, 0xA0, 32, 0xD9, 0xDA, 0xDB)
        text_put(L, s, n)
    elif kind == BOOLEAN:
        put_tagged(L, 0xC3 if lua.toboolean(L, -1) else 0xC2, 0, 0)
    elif kind == NUMBER:
        put_number(L, lua.tonumber(L, -1))
    elif kind == TABLE and level < MAX_NESTING:
        put_table(L, level)
    else:
        put_tagged(L, 0xC0, 0, 0)
    lua.settop(L, -2)


cdef void put_table(lua_State* L, int level) noexcept nogil:
    cdef int64_t n, i
    lua.needstack(L, 4, b"in function table_to_msgpack")
    n = array_length(L)
    if n >= 0:
        put_length(L, n, 0x90, 16, 0, 0xDC, 0xDD)
        for i in range(1, n + 1):
            lua.rawgeti(L, -1, <int>i)
            put_value(L, level + 1)
        return
    put_length(L, -1 - n, 0x80, 16, 0, 0xDE, 0xDF)
    lua.pushnil(L)
    while lua.next(L, -2):
        lua.pushvalue(L, -2)
        put_value(L, level + 1)
        put_value(L, level + 1)


cdef int pack(lua_State* L) noexcept nogil:
    """pack(value, ...): one after the other."""
    cdef int n = lua.gettop(L), i
    if n == 0:
        lua.argerror(L, 0, b"MessagePack pack needs input.")
    lua.needstack(L, 1, b"Too many arguments for MessagePack pack.")
    text_begin()
    for i in range(1, n + 1):
        lua.pushvalue(L, i)
        put_value(L, 0)
    lua.pushlstring(L, text.p, text.n)
    return 1


# ---------------------------------------------------------------------- unpack

cdef struct Input:
    const uint8_t* p
    size_t left


cdef const uint8_t* take(lua_State* L, Input* data, size_t n) noexcept nogil:
    """The next bytes; an error of the script when there are fewer."""
    cdef const uint8_t* p = data.p
    if data.left < n:
        lua.error(L, b"Missing bytes in input.")
    data.p += n
    data.left -= n
    return p


cdef uint64_t number_of(lua_State* L, Input* data, int size) noexcept nogil:
    """A big-endian number."""
    cdef const uint8_t* p = take(L, data, size)
    cdef uint64_t value = 0
    cdef int i
    for i in range(size):
        value = value << 8 | p[i]
    return value


cdef void push_text(lua_State* L, Input* data, size_t n) noexcept nogil:
    lua.pushlstring(L, <const char*>take(L, data, n), n)


cdef void push_array(lua_State* L, Input* data, size_t n) noexcept nogil:
    cdef size_t i
    lua.createtable(L, 0, 0)           # what the length promises need not be there
    lua.needstack(L, 1, b"in function mp_decode_to_lua_array")
    for i in range(1, n + 1):
        lua.pushnumber(L, <double>i)
        push_value(L, data)
        lua.settable(L, -3)


cdef void push_map(lua_State* L, Input* data, size_t n) noexcept nogil:
    cdef size_t _i
    lua.createtable(L, 0, 0)
    lua.needstack(L, 1, b"in function mp_decode_to_lua_hash")
    for _i in range(n):
        push_value(L, data)
        push_value(L, data)
        lua.settable(L, -3)


cdef void push_float(lua_State* L, Input* data) noexcept nogil:
    cdef uint32_t bits = <uint32_t>number_of(L, data, 4)
    cdef float value
    memcpy(&value, &bits, 4)
    lua.pushnumber(L, value)


cdef void push_double(lua_State* L, Input* data) noexcept nogil:
    cdef uint64_t bits = number_of(L, data, 8)
    cdef double value
    memcpy(&value, &bits, 8)
    lua.pushnumber(L, value)


cdef void push_value(lua_State* L, Input* data) noexcept nogil:
    """The next value of the input."""
    cdef int tag
    lua.needstack(
        L, 1, b"too many return values at once; use unpack_one or unpack_limit instead.")
    tag = take(L, data, 1)[0]
    if tag < 0x80:
        lua.pushnumber(L, tag)
    elif tag < 0x90:
        push_map(L, data, tag & 0xF)
    elif tag < 0xA0:
        push_array(L, data, tag & 0xF)
    elif tag < 0xC0:
        push_text(L, data, tag & 0x1F)
    elif tag >= 0xE0:
        lua.pushnumber(L, <int8_t>tag)
    elif tag == 0xC0:
        lua.pushnil(L)
    elif tag == 0xC2 or tag == 0xC3:
        lua.pushboolean(L, tag == 0xC3)
    elif tag == 0xCA:
        push_float(L, data)
    elif tag == 0xCB:
        push_double(L, data)
    elif tag == 0xCC:
        lua.pushnumber(L, <double>number_of(L, data, 1))
    elif tag == 0xCD:
        lua.pushnumber(L, <double>number_of(L, data, 2))
    elif tag == 0xCE:
        lua.pushnumber(L, <double>number_of(L, data, 4))
    elif tag == 0xCF:
        lua.pushnumber(L, <double>number_of(L, data, 8))
    elif tag == 0xD0:
        lua.pushnumber(L, <int8_t>number_of(L, data, 1))
    elif tag == 0xD1:
        lua.pushnumber(L, <int16_t>number_of(L, data, 2))
    elif tag == 0xD2:
        lua.pushnumber(L, <int32_t>number_of(L, data, 4))
    elif tag == 0xD3:
        lua.pushnumber(L, <double><int64_t>number_of(L, data, 8))
    elif tag == 0xD9:
        push_text(L, data, number_of(L, data, 1))
    elif tag == 0xDA:
        push_text(L, data, number_of(L, data, 2))
    elif tag == 0xDB:
        push_text(L, data, number_of(L, data, 4))
    elif tag == 0xDC:
        push_array(L, data, number_of(L, data, 2))
    elif tag == 0xDD:
        push_array(L, data, number_of(L, data, 4))
    elif tag == 0xDE:
        push_map(L, data, number_of(L, data, 2))
    elif tag == 0xDF:
        push_map(L, data, number_of(L, data, 4))
    else:
        lua.error(L, b"Bad data format in input.")


cdef int unpack_some(lua_State* L, Py_ssize_t most, Py_ssize_t start) noexcept nogil:
    """Push up to `most` values from an offset on, before them where to go on, -1 at the end.

    Neither limit nor offset: all values, and nothing before them.
    """
    cdef size_t n
    cdef Input data
    cdef Py_ssize_t found = 0
    cdef bint everything = most == 0 and start == 0
    data.p = <const uint8_t*>lua.checklstring(L, 1, &n)
    if start < 0 or most < 0:
        lua.error(L, b"Invalid request to unpack with offset of %d and limit of %d.",
                  <int>start, <int>n)
    if <size_t>start > n:
        lua.error(L, b"Start offset %d greater than input length %d.", <int>start, <int>n)
    if everything:
        most = INT_MAX
    data.p += start
    data.left = n - start
    while data.left and found < most:
        push_value(L, &data)
        found += 1
    if everything:
        return <int>found
    lua.needstack(
        L, 1, b"too many return values at once; use unpack_one or unpack_limit instead.")
    lua.pushnumber(L, -1 if data.left == 0 else <double>(n - data.left))
    lua.insert(L, 2)
    return <int>found + 1


cdef int unpack(lua_State* L) noexcept nogil:
    """unpack(data): all values."""
    return unpack_some(L, 0, 0)


cdef int unpack_one(lua_State* L) noexcept nogil:
    """unpack_one(data [, offset])"""
    cdef Py_ssize_t start = lua.optinteger(L, 2, 0)
    lua.settop(L, 1)
    return unpack_some(L, 1, start)


cdef int unpack_limit(lua_State* L) noexcept nogil:
    """unpack_limit(data, limit [, offset])"""
    cdef Py_ssize_t most = lua.checkinteger(L, 2)
    cdef Py_ssize_t start = lua.optinteger(L, 3, 0)
    lua.settop(L, 1)
    return unpack_some(L, most, start)


cdef void open_msgpack(lua_State* L) noexcept nogil:
    """Push the library."""
    lua.createtable(L, 0, 8)
    put_function(L, b"pack", pack)
    put_function(L, b"unpack", unpack)
    put_function(L, b"unpack_one", unpack_one)
    put_function(L, b"unpack_limit", unpack_limit)
    lua.pushstring(L, b"cmsgpack")
    lua.setfield(L, -2, b"_NAME")
    lua.pushstring(L, b"lua-cmsgpack 0.4.0")
    lua.setfield(L, -2, b"_VERSION")
    lua.pushstring(L, b"MessagePack for Lua, with the functions of lua-cmsgpack")
    lua.setfield(L, -2, b"_DESCRIPTION")
