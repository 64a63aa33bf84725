"""Commands about the connection itself: PING, SELECT, AUTH, HELLO, CLIENT ..."""

from libc.stdint cimport int64_t

from bedrock.net.buf cimport Buf
from kvstore.binding cimport define
from kvstore.engine cimport IN_MULTI, REPLY_OFF, REPLY_SKIP, SUBSCRIBED, Client
from kvstore.binding import command
from kvstore.resp cimport Args, put_array, put_bulk, put_ok
from kvstore.refusals import wrong_number
from kvstore.resp import ReplyError, Simple, Verbatim, whole
from kvstore.strings cimport int_of
from kvstore.version import REDIS_VERSION

NO_PASSWORD = (
    "ERR AUTH <password> called without any password configured for the default user. "
    "Are you sure your configuration is correct?")


cdef int ping(Client c, Args a, Buf out) except -1:
    if a.n > 2:
        raise ReplyError("ERR wrong number of arguments for 'ping' command")
    if c.gate & SUBSCRIBED and c.resp == 2:
        put_array(out, 2)
        put_bulk(out, "pong", 4)
        return put_bulk(out, a.v[1].p, a.v[1].n) if a.n == 2 else put_bulk(out, "", 0)
    if a.n == 2:
        return put_bulk(out, a.v[1].p, a.v[1].n)
    return out.put(b"+PONG\r\n", 7)


cdef int echo(Client c, Args a, Buf out) except -1:
    return put_bulk(out, a.v[1].p, a.v[1].n)


cdef int select(Client c, Args a, Buf out) except -1:
    cdef int64_t index = int_of(&a.v[1])
    if not 0 <= index < len(c.store.keyspace.databases):
        raise ReplyError("ERR DB index is out of range")
    if index and c.store.router is not None:
        raise ReplyError("ERR SELECT is not allowed in cluster mode")
    c.db = c.store.keyspace.databases[index]
    return put_ok(out)


@command("auth")
def auth(Client c, words):
    if len(words) > 3:
        raise ReplyError("ERR syntax error")
    users = c.store.users
    if len(words) == 2 and users.default.nopass:
        raise ReplyError(NO_PASSWORD)
    user = words[1] if len(words) == 3 else b"default"
    users.log_in(c, words[0], user, words[len(words) - 1])
    return "OK"


def check_name(name: bytes) -> bytes:
    """A client's name, or an error: it is one word of printable characters."""
    if any(not 33 <= ch <= 126 for ch in name):
        raise ReplyError(
            "ERR Client names cannot contain spaces, newlines or special characters.")
    return name


@command("hello")
def hello(Client c, words):
    resp, name, credentials = c.resp, None, None
    i = 1
    if len(words) > 1:
        if words[1] not in (b"2", b"3"):
            if not words[1].lstrip(b"-").isdigit():
                raise ReplyError("ERR Protocol version is not an integer or out of range")
            raise ReplyError("NOPROTO unsupported protocol version")
        resp = int(words[1])
        i = 2
    while i < len(words):
        option = words[i].upper()
        if option == b"AUTH" and i + 2 < len(words):
            credentials = words[i + 1], words[i + 2]
            i += 3
        elif option == b"SETNAME" and i + 1 < len(words):
            name = check_name(words[i + 1])
            i += 2
        else:
            raise ReplyError(f"ERR Syntax error in HELLO option '{words[i].decode('latin-1')}'")
    if credentials is not None:
        c.store.users.log_in(c, words[0], *credentials)
    elif not c.authenticated:
        raise ReplyError(
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the "
            "HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and "
            "select the RESP protocol version at the same time")
    c.resp = resp
    if name is not None:
        c.name = name
    return {
        b"server": b"redis", b"version": REDIS_VERSION.encode(), b"proto": resp, b"id": c.id,
        b"mode": b"standalone" if c.store.router is None else b"cluster",
        b"role": b"master" if c.store.follower is None else b"replica",
        b"modules": [],
    }


@command("quit")
def quit_(Client c, words):
    if c.link is not None:
        c.link.close()
    return "OK"


