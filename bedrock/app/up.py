"""`bedrock up`: every system on this machine, one table of where they are, until Ctrl-C."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from typing import Any

from bedrock.app import logs, state
from bedrock.app.component import Component, component, components
from bedrock.app.config import ConfigError, resolve
from bedrock.app.ports import is_free
from bedrock.app.supervisor import Spec, StartFailed, Supervisor

PORT_TAKEN = 3


def up(
    names: list[str],
    offset: int = 0,
    data_dir: str = "data",
    config: str = "",
    log_level: str = "warning",
    console: bool = True,
) -> int:
    """Run the named components (all when none is named) and the console; the exit code.

    offset: added to every port, so that a second set can stand beside the first
    """
    chosen = [component(name) for name in names] or list(components().values())
    if console:
        from bedrock.app.console.config import COMPONENT as console_component

        chosen.append(console_component)
    if not chosen:
        print("bedrock up: no component is installed", file=sys.stderr)
        return 1
    running = state.read(os.path.join(data_dir, state.FILE))
    if running:
        print(
            f"bedrock up: process {running.pid} is up already on {data_dir}; "
            "give another --data-dir and a --port-offset",
            file=sys.stderr,
        )
        return 1
    logs.setup(log_level)
    try:
        specs = [make_spec(each, offset, data_dir, config, log_level) for each in chosen]
    except ConfigError as exc:
        print(f"bedrock up: {exc}", file=sys.stderr)
        return 2
    taken = first_taken(chosen, specs)
    if taken:
        print(
            f"bedrock up: {taken} is taken; try: bedrock up --port-offset {offset + 10000}",
            file=sys.stderr,
        )
        return PORT_TAKEN
    os.makedirs(data_dir, exist_ok=True)
    return asyncio.run(_up(chosen, specs, data_dir))


def make_spec(
    found: Component, offset: int, data_dir: str, config: str, log_level: str
) -> Spec:
    """How a component is started: its configuration with the ports moved by `offset`."""
    settings = resolve(found, {"config": config} if config else None).config
    options: dict[str, Any] = {"log_level": log_level, "metrics_port": 0}
    if config:
        options["config"] = config
    for port in found.ports:
        number = getattr(settings, port.option)
        options[port.option] = number + offset if number > 0 else number
    if hasattr(settings, "state_file"):
        options["state_file"] = os.path.abspath(os.path.join(data_dir, state.FILE))
    if not settings.data_dir and not settings.ephemeral:
        options["data_dir"] = os.path.abspath(os.path.join(data_dir, found.name))
    return Spec(found.name, found.module, options)


def first_taken(chosen: list[Component], specs: list[Spec]) -> str:
    """The first port that somebody else has, in words; "" when all are free."""
    for found, spec in zip(chosen, specs, strict=True):
        host = resolve(found).config.host
        for port in found.ports:
            number = spec.options[port.option]
            if number > 0 and not is_free(host, number):
                return f"port {number} ({found.name}, {port.speaks})"
    return ""


async def _up(chosen: list[Component], specs: list[Spec], data_dir: str) -> int:
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, _tell, told)
    path = os.path.join(data_dir, state.FILE)
    supervisor = Supervisor(specs, lambda now: state.write(path, now))
    begun = time.monotonic()
    try:
        try:
            await supervisor.start()
        except StartFailed as exc:
            # The server itself said why, on a line of its own.
            print(f"bedrock up: {exc}", file=sys.stderr)
            return exc.code if exc.code > 0 else 1
        print_table(chosen, supervisor.state, data_dir, time.monotonic() - begun)
        await told.wait()
        begun = time.monotonic()
        print("\nstopping ...", file=sys.stderr)
        await supervisor.stop()
        print(f"all stopped in {time.monotonic() - begun:.1f} s", file=sys.stderr)
        return 0
    finally:
        await supervisor.stop()
        if os.path.exists(path):
            os.remove(path)


def _tell(told: asyncio.Event) -> None:
    if told.is_set():
        os._exit(1)  # told twice: the servers end by themselves when our pipes close
    told.set()


def rows(chosen: list[Component], now: state.State) -> list[tuple[str, str, str, str]]:
    """System, what it speaks, address and a client to try: one row a port."""
    made = []
    for found in chosen:
        system = now.find(found.name)
        assert system is not None
        for number, port in enumerate(found.ports):
            if at := system.ports.get(port.option):
                name = found.name if number == 0 else ""
                address = f"{system.host}:{at}"
                made.append((name, port.speaks, address, port.command(system.host, at)))
    return made


def counted(number: int, noun: str) -> str:
    """`1 process`, `2 processes`."""
    return f"{number} {noun}" + ("" if number == 1 else "es")


def print_table(chosen: list[Component], now: state.State, data_dir: str, took_s: float) -> None:
    """The one table of `bedrock up`."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.ROUNDED, border_style="dim", header_style="bold", pad_edge=True)
    table.add_column("system", style="bold cyan", no_wrap=True)
    table.add_column("speaks", style="dim")
    table.add_column("address", no_wrap=True)
    table.add_column("try", style="green", overflow="fold")
    for number, row in enumerate(rows(chosen, now)):
        if row[0] and number:
            table.add_section()
        table.add_row(*row)
    out = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    out.print(table)
    out.print(
        f"[dim]{counted(len(now.systems), 'process')} ready in {took_s:.1f} s; data in "
        f"{data_dir}; Ctrl-C stops them all[/dim]"
    )

