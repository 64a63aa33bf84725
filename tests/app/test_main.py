"""A server as a process: its flags, its ready line, its signals, its exit codes."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from bedrock.app.ports import free_port
from bedrock.testing.run import wait_ready

FREE = ["--port", "0", "--second-port", "0"]


def echo(*args, **options):
    return subprocess.run(
        [sys.executable, "-m", "echo", *args], capture_output=True, text=True, timeout=30,
        check=False, **options,
    )


class Started:
    """A server process that ends with the test."""

    def __init__(self, tmp_path, *args, **options):
        ready = tmp_path / "ready.json"
        ready.unlink(missing_ok=True)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "echo", *args, "--ready-file", str(ready)],
            stderr=subprocess.PIPE, text=True, **options,
        )
        self.ready = wait_ready(ready, self.process)
        self.port = self.ready["ports"]["port"]

    def ask(self, line, timeout=5):
        with socket.create_connection(("127.0.0.1", self.port), timeout=timeout) as connection:
            connection.sendall(line.encode() + b"\n")
            return connection.recv(1000).decode().rstrip("\n")

    def end(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        _, log = self.process.communicate(timeout=10)
        return self.process.returncode, log


@pytest.fixture
def start(tmp_path):
    started = []

    def run(*args, **options):
        started.append(Started(tmp_path, *args, **options))
        return started[-1]

    yield run
    for server in started:
        if server.process.poll() is None:
            server.process.kill()
        server.process.wait()


def test_the_ready_line_gives_the_real_ports(start, tmp_path):
    server = start(*FREE)
    assert server.ready["component"] == "echo" and server.ready["pid"] == server.process.pid
    assert server.ready["data_dir"] == str(tmp_path / "data" / "echo")
    assert set(server.ready["ports"]) == {"port", "second_port"}
    assert server.ask("hello") == "hello"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_code_0(start, number):
    code, log = start(*FREE).end(number)
    assert code == 0
    assert [json.loads(line)["event"] for line in log.splitlines()] == [
        "ready", "draining", "stopped",
    ]


def test_drain_lets_a_request_finish_but_takes_no_new_connection(start):
    server = start(*FREE)
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
        connection.sendall(b"slow 0.5\n")
        time.sleep(0.1)
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.1)
        with pytest.raises(OSError):
            socket.create_connection(("127.0.0.1", server.port), timeout=1)
        assert connection.recv(100) == b"late\n"
    assert server.process.wait(5) == 0


def test_drain_ends_within_five_seconds_whatever_clients_do(start):
    server = start(*FREE)
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
        connection.sendall(b"slow 60\n")
        time.sleep(0.1)
        begun = time.monotonic()
        assert server.end()[0] == 0
        assert time.monotonic() - begun < 5


def test_a_second_signal_ends_it_at_once(start):
    server = start(*FREE)
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
        connection.sendall(b"slow 60\n")
        time.sleep(0.1)
        server.process.send_signal(signal.SIGINT)
        time.sleep(0.2)
        begun = time.monotonic()
        server.end(signal.SIGINT)
        assert time.monotonic() - begun < 1


def test_a_supervised_server_ends_with_its_supervisor(start):
    server = start(
        *FREE, stdin=subprocess.PIPE, env={**os.environ, "BEDROCK_SUPERVISED": "1"}
    )
    server.process.stdin.close()
    assert server.process.wait(5) == 0


def test_a_taken_port_is_one_line_and_code_3():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = echo("--port", str(free_port()), "--second-port", str(port))
    assert done.returncode == 3
    assert done.stderr == f"echo: port {port} on 127.0.0.1 is taken (--second-port)\n"


def test_a_directory_in_use_is_refused(start, tmp_path):
    start(*FREE)
    done = echo(*FREE)
    assert done.returncode == 1 and "in use by another process" in done.stderr


@pytest.mark.parametrize(
    "args, message",
    [
        (["--nonsense"], "unrecognized arguments: --nonsense"),
        (["nonsense"], "unrecognized arguments: nonsense"),
        (["--port", "x"], "wants a whole number"),
        (["--mode", "odd"], "invalid choice"),
        (["--host", "0.0.0.0"], "--insecure"),
        (["--tls-key", "k", "--config", "absent.toml"], "absent.toml"),
        (["check", "absent"], "absent is not a directory"),
        (["bench"], "no bench"),
    ],
)
def test_misuse_is_code_2_with_a_reason(args, message):
    done = echo(*args)
    assert done.returncode == 2
    assert message in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("verb", [[], ["serve"], ["shell"], ["check"]])
def test_help_is_made_from_the_config(verb):
    done = echo(*verb, "--help")
    assert done.returncode == 0
    assert ("--data-dir" in done.stdout) and ("--ratio" in done.stdout) == (verb != ["check"])


def test_a_failed_sync_ends_the_process_without_a_reply(start):
    server = start(*FREE)
    with pytest.raises(OSError):
        assert server.ask("die") == ""
        raise ConnectionError
    assert server.process.wait(5) == 1
    assert "the disk failed" in server.process.stderr.read()


def test_ephemeral_data_goes_with_the_server(start):
    server = start(*FREE, "--ephemeral")
    assert server.ask("keep me") == "kept" and os.path.isdir(server.ready["data_dir"])
    server.end()
    assert not os.path.exists(server.ready["data_dir"])


def test_check_tells_torn_tails_from_damage(tmp_path):
    (tmp_path / "kept").write_bytes(b"one\ntwo")
    done = echo("check", str(tmp_path))
    assert done.returncode == 0 and "kept at 4: torn line" in done.stdout
    (tmp_path / "kept").write_bytes(b"one\n\0\n")
    done = echo("check", str(tmp_path))
    assert done.returncode == 4 and "DAMAGED  kept at 4: a zero byte" in done.stdout


def test_damaged_data_is_code_4_with_file_offset_and_the_checkers_command(tmp_path):
    (tmp_path / "kept").write_bytes(b"\0")
    done = echo(*FREE, "--data-dir", str(tmp_path))
    assert done.returncode == 4
    assert done.stderr == (
        "echo: damaged data: kept at 0: a zero byte; "
        f"run: bedrock check {tmp_path} --as echo\n"
    )


def test_shell_runs_words_or_standard_input(start):
    server = start(*FREE)
    at = ["shell", "--port", str(server.port)]
    assert echo(*at, "hello", "world").stdout == "hello world\n"
    assert echo(*at, input="one\ntwo | tr a-z A-Z\n").stdout == "one\nTWO\n"


def test_shell_says_when_nobody_answers():
    done = echo("shell", "--port", str(free_port()))
    assert done.returncode == 1 and "nobody answers at 127.0.0.1" in done.stderr