@command("reset")
def reset(Client c, words):
    c.leave_multi()
    c.store.pubsub.forget(c)
    c.store.monitors.pop(c, None)
    if c.store.tracking is not None:
        c.store.tracking.stop(c)
    c.asking = c.reads_replica = False
    c.resp = 2
    c.name = b""
    c.db = c.store.keyspace.databases[0]
    c.gate &= ~(REPLY_OFF | REPLY_SKIP | IN_MULTI)
    c.store.greet(c)
    return Simple("RESET")


# ---------------------------------------------------------------------- CLIENT

def show_client(Client c) -> str:
    """The line CLIENT LIST has for a client."""
    cdef int multi = -1 if c.queue is None else len(c.queue)
    flags = ("x" if c.gate & IN_MULTI else "") + ("P" if c.subscriptions else "") \
        + ("b" if c.waiter is not None or c.postponed else "") \
        + ("O" if c in c.store.monitors else "") \
        + ("S" if c in c.store.primary.replicas else "")
    redirect = -1
    if c.tracking is not None:
        flags += "t" + ("R" if c.tracking.broken else "") + ("B" if c.tracking.bcast else "")
        redirect = c.tracking.redirect
    now = c.store.keyspace.now_ms
    peer = getattr(c.link, "peer", None)
    link = c.link
    waiting = getattr(link, "queued", 0)
    queue_bytes = c.queue_bytes
    here = c.store.server.address_text if c.store.server is not None else ""
    user = c.user.name.decode("latin-1") if c.user is not None else "(superuser)"
    last = c.command.row.name if c.command is not None else "NULL"
    return (
        f"id={c.id} addr={address_text(peer)} laddr={here} fd=-1 name={c.name.decode('latin-1')} "
        f"age={(now - c.since_ms) // 1000} idle={(now - c.active_ms) // 1000} "
        f"flags={flags or 'N'} db={c.db.index} sub={len(c.channels or ())} "
        f"psub={len(c.patterns or ())} ssub={len(c.shard_channels or ())} multi={multi} "
        f"qbuf={c.request_bytes if c is c.store.running else getattr(link, 'input_bytes', 0)} "
        f"qbuf-free={getattr(link, 'input_room', 0)} argv-mem=0 multi-mem={queue_bytes} rbs=0 "
        f"rbp=0 obl=0 oll={int(waiting > 0)} omem={waiting} tot-mem={c.memory} events=r "
        f"cmd={last} user={user} "
        f"redir={redirect} resp={c.resp}")


def address_text(peer) -> str:
    """host:port, or the path of a unix socket."""
    if isinstance(peer, tuple):
        return f"{peer[0]}:{peer[1]}"
    return peer or ""


@command("client|id")
def client_id(Client c, words):
    return c.id


@command("client|info")
def client_info(Client c, words):
    return Verbatim(show_client(c) + "\n")


def client_kind(Client c) -> bytes:
    """What CLIENT LIST TYPE and CLIENT KILL TYPE call it."""
    if c in c.store.primary.replicas:
        return b"replica"
    return b"pubsub" if c.subscriptions or c.shard_channels else b"normal"


def clients_by_kind(store) -> dict:
    """The connections: normal ones, listeners, replicas."""
    groups = {"normal": [], "pubsub": [], "replica": []}
    for client in store.clients.values():
        groups[client_kind(client).decode()].append(client)
    return groups


def disconnect(store, wanted) -> int:
    """End the connections of some clients; that of who asks after its reply.  Returns how many."""
    cdef Client client
    chosen = [client for client in store.clients.values() if wanted(client)]
    for client in chosen:
        if client is store.running:
            client.link.close()
        else:
            client.link.drop("killed")
    return len(chosen)


def check_kind(word: bytes) -> bytes:
    """A client type, or the error for an unknown one."""
    if word.lower() not in (b"normal", b"master", b"replica", b"slave", b"pubsub"):
        raise ReplyError(f"ERR Unknown client type '{word.decode('latin-1')}'")
    return b"replica" if word.lower() == b"slave" else word.lower()


