"""The library `cjson`, as lua-cjson 2.1 has it: what it accepts, what it refuses, in its words.

    encode  a value        ─► text        tables with keys from 1 on are arrays, the others objects
    decode  text           ─► value       null is a light userdata of address 0, `cjson.null`
    new     a library with settings of its own; the other functions read and change settings

It takes more than the standard's numbers (nan, inf, 0x1F, 010) unless `decode_invalid_numbers` is
off.  The text ends with its first zero byte.  Depth is bounded by settings, and by Lua's stack.
"""

from libc.limits cimport INT_MAX
from libc.math cimport floor, isfinite, isnan
from libc.stdio cimport snprintf
from libc.stdlib cimport strtod
from libc.string cimport memset, strncmp

from kvstore.lua.api cimport (
    BOOLEAN, LIGHTUSERDATA, NIL, NUMBER, STRING, TABLE, UPVALUE, lua, lua_CFunction,
)
from kvstore.lua.text cimport text, text_begin, text_char, text_put, text_room

cdef extern from "<strings.h>" nogil:
    int strncasecmp(const char*, const char*, size_t)


ctypedef const char* Word


cdef struct Settings:
    int sparse_convert, sparse_ratio, sparse_safe
    int encode_max_depth, decode_max_depth
    int encode_invalid, decode_invalid
    int precision
    int keep_buffer                    # told back; there is one buffer for all


cdef inline Settings* settings(lua_State* L) noexcept nogil:
    return <Settings*>lua.touserdata(L, UPVALUE - 1)


# ---------------------------------------------------------------------- encode

cdef void refuse(lua_State* L, int at, const char* why) noexcept nogil:
    lua.error(L, b"Cannot serialise %s: %s", lua.typename(L, lua.type(L, at)), why)


cdef void put_text(lua_State* L, int at) noexcept nogil:
    """The string at a place of the stack, quoted."""
    cdef size_t n, i
    cdef const char* s = lua.tolstring(L, at, &n)
    cdef char* out = text_room(L, n * 6 + 2)
    cdef unsigned char c
    cdef char short_form
    out[0] = c'"'
    out += 1
    for i in range(n):
        c = <unsigned char>s[i]
        if c >= 32 and c != c'"' and c != c"\\" and c != c"/" and c != 127:
            out[0] = <char>c
            out += 1
            continue
        short_form = 0
        if c == c'"' or c == c"\\" or c == c"/":
            short_form = <char>c
        elif c == 8:
            short_form = c"b"
        elif c == 9:
            short_form = c"t"
        elif c == 10:
            short_form = c"n"
        elif c == 12:
            short_form = c"f"
        elif c == 13:
            short_form = c"r"
        if short_form:
            out[0], out[1] = c"\\", short_form
            out += 2
        else:
            out += snprintf(out, 7, b"\\u%04x", <int>c)
    out[0] = c'"'
    text.n = out + 1 - text.p


cdef void put_number(lua_State* L, Settings* s, int at) noexcept nogil:
    cdef double value = lua.tonumber(L, at)
    if not isfinite(value):
        if s.encode_invalid == 0:
            refuse(L, at, b"must not be NaN or Inf")
        if s.encode_invalid == 2:
            text_put(L, b"null", 4)
            return
        if isnan(value):
            text_put(L, b"nan", 3)
            return
    text.n += snprintf(text_room(L, 32), 32, b"%.*g", s.precision, value)


cdef int array_length(lua_State* L, Settings* s) noexcept nogil:
    """The length of the table on top as an array; -1 if it is none."""
    cdef double key, longest = 0
    cdef int items = 0
    lua.pushnil(L)
    while lua.next(L, -2):
        key = lua.tonumber(L, -2) if lua.type(L, -2) == NUMBER else 0
        if key < 1 or floor(key) != key:
            lua.settop(L, -3)
            return -1
        longest = max(longest, key)
        items += 1
        lua.settop(L, -2)
    if longest > INT_MAX or (
            s.sparse_ratio > 0 and longest > <double>items * s.sparse_ratio
            and longest > s.sparse_safe):
        if not s.sparse_convert:
            refuse(L, -1, b"excessively sparse array")
        return -1
    return <int>longest


