"""Real servers, started on a free port in a directory of their own and stopped afterwards.

    with peers.redis_server() as redis:
        ...  # redis.host, redis.port, redis.pid, redis.url

A test that wants one raises `PeerMissing` where the program is not installed; the fixtures of
`bedrock.testing.pytest_plugin` turn that into a skip that names it.
"""

from __future__ import annotations

import glob
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self
from urllib.request import urlopen

from bedrock.app.ports import accepts, free_port

HOST = "127.0.0.1"
START_S = 30.0
ATTEMPTS = 3  # somebody may take the free port before the peer does


class PeerMissing(Exception):
    """The program is not installed; the message names it."""


def find(program: str) -> str:
    """Path of a program: on PATH, or where Debian keeps PostgreSQL's."""
    found = shutil.which(program)
    if found is None:
        versions = sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{program}"))
        found = versions[-1] if versions else None
    if found is None:
        raise PeerMissing(f"{program} is not installed")
    return found


class Peer:
    """A running peer: name, host, port, pid, url, directory (removed at the end), log."""

    def __init__(self, name: str, url: str, port: int, directory: Path):
        self.name, self.host, self.port = name, HOST, port
        self.url = url.format(host=HOST, port=port)
        self.directory = directory
        self.ports = {"port": port}
        self._process: subprocess.Popen | None = None
        self._stop_signal = signal.SIGTERM

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> str:
        """What it wrote so far."""
        return (self.directory / "log").read_text(errors="replace")

    def start(self, command: Sequence[str], user: str | None = None) -> bool:
        """Run the command and wait until it answers; False if it ended (a port taken)."""
        with open(self.directory / "log", "wb") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                cwd=self.directory, user=user, group=user, start_new_session=True,
            )
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                return False
            if accepts(HOST, self.port):
                return True
            time.sleep(0.01)
        self.stop()
        raise TimeoutError(f"{self.name} did not answer within {START_S} s:\n{self.log}")

    def stop(self) -> None:
        """Stop it and remove its directory; idempotent."""
        process, self._process = self._process, None
        if process is not None and process.poll() is None:
            process.send_signal(self._stop_signal)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def launch(
    name: str,
    url: str,
    command: Callable[[Peer], Sequence[str]],
    prepare: Callable[[Peer], None] = lambda peer: None,
    user: str | None = None,
    stop_signal: signal.Signals = signal.SIGTERM,
) -> Peer:
    """Start `command(peer)` on a free port, in a folder of its own."""
    log = ""
    for _ in range(ATTEMPTS):
        peer = Peer(name, url, free_port(), Path(tempfile.mkdtemp(prefix=f"peer-{name}-")))
        peer._stop_signal = stop_signal
        try:
            prepare(peer)
            if peer.start(command(peer), user):
                return peer
            log = peer.log
        except BaseException:
            peer.stop()
            raise
        peer.stop()
    raise RuntimeError(f"{name} does not start:\n{log}")


def redis_server(*options: str) -> Peer:
    """Redis without persistence, unless `options` ask for it ("--appendonly", "yes")."""
    program = find("redis-server")
    return launch(
        "redis-server",
        "redis://{host}:{port}",
        lambda peer: [
            program, "--port", str(peer.port), "--bind", HOST, "--dir", str(peer.directory),
            "--save", "", *options,
        ],
    )


def postgresql(durable: bool = False, **settings: str) -> Peer:
    """A fresh PostgreSQL cluster, superuser `postgres`, no password asked.

    durable: with fsync; settings: of postgresql.conf.
    """
    initdb, postgres = find("initdb"), find("postgres")
    # PostgreSQL refuses to run as root.
    user = "postgres" if os.geteuid() == 0 else None
    settings = {"fsync": "on" if durable else "off", **settings}

    def prepare(peer: Peer) -> None:
        if user:
            shutil.chown(peer.directory, user, user)
        done = subprocess.run(
            [initdb, "-D", str(peer.directory / "data"), "-U", "postgres", "-A", "trust",
             "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"],
            user=user, group=user, cwd=peer.directory, capture_output=True, text=True, check=False,
        )
        if done.returncode:
            raise RuntimeError(f"initdb failed:\n{done.stderr}")

    peer = launch(
        "postgresql",
        "postgresql://postgres@{host}:{port}/postgres",
        lambda peer: [
            postgres, "-D", str(peer.directory / "data"), "-p", str(peer.port),
            "-k", str(peer.directory), "-h", HOST,
            *(part for name, value in settings.items() for part in ("-c", f"{name}={value}")),
        ],
        prepare,
        user,
        signal.SIGINT,  # "fast" shutdown: do not wait for clients
    )
    # It listens before it has recovered, and turns clients away until then.
    asked = [find("pg_isready"), "-h", HOST, "-p", str(peer.port)]
    deadline = time.monotonic() + START_S
    while subprocess.run(asked, capture_output=True, check=False).returncode:
        if time.monotonic() > deadline:
            peer.stop()
            raise RuntimeError(f"postgresql is not ready:\n{peer.log}")
        time.sleep(0.02)
    return peer


