"""Logs: an event's name and key=values; text for a person, JSON for a machine.

    log = logger("kafkalite")
    log.info("segment rolled", topic="a", partition=0, base_offset=100)

    12:00:01 info    kafkalite  segment rolled  topic=a partition=0 base_offset=100
    {"time": "2026-11-21T12:00:01.123Z", "level": "info", "logger": "kafkalite", "event": ...}

It is stdlib logging underneath, so the lines of libraries come out in the same form.  Fields whose
name says that they hold a secret are not written.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import Any, TextIO

SECRET = ("password", "passwd", "secret", "token", "credential", "authorization")
_COLOURS = {"debug": "2", "info": "32", "warning": "33", "error": "31", "critical": "1;31"}


class Log:
    """Writes events; cheap when the level is off."""

    __slots__ = ("_logger",)

    def __init__(self, name: str):
        self._logger = logging.getLogger(name)

    def _write(self, level: int, event: str, fields: dict[str, Any], exc: Any = None) -> None:
        if self._logger.isEnabledFor(level):
            self._logger.log(level, "%s", event, exc_info=exc, extra={"fields": fields})

    def debug(self, event: str, **fields: Any) -> None:
        self._write(logging.DEBUG, event, fields)

    def info(self, event: str, **fields: Any) -> None:
        self._write(logging.INFO, event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        self._write(logging.WARNING, event, fields)

    def error(self, event: str, **fields: Any) -> None:
        self._write(logging.ERROR, event, fields)

    def exception(self, event: str, exc: BaseException | None = None, **fields: Any) -> None:
        """An error with the traceback of `exc`, or of the exception being handled."""
        self._write(logging.ERROR, event, fields, exc or True)


def logger(name: str) -> Log:
    """The log of a component or a part of it ("tsdb.compact")."""
    return Log(name)


def setup(level: str = "info", form: str = "", stream: TextIO | None = None) -> None:
    """Send this process's log to `stream` (stderr); form is "text", "json" or "" to choose."""
    stream = stream or sys.stderr
    handler = logging.StreamHandler(stream)
    if (form or ("text" if stream.isatty() else "json")) == "text":
        handler.setFormatter(TextFormat(colour=stream.isatty()))
    else:
        handler.setFormatter(JsonFormat())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())


def fields_of(record: logging.LogRecord) -> dict[str, Any]:
    """A record's key=values, secrets blotted out."""
    fields: dict[str, Any] = getattr(record, "fields", {})
    return {k: "***" if is_secret(k) else v for k, v in fields.items()}


def is_secret(name: str) -> bool:
    """Whether a field of that name holds a secret (a file's name is none)."""
    name = name.lower()
    return any(word in name for word in SECRET) and not name.endswith("_file")


class TextFormat(logging.Formatter):
    """One line a person reads; a traceback follows on lines of its own."""

    def __init__(self, colour: bool):
        super().__init__()
        self._colour = colour

    def _paint(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._colour else text

    def format(self, record: logging.LogRecord) -> str:
        level = record.levelname.lower()
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        pairs = " ".join(
            f"{self._paint('2', key + '=')}{_plain(value)}"
            for key, value in fields_of(record).items()
        )
        line = (
            f"{self._paint('2', clock)} {self._paint(_COLOURS.get(level, '0'), f'{level:<7}')} "
            f"{record.name:<10} {record.getMessage()}"
        )
        if pairs:
            line += "  " + pairs
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line


class JsonFormat(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        clock = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line = {
            "time": f"{clock}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            **fields_of(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def _plain(value: Any) -> str:
    """A value as one word: quoted when it holds blanks or could break the line."""
    text = value if isinstance(value, str) else str(value)
    if text and text.isprintable() and not any(c in text for c in ' "='):
        return text
    return json.dumps(text)
