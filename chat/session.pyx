"""IRC on a stream: bytes into lines, lines to the network.

Two transports carry the same lines: this one, ended by CRLF or a bare LF, and
`chat.websocket`, one line a frame.  Both hand parsed messages to `Network.handle` and are handed
`Outgoing` messages by `deliver`.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.string cimport memchr

from bedrock.net.buf cimport Buf
from bedrock.net.session cimport Session
from chat.message cimport Outgoing
from chat.message import CLIENT_TAG_BYTES, LINE_BYTES, parse

cdef enum:
    LONGEST = 4096 + 512


cdef class IrcSession(Session):
    """A client's connection.

    network: the chat.network.Network it joins
    client:  its chat.client.Client while the connection is open
    """

    cdef readonly object network, client

    def __init__(self, network):
        self.network = network

    def opened(self):
        peer = self.link.peer
        host = peer[0] if isinstance(peer, tuple) and isinstance(peer[0], str) else "localhost"
        self.client = self.network.connect(self, host)

    def closed(self, exc):
        client, self.client = self.client, None
        self.network.disconnected(client, str(exc) if exc else "Connection closed")

    cdef Py_ssize_t feed(self, const char* p, size_t n, Buf out) except -2:
        cdef const char* end
        cdef size_t used = 0, size
        while used < n and not self.link.closing and not self.link.held:
            end = <const char*>memchr(p + used, b"\n", n - used)
            if end is NULL:
                if n - used > LONGEST:
                    self.network.line_too_long(self.client)
                    return -1
                break
            size = end - (p + used)
            if size and p[used + size - 1] == b"\r":
                size -= 1
            self.line(PyBytes_FromStringAndSize(p + used, size))
            used = end - p + 1
        return used

    cdef int line(self, bytes data) except -1:
        cdef Py_ssize_t tags = 0
        if data.startswith(b"@"):
            tags = data.find(b" ") + 1
        if tags > CLIENT_TAG_BYTES or len(data) - tags > LINE_BYTES - 2:
            self.network.line_too_long(self.client)
            return 0
        message = parse(data)
        if message is not None:
            self.network.handle(self.client, message)
        return 0

    cdef int put(self, Outgoing message, int wants) except -1:
        cdef bytes line = message.line(wants)
        return self.link.send(PyBytes_AS_STRING(line), PyBytes_GET_SIZE(line))

    def deliver(self, Outgoing message not None, int wants):
        """Queue a message for this client."""
        self.put(message, wants)

    def close(self):
        """End the connection once what is queued is sent."""
        self.link.close()


def fan_out(recipients, Outgoing message not None) -> int:
    """Queue a message for each client that has not left; how many there were."""
    cdef int delivered = 0
    # A snapshot: one that has too much queued is dropped on the spot, and leaves its channels.
    for client in list(recipients):
        if client.left:
            continue
        transport = client.transport
        if type(transport) is IrcSession:
            (<IrcSession>transport).put(message, client.wants)
        else:
            transport.deliver(message, client.wants)
        delivered += 1
    return delivered
