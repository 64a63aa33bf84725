"""A time-series database that speaks Prometheus and InfluxDB.

    Store     the embedded form: write, select, query, without a server
    Server    the same behind HTTP
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tsdb.server import Server
    from tsdb.store import Store

__all__ = ["Server", "Store"]


def __getattr__(name: str) -> Any:
    # Imported when asked for: reading the component's options must not load numpy.
    if name == "Store":
        from tsdb.store import Store

        return Store
    if name == "Server":
        from tsdb.server import Server

        return Server
    raise AttributeError(f"module 'tsdb' has no attribute {name!r}")
