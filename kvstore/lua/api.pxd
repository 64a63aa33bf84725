cdef extern from *:
    """
    typedef struct lua_State lua_State;
    typedef int (*lua_CFunction)(lua_State *L);

    typedef struct lua_Debug {
        int event;
        const char *name;
        const char *namewhat;
        const char *what;
        const char *source;
        int currentline;
        int nups;
        int linedefined;
        int lastlinedefined;
        char rest[256];                 /* short_src, whose length a build may choose, and i_ci */
    } lua_Debug;

    typedef void (*lua_Hook)(lua_State *L, lua_Debug *ar);
    """
    ctypedef struct lua_State:
        pass
    ctypedef int (*lua_CFunction)(lua_State*) noexcept
    ctypedef int (*Bare "lua_CFunction")(lua_State*) noexcept nogil
    ctypedef struct lua_Debug:
        int event
        const char* name
        const char* what
        const char* source
        int currentline
    ctypedef void (*lua_Hook)(lua_State*, lua_Debug*) noexcept


cdef enum:
    HOOKCOUNT = 3                  # `event` of a hook: so many instructions were run
    REGISTRY = -10000
    GLOBALS = -10002
    UPVALUE = -10002               # less i: the i-th value a C function was made with
    MULTRET = -1
    MASKLINE = 4
    MASKCOUNT = 8
    GC_COLLECT = 2
    GC_COUNT = 3
    GC_SETPAUSE = 6


cdef enum Type:
    NONE = -1
    NIL = 0
    BOOLEAN = 1
    LIGHTUSERDATA = 2
    NUMBER = 3
    STRING = 4
    TABLE = 5
    FUNCTION = 6
    USERDATA = 7
    THREAD = 8


# In the order of `api.NAMES`.
cdef struct Lua:
    lua_State* (*newstate)() noexcept nogil
    int (*loadbuffer)(lua_State*, const char*, size_t, const char*) noexcept nogil
    int (*error)(lua_State*, const char*, ...) noexcept nogil
    int (*argerror)(lua_State*, int, const char*) noexcept nogil
    const char* (*checklstring)(lua_State*, int, size_t*) noexcept nogil
    double (*checknumber)(lua_State*, int) noexcept nogil
    Py_ssize_t (*checkinteger)(lua_State*, int) noexcept nogil
    Py_ssize_t (*optinteger)(lua_State*, int, Py_ssize_t) noexcept nogil
    int (*checkoption)(lua_State*, int, const char*, const char**) noexcept nogil
    void (*checktype)(lua_State*, int, int) noexcept nogil
    void (*needstack)(lua_State*, int, const char*) noexcept nogil
    void (*where)(lua_State*, int) noexcept nogil
    int (*ref)(lua_State*, int) noexcept nogil
    void (*unref)(lua_State*, int, int) noexcept nogil

    void (*call)(lua_State*, int, int) noexcept nogil
    void (*close)(lua_State*) noexcept nogil
    int (*checkstack)(lua_State*, int) noexcept nogil
    void (*concat)(lua_State*, int) noexcept nogil
    void (*createtable)(lua_State*, int, int) noexcept nogil
    int (*gc)(lua_State*, int, int) noexcept nogil
    void (*getfield)(lua_State*, int, const char*) noexcept nogil
    int (*getinfo)(lua_State*, const char*, lua_Debug*) noexcept nogil
    const char* (*getlocal)(lua_State*, const lua_Debug*, int) noexcept nogil
    int (*getmetatable)(lua_State*, int) noexcept nogil
    int (*getstack)(lua_State*, int, lua_Debug*) noexcept nogil
    int (*gettop)(lua_State*) noexcept nogil
    void (*insert)(lua_State*, int) noexcept nogil
    int (*isnumber)(lua_State*, int) noexcept nogil
    void* (*newuserdata)(lua_State*, size_t) noexcept nogil
    int (*next)(lua_State*, int) noexcept nogil
    size_t (*objlen)(lua_State*, int) noexcept nogil
    int (*pcall)(lua_State*, int, int, int) noexcept nogil
    void (*pushboolean)(lua_State*, int) noexcept nogil
    void (*pushcclosure)(lua_State*, lua_CFunction, int) noexcept nogil
    const char* (*pushfstring)(lua_State*, const char*, ...) noexcept nogil
    void (*pushinteger)(lua_State*, Py_ssize_t) noexcept nogil
    void (*pushlightuserdata)(lua_State*, void*) noexcept nogil
    void (*pushlstring)(lua_State*, const char*, size_t) noexcept nogil
    void (*pushnil)(lua_State*) noexcept nogil
    void (*pushnumber)(lua_State*, double) noexcept nogil
    void (*pushstring)(lua_State*, const char*) noexcept nogil
    void (*pushvalue)(lua_State*, int) noexcept nogil
    void (*rawget)(lua_State*, int) noexcept nogil
    void (*rawgeti)(lua_State*, int, int) noexcept nogil
    void (*rawset)(lua_State*, int) noexcept nogil
    void (*rawseti)(lua_State*, int, int) noexcept nogil
    void (*remove)(lua_State*, int) noexcept nogil
    void (*replace)(lua_State*, int) noexcept nogil
    void (*setfield)(lua_State*, int, const char*) noexcept nogil
    int (*sethook)(lua_State*, lua_Hook, int, int) noexcept nogil
    int (*setmetatable)(lua_State*, int) noexcept nogil
    void (*settable)(lua_State*, int) noexcept nogil
    void (*settop)(lua_State*, int) noexcept nogil
    int (*raise_)(lua_State*) noexcept nogil
    int (*toboolean)(lua_State*, int) noexcept nogil
    Bare (*tocfunction)(lua_State*, int) noexcept nogil
    const char* (*tolstring)(lua_State*, int, size_t*) noexcept nogil
    double (*tonumber)(lua_State*, int) noexcept nogil
    const void* (*topointer)(lua_State*, int) noexcept nogil
    void* (*touserdata)(lua_State*, int) noexcept nogil
    int (*type)(lua_State*, int) noexcept nogil
    const char* (*typename)(lua_State*, int) noexcept nogil
    Bare open_base
    Bare open_table
    Bare open_string
    Bare open_math

cdef Lua lua

# Look the functions up: before anything else is called.
cdef int find() except -1

# A table on top of the stack gets a function under a name.
cdef void put_function(lua_State* L, const char* name, lua_CFunction function) noexcept nogil
