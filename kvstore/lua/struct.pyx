"""The library `struct`: values to bytes and back, by a format.

    > <   big, little endian          b B  1 byte      i I  4 bytes, or as many as follow
    !n    align to n, or 16           h H  2           l L  8             T  8
    x     a zero byte                 f d  4, 8        s    up to a zero byte
    cn    n bytes, or 1; c0: all of the string, or as many as the value before it said
    space nothing

Small letters have a sign.  Sizes are those of x86-64 on every machine.
"""

from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memchr, memcpy

from kvstore.lua.api cimport lua, put_function
from kvstore.lua.text cimport text, text_begin, text_char, text_put, text_room

cdef extern from "<ctype.h>" nogil:
    int isalnum(int)

cdef enum:
    LARGEST = 32                       # bytes of an integer
    ALIGNMENT = 16


cdef struct Layout:
    const char* p                      # what follows of the format
    bint little
    int align
    char code                          # of the item at hand
    size_t size
    bint lax                           # letters that mean nothing are passed over
    bint beyond                        # the data ended before this


cdef inline bint is_digit(char c) noexcept nogil:
    return c"0" <= c <= c"9"


cdef size_t number_or(lua_State* L, Layout* layout, size_t default) noexcept nogil:
    cdef size_t value = 0
    if not is_digit(layout.p[0]):
        return default
    while is_digit(layout.p[0]):
        if value > 214748363:
            lua.error(L, b"integral size overflow")
        value = value * 10 + (layout.p[0] - c"0")
        layout.p += 1
    return value


cdef void control(lua_State* L, Layout* layout) noexcept nogil:
    """What is no item: a byte order, an alignment, a space; or an error."""
    cdef size_t align
    if layout.code == c">":
        layout.little = False
    elif layout.code == c"<":
        layout.little = True
    elif layout.code == c"!":
        align = number_or(L, layout, ALIGNMENT)
        if align == 0 or align & (align - 1):
            lua.error(L, b"alignment %d is not a power of 2", <int>align)
        layout.align = <int>align
    elif layout.code != c" " and not (layout.lax and isalnum(layout.code)):
        lua.argerror(L, 1, lua.pushfstring(L, b"invalid format option '%c'", <int>layout.code))


cdef bint next_item(lua_State* L, Layout* layout) noexcept nogil:
    """The next item into `code` and `size`; False at the end of the format."""
    while layout.p[0]:
        layout.code = layout.p[0]
        layout.p += 1
        if layout.code in (c"b", c"B", c"x"):
            layout.size = 1
        elif layout.code in (c"h", c"H"):
            layout.size = 2
        elif layout.code in (c"l", c"L", c"T", c"d"):
            layout.size = 8
        elif layout.code == c"f":
            layout.size = 4
        elif layout.code == c"s":
            layout.size = 0
        elif layout.code == c"c":
            layout.size = number_or(L, layout, 1)
        elif layout.code in (c"i", c"I"):
            layout.size = number_or(L, layout, 4)
            if layout.size > LARGEST:
                lua.error(L, b"integral size %d is larger than limit of %d",
                          <int>layout.size, <int>LARGEST)
        else:
            if layout.beyond:
                lua.argerror(L, 2, b"data string too short")
            control(L, layout)
            continue
        return True
    return False


cdef size_t padding(Layout* layout, size_t at) noexcept nogil:
    """Bytes from there to where the item may begin."""
    cdef size_t align = layout.size
    if align == 0 or layout.code == c"c":
        return 0
    if align > <size_t>layout.align:
        align = layout.align
    return (align - (at & (align - 1))) & (align - 1)


# ---------------------------------------------------------------------- pack

cdef void put_integer(lua_State* L, Layout* layout, int arg) noexcept nogil:
    cdef double number = lua.checknumber(L, arg)
    cdef uint64_t value = <uint64_t><int64_t>number if number < 0 else <uint64_t>number
    cdef char* out = text_room(L, layout.size)
    cdef size_t i
    for i in range(layout.size):
        out[i if layout.little else layout.size - 1 - i] = <char>(value & 0xFF)
        value >>= 8
    text.n += layout.size


cdef void put_float(lua_State* L, Layout* layout, int arg) noexcept nogil:
    cdef double number = lua.checknumber(L, arg)
    cdef float single = <float>number
    cdef char[8] raw
    cdef size_t i
    cdef char* out = text_room(L, 8)
    if layout.code == c"f":
        memcpy(raw, &single, 4)
    else:
        memcpy(raw, &number, 8)
    for i in range(layout.size):
        out[i] = raw[i if layout.little else layout.size - 1 - i]
    text.n += layout.size


cdef void put_text(lua_State* L, Layout* layout, int arg) noexcept nogil:
    cdef size_t n
    cdef const char* s = lua.checklstring(L, arg, &n)
    if n < layout.size:
        lua.argerror(L, arg + 1, b"string too short")
    text_put(L, s, layout.size if layout.size else n)
    if layout.code == c"s":
        text_char(L, 0)


