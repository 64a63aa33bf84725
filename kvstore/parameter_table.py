"""The parameters, as data: every name that redis.conf and CONFIG SET of Redis 7.0 know.

A row is `name kind default [low..high] [marks]`.  A default of `-` is the empty text.  Marks:

    fixed       only before the start
    rigid       the same, though Redis could change it: the value it has may be set again
    protected   at run time only with `enable-protected-configs`
    hidden      CONFIG GET shows it only to who names it in full
    =NAME       the older name of the same parameter
    inert       known, checked, kept and shown, but nothing here obeys it: it tunes a part of Redis
                that has no counterpart (threads, forks, defragmentation, the cluster bus), or one
                that is not built yet.  It is here so that an existing redis.conf is taken as it is.
"""

from __future__ import annotations

POLICIES = (
    "volatile-lru|volatile-lfu|volatile-random|volatile-ttl|"
    "allkeys-lru|allkeys-lfu|allkeys-random|noeviction"
)
ENUMS = {
    "debug": "no|yes|local",
    "fsync": "everysec|always|no",
    "level": "debug|verbose|notice|warning",
    "policy": POLICIES,
    "pubsub-acl": "allchannels|resetchannels",
    "sanitize": "no|yes|clients",
    "diskless": "disabled|on-empty-db|swapdb",
    "propagation": "ignore|panic|panic-on-replicas",
    "endpoint": "ip|hostname|unknown-endpoint",
    "tls-auth": "no|yes|optional",
    "oom": "no|yes|relative|absolute",
    "supervised": "no|upstart|systemd|auto",
}

