from libc.string cimport memcpy

from kvstore.lua.api cimport lua_State


cdef struct Text:
    char* p
    size_t n, cap

# What the libraries write their results into.
cdef Text text

cdef void text_begin() noexcept nogil
cdef void text_grow(lua_State* L, size_t n) noexcept nogil


cdef inline char* text_room(lua_State* L, size_t n) noexcept nogil:
    """n writable bytes behind the last one; an error of the script if there are none."""
    if text.n + n > text.cap:
        text_grow(L, n)
    return text.p + text.n


cdef inline void text_put(lua_State* L, const char* s, size_t n) noexcept nogil:
    memcpy(text_room(L, n), s, n)
    text.n += n


cdef inline void text_char(lua_State* L, char c) noexcept nogil:
    text_room(L, 1)[0] = c
    text.n += 1
