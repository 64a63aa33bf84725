from kvstore.lua.api cimport lua_State

cdef void open_bit(lua_State* L) noexcept nogil
