"""Hadoop RPC, version 9, on the server's side.

    "hrpc" | u8 version = 9 | u8 service class | u8 auth     0 = SIMPLE, 0xDF = SASL first

then frames both ways, each a u32 length (big-endian) and delimited protobuf messages:

    request   RpcRequestHeader, RequestHeader, the method's request
    response  RpcResponseHeader, and on success the method's response (an empty one is one 0 byte)

         preamble          context (call -3)
    NEW ─────────► OPEN ◄───────────────────  no reply; names the user
                    │ ▲ SASL (call -33): NEGOTIATE is answered with SIMPLE, INITIATE with nothing
                    └─┘ ping (call -4): no reply

Clients send context and first call before they hear from us, so nothing is waited for.  Calls are
answered as they are done, which for one that has to wait may be after a later one.

Which methods there are is in hdfs_sim/messages; `Service` binds a protocol's table to the object
whose methods serve it.  Every user is taken at his word, as HDFS does without Kerberos.

Left out: Kerberos and tokens, wrapping (privacy), the retry cache, call queues with priorities.
"""

import logging

from libc.stdint cimport int64_t, uint32_t
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE

from bedrock.net.buf cimport Buf
from bedrock.net.session cimport Session
from hdfs_sim.packet cimport get_u32, put_u32

from bedrock.codec.errors import Malformed
from bedrock.world import DiskFailed, DiskFull
from hdfs_sim.errors import HdfsError, InSafeMode, NoSuchMethod, NoSuchProtocol
from hdfs_sim.messages import SCHEMA, missing
from hdfs_sim.messages import rpc as wire

cdef object log = logging.getLogger("hdfs_sim.rpc")

cdef enum:
    PREAMBLE = 7
    VERSION = 9
    AUTH_SIMPLE = 0
    AUTH_SASL = 0xDF
    FRAME_MAX = 64 << 20
    RUNNING_MAX = 512              # calls of one connection that wait at the same time

cdef object REQUEST_HEADER = SCHEMA["RequestHeader"]
cdef object RPC_HEADER = SCHEMA["RpcRequestHeader"]
cdef object RESPONSE_HEADER = SCHEMA["RpcResponseHeader"]
cdef object CONTEXT = SCHEMA["IpcConnectionContext"]
cdef object SASL = SCHEMA["RpcSasl"]
cdef object SASL_SIMPLE = SASL.encode_delimited({
    "version": 0, "state": wire.SASL_NEGOTIATE, "auths": [{"method": "SIMPLE", "mechanism": ""}]})

cdef bytes HTTP_ANSWER = (
    b"HTTP/1.1 404 Not Found\r\nContent-type: text/plain\r\nConnection: close\r\n\r\n"
    b"This is the Hadoop RPC port; WebHDFS answers HTTP on another one.\n")


class Service:
    """A protocol's methods, bound to what serves them.

    protocol: a table of hdfs_sim.messages
    handlers: for method getFileInfo its get_file_info(caller, request dict) -> response dict,
              None for an empty response, or a coroutine of either.  caller is the RpcSession.
    """

    def __init__(self, protocol, handlers):
        self.protocol = protocol
        self.methods = {
            name: (row.request, row.response, getattr(handlers, row.handler))
            for name, row in protocol.methods.items()
        }


