"""Bytes nobody sends: every message truncated, mutated and lying about its length."""

import socket
import struct

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

STARTUP = struct.pack("!ii", 0, 196608) + b"user\0postgres\0database\0postgres\0\0"
STARTUP = struct.pack("!i", len(STARTUP)) + STARTUP[4:]


def message(kind, body):
    return kind + struct.pack("!i", len(body) + 4) + body


GOOD = [
    message(b"Q", b"select 1, 'abc'\0"),
    message(b"P", b"s\0select $1::int\0" + struct.pack("!hi", 1, 23)),
    message(b"B", b"\0s\0" + struct.pack("!hhhi", 1, 1, 1, 4) + b"\0\0\0\7" + struct.pack("!h", 0)),
    message(b"D", b"Ss\0"), message(b"D", b"P\0"),
    message(b"E", b"\0" + struct.pack("!i", 0)),
    message(b"C", b"Ss\0"), message(b"H", b""), message(b"S", b""),
    message(b"d", b"1\t2\n"), message(b"c", b""), message(b"f", b"why\0"),
    message(b"F", b"\0\0\0\1"), message(b"p", b"SCRAM-SHA-256\0\0\0\0\1n"),
]


def connect(server):
    link = socket.create_connection(("127.0.0.1", server.port), timeout=5)
    link.settimeout(0.25)
    return link


def read_all(link):
    """Whatever comes until silence or the end; every byte must be a whole message."""
    data = b""
    try:
        while chunk := link.recv(65536):
            data += chunk
    except (TimeoutError, ConnectionError):
        pass
    return data


def messages_of(data):
    found = []
    while data:
        assert len(data) >= 5
        size = struct.unpack("!i", data[1:5])[0]
        assert size >= 4 and len(data) >= size + 1
        found.append((data[:1], data[5:size + 1]))
        data = data[size + 1:]
    return found


def alive(server):
    with psycopg.connect(f"postgresql://postgres@127.0.0.1:{server.port}/postgres") as other:
        assert other.execute("select 42").fetchone() == (42,)


@given(st.lists(st.sampled_from(GOOD), max_size=6), st.data())
@settings(max_examples=40, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_mutated_messages_get_an_error_or_a_close(server, parts, data):
    stream = bytearray(STARTUP + b"".join(parts))
    for _ in range(data.draw(st.integers(0, 6))):
        at = data.draw(st.integers(0, len(stream) - 1))
        stream[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(stream)))
    with connect(server) as link:
        try:
            link.sendall(bytes(stream[:cut]))
            link.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        answer = read_all(link)
    if answer[:1] not in (b"N", b""):
        for kind, body in messages_of(answer):
            if kind == b"E":
                assert b"Traceback" not in body and b"internal error" not in body
    alive(server)


@pytest.mark.parametrize("size", [-2**31, -1, 0, 3, 2**31 - 1, 1 << 30])
def test_impossible_lengths_end_the_session_at_once(server, size):
    with connect(server) as link:
        link.sendall(STARTUP)
        read_all(link)
        link.sendall(b"Q" + struct.pack("!i", size) + b"select 1\0")
        found = messages_of(read_all(link))
        assert found and found[-1][0] == b"E" and b"08P01" in found[-1][1]
    alive(server)


@pytest.mark.parametrize("size", [-1, 0, 7, 10_001, 2**31 - 1])
def test_impossible_startup_lengths_are_refused(server, size):
    with connect(server) as link:
        link.sendall(struct.pack("!ii", size, 196608))
        found = messages_of(read_all(link))
        assert found[-1][0] == b"E"
    alive(server)


def test_a_stream_cut_at_every_byte_answers_the_same(server):
    stream = STARTUP + b"".join(GOOD[:9])
    answers = set()
    for cut in range(0, len(stream), 7):
        with connect(server) as link:
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            link.sendall(stream[:cut])
            link.sendall(stream[cut:])
            kinds = b"".join(kind for kind, _ in messages_of(read_all(link)))
            answers.add(kinds)
    assert len(answers) == 1


@pytest.mark.parametrize("sql", [
    "select " + "(" * 5000 + "1" + ")" * 5000, "select '" + "x" * 200_000, "\x01\x02", "select $1",
    "select 1e400::float8", "select array" + "[" * 100 + "1" + "]" * 100,
    "select repeat('x', 2000000000)", "copy nowhere from stdin", ";" * 1000,
])
def test_statements_nobody_should_send_are_errors(server, sql):
    with psycopg.connect(f"postgresql://postgres@127.0.0.1:{server.port}/postgres",
                         autocommit=True) as connection:
        try:
            connection.execute(sql)
        except psycopg.Error as exc:
            assert exc.sqlstate not in ("XX000", None)
        assert connection.execute("select 1").fetchone() == (1,)


@given(st.binary(max_size=300))
@settings(max_examples=60, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_binary_parameters_of_any_bytes_are_values_or_errors(server, data):
    from minidb.input import read_binary
    from minidb.sqlstate import DatabaseError
    from query_planner.types import TYPES

    for name in ("int4", "float8", "numeric", "text", "_int4", "_text", "uuid", "interval",
                 "timestamp", "jsonb", "bool", "bytea", "timetz"):
        try:
            read_binary(data, TYPES[name])
        except DatabaseError as exc:
            assert exc.sqlstate in ("22P03", "22021")
