"""kvstore in the shoes of redis-server: its command line, its redis.conf, the lines of its log.

    python -m kvstore.redis_server [redis.conf | -] [--port 6380] [--appendonly yes] ...

For scripts and test suites that start a redis-server themselves.  What differs from `kvstore serve`
is only the front door: the process is the same, and so are its data files.  Without a configuration
the defaults are Redis's: no append-only file, data in the working directory.
"""

from __future__ import annotations

import logging
import os
import sys
import time

from bedrock.app.logs import logger
from bedrock.app.serve import PORT_TAKEN, serve
from kvstore import redis_conf
from kvstore.acl import BadRule, User
from kvstore.config import COMPONENT, Config
from kvstore.parameters import BY_NAME, Parameters
from kvstore.redis_conf import Directive, Unreadable
from kvstore.resp import ReplyError
from kvstore.users import DUPLICATE_USER
from kvstore.version import REDIS_VERSION

# Parameters that are options of kvstore itself: name -> field of Config.
FIELDS = {
    "port": "port", "databases": "databases", "maxclients": "maxclients",
    "appendonly": "appendonly", "appendfsync": "appendfsync", "dir": "data_dir",
}  # fmt: skip
# What redis-server does where nothing is said, and kvstore does not.
DEFAULTS = {
    "save": "3600 1 300 100 60 10000",
    "repl-diskless-sync-delay": "5",
    "aof-checksums": "no",  # tools that read its files know no such lines
}
# Directives that may be repeated, each adding to the ones before.
GATHERED = ("save", "client-output-buffer-limit")
LEVELS = {"debug": "debug", "verbose": "info", "notice": "info", "warning": "warning"}
SAYS = {
    "listening": "Running as redis-server, Port: {port}, PID: {pid}",
    "ready": "Ready to accept connections",
    "draining": "User requested shutdown...",
    "stopped": "Redis is now ready to exit, bye bye...",
    "rewrite given up with its file": "Killing running AOF rewrite child: {pid}",
    "all of the snapshot sent":
        "Diskless rdb transfer, done reading from pipe, {replicas} replicas still up.",
    "last replica dropped while its snapshot was sent":
        "Diskless rdb transfer, last replica dropped, killing fork child.",
}
LETTERS = {logging.DEBUG: ".", logging.INFO: "*", logging.WARNING: "#", logging.ERROR: "#"}


class RedisFormat(logging.Formatter):
    """Log lines in the form of redis-server: `PID:M 21 Nov 2026 07:30:00.123 * text`."""

    def format(self, record: logging.LogRecord) -> str:
        now = time.localtime(record.created)
        stamp = time.strftime("%d %b %Y %H:%M:%S", now)
        event, given = record.getMessage(), getattr(record, "fields", {})
        fields = "" if event in SAYS else "".join(
            f" {name}={value}" for name, value in given.items()
        )
        line = (
            f"{os.getpid()}:M {stamp}.{int(record.msecs):03d} {LETTERS.get(record.levelno, '#')} "
            f"{SAYS[event].format(**given) if event in SAYS else event}{fields}"
        )
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def gather(directives: list[Directive]) -> dict[str, str]:
    """Parameter -> text, checked by the table; Unreadable names the line that is wrong."""
    texts: dict[str, str] = {}
    begun: set[str] = set()
    for directive in directives:
        row = BY_NAME.get(directive.name)
        if row is None:
            raise Unreadable("Bad directive or wrong number of arguments", directive)
        if not row.kind.several and len(directive.values) != 1:
            raise Unreadable("wrong number of arguments", directive)
        text = " ".join(directive.values)
        if row.name in GATHERED and row.name in begun and text:
            text = f"{texts[row.name]} {text}".strip()
        begun.add(row.name)
        try:
            Parameters().set([(row.name, text)], starting=True)
        except ReplyError as error:
            raise Unreadable(str(error).partition(" - ")[2], directive) from None
        texts[row.name] = text
    return texts


def users_of(directives: list[Directive]) -> list[str]:
    """The rules of each user, checked; Unreadable names the line that is wrong."""
    names = set()
    for directive in directives:
        name, *rules = [word.encode("utf-8", "surrogateescape") for word in directive.values]
        if name in names:
            raise Unreadable(DUPLICATE_USER, directive)
        names.add(name)
        try:
            User(name).change(rules)
        except BadRule as error:
            raise Unreadable(str(error), directive) from None
    return [" ".join(directive.values) for directive in directives]


def configure(lines: list[str], arguments: list[str]) -> Config:
    """The configuration that a file's lines and options of the command line ask for."""
    directives = list(redis_conf.parse([*lines, *redis_conf.from_arguments(arguments)]))
    users = users_of([item for item in directives if item.name == "user"])
    texts = DEFAULTS | gather([item for item in directives if item.name != "user"])
    config = Config(appendonly=False, data_dir=".", user=users, log_format="text")
    host = texts.pop("bind", "").split()
    if host:
        config.host = {"*": "0.0.0.0"}.get(host[0].lstrip("-"), host[0].lstrip("-"))  # noqa: S104
    for name, field in FIELDS.items():
        if name in texts:
            setattr(config, field, BY_NAME[name].kind.parse(texts.pop(name)))
    config.insecure = texts.get("protected-mode") == "no"
    config.log_level = LEVELS[texts.get("loglevel", "notice")]
    config.set = [f"{name}={text}" for name, text in texts.items()]
    return config


def explain(error: Unreadable) -> str:
    """What is wrong with a configuration, as redis-server words it."""
    if error.directive is None:
        return f"Fatal error, {error}"
    return (
        f"\n*** FATAL CONFIG FILE ERROR (Redis {REDIS_VERSION}) ***\n"
        f"Reading the configuration file, at line {error.directive.number}\n"
        f">>> '{error.directive.line}'\n{error}"
    )


def log_to(path: str) -> None:
    """Write the log as redis-server does, to a file or standard output."""
    stream = open(path, "a", encoding="utf-8") if path else sys.stdout  # noqa: SIM115 - to the end
    handler = logging.StreamHandler(stream)
    handler.setFormatter(RedisFormat())
    logging.getLogger().handlers[:] = [handler]


def main(argv: list[str] | None = None) -> int:
    """Run as redis-server would; returns the exit code."""
    arguments = sys.argv[1:] if argv is None else argv
    if arguments[:1] in (["-v"], ["--version"]):
        print(f"Redis server v={REDIS_VERSION} (kvstore)")
        return 0
    file = arguments.pop(0) if arguments and not arguments[0].startswith("--") else ""
    try:
        config = configure(redis_conf.read(file) if file else [], arguments)
        config.conf_file = os.path.abspath(file) if file else ""
        os.chdir(config.data_dir)
        config.data_dir = os.getcwd()
    except Unreadable as error:
        print(explain(error), file=sys.stderr)
        return 1
    except OSError as error:
        print(f"Can't chdir to '{config.data_dir}': {error.strerror}", file=sys.stderr)
        return 1
    log_file = dict(item.split("=", 1) for item in config.set).get("logfile", "")
    code = serve(COMPONENT, config, prepare=lambda: log_to(log_file))
    if code == PORT_TAKEN:
        logger("kvstore").warning(f"Failed listening on port {config.port} (TCP), aborting.")
    return code


if __name__ == "__main__":
    sys.exit(main())
