"""The text that a library's function writes before it is a string of Lua.

There is one, for a function that fails is left by a jump, and could not free its own.  The
functions that use it call nothing of a script's, so they never use it at the same time.
"""

from libc.stdlib cimport free, realloc

from kvstore.lua.api cimport lua

cdef enum:
    SMALLEST = 1024
    KEPT = 1 << 20                     # what is larger goes back when the next text begins


cdef void text_begin() noexcept nogil:
    """Start anew."""
    text.n = 0
    if text.cap > KEPT:
        free(text.p)
        text.p, text.cap = NULL, 0


cdef void text_grow(lua_State* L, size_t n) noexcept nogil:
    cdef size_t want = text.cap * 2 if text.cap else SMALLEST
    cdef char* grown
    while want < text.n + n:
        want *= 2
    grown = <char*>realloc(text.p, want)
    if grown is NULL:
        lua.error(L, b"not enough memory")
    text.p, text.cap = grown, want