cdef class RpcSession(Session):
    """One client's connection.

    services: protocol name -> Service
    user:     who the client says he is, "" before it has said so
    """

    cdef dict services
    cdef object world
    cdef readonly str user
    cdef object address
    cdef bint open
    cdef int running
    cdef readonly int64_t calls

    def __init__(self, services, world):
        self.services = services
        self.world = world
        self.user = ""

    @property
    def host(self):
        """The client's address without its port."""
        if self.address is None:
            peer = self.link.peer
            self.address = peer[0] if isinstance(peer, tuple) else "127.0.0.1"
        return self.address

    cdef Py_ssize_t feed(self, const char* p, size_t n, Buf out) except -2:
        cdef size_t done = 0
        cdef uint32_t length
        if not self.open:
            if n < PREAMBLE:
                if p[:n] != b"hrpc"[:n] and n <= 4:
                    return self.not_rpc(p, n, out)
                self.need = PREAMBLE
                return 0
            if p[:4] != b"hrpc":
                return self.not_rpc(p, n, out)
            if <unsigned char>p[4] != VERSION:
                out.write(error_frame(0, b"", "org.apache.hadoop.ipc.RPC$VersionMismatch",
                                      "Server IPC version 9 cannot communicate with client "
                                      f"version {<unsigned char>p[4]}",
                                      wire.FATAL_VERSION_MISMATCH, wire.FATAL))
                return -1
            if <unsigned char>p[6] not in (AUTH_SIMPLE, AUTH_SASL):
                out.write(error_frame(0, b"", "java.io.IOException", "unknown authentication",
                                      wire.UNAUTHORIZED, wire.FATAL))
                return -1
            self.open = True
            done = PREAMBLE
        while n - done >= 4:
            length = get_u32(p + done)
            if length > FRAME_MAX:
                out.write(error_frame(0, b"", "java.io.IOException",
                                      f"Requested data length {length} is longer than maximum "
                                      f"configured RPC length {FRAME_MAX}",
                                      wire.INVALID_RPC_HEADER, wire.FATAL))
                return -1
            if n - done - 4 < length:
                self.need = length + 4
                break
            if self.frame(PyBytes_FromStringAndSize(p + done + 4, length), out) < 0:
                return -1
            done += 4 + length
            if self.running >= RUNNING_MAX:
                self.link.hold()
                break
        return done

    cdef Py_ssize_t not_rpc(self, const char* p, size_t n, Buf out) except -2:
        """A browser or curl found this port: say so in its own words."""
        if p[:n].startswith((b"GET ", b"PUT ", b"POST ", b"HEAD ", b"DELE")):
            out.write(HTTP_ANSWER)
        return -1

    cdef int frame(self, bytes frame, Buf out) except -2:
        """One request; -1 when the connection must end."""
        cdef Py_ssize_t at
        cdef dict header
        cdef int call
        try:
            header, at = RPC_HEADER.decode_delimited(frame)
            lacking = missing("RpcRequestHeader", header)
            if lacking:
                raise Malformed(f"missing required fields: {lacking}")
        except Malformed as exc:
            out.write(error_frame(0, b"", "java.io.IOException", str(exc),
                                  wire.FATAL_DESERIALIZING, wire.FATAL))
            return -1
        call = header["callId"]
        if call >= 0:
            return self.call(call, header, frame, at, out)
        try:
            if call == wire.CONTEXT_CALL:
                context, _ = CONTEXT.decode_delimited(frame, at)
                info = context["userInfo"] or {}
                self.user = info.get("effectiveUser") or info.get("realUser") or ""
                return 0
            if call == wire.SASL_CALL:
                sasl, _ = SASL.decode_delimited(frame, at)
                if sasl["state"] == wire.SASL_NEGOTIATE:
                    put_frame(out, response_header(wire.SASL_CALL, header["clientId"]),
                              SASL_SIMPLE)
                    return 0
                if sasl["state"] == wire.SASL_INITIATE:
                    return 0
                out.write(error_frame(wire.SASL_CALL, header["clientId"],
                                      "javax.security.sasl.SaslException",
                                      "only SIMPLE authentication is offered",
                                      wire.UNAUTHORIZED, wire.FATAL))
                return -1
        except Malformed as exc:
            out.write(error_frame(call, header["clientId"], "java.io.IOException", str(exc),
                                  wire.FATAL_DESERIALIZING, wire.FATAL))
            return -1
        return 0 if call == wire.PING_CALL else -1

    cdef int call(self, int call, dict header, bytes frame, Py_ssize_t at, Buf out) except -2:
        cdef bytes client = header["clientId"]
        self.calls += 1
        try:
            request_header, at = REQUEST_HEADER.decode_delimited(frame, at)
            lacking = missing("RequestHeader", request_header)
            if lacking:
                raise Malformed(f"missing required fields: {lacking}")
            name = request_header["declaringClassProtocolName"]
            service = self.services.get(name)
            if service is None:
                raise NoSuchProtocol(f"Unknown protocol: {name}")
            row = service.methods.get(request_header["methodName"])
            if row is None:
                raise NoSuchMethod(
                    f"Unknown method {request_header['methodName']} called on {name} protocol.")
            request, _ = row[0].decode_delimited(frame, at)
            lacking = missing(row[0].name, request)
            if lacking:
                raise Malformed(f"missing required fields: {lacking}")
            result = row[2](self, request)
        except Exception as exc:
            out.write(answer_error(call, client, exc))
            return 0
        if result is None or type(result) is dict:
            put_frame(out, response_header(call, client), row[1].encode_delimited(result or {}))
        else:
            self.running += 1
            self.world.spawn(self.later(call, client, row[1], result), "hdfs_sim.call")
        return 0

    async def later(self, call, client, response, result):
        """Answer a call that had to wait."""
        cdef Buf out = Buf()
        try:
            value = await result
            put_frame(out, response_header(call, client), response.encode_delimited(value or {}))
        except Exception as exc:
            out.clear()
            out.write(answer_error(call, client, exc))
        self.running -= 1
        self.link.write(bytes(out))
        if self.link.held and self.running < RUNNING_MAX:
            self.link.resume()


