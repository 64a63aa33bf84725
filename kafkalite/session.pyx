"""The wire: frames in, frames out.

    request    length int32 | api_key int16, api_version int16, correlation_id int32,
               client_id string? [, tags] | body
    response   length int32 | correlation_id int32 [, tags] | body

Headers of flexible versions end with a block of tagged fields; ApiVersions responses do not, as a
client reads one before it knows what the broker speaks.  client_id is a plain int16 string always.

Requests of a connection are answered in the order they came: one whose response is not ready
(a long poll, a member waiting for its group) holds the link until it is.

What is no request gets no answer but the end of the connection, as Kafka does: a length out of
range, an unknown key or version, a body that does not parse, a request before authentication, a
wrong password.  Only ApiVersions of an unknown version is answered, in version 0 with error 35, so
that the client can come down to ours.

After SaslHandshake of version 0 the messages of the mechanism are frames of their own, without a
header; later versions wrap them in SaslAuthenticate.

A client over its quota is told so in its response, and not read from for as long.

The requests that are sent most are read and written by hand, unless something else has to look at
them: ACLs, quotas, or the faults of a test.
"""

from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint32_t
from libc.string cimport memcmp

from bedrock.net.buf cimport Buf
from bedrock.net.session cimport Session
from bedrock.world.disk cimport File
from kafkalite.batch cimport get16, get32, set32
from kafkalite.codec cimport Input, Output, Reply, Slice, Struct
from kafkalite.cursor cimport Reader, skip_tags
from kafkalite.fetch cimport fetch_by_hand
from kafkalite.frequent cimport commit_by_hand, heartbeat_by_hand, metadata_by_hand
from kafkalite.produce cimport produce_by_hand

from bedrock.codec.errors import Malformed

from kafkalite.apis import APIS
from kafkalite.apis.connection import API_VERSIONS
from kafkalite.authorization import authorized
from kafkalite.broker import Call
from kafkalite.errors import Code
from kafkalite.faults import BROKEN
from kafkalite.handlers import HANDLERS
from kafkalite.handlers.connection import log_in
from kafkalite.later import Later
from kafkalite.quotas import CONSUMED, PRODUCED
from kafkalite.scram import Refused

cdef enum:
    HEADER_BYTES = 10              # key, version, correlation id, length of client id
    READ_BELOW = 64 << 10          # shorter slices are read and sent with what surrounds them
    LOGIN_BYTES = 512 << 10        # largest frame before a client has logged in
    PRODUCE = 0
    FETCH = 1
    METADATA = 3
    OFFSET_COMMIT = 8
    HEARTBEAT = 12
    SASL_AUTHENTICATE = 36

# Keys that a client may use before it has authenticated.
cdef frozenset OPEN_KEYS = frozenset({17, API_VERSIONS, 36})
cdef dict ROUTES = {}
cdef Struct TAGS_ONLY = Struct([], [], {}, True)


# From a request's bytes to its Reply, a Later for it, or None.
ctypedef object (*ByHand)(object broker, object call, Reader* r)


cdef ByHand by_hand(int key) noexcept:
    """For the requests that are sent most; NULL for the others."""
    if key == PRODUCE:
        return produce_by_hand
    if key == FETCH:
        return fetch_by_hand
    if key == METADATA:
        return metadata_by_hand
    if key == OFFSET_COMMIT:
        return commit_by_hand
    if key == HEARTBEAT:
        return heartbeat_by_hand
    return NULL


cdef class Route:
    """One key and version: how to decode, what to call, how to encode."""

    cdef readonly int key
    cdef readonly int version
    cdef Struct decoder
    cdef Struct encoder
    cdef object handler
    cdef ByHand by_hand
    cdef bint flexible
    cdef bint tags_in_response     # header of the response

    def __init__(self, api, int version):
        self.key = api.key
        self.version = version
        self.decoder = api.decoder(version)
        self.encoder = api.encoder(version)
        self.handler = HANDLERS[api.key]
        self.by_hand = by_hand(api.key)
        self.flexible = api.is_flexible(version)
        self.tags_in_response = self.flexible and api.key != API_VERSIONS


