"""kafkalite: a broker that Kafka's clients cannot tell from Apache Kafka.

    Server   config -> listener -> broker          (`python -m kafkalite serve`)
    Broker   a broker in this process, without a socket: Broker("data")
    Log      one partition: append and read records: Log("data/t-0")
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kafkalite.batch import Record
    from kafkalite.embedded import Broker, Log
    from kafkalite.server import Server

__all__ = ["Broker", "Log", "Record", "Server"]

_HOMES = {
    "Broker": "kafkalite.embedded",
    "Log": "kafkalite.embedded",
    "Record": "kafkalite.batch",
    "Server": "kafkalite.server",
}


def __getattr__(name: str) -> Any:
    """Import on first use, so that reading the component table stays cheap."""
    if name not in _HOMES:
        raise AttributeError(name)
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
