"""One command line for every server: `python -m <component> serve | shell | check | bench`.

Nothing heavy is imported before it is known to be needed: a server is ready within 150 ms of exec.
"""

from __future__ import annotations

import gc
import sys
from typing import Any

from bedrock.app.component import Component
from bedrock.app.config import ConfigError, resolve
from bedrock.app.flags import parser, split_verb


def main(component: Component, argv: list[str] | None = None) -> int:
    """Run a component's command line and return its exit code."""
    verb, rest = split_verb(sys.argv[1:] if argv is None else argv)
    if verb == "bench":
        return _bench(component, rest)
    given = vars(parser(component, verb).parse_args(rest))
    words = given.pop("words", [])
    directory = given.pop("directory", "")
    try:
        config = resolve(component, given).config
        if verb == "shell":
            from bedrock.app.shell import run_shell

            return run_shell(component, config, words)
        if verb == "check":
            from bedrock.app.check import check

            return check(component, directory or _data_dir(component, config))
    except ConfigError as exc:
        print(f"{component.name}: {exc}", file=sys.stderr)
        return 2
    gc.disable()  # until ready: there is nothing to collect in what a start loads and builds
    from bedrock.app.serve import serve

    return serve(component, config)


def _bench(component: Component, argv: list[str]) -> int:
    if not component.bench:
        print(f"{component.name} has no bench of its own; try `make bench`", file=sys.stderr)
        return 2
    return component.load("bench")(argv)


def _data_dir(component: Component, config: Any) -> str:
    from bedrock.app.instance import data_dir

    return data_dir(component.name, config)