cdef void put_value(lua_State* L, Settings* s, int depth) noexcept nogil:
    """The value on top of the stack, which stays there."""
    cdef int kind = lua.type(L, -1)
    if kind == STRING:
        put_text(L, -1)
    elif kind == NUMBER:
        put_number(L, s, -1)
    elif kind == BOOLEAN:
        if lua.toboolean(L, -1):
            text_put(L, b"true", 4)
        else:
            text_put(L, b"false", 5)
    elif kind == TABLE:
        put_table(L, s, depth + 1)
    elif kind == NIL or (kind == LIGHTUSERDATA and lua.touserdata(L, -1) is NULL):
        text_put(L, b"null", 4)
    else:
        refuse(L, -1, b"type not supported")


cdef void put_table(lua_State* L, Settings* s, int depth) noexcept nogil:
    cdef int n, i, kind
    cdef bint first = True
    if depth > s.encode_max_depth or not lua.checkstack(L, 3):
        lua.error(L, b"Cannot serialise, excessive nesting (%d)", depth)
    n = array_length(L, s)
    if n > 0:
        text_char(L, c"[")
        for i in range(1, n + 1):
            if i > 1:
                text_char(L, c",")
            lua.rawgeti(L, -1, i)
            put_value(L, s, depth)
            lua.settop(L, -2)
        text_char(L, c"]")
        return
    text_char(L, c"{")
    lua.pushnil(L)
    while lua.next(L, -2):
        if not first:
            text_char(L, c",")
        first = False
        kind = lua.type(L, -2)
        if kind == NUMBER:
            text_char(L, c'"')
            put_number(L, s, -2)
            text_char(L, c'"')
        elif kind == STRING:
            put_text(L, -2)
        else:
            refuse(L, -2, b"table key must be a number or string")
        text_char(L, c":")
        put_value(L, s, depth)
        lua.settop(L, -2)
    text_char(L, c"}")


cdef int encode(lua_State* L) noexcept nogil:
    if lua.gettop(L) != 1:
        lua.argerror(L, 1, b"expected 1 argument")
    text_begin()
    put_value(L, settings(L), 0)
    lua.pushlstring(L, text.p, text.n)
    return 1


# ---------------------------------------------------------------------- decode

cdef enum Token:
    T_OBJECT, T_OBJECT_END, T_ARRAY, T_ARRAY_END, T_STRING, T_NUMBER, T_BOOLEAN, T_NULL, T_COLON
    T_COMMA, T_END, T_ERROR


cdef struct Parse:
    const char* start
    const char* p
    Settings* settings
    int depth
    Token token                        # the one that was read
    size_t at                          # where it begins
    double number                      # its value, also of a boolean
    const char* error                  # what is wrong with it


cdef const char* name_of(Parse* parse) noexcept nogil:
    cdef Token token = parse.token
    if token == T_OBJECT:
        return b"T_OBJ_BEGIN"
    if token == T_OBJECT_END:
        return b"T_OBJ_END"
    if token == T_ARRAY:
        return b"T_ARR_BEGIN"
    if token == T_ARRAY_END:
        return b"T_ARR_END"
    if token == T_STRING:
        return b"T_STRING"
    if token == T_NUMBER:
        return b"T_NUMBER"
    if token == T_BOOLEAN:
        return b"T_BOOLEAN"
    if token == T_NULL:
        return b"T_NULL"
    if token == T_COLON:
        return b"T_COLON"
    if token == T_COMMA:
        return b"T_COMMA"
    if token == T_END:
        return b"T_END"
    return parse.error


cdef void unexpected(lua_State* L, Parse* parse, const char* wanted) noexcept nogil:
    lua.error(L, b"Expected %s but found %s at character %d", wanted, name_of(parse),
              <int>(parse.at + 1))


cdef void damaged(Parse* parse, const char* why) noexcept nogil:
    parse.token = T_ERROR
    parse.error = why
    parse.at = parse.p - parse.start


cdef inline int hex4(const char* p) noexcept nogil:
    """Four hexadecimal digits, or -1."""
    cdef int value = 0, i
    cdef char c
    for i in range(4):
        c = p[i]
        if c"0" <= c <= c"9":
            value = value << 4 | (c - c"0")
        elif c"a" <= (c | 32) <= c"f":
            value = value << 4 | ((c | 32) - c"a" + 10)
        else:
            return -1
    return value


