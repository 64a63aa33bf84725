"""`bedrock doctor`: is everything here that Bedrock needs, and what would it like to have?

Each check gives a sign, a name and a detail: ✓ good, ✗ broken (exit code 1), · absent but optional.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from importlib import import_module

from bedrock.app.component import components
from bedrock.app.config import resolve
from bedrock.app.instance import MEMORY
from bedrock.app.ports import is_free

GOOD, BROKEN, ABSENT = "✓", "✗", "·"
Check = tuple[str, str, str]

# program -> what is done with it
PEERS = {
    "redis-server": "peer of kvstore",
    "redis-cli": "client of kvstore",
    "psql": "client of minidb",
    "kcat": "client of kafkalite",
    "prometheus": "peer of tsdb",
    "prometheus-alertmanager": "peer of tsdb",
    "promtool": "client of tsdb",
    "ngircd": "peer of chat",
    "irssi": "client of chat",
    "curl": "client of tsdb and hdfs_sim",
    "chromium": "browser for the console's tests",
}


def doctor(data_dir: str) -> int:
    """Print every check; 1 when something is broken."""
    broken = 0
    for title, found in (
        ("build", build()),
        ("components", parts()),
        ("ports", ports()),
        ("machine", machine(data_dir)),
        ("peers and clients", peers()),
    ):
        print(title)
        for sign, name, detail in found:
            broken += sign == BROKEN
            print(f"  {sign} {name:<22} {detail}")
    print("all that is needed is here" if not broken else f"{broken} thing(s) to mend")
    return 1 if broken else 0


def build() -> Iterator[Check]:
    """Python, the compiler, and the extensions."""
    python = f"{platform.python_version()} ({sys.executable})"
    yield (GOOD if sys.version_info >= (3, 11) else BROKEN, "python", python)
    compiler = shutil.which(os.environ.get("CC", "cc"))
    yield (GOOD if compiler else BROKEN, "compiler",
           compiler or "no C compiler; apt-get install build-essential")
    header = os.path.join(sysconfig.get_paths()["include"], "Python.h")
    yield (GOOD if os.path.exists(header) else BROKEN, "Python.h",
           header if os.path.exists(header) else "missing; apt-get install python3-dev")
    for name in ("bedrock.world.disk", "bedrock.net.reactor"):
        try:
            module = import_module(name)
            yield (GOOD, name, os.path.basename(module.__file__ or ""))
        except ImportError as exc:
            yield (BROKEN, name, f"{exc}; run: make build")


def parts() -> Iterator[Check]:
    """Every component's server can be imported."""
    for name, found in components().items():
        begun = time.perf_counter()
        try:
            found.load("server")
        except Exception as exc:
            yield (BROKEN, name, f"{type(exc).__name__}: {exc}")
        else:
            yield (GOOD, name, f"loads in {(time.perf_counter() - begun) * 1e3:.0f} ms")


def ports() -> Iterator[Check]:
    """Ports that `bedrock up` would want."""
    for name, found in components().items():
        config = resolve(found).config
        for port in found.ports:
            number = getattr(config, port.option)
            if number < 0:
                continue  # declined
            free = is_free(config.host, number)
            yield (GOOD if free else ABSENT, str(number),
                   f"{name}, {port.speaks}" + ("" if free else ": taken now"))


def machine(data_dir: str) -> Iterator[Check]:
    """Room for data, memory-backed files, descriptors."""
    at = data_dir if os.path.isdir(data_dir) else "."
    free = shutil.disk_usage(at).free / (1 << 30)
    yield (GOOD if free > 1 else BROKEN, "disk", f"{free:.1f} GiB free in {os.path.abspath(at)}")
    in_memory = os.access(MEMORY, os.W_OK)
    yield (GOOD if in_memory else ABSENT, MEMORY,
           "ephemeral data is kept there" if in_memory else "absent: ephemeral data goes to disk")
    import resource

    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    yield (GOOD if files >= 4096 else ABSENT, "open files",
           f"{files}" + ("" if files >= 4096 else "; for many clients: ulimit -n 65536"))


def peers() -> Iterator[Check]:
    """Programs that the tests and benchmarks compare with, where installed."""
    for program, use in PEERS.items():
        path = shutil.which(program)
        yield (GOOD if path else ABSENT, program, use if path else f"{use}: not installed")
    found = subprocess.run(
        ["sh", "-c", "ls -d /usr/lib/postgresql/*/bin/postgres"],
        capture_output=True, text=True, check=False,
    ).stdout.split()
    yield (GOOD if found else ABSENT, "postgres",
           found[-1] if found else "peer of minidb: not installed")
