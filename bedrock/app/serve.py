"""A server as a process: signals, the ready line, and what its exit code means.

    0 ended as asked   1 something broke   2 usage   3 port taken   4 data damaged

SIGINT and SIGTERM drain: nothing new is accepted, what was begun may finish, all within 5 s; a
second signal ends at once.  A server that has `may_stop` is asked first: it may see to something
for as long as it takes, or refuse, and then serves on.  A failed sync ends the process on the spot,
with no further reply: what the disk holds is only known after recovery.

Under a supervisor (environment BEDROCK_SUPERVISED) the end of standard input means that the
supervisor is gone, and the server drains as well, so no server outlives the one who started it.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from bedrock.app import logs
from bedrock.app.component import Component
from bedrock.app.config import ConfigError
from bedrock.app.instance import DirectoryTaken, Instance, PortTaken, check_command, data_dir
from bedrock.storage.errors import Damaged
from bedrock.world import DiskFailed

OK, BROKEN, USAGE, PORT_TAKEN, DAMAGED = 0, 1, 2, 3, 4
DRAIN_S = 3.0


def serve(
    component: Component, config: Any, prepare: Callable[[], None] | None = None
) -> int:
    """Run until told to stop; returns the exit code.

    prepare: called once the log is set up, for a front door that writes its log in another form
    """
    import uvloop

    if component.early:
        component.load("early")(config)
    logs.setup(config.log_level, config.log_format)
    if prepare is not None:
        prepare()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            runner.run(_serve(component, config))
        except ConfigError as exc:
            return fail(component, USAGE, str(exc))
        except PortTaken as exc:
            return fail(component, PORT_TAKEN, str(exc))
        except DirectoryTaken as exc:
            return fail(component, BROKEN, str(exc))
        except Damaged as exc:
            hint = check_command(component.name, data_dir(component.name, config))
            return fail(component, DAMAGED, f"damaged data: {exc}; run: {hint}")
        except OSError as exc:
            return fail(component, BROKEN, f"{type(exc).__name__}: {exc}")
    return OK


def fail(component: Component, code: int, message: str) -> int:
    """Say on one line why the process ends."""
    print(f"{component.name}: {message}", file=sys.stderr)
    return code


async def _serve(component: Component, config: Any) -> None:
    loop = asyncio.get_running_loop()
    told = asyncio.Event()
    instance = Instance(component, config, on_failure=lambda exc: _die(instance, exc))
    loop.set_exception_handler(lambda _, context: _unhandled(instance, context))
    await instance.start()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, _tell, told, instance)
    if os.environ.get("BEDROCK_SUPERVISED"):
        loop.add_reader(0, _supervisor_gone, told)
    announce(instance)
    # What lives now lives until the end: the collector need not look at it again.
    gc.freeze()
    gc.enable()
    await told.wait()
    while not await instance.may_stop():
        told.clear()
        await told.wait()
    instance.log.info("draining", grace_s=DRAIN_S)
    await instance.stop(DRAIN_S)
    instance.log.info("stopped")


def announce(instance: Instance) -> None:
    """Write the ready file, and one log line with a client to try."""
    host, ports = instance.config.host, instance.ports
    line = {
        "component": instance.component.name,
        "pid": os.getpid(),
        "host": host,
        "ports": ports,
        "data_dir": instance.data_dir,
    }
    if path := instance.config.ready_file:
        with open(path + ".new", "w", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        os.replace(path + ".new", path)
    # A port may have been declined (-1).
    open_ports = [port for port in instance.component.ports if port.option in ports]
    tries = [port.command(host, ports[port.option]) for port in open_ports]
    instance.log.info("ready", host=host, **ports, **{"try": tries[0]} if tries else {})


def _tell(told: asyncio.Event, instance: Instance) -> None:
    if told.is_set():
        instance.log.warning("second signal: leaving at once")
        instance.remove_ephemeral()
        os._exit(OK)
    told.set()


def _supervisor_gone(told: asyncio.Event) -> None:
    asyncio.get_running_loop().remove_reader(0)
    told.set()


def _die(instance: Instance, exc: BaseException) -> None:
    instance.log.error(
        "the disk failed: leaving without another reply; recovery decides what was written",
        error=str(exc),
        run=check_command(instance.component.name, instance.data_dir),
    )
    instance.remove_ephemeral()
    os._exit(BROKEN)


def _unhandled(instance: Instance, context: dict[str, Any]) -> None:
    exc = context.get("exception")
    if isinstance(exc, DiskFailed):
        _die(instance, exc)
    instance.log.exception(context.get("message", "unhandled"), exc)

