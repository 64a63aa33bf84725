"""`bedrock`: all systems from one command.

    up       run them all, one table of where they are; Ctrl-C stops them
    ps       what is up
    exec     run a command beside fresh servers: bedrock exec kvstore,minidb -- pytest
    shell    talk to one: bedrock shell kvstore
    check    read the data of stopped servers and say what is wrong with it
    bench    measure one
    doctor   is everything here that is needed?
    config   what is configured: bedrock config show --origin

Every verb imports what it needs when it runs: `bedrock --help` loads no server.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from typing import Any


def main(argv: list[str] | None = None) -> int:
    """Run the command line; the exit code."""
    argv = sys.argv[1:] if argv is None else argv
    command: list[str] = []
    if argv[:1] == ["exec"] and "--" in argv:
        # All after the first -- is the user's, flags included.
        cut = argv.index("--")
        argv, command = argv[:cut], argv[cut + 1 :]
    given = vars(make_parser().parse_args(argv))
    run: Callable[..., int] = given.pop("run")
    if run is _exec:
        given["command"] = command
    try:
        return run(**given)
    except LookupError as exc:
        print(f"bedrock: {exc.args[0] if exc.args else exc}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # `bedrock ... | head`: who reads has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def make_parser() -> argparse.ArgumentParser:
    """The parser; every verb has its function in `run`."""
    import bedrock

    parser = argparse.ArgumentParser(
        prog="bedrock",
        description="Seven data systems that answer real clients, from one command.",
        epilog="`bedrock VERB --help` says more.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"bedrock {bedrock.__version__}")
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)

    def verb(name: str, run: Callable[..., int], help: str) -> argparse.ArgumentParser:
        made = verbs.add_parser(name, help=help, description=help, allow_abbrev=False)
        made.set_defaults(run=run)
        return made

    def data_dir(made: argparse.ArgumentParser) -> None:
        made.add_argument("--data-dir", default="data", metavar="DIR", help="default ./data")

    up = verb("up", _up, "Run systems (all when none is named) until Ctrl-C.")
    up.add_argument("names", nargs="*", metavar="NAME")
    up.add_argument("--port-offset", type=int, default=0, metavar="N", help="added to every port")
    up.add_argument("--config", default="", metavar="FILE", help="TOML; default ./bedrock.toml")
    up.add_argument("--log-level", default="warning",
                    choices=["debug", "info", "warning", "error"])
    up.add_argument("--no-console", action="store_true", help="without the web console")
    data_dir(up)

    data_dir(verb("ps", _ps, "What is up."))

    run = verb("exec", _exec, "Run a command beside fresh servers.")
    run.usage = "bedrock exec NAME[,NAME...] [--log-level LEVEL] -- CMD [ARG...]"
    run.add_argument("names", metavar="NAMES")
    run.add_argument("--log-level", default="warning")

    shell = verb("shell", _shell, "Talk to a system that is up.")
    shell.add_argument("name", metavar="NAME")
    shell.add_argument("rest", nargs=argparse.REMAINDER, help="flags, or one line to run")

    check = verb("check", _check, "Read the data of stopped systems and say what is wrong with it.")
    check.add_argument("directory", nargs="?", default="data", metavar="DIR", help="default ./data")
    check.add_argument("--as", dest="name", default="", metavar="NAME",
                       help="the component, where the directory is not named after it")

    bench = verb("bench", _bench, "Measure a system.")
    bench.add_argument("name", metavar="NAME")
    bench.add_argument("rest", nargs=argparse.REMAINDER)

    data_dir(verb("doctor", _doctor, "Is everything here that is needed?"))

    config = verb("config", _config, "What is configured.")
    config.add_argument("what", choices=["show"])
    config.add_argument("names", nargs="*", metavar="NAME")
    config.add_argument("--origin", action="store_true", help="say where each value comes from")
    config.add_argument("--config", dest="file", default="", metavar="FILE")
    return parser


def _up(no_console: bool, port_offset: int, **given: Any) -> int:
    from bedrock.app.up import up

    return up(offset=port_offset, console=not no_console, **given)


def _ps(data_dir: str) -> int:
    from bedrock.app.show import ps

    return ps(data_dir)


def _exec(names: str, log_level: str, command: list[str]) -> int:
    from bedrock.app.exec import run_with

    if not command:
        print("bedrock exec: no command; bedrock exec kvstore -- CMD", file=sys.stderr)
        return 2
    return run_with([name for name in names.split(",") if name], command, log_level)


def _shell(name: str, rest: list[str]) -> int:
    from bedrock.app import state
    from bedrock.app.component import component
    from bedrock.app.main import main as component_main

    found = component(name)
    if not any(word.startswith("--port") for word in rest):
        # What `bedrock up` runs here is what is meant, wherever it listens.
        now = state.read(os.path.join("data", state.FILE))
        system = now.find(found.name) if now else None
        if system and system.ports:
            rest = ["--host", system.host, "--port", str(system.ports["port"]), *rest]
    return component_main(found, ["shell", *rest])


def _check(directory: str, name: str) -> int:
    from bedrock.app.check import check_tree

    return check_tree(directory, name.replace("-", "_"))


def _bench(name: str, rest: list[str]) -> int:
    from bedrock.app.component import component
    from bedrock.app.main import main as component_main

    return component_main(component(name), ["bench", *rest])


def _doctor(data_dir: str) -> int:
    from bedrock.app.doctor import doctor

    return doctor(data_dir)


def _config(what: str, names: list[str], origin: bool, file: str) -> int:
    from bedrock.app.show import config_show

    return config_show(names, file, origin)


if __name__ == "__main__":
    sys.exit(main())
