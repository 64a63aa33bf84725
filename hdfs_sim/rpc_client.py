"""Hadoop RPC on the client's side: what DataNodes speak to the NameNode, and our own client.

The frames are drawn in hdfs_sim/rpc_session.pyx.
"""

from __future__ import annotations

import asyncio
from typing import Any

from bedrock.codec.errors import Malformed
from bedrock.net import Buf, Session
from bedrock.world import World
from hdfs_sim.errors import RemoteError
from hdfs_sim.messages import SCHEMA, Method, Protocol, rpc

PREAMBLE = b"hrpc\x09\x00\x00"
FRAME_MAX = 128 << 20


class RpcClient(Session):
    """A connection to an RPC server; `call` may be used by many tasks at once."""

    def __init__(self, user: str, protocol: str, client_id: bytes):
        self.user = user
        self.protocol = protocol
        self.client_id = client_id
        self._next = 0
        self._waiting: dict[int, tuple[asyncio.Future, Method]] = {}

    @staticmethod
    async def connect(
        world: World, address: tuple[str, int], protocol: Protocol, user: str
    ) -> RpcClient:
        """An open connection for calls of a protocol; OSError when there is none to be had."""
        assert world.net is not None
        client_id = world.rand.bytes(16)
        return await world.net.connect(
            lambda: RpcClient(user, protocol.name, client_id), address)

    def opened(self) -> None:
        context = SCHEMA["IpcConnectionContext"].encode_delimited(
            {"userInfo": {"effectiveUser": self.user}, "protocol": self.protocol})
        self.link.write(PREAMBLE)
        self._send(rpc.CONTEXT_CALL, context)

    def _send(self, call: int, body: bytes) -> None:
        head = SCHEMA["RpcRequestHeader"].encode_delimited(
            {"rpcKind": 2, "rpcOp": 0, "callId": call, "clientId": self.client_id,
             "retryCount": -1 if call < 0 else 0})
        self.link.write((len(head) + len(body)).to_bytes(4, "big") + head + body)

    async def call(self, protocol: Protocol, name: str, **request: Any) -> dict[str, Any]:
        """Call a method; RemoteError with what the server says, ConnectionError without it."""
        if self.link.closed:
            raise ConnectionError("not connected")
        method = protocol.methods[name]
        self._next += 1
        call = self._next
        future = asyncio.get_running_loop().create_future()
        self._waiting[call] = (future, method)
        header = SCHEMA["RequestHeader"].encode_delimited(
            {"methodName": name, "declaringClassProtocolName": protocol.name,
             "clientProtocolVersion": protocol.version})
        self._send(call, header + method.request.encode_delimited(request))
        try:
            return await future
        finally:
            self._waiting.pop(call, None)

    def received(self, data: bytes, out: Buf) -> int:
        done = 0
        while len(data) - done >= 4:
            length = int.from_bytes(data[done:done + 4], "big")
            if length > FRAME_MAX:
                return -1
            if len(data) - done - 4 < length:
                self.need = length + 4
                break
            try:
                self._response(data[done + 4:done + 4 + length])
            except Malformed:
                return -1
            done += 4 + length
        return done

    def _response(self, frame: bytes) -> None:
        header, at = SCHEMA["RpcResponseHeader"].decode_delimited(frame)
        future, method = self._waiting.get(header["callId"], (None, None))
        if header["status"] != rpc.SUCCESS:
            error = RemoteError(header["exceptionClassName"] or "java.io.IOException",
                                header["errorMsg"] or "")
            if future is not None and not future.done():
                future.set_exception(error)
            return
        if future is not None and method is not None and not future.done():
            future.set_result(method.response.decode_delimited(frame, at)[0])

    def closed(self, exc: Exception | None) -> None:
        for future, _ in self._waiting.values():
            if not future.done():
                future.set_exception(ConnectionError(f"connection lost: {exc or 'closed'}"))
        self._waiting.clear()
