"""The wire: a connection that speaks RESP to the engine.

    bytes ─► parse ─► engine.execute ─► replies, straight into the output buffer

A session only cuts requests out of the input; what a client is and may do is the engine's `Client`.
While the client is blocked or closing nothing more is parsed: the rest stays with the link and is
fed again (`Link.resume`).
"""

from bedrock.net.buf cimport Buf
from bedrock.net.session cimport Session
from kvstore.engine cimport UNAUTHENTICATED, Client, Store
from kvstore.resp cimport Args, Bounds, parse, put_error

DENIED = (
    b"-DENIED Redis is running in protected mode because protected mode is enabled and no password "
    b"is set for the default user. In this mode connections are only accepted from the loopback "
    b"interface. If you want to connect from external computers to Redis you may set a password, "
    b"or start the server with --insecure.\r\n"
)

cdef enum:
    KEEP_PROGRESS = 64             # arguments from which a partial request keeps its own Args


cdef class RespSession(Session):
    """One connection.

    store: the engine it talks to
    """

    cdef readonly Store store
    cdef readonly Client client
    cdef Args partial                  # a long request that is not whole, or None

    def __init__(self, Store store not None):
        self.store = store

    def opened(self) -> None:
        self.client = Client(self.store, self.link)
        if self.store.parameters["protected-mode"] and self.is_exposed():
            self.link.write(DENIED)
            self.link.close()
            return
        if len(self.store.clients) >= self.store.parameters["maxclients"]:
            self.store.turned_away += 1
            self.link.write(b"-ERR max number of clients reached\r\n")
            self.link.close()
            return
        self.store.add_client(self.client)

    def is_exposed(self) -> bool:
        """True for who comes from another machine while nobody has to say who he is."""
        peer = self.link.peer
        user = self.store.users.default
        return isinstance(peer, tuple) and user.nopass and user.enabled and not (
            peer[0].startswith("127.") or peer[0] == "::1")

    def closed(self, exc) -> None:
        self.store.remove_client(self.client)

    cdef Py_ssize_t feed(self, const char* p, size_t n, Buf out) except -2:
        cdef Store store = self.store
        cdef Client client = self.client
        cdef Args args
        cdef const Bounds* bounds
        cdef size_t at = 0
        cdef Py_ssize_t used
        store.tick()
        client.active_ms = store.keyspace.now_ms
        while at < n:
            args = self.partial if self.partial is not None else store.scratch
            bounds = &store.early_bounds if client.gate & UNAUTHENTICATED else &store.bounds
            used = parse(args, p + at, n - at, bounds)
            if used <= 0:
                if used < 0:
                    put_error(out, args.error)
                    store.scratch.reset()
                    return -1
                self.wait_for_more(args)
                break
            at += used
            client.request_bytes = used
            self.partial = None
            if args.n:
                if store.execute(client, args, out):
                    return at - used
                if self.link.held or self.link.closing:
                    break
            else:
                store.primary.heard(client)
        return at

    cdef int wait_for_more(self, Args args) except -1:
        """The request is not whole: remember how far a long one got."""
        self.need = args.need
        if args.n >= KEEP_PROGRESS:
            if args is self.store.scratch:
                self.partial = args
                self.store.scratch = Args()
        else:
            args.reset()
        return 0
