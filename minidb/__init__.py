"""minidb: a SQL database that speaks PostgreSQL's protocol.

connect   open a database in this process: `minidb.connect("data")`, `minidb.connect()` in memory
Server    the server
Engine    databases, transactions and plans, without sockets
"""

__all__ = ["Engine", "Server", "connect"]

_HOMES = {"Server": "minidb.server", "Engine": "minidb.engine", "connect": "minidb.embedded"}


def __getattr__(name: str):
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(name)
    return getattr(import_module(_HOMES[name]), name)
