cdef class Client

from libc.stdint cimport int64_t, uint64_t

from bedrock.net.buf cimport Buf
from bedrock.world.clock cimport Clock
from kvstore.binding cimport Bindings, Command
from kvstore.keyspace cimport Database, Keyspace, Watch
from kvstore.journal cimport Journal
from kvstore.resp cimport Arg, Args, Bounds


# Why a client's request needs more than a lookup and a call.
cdef enum Gate:
    UNAUTHENTICATED = 1
    IN_MULTI = 2
    SUBSCRIBED = 4
    REPLY_OFF = 8
    REPLY_SKIP = 16
    TRACKED = 64                   # its reads are remembered
    RESTRICTED = 32                # the client's user may not do everything
    FAULTY = 128                   # commands may meet a fault made on purpose
    LOADING = 256                  # data is being loaded
    LOADING_ASIDE = 512            # the same, while the old data is served
    STALE = 1024                   # a replica without its primary, that must not answer then
    FOLLOWING = 2048               # it follows this server: a replica, which is answered nothing


cdef enum:
    CLIENT_BYTES = 2048            # of a connection without its buffers


cdef class Client:
    cdef readonly Store store
    cdef public Database db
    cdef public object link            # bedrock.net Link; None for an embedded client
    cdef public int resp               # protocol version, 2 or 3
    cdef public int gate               # bits of Gate
    cdef readonly uint64_t id
    cdef public bytes name
    cdef public object user            # kvstore.acl.User; None: may do everything
    cdef Command command               # being run
    cdef bint pushed                   # it answered with pushes, which CLIENT REPLY leaves alone
    cdef Buf reply                     # of the Python handler being run
    cdef Py_ssize_t request_bytes      # of the request being run, on the wire
    cdef bint answering                # what it is sent goes there, not past it
    cdef public list queue             # of (Command, Args) between MULTI and EXEC, or None
    cdef public bint spoiled           # a queued command was refused
    cdef public bint executing         # inside EXEC: nothing may block
    cdef public bint replaying         # the log's own client
    cdef readonly bint scripted        # kvstore.script_client.ScriptClient
    cdef public Watch watch            # or None
    cdef public dict channels, patterns, shard_channels   # or None
    cdef object tracked                # kvstore.tracking.Tracked, or None
    cdef public bint has_read          # a script's: it read, on behalf of a tracked client
    cdef public bint postponed         # by CLIENT PAUSE
    cdef public object place           # kvstore.journal.Place after its last request, or None
    cdef public str debugs             # how it debugs scripts: "yes" or "sync"; None: not at all
    cdef public object waiter          # kvstore.blocking.Waiter while blocked
    cdef public int64_t since_ms, active_ms
    cdef public bint no_evict
    cdef public bint asking            # the next request may be for a slot being taken over
    cdef public bint reads_replica     # what only reads may be answered by a replica


cdef class Store:
    cdef readonly object world
    cdef readonly Clock clock          # the world's, or the one a test steers
    cdef public object faults          # kvstore.faults.Faults, None until one is asked for
    cdef public object log_engine      # kvstore.log_engine.LogEngine, or None
    cdef public object checkpoint      # kvstore.checkpoint.Checkpoint to go back to, or None
    cdef int gate                      # what every new client begins with
    cdef readonly Keyspace keyspace
    cdef Bindings bindings
    cdef readonly dict commands        # name -> Command: all of the bindings
    cdef readonly dict clients         # id -> Client
    cdef readonly object parameters    # kvstore.parameters.Parameters
    cdef readonly object users         # kvstore.users.Users
    cdef public object tracking        # kvstore.tracking.Tracking, None until someone wants it
    cdef bint time_stands              # for keys: a script sees one moment only
    cdef object busy                   # why nothing but ALLOW_BUSY may run now, or None
    cdef public object pause           # kvstore.pausing.Pause while it lasts, or None
    cdef readonly object pubsub        # kvstore.pubsub.PubSub
    cdef readonly dict monitors        # Client -> None
    cdef public object server          # kvstore.server.Server, None when embedded
    cdef public object scripts         # kvstore.scripting.Scripts, None until one is run
    cdef readonly Journal journal      # None while nothing is kept
    cdef readonly object aof           # the journal when it is a file (kvstore.aof.Aof)
    cdef public object snapshot        # kvstore.snapshot.Snapshot under way, or None
    cdef public object refusal         # why writes are refused to clients now, or None
    cdef readonly object follower      # kvstore.following.Follower while a replica, or None
    cdef readonly object evictor       # kvstore.eviction.Evictor
    cdef readonly object client_limits # kvstore.client_limits.ClientLimits
    cdef readonly bint guarded         # requests of all clients need a second look
    cdef bint watched                  # because of what clients may cost
    cdef size_t longest_push           # waiting bytes from which a listener is looked at
    cdef size_t longest_reply          # bytes beyond which the client is cut off
    cdef readonly object router        # kvstore.slots.Router in a cluster, or None
    cdef readonly bint limited         # `maxmemory` is to be kept
    cdef readonly bint out_of_memory   # it was not when the running command began
    cdef readonly object primary       # kvstore.replication.Primary
    cdef readonly object saver         # kvstore.saving.Saver
    cdef readonly object stopping      # kvstore.stopping.Stopping
    cdef readonly int64_t started_ms
    cdef readonly uint64_t processed, connected, rejected_calls, errors
    cdef public uint64_t evicted_clients
    cdef public uint64_t turned_away   # connections beyond `maxclients`
    cdef readonly dict error_counts
    cdef public Client running         # whose Python handler runs, or ran last; with tracking: any
    cdef Args scratch                  # words of the request being parsed, shared by all sessions
    cdef Bounds bounds, early_bounds
    cdef int64_t hash_entries, hash_value, zset_entries, zset_value, intset_entries, list_limit
    cdef int64_t stream_entries, stream_bytes
    cdef int64_t last_ns               # when the last command ended, or the tick
    cdef int64_t slow_ns               # commands that took longer go to the slow log; -1 = none
    cdef int64_t watch_ns              # the least that makes a time worth a note; -1 = none
    cdef int64_t latency_ns            # events shorter than that are not kept; -1 = all
    cdef readonly object latency       # kvstore.latency.Latency
    cdef readonly object slowlog       # kvstore.slowlog.SlowLog
    cdef public bint active_expire
    cdef public bint cron_paused       # DEBUG PAUSE-CRON
    cdef bint recorded                 # the handler wrote its own record
    cdef uint64_t next_id

    # 1 if the request has to wait, and nothing of it was done
    cdef int execute(self, Client c, Args a, Buf out) except -1
    cdef int reserve(self, list queue) except -1
    cdef int reserve_bytes(self, Client c, size_t n) except -1
    cdef int reserve_for(self, Client c, Command command, Args a) except -1
    cdef int call(self, Client c, Command command, Args a, Buf out) except -1
    cdef int close_gate(self, int gate, bint on) except -1
    cdef int refuse(self, Client c, Command command, Buf out, object error) except -1
    cdef int tick(self) noexcept
    # The journal, to write another record than the request; None while nothing is kept.
    cdef Buf instead(self, Client c)
    cdef int put_failure(self, Buf out, object error) except -1