TABLE = """
acl-pubsub-default                pubsub-acl  resetchannels
aclfile                           text        -            fixed
acllog-max-len                    int         128          0..
active-defrag-cycle-max           int         25           1..99  inert
active-defrag-cycle-min           int         1            1..99  inert
active-defrag-ignore-bytes        memory      100mb        inert
active-defrag-max-scan-fields     int         1000         1..    inert
active-defrag-threshold-lower     int         10           0..1000  inert
active-defrag-threshold-upper     int         100          0..1000  inert
active-expire-effort              int         1            1..10  inert
activedefrag                      bool        no           inert
activerehashing                   bool        yes          inert
always-show-logo                  bool        no           fixed inert
aof-checksums                     bool        yes
aof-disable-auto-gc               bool        no
aof-load-truncated                bool        yes
aof-rewrite-incremental-fsync     bool        yes          inert
aof-timestamp-enabled             bool        no
aof-use-rdb-preamble              bool        yes
aof_rewrite_cpulist               text        -            fixed inert
appenddirname                     text        appendonlydir  fixed
appendfilename                    text        appendonly.aof  fixed
appendfsync                       fsync       everysec
appendonly                        bool        no
auto-aof-rewrite-min-size         memory      64mb
auto-aof-rewrite-percentage       int         100          0..2147483647
bgsave_cpulist                    text        -            fixed inert
bind                              words       127.0.0.1    rigid
bind-source-addr                  text        -            inert
bio_cpulist                       text        -            fixed inert
busy-reply-threshold              int         5000         0..    =lua-time-limit
client-output-buffer-limit        buffers     -
client-query-buffer-limit         memory      1gb          1mb..  inert
cluster-allow-pubsubshard-when-down  bool     yes          inert
cluster-allow-reads-when-down     bool        no
cluster-allow-replica-migration   bool        yes          inert
cluster-announce-bus-port         int         0            0..65535  inert
cluster-announce-hostname         text        -
cluster-announce-ip               text        -
cluster-announce-port             int         0            0..65535
cluster-announce-tls-port         int         0            0..65535  inert
cluster-config-file               text        nodes.conf   fixed
cluster-enabled                   bool        no           fixed
cluster-link-sendbuf-limit        memory      0            inert
cluster-migration-barrier         int         1            0..2147483647  inert
cluster-node-timeout              int         15000        0..    inert
cluster-port                      int         0            0..65535  fixed inert
cluster-preferred-endpoint-type   endpoint    ip
cluster-replica-no-failover       bool        no           =cluster-slave-no-failover inert
cluster-replica-validity-factor   int         10           0..  =cluster-slave-validity-factor inert
cluster-require-full-coverage     bool        yes
crash-log-enabled                 bool        yes          inert
crash-memcheck-enabled            bool        yes          inert
daemonize                         bool        no           fixed inert
databases                         int         16           1..2147483647  fixed
dbfilename                        text        dump.rdb     protected
dir                               text        -            rigid
disable-thp                       bool        yes          fixed inert
dynamic-hz                        bool        yes          inert
enable-debug-command              debug       no           fixed
enable-module-command             debug       no           fixed
enable-protected-configs          debug       no           fixed
hash-max-listpack-entries         int         512          0..    =hash-max-ziplist-entries
hash-max-listpack-value           memory      64           =hash-max-ziplist-value
hll-sparse-max-bytes              memory      3000
hz                                int         10           0..2147483647
ignore-warnings                   text        -            inert
io-threads                        int         1            1..128  fixed inert
io-threads-do-reads               bool        no           fixed inert
jemalloc-bg-thread                bool        yes          inert
key-load-delay                    int         0            -9223372036854775808..  hidden
latency-monitor-threshold         int         0            0..
latency-tracking                  bool        yes          inert
latency-tracking-info-percentiles  percentiles  50_99_99.9  inert
lazyfree-lazy-eviction            bool        no           inert
lazyfree-lazy-expire              bool        no           inert
lazyfree-lazy-server-del          bool        no           inert
lazyfree-lazy-user-del            bool        no           inert
lazyfree-lazy-user-flush          bool        no           inert
lfu-decay-time                    int         1            0..2147483647
lfu-log-factor                    int         10           0..2147483647
list-compress-depth               int         0            0..2147483647  inert
list-max-listpack-size            int         -2           -99999999..  =list-max-ziplist-size
loading-process-events-interval-bytes  memory  2mb         1024..  inert
logfile                           text        -            fixed inert
loglevel                          level       notice       inert
masterauth                        text        -
masteruser                        text        -
maxclients                        int         10000        1..4294967295
maxmemory                         memory      0
maxmemory-clients                 percent-memory  0
maxmemory-eviction-tenacity       int         10           0..100
maxmemory-policy                  policy      noeviction
maxmemory-samples                 int         5            1..2147483647
min-replicas-max-lag              int         10           0..2147483647  =min-slaves-max-lag
min-replicas-to-write             int         0            0..2147483647  =min-slaves-to-write
no-appendfsync-on-rewrite         bool        no           inert
notify-keyspace-events            events      -
oom-score-adj                     oom         no           inert
oom-score-adj-values              oom-values  0_200_800    inert
pidfile                           text        -            fixed inert
port                              int         0            0..65535
proc-title-template               text        {title}_{listen-addr}_{server-mode}  inert
propagation-error-behavior        propagation  ignore      inert
protected-mode                    bool        yes
proto-max-bulk-len                memory      512mb        1mb..
rdb-del-sync-files                bool        no           inert
rdb-key-save-delay                int         0            -9223372036854775808..  hidden
rdb-save-incremental-fsync        bool        yes          inert
rdbchecksum                       bool        yes          fixed inert
rdbcompression                    bool        yes          inert
repl-backlog-size                 memory      1mb          1..
repl-backlog-ttl                  int         3600         0..
repl-disable-tcp-nodelay          bool        no           inert
repl-diskless-load                diskless    disabled
repl-diskless-sync                bool        yes
repl-diskless-sync-delay          int         0            0..2147483647
repl-diskless-sync-max-replicas   int         0            0..2147483647
repl-ping-replica-period          int         10           1..  =repl-ping-slave-period
repl-timeout                      int         60           1..2147483647
replica-announce-ip               text        -            =slave-announce-ip
replica-announce-port             int         0            0..65535  =slave-announce-port
replica-announced                 bool        yes
replica-ignore-disk-write-errors  bool        no           inert
replica-ignore-maxmemory          bool        yes          =slave-ignore-maxmemory
replica-lazy-flush                bool        no           =slave-lazy-flush inert
replica-priority                  int         100          0..2147483647  =slave-priority
replica-read-only                 bool        yes          =slave-read-only
replica-serve-stale-data          bool        yes          =slave-serve-stale-data
replicaof                         words       -            fixed =slaveof
requirepass                       text        -
sanitize-dump-payload             sanitize    no           inert
save                              save        -
server_cpulist                    text        -            fixed inert
set-max-intset-entries            int         512          0..
set-proc-title                    bool        yes          fixed inert
shutdown-on-sigint                shutdown    default      inert
shutdown-on-sigterm               shutdown    default
shutdown-timeout                  int         10           0..2147483647
slowlog-log-slower-than           int         10000        -1..
slowlog-max-len                   int         128          0..
socket-mark-id                    int         0            0..    fixed inert
stop-writes-on-bgsave-error       bool        yes
stream-node-max-bytes             memory      4096
stream-node-max-entries           int         100          0..
supervised                        supervised  no           fixed inert
syslog-enabled                    bool        no           fixed inert
syslog-facility                   text        local0       fixed inert
syslog-ident                      text        redis        fixed inert
tcp-backlog                       int         511          0..    fixed inert
tcp-keepalive                     int         300          0..2147483647  inert
timeout                           int         0            0..2147483647
tls-auth-clients                  tls-auth    yes          inert
tls-ca-cert-dir                   text        -            inert
tls-ca-cert-file                  text        -            inert
tls-cert-file                     text        -            inert
tls-ciphers                       text        -            inert
tls-ciphersuites                  text        -            inert
tls-client-cert-file              text        -            inert
tls-client-key-file               text        -            inert
tls-client-key-file-pass          text        -            inert
tls-cluster                       bool        no           inert
tls-dh-params-file                text        -            inert
tls-key-file                      text        -            inert
tls-key-file-pass                 text        -            inert
tls-port                          int         0            0..65535  inert
tls-prefer-server-ciphers         bool        no           inert
tls-protocols                     text        -            inert
tls-replication                   bool        no           inert
tls-session-cache-size            int         20480        0..2147483647  inert
tls-session-cache-timeout         int         300          0..2147483647  inert
tls-session-caching               bool        yes          inert
tracking-table-max-keys           int         1000000      0..
unixsocket                        text        -            fixed
unixsocketperm                    text        0            fixed
use-exit-on-panic                 bool        no           inert
watchdog-period                   int         0            0..2147483647  inert
zset-max-listpack-entries         int         128          0..    =zset-max-ziplist-entries
zset-max-listpack-value           memory      64           =zset-max-ziplist-value
"""
