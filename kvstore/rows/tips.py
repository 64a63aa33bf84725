"""Tips: what COMMAND tells proxies and cluster clients about a command's replies and their spread.

    nondeterministic_output[_order]   the same data may answer otherwise, or in another order
    request_policy:...                which nodes of a cluster are to be asked
    response_policy:...               how their replies become one

The facts are those of Redis 7.0.15; a command that is not here has none.
"""

from __future__ import annotations

# fmt: off
TIPS: dict[str, str] = {
    "nondeterministic_output":
        "client|info client|list cluster|bumpepoch cluster|count-failure-reports "
        "cluster|getkeysinslot cluster|info cluster|links cluster|nodes cluster|replicas "
        "cluster|shards cluster|slaves cluster|slots dump hrandfield hscan lastsave migrate "
        "object|encoding object|freq object|idletime object|refcount pttl spop srandmember "
        "sscan time ttl xadd xautoclaim xclaim xinfo|consumers xpending xtrim zrandmember "
        "zscan",
    "nondeterministic_output request_policy:all_nodes response_policy:special":
        "latency|doctor latency|graph latency|histogram latency|history latency|latest",
    "nondeterministic_output request_policy:all_shards response_policy:special":
        "function|stats info memory|doctor memory|malloc-stats memory|stats",
    "nondeterministic_output request_policy:special":
        "scan",
    "nondeterministic_output_order":
        "command command|docs command|info command|list function|list hgetall hkeys hvals "
        "module|list sdiff sinter smembers sunion",
    "request_policy:all_nodes nondeterministic_output":
        "slowlog|get",
    "request_policy:all_nodes response_policy:agg_sum nondeterministic_output":
        "slowlog|len",
    "request_policy:all_nodes response_policy:all_succeeded":
        "config|set latency|reset script|flush script|load slowlog|reset",
    "request_policy:all_shards nondeterministic_output":
        "randomkey",
    "request_policy:all_shards nondeterministic_output_order":
        "keys",
    "request_policy:all_shards response_policy:agg_logical_and":
        "script|exists",
    "request_policy:all_shards response_policy:agg_min":
        "wait",
    "request_policy:all_shards response_policy:agg_sum":
        "dbsize",
    "request_policy:all_shards response_policy:all_succeeded":
        "flushall flushdb function|delete function|flush function|load function|restore "
        "memory|purge ping",
    "request_policy:all_shards response_policy:one_succeeded":
        "function|kill script|kill",
    "request_policy:multi_shard":
        "mget",
    "request_policy:multi_shard response_policy:agg_min":
        "msetnx",
    "request_policy:multi_shard response_policy:agg_sum":
        "del exists touch unlink",
    "request_policy:multi_shard response_policy:all_succeeded":
        "mset",
}
# fmt: on
TIPS_OF: dict[str, tuple[str, ...]] = {
    name: tuple(tips.split()) for tips, names in TIPS.items() for name in names.split()
}
