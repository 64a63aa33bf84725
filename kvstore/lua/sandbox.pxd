from kvstore.lua.api cimport lua_State

# Add what the prelude needs to the table on top, and the table `frozen`: shown -> real.
cdef void lend_sandbox(lua_State* L) noexcept nogil