cdef int pack(lua_State* L) noexcept nogil:
    cdef Layout layout = [lua.checklstring(L, 1, NULL), True, 1, 0, 0, False, False]
    cdef int arg = 2
    cdef size_t _i
    lua.pushnil(L)                     # what a missing argument is
    text_begin()
    while next_item(L, &layout):
        for _i in range(padding(&layout, text.n)):
            text_char(L, 0)
        if layout.code == c"x":
            text_char(L, 0)
            continue
        if layout.code == c"c" or layout.code == c"s":
            put_text(L, &layout, arg)
        elif layout.code == c"f" or layout.code == c"d":
            put_float(L, &layout, arg)
        else:
            put_integer(L, &layout, arg)
        arg += 1
    lua.pushlstring(L, text.p, text.n)
    return 1


# ---------------------------------------------------------------------- unpack

cdef void push_integer(lua_State* L, Layout* layout, const char* p) noexcept nogil:
    cdef uint64_t value = 0, sign
    cdef size_t i
    for i in range(layout.size):
        value = value << 8 | <uint8_t>p[layout.size - 1 - i if layout.little else i]
    if layout.code & 32:               # a small letter
        sign = <uint64_t>-1 << ((layout.size * 8 - 1) & 63)
        if value & sign:
            value |= sign
        lua.pushnumber(L, <double><int64_t>value)
    else:
        lua.pushnumber(L, <double>value)


cdef void push_float(lua_State* L, Layout* layout, const char* p) noexcept nogil:
    cdef char[8] raw
    cdef float single
    cdef double number
    cdef size_t i
    for i in range(layout.size):
        raw[i] = p[i if layout.little else layout.size - 1 - i]
    if layout.code == c"f":
        memcpy(&single, raw, 4)
        lua.pushnumber(L, single)
    else:
        memcpy(&number, raw, 8)
        lua.pushnumber(L, number)


cdef size_t push_text(lua_State* L, Layout* layout, const char* p, size_t left,
                      int* found) noexcept nogil:
    """A string; how many bytes of the data it took."""
    cdef const char* end
    cdef size_t n = layout.size
    cdef double told
    if layout.code == c"s":
        end = <const char*>memchr(p, 0, left)
        if end is NULL:
            lua.error(L, b"unfinished string in data")
        lua.pushlstring(L, p, end - p)
        found[0] += 1
        return end - p + 1
    if n == 0:
        if found[0] == 0 or not lua.isnumber(L, -1):
            lua.error(L, b"format 'c0' needs a previous size")
        told = lua.tonumber(L, -1)
        if not 0 <= told <= left:
            lua.argerror(L, 2, b"data string too short")
        n = <size_t>told
        lua.settop(L, -2)
        found[0] -= 1
    lua.pushlstring(L, p, n)
    found[0] += 1
    return n


cdef int unpack(lua_State* L) noexcept nogil:
    """unpack(format, data [, from]): the values, and where the next byte is."""
    cdef Layout layout = [lua.checklstring(L, 1, NULL), True, 1, 0, 0, False, False]
    cdef size_t n
    cdef const char* data = lua.checklstring(L, 2, &n)
    cdef Py_ssize_t start = lua.optinteger(L, 3, 1)
    cdef size_t at
    cdef int found = 0
    if start <= 0:
        lua.argerror(L, 3, b"offset must be 1 or greater")
    at = start - 1
    layout.beyond = at > n
    while next_item(L, &layout):
        at += padding(&layout, at)
        if at > n or layout.size > n - at:
            lua.argerror(L, 2, b"data string too short")
        lua.needstack(L, 2, b"too many results")
        if layout.code == c"c" or layout.code == c"s":
            at += push_text(L, &layout, data + at, n - at, &found)
            continue
        if layout.code == c"f" or layout.code == c"d":
            push_float(L, &layout, data + at)
            found += 1
        elif layout.code != c"x":
            push_integer(L, &layout, data + at)
            found += 1
        at += layout.size
    lua.pushinteger(L, at + 1)
    return found + 1


cdef int size(lua_State* L) noexcept nogil:
    """size(format): bytes of what has a fixed size."""
    cdef Layout layout = [lua.checklstring(L, 1, NULL), True, 1, 0, 0, True, False]
    cdef size_t at = 0
    while next_item(L, &layout):
        at += padding(&layout, at)
        if layout.code == c"s":
            lua.argerror(L, 1, b"option 's' has no fixed size")
        elif layout.code == c"c" and layout.size == 0:
            lua.argerror(L, 1, b"option 'c0' has no fixed size")
        at += layout.size
    lua.pushinteger(L, at)
    return 1


cdef void open_struct(lua_State* L) noexcept nogil:
    """Push the library."""
    lua.createtable(L, 0, 3)
    put_function(L, b"pack", pack)
    put_function(L, b"unpack", unpack)
    put_function(L, b"size", size)
