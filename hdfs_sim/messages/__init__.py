"""Every message HDFS's protocols use here, as tables: `SCHEMA[name]` is a bedrock Message."""

from bedrock.codec.protobuf import Schema
from hdfs_sim.messages import datanode, rpc, transfer, types
from hdfs_sim.messages.client import CLIENT
from hdfs_sim.messages.datanode import DATANODE, INTER_DATANODE
from hdfs_sim.messages.table import Method, Protocol, missing

PROTOCOLS: dict[str, Protocol] = {p.name: p for p in (CLIENT, DATANODE, INTER_DATANODE)}

SCHEMA = Schema(
    *types.MESSAGES,
    *rpc.MESSAGES,
    *datanode.MESSAGES,
    *transfer.MESSAGES,
    *(m for p in PROTOCOLS.values() for row in p.methods.values()
      for m in (row.request, row.response)),
)

__all__ = ["CLIENT", "DATANODE", "INTER_DATANODE", "PROTOCOLS", "SCHEMA", "Method", "Protocol",
           "missing"]
