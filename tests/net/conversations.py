"""A short conversation with every server there is: bytes to send, and what may differ between runs.

Each can be held again and again with the same answers, and its last request ends it or leaves
nothing unanswered.
"""

import struct
from typing import Any, NamedTuple

from hdfs_sim.messages import CLIENT, SCHEMA, rpc


class Conversation(NamedTuple):
    """`component` with `options`, its port named `port`, hears `says`.

    answers  a pattern that the whole answer holds
    differs  a pattern of what may differ, e.g. a date
    """

    component: str
    says: bytes
    answers: bytes
    differs: bytes = b"Date: [^\r]*"
    port: str = "port"
    options: dict[str, Any] = {}


def pg(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


def kafka(key: int, correlation: int, body: bytes = b"") -> bytes:
    request = struct.pack("!hhih", key, 0, correlation, 1) + b"t" + body
    return struct.pack("!i", len(request)) + request


def frame(*parts: bytes) -> bytes:
    body = b"".join(parts)
    return len(body).to_bytes(4, "big") + body


def hdfs_header(call: int) -> bytes:
    return SCHEMA["RpcRequestHeader"].encode_delimited(
        {"rpcKind": 2, "rpcOp": 0, "callId": call, "clientId": b"0" * 16}
    )


def hdfs_call(number: int, name: str, **request: Any) -> bytes:
    about = {"methodName": name, "declaringClassProtocolName": CLIENT.name}
    return frame(
        hdfs_header(number),
        SCHEMA["RequestHeader"].encode_delimited(about | {"clientProtocolVersion": 1}),
        CLIENT.methods[name].request.encode_delimited(request),
    )


def masked(opcode: int, text: bytes) -> bytes:
    """A frame from a WebSocket client, masked with zeros."""
    return bytes([0x80 | opcode, 0x80 | len(text)]) + bytes(4) + text


UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    b"Sec-WebSocket-Protocol: text.ircv3.net\r\n\r\n"
)
STARTUP = struct.pack("!i", 196608) + b"user\0postgres\0database\0postgres\0\0"
HADOOP = b"hrpc\x09\x00\x00" + frame(
    hdfs_header(rpc.CONTEXT_CALL),
    SCHEMA["IpcConnectionContext"].encode_delimited(
        {"userInfo": {"effectiveUser": "ada"}, "protocol": CLIENT.name}
    ),
)

CONVERSATIONS = {
    "kvstore": Conversation(
        "kvstore",
        b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$5\r\nhello\r\nGET a\r\n*1\r\n$4\r\nPING\r\n"
        b"*2\r\n$5\r\nHELLO\r\n$1\r\n9\r\n*1\r\n$5\r\nMULTI\r\nGET a\r\nEXEC\r\nQUIT\r\n",
        rb"^\+OK\r\n\$5\r\nhello\r\n\+PONG\r\n-NOPROTO[^\r]*\r\n\+OK\r\n\+QUEUED\r\n\*1\r\n",
        options={"set": ["protected-mode=no"]},  # a simulated host is another machine
    ),
    "minidb": Conversation(
        "minidb",
        struct.pack("!i", len(STARTUP) + 4) + STARTUP + pg(b"Q", b"select 1, 'abc'\0")
        + pg(b"P", b"\0select $1::int + 1\0\0\0")
        + pg(b"B", b"\0\0\0\0\0\1\0\0\0\2" + b"41" + b"\0\0") + pg(b"E", b"\0\0\0\0\0")
        + pg(b"S", b"") + pg(b"Q", b"select wrong\0") + pg(b"X", b""),
        rb"(?s)^R.*D.{6}\0\0\0\x011\0\0\0\x03abc.*D.{6}\0\0\0\x0242.*E.*C42703",
        differs=rb"(?s)K\0\0\0\x0c.{8}",
    ),
    "kafkalite": Conversation(
        "kafkalite",
        kafka(18, 1) + kafka(3, 2, struct.pack("!i", 0)) + kafka(10, 3, b"\0\1g"),
        rb"(?s)^....\0\0\0\x01\0\0.*\0\0\0\x02.*\0\0\0\x03",
    ),
    "tsdb": Conversation(
        "tsdb",
        b"POST /write HTTP/1.1\r\nHost: x\r\nContent-Length: 17\r\n\r\nm,a=b f=1 1000000"
        b"GET /api/v1/query?query=m_f&time=0.001 HTTP/1.1\r\nHost: x\r\n\r\n"
        b"GET /api/v1/query?query=sum( HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        rb'(?s)^HTTP/1.1 204 .*"value":\[0.001,"1"\].*HTTP/1.1 400 ',
    ),
    "chat": Conversation(
        "chat",
        b"CAP LS 302\r\nNICK ada\r\nUSER ada 0 * :Ada\r\nCAP END\r\nJOIN #room\r\n"
        b"PRIVMSG ada :hello\r\nNAMES #room\r\nPING :x\r\nQUIT :bye\r\n",
        rb"(?s)CAP \* LS .* 001 ada .*PRIVMSG ada hello\r\n.* 366 ada #room .* PONG .*ERROR :",
        differs=rb" \d{10}\b|created [^\r]*",
    ),
    "chat-websocket": Conversation(
        "chat",
        UPGRADE + masked(1, b"NICK bob") + masked(1, b"USER bob 0 * :Bob") + masked(1, b"PING :x")
        + masked(1, b"QUIT"),
        rb"(?s)^HTTP/1.1 101 .* 001 bob .* PONG .*ERROR :",
        differs=rb"Date: [^\r]*|created [^\r]*",
        port="websocket_port",
        options={"websocket_port": 0},
    ),
    "hdfs": Conversation(
        "hdfs_sim",
        HADOOP + hdfs_call(1, "getServerDefaults")
        + hdfs_call(2, "mkdirs", src="/d", masked={"perm": 0o755}, createParent=True)
        + hdfs_call(3, "getBlockLocations", src="/none", offset=0, length=1),
        rb"(?s)FileNotFoundException",
    ),
    "webhdfs": Conversation(
        "hdfs_sim",
        b"PUT /webhdfs/v1/w?op=MKDIRS HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
        b"GET /webhdfs/v1/w?op=LISTSTATUS HTTP/1.1\r\nHost: x\r\n\r\n"
        b"GET /webhdfs/v1/none?op=OPEN HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        rb'(?s)"boolean": ?true.*"FileStatuses".*HTTP/1.1 404 .*FileNotFoundException',
        port="http_port",
    ),
}  # fmt: skip