cdef bint put_escaped(lua_State* L, Parse* parse) noexcept nogil:
    """The character of \\uXXXX, or of two that are a pair, as UTF-8; False if it is none."""
    cdef int code = hex4(parse.p + 2), low
    cdef char* out
    cdef int used = 6
    if code < 0:
        return False
    if code & 0xF800 == 0xD800:
        if code & 0x400 or parse.p[6] != c"\\" or parse.p[7] != c"u":
            return False
        low = hex4(parse.p + 8)
        if low < 0 or low & 0xFC00 != 0xDC00:
            return False
        code = ((code & 0x3FF) << 10 | (low & 0x3FF)) + 0x10000
        used = 12
    out = text_room(L, 4)
    if code < 0x80:
        out[0] = <char>code
        text.n += 1
    elif code < 0x800:
        out[0], out[1] = <char>(0xC0 | code >> 6), <char>(0x80 | (code & 0x3F))
        text.n += 2
    elif code < 0x10000:
        out[0], out[1] = <char>(0xE0 | code >> 12), <char>(0x80 | (code >> 6 & 0x3F))
        out[2] = <char>(0x80 | (code & 0x3F))
        text.n += 3
    else:
        out[0], out[1] = <char>(0xF0 | code >> 18), <char>(0x80 | (code >> 12 & 0x3F))
        out[2], out[3] = <char>(0x80 | (code >> 6 & 0x3F)), <char>(0x80 | (code & 0x3F))
        text.n += 4
    parse.p += used
    return True


cdef inline char escaped(char c) noexcept nogil:
    """What a letter behind a backslash stands for; 0: nothing."""
    if c == c'"' or c == c"\\" or c == c"/":
        return c
    if c == c"b":
        return 8
    if c == c"t":
        return 9
    if c == c"n":
        return 10
    if c == c"f":
        return 12
    if c == c"r":
        return 13
    return 0


cdef void read_text(lua_State* L, Parse* parse) noexcept nogil:
    """A string into `text`; its opening quote is at hand."""
    cdef char c
    cdef const char* run
    text_begin()
    parse.p += 1
    while True:
        run = parse.p
        while parse.p[0] != c'"' and parse.p[0] != c"\\" and parse.p[0]:
            parse.p += 1
        if parse.p > run:
            text_put(L, run, parse.p - run)
        if parse.p[0] == c'"':
            break
        if not parse.p[0]:
            damaged(parse, b"unexpected end of string")
            return
        if parse.p[1] == c"u":
            if not put_escaped(L, parse):
                damaged(parse, b"invalid unicode escape code")
                return
            continue
        c = escaped(parse.p[1])
        if not c:
            damaged(parse, b"invalid escape code")
            return
        text_char(L, c)
        parse.p += 2
    parse.p += 1
    parse.token = T_STRING


cdef bint is_odd_number(const char* p) noexcept nogil:
    """True for a number that the standard does not have, though strtod takes it."""
    if p[0] == c"+":
        return True
    if p[0] == c"-":
        p += 1
    if p[0] == c"0":
        return p[1] | 32 == c"x" or c"0" <= p[1] <= c"9"
    if p[0] <= c"9":
        return False
    return strncasecmp(p, b"inf", 3) == 0 or strncasecmp(p, b"nan", 3) == 0


cdef void read_number(Parse* parse) noexcept nogil:
    cdef char* end
    parse.number = strtod(parse.p, &end)
    if end == parse.p:
        damaged(parse, b"invalid number")
        return
    parse.p = end
    parse.token = T_NUMBER


cdef void read_token(lua_State* L, Parse* parse) noexcept nogil:
    cdef char c
    while parse.p[0] == c" " or parse.p[0] == c"\t" or parse.p[0] == c"\n" or parse.p[0] == c"\r":
        parse.p += 1
    c = parse.p[0]
    parse.at = parse.p - parse.start
    if c == c'"':
        read_text(L, parse)
    elif c == c"-" or c"0" <= c <= c"9":
        if not parse.settings.decode_invalid and is_odd_number(parse.p):
            damaged(parse, b"invalid number")
        else:
            read_number(parse)
    elif c == 0:
        parse.token = T_END
    elif strncmp(parse.p, b"true", 4) == 0:
        parse.token, parse.number = T_BOOLEAN, 1
        parse.p += 4
    elif strncmp(parse.p, b"false", 5) == 0:
        parse.token, parse.number = T_BOOLEAN, 0
        parse.p += 5
    elif strncmp(parse.p, b"null", 4) == 0:
        parse.token = T_NULL
        parse.p += 4
    elif c == c"{" or c == c"}" or c == c"[" or c == c"]" or c == c":" or c == c",":
        parse.p += 1
        parse.token = T_OBJECT if c == c"{" else T_OBJECT_END if c == c"}" \
            else T_ARRAY if c == c"[" else T_ARRAY_END if c == c"]" \
            else T_COLON if c == c":" else T_COMMA
    elif parse.settings.decode_invalid and is_odd_number(parse.p):
        read_number(parse)
    else:
        damaged(parse, b"invalid token")


