"""Lua 5.1 inside the server: its C interface, a machine for scripts, and the libraries they find.

    api        the functions of Lua's C interface, found in the library that lupa carries
    machine    a Lua state for scripts: how one runs, what `redis.call` does, how one is stopped
    values     replies to Lua values and back
    sandbox    tables that do not change, and how Lua's own functions treat them
    json  msgpack  struct  bits    cjson, cmsgpack, struct and bit
    prelude.lua    the world a script sees, which it cannot change
"""
