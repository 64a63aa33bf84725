"""kvstore: a Redis 7.0 compatible server, and the same engine as a library.

    from kvstore import connect
    kv = connect()                       # in memory; connect("dir") keeps it in a folder
    kv.execute("SET", "a", 1)

`Server` is what `python -m kvstore serve` runs.  Names are imported when first used, so that
importing the package costs nothing.
"""

from typing import Any

__all__ = ["Embedded", "ReplyError", "Server", "connect"]

_HOMES = {
    "Embedded": "kvstore.embedded",
    "ReplyError": "kvstore.resp",
    "Server": "kvstore.server",
    "connect": "kvstore.embedded",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(name)
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
