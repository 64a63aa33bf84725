"""Garbage, truncated and oversized input: a protocol-correct error or a clean close."""

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bedrock.net.http import HttpLimits, HttpSession, Response, Route, Router
from bedrock.net.memory import MemoryDriver
from bedrock.net.websocket import WebSocketSession

from .sessions import HTTP, Shout, router

SYNCHRONOUS = Router(
    [
        Route("GET", "/hello", lambda r: Response(b"hello")),
        Route("POST", "/size", lambda r: Response(b"%d" % len(r.body))),
    ],
    limits=HttpLimits(header_bytes=2000, body_bytes=1000),
)


@pytest.fixture(autouse=True)
def no_session_may_fail(caplog):
    """A session that raises is logged by its link: that is a failure of ours."""
    with caplog.at_level(logging.ERROR, "bedrock.net"):
        yield
    assert not caplog.records


def http_link():
    return MemoryDriver().open(HttpSession(SYNCHRONOUS))


def mutate(data, edits):
    data = bytearray(data)
    for place, what, value in edits:
        place %= len(data) + 1
        if what == 0:
            data[place : place + 1] = bytes([value])
        elif what == 1:
            data[place:place] = bytes([value]) * 3
        else:
            del data[place : place + value % 16]
    return bytes(data)


EDITS = st.lists(
    st.tuples(st.integers(0, 1 << 16), st.integers(0, 2), st.integers(0, 255)), max_size=4
)
REQUESTS = (
    b"GET /hello?a=%20b HTTP/1.1\r\nHost: x\r\n\r\n"
    b"POST /size HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n01234"
    b"POST /size HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
)


@given(EDITS, st.integers(1, len(REQUESTS)))
def test_mutated_requests_never_break_a_connection_out_of_turn(edits, cut):
    link = http_link()
    data = mutate(REQUESTS, edits)
    reply = link.feed(data[:cut]) + link.feed(data[cut:])
    assert reply == b"" or reply.startswith(b"HTTP/1.1 ")


@given(st.binary(min_size=1, max_size=500))
def test_random_bytes_are_refused(data):
    reply = http_link().feed(data)
    assert reply == b"" or reply.startswith(b"HTTP/1.1 4")


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET /" + b"x" * 3000 + b" HTTP/1.1\r\n\r\n", b"431"),
        (b"GET / HTTP/1.1\r\nA: " + b"x" * 3000 + b"\r\n\r\n", b"431"),
        (b"POST /size HTTP/1.1\r\nContent-Length: 1001\r\n\r\n", b"413"),
        (b"POST /size HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n", b"4"),
        (b"POST /size HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"400"),
        (b"POST /size HTTP/1.1\r\nContent-Length: 2147483648\r\n\r\n", b"413"),
        (
            b"POST /size HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
            b"400",
        ),
        (b"POST /size HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n", b"4"),
        (
            b"POST /size HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n500\r\n" + b"x" * 0x500,
            b"413",
        ),
    ],
)
def test_sizes_beyond_the_limit_are_refused(request_bytes, status):
    link = http_link()
    reply = link.feed(request_bytes)
    assert reply.startswith(b"HTTP/1.1 " + status)
    assert link.closed


def test_a_handler_that_fails_is_a_500_and_the_connection_goes_on(caplog):
    link = MemoryDriver().open(HttpSession(router()))
    reply = link.feed(b"GET /fails HTTP/1.1\r\n\r\nGET /hello HTTP/1.1\r\n\r\n")
    assert reply.startswith(b"HTTP/1.1 500 ")
    assert b"on purpose" not in reply
    assert reply.endswith(b"hello")
    caplog.clear()


def test_pipelined_requests_cut_anywhere():
    whole = None
    head = HTTP[: HTTP.index(b"GET /slow")]
    for cut in range(len(head)):
        link = MemoryDriver().open(HttpSession(router()))
        reply = link.feed(head[:cut]) + link.feed(head[cut:])
        reply = reply.replace(reply.partition(b"Date: ")[2][:29], b"")
        assert whole in (None, reply)
        whole = reply


def masked(opcode, payload, fin=True, mask=b"\1\2\3\4"):
    size = len(payload)
    head = bytes([opcode | (0x80 if fin else 0)])
    if size < 126:
        head += bytes([0x80 | size])
    elif size < 1 << 16:
        head += b"\xfe" + size.to_bytes(2, "big")
    else:
        head += b"\xff" + size.to_bytes(8, "big")
    return head + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(payload))


def websocket_link():
    link = MemoryDriver().open(WebSocketSession())
    link.upgrade(Shout())
    return link


FRAMES = (
    masked(1, b"hel", fin=False)
    + masked(9, b"ping")
    + masked(0, b"lo")
    + masked(2, b"abc")
    + masked(1, b"x" * 300)
    + masked(8, (1000).to_bytes(2, "big"))
)


def test_websocket_frames_cut_anywhere():
    whole = websocket_link().feed(FRAMES)
    assert whole.startswith(b"\x8a\x04ping\x81\x05HELLO\x82\x03cba\x81\x7e\x01\x2c" + b"X" * 300)
    for cut in range(len(FRAMES)):
        link = websocket_link()
        assert link.feed(FRAMES[:cut]) + link.feed(FRAMES[cut:]) == whole
        assert link.closed


@given(EDITS)
def test_mutated_frames_end_in_a_close_frame_or_wait_for_more(edits):
    link = websocket_link()
    link.feed(mutate(FRAMES, edits))
    assert link.closed or not link.closing


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (b"\x81\x05hello", 1002),  # not masked
        (b"\x89\xfe\x00\x7e" + bytes(130), 1002),  # a control frame of 126 bytes
        (masked(1, b"\xff\xfe"), 1007),
        (masked(2, bytes((1 << 20) + 1)), 1009),
        (masked(0xB, b""), 1002),
    ],
)
def test_websocket_violations_are_answered_with_their_code(frame, code):
    link = websocket_link()
    reply = link.feed(frame)
    assert reply[0] == 0x88
    assert int.from_bytes(reply[2:4], "big") == code
    assert link.closed