cdef Route find_route(int key, int version):
    """The route, made on first use; None for what is not served."""
    cdef Route route = ROUTES.get((key << 16) | version)
    if route is None and key in APIS:
        api = APIS[key]
        if api.oldest <= version <= api.newest:
            route = ROUTES[(key << 16) | version] = Route(api, version)
    return route


cdef int64_t fetched_bytes(dict response) except -1:
    """Bytes of records in a response to Fetch."""
    cdef int64_t n = 0
    for topic in response.get("topics", ()):
        for part in topic["partitions"]:
            records = part.get("records") or b""
            n += (<Slice>records).n if isinstance(records, Slice) else len(records)
    return n


cdef class KafkaSession(Session):
    """One connection.

    broker     kafkalite.broker.Broker
    max_bytes  socket.request.max.bytes
    """

    cdef readonly object broker
    cdef readonly object call
    cdef int64_t max_bytes
    cdef bytes client              # its id, as it says it
    cdef object pending            # Later of the request that holds the link
    cdef Buf frame                 # the response being encoded
    cdef bint stranger             # must log in first
    cdef object rest               # timer: over its quota, not read from until then

    def __init__(self, broker, int64_t max_bytes=100 << 20):
        self.broker = broker
        self.stranger = broker.users.required
        self.max_bytes = max_bytes
        self.call = Call()
        self.client = b""
        self.frame = Buf()

    def opened(self) -> None:
        peer = self.link.peer
        self.call.host = str(peer[0]) if isinstance(peer, tuple) else "local"

    def closed(self, exc) -> None:
        if self.pending is not None:
            self.pending.abandon()
            self.pending = None
        if self.rest is not None:
            self.rest.cancel()
            self.rest = None

    cdef Py_ssize_t feed(self, const char* p, size_t n, Buf out) except -2:
        cdef size_t at = 0
        cdef int64_t size
        while n - at >= 4:
            size = <int32_t>get32(p + at)
            if not self.is_acceptable(size):
                return -1
            if <int64_t>(n - at) < size + 4:
                self.need = size + 4
                break
            try:
                if self.stranger and self.call.bare:
                    if not self.bare_login(p + at + 4, size):
                        return -1
                elif not self.request(p + at + 4, size):
                    return -1
            except Malformed:
                return -1
            at += size + 4
            if self.link.held:
                break
        return at

    cdef bint is_acceptable(self, int64_t size) except -1:
        """Whether a frame may be so long."""
        if self.stranger:
            return (0 if self.call.bare else HEADER_BYTES) <= size <= LOGIN_BYTES
        return HEADER_BYTES <= size <= self.max_bytes

    cdef bint bare_login(self, const char* p, Py_ssize_t n) except -1:
        """A message of the mechanism that is no request; False for a wrong password."""
        try:
            reply = log_in(self.call, p[:n])
        except Refused:
            return False
        self.stranger = self.call.user is None
        self.link.write(len(reply).to_bytes(4, "big") + reply)
        return True

    cdef bint request(self, const char* p, Py_ssize_t n) except -1:
        """Handle one request; False if it deserves no answer."""
        cdef int key = <int16_t>get16(p), version = <int16_t>get16(p + 2)
        cdef int32_t correlation = <int32_t>get32(p + 4)
        cdef Py_ssize_t name = <int16_t>get16(p + 8)
        cdef Route route = find_route(key, version)
        if route is None:
            if key != API_VERSIONS:
                return False
            self.refuse_version(correlation)
            return True
        if name < -1 or name > n - HEADER_BYTES:
            return False
        if self.stranger and key not in OPEN_KEYS:
            return False
        self.name_client(p + HEADER_BYTES, max(name, 0))
        self.call.version = version
        response = self.answer(route, p + HEADER_BYTES + max(name, 0), p + n)
        if response is BROKEN:
            return False
        if isinstance(response, Later):
            self.wait(route, correlation, response)
            return True
        if route.key == PRODUCE and self.broker.quotas.active:
            self.charge(PRODUCED, n, response)
        if response is not None:
            self.reply(route, correlation, response)
        if key == SASL_AUTHENTICATE:
            self.stranger = self.call.user is None
            if response.get("error_code"):
                self.link.close()
        return True

    cdef int name_client(self, const char* p, Py_ssize_t n) except -1:
        """Note the client's id, which it says with every request."""
        if n != len(self.client) or memcmp(p, <const char*>self.client, n):
            self.client = p[:n]
            self.call.client_id = self.client.decode("utf-8", "replace")
        return 0

    cdef object answer(self, Route route, const char* p, const char* end):
        """The response to the request whose header ends at p."""
        cdef Input source
        cdef Reader reader
        broker = self.broker
        if route.by_hand is not NULL and broker.faults is None and \
                not broker.authorizer.active and not broker.quotas.active:
            reader.p, reader.end = p, end
            reader.flexible, reader.bad = route.flexible, False
            skip_tags(&reader)
            return route.by_hand(broker, self.call, &reader)
        source.p, source.end = <const uint8_t*>p, <const uint8_t*>end
        source.spans = True
        if route.flexible:
            TAGS_ONLY.read(&source)
        request = route.decoder.read(&source)
        if broker.faults is not None:
            return broker.faults.answer(route.key, route.handler, request, self.call)
        if broker.authorizer.active:
            return authorized(broker, route.key, route.handler, request, self.call)
        return route.handler(broker, request, self.call)

    cdef int charge(self, key, int64_t amount, response) except -1:
        """Take from the client's quota; over it, the link rests for as long as it must wait."""
        cdef int64_t wait_ms = self.broker.quotas.charge(
            key, self.call.user or "ANONYMOUS", self.call.client_id, amount)
        if wait_ms <= 0:
            return 0
        if response is not None:
            response["throttle_time_ms"] = wait_ms
        self.link.hold()
        clock = self.broker.world.clock
        self.rest = clock.call_at(clock.now_ns() + wait_ms * 1_000_000, self.go_on)
        return 0

    def go_on(self) -> None:
        """The client has waited."""
        self.rest = None
        self.link.resume()

    cdef int wait(self, Route route, int32_t correlation, later) except -1:
        """Answer when the response is there; nothing else of this connection before."""
        if later.done:
            return self.reply(route, correlation, later.value)

        def respond(response):
            self.pending = None
            self.reply(route, correlation, response)
            if self.rest is None:
                self.link.resume()

        self.pending = later
        self.link.hold()
        later.then(respond)
        return 0

    cdef int refuse_version(self, int32_t correlation) except -1:
        api = APIS[API_VERSIONS]
        return self.reply(find_route(API_VERSIONS, 0), correlation, {
            "error_code": Code.UNSUPPORTED_VERSION,
            "api_keys": [{
                "api_key": API_VERSIONS, "min_version": api.oldest, "max_version": api.newest,
            }],
        })

    cdef int reply(self, Route route, int32_t correlation, response) except -1:
        """Send a response; slices of segments go from their files."""
        cdef Buf frame = self.frame
        cdef Output output = Output(frame)
        cdef size_t sent = 0, position
        cdef Slice slice
        if route.key == FETCH and self.broker.quotas.active and type(response) is dict:
            self.charge(CONSUMED, fetched_bytes(response), response)
        frame.clear()
        frame.room(8)
        set32(frame.p + 4, <uint32_t>correlation)
        frame.n = 8
        if route.tags_in_response:
            frame.put("\0", 1)
        if isinstance(response, Reply):
            (<Reply>response).write(output, route.version, route.flexible)
        else:
            route.encoder.write(output, response)
        set32(frame.p, <uint32_t>(frame.n - 4 + output.n))
        for position, slice in output.cuts:
            self.link.send(frame.p + sent, position - sent)
            self.send_slice(slice)
            sent = position
        return self.link.send(frame.p + sent, frame.n - sent)

    cdef int send_slice(self, Slice slice) except -1:
        cdef bytes data
        if slice.n >= READ_BELOW:
            self.link.send_file(slice.file, slice.offset, slice.n)
            return 0
        data = (<File>slice.file).read_at(slice.offset, slice.n)
        return self.link.send(data, len(data))
