"""Client-side caching: telling clients that keys they read have changed.

    default   a client's reads are remembered, key -> clients; the first change of a key tells them
              all and is then forgotten
    BCAST     nothing is remembered: a client names prefixes, and hears of every change under them,
              gathered until the end of the turn

    > *2  invalidate  [key ...]               to a RESP3 client, or the one it redirects to
    message  __redis__:invalidate  [key ...]  to a RESP2 client in subscribed mode

Invariants:
1. A client hears of a key after the reply to the command that changed it, if that was its own.
2. A client is told once for each read; what it did not read it hears nothing of (default mode).
3. The table holds at most `tracking-table-max-keys` keys: for one too many, another is declared
   invalid.

Reference: Redis 7.0, "Client-side caching in Redis".
"""

from __future__ import annotations

from typing import Any

from kvstore.binding import command
from kvstore.resp import Members, Push, ReplyError, encode

CHANNEL = b"__redis__:invalidate"


class Tracked:
    """How one client is tracked."""

    def __init__(self) -> None:
        self.redirect = 0  # id of the client that is told instead; 0: itself
        self.broken = False  # that client is gone
        self.bcast = self.optin = self.optout = self.noloop = False
        self.caching = False  # CLIENT CACHING was the last command
        self.prefixes: dict[bytes, None] = {}

    @property
    def remembers(self) -> bool:
        """Whether the reads of the next command count."""
        if self.bcast:
            return False
        return self.caching if self.optin else not (self.optout and self.caching)

    def flags(self) -> list[bytes]:
        """Words for what is on, as CLIENT TRACKINGINFO has them."""
        words = {
            b"bcast": self.bcast, b"optin": self.optin,
            b"caching-yes": self.optin and self.caching,
            b"optout": self.optout, b"caching-no": self.optout and self.caching,
            b"noloop": self.noloop, b"broken_redirect": self.broken,
        }  # fmt: skip
        return [b"on", *(word for word, on in words.items() if on)]


class Tracking:
    """Who is to be told of which key."""

    def __init__(self, store: Any):
        self.store = store
        self.keys: dict[bytes, dict[int, None]] = {}  # key -> ids of the clients that read it
        self.items = 0  # ids in it, all together
        self.prefixes: dict[bytes, dict[Any, None]] = {}  # prefix -> clients
        self.touched: dict[bytes, Any] = {}  # keys changed in this turn -> by whom
        self.pending: list[bytes | None] = []  # for who runs a command now, after its reply
        self.clients = 0
        store.keyspace.on_touched = self.invalidate
        store.parameters.listen(self.configure)

    # ------------------------------------------------------------------ clients

    def start(self, client: Any, tracked: Tracked) -> None:
        """Track a client from now on, or in another way."""
        before = client.tracking
        if before is None:
            self.clients += 1
        else:
            tracked.prefixes = {**before.prefixes, **tracked.prefixes}
        client.tracking = tracked
        for prefix in tracked.prefixes:
            self.prefixes.setdefault(prefix, {})[client] = None

    def stop(self, client: Any) -> None:
        """Track a client no more; its id in the table of keys is stale then."""
        if client.tracking is None:
            return
        for prefix in client.tracking.prefixes:
            del self.prefixes[prefix][client]
            if not self.prefixes[prefix]:
                del self.prefixes[prefix]
        client.tracking = None
        self.clients -= 1

    # ------------------------------------------------------------------ reads and changes

    def remember(self, client: Any, keys: list[bytes]) -> None:
        """A client read keys."""
        if not client.tracking.remembers:
            return
        for key in keys:
            readers = self.keys.setdefault(key, {})
            if client.id not in readers:
                readers[client.id] = None
                self.items += 1

    def limit(self) -> None:
        """Make the table as small as it must be, before the next command of anyone."""
        while self.most and len(self.keys) > self.most:
            self.invalidate_readers(next(iter(self.keys)))

    def configure(self) -> None:
        """Take over changed parameters."""
        self.most = self.store.parameters["tracking-table-max-keys"]

    def invalidate(self, key: bytes, died: bool = False) -> None:
        """A key changed, or went; its time that was up is nobody's doing."""
        if self.prefixes:
            if not self.touched:
                self.store.world.turn.before_flush(self.broadcast)
            self.touched[key] = None if died else self.store.running
        if key in self.keys:
            self.invalidate_readers(key)

    def invalidate_readers(self, key: bytes) -> None:
        """Tell those who read a key, and forget that they did."""
        readers = self.keys.pop(key)
        self.items -= len(readers)
        for client_id in readers:
            client = self.store.clients.get(client_id)
            if client is None or client.tracking is None or client.tracking.bcast:
                continue
            if client is not self.store.running:
                self.send(client, [key])
            elif not client.tracking.noloop:
                self.pending.append(key)

    def invalidate_all(self) -> None:
        """Every key went (FLUSHALL, FLUSHDB)."""
        for client in list(self.store.clients.values()):
            if client.tracking is None:
                continue
            if client is self.store.running:
                self.pending.append(None)
            else:
                self.send(client, None)
        self.keys.clear()
        self.items = 0

    def broadcast(self) -> None:
        """The turn ends: tell of the keys under each prefix."""
        touched, self.touched = self.touched, {}
        for prefix, clients in list(self.prefixes.items()):
            under = {key: by for key, by in touched.items() if key.startswith(prefix)}
            for client in list(clients) if under else ():
                noloop = client.tracking.noloop
                keys = [key for key, by in under.items() if not (noloop and by is client)]
                if keys:
                    self.send(client, keys)

    def after_reply(self, client: Any) -> None:
        """Tell the client whose command has just been answered what was kept back for it."""
        pending, self.pending = self.pending, []
        for key in pending:
            if client.tracking is not None:
                self.send(client, None if key is None else [key])

    def send(self, client: Any, keys: list[bytes] | None) -> None:
        """Push an invalidation to a client, or to the one it redirects to."""
        tracked, target = client.tracking, client
        if tracked.redirect:
            target = self.store.clients.get(tracked.redirect)
            if target is None:
                tracked.broken = True
                if client.resp > 2:
                    gone = Push([b"tracking-redir-broken", tracked.redirect])
                    client.push(encode(gone, 3))
                return
        if target.resp > 2:
            target.push(encode(Push([b"invalidate", keys]), 3))
        elif tracked.redirect and target.subscriptions:
            what = b"*-1\r\n" if keys is None else encode(keys, 2)
            target.push(encode(Push([b"message", CHANNEL, b""]), 2)[: -len(b"$0\r\n\r\n")] + what)


