"""The library `bit`: operations on the low 32 bits of numbers, results with a sign.

A number is rounded to an integer, half to even, and taken modulo 2^32.
"""

from libc.stdint cimport int32_t, int64_t, uint32_t

from kvstore.lua.api cimport lua, put_function

# Added to a double, it leaves the integer part in the low bits of the mantissa.
cdef double ROUNDING = 6755399441055744.0

cdef union Number:
    double d
    int64_t bits


cdef inline uint32_t argument(lua_State* L, int i) noexcept nogil:
    cdef Number number
    number.d = lua.checknumber(L, i) + ROUNDING
    return <uint32_t>number.bits


cdef inline int result(lua_State* L, uint32_t value) noexcept nogil:
    lua.pushnumber(L, <double><int32_t>value)
    return 1


cdef int tobit(lua_State* L) noexcept nogil:
    return result(L, argument(L, 1))


cdef int bnot(lua_State* L) noexcept nogil:
    return result(L, ~argument(L, 1))


cdef int band(lua_State* L) noexcept nogil:
    cdef uint32_t value = argument(L, 1)
    cdef int i
    for i in range(2, lua.gettop(L) + 1):
        value &= argument(L, i)
    return result(L, value)


cdef int bor(lua_State* L) noexcept nogil:
    cdef uint32_t value = argument(L, 1)
    cdef int i
    for i in range(2, lua.gettop(L) + 1):
        value |= argument(L, i)
    return result(L, value)


cdef int bxor(lua_State* L) noexcept nogil:
    cdef uint32_t value = argument(L, 1)
    cdef int i
    for i in range(2, lua.gettop(L) + 1):
        value ^= argument(L, i)
    return result(L, value)


cdef int lshift(lua_State* L) noexcept nogil:
    cdef uint32_t value = argument(L, 1)
    return result(L, value << (argument(L, 2) & 31))


cdef int rshift(lua_State* L) noexcept nogil:
    cdef uint32_t value = argument(L, 1)
    return result(L, value >> (argument(L, 2) & 31))


cdef int arshift(lua_State* L) noexcept nogil:
    cdef int32_t value = <int32_t>argument(L, 1)
    return result(L, <uint32_t>(value >> (argument(L, 2) & 31)))


cdef inline uint32_t turned(uint32_t value, uint32_t left) noexcept nogil:
    return value << (left & 31) | value >> (-left & 31)


cdef int rol(lua_State* L) noexcept nogil:
    cdef uint32_t value = argument(L, 1)
    return result(L, turned(value, argument(L, 2)))


cdef int ror(lua_State* L) noexcept nogil:
    cdef uint32_t value = argument(L, 1)
    return result(L, turned(value, 0 - argument(L, 2)))


cdef int bswap(lua_State* L) noexcept nogil:
    cdef uint32_t value = argument(L, 1)
    return result(L, value >> 24 | (value >> 8 & 0xFF00) | (value & 0xFF00) << 8 | value << 24)


cdef int tohex(lua_State* L) noexcept nogil:
    """The last digits, 8 or as many as asked for; capitals for a negative number of them."""
    cdef uint32_t value = argument(L, 1)
    cdef int32_t n = 8 if lua.type(L, 2) <= 0 else <int32_t>argument(L, 2)
    cdef const char* digits = b"0123456789abcdef"
    cdef char[8] out
    cdef int i
    if n < 0:
        digits = b"0123456789ABCDEF"
        n = -n if n > -8 else 8
    n = min(n, 8)
    for i in range(n - 1, -1, -1):
        out[i] = digits[value & 15]
        value >>= 4
    lua.pushlstring(L, out, n)
    return 1


cdef void open_bit(lua_State* L) noexcept nogil:
    """Push the library."""
    lua.createtable(L, 0, 12)
    put_function(L, b"tobit", tobit)
    put_function(L, b"bnot", bnot)
    put_function(L, b"band", band)
    put_function(L, b"bor", bor)
    put_function(L, b"bxor", bxor)
    put_function(L, b"lshift", lshift)
    put_function(L, b"rshift", rshift)
    put_function(L, b"arshift", arshift)
    put_function(L, b"rol", rol)
    put_function(L, b"ror", ror)
    put_function(L, b"bswap", bswap)
    put_function(L, b"tohex", tohex)
