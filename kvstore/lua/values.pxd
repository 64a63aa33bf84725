from bedrock.net.buf cimport Buf
from kvstore.lua.api cimport lua_State

# Push the reply at p; where it ends.
cdef const char* push_reply(lua_State* L, const char* p) noexcept nogil

# Push an error as scripts see it: a table with the text in `err`.
cdef void push_error(lua_State* L, const char* p, size_t n) noexcept nogil

# Append the value on top of the stack as a reply, and take it off; `booleans`: as such.
cdef int put_value(lua_State* L, Buf out, int resp, bint booleans) except -1
