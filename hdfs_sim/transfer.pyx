"""DataTransferProtocol: one connection of a DataNode, and the sending side of a pipeline.

    client ──packets──► DataNode 1 ──packets──► DataNode 2 ──packets──► DataNode 3
           ◄───acks────            ◄───acks────            ◄───acks────

    operation   u16 version = 28 | u8 opcode | delimited request
    answer      delimited BlockOpResponse

                    WRITE_BLOCK (next node connected)         ack of the last packet
    IDLE ──────────────────────────────────────────► RECEIVING ─────────────────────► IDLE
     │ ▲  READ_BLOCK           all sent              ClientReadStatus
     │ └───────────────────────────────── STATUS ◄──────── SENDING ◄── READ_BLOCK ── IDLE
     └─ others are answered at once, or after a copy was made (TRANSFER_BLOCK)

    RECEIVING ── an ack that is not all OK ──► ENDING ── the other side closes, or LINGER_S ──► gone

A packet is passed on as it came, then checked and stored, and acknowledged when the next node has
acknowledged it.  One that asks for it (`syncBlock`), and the last, is acknowledged after its data
is synced; the sync waits for the end of the turn, so that the next node works at the same time.

Invariants:
1. Acks leave in the order of the packets, one status a node, nearest first.
2. No packet is acknowledged with OK before it is in the file with its checksums here and beyond.
3. After an ack that is not all OK nothing more is stored; the client sets up a shorter pipeline.
   What still comes is read and dropped until the other side closes: closing first would send a
   reset, which overtakes the ack, and then the sender blames the wrong node.
4. A reader that is slow holds at most the link's high mark of packets in memory.
"""

import asyncio
import logging
from collections import deque

from libc.stdint cimport int64_t, uint64_t
from cpython.bytes cimport PyBytes_FromStringAndSize

from bedrock.lazy import hashlib
from bedrock.codec.varint cimport get_uvarint, put_uvarint, zigzag
from bedrock.net.buf cimport Buf
from bedrock.net.session cimport Session
from hdfs_sim.block_store cimport Replica
from hdfs_sim.packet cimport CHUNK, Packet, parse_packet

from bedrock.codec.errors import Malformed
from bedrock.world import DiskFailed
from hdfs_sim.block_store import BadChecksum, Corrupt, ReplicaExists, ReplicaNotFound
from hdfs_sim.messages import SCHEMA, missing
from hdfs_sim.messages import transfer as wire
from hdfs_sim.messages.datanode import RBW, TEMPORARY
from hdfs_sim.messages.types import CHECKSUM_CRC32C
from hdfs_sim.packet import build_packet

cdef object log = logging.getLogger("hdfs_sim.transfer")

cdef enum State:
    IDLE
    WORKING
    RECEIVING
    SENDING
    STATUS
    ENDING

cdef enum:
    OP_HEAD = 3
    OP_MAX = 1 << 20
    READ_PACKET = 256 << 10
    QUEUED_MAX = 1 << 20           # unsent bytes at which a sender pauses
    OK = 0
    ERROR = 1
    ERROR_CHECKSUM = 2

cdef double LINGER_S = 10.0

CHECKSUM = {"type": CHECKSUM_CRC32C, "bytesPerChecksum": CHUNK}

# opcode -> (request message, method of Xceiver that serves it)
OPERATIONS = {
    wire.WRITE_BLOCK: ("OpWriteBlock", "write_block"),
    wire.READ_BLOCK: ("OpReadBlock", "read_block"),
    wire.BLOCK_CHECKSUM: ("OpBlockChecksum", "block_checksum"),
    wire.TRANSFER_BLOCK: ("OpTransferBlock", "transfer_block"),
}


def operation(opcode: int, request: dict) -> bytes:
    """The bytes that ask for an operation."""
    message = SCHEMA[OPERATIONS[opcode][0]]
    return (wire.VERSION.to_bytes(2, "big") + bytes([opcode])
            + message.encode_delimited(request))


cdef class Ack:
    """A packet that is not yet acknowledged."""
    cdef int64_t seqno
    cdef bint last
    cdef bint stored               # here; synced, if that was asked for
    cdef object beyond             # statuses of the nodes behind us, None while not known


