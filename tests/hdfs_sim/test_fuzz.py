"""Bad input to every door: an orderly error or a clean end, and the others are served on."""

from __future__ import annotations

import random
import socket

import pytest

import bedrock
from hdfs_sim.messages import CLIENT, SCHEMA, rpc
from hdfs_sim.messages import transfer as wire
from hdfs_sim.packet import build_packet, read_packet
from hdfs_sim.transfer import CHECKSUM, operation

ROUNDS = 150


@pytest.fixture(scope="module")
def server():
    with bedrock.run("hdfs_sim") as running:
        yield running


def exchange(port: int, data: bytes, timeout_s: float = 0.3) -> bytes:
    """Send, close the sending half, and take what comes until the end."""
    got = b""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout_s) as connection:
        try:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            while chunk := connection.recv(65536):
                got += chunk
        except OSError:
            pass
    return got


def frame(*parts: bytes) -> bytes:
    body = b"".join(parts)
    return len(body).to_bytes(4, "big") + body


def header(call: int) -> bytes:
    return SCHEMA["RpcRequestHeader"].encode_delimited(
        {"rpcKind": 2, "rpcOp": 0, "callId": call, "clientId": b"0" * 16})


def call(name: str, **request) -> bytes:
    method = CLIENT.methods[name]
    return frame(
        header(7),
        SCHEMA["RequestHeader"].encode_delimited(
            {"methodName": name, "declaringClassProtocolName": CLIENT.name,
             "clientProtocolVersion": 1}),
        method.request.encode_delimited(request))


CONTEXT = frame(header(rpc.CONTEXT_CALL), SCHEMA["IpcConnectionContext"].encode_delimited(
    {"userInfo": {"effectiveUser": "ada"}, "protocol": CLIENT.name}))
HELLO = b"hrpc\x09\x00\x00" + CONTEXT
GOOD = HELLO + call("getFileInfo", src="/") + call("mkdirs", src="/fuzz", masked={"perm": 1},
                                                   createParent=True)


def serves(server) -> bool:
    answer = exchange(server.port, HELLO + call("getFileInfo", src="/"))
    return SCHEMA["RpcResponseHeader"].decode_delimited(answer, 4)[0]["status"] == rpc.SUCCESS


def mutations(data: bytes, seed: int):
    rand = random.Random(seed)
    for _ in range(ROUNDS):
        raw = bytearray(data)
        for _ in range(rand.randint(1, 4)):
            kind, at = rand.randrange(4), rand.randrange(len(raw))
            if kind == 0:
                raw[at] = rand.randrange(256)
            elif kind == 1:
                del raw[at:at + rand.randint(1, 8)]
            elif kind == 2:
                raw[at:at] = rand.randbytes(rand.randint(1, 8))
            else:
                del raw[max(at, 1):]
            if not raw:
                raw = bytearray(b"\0")
        yield bytes(raw)


def test_mutated_rpc_never_harms_the_others(server):
    for raw in mutations(GOOD, 1):
        exchange(server.port, raw, 0.05)
    assert serves(server)


@pytest.mark.parametrize("length", [0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 65 << 20])
def test_an_absurd_frame_length_is_a_fatal_error(server, length):
    answer = exchange(server.port, HELLO + length.to_bytes(4, "big"))
    head, _ = SCHEMA["RpcResponseHeader"].decode_delimited(answer, 4)
    assert head["status"] == rpc.FATAL
    assert serves(server)


def test_unknown_methods_protocols_and_missing_fields_are_errors(server):
    for name, protocol, request, java_class in (
        ("nonsense", CLIENT.name, b"\0", "RpcNoSuchMethodException"),
        ("getFileInfo", "no.such.Protocol", b"\0", "RpcNoSuchProtocolException"),
        ("getFileInfo", CLIENT.name, b"\0", "java.io.IOException"),
    ):
        raw = HELLO + frame(header(3), SCHEMA["RequestHeader"].encode_delimited(
            {"methodName": name, "declaringClassProtocolName": protocol,
             "clientProtocolVersion": 1}), request)
        answer, _ = SCHEMA["RpcResponseHeader"].decode_delimited(exchange(server.port, raw), 4)
        assert answer["status"] == rpc.ERROR
        assert answer["exceptionClassName"].endswith(java_class)


