from kvstore.lua.api cimport lua_State

cdef void open_struct(lua_State* L) noexcept nogil