cdef bytes response_header(int call, bytes client):
    return RESPONSE_HEADER.encode_delimited({
        "callId": <uint32_t>call, "status": 0, "serverIpcVersionNum": VERSION,
        "clientId": client, "retryCount": -1})


cdef int put_frame(Buf out, bytes head, bytes body) except -1:
    cdef char* at = out.room(4 + PyBytes_GET_SIZE(head) + PyBytes_GET_SIZE(body))
    put_u32(at, PyBytes_GET_SIZE(head) + PyBytes_GET_SIZE(body))
    out.n += 4
    out.put(PyBytes_AS_STRING(head), PyBytes_GET_SIZE(head))
    out.put(PyBytes_AS_STRING(body), PyBytes_GET_SIZE(body))
    return 0


def error_frame(call: int, client: bytes, java_class: str, text: str, detail: int,
                status: int) -> bytes:
    """A whole response frame that says what went wrong."""
    head = RESPONSE_HEADER.encode_delimited({
        "callId": call & 0xFFFFFFFF, "status": status, "serverIpcVersionNum": VERSION,
        "exceptionClassName": java_class, "errorMsg": text, "errorDetail": detail,
        "clientId": client, "retryCount": -1})
    return len(head).to_bytes(4, "big") + head


def answer_error(call: int, client: bytes, exc: Exception) -> bytes:
    """The response to a call that failed; what was not foreseen is logged, not told."""
    if isinstance(exc, HdfsError):
        detail = wire.APPLICATION
        if isinstance(exc, NoSuchMethod):
            detail = wire.NO_SUCH_METHOD
        elif isinstance(exc, NoSuchProtocol):
            detail = wire.NO_SUCH_PROTOCOL
        return error_frame(call, client, exc.java_class, str(exc), detail, wire.ERROR)
    if isinstance(exc, DiskFull):
        return error_frame(call, client, InSafeMode.java_class,
                           "Name node is in safe mode. Resources are low on NN: no space left "
                           "for edits.", wire.APPLICATION, wire.ERROR)
    if isinstance(exc, Malformed):
        return error_frame(call, client, "java.io.IOException", str(exc), wire.DESERIALIZING,
                           wire.ERROR)
    if isinstance(exc, DiskFailed):
        raise exc
    log.error("call failed", exc_info=exc)
    return error_frame(call, client, "java.io.IOException", "internal error", wire.APPLICATION,
                       wire.ERROR)
