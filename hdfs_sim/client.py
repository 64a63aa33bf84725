"""A client of a cluster: what WebHDFS on a DataNode and the shell read and write by.

    client = await Client.connect(world, ("127.0.0.1", 8020), user="ada")
    async for data in client.read("/a", offset=0): ...
    writer = await client.create("/b");  await writer.write(b"...");  await writer.close()

A block whose pipeline cannot be set up is abandoned and asked for again without the node that
failed.  Left out: repair of a pipeline in the middle of a block (the write fails; HDFS's own
clients repair it), reading from the file's own machine past the sockets, hedged reads.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

from bedrock.codec.errors import Malformed
from bedrock.net import Buf, Session
from bedrock.world import World
from hdfs_sim.errors import FileNotFound, HdfsError
from hdfs_sim.messages import CLIENT, SCHEMA, types
from hdfs_sim.messages import transfer as wire
from hdfs_sim.packet import PACKET_BYTES_MAX, build_packet, read_packet
from hdfs_sim.pipeline import Pipeline, PipelineFailed
from hdfs_sim.rpc_client import RpcClient
from hdfs_sim.transfer import operation

CHUNK = 512
PACKET_BYTES = 126 * CHUNK
SETUP_TRIES = 4
COMPLETE_TRIES = 10
COMPLETE_WAIT_S = 0.1
RENEW_S = 20.0
TO_THE_END = (1 << 63) - 1


class BlockReader(Session):
    """READ_BLOCK on the client's side: verified data, one packet after another."""

    def __init__(self, op: bytes):
        self.op = op
        self._data: deque[bytes] = deque()
        self._kept = 0
        self._answered = self._ended = False
        self._error: Exception | None = None
        self._progress = asyncio.Event()

    def opened(self) -> None:
        self.link.write(self.op)

    def received(self, data: bytes, out: Buf) -> int:
        view = memoryview(data)
        done = 0
        try:
            if not self._answered:
                if len(data) < 1 or (len(data) - 1 < data[0] and data[0] < 0x80):
                    return 0
                answer, done = SCHEMA["BlockOpResponse"].decode_delimited(data)
                self._answered = True
                if answer["status"] != wire.OK:
                    raise ConnectionError(answer["message"] or f"status {answer['status']}")
            while not self._ended:
                packet = read_packet(view[done:])
                if packet is None:
                    self.need = _packet_size(view[done:])
                    break
                size, _, _, last, _, payload, good = packet
                if not good:
                    raise ConnectionError("checksum mismatch")
                done += size
                self._data.append(payload)
                self._kept += len(payload)
                self._ended = last
            if self._ended:
                out.write(SCHEMA["ClientReadStatus"].encode_delimited(
                    {"status": wire.CHECKSUM_OK}))
        except (ConnectionError, Malformed, ValueError) as exc:
            self._error = exc
        self._progress.set()
        if self._kept > 4 << 20:
            self.link.hold()
        return -1 if self._error else done

    def closed(self, exc: Exception | None) -> None:
        if not self._ended and self._error is None:
            self._error = ConnectionError(f"DataNode went away: {exc or 'closed'}")
        self._progress.set()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            while self._data:
                data = self._data.popleft()
                self._kept -= len(data)
                if data:
                    yield data
            if self._ended:
                self.link.close()
                return
            if self._error is not None:
                raise ConnectionError(str(self._error)) from self._error
            self.link.resume()
            self._progress.clear()
            await self._progress.wait()


def _packet_size(view: memoryview) -> int:
    if len(view) < 6:
        return 0
    return min(PACKET_BYTES_MAX, int.from_bytes(view[:4], "big")
               + int.from_bytes(view[4:6], "big") + 2)


