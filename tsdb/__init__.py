"""A time-series database that speaks Prometheus and InfluxDB.

    tsdb.open(path)   the embedded form: numpy in, PromQL, numpy out
    Store             what is below it: head, log and blocks
    Server            the same behind HTTP

Names are imported when first used, so that importing the package costs nothing.
"""

from typing import Any

__all__ = ["Database", "Frame", "Server", "Store", "open"]

_HOMES = {
    "Database": "tsdb.embedded",
    "Frame": "tsdb.embedded",
    "Server": "tsdb.server",
    "Store": "tsdb.store",
    "open": "tsdb.embedded",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'tsdb' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
