"""`bedrock ps` and `bedrock config show`: what runs, and what is configured."""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import fields

from bedrock.app import state
from bedrock.app.component import component, components
from bedrock.app.config import ConfigError, resolve
from bedrock.app.logs import is_secret


def ps(data_dir: str) -> int:
    """A table of what `bedrock up` runs on a data directory; 1 when nothing."""
    now = state.read(os.path.join(data_dir, state.FILE))
    if now is None:
        print(f"nothing is up on {data_dir}; try: bedrock up")
        return 1
    lines = [("system", "state", "pid", "restarts", "for", "memory", "ports")]
    for system in now.systems:
        ports = " ".join(
            f"{name.removesuffix('_port')}={number}" if name != "port" else str(number)
            for name, number in system.ports.items()
        )
        lines.append(
            (
                system.name,
                system.state + (f" ({system.why})" if system.why else ""),
                str(system.pid or "-"),
                str(system.restarts),
                span(time.time() - system.since),
                f"{rss_bytes(system.pid) / (1 << 20):.0f} MiB" if system.pid else "-",
                ports,
            )
        )
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    for line in lines:
        padded = (text.ljust(width) for text, width in zip(line, widths, strict=True))
        print("  ".join(padded).rstrip())
    return 0


def span(seconds: float) -> str:
    """A length of time in one or two units."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


def rss_bytes(pid: int) -> int:
    """Resident memory of a process; 0 when it is gone or cannot be seen."""
    try:
        with open(f"/proc/{pid}/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


def config_show(names: list[str], config: str, origin: bool) -> int:
    """Configurations as TOML that could be a bedrock.toml; with `origin`, where values are from."""
    chosen = [component(name) for name in names] or list(components().values())
    for number, found in enumerate(chosen):
        try:
            settings = resolve(found, {"config": config} if config else None)
        except ConfigError as exc:
            print(f"bedrock config: {exc}", file=sys.stderr)
            return 2
        if number:
            print()
        print(f"[{found.name}]")
        for item in fields(found.config):
            if item.name == "config":
                continue
            value = getattr(settings.config, item.name)
            shown = json.dumps("***" if is_secret(item.name) and value else value)
            line = f"{item.name} = {shown}"
            print(f"{line:<40} # {settings.origins[item.name]}" if origin else line)
    return 0
