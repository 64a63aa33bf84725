"""Where the handlers of commands are: module -> the names of what it runs.

A module is imported when one of its commands is asked for the first time, and binds all it has; a
start would spend a third of its time on handlers that nobody may call.  A container (`acl`) stands
for its subcommands, but for those that another module names (`client|pause`).  HELP of every
container is made from the table of commands, in `introspection`.
"""

from importlib import import_module

MODULES = {
    # keys and values
    "strings": "get set setnx setex psetex getset getdel getex mget mset msetnx strlen getrange"
               " substr append setrange incr decr incrby decrby incrbyfloat",
    "bits": "setbit getbit bitcount bitpos bitop",
    "bitfield": "bitfield bitfield_ro",
    "hyperloglog": "pfadd pfcount pfmerge pfdebug pfselftest",
    "lcs": "lcs",
    "list_commands": "lpush rpush lpushx rpushx lpop rpop llen lindex lrange lpos lset linsert lrem"
                     " ltrim lmove rpoplpush blpop brpop blmove brpoplpush lmpop blmpop",
    "hashes": "hset hmset hsetnx hdel hincrby hincrbyfloat hget hmget hexists hlen hstrlen hgetall"
              " hkeys hvals hrandfield hscan",
    "sets": "sadd srem smove sismember smismember scard smembers sscan spop srandmember sinter"
            " sunion sdiff sinterstore sunionstore sdiffstore sintercard",
    "zset_commands": "zadd zincrby zrem zcard zscore zmscore zrank zrevrank zscan zrandmember"
                     " zpopmin zpopmax bzpopmin bzpopmax zmpop bzmpop",
    "zset_ranges": "zrange zrevrange zrangebyscore zrevrangebyscore zrangebylex zrevrangebylex"
                   " zrangestore zcount zlexcount zremrangebyrank zremrangebyscore zremrangebylex",
    "zset_algebra": "zunion zinter zdiff zunionstore zinterstore zdiffstore zintercard",
    "geo": "geoadd geodist geohash geopos georadius georadius_ro georadiusbymember"
           " georadiusbymember_ro geosearch geosearchstore",
    "stream_commands": "xadd xtrim xdel xlen xsetid xrange xrevrange xread xreadgroup xinfo",
    "stream_groups": "xgroup xack xpending",
    "stream_claims": "xclaim xautoclaim",
    "keys": "del unlink exists touch type expire pexpire expireat pexpireat persist ttl pttl"
            " expiretime pexpiretime rename renamenx move copy keys scan randomkey dbsize flushdb"
            " flushall swapdb object",
    "sorting": "sort sort_ro",
    "dump": "dump restore restore-asking function|dump function|restore",
    "migrating": "migrate",
    # clients
    "multi": "multi exec discard watch unwatch",
    "pubsub": "publish spublish subscribe psubscribe ssubscribe unsubscribe punsubscribe"
              " sunsubscribe pubsub",
    "connection": "ping echo select auth hello quit reset client",
    "tracking": "client|tracking client|caching client|getredir client|trackinginfo",
    "pausing": "client|pause client|unpause",
    "acl_commands": "acl",
    # scripts
    "scripts": "eval eval_ro evalsha evalsha_ro fcall fcall_ro",
    "scripting": "script function",
    # the server
    "info": "info",
    "introspection": "command",
    "admin": "config time lolwut monitor",
    "slowlog": "slowlog",
    "latency": "latency",
    "memory_report": "memory",
    "rehearsal": "debug",  # it adds to those of `debugging`
    "modules": "module",
    "saving": "save bgsave bgrewriteaof lastsave",
    "stopping": "shutdown",
    # other servers
    "replica_commands": "role replconf psync sync wait",
    "following": "replicaof slaveof",
    "failover": "failover",
    "cluster_commands": "cluster asking readonly readwrite",
}
HOMES = {name: module for module, names in MODULES.items() for name in names.split()}


def home(name: str) -> str:
    """The module that has the handler of a command."""
    container, bar, sub = name.partition("|")
    if bar and sub == "help":
        return "introspection"
    return HOMES.get(name) or HOMES[container]


def import_handler(name: str) -> None:
    """Import what binds a command's handler."""
    import_module(f"kvstore.{home(name)}")
