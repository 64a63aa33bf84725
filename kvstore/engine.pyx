"""The engine: from a request's words to its reply and its record.

    words ─► lookup ─► arity ─► gate? (auth, MULTI, subscribed) ─► handler ─► record ─► wake waiters

A `Store` is all of kvstore without a socket; a `Client` is who talks to it: a connection, the log
being replayed, or a caller in the same process.  What runs for a name: kvstore.binding; what a
request meets before, where it meets anything: kvstore.admission.

Invariants:
1. A reply is appended exactly once for each request, unless the client turned replies off or
   blocks.
2. A handler that fails leaves no partial reply; one that changed anything is recorded.
3. A write is refused before it changes anything when the journal has no room for it.
"""

from kvstore.admission cimport (
    admit, cut_off_browser, postpones, run_tracked, runs_while_busy, unknown_command,
)
from kvstore.binding cimport (
    ADMIN, NO_SCRIPT, READ_ONLY, SKIP_MONITOR, WRITE, Bindings, Command, fits, wrong_arity,
)
from kvstore.hashtable cimport seed_hash
from kvstore.resp cimport is_word, put_error, put_request
from kvstore.timing cimport note_time, octave

from kvstore.keyspecs import keys_of
from kvstore.resp import ReplyError, decode


cdef class Client:
    """Someone who sends requests."""

    def __init__(self, Store store not None, link=None):
        self.store = store
        self.db = store.keyspace.databases[0]
        self.link = link
        self.resp = 2
        self.name = b""
        store.next_id += 1
        self.id = store.next_id
        store.tick()
        self.since_ms = self.active_ms = store.keyspace.now_ms

    def unwatch(self) -> None:
        """Forget the watched keys."""
        if self.watch is not None:
            self.watch.end()
            self.watch = None

    def leave_multi(self) -> None:
        """End a transaction, whichever way."""
        self.queue = None
        self.spoiled = False
        self.gate &= ~IN_MULTI
        self.unwatch()

    @property
    def authenticated(self) -> bool:
        return not self.gate & UNAUTHENTICATED

    @authenticated.setter
    def authenticated(self, bint value):
        self.gate = self.gate & ~UNAUTHENTICATED if value else self.gate | UNAUTHENTICATED

    @property
    def tracking(self):
        """How its reads are tracked (kvstore.tracking.Tracked), or None."""
        return self.tracked

    @tracking.setter
    def tracking(self, value):
        self.tracked = value
        if value is not None and not value.bcast:
            self.gate |= TRACKED
        else:
            self.gate &= ~TRACKED

    @property
    def following(self) -> bool:
        """True for a replica of this server."""
        return self.gate & FOLLOWING != 0

    @following.setter
    def following(self, bint value):
        self.gate = self.gate | FOLLOWING if value else self.gate & ~FOLLOWING

    def become(self, user) -> None:
        """Be a user from now on."""
        self.user = user
        if user is None or user.free:
            self.gate &= ~RESTRICTED
        else:
            self.gate |= RESTRICTED

    @property
    def acl_context(self) -> str:
        """Where a refused request came from, as ACL LOG has it."""
        if self.scripted:
            return "lua"
        return "multi" if self.executing or self.gate & IN_MULTI else "toplevel"

    @property
    def subscriptions(self) -> int:
        """Channels and patterns listened to."""
        return len(self.channels or ()) + len(self.patterns or ())

    @property
    def queue_bytes(self) -> int:
        """Bytes that the requests of its transaction take."""
        cdef Args words
        cdef int64_t n = 0
        for _, words in self.queue or ():
            n += words.size()
        return n

    @property
    def memory(self) -> int:
        """Bytes it takes: itself, its buffers, what it queued and listens to."""
        cdef int64_t n = CLIENT_BYTES + self.queue_bytes
        if self.link is not None:
            n += self.link.memory
        if self.watch is not None:
            n += sum([len(key) + 160 for _, key in self.watch.keys])
        for names in (self.channels, self.patterns, self.shard_channels):
            n += sum([len(name) + 160 for name in names or ()])
        return n

    def mark_subscribed(self) -> None:
        """Keep the gate in step with the subscriptions."""
        if self.subscriptions or self.shard_channels:
            self.gate |= SUBSCRIBED
        else:
            self.gate &= ~SUBSCRIBED

    def reply_with(self, data: bytes) -> None:
        """Confirmations of a subscription: more than one, and pushes, not replies."""
        self.reply.write(data)
        self.pushed = True

    def push(self, data: bytes) -> None:
        """Send something that is not the reply to a request."""
        if self.answering:
            self.reply.write(data)
        elif self.link is not None:
            self.link.write(data)
            if <size_t>self.link.queued > self.store.longest_push:
                self.store.client_limits.check(self)


