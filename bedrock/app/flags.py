"""The command line of a server, made from its config dataclass.

    kvstore [serve] --port 6390 ...      serve
    kvstore shell [--port N] [words]     talk to a running server
    kvstore check [DIR]                  read the data of a stopped server and say what is wrong
    kvstore bench ...                    measure

Only flags that were given are in the result, so that the file and the environment show through.
"""

from __future__ import annotations

import argparse
from dataclasses import fields
from functools import partial
from typing import Any

from bedrock.app.config import flag, kind

VERBS = ("serve", "shell", "check", "bench")


def split_verb(argv: list[str]) -> tuple[str, list[str]]:
    """The verb and what follows; without a verb it is "serve"."""
    return (argv[0], argv[1:]) if argv and argv[0] in VERBS else ("serve", argv)


def parser(component: Any, verb: str) -> argparse.ArgumentParser:
    """The parser of `<component> <verb>`."""
    made = argparse.ArgumentParser(
        prog=f"{component.name} {verb}",
        description=_ABOUT[verb].format(name=component.name, speaks=component.speaks),
        epilog=f"other verbs: {component.name} {' | '.join(v for v in VERBS if v != verb)}",
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
        # A set width, because finding out the terminal's imports half the archive formats.
        formatter_class=partial(argparse.HelpFormatter, width=100),
    )
    add_options(made, component.config, _ONLY.get(verb))
    if verb == "shell":
        made.add_argument("words", nargs=argparse.REMAINDER, help="one line to run, then leave")
    if verb == "check":
        made.add_argument("directory", nargs="?", help="data directory; default --data-dir")
    return made


_ABOUT = {
    "serve": "Run {name}, which speaks {speaks}.",
    "shell": "Talk to a running {name}.",
    "check": "Read the data of a stopped {name} and say what is wrong with it.",
}
_ONLY: dict[str, tuple[str, ...]] = {"check": ("data_dir", "config")}


def add_options(
    into: argparse.ArgumentParser, config: type, only: tuple[str, ...] | None = None
) -> None:
    """One flag for each field of a config dataclass (or of those named in `only`)."""
    for item in fields(config):
        if only is not None and item.name not in only:
            continue
        text = item.metadata.get("help", "")
        wanted = kind(item)
        if wanted is bool:
            action = argparse.BooleanOptionalAction if item.default else "store_true"
            into.add_argument(flag(item.name), action=action, help=text)
            continue
        choices = item.metadata.get("choices")
        default = f" (default {item.default})" if item.default not in ("", -1) else ""
        into.add_argument(
            flag(item.name),
            dest=item.name,
            choices=choices,
            metavar=None if choices else {int: "N", float: "X"}.get(wanted, "TEXT"),
            help=(text + ("" if "default" in text or wanted is list else default)).replace(
                "%", "%%"
            ),
        )


def as_flags(options: dict[str, Any], config: type | None = None) -> list[str]:
    """Fields of a config dataclass as command-line flags; without it no switch can be off."""
    flags: list[str] = []
    on = {item.name for item in fields(config) if item.default is True} if config else set()
    for name, value in options.items():
        if value is True:
            flags.append(flag(name))
        elif value is False:
            flags += [f"--no-{flag(name)[2:]}"] if name in on else []
        elif isinstance(value, (list, tuple)):
            flags += [flag(name), ",".join(map(str, value))]
        else:
            flags += [flag(name), str(value)]
    return flags
