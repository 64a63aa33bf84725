"""The supervisor: each server its own process, started, watched, restarted, stopped.

    starting ──ready──► up ──ended──► waiting ──back-off──► starting
        │                 │              (0.1 s, doubled up to 10 s; forgotten after 30 s up)
        └──code 2, 4──────┴──► down      usage and damaged data do not mend by trying again

Invariants:
1. No server outlives its supervisor: each holds the read end of a pipe whose other end is ours, and
   drains when it closes.
2. `stop` returns within STOP_S, all servers ended: those that do not end by SIGTERM are killed.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bedrock.app import state
from bedrock.app.flags import as_flags
from bedrock.app.logs import logger

log = logger("supervisor")

READY_S = 30.0
STOP_S = 4.8
BACKOFF_S, BACKOFF_MAX_S = 0.1, 10.0
STEADY_S = 30.0
HOPELESS = {2: "it was used wrongly", 4: "its data is damaged"}


@dataclass
class Spec:
    """A server to run: `python -m <module>` with the options as flags."""

    name: str
    module: str
    options: dict[str, Any] = field(default_factory=dict)


class StartFailed(Exception):
    """A server did not get ready at the first start; `code` is its exit code."""

    def __init__(self, name: str, code: int):
        super().__init__(f"{name} did not start (exit code {code})")
        self.code = code


class Supervisor:
    """Runs servers until told to stop.

    on_change: called with the state after every change of it
    """

    def __init__(
        self,
        specs: list[Spec],
        on_change: Callable[[state.State], None] = lambda state: None,
    ):
        self._on_change = on_change
        self.state = state.State(os.getpid(), time.time())
        self._children = [_Child(spec, self) for spec in specs]
        self.state.systems = [child.system for child in self._children]
        self._watchers: list[asyncio.Task] = []

    async def start(self) -> None:
        """Start all at once and wait until each is ready; StartFailed when one is not."""
        starts = (child.start() for child in self._children)
        for outcome in await asyncio.gather(*starts, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome
        self._watchers = [asyncio.create_task(child.watch()) for child in self._children]

    async def stop(self) -> None:
        """Drain and end all; what is left after STOP_S is killed."""
        for watcher in self._watchers:
            watcher.cancel()
        await asyncio.gather(*self._watchers, return_exceptions=True)
        await asyncio.gather(*(child.stop() for child in self._children))

    def changed(self) -> None:
        """Tell who wants to know."""
        self._on_change(self.state)


class _Child:
    def __init__(self, spec: Spec, owner: Supervisor):
        self.spec = spec
        self.system = state.System(spec.name, since=time.time())
        self._owner = owner
        self._process: asyncio.subprocess.Process | None = None
        self._backoff_s = BACKOFF_S

    def _to(self, new: str, **changes: Any) -> None:
        self.system.state, self.system.since = new, time.time()
        for name, value in changes.items():
            setattr(self.system, name, value)
        self._owner.changed()

    async def start(self) -> None:
        """Run the program and wait for its ready line; StartFailed if it ends before."""
        with tempfile.TemporaryDirectory(prefix="bedrock-up-") as folder:
            ready = Path(folder, "ready")
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", self.spec.module, "serve",
                *as_flags(self.spec.options | {"ready_file": str(ready)}),
                stdin=asyncio.subprocess.PIPE,
                env={**os.environ, "BEDROCK_SUPERVISED": "1"},
                # Ctrl-C reaches us alone; the order in which things end is ours.
                start_new_session=True,
            )
            self._to("starting", pid=self._process.pid)
            line = await self._wait_ready(ready)
        self._to("up", host=line["host"], ports=line["ports"], data_dir=line["data_dir"], why="")

    async def _wait_ready(self, ready: Path) -> dict[str, Any]:
        assert self._process is not None
        deadline = time.monotonic() + READY_S
        while not ready.exists():
            if self._process.returncode is not None:
                raise StartFailed(self.spec.name, self._process.returncode)
            if time.monotonic() > deadline:
                self._process.kill()
                await self._process.wait()
                raise StartFailed(self.spec.name, -signal.SIGKILL)
            await asyncio.sleep(0.005)
        return json.loads(ready.read_text())

    async def watch(self) -> None:
        """Restart the server whenever it ends."""
        while True:
            assert self._process is not None
            code = await self._process.wait()
            why = HOPELESS.get(code) or describe(code)
            if code in HOPELESS:
                log.error(f"{self.spec.name} stays down: {why}")
                self._to("down", why=why, pid=0)
                return
            if time.time() - self.system.since > STEADY_S:
                self._backoff_s = BACKOFF_S
            log.warning(
                f"{self.spec.name} ended ({why}); starting it again", in_s=self._backoff_s
            )
            self._to("waiting", why=why, pid=0, restarts=self.system.restarts + 1)
            await asyncio.sleep(self._backoff_s)
            self._backoff_s = min(self._backoff_s * 2, BACKOFF_MAX_S)
            try:
                # A restarted server keeps its ports: clients find it where it was.
                self.spec.options |= self.system.ports
                await self.start()
                log.warning(f"{self.spec.name} is up again", pid=self.system.pid)
            except StartFailed:
                pass  # it has ended: the loop's wait returns at once

    async def stop(self) -> None:
        """SIGTERM, and after STOP_S SIGKILL."""
        process = self._process
        if process is None:
            return
        if process.returncode is None:
            try:
                process.send_signal(signal.SIGTERM)
                await asyncio.wait_for(process.wait(), STOP_S)
            except ProcessLookupError:
                pass
            except TimeoutError:
                log.warning(f"{self.spec.name} did not stop; killing it")
                process.kill()
                await process.wait()
        if process.stdin is not None:
            process.stdin.close()
        if self.system.state != "down":
            self._to("stopped", pid=0)


def describe(code: int) -> str:
    """An exit code in words."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"