def test_http_on_the_rpc_port_is_told_so(server):
    assert exchange(server.port, b"GET / HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 404")


def test_another_rpc_version_is_refused(server):
    answer = exchange(server.port, b"hrpc\x08\x00\x00")
    assert b"VersionMismatch" in answer


def test_sasl_negotiation_ends_in_simple(server):
    negotiate = frame(header(rpc.SASL_CALL), SCHEMA["RpcSasl"].encode_delimited(
        {"state": rpc.SASL_NEGOTIATE}))
    answer = exchange(server.port, b"hrpc\x09\x00\xdf" + negotiate)
    _, at = SCHEMA["RpcResponseHeader"].decode_delimited(answer, 4)
    sasl, _ = SCHEMA["RpcSasl"].decode_delimited(answer, at)
    assert [auth["method"] for auth in sasl["auths"]] == ["SIMPLE"]


def datanode_port(server) -> int:
    async def port():
        return server.server.datanodes[0].ports["port"]

    return server.call(port())


def write_block(id: int) -> bytes:
    return operation(wire.WRITE_BLOCK, {
        "header": {"baseHeader": {"block": {
            "poolId": "p", "blockId": id, "generationStamp": 1, "numBytes": 0}},
            "clientName": "c"},
        "stage": wire.SETUP_CREATE, "pipelineSize": 1, "minBytesRcvd": 0, "maxBytesRcvd": 0,
        "latestGenerationStamp": 1, "requestedChecksum": CHECKSUM})


def test_mutated_transfers_never_harm_the_others(server):
    port = datanode_port(server)
    for number, raw in enumerate(mutations(
            write_block(5) + build_packet(0, 0, b"x" * 1000) + build_packet(
                1000, 1, b"", last=True), 2)):
        exchange(port, raw.replace(b"\x05", bytes([number % 120 + 1]), 1), 0.05)
    for raw in mutations(operation(wire.READ_BLOCK, {
            "header": {"baseHeader": {"block": {
                "poolId": "p", "blockId": 5, "generationStamp": 1}}, "clientName": "c"},
            "offset": 0, "len": 100}), 3):
        exchange(port, raw, 0.05)
    assert serves(server)


def test_a_packet_with_a_wrong_checksum_is_answered_with_it(server):
    packet = bytearray(build_packet(0, 0, b"x" * 1000))
    packet[-1] ^= 1
    answer = exchange(datanode_port(server), write_block(1 << 40) + packet)
    _, at = SCHEMA["BlockOpResponse"].decode_delimited(answer)
    ack, _ = SCHEMA["PipelineAck"].decode_delimited(answer, at)
    assert ack["reply"] == [wire.ERROR_CHECKSUM]


def test_mutated_webhdfs_never_harms_the_others(server):
    request = (b"PUT /webhdfs/v1/x/y?op=MKDIRS&permission=755&user.name=ada HTTP/1.1\r\n"
               b"Host: x\r\nContent-Length: 0\r\n\r\n")
    for raw in mutations(request, 4):
        exchange(server.ports["http_port"], raw, 0.05)
    assert serves(server)


def test_a_packet_is_read_as_it_was_built_and_never_beyond_its_bytes():
    packet = build_packet(1024, 9, bytes(range(256)) * 5, sync=True)
    assert read_packet(packet)[1:6] == (1024, 9, False, True, bytes(range(256)) * 5)
    assert all(read_packet(packet[:n]) is None for n in range(1, len(packet)))
    for raw in mutations(packet, 5):
        try:
            read_packet(raw)
        except ValueError:
            pass