class Client:
    """A user's connection to a cluster."""

    def __init__(self, world: World, rpc: RpcClient):
        self.world = world
        self.name = f"bedrock_{world.rand.bytes(8).hex()}"
        self._rpc = rpc

    @staticmethod
    async def connect(world: World, namenode: tuple[str, int], user: str) -> Client:
        """Connect to a NameNode."""
        return Client(world, await RpcClient.connect(world, namenode, CLIENT, user))

    def close(self) -> None:
        """End the connection."""
        self._rpc.link.close()

    async def call(self, name: str, **request: Any) -> dict[str, Any]:
        """Any method of ClientProtocol."""
        return await self._rpc.call(CLIENT, name, **request)

    # ------------------------------------------------------------------ reading

    async def locate(self, path: str, offset: int, length: int) -> dict[str, Any]:
        """LocatedBlocks of a range."""
        answer = await self.call("getBlockLocations", src=path, offset=offset, length=length)
        if answer["locations"] is None:
            raise FileNotFound(f"File does not exist: {path}")
        return answer["locations"]

    async def read(
        self, path: str, offset: int = 0, length: int = TO_THE_END
    ) -> AsyncIterator[bytes]:
        """The bytes of a range of a file, every one compared with its checksum."""
        located = await self.locate(path, offset, length)
        end = min(located["fileLength"], offset + length)
        at = offset
        for block in located["blocks"]:
            start = block["offset"]
            stop = min(end, start + block["b"]["numBytes"])
            if at >= stop or at < start:
                continue
            async for data in self._read_block(block, at - start, stop - at):
                at += len(data)
                yield data
        if at < end:
            raise HdfsError(f"Could not obtain block of {path} at {at}")

    async def _read_block(
        self, located: dict[str, Any], offset: int, length: int
    ) -> AsyncIterator[bytes]:
        """A range of a block, from the next replica when one fails."""
        failures = []
        for node in located["locs"]:
            op = operation(wire.READ_BLOCK, {
                "header": {"baseHeader": {"block": located["b"]}, "clientName": self.name},
                "offset": offset, "len": length})
            # The first packet begins at the chunk that holds the offset.
            skip = offset % CHUNK
            try:
                assert self.world.net is not None
                reader = await self.world.net.connect(
                    partial(BlockReader, op), (node["id"]["ipAddr"], node["id"]["xferPort"]),
                    timeout_s=5.0)
                async for data in reader:
                    data = data[skip:skip + length]
                    skip = 0
                    offset += len(data)
                    length -= len(data)
                    if data:
                        yield data
                if length == 0:
                    return
            except (OSError, TimeoutError) as exc:
                failures.append(f"{node['id']['ipAddr']}:{node['id']['xferPort']}: {exc}")
        raise HdfsError(f"Could not obtain block: blk_{located['b']['blockId']} "
                        f"({'; '.join(failures) or 'no live replica'})")

    # ------------------------------------------------------------------ writing

    async def create(
        self,
        path: str,
        *,
        overwrite: bool = False,
        permission: int = 0o644,
        replication: int = 0,
        block_size: int = 0,
    ) -> Writer:
        """Make a file and write it; 0 takes the server's default."""
        defaults = (await self.call("getServerDefaults"))["serverDefaults"]
        answer = await self.call(
            "create", src=path, masked={"perm": permission}, clientName=self.name,
            createFlag=types.CREATE | (types.OVERWRITE if overwrite else 0), createParent=True,
            replication=replication or defaults["replication"],
            blockSize=block_size or defaults["blockSize"])
        return Writer(self, path, answer["fs"], None)

    async def append(self, path: str) -> Writer:
        """Write on at the end of a file."""
        answer = await self.call("append", src=path, clientName=self.name)
        return Writer(self, path, answer["stat"], answer["block"])


