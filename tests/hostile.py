"""What the tests of every server throw at it: noise, lies about lengths, readers that do not read.

Each function says what it found; what should have been found is the test's to say.
"""

import contextlib
import random
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

LENGTHS = [0, 1, 2**31 - 1, 2**31, 2**32 - 1]  # the last two are negative to who reads int32
NOISE = [
    *(struct.pack(">I", length) + tail for length in LENGTHS for tail in (b"", bytes(50))),
    *(random.Random(seed).randbytes(2000) for seed in range(20)),
    b"\xff" * 3000,
    b"\0" * 3000,
]
TEN_MIB = 10 << 20


def throw(host, port, data, patience_s=0.2):
    """Send bytes on a connection of their own; what was answered until the end or the silence."""
    heard = b""
    with (
        socket.create_connection((host, port), timeout=5) as sock,
        contextlib.suppress(ConnectionError, TimeoutError),
    ):
        sock.sendall(data)
        sock.settimeout(patience_s)
        while piece := sock.recv(65536):
            heard += piece
    return heard


def throw_noise(host, port, noise=NOISE):
    """All noise, one connection each; none of the answers may show our insides."""
    for data in noise:
        assert b"Traceback" not in throw(host, port, data, patience_s=0.02)


def rss_bytes(pid):
    """Resident memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096


def refuses_to_start(name, directory):
    """What a server says of data it refuses; it must end with exit code 4."""
    done = _run(name, "serve", "--data-dir", directory, "--ready-file", f"{directory}.ready",
                *_free_ports(name))
    assert done.returncode == 4, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def check_says(name, directory):
    """(exit code, output) of the checker."""
    done = _run(name, "check", directory)
    return done.returncode, done.stdout + done.stderr


def _run(name, *words):
    return subprocess.run(
        [sys.executable, "-m", name, *map(str, words)],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip


def _free_ports(name):
    from bedrock.app.component import component

    return [word for port in component(name).ports
            for word in (f"--{port.option.replace('_', '-')}", "0")]


def flip(path, offset, mask=0x40):
    """Change one byte of a file."""
    with open(path, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ mask]))


def until(condition, seconds=30):
    """Wait for something to become true; it."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.02)
    raise AssertionError("it did not happen")


def reader_that_does_not_read(host, port):
    """A connection with a small receive buffer, so that the server's side fills soon."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.settimeout(10)
    sock.connect((host, port))
    return sock


def is_cut_off(sock):
    """True if the server has ended this connection; reads nothing of what is queued."""
    with contextlib.suppress(BlockingIOError, InterruptedError):
        try:
            sock.send(b"")
            error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            return error != 0 or _state(sock) != ESTABLISHED
        except OSError:
            return True
    return False


ESTABLISHED = 1


def _state(sock):
    """The connection's TCP state, the first byte of tcp_info."""
    return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
