"""What answers each API key: `handler(broker, request, call) -> response | Later | None`.

A request and a response are dicts as `kafkalite.apis` describes them.  Handlers know nothing of
bytes and sockets.
"""

from collections.abc import Callable
from typing import Any

from kafkalite.fetch import fetch
from kafkalite.handlers import (
    acls,
    cluster,
    configs,
    connection,
    groups,
    membership,
    placement,
    records,
    transactions,
    users,
)
from kafkalite.produce import produce

HANDLERS: dict[int, Callable[..., Any]] = {
    0: produce,
    1: fetch,
    2: records.list_offsets,
    3: cluster.metadata,
    8: groups.offset_commit,
    9: groups.offset_fetch,
    10: groups.find_coordinator,
    11: membership.join_group,
    12: membership.heartbeat,
    13: membership.leave_group,
    14: membership.sync_group,
    15: groups.describe_groups,
    16: groups.list_groups,
    17: connection.sasl_handshake,
    18: connection.api_versions,
    19: cluster.create_topics,
    20: cluster.delete_topics,
    21: records.delete_records,
    22: transactions.init_producer_id,
    23: records.offset_for_leader_epoch,
    24: transactions.add_partitions_to_txn,
    25: transactions.add_offsets_to_txn,
    26: transactions.end_txn,
    27: transactions.write_txn_markers,
    28: transactions.txn_offset_commit,
    29: acls.describe_acls,
    30: acls.create_acls,
    31: acls.delete_acls,
    32: configs.describe_configs,
    33: configs.alter_configs,
    35: cluster.describe_log_dirs,
    36: connection.sasl_authenticate,
    37: cluster.create_partitions,
    42: groups.delete_groups,
    43: placement.elect_leaders,
    44: configs.incremental_alter_configs,
    45: placement.alter_reassignments,
    46: placement.list_reassignments,
    47: groups.offset_delete,
    48: users.describe_quotas,
    49: users.alter_quotas,
    50: users.describe_scram,
    51: users.alter_scram,
    55: placement.describe_quorum,
    60: cluster.describe_cluster,
    61: transactions.describe_producers,
    65: transactions.describe_transactions,
    66: transactions.list_transactions,
    68: membership.consumer_group_heartbeat,
    69: groups.consumer_group_describe,
    74: configs.list_config_resources,
    75: placement.describe_topic_partitions,
}