def tracking_of(store: Any) -> Tracking:
    """The store's tracking, made when the first client wants it."""
    if store.tracking is None:
        store.tracking = Tracking(store)
    found: Tracking = store.tracking
    return found


# ---------------------------------------------------------------------- commands


def parse(client: Any, words: list[bytes]) -> Tracked:
    """The options of CLIENT TRACKING."""
    tracked = Tracked()
    i = 0
    while i < len(words):
        option, more = words[i].lower(), i + 1 < len(words)
        if option == b"redirect" and more:
            i += 1
            if tracked.redirect:
                raise ReplyError("ERR A client can only redirect to a single other client")
            if not words[i].lstrip(b"-").isdigit():
                raise ReplyError("ERR value is not an integer or out of range")
            tracked.redirect = int(words[i])
            if tracked.redirect not in client.store.clients:
                raise ReplyError("ERR The client ID you want redirect to does not exist")
        elif option == b"prefix" and more:
            i += 1
            tracked.prefixes[words[i]] = None
        elif option in (b"bcast", b"optin", b"optout", b"noloop"):
            setattr(tracked, option.decode(), True)
        else:
            raise ReplyError("ERR syntax error")
        i += 1
    return tracked


def check(before: Tracked | None, wanted: Tracked) -> None:
    """Refuse options that do not go together, or not with what was said before."""
    another = (
        "before disabling tracking for this client, and then re-enabling it with a different mode."
    )
    if wanted.prefixes and not wanted.bcast:
        raise ReplyError("ERR PREFIX option requires BCAST mode to be enabled")
    if before is not None and before.bcast != wanted.bcast:
        raise ReplyError(f"ERR You can't switch BCAST mode on/off {another}")
    if wanted.bcast and (wanted.optin or wanted.optout):
        raise ReplyError("ERR OPTIN and OPTOUT are not compatible with BCAST")
    if wanted.optin and wanted.optout:
        raise ReplyError("ERR You can't specify both OPTIN mode and OPTOUT mode")
    if before is not None and (
        (wanted.optin and before.optout) or (wanted.optout and before.optin)
    ):
        raise ReplyError(f"ERR You can't switch OPTIN/OPTOUT mode {another}")
    check_prefixes(before.prefixes if before is not None else {}, list(wanted.prefixes))


def check_prefixes(known: dict[bytes, None], prefixes: list[bytes]) -> None:
    """Refuse prefixes of which one begins with another: a key would be told of twice."""
    for i, prefix in enumerate(prefixes):
        for others, which in ((known, "an existing"), (prefixes[i + 1 :], "another provided")):
            for other in others:
                if prefix.startswith(other) or other.startswith(prefix):
                    raise ReplyError(
                        f"ERR Prefix '{prefix.decode('latin-1')}' overlaps with {which} prefix "
                        f"'{other.decode('latin-1')}'. Prefixes for a single client must not "
                        "overlap.")


@command("client|tracking")
def client_tracking(client, words):
    """CLIENT TRACKING ON | OFF [options]"""
    wanted = parse(client, words[3:])
    tracking = tracking_of(client.store)
    mode = words[2].lower()
    if mode == b"on":
        check(client.tracking, wanted)
        if wanted.bcast and not wanted.prefixes:
            wanted.prefixes[b""] = None
        tracking.start(client, wanted)
    elif mode == b"off":
        tracking.stop(client)
    else:
        raise ReplyError("ERR syntax error")
    return "OK"


@command("client|caching")
def client_caching(client, words):
    """CLIENT CACHING YES | NO"""
    tracked = client.tracking
    if tracked is None:
        raise ReplyError(
            "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN "
            "or OPTOUT mode enabled")
    answer = words[2].lower()
    if answer not in (b"yes", b"no"):
        raise ReplyError("ERR syntax error")
    if not (tracked.optin if answer == b"yes" else tracked.optout):
        mode = "OPTIN" if answer == b"yes" else "OPTOUT"
        raise ReplyError(f"ERR CLIENT CACHING {answer.decode().upper()} is only valid when "
                         f"tracking is enabled in {mode} mode.")
    tracked.caching = True
    return "OK"


@command("client|getredir")
def client_getredir(client, words):
    """CLIENT GETREDIR"""
    return client.tracking.redirect if client.tracking is not None else -1


@command("client|trackinginfo")
def client_trackinginfo(client, words):
    """CLIENT TRACKINGINFO"""
    tracked = client.tracking
    return {
        b"flags": Members([b"off"] if tracked is None else tracked.flags()),
        b"redirect": -1 if tracked is None else tracked.redirect,
        b"prefixes": sorted(tracked.prefixes) if tracked is not None else [],
    }