cdef class Downstream(Session):
    """The sending side of WRITE_BLOCK: the operation out, its answer in; packets out, acks in.

    owner: told acked(seqno, statuses), lost(why) once, and room() when output has drained
    """

    cdef public object owner
    cdef object answer             # future of the BlockOpResponse, None once it has come

    def __init__(self, owner):
        self.owner = owner

    async def begin(self, op: bytes) -> dict:
        """Send the operation; its BlockOpResponse."""
        self.answer = asyncio.get_running_loop().create_future()
        self.link.write(op)
        return await self.answer

    cdef Py_ssize_t feed(self, const char* p, size_t n, Buf out) except -2:
        cdef size_t done = 0
        cdef Py_ssize_t used
        cdef uint64_t length = 0
        while done < n:
            used = get_uvarint(p + done, n - done, &length)
            if used < 0 or length > OP_MAX:
                return -1
            if used == 0 or length > n - done - used:
                break
            body = PyBytes_FromStringAndSize(p + done + used, length)
            done += used + length
            try:
                if self.answer is not None:
                    answer, self.answer = self.answer, None
                    if not answer.done():
                        answer.set_result(SCHEMA["BlockOpResponse"].decode(body))
                elif self.owner is not None:
                    ack = SCHEMA["PipelineAck"].decode(body)
                    self.owner.acked(ack["seqno"], ack["reply"])
            except Malformed:
                return -1
        return done

    def drained(self):
        if self.owner is not None:
            self.owner.room()

    def release(self) -> None:
        """The owner wants no more of this: neither acks nor news of its end."""
        self.owner = None
        self.link.close()

    def closed(self, exc):
        if self.answer is not None and not self.answer.done():
            self.answer.set_exception(ConnectionError(f"the next node went away: {exc or 'end'}"))
        if self.owner is not None:
            self.owner.lost(exc)


