"""A NameNode and DataNodes as processes of their own, to be killed by their tests."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

START_S = 60.0


class Process:
    """`python -m hdfs_sim VERB`, ready to be killed and started again on the same ports."""

    def __init__(self, verb: str, directory: Path, **options: Any):
        self.verb = verb
        self.directory = directory
        self.options = options
        self.ports: dict[str, int] = {}
        self.process: subprocess.Popen | None = None
        self.start()

    def start(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        ready = self.directory / "ready.json"
        ready.unlink(missing_ok=True)
        fixed = self.ports or {"port": 0, "http_port": 0}
        options = {**self.options, **fixed, "data_dir": self.directory / "data",
                   "ready_file": ready, "log_level": "error"}
        flags = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
        self.process = subprocess.Popen([sys.executable, "-m", "hdfs_sim", self.verb, *flags])
        eventually(ready.exists, f"{self.verb} to be ready", START_S)
        self.ports = json.loads(ready.read_text())["ports"]

    def kill(self) -> None:
        """kill -9: nothing more is flushed."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(20)


class Cluster:
    """A NameNode and `datanodes` DataNodes, all separate processes."""

    def __init__(self, directory: Path, datanodes: int, **options: Any):
        self.directory = directory
        self.options = {"heartbeat_s": 0.2, "dead_after_s": 1.5, **options}
        self.namenode = Process("serve", directory / "nn", datanodes=0, **self.options)
        self.datanodes = [self.add(number) for number in range(datanodes)]
        self.wait_for_datanodes(datanodes)

    def add(self, number: int) -> Process:
        return Process(
            "datanode", self.directory / f"dn{number}", ipc_port=0, heartbeat_s=0.2,
            namenode=f"127.0.0.1:{self.namenode.ports['port']}")

    @property
    def url(self) -> str:
        return f"hdfs://127.0.0.1:{self.namenode.ports['port']}"

    def web(self, op: str, path: str = "/") -> Any:
        import requests

        port = self.namenode.ports["http_port"]
        reply = requests.get(f"http://127.0.0.1:{port}/webhdfs/v1{path}?op={op}", timeout=10)
        reply.raise_for_status()
        return reply.json()

    def wait_for_datanodes(self, count: int) -> None:
        wait_for_datanodes(self.namenode, count)

    def live(self) -> int:
        return live_datanodes(self.namenode)

    def holders(self, path: str) -> list[set[int]]:
        """For each block of a file the transfer ports of the nodes that have it."""
        located = self.web("GETFILEBLOCKLOCATIONS", path)["BlockLocations"]["BlockLocation"]
        return [{int(name.rpartition(":")[2]) for name in block["names"]} for block in located]

    def stop(self) -> None:
        for process in (*self.datanodes, self.namenode):
            process.stop()


def ask(port: int, protocol: Any, name: str, **request: Any) -> dict[str, Any]:
    """One call of the NameNode, by our own client."""
    import asyncio

    from bedrock.net.reactor import Reactor
    from bedrock.world import OsClock, OsDisk, Turn, World
    from hdfs_sim.rpc_client import RpcClient

    async def call() -> dict[str, Any]:
        turn, clock = Turn(), OsClock()
        net = Reactor(clock, turn).attach()
        world = World(OsDisk(os.curdir), net, clock, turn=turn)
        client = await RpcClient.connect(world, ("127.0.0.1", port), protocol, "test")
        try:
            return await client.call(protocol, name, **request)
        finally:
            net.close()

    return asyncio.run(call())


def live_datanodes(namenode: Process) -> int:
    """DataNodes that the NameNode takes for alive."""
    from hdfs_sim.messages import CLIENT

    return len(ask(namenode.ports["port"], CLIENT, "getDatanodeReport", type=2)["di"])


def wait_for_datanodes(namenode: Process, count: int) -> None:
    eventually(lambda: live_datanodes(namenode) >= count, f"{count} DataNodes")


def eventually(true: Callable[[], Any], what: str, timeout_s: float = 30.0) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + timeout_s
    while not true():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout_s} s for {what}")
        time.sleep(0.02)
