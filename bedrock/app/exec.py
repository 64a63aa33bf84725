"""`bedrock exec kvstore,minidb -- CMD`: servers for the time of one command.

Each listens on a free port with data that goes with it; the command finds them by the variables
its libraries know already (REDIS_URL, DATABASE_URL, KAFKA_BOOTSTRAP_SERVERS, ...).  So a test suite
in any language needs no change and no Docker:

    bedrock exec kvstore,kafkalite -- npm test
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys

from bedrock.app import logs
from bedrock.app.component import Component, component
from bedrock.app.instance import temporary_directory
from bedrock.app.state import State
from bedrock.app.supervisor import Spec, StartFailed, Supervisor

NOT_FOUND, NOT_EXECUTABLE = 127, 126


def run_with(names: list[str], command: list[str], log_level: str = "warning") -> int:
    """Run a command beside fresh servers; its exit code, 128 + n when signal n ended it."""
    logs.setup(log_level)
    chosen = [component(name) for name in names]
    directories = {found.name: temporary_directory(found.name) for found in chosen}
    specs = [
        Spec(
            found.name,
            found.module,
            {port.option: 0 for port in found.ports}
            | {"data_dir": directories[found.name], "log_level": log_level},
        )
        for found in chosen
    ]
    try:
        return asyncio.run(_run(chosen, specs, command))
    finally:
        for directory in directories.values():
            shutil.rmtree(directory, ignore_errors=True)


async def _run(chosen: list[Component], specs: list[Spec], command: list[str]) -> int:
    supervisor = Supervisor(specs)
    try:
        await supervisor.start()
        process = await asyncio.create_subprocess_exec(
            *command, env={**os.environ, **environment(chosen, supervisor.state)}
        )
        loop = asyncio.get_running_loop()
        # Ctrl-C reaches the command too, which decides; we end when it does.
        loop.add_signal_handler(signal.SIGINT, lambda: None)
        loop.add_signal_handler(signal.SIGTERM, process.terminate)
        code = await process.wait()
        return code if code >= 0 else 128 - code
    except StartFailed as exc:
        print(f"bedrock exec: {exc}", file=sys.stderr)
        return exc.code if exc.code > 0 else 1
    except FileNotFoundError:
        print(f"bedrock exec: {command[0]}: not found", file=sys.stderr)
        return NOT_FOUND
    except PermissionError:
        print(f"bedrock exec: {command[0]}: not executable", file=sys.stderr)
        return NOT_EXECUTABLE
    finally:
        await supervisor.stop()


def environment(chosen: list[Component], now: State) -> dict[str, str]:
    """The variables that lead to running servers."""
    found: dict[str, str] = {}
    for each in chosen:
        system = now.find(each.name)
        assert system is not None
        for port in each.ports:
            if port.option in system.ports:  # else it is declined
                found |= port.environment(system.host, system.ports[port.option])
    return found