cdef class Store:
    """The engine with its data.

    world:      clock, disk and randomness
    parameters: kvstore.parameters.Parameters
    """

    def __init__(self, world, parameters):
        from kvstore.client_limits import ClientLimits
        from kvstore.eviction import Evictor
        from kvstore.latency import Latency
        from kvstore.pubsub import PubSub
        from kvstore.replication import Primary
        from kvstore.saving import Saver
        from kvstore.slowlog import SlowLog
        from kvstore.stopping import Stopping
        from kvstore.users import Users

        self.world = world
        self.clock = world.clock
        self.parameters = parameters
        seed_hash(world.rand)
        self.keyspace = Keyspace(parameters["databases"], world.rand)
        self.keyspace.on_vanished = self.record_vanished
        self.scratch = Args()
        self.bounds = Bounds(0x7FFFFFFF, parameters["proto-max-bulk-len"])
        self.early_bounds = Bounds(10, 16384)
        self.clients = {}
        self.monitors = {}
        self.error_counts = {}
        self.slowlog = SlowLog()
        self.latency = Latency()
        self.active_expire = True
        self.bindings = Bindings()
        self.commands = self.bindings.by_name
        self.tick()
        self.started_ms = self.keyspace.now_ms
        self.users = Users(self)
        self.pubsub = PubSub(self)
        self.saver = Saver(self)
        self.stopping = Stopping(self)
        self.primary = Primary(self)
        self.evictor = Evictor(self)
        self.client_limits = ClientLimits(self)
        parameters.listen(self.configure)

    def configure(self) -> None:
        """Take over changed parameters."""
        p = self.parameters
        self.bounds.bulk = p["proto-max-bulk-len"]
        self.hash_entries = p["hash-max-listpack-entries"]
        self.hash_value = p["hash-max-listpack-value"]
        self.zset_entries = p["zset-max-listpack-entries"]
        self.zset_value = p["zset-max-listpack-value"]
        self.intset_entries = p["set-max-intset-entries"]
        self.list_limit = p["list-max-listpack-size"]
        self.evictor.configure(p)
        self.keyspace.age_by(
            p["maxmemory-policy"].endswith("lfu"), p["lfu-log-factor"], p["lfu-decay-time"])
        self.limit_memory()
        slower_us = p["slowlog-log-slower-than"]
        self.slow_ns = slower_us * 1000 if slower_us >= 0 else -1
        self.latency_ns = p["latency-monitor-threshold"] * 1_000_000 or -1
        watched = [ns for ns in (self.slow_ns, self.latency_ns) if ns >= 0]
        self.watch_ns = min(watched) if watched else -1
        self.slowlog.resize(p["slowlog-max-len"])

    def limit_memory(self) -> None:
        """Whether `maxmemory` is kept here: a replica leaves it to its primary."""
        p = self.parameters
        self.limited = p["maxmemory"] > 0 and not (
            self.follower is not None and p["replica-ignore-maxmemory"])
        self.watched = self.client_limits.configure(p)
        self.longest_push = self.client_limits.least or <size_t>-1
        self.longest_reply = self.client_limits.longest_reply or <size_t>-1
        self.guarded = self.limited or self.watched or self.router is not None
        self.out_of_memory = False
        if self.limited:
            self.evictor.go_on_later()

    def add_client(self, Client client not None) -> None:
        """A connection opened."""
        self.connected += 1
        self.clients[client.id] = client
        client.gate |= self.gate
        self.greet(client)

    def greet(self, Client client not None) -> None:
        """Make a client who it is before it says so."""
        user = self.users.default
        client.become(user)
        client.authenticated = user.nopass and user.enabled

    def remove_client(self, Client client not None) -> None:
        """A connection is gone: nothing may remember it."""
        self.clients.pop(client.id, None)
        self.monitors.pop(client, None)
        self.pubsub.forget(client)
        self.primary.forget(client)
        client.leave_multi()
        if self.tracking is not None:
            self.tracking.stop(client)
        if self.pause is not None:
            self.pause.forget(client)
        if client.waiter is not None:
            client.waiter.cancel()

    def find_command(self, name: bytes) -> Command | None:
        """By `name`, or `container|sub`, in any case."""
        return self.commands.get(name.decode("latin-1").lower())

    cdef int tick(self) noexcept:
        """Take the time, once for all commands that run until the next tick."""
        if not self.time_stands:
            self.keyspace.tell_time(self.clock.wall_ms())
        self.last_ns = self.clock.now_ns()
        return 0

    def now(self) -> int:
        """Wall time in ms, taken anew."""
        self.tick()
        return self.keyspace.now_ms

    # ------------------------------------------------------------------ requests

    cdef int execute(self, Client c, Args a, Buf out) except -1:
        """Run one request, whatever state the client is in."""
        cdef Command command = self.bindings.lookup(a.v[0].p, a.v[0].n)
        if command is None:
            if c.link is not None and (is_word(&a.v[0], "post") or is_word(&a.v[0], "host:")):
                return cut_off_browser(self, c, out)
            return self.refuse(c, None, out, unknown_command(a))
        if not fits(command, a):
            return self.refuse(c, command, out, wrong_arity(command))
        if self.busy is not None and not runs_while_busy(self, command, a):
            return self.refuse(c, command, out, ReplyError(self.busy))
        if self.pause is not None and postpones(self, c, command, a):
            self.pause.postpone(c)
            return 1
        if self.tracking is not None:
            return run_tracked(self, c, command, a, out)
        if c.gate or self.guarded:
            return admit(self, c, command, a, out)
        return self.call(c, command, a, out)

    def freeze(self, bint on) -> None:
        """Let nothing expire for a while, or again."""
        self.keyspace.passive = on or self.follower is not None

    def watch_faults(self, bint on) -> None:
        """Whether commands may meet faults, from now on."""
        self.close_gate(FAULTY, on)

    def begin_loading(self) -> None:
        """The data is being replaced, a step a turn: nobody may look, and nothing expires."""
        self.keyspace.loading = True
        self.close_gate(LOADING, True)

    def end_loading(self) -> None:
        """The data is there."""
        self.keyspace.loading = False
        self.close_gate(LOADING, False)

    def loads_aside(self, bint on) -> None:
        """Data is being loaded beside what is served, which nothing may replace meanwhile."""
        self.close_gate(LOADING_ASIDE, on)

    def go_stale(self, bint on) -> None:
        """The data is that of a primary which is gone: whether it may not be looked at."""
        self.close_gate(STALE, on)

    cdef int close_gate(self, int gate, bint on) except -1:
        """Let a gate stand in the way of every client, or of none."""
        cdef Client client
        self.gate = self.gate | gate if on else self.gate & ~gate
        for client in self.clients.values():
            client.gate = client.gate & ~gate | self.gate & gate
        return 0

    def run_faultless(self, Client c not None, Args a not None) -> bytes:
        """A request that has met its fault."""
        c.gate &= ~FAULTY
        try:
            return self.run(c, a)
        finally:
            c.gate |= self.gate & FAULTY

    def set_clock(self, Clock clock not None) -> None:
        """Live by another clock."""
        self.clock = clock
        self.tick()

    cdef int refuse(self, Client c, Command command, Buf out, object error) except -1:
        """Answer with an error instead of running; a transaction is spoiled by it."""
        self.rejected_calls += 1
        if command is not None:
            command.rejected += 1
            if command.row.name == "exec":
                c.leave_multi()
                why = str(error).removeprefix("ERR ")
                error = ReplyError(f"EXECABORT Transaction discarded because of: {why}")
        if c.gate & IN_MULTI:
            c.spoiled = True
        return self.put_failure(out, error)

    cdef int put_failure(self, Buf out, object error) except -1:
        text = str(error)
        code = text.partition(" ")[0]
        self.errors += 1
        self.error_counts[code] = self.error_counts.get(code, 0) + 1
        return put_error(out, text.encode("latin-1", "replace"))

    cdef int reserve(self, list queue) except -1:
        """Make sure of room for the records of all commands of a transaction, or refuse it whole."""
        cdef Command command
        cdef Args words
        cdef size_t n = 0
        if self.journal is None:
            return 0
        for command, words in queue:
            if command.flags & WRITE:
                n += words.size()
        if n:
            try:
                self.journal.reserve(n)
            except ReplyError as error:
                raise ReplyError(f"EXECABORT Transaction discarded because of: {error}") from None
        return 0

    cdef int reserve_for(self, Client c, Command command, Args a) except -1:
        """Make sure of room for a command's record, or refuse it, as all writes may be."""
        if command.flags & WRITE and self.refusal is not None and not self.keyspace.loading \
                and not c.executing:
            raise ReplyError(self.refusal)
        if command.flags & WRITE:
            self.reserve_bytes(c, a.raw_n if a.raw is not NULL else a.size())
        return 0

    cdef int reserve_bytes(self, Client c, size_t n) except -1:
        """Make sure of room for n bytes of records, or refuse the request."""
        if self.journal is not None and not c.replaying:
            self.journal.reserve(n)
        return 0

    cdef int call(self, Client c, Command command, Args a, Buf out) except -1:
        """Run a command and record what it changed."""
        cdef size_t mark = out.n
        cdef Keyspace keyspace = self.keyspace
        cdef uint64_t dirty = keyspace.dirty
        cdef int64_t began_ns = self.last_ns, now_ns, spent_ns
        cdef Buf record
        self.processed += 1
        c.command = command
        self.recorded = False
        if self.monitors and command.flags & SKIP_MONITOR:
            self.show_monitors(c, a)       # a script: before what it calls
        try:
            self.reserve_for(c, command, a)
            command.run(c, a, out)
        except ReplyError as error:
            out.n = mark
            c.command.failed += 1
            self.put_failure(out, error)
        if command.subcommands is not None:
            command = c.command            # the subcommand that was run
        if self.monitors and not command.flags & (SKIP_MONITOR | ADMIN):
            self.show_monitors(c, a)
        # A script's own request counts for nothing, though EVAL_RO is marked as reading.
        if c.gate & TRACKED and command.flags & (READ_ONLY | NO_SCRIPT) == READ_ONLY:
            if c.scripted:
                c.has_read = True
            else:
                self.tracking.remember(c, [key for key, _ in keys_of(command.row.name, a.list())])
        if keyspace.dirty != dirty and self.journal is not None and not self.recorded \
                and command.flags & WRITE and not c.replaying:
            record = self.journal.begin(c.db.index)
            put_request(record, a)
        if keyspace.ready and not c.executing and self.busy is None:
            self.serve_blocked()
        now_ns = self.clock.now_ns()
        if c.waiter is not None:           # counted when it is answered
            c.waiter.remember(command, a.list())
            self.last_ns = now_ns
            return 0
        spent_ns = now_ns - began_ns
        command.calls += 1
        command.nsec += spent_ns
        command.took[octave(spent_ns)] += 1
        if spent_ns >= self.watch_ns >= 0:
            note_time(self, c, command, a.list(), spent_ns)
        self.last_ns = now_ns
        return 0

    def keep(self, Journal journal) -> None:
        """Record every change from now on in a journal; None = in none."""
        self.journal = journal
        self.aof = journal

    def follow(self, follower) -> None:
        """Be a replica from now on, or (None) one no more."""
        self.follower = follower
        self.freeze(self.pause is not None)
        self.limit_memory()
        if self.journal is not None:
            self.journal.follow(None)

    def record_in(self, Journal journal not None) -> None:
        """Record every change from now on, though not in a file."""
        self.journal = journal

    def cycle(self) -> None:
        """What is done from time to time: active expiry."""
        if self.cron_paused:
            return
        self.tick()
        if self.active_expire and not self.keyspace.passive:
            began_ns = self.clock.now_ns()
            self.keyspace.expire_some()
            spent_ns = self.clock.now_ns() - began_ns
            if spent_ns >= self.latency_ns >= 0:
                self.latency.add("expire-cycle", self.now() // 1000, spent_ns // 1_000_000)
        if self.tracking is not None:
            self.tracking.limit()
        self.client_limits.cycle()
        self.primary.cycle(self.keyspace.now_ms)
        self.saver.cycle(self.keyspace.now_ms)
        if self.log_engine is not None:
            self.log_engine.cycle()

    def reload(self) -> None:
        """Forget everything and read the journal's files again."""
        self.journal.flush()
        self.empty()
        self.aof.load()

    def empty(self) -> None:
        """Forget all data, which is not a change: the log is not told."""
        cdef Database db
        for db in self.keyspace.databases:
            db.clear()

    cdef Buf instead(self, Client c):
        """Where a handler writes its own record, in place of the request."""
        self.recorded = True
        if self.journal is None or c.replaying:
            return None
        return self.journal.begin(c.db.index)

    def record(self, Client c, *words) -> None:
        """`instead` for Python: write one request as the record."""
        cdef Buf buf = self.instead(c)
        if buf is not None:
            put_request(buf, Args.of(*words))

    def tell_replicas(self, Client c not None, *words) -> None:
        """Let replicas run a request that changes no data, and that the log need not know."""
        cdef Buf buf
        cdef size_t start
        if self.journal is None or self.journal.follower is None or c.replaying:
            return
        buf = self.journal.begin(c.db.index)
        start = buf.n
        put_request(buf, Args.of(*words))
        self.journal.set_aside(start, False)

    def record_vanished(self, Database db, bytes key) -> None:
        """A key expired or was evicted: the log needs no clock and no limit to know."""
        cdef Buf buf
        if self.journal is not None:
            buf = self.journal.begin(db.index)
            put_request(buf, Args.of(b"DEL", key))

    def serve_blocked(self) -> None:
        """Keys changed that clients wait for."""
        from kvstore.blocking import serve

        serve(self)

    def show_monitors(self, Client c, Args a) -> None:
        """Tell MONITOR clients what is run."""
        from kvstore.admin import show_monitors

        show_monitors(self, c, a.list())

    # ------------------------------------------------------------------ embedded form

    def client(self) -> Client:
        """A client in this process, for `run`."""
        client = Client(self)
        client.resp = 3
        client.user = self.users.default   # who it is in name: it may do everything
        return client

    def run(self, Client c not None, Args a not None) -> bytes:
        """One request, its reply as bytes; the caller ends the turn (`world.turn`)."""
        cdef Buf out = Buf()
        self.tick()
        self.execute(c, a, out)
        return bytes(out)

    def join_cluster(self, router) -> None:
        """Serve only what the cluster says is served here."""
        self.router = router
        self.limit_memory()

    def count_change(self) -> None:
        """Something changed that is no key: libraries of functions."""
        self.keyspace.dirty += 1

    def execute_words(self, Client c not None, *words):
        """One request of str, bytes, int or float words; its reply as a Python value.

        An error reply is raised as ReplyError.
        """
        data = self.run(c, Args.of(*words))
        self.world.turn.run()
        value = decode(data)[0] if data else None
        if isinstance(value, ReplyError):
            raise value
        return value
