"""What `bedrock up` has running, for `ps`, `shell` and the console: one JSON file in its data
directory, replaced whole on every change.

    {"pid": 41, "started_at": 1795219200.0, "systems": [
        {"name": "kvstore", "state": "up", "pid": 42, "host": "127.0.0.1",
         "ports": {"port": 6379, ...}, "restarts": 0, "since": 1795219200.1,
         "data_dir": "/home/me/data/kvstore", "why": ""}, ...]}
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from typing import Any

FILE = "up.json"
STATES = ("starting", "up", "waiting", "down", "stopped")


@dataclass
class System:
    """One supervised server.

    state  starting, up, waiting (for its next start), down (given up), stopped (as asked)
    since  wall time (s) of the last change of state
    why    what ended it last
    """

    name: str
    state: str = "starting"
    pid: int = 0
    host: str = "127.0.0.1"
    ports: dict[str, int] = field(default_factory=dict)
    restarts: int = 0
    since: float = 0.0
    data_dir: str = ""
    why: str = ""


@dataclass
class State:
    """All supervised servers, and the supervisor itself."""

    pid: int
    started_at: float
    systems: list[System] = field(default_factory=list)

    def find(self, name: str) -> System | None:
        """The system of that name."""
        return next((system for system in self.systems if system.name == name), None)


def write(path: str, state: State) -> None:
    """Replace the file."""
    with open(path + ".new", "w", encoding="utf-8") as file:
        json.dump(asdict(state), file)
    os.replace(path + ".new", path)


def read(path: str) -> State | None:
    """The state, or None when nothing is running there."""
    try:
        with open(path, encoding="utf-8") as file:
            found: dict[str, Any] = json.load(file)
    except FileNotFoundError:
        return None
    state = State(**found | {"systems": [System(**system) for system in found["systems"]]})
    return state if is_alive(state.pid) else None


def is_alive(pid: int) -> bool:
    """Whether a process of that id runs."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
