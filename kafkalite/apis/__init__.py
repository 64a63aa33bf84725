"""The messages of the protocol as tables: one entry per API key.

Reading order: `connection` (what a client says first), `records` (produce and fetch), `groups`,
`transactions`, `cluster` (topics and configuration), `placement` (which broker holds what),
`security`.  The notation is explained in `kafkalite.schema`, which turns these tables into codecs.
"""

from kafkalite.apis.cluster import CLUSTER_APIS
from kafkalite.apis.connection import CONNECTION_APIS
from kafkalite.apis.groups import GROUP_APIS
from kafkalite.apis.placement import PLACEMENT_APIS
from kafkalite.apis.records import RECORD_APIS
from kafkalite.apis.security import SECURITY_APIS
from kafkalite.apis.transactions import TRANSACTION_APIS
from kafkalite.schema import Api

TABLES = (
    *CONNECTION_APIS,
    *RECORD_APIS,
    *GROUP_APIS,
    *TRANSACTION_APIS,
    *CLUSTER_APIS,
    *PLACEMENT_APIS,
    *SECURITY_APIS,
)
APIS: dict[int, Api] = {api.key: api for api in sorted(TABLES, key=lambda api: api.key)}

__all__ = ["APIS"]
