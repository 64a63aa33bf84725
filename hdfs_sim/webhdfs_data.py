"""WebHDFS on a DataNode: where a redirect leads, and the bytes of files go in and out.

The DataNode is an ordinary client here: it reads blocks from wherever they are and writes through
a pipeline that begins where the NameNode says.  The NameNode that a request is about is the one
this DataNode belongs to, whatever `namenoderpcaddress` says.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from bedrock.lazy import hashlib
from bedrock.net import Session
from bedrock.net.http import Request, Response, Route
from bedrock.world import DiskFull
from hdfs_sim.client import TO_THE_END, Client, Writer
from hdfs_sim.errors import HdfsError, IllegalArgument
from hdfs_sim.messages import SCHEMA
from hdfs_sim.messages import transfer as wire
from hdfs_sim.transfer import operation
from hdfs_sim.webhdfs_ops import (
    OCTETS,
    PREFIX,
    Query,
    WebHdfsRouter,
    json_response,
    path_of,
    remote_exception,
    unknown_op,
)

if TYPE_CHECKING:
    from hdfs_sim.datanode import DataNode


def data_router(node: DataNode) -> WebHdfsRouter:
    """The routes of one DataNode."""
    data = WebHdfsData(node)
    return WebHdfsRouter(
        Route(method, PREFIX + "/{path:path}", data.serve, stream=method in ("PUT", "POST"))
        for method in ("GET", "PUT", "POST"))


class WebHdfsData:
    """The handlers."""

    def __init__(self, node: DataNode):
        self.node = node
        self.operations = {
            ("GET", "OPEN"): self.open,
            ("GET", "GETFILECHECKSUM"): self.checksum,
            ("PUT", "CREATE"): self.create,
            ("POST", "APPEND"): self.append,
        }

    async def serve(self, request: Request) -> Response:
        """Find the operation and answer with what it says or with what went wrong."""
        try:
            query = Query(request)
            method = "GET" if request.method == "HEAD" else request.method
            handler = self.operations.get((method, query.op))
            if handler is None:
                raise unknown_op(request.method, query.op)
            client = await Client.connect(self.node.world, self.node.namenode, query.user)
            try:
                return await handler(request, query, client)
            except BaseException:
                client.close()
                raise
        except (HdfsError, DiskFull) as exc:
            return remote_exception(exc)
        except (OSError, TimeoutError) as exc:
            return remote_exception(HdfsError(str(exc)))

    async def open(self, request: Request, query: Query, client: Client) -> Response:
        path = path_of(request)
        offset = query.number("offset", 0)
        length = query.number("length", TO_THE_END)
        located = await client.locate(path, offset, length)
        if offset > located["fileLength"]:
            raise IllegalArgument(
                f"Offset={offset} out of the range [0, {located['fileLength']}); OPEN, path={path}")
        chunks = client.read(path, offset, length)
        # The first bytes are asked for before the status is sent, so that a lost block is an error.
        first = await anext(chunks, b"")
        return Response(_body(client, first, chunks), content_type=OCTETS,
                        length=min(length, located["fileLength"] - offset))

    async def create(self, request: Request, query: Query, client: Client) -> Response:
        path = path_of(request)
        writer = await client.create(
            path, overwrite=query.flag("overwrite", False),
            permission=query.octal("permission", 0o644),
            replication=query.number("replication", 0, 0, 512),
            block_size=query.number("blocksize", 0))
        await _copy_body(request, writer)
        client.close()
        host, port = self.node.config.host, self.node.namenode[1]
        return Response(b"", 201, "", {"Location": f"hdfs://{host}:{port}{path}"})

    async def append(self, request: Request, query: Query, client: Client) -> Response:
        writer = await client.append(path_of(request))
        await _copy_body(request, writer)
        client.close()
        return Response(b"", 200, "")

    async def checksum(self, request: Request, query: Query, client: Client) -> Response:
        """MD5 over the MD5s of the blocks' checksums, as HDFS composes it."""
        path = path_of(request)
        located = await client.locate(path, 0, TO_THE_END)
        digests = b""
        crcs_a_block = 0
        for block in located["blocks"]:
            answer = await self._block_checksum(block)
            digests += answer["blockChecksum"]
            if len(located["blocks"]) > 1 and not crcs_a_block:
                crcs_a_block = answer["crcPerBlock"]
        client.close()
        digest = hashlib.md5(digests, usedforsecurity=False).digest()
        raw = (512).to_bytes(4, "big") + crcs_a_block.to_bytes(8, "big") + digest
        return json_response({"FileChecksum": {
            "algorithm": f"MD5-of-{crcs_a_block}MD5-of-512CRC32C", "bytes": raw.hex(),
            "length": len(raw)}})

    async def _block_checksum(self, located: dict[str, Any]) -> dict[str, Any]:
        op = operation(wire.BLOCK_CHECKSUM, {"header": {"block": located["b"]}})
        assert self.node.world.net is not None
        for node in located["locs"]:
            try:
                question = await self.node.world.net.connect(
                    lambda: Question(op), (node["id"]["ipAddr"], node["id"]["xferPort"]))
                answer = await question.answer
            except (OSError, TimeoutError):
                continue
            if answer["status"] == wire.OK:
                return answer["checksumResponse"]
        raise HdfsError(f"no checksum of block {located['b']['blockId']} to be had")


class Question(Session):
    """One operation that is answered by one BlockOpResponse."""

    def __init__(self, op: bytes):
        import asyncio

        self.op = op
        self.answer: asyncio.Future = asyncio.get_running_loop().create_future()

    def opened(self) -> None:
        self.link.write(self.op)

    def received(self, data: bytes, out: Any) -> int:
        if data[0] >= 0x80 or len(data) - 1 < data[0]:
            return 0
        self.answer.set_result(SCHEMA["BlockOpResponse"].decode_delimited(data)[0])
        self.link.close()
        return len(data)

    def closed(self, exc: Exception | None) -> None:
        if not self.answer.done():
            self.answer.set_exception(ConnectionError("DataNode went away"))


async def _copy_body(request: Request, writer: Writer) -> None:
    try:
        async for chunk in request.stream():
            await writer.write(chunk)
        await writer.close()
    except BaseException:
        writer.abort()
        raise


async def _body(client: Client, first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    try:
        yield first
        async for chunk in rest:
            yield chunk
    finally:
        client.close()


