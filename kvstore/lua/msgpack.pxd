from kvstore.lua.api cimport lua_State

cdef void open_msgpack(lua_State* L) noexcept nogil