class Writer:
    """A file being written.

    block: LocatedBlock to go on with (append), None to begin with a new one
    """

    def __init__(
        self, client: Client, path: str, status: dict[str, Any], block: dict[str, Any] | None
    ):
        self.client = client
        self.path = path
        self.file_id = status["fileId"]
        self.block_size = status["blocksize"]
        self._reopened = block
        self._block: dict[str, Any] | None = None  # the ExtendedBlock being or last written
        self._pipeline: Pipeline | None = None
        self._pending = bytearray()
        self._seqno = 0
        self._renewer = client.world.spawn(self._renew(), "hdfs_sim.lease")

    async def _renew(self) -> None:
        while True:
            await self.client.world.clock.sleep(RENEW_S)
            await self.client.call("renewLease", clientName=self.client.name)

    async def write(self, data: bytes) -> None:
        """Add bytes; they are in the DataNodes' files once `flush` or `close` returns."""
        self._pending += data
        while len(self._pending) >= PACKET_BYTES:
            await self._send()

    async def _send(self) -> None:
        """Send one packet of what is pending."""
        if self._pipeline is None:
            await self._open_block()
        assert self._pipeline is not None and self._block is not None
        offset = self._block["numBytes"]
        room = self.block_size - offset
        # A chunk that is not full is filled by a packet of its own.
        n = min(CHUNK - offset % CHUNK if offset % CHUNK else PACKET_BYTES, room,
                len(self._pending))
        data = bytes(self._pending[:n])
        del self._pending[:n]
        await self._pipeline.send(build_packet(offset, self._seqno, data), self._seqno)
        self._seqno += 1
        self._block["numBytes"] += n
        if self._block["numBytes"] >= self.block_size:
            await self._end_block()

    async def _open_block(self) -> None:
        reopened, self._reopened = self._reopened, None
        if reopened is not None and reopened["b"]["numBytes"] < self.block_size:
            answer = await self.client.call(
                "updateBlockForPipeline", block=reopened["b"], clientName=self.client.name)
            gs = answer["block"]["b"]["generationStamp"]
            self._pipeline = await Pipeline.open(
                self.client.world, reopened["b"], reopened["locs"], stage=wire.SETUP_APPEND,
                client=self.client.name, latest_gs=gs)
            self._block = {**reopened["b"], "generationStamp": gs}
            await self.client.call(
                "updatePipeline", clientName=self.client.name, oldBlock=reopened["b"],
                newBlock=self._block, newNodes=[n["id"] for n in reopened["locs"]],
                storageIDs=reopened["storageIDs"])
            return
        previous = reopened["b"] if reopened is not None else self._block
        excluded: list[dict[str, Any]] = []
        for last_try in (*[False] * (SETUP_TRIES - 1), True):
            located = (await self.client.call(
                "addBlock", src=self.path, clientName=self.client.name, previous=previous,
                excludeNodes=excluded, fileId=self.file_id))["block"]
            try:
                self._pipeline = await Pipeline.open(
                    self.client.world, located["b"], located["locs"], stage=wire.SETUP_CREATE,
                    client=self.client.name)
                self._block = located["b"]
                return
            except PipelineFailed as exc:
                if last_try:
                    raise
                await self.client.call("abandonBlock", b=located["b"], src=self.path,
                                       holder=self.client.name, fileId=self.file_id)
                excluded += [n for n in located["locs"]
                             if f"{n['id']['ipAddr']}:{n['id']['xferPort']}" == exc.bad]

    async def _end_block(self) -> None:
        assert self._pipeline is not None and self._block is not None
        await self._pipeline.finish(self._block["numBytes"], self._seqno)
        self._pipeline = None
        self._seqno = 0

    async def close(self) -> None:
        """Write out what is pending and close the file."""
        try:
            while self._pending:
                await self._send()
            if self._pipeline is not None:
                await self._end_block()
            last = self._block or (self._reopened and self._reopened["b"])
            for _ in range(COMPLETE_TRIES):
                done = await self.client.call(
                    "complete", src=self.path, clientName=self.client.name, last=last,
                    fileId=self.file_id)
                if done["result"]:
                    return
                await self.client.world.clock.sleep(COMPLETE_WAIT_S)
            raise HdfsError(f"Unable to close file {self.path}: its last block has not enough "
                            "replicas.")
        finally:
            self.abort()

    def abort(self) -> None:
        """Stop writing; what was not closed is left to lease recovery."""
        self._renewer.cancel()
        if self._pipeline is not None:
            self._pipeline.abort()
            self._pipeline = None