def prometheus(config: str = "global: {}\n", *options: str, data: str = "") -> Peer:
    """Prometheus with the given configuration file; data: the directory of its blocks."""
    program = find("prometheus")

    def prepare(peer: Peer) -> None:
        (peer.directory / "prometheus.yml").write_text(config)

    return launch(
        "prometheus",
        "http://{host}:{port}",
        lambda peer: [
            program, f"--config.file={peer.directory}/prometheus.yml",
            f"--storage.tsdb.path={data or peer.directory / 'data'}",
            f"--web.listen-address={HOST}:{peer.port}", *options,
        ],
        prepare,
    )


def alertmanager(config: str) -> Peer:
    """Prometheus' Alertmanager with the given configuration file, alone."""
    program = find("prometheus-alertmanager")

    def prepare(peer: Peer) -> None:
        (peer.directory / "alertmanager.yml").write_text(config)

    return launch(
        "alertmanager",
        "http://{host}:{port}",
        lambda peer: [
            program, f"--config.file={peer.directory}/alertmanager.yml",
            f"--storage.path={peer.directory}/data", "--cluster.listen-address=",
            f"--web.listen-address={HOST}:{peer.port}",
        ],
        prepare,
    )


def victoria_metrics(*options: str) -> Peer:
    """VictoriaMetrics on one node; it keeps samples of any age."""
    program = find("victoria-metrics")
    return launch(
        "victoria-metrics",
        "http://{host}:{port}",
        lambda peer: [
            program, f"-storageDataPath={peer.directory}/data", "-retentionPeriod=100y",
            f"-httpListenAddr={HOST}:{peer.port}", *options,
        ],
    )


def influxdb(**data: str) -> Peer:
    """InfluxDB 1.x with its index on disk and a database `db`; data: settings of its storage."""
    program = find("influxd")
    settings = "".join(f'{name.replace("_", "-")} = "{value}"\n' for name, value in data.items())

    def prepare(peer: Peer) -> None:
        (peer.directory / "influxdb.conf").write_text(
            f'reporting-disabled = true\nbind-address = "{HOST}:0"\n'
            f'[meta]\ndir = "{peer.directory}/meta"\n'
            f'[data]\ndir = "{peer.directory}/data"\nwal-dir = "{peer.directory}/wal"\n'
            f'index-version = "tsi1"\n{settings}'
            f'[http]\nbind-address = "{HOST}:{peer.port}"\nlog-enabled = false\n'
        )

    peer = launch(
        "influxdb",
        "http://{host}:{port}",
        lambda peer: [program, "run", "-config", str(peer.directory / "influxdb.conf")],
        prepare,
    )
    urlopen(f"{peer.url}/query", data=b"q=CREATE+DATABASE+db", timeout=START_S).close()
    return peer


def ngircd() -> Peer:
    """The IRC server ngIRCd, without DNS and ident look-ups."""
    program = find("ngircd")

    def prepare(peer: Peer) -> None:
        (peer.directory / "ngircd.conf").write_text(
            "[Global]\nName = peer.example\nInfo = a peer\nAdminEMail = a@peer.example\n"
            f"Listen = {HOST}\nPorts = {peer.port}\nMotdPhrase = hello\n"
            "[Limits]\nMaxConnectionsIP = 0\nMaxPenaltyTime = 0\n"
            "[Options]\nDNS = no\nIdent = no\nPAM = no\n"
        )

    return launch(
        "ngircd",
        "irc://{host}:{port}",
        lambda peer: [program, "-n", "-f", str(peer.directory / "ngircd.conf")],
        prepare,
    )


STARTERS: dict[str, Callable[..., Peer]] = {
    "redis-server": redis_server,
    "postgresql": postgresql,
    "prometheus": prometheus,
    "victoria-metrics": victoria_metrics,
    "influxdb": influxdb,
    "ngircd": ngircd,
}
