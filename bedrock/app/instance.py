"""One running server of a component: its data directory, its world, its server, its metrics.

`bedrock.app.serve` runs one in a process of its own, `bedrock.testing.run` some in the background
of a test; both want the same steps in the same order:

    directory ─► lock ─► World(disk, net, clock, rand, turn) ─► Server.start ─► metrics
    Server.drain ─► Server.stop ─► metrics off ─► net closed ─► unlock ─► directory removed
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
from collections.abc import Callable
from typing import Any

from bedrock.app.component import Component
from bedrock.app.config import ConfigError
from bedrock.app.logs import logger
from bedrock.net.reactor import Reactor
from bedrock.world import Disk, OsClock, OsDisk, Turn, World

STOP_S = 1.0  # after the drain, for closing files
MEMORY = "/dev/shm"  # noqa: S108 - nobody can guess names in it


class PortTaken(Exception):
    """Someone else listens there; the message names the port."""


class DirectoryTaken(Exception):
    """Another process works in the data directory."""


class Instance:
    """A component's server, put together and run on the current event loop.

    on_failure: called once with the exception after which the disk can no longer be trusted.
    disk:       what it keeps its data on, if not a directory: a simulated disk, for tests.
    """

    def __init__(
        self,
        component: Component,
        config: Any,
        on_failure: Callable[[BaseException], None] | None = None,
        disk: Disk | None = None,
    ):
        self.component = component
        self.config = config
        self.log = logger(component.name)
        self.on_failure = on_failure
        self.disk = disk
        self.data_dir = ""
        self.world: World | None = None
        self.server: Any = None
        self.metrics: Any = None
        self._lock = -1

    @property
    def ports(self) -> dict[str, int]:
        """Where it really listens: option name -> port."""
        ports = dict(self.server.ports)
        if self.metrics is not None:
            ports["metrics_port"] = self.metrics.port
        return ports

    async def start(self) -> None:
        """Listen and be ready.

        ConfigError, PortTaken, DirectoryTaken, and what the store raises (Damaged, DiskFull).
        """
        self.config.refuse_exposure()
        try:
            self._take_directory()
            turn, clock = Turn(), OsClock()
            turn.failed = self._failed
            net = Reactor(clock, turn).attach()
            self.world = World(self.disk or OsDisk(self.data_dir), net, clock, turn=turn)
            self.server = self.component.load("server")(self.world, self.config)
            await self.server.start()
            if self.config.metrics_port >= 0:
                from bedrock.app.metrics import MetricsServer

                self.metrics = MetricsServer(self)
                await self.metrics.start()
        except OSError as exc:
            await self._give_up()
            if exc.errno == errno.EADDRINUSE:
                raise PortTaken(self._name_taken_port(str(exc))) from exc
            raise
        except BaseException:
            await self._give_up()
            raise

    async def may_stop(self) -> bool:
        """Whether the server agrees to be stopped; it may see to something before."""
        ask = getattr(self.server, "may_stop", None)
        return ask is None or bool(await ask())

    async def stop(self, grace_s: float = 0.0) -> None:
        """Refuse what is new, give what was begun `grace_s`, then close everything; idempotent."""
        server, self.server = self.server, None
        if server is not None:
            try:
                if grace_s > 0:
                    await asyncio.wait_for(server.drain(grace_s), grace_s + STOP_S)
            except TimeoutError:
                self.log.warning("drain took too long", grace_s=grace_s)
            finally:
                await server.stop()
        if self.metrics is not None:
            await self.metrics.stop()
        self._leave()

    async def _give_up(self) -> None:
        if self.server is not None:
            try:
                await self.server.stop()
            except Exception as exc:
                self.log.exception("stopping a server that did not start", exc)
            self.server = None
        self._leave()

    def _leave(self) -> None:
        """Let go of the world and the directory."""
        world, self.world = self.world, None
        if world is not None:
            world.net.close()  # type: ignore[union-attr]
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1
            self.remove_ephemeral()

    def remove_ephemeral(self) -> None:
        """Remove the data if it was not meant to last."""
        if self.config.ephemeral:
            import shutil

            shutil.rmtree(self.data_dir, ignore_errors=True)

    def _failed(self, exc: BaseException) -> None:
        on_failure, self.on_failure = self.on_failure, None
        if on_failure is not None:
            on_failure(exc)

    def _take_directory(self) -> None:
        if self.config.ephemeral:
            self.data_dir = temporary_directory(self.component.name)
        else:
            self.data_dir = os.path.abspath(data_dir(self.component.name, self.config))
            try:
                os.makedirs(self.data_dir, exist_ok=True)
            except OSError as exc:
                raise ConfigError(f"data directory {self.data_dir}: {exc.strerror}") from exc
        self._lock = os.open(self.data_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            self._lock = -1
            raise DirectoryTaken(
                f"{self.data_dir} is in use by another process; give another --data-dir"
            ) from None

    def _name_taken_port(self, fallback: str) -> str:
        """Which of the wanted ports is taken: the driver's error does not say."""
        from bedrock.app.ports import is_free

        host = self.config.host
        wanted = [port.option for port in self.component.ports] + ["metrics_port"]
        for option in wanted:
            number = getattr(self.config, option, 0)
            if number > 0 and not is_free(host, number):
                return f"port {number} on {host} is taken (--{option.replace('_', '-')})"
        return fallback


def data_dir(name: str, config: Any) -> str:
    """The data directory a configuration means."""
    return config.data_dir or os.path.join("data", name)


def check_command(name: str, directory: str) -> str:
    """The command line that checks a component's data directory."""
    named = os.path.basename(os.path.abspath(directory)) == name
    return f"bedrock check {directory}" + ("" if named else f" --as {name}")


def temporary_directory(name: str) -> str:
    """A new directory for data nobody keeps: in memory where the machine has /dev/shm."""
    # The module `tempfile` would do, but loading it and what it needs takes 8 ms of a start.
    where = MEMORY if os.access(MEMORY, os.W_OK) else os.environ.get("TMPDIR", "/tmp")  # noqa: S108
    path = os.path.join(where, f"bedrock-{name}-{os.urandom(8).hex()}")
    os.mkdir(path, 0o700)
    return path