cdef class Xceiver(Session):
    """One connection to a DataNode.

    node: the DataNode, with `world`, `store`, `finalized(replica)`, `corrupt(replica)`,
          `open_for_write(request)` and `copy(replica, targets, stage, client)`
    """

    cdef object node
    cdef State state
    cdef Replica replica
    # Receiving
    cdef Downstream mirror
    cdef bint mirror_lost
    cdef list blame                # statuses of the nodes behind us once `mirror_lost`
    cdef object acks               # deque of Ack
    cdef list syncs                # Acks whose data is to be synced after this turn
    cdef int stage
    cdef bint ended                # the last packet has come
    # Sending
    cdef int64_t at, stop, seqno

    def __init__(self, node):
        self.node = node
        self.state = IDLE
        self.acks = deque()
        self.syncs = []
        self.half_open = True

    cdef Py_ssize_t feed(self, const char* p, size_t n, Buf out) except -2:
        cdef size_t done = 0
        cdef Py_ssize_t used = 0
        while done < n and not self.link.held:
            if self.state == RECEIVING:
                used = self.take_packet(p + done, n - done)
            elif self.state == IDLE:
                used = self.take_operation(p + done, n - done)
            elif self.state == STATUS:
                used = self.take_status(p + done, n - done)
            elif self.state == ENDING:
                return n
            else:
                break
            if used < 0:
                return -1
            if used == 0:
                break
            done += used
        return done

    def closed(self, exc):
        self.let_go()

    def let_go(self):
        """The operation is over, well or not."""
        replica, self.replica = self.replica, None
        if replica is not None and self.state == SENDING:
            replica.end_read()
        elif replica is not None and replica.writer is self:
            replica.writer = None
            if replica.state == TEMPORARY:
                self.node.store.remove(replica)
            elif not replica.readers:
                replica.close_files()
        mirror, self.mirror = self.mirror, None
        if mirror is not None:
            (<Downstream>mirror).release()
        self.acks.clear()
        self.syncs.clear()
        self.state = IDLE

    def answer(self, status: int, **fields) -> None:
        """Answer an operation; after a failure the connection ends."""
        self.link.write(SCHEMA["BlockOpResponse"].encode_delimited({"status": status, **fields}))
        if status != OK:
            self.let_go()
            self.link.close()

    cdef Py_ssize_t take_operation(self, const char* p, size_t n) except -2:
        cdef uint64_t length = 0
        cdef Py_ssize_t used
        if n < OP_HEAD:
            return 0
        if p[0] != 0 or p[1] != wire.VERSION:
            return -1
        row = OPERATIONS.get(<unsigned char>p[2])
        used = get_uvarint(p + OP_HEAD, n - OP_HEAD, &length)
        if row is None or used < 0 or length > OP_MAX:
            return -1
        if used == 0 or length > n - OP_HEAD - used:
            return 0
        try:
            request = SCHEMA[row[0]].decode(
                PyBytes_FromStringAndSize(p + OP_HEAD + used, length))
        except Malformed:
            return -1
        if missing(row[0], request):
            return -1
        try:
            getattr(self, row[1])(request)
        except ReplicaNotFound as exc:
            self.answer(wire.ERROR_INVALID, message=str(exc))
        except ReplicaExists as exc:
            self.answer(wire.ERROR_EXISTS, message=str(exc))
        except DiskFailed:
            raise
        except (Corrupt, OSError, ValueError) as exc:
            self.answer(wire.ERROR, message=str(exc))
        return OP_HEAD + used + length

    # ------------------------------------------------------------------ WRITE_BLOCK

    def write_block(self, request: dict) -> None:
        """Open the replica here, connect to the next node, then receive."""
        checksum = request["requestedChecksum"]
        if checksum != CHECKSUM:
            raise ValueError("only CRC32C over 512 bytes is supported")
        self.stage = request["stage"]
        self.replica = self.node.open_for_write(request)
        if self.replica.writer is not None:
            (<Xceiver>self.replica.writer).replaced()
        self.replica.writer = self
        self.blame = [ERROR]
        self.mirror_lost = self.ended = False
        self.state = WORKING
        if self.stage == wire.CLOSE_RECOVERY:
            self.node.finalized(self.replica)
            self.answer(OK)
            self.let_go()
        elif request["targets"]:
            self.link.run(self.connect(request))
        else:
            self.state = RECEIVING
            self.answer(OK, firstBadLink="")

    def replaced(self) -> None:
        """Another connection goes on writing our replica."""
        self.replica = None
        self.let_go()
        self.link.abort("replaced by another writer")

    async def connect(self, request: dict) -> None:
        """Extend the pipeline to the next node and answer for both."""
        target = request["targets"][0]["id"]
        name = f"{target['ipAddr']}:{target['xferPort']}"
        mirror = None
        try:
            mirror = await self.node.world.net.connect(
                lambda: Downstream(self), (target["ipAddr"], target["xferPort"]), timeout_s=5.0)
            answer = await (<Downstream>mirror).begin(
                operation(wire.WRITE_BLOCK, shortened(request)))
            bad = answer["firstBadLink"] or name if answer["status"] != OK else ""
        except (OSError, TimeoutError) as exc:
            log.info("%s cannot be reached: %s", name, exc)
            bad = name
        if self.replica is None or self.link.closed:
            if mirror is not None:
                mirror.link.abort("no longer wanted")
        elif bad:
            if mirror is not None:
                mirror.link.abort("pipeline not set up")
            # A client that does not look at the answer (hdfs-native) sends packets all the same;
            # the ack of the first one names the node that failed.
            names = [f"{t['id']['ipAddr']}:{t['id']['xferPort']}" for t in request["targets"]]
            self.blame = [OK] * (names.index(bad) if bad in names else 0) + [ERROR]
            self.mirror_lost = True
            self.state = RECEIVING
            self.link.write(SCHEMA["BlockOpResponse"].encode_delimited(
                {"status": ERROR, "firstBadLink": bad, "message": f"{bad} failed"}))
        else:
            self.mirror = mirror
            self.state = RECEIVING
            self.answer(OK, firstBadLink="")

    cdef Py_ssize_t take_packet(self, const char* p, size_t n) except -2:
        cdef Packet k
        cdef size_t need = 0
        cdef Py_ssize_t size = parse_packet(p, n, &k, &need)
        cdef Ack ack
        if size <= 0:
            self.need = need
            return size
        if self.mirror is not None and not self.mirror_lost:
            self.mirror.link.send(p, size)
            if self.mirror.link.queued > QUEUED_MAX:
                self.link.hold()
        ack = Ack()
        ack.seqno = k.seqno
        ack.last = k.last
        if self.mirror_lost:
            ack.beyond = self.blame
        elif self.mirror is None:
            ack.beyond = []
        self.acks.append(ack)
        if k.seqno >= 0 and k.data_n:
            try:
                self.replica.write(k.offset, k.data, k.data_n, k.sums, k.sums_n)
            except DiskFailed:
                raise
            except Exception as exc:
                self.refuse(ack, exc)
                return size
        if k.last:
            # The client may close its sending half now, and still wants the acks.
            self.ended = True
            self.link.hold()
        if k.last or k.sync:
            if not self.syncs:
                clock = self.node.world.clock
                clock.call_at(clock.now_ns(), self.sync)
            self.syncs.append(ack)
        else:
            ack.stored = True
            self.acknowledge()
        return size

    def refuse(self, Ack ack, exc) -> None:
        """This node is the one that failed: say so in the ack and end."""
        log.info("block %d: %s", self.replica.id, exc)
        status = ERROR_CHECKSUM if isinstance(exc, BadChecksum) else ERROR
        if isinstance(exc, Corrupt):
            self.node.corrupt(self.replica)
        self.send_ack(ack.seqno, [status, *(ack.beyond or ())])
        self.give_up()

    def give_up(self) -> None:
        """A bad ack was sent: the pipeline ends here, the connection when it was heard."""
        self.let_go()
        self.state = ENDING
        self.link.resume()
        clock = self.node.world.clock
        clock.call_at(clock.now_ns() + <int64_t>(LINGER_S * 1e9), self.hang_up)

    def hang_up(self) -> None:
        """The other side had its time to hear the bad ack."""
        self.link.close()

    def sync(self) -> None:
        """The turn in which packets asked for it is over: make them durable, then acknowledge."""
        cdef Ack ack
        if self.replica is None or not self.syncs:
            return
        syncs, self.syncs = self.syncs, []
        try:
            self.replica.sync()
        except DiskFailed as exc:
            self.node.failed(exc)
            return
        for ack in syncs:
            ack.stored = True
        self.acknowledge()

    def acked(self, seqno, statuses) -> None:
        """The next node has acknowledged a packet."""
        cdef Ack ack
        for ack in self.acks:
            if ack.beyond is None:
                if ack.seqno != seqno:
                    log.warning("ack of packet %d while %d is due", seqno, ack.seqno)
                    self.link.abort("acks out of order")
                    return
                ack.beyond = statuses
                break
        self.acknowledge()

    def lost(self, exc) -> None:
        """The next node is gone: every packet it has not acknowledged failed there."""
        cdef Ack ack
        if self.mirror is None:
            return
        self.mirror_lost = True
        for ack in self.acks:
            if ack.beyond is None:
                ack.beyond = [ERROR]
        self.acknowledge()
        self.room()

    def room(self) -> None:
        """The next node takes packets again."""
        if self.state == RECEIVING and not self.ended:
            self.link.resume()

    cdef int acknowledge(self) except -1:
        """Send the acks that are due, in order."""
        cdef Ack ack
        while self.acks:
            ack = self.acks[0]
            if not ack.stored or ack.beyond is None:
                return 0
            self.acks.popleft()
            bad = any(ack.beyond)
            if ack.last and not bad:
                self.complete()
            self.send_ack(ack.seqno, [OK, *ack.beyond])
            if bad:
                self.give_up()
            elif ack.last:
                self.let_go()
                self.link.resume()
                return 0
        return 0

    def complete(self) -> None:
        """The block is here as a whole."""
        replica = self.replica
        replica.writer = None
        if self.stage != wire.TRANSFER_RBW:
            self.node.finalized(replica)

    cdef int send_ack(self, int64_t seqno, list statuses) except -1:
        cdef char[256] raw
        cdef size_t n = 1
        cdef int status
        raw[n] = 0x08
        n += 1
        n += put_uvarint(raw + n, zigzag(seqno))
        for status in statuses[:64]:
            raw[n] = 0x10
            raw[n + 1] = <char>(status & 0x7F)
            n += 2
        raw[0] = <char>(n - 1)
        if n - 1 > 127:
            self.link.abort("pipeline too long")
            return 0
        self.link.send(raw, n)
        return 0

    # ------------------------------------------------------------------ READ_BLOCK

    def read_block(self, request: dict) -> None:
        """Send the chunks that hold a range."""
        block = request["header"]["baseHeader"]["block"]
        cdef Replica replica = self.node.store.get(block["blockId"])
        cdef int64_t offset = request["offset"], length = request["len"]
        if replica.gs < block["generationStamp"]:
            raise ReplicaNotFound(f"block {replica.id} is here with an older generation stamp")
        if offset > replica.length or length < 0 or length > replica.length - offset:
            raise ValueError(f"offset {offset} and length {length} do not match block "
                             f"{replica.id} of {replica.length} bytes")
        self.at = offset - offset % CHUNK
        self.stop = min(offset + length + CHUNK - 1, replica.length + CHUNK - 1)
        self.stop = min(self.stop - self.stop % CHUNK, replica.length)
        self.seqno = 0
        replica.begin_read()
        self.replica = replica
        self.state = SENDING
        self.answer(OK, readOpChecksumInfo={"checksum": CHECKSUM, "chunkOffset": self.at})
        self.pump()

    def drained(self) -> None:
        if self.state == SENDING:
            self.pump()

    cdef int pump(self) except -1:
        """Queue packets while there is room for them."""
        cdef int64_t n
        while self.at < self.stop:
            if self.link.queued > QUEUED_MAX:
                return 0
            n = min(<int64_t>READ_PACKET, self.stop - self.at)
            try:
                packet = self.replica.packet(self.at, n, self.seqno)
            except Corrupt as exc:
                log.error("%s", exc)
                self.node.corrupt(self.replica)
                self.link.abort("replica is corrupt")
                return 0
            self.link.send_ref(packet)
            self.at += n
            self.seqno += 1
        self.link.write(build_packet(self.at, self.seqno, b"", last=True))
        self.replica.end_read()
        self.replica = None
        self.state = STATUS
        return 0

    cdef Py_ssize_t take_status(self, const char* p, size_t n) except -2:
        """ClientReadStatus; a client may leave it out and ask for the next thing."""
        cdef uint64_t length = 0
        cdef Py_ssize_t used
        self.state = IDLE
        if p[0] == 0:
            return self.take_operation(p, n)
        used = get_uvarint(p, n, &length)
        if used < 0 or length > 64:
            return -1
        if used == 0 or length > n - used:
            self.state = STATUS
            return 0
        return used + length

    # ------------------------------------------------------------------ the others

    def block_checksum(self, request: dict) -> None:
        """MD5 of all checksums of a replica."""
        cdef Replica replica = self.node.store.get(
            request["header"]["block"]["blockId"])
        sums = replica.sums()
        self.answer(OK, checksumResponse={
            "bytesPerCrc": CHUNK, "crcPerBlock": len(sums) // 4, "crcType": CHECKSUM_CRC32C,
            "blockChecksum": hashlib.md5(sums, usedforsecurity=False).digest()})

    def transfer_block(self, request: dict) -> None:
        """A client that repairs its pipeline wants our replica on other nodes."""
        header = request["header"]
        cdef Replica replica = self.node.store.get(header["baseHeader"]["block"]["blockId"])
        stage = wire.TRANSFER_RBW if replica.state == RBW else wire.TRANSFER_FINALIZED
        self.link.run(self.transfer(replica, request["targets"], stage, header["clientName"]))

    async def transfer(self, replica, targets, stage, client):
        """Copy, then answer."""
        try:
            await self.node.copy(replica, targets, stage, client)
        except (OSError, TimeoutError, Corrupt) as exc:
            self.answer(ERROR, message=str(exc))
        else:
            self.answer(OK)


def shortened(request: dict) -> dict:
    """The request for the next node: what was meant for it is now its own."""
    rest = dict(request)
    for key in ("targets", "targetStorageTypes", "targetStorageIds", "targetPinnings"):
        rest[key] = request[key][1:]
    if request["targetStorageTypes"]:
        rest["storageType"] = request["targetStorageTypes"][0]
    if request["targetStorageIds"]:
        rest["storageId"] = request["targetStorageIds"][0]
    return rest
