from kvstore.lua.api cimport lua_State

cdef void open_json(lua_State* L) noexcept nogil
