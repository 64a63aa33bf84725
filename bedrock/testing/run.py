"""`bedrock.run("kvstore")`: a server in this process, for tests and notebooks.

    with bedrock.run("kvstore") as server:
        redis.Redis(port=server.port).set("a", 1)

All servers share one event loop in one background thread; starting one takes about a millisecond
once the loop and the component are imported.  Data is in memory (/dev/shm where there is one) and
goes with the server, unless `data_dir` is given.

A server that must not share the interpreter with the test (load tests, kill -9) runs as a process:
`run(name, process=True)`.
"""

from __future__ import annotations

import asyncio
import atexit
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Self

from bedrock.app.component import Component, component
from bedrock.app.config import resolve
from bedrock.app.flags import as_flags
from bedrock.app.instance import Instance, temporary_directory
from bedrock.world import Disk

START_S = 30.0
STOP_S = 10.0


class Background:
    """The event loop of this process's servers, in a daemon thread of its own."""

    _shared: Background | None = None
    _guard = threading.Lock()

    def __init__(self) -> None:
        import uvloop

        self.loop = uvloop.new_event_loop()
        self._thread = threading.Thread(
            target=self.loop.run_forever, name="bedrock servers", daemon=True
        )
        self._thread.start()
        self.handles: set[InProcess] = set()
        atexit.register(self._stop_all)

    @classmethod
    def shared(cls) -> Background:
        """The one of this process (a forked child makes its own)."""
        with cls._guard:
            if cls._shared is None or not cls._shared._thread.is_alive():
                cls._shared = cls()
            return cls._shared

    def call(self, work: Coroutine, timeout_s: float = START_S) -> Any:
        """Run a coroutine on the loop and wait for its result."""
        if threading.current_thread() is self._thread:
            raise RuntimeError("called from the servers' own loop: it would wait for itself")
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(timeout_s)

    def _stop_all(self) -> None:
        for handle in list(self.handles):
            handle.stop()


class Running:
    """A running server.

    host, port  where it listens; `ports` has all of them by option name
    url         how the usual library wants it, e.g. redis://127.0.0.1:40001
    data_dir    where its data is
    """

    component: Component
    host: str
    ports: dict[str, int]
    data_dir: str

    @property
    def port(self) -> int:
        return self.ports["port"]

    @property
    def env(self) -> dict[str, str]:
        """The variables that lead a program here: REDIS_URL, DATABASE_URL, ..."""
        found: dict[str, str] = {}
        for port in self.component.ports:
            if port.option not in self.ports:
                continue  # declined (-1)
            found |= port.environment(self.host, self.ports[port.option])
        return found

    @property
    def url(self) -> str:
        return next(iter(self.env.values()), f"{self.host}:{self.port}")

    def stop(self) -> None:
        """Drain and stop; idempotent."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class InProcess(Running):
    """A server on this process's background loop.

    server   the component's Server object (touch it only through `call`)
    failure  what made its disk untrustworthy, or None
    """

    def __init__(self, found: Component, config: Any, disk: Disk | None = None):
        self.component = found
        self.config = config
        self.host = config.host
        self.failure: BaseException | None = None
        self._background = Background.shared()
        self._instance = Instance(found, config, on_failure=self._failed, disk=disk)
        self._background.call(self._instance.start())
        self._background.handles.add(self)
        self.ports = self._instance.ports
        self.data_dir = self._instance.data_dir

    @property
    def server(self) -> Any:
        return self._instance.server

    @property
    def world(self) -> Any:
        return self._instance.world

    def call(self, work: Coroutine) -> Any:
        """Run a coroutine on the server's loop and return its result."""
        return self._background.call(work)

    def stop(self, grace_s: float = 0.0) -> None:
        """Stop, giving what was begun `grace_s`; idempotent."""
        if self in self._background.handles:
            self._background.handles.discard(self)
            self._background.call(self._instance.stop(grace_s), grace_s + STOP_S)

    def _failed(self, exc: BaseException) -> None:
        self.failure = exc


class Process(Running):
    """A server as a process of its own: its `pid`, and ways to end it."""

    def __init__(self, found: Component, options: dict[str, Any], ephemeral: bool):
        self.component = found
        self._options = options
        self._ephemeral = ephemeral
        self.data_dir = options.get("data_dir") or temporary_directory(found.name)
        self._options["data_dir"] = self.data_dir
        self._process: subprocess.Popen | None = None
        self.start()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start (again); the ports stay those of the first start."""
        with tempfile.TemporaryDirectory(prefix="bedrock-ready-") as folder:
            ready = Path(folder, "ready")
            self._process = subprocess.Popen(
                [sys.executable, "-m", self.component.module, "serve",
                 *as_flags(self._options, self.component.config), "--ready-file", str(ready)],
                stdin=subprocess.PIPE,
                env={**os.environ, "BEDROCK_SUPERVISED": "1"},
            )
            line = wait_ready(ready, self._process)
        self.host, self.ports = line["host"], line["ports"]
        self._options |= self.ports

    def kill(self) -> None:
        """End it as a crash would (SIGKILL)."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def restart(self) -> None:
        """Kill and start again on the same data and ports."""
        self.kill()
        self.start()

    def stop(self) -> None:
        if self._process is None:
            return
        process, self._process = self._process, None
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdin is not None:
            process.stdin.close()
        if self._ephemeral:
            import shutil

            shutil.rmtree(self.data_dir, ignore_errors=True)


def wait_ready(path: Path, process: subprocess.Popen, timeout_s: float = START_S) -> dict[str, Any]:
    """The ready line that a server writes to `path`; RuntimeError when it ends before."""
    deadline = time.monotonic() + timeout_s
    while not path.exists():
        if process.poll() is not None:
            raise RuntimeError(f"{process.args!r} ended with code {process.returncode}")
        if time.monotonic() > deadline:
            process.kill()
            raise TimeoutError(f"{process.args!r} was not ready within {timeout_s} s")
        time.sleep(0.002)
    return json.loads(path.read_text())


def run(name: str, *, process: bool = False, disk: Disk | None = None, **options: Any) -> Any:
    """Start a component; options are fields of its config.  Ports default to free ones.

    disk: a simulated disk, to see how a server in this process bears a full or failing one

    Returns an `InProcess`, or with `process` a `Process`; both are context managers.
    """
    found = component(name)
    # A port that is off unless asked for stays off.
    usual = found.config()
    options = {p.option: 0 for p in found.ports if getattr(usual, p.option) >= 0} | options
    if process:
        return Process(found, dict(options), ephemeral=not options.get("data_dir"))
    if not options.get("data_dir"):
        options.setdefault("ephemeral", True)
    # A test's server must not change with the machine: no file, no environment.
    return InProcess(found, resolve(found, dict(found.embedded) | options, {}, "").config, disk)
