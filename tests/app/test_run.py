"""`bedrock.run`: servers in this process."""

import os
import socket
import statistics
import time

import pytest

import bedrock


def ask(server, line):
    with socket.create_connection((server.host, server.port), timeout=5) as connection:
        connection.sendall(line + b"\n")
        return connection.recv(1000)


def test_a_server_answers_until_it_is_stopped():
    with bedrock.run("echo") as server:
        assert ask(server, b"hello") == b"hello\n"
        assert server.url == f"echo://127.0.0.1:{server.port}"
        assert server.env == {"ECHO_URL": server.url}
    with pytest.raises(OSError):
        ask(server, b"hello")
    server.stop()


def test_data_is_removed_unless_a_directory_was_given(tmp_path):
    with bedrock.run("echo") as server:
        ask(server, b"keep x")
    assert not os.path.exists(server.data_dir)
    with bedrock.run("echo", data_dir=str(tmp_path / "kept")) as server:
        ask(server, b"keep x")
    assert (tmp_path / "kept" / "kept").read_text() == "x\n"


def test_options_are_fields_of_the_config():
    with bedrock.run("echo", shout=True) as server:
        assert ask(server, b"hello") == b"HELLO\n"


def test_many_servers_stand_side_by_side():
    servers = [bedrock.run("echo") for _ in range(20)]
    try:
        assert len({server.port for server in servers}) == 20
        assert all(ask(server, b"hi") == b"hi\n" for server in servers)
    finally:
        for server in servers:
            server.stop()


def test_starting_takes_less_than_five_milliseconds(echo):
    times = []
    for _ in range(9):
        begun = time.perf_counter()
        server = bedrock.run("echo")
        times.append(time.perf_counter() - begun)
        server.stop()
    assert statistics.median(times) < 0.005


def test_a_failed_disk_is_seen_and_nothing_more_is_answered(echo):
    with socket.create_connection((echo.host, echo.port), timeout=0.3) as connection:
        connection.sendall(b"die\n")
        with pytest.raises(TimeoutError):
            connection.recv(10)
    assert echo.failure is not None and "Input/output error" in str(echo.failure)


def test_a_process_can_be_killed_and_restarted_on_its_port_and_data():
    with bedrock.run("echo", process=True) as server:
        ask(server, b"keep one")
        port, pid = server.port, server.pid
        server.restart()
        assert server.port == port and server.pid != pid
        ask(server, b"keep two")
        with open(os.path.join(server.data_dir, "kept")) as kept:
            assert kept.read() == "one\ntwo\n"
    assert not os.path.exists(server.data_dir)


def test_an_unknown_name_lists_the_known():
    with pytest.raises(LookupError, match="echo"):
        bedrock.run("nonesuch")


def test_the_environment_does_not_reach_into_tests(monkeypatch, tmp_path):
    monkeypatch.setenv("BEDROCK_ECHO_SHOUT", "1")
    (tmp_path / "bedrock.toml").write_text("[echo]\nshout = true")
    with bedrock.run("echo") as server:
        assert ask(server, b"hello") == b"hello\n"
