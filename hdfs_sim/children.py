"""DataNodes as processes of their own, kept running by the NameNode's server.

    before the loop   begin(): fork `datanodes` processes that have everything imported and wait
    listening         Child writes each one its options: a line of JSON on standard input
    it died           Child starts `python -m hdfs_sim datanode` anew, after a pause that doubles
    server gone       standard input ends, so a DataNode never outlives us, even when we are killed

Forking makes the whole cluster ready in the time of one start: three more interpreters that find
and load their modules would take as long again.  It is safe because nothing runs yet: no loop, no
thread, no open file.

Invariant: the write end of a child's standard input is open in the server and nowhere else.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import signal
import sys
from subprocess import PIPE, Popen
from typing import TYPE_CHECKING, Any

from bedrock.app.flags import as_flags
from bedrock.app.serve import serve
from hdfs_sim.config import DATANODE, DatanodeConfig, HdfsConfig

if TYPE_CHECKING:
    from hdfs_sim.server import Server

log = logging.getLogger("hdfs_sim")

RESTART_S, RESTART_MAX_S = 0.5, 30.0
STOP_S = 5.0

_waiting: list[tuple[int, int]] = []  # (process, write end of its standard input)


def begin(config: HdfsConfig) -> None:
    """Fork the DataNodes of a server that is about to start."""
    if config.in_process:
        return
    import uvloop  # noqa: F401 - what is loaded now is loaded once for all

    import hdfs_sim.datanode
    import hdfs_sim.server  # noqa: F401

    gc.freeze()  # a collection would write to, and so copy, every page that is shared
    for _ in range(config.datanodes):
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            for _, other in _waiting:
                os.close(other)
            os.close(writing)
            os.dup2(reading, 0)
            os.close(reading)
            sys.exit(_wait_and_serve())
        os.close(reading)
        _waiting.append((pid, writing))


def _wait_and_serve() -> int:
    """In a forked process: read the options, then be that DataNode."""
    _waiting.clear()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # until the loop handles it: the server tells us
    line = b""
    while not line.endswith(b"\n"):
        more = os.read(0, 4096)
        if not more:
            return 0
        line += more
    os.environ["BEDROCK_SUPERVISED"] = "1"
    return serve(DATANODE, DatanodeConfig(**json.loads(line)))


class Child:
    """One DataNode process, kept running.

    pid  the process, 0 while there is none
    """

    def __init__(self, server: Server, number: int):
        self.server = server
        self.number = number
        self.pid = 0
        self._stdin = -1
        self._task: asyncio.Task | None = None

    def start(self) -> None:
        """Run it until `stop`."""
        self._task = self.server.world.spawn(self._keep(), f"hdfs_sim.datanode{self.number}")

    async def _keep(self) -> None:
        clock = self.server.world.clock
        pause_s = RESTART_S
        while True:
            began_ns = clock.now_ns()
            self._begin()
            code = await ended(self.pid)
            self._forget()
            if clock.now_ns() - began_ns > RESTART_MAX_S * 1e9:
                pause_s = RESTART_S
            log.error("DataNode %d ended with %d; starting it again in %.1f s",
                      self.number, code, pause_s)
            await clock.sleep(pause_s)
            pause_s = min(2 * pause_s, RESTART_MAX_S)

    def _begin(self) -> None:
        """Send one that waits on its way, or start a new interpreter."""
        if _waiting:
            self.pid, self._stdin = _waiting.pop()
            os.write(self._stdin, json.dumps(self._options()).encode() + b"\n")
            return
        process = Popen(  # noqa: S603 - ourselves, with options of our own
            [sys.executable, "-m", "hdfs_sim", "datanode", *as_flags(self._options())],
            stdin=PIPE, env={**os.environ, "BEDROCK_SUPERVISED": "1"})
        assert process.stdin is not None
        self.pid, self._stdin = process.pid, os.dup(process.stdin.fileno())
        process.stdin.close()
        process.returncode = 0  # `ended` is the one who waits for it

    def _options(self) -> dict[str, Any]:
        server = self.server
        config = server.config
        options = {
            "host": config.host, "port": 0, "http_port": 0, "ipc_port": 0,
            "namenode": f"{config.host}:{server.ports['port']}",
            "data_dir": server.world.disk.path(f"datanode{self.number}"),
            "heartbeat_s": config.heartbeat_s, "log_level": config.log_level,
        }  # fmt: skip
        return options | ({"log_format": config.log_format} if config.log_format else {})

    def _forget(self) -> None:
        os.close(self._stdin)
        self.pid, self._stdin = 0, -1

    async def stop(self) -> None:
        """Ask it to end by closing its standard input; kill it if it does not."""
        if self._task is not None:
            self._task.cancel()
        if not self.pid:
            return
        pid = self.pid
        self._forget()
        try:
            async with asyncio.timeout(STOP_S):
                await ended(pid)
        except TimeoutError:
            os.kill(pid, signal.SIGKILL)
            await ended(pid)


async def ended(pid: int) -> int:
    """Wait until a child process has ended; its exit code, or minus the signal's number."""
    loop = asyncio.get_running_loop()
    gone = asyncio.Event()
    handle = os.pidfd_open(pid)
    loop.add_reader(handle, gone.set)
    try:
        await gone.wait()
    finally:
        loop.remove_reader(handle)
        os.close(handle)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
