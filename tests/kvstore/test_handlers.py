"""Handlers are imported when they are first asked for, and are found where the table says."""

import subprocess
import sys

import pytest

from kvstore.commands import ROWS
from kvstore.handlers import HOMES, MODULES, home

# Each module in a child of its own, since modules import one another.
BINDS = """
import os, sys
from kvstore.binding import CONTAINERS, bound_names
from kvstore.commands import ROWS
from kvstore.handlers import MODULES, home, import_handler

for module in MODULES:
    names = [name for name in ROWS if home(name) == module]
    child = os.fork()
    if not child:
        import_handler(names[0])
        missing = [name for name in set(names) - bound_names() if name not in CONTAINERS]
        print(f"{module} lacks {missing}" if missing else "", end="", flush=True)
        os._exit(0)
    os.waitpid(child, 0)
"""


def test_every_module_binds_what_the_table_says_it_does():
    run = [sys.executable, "-c", BINDS]
    done = subprocess.run(run, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("", "")


def test_every_command_has_a_module_and_every_name_is_a_command():
    assert {home(name) for name in ROWS} == {*MODULES}
    assert set(HOMES) <= set(ROWS)


@pytest.mark.parametrize(
    "name, module",
    [
        ("get", "strings"),
        ("client|kill", "connection"),
        ("client|pause", "pausing"),
        ("client|help", "introspection"),
        ("function|dump", "dump"),
    ],
)
def test_a_subcommand_is_where_its_container_is_unless_it_is_named(name, module):
    assert home(name) == module