def parse_id(word: bytes) -> int:
    """A client's number."""
    if not word.isdigit() or int(word) < 1:
        raise ReplyError("ERR Invalid client ID")
    return int(word)


@command("client|list")
def client_list(Client c, words):
    clients = list(c.store.clients.values())
    if len(words) == 4 and words[2].upper() == b"TYPE":
        kind = check_kind(words[3])
        clients = [other for other in clients if client_kind(other) == kind]
    elif len(words) > 3 and words[2].upper() == b"ID":
        ids = {parse_id(word) for word in words[3:]}
        clients = [other for other in clients if (<Client>other).id in ids]
    elif len(words) > 2:
        raise ReplyError("ERR syntax error")
    return Verbatim("".join(show_client(other) + "\n" for other in clients))


@command("client|setname")
def client_setname(Client c, words):
    c.name = check_name(words[2])
    return "OK"


@command("client|getname")
def client_getname(Client c, words):
    return c.name or None


@command("client|no-evict")
def client_no_evict(Client c, words):
    if words[2].lower() not in (b"on", b"off"):
        raise ReplyError("ERR syntax error")
    c.no_evict = words[2].lower() == b"on"
    return "OK"


@command("client|reply")
def client_reply(Client c, words):
    mode = words[2].lower()
    c.gate &= ~(REPLY_OFF | REPLY_SKIP)
    if mode == b"on":
        c.pushed = True                    # this one is answered in any case
        return "OK"
    if mode not in (b"off", b"skip"):
        raise ReplyError("ERR syntax error")
    c.gate |= REPLY_OFF if mode == b"off" else REPLY_SKIP
    return NotImplemented


def kill_filter(Client c, words: list[bytes]):
    """(predicate, skip me) of the options of CLIENT KILL."""
    tests, skip_me = [], True
    if len(words) % 2:
        raise ReplyError("ERR syntax error")
    for option, value in zip(words[::2], words[1::2], strict=True):
        option = option.upper()
        text = value.decode("latin-1")
        if option == b"ID":
            if not value.isdigit() or int(value) < 1:
                raise ReplyError("ERR client-id should be greater than 0")
            tests.append(lambda other, n=int(value): other.id == n)
        elif option == b"ADDR":
            tests.append(lambda other, t=text: address_text(other.link.peer) == t)
        elif option == b"LADDR":
            tests.append(lambda other, t=text: other.store.server.address_text == t)
        elif option == b"TYPE":
            tests.append(lambda other, k=check_kind(value): client_kind(other) == k)
        elif option == b"USER":
            user = c.store.users.by_name.get(value)
            if user is None:
                raise ReplyError(f"ERR No such user '{text}'")
            tests.append(lambda other, u=user: other.user is u)
        elif option == b"SKIPME" and value.lower() in (b"yes", b"no"):
            skip_me = value.lower() == b"yes"
        else:
            raise ReplyError("ERR syntax error")
    return (lambda other: all(test(other) for test in tests)), skip_me


@command("client|kill")
def client_kill(Client c, words):
    if len(words) == 3:
        wanted = words[2].decode("latin-1")
        if not disconnect(c.store, lambda other: address_text(other.link.peer) == wanted):
            raise ReplyError("ERR No such client")
        return "OK"
    matches, skip_me = kill_filter(c, words[2:])
    return disconnect(c.store, lambda other: matches(other) and not (skip_me and other is c))


@command("client|unblock")
def client_unblock(Client c, words):
    if len(words) > 4:
        raise wrong_number(words)
    if (len(words) == 4 and words[3].upper() not in (b"TIMEOUT", b"ERROR")):
        raise ReplyError("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR")
    other = c.store.clients.get(whole(words[2]))
    if other is None or other.waiter is None:
        return 0
    if len(words) == 4 and words[3].upper() == b"ERROR":
        other.waiter.fail(ReplyError("UNBLOCKED client unblocked via CLIENT UNBLOCK"))
    else:
        other.waiter.time_out()
    return 1


define("ping", ping)
define("echo", echo)
define("select", select)