cdef void descend(lua_State* L, Parse* parse, int slots) noexcept nogil:
    parse.depth += 1
    if parse.depth > parse.settings.decode_max_depth or not lua.checkstack(L, slots):
        lua.error(L, b"Found too many nested data structures (%d) at character %d",
                  parse.depth, <int>(parse.p - parse.start))


cdef void push_array(lua_State* L, Parse* parse) noexcept nogil:
    cdef int i = 0
    descend(L, parse, 2)
    lua.createtable(L, 0, 0)
    read_token(L, parse)
    if parse.token != T_ARRAY_END:
        while True:
            push_value(L, parse)
            i += 1
            lua.rawseti(L, -2, i)
            read_token(L, parse)
            if parse.token == T_ARRAY_END:
                break
            if parse.token != T_COMMA:
                unexpected(L, parse, b"comma or array end")
            read_token(L, parse)
    parse.depth -= 1


cdef void push_object(lua_State* L, Parse* parse) noexcept nogil:
    descend(L, parse, 3)
    lua.createtable(L, 0, 0)
    read_token(L, parse)
    if parse.token != T_OBJECT_END:
        while True:
            if parse.token != T_STRING:
                unexpected(L, parse, b"object key string")
            lua.pushlstring(L, text.p, text.n)
            read_token(L, parse)
            if parse.token != T_COLON:
                unexpected(L, parse, b"colon")
            read_token(L, parse)
            push_value(L, parse)
            lua.rawset(L, -3)
            read_token(L, parse)
            if parse.token == T_OBJECT_END:
                break
            if parse.token != T_COMMA:
                unexpected(L, parse, b"comma or object end")
            read_token(L, parse)
    parse.depth -= 1


cdef void push_value(lua_State* L, Parse* parse) noexcept nogil:
    """The value that begins with the token that was read."""
    if parse.token == T_STRING:
        lua.pushlstring(L, text.p, text.n)
    elif parse.token == T_NUMBER:
        lua.pushnumber(L, parse.number)
    elif parse.token == T_BOOLEAN:
        lua.pushboolean(L, parse.number != 0)
    elif parse.token == T_NULL:
        lua.pushlightuserdata(L, NULL)
    elif parse.token == T_OBJECT:
        push_object(L, parse)
    elif parse.token == T_ARRAY:
        push_array(L, parse)
    else:
        unexpected(L, parse, b"value")


cdef int decode(lua_State* L) noexcept nogil:
    cdef Parse parse
    cdef size_t n
    if lua.gettop(L) != 1:
        lua.argerror(L, 1, b"expected 1 argument")
    parse.start = parse.p = lua.checklstring(L, 1, &n)
    parse.settings, parse.depth = settings(L), 0
    if n >= 2 and (not parse.p[0] or not parse.p[1]):
        lua.error(L, b"JSON parser does not support UTF-16 or UTF-32")
    read_token(L, &parse)
    push_value(L, &parse)
    read_token(L, &parse)
    if parse.token != T_END:
        unexpected(L, &parse, b"the end")
    return 1


# ---------------------------------------------------------------------- settings

cdef Settings* arguments(lua_State* L, int most) noexcept nogil:
    """Settings, after seeing to it that there are just so many arguments, though they be nil."""
    if lua.gettop(L) > most:
        lua.argerror(L, most + 1, b"found too many arguments")
    lua.settop(L, most)
    return settings(L)


