"""A Hadoop HDFS compatible file system: NameNode, DataNodes, WebHDFS.

    Namesystem   the namespace, its edit log and images, without sockets: the embedded form
    Server       a cluster: the NameNode and DataNodes as child processes or within this one
    DataNode     a DataNode on its own
    Client       reads and writes files of a cluster
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    "Client": "hdfs_sim.client",
    "DataNode": "hdfs_sim.datanode",
    "Namesystem": "hdfs_sim.namesystem",
    "Server": "hdfs_sim.server",
}

__all__ = ["Client", "DataNode", "Namesystem", "Server"]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: importing the package alone costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
