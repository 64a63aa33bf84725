"""The console's Server: uvicorn on the loop that `bedrock.app.serve` runs."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from bedrock.app.console.app import make_app
from bedrock.app.console.watch import Watch
from bedrock.world import World


class _Uvicorn(uvicorn.Server):
    """Leaves the signals to us."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def install_signal_handlers(self) -> None:
        pass


class Server:
    """See bedrock.app.component.Component."""

    def __init__(self, world: World, config: Any):
        self.world, self.config = world, config
        self.ports: dict[str, int] = {}
        self.watch = Watch(config.state_file, world.clock)
        app = make_app(self.watch, config.host, config.password())
        self._uvicorn = _Uvicorn(
            uvicorn.Config(app, log_config=None, access_log=False, lifespan="off",
                           server_header=False, timeout_graceful_shutdown=2)
        )
        self._socket: socket.socket | None = None
        self._tasks: list[asyncio.Task] = []

    @property
    def ready(self) -> bool:
        return self._uvicorn.started and not self._uvicorn.should_exit

    async def start(self) -> None:
        """Listen; OSError when the port is taken."""
        host, port = self.config.host, self.config.port
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind((host, port))
        self._socket.listen(128)
        self.ports = {"port": self._socket.getsockname()[1]}
        self._tasks = [
            self.world.spawn(self._uvicorn.serve(sockets=[self._socket]), "uvicorn"),
            self.world.spawn(self.watch.run(), "watch"),
        ]
        while not self._uvicorn.started and not self._tasks[0].done():
            await asyncio.sleep(0.002)

    async def drain(self, grace_s: float) -> None:
        """Let uvicorn finish its requests."""
        self._uvicorn.should_exit = True
        await asyncio.wait(self._tasks[:1], timeout=grace_s)

    async def stop(self) -> None:
        """Close everything; idempotent."""
        self._uvicorn.should_exit = self._uvicorn.force_exit = True
        for task in self._tasks[1:]:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._socket is not None:
            self._socket.close()

    def metrics(self) -> Iterable[Any]:
        return ()