cdef int number_option(lua_State* L, int i, int* option, int least, int most) noexcept nogil:
    """Set an option if it is given; push what it is."""
    cdef Py_ssize_t value
    cdef char[80] why
    if lua.type(L, i) != NIL:
        value = lua.checkinteger(L, i)
        if not least <= value <= most:
            snprintf(why, sizeof(why), b"expected integer between %d and %d", least, most)
            lua.argerror(L, 1, why)
        option[0] = <int>value
    lua.pushinteger(L, option[0])
    return 1


cdef int word_option(lua_State* L, int i, int* option) noexcept nogil:
    """off or false, on or true, null: set it if it is given; push what it is."""
    cdef Word[4] words = [b"off", b"on", b"null", NULL]
    if lua.type(L, i) == BOOLEAN:
        option[0] = lua.toboolean(L, i)
    elif lua.type(L, i) != NIL:
        option[0] = lua.checkoption(L, i, NULL, words)
    if option[0] == 2:
        lua.pushstring(L, b"null")
    else:
        lua.pushboolean(L, option[0])
    return 1


cdef int switch_option(lua_State* L, int i, int* option) noexcept nogil:
    """off or false, on or true: set it if it is given; push what it is."""
    cdef Word[3] words = [b"off", b"on", NULL]
    if lua.type(L, i) == BOOLEAN:
        option[0] = lua.toboolean(L, i)
    elif lua.type(L, i) != NIL:
        option[0] = lua.checkoption(L, i, NULL, words)
    lua.pushboolean(L, option[0])
    return 1


cdef int sparse_array(lua_State* L) noexcept nogil:
    cdef Settings* s = arguments(L, 3)
    switch_option(L, 1, &s.sparse_convert)
    number_option(L, 2, &s.sparse_ratio, 0, INT_MAX)
    number_option(L, 3, &s.sparse_safe, 0, INT_MAX)
    return 3


cdef int encode_max_depth(lua_State* L) noexcept nogil:
    return number_option(L, 1, &arguments(L, 1).encode_max_depth, 1, INT_MAX)


cdef int decode_max_depth(lua_State* L) noexcept nogil:
    return number_option(L, 1, &arguments(L, 1).decode_max_depth, 1, INT_MAX)


cdef int number_precision(lua_State* L) noexcept nogil:
    return number_option(L, 1, &arguments(L, 1).precision, 1, 14)


cdef int keep_buffer(lua_State* L) noexcept nogil:
    return switch_option(L, 1, &arguments(L, 1).keep_buffer)


cdef int encode_invalid_numbers(lua_State* L) noexcept nogil:
    return word_option(L, 1, &arguments(L, 1).encode_invalid)


cdef int decode_invalid_numbers(lua_State* L) noexcept nogil:
    return switch_option(L, 1, &arguments(L, 1).decode_invalid)


cdef void put(lua_State* L, const char* name, lua_CFunction function) noexcept nogil:
    """A function that shares the settings on top of the stack, into the table below them."""
    lua.pushvalue(L, -1)
    lua.pushcclosure(L, function, 1)
    lua.setfield(L, -3, name)


cdef int new(lua_State* L) noexcept nogil:
    """Push a library with settings of its own."""
    cdef Settings* s
    lua.createtable(L, 0, 16)
    s = <Settings*>lua.newuserdata(L, sizeof(Settings))
    memset(s, 0, sizeof(Settings))
    s.sparse_ratio, s.sparse_safe = 2, 10
    s.encode_max_depth = s.decode_max_depth = 1000
    s.decode_invalid = s.keep_buffer = 1
    s.precision = 14
    put(L, b"encode", encode)
    put(L, b"decode", decode)
    put(L, b"encode_sparse_array", sparse_array)
    put(L, b"encode_max_depth", encode_max_depth)
    put(L, b"decode_max_depth", decode_max_depth)
    put(L, b"encode_number_precision", number_precision)
    put(L, b"encode_keep_buffer", keep_buffer)
    put(L, b"encode_invalid_numbers", encode_invalid_numbers)
    put(L, b"decode_invalid_numbers", decode_invalid_numbers)
    put(L, b"new", new)
    lua.settop(L, -2)
    lua.pushlightuserdata(L, NULL)
    lua.setfield(L, -2, b"null")
    lua.pushstring(L, b"cjson")
    lua.setfield(L, -2, b"_NAME")
    lua.pushstring(L, b"2.1.0")
    lua.setfield(L, -2, b"_VERSION")
    return 1


cdef void open_json(lua_State* L) noexcept nogil:
    """Push the library."""
    new(L)
