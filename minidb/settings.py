"""Run-time settings: what SET, SHOW and current_setting know.

`SETTINGS` lists each with its default and how a new value is read; those marked `reported` are sent
to the client whenever they change (ParameterStatus).  Most change nothing here: clients set them
by habit, and read them back.  A name with a dot is a user's own and needs no entry.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from minidb.sqlstate import DatabaseError

SERVER_VERSION = "15.0"
SERVER_VERSION_NUM = "150000"
VERSION = f"PostgreSQL {SERVER_VERSION} (minidb of Bedrock)"


def _bad(name: str, value: str) -> DatabaseError:
    return DatabaseError("22023", f'invalid value for parameter "{name}": "{value}"')


def _text(name: str, value: str) -> str:
    return value


def _boolean(name: str, value: str) -> str:
    word = value.lower()
    if word and (word in ("on", "true", "yes", "1") or "true".startswith(word)):
        return "on"
    if word and (word in ("off", "false", "no", "0") or "false".startswith(word)):
        return "off"
    raise DatabaseError("22023", f'parameter "{name}" requires a Boolean value')


def _integer(name: str, value: str) -> str:
    try:
        return str(int(value))
    except ValueError:
        raise _bad(name, value) from None


def _number(name: str, value: str) -> str:
    try:
        float(value)
    except ValueError:
        raise _bad(name, value) from None
    return value


_UNITS_MS = {"us": 0.001, "ms": 1, "s": 1000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}


def _duration(name: str, value: str) -> str:
    """Milliseconds, shown in the largest unit that divides them."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(us|ms|s|min|h|d)?\s*", value)
    if not match:
        raise _bad(name, value)
    ms = round(float(match[1]) * _UNITS_MS[match[2] or "ms"])
    if ms == 0:
        return "0"
    for unit in ("d", "h", "min", "s"):
        if ms % _UNITS_MS[unit] == 0:
            return f"{ms // int(_UNITS_MS[unit])}{unit}"
    return f"{ms}ms"


def duration_ms(text: str) -> int:
    """The milliseconds of a shown duration."""
    match = re.fullmatch(r"(\d+)(ms|s|min|h|d)?", text)
    assert match
    return int(match[1]) * int(_UNITS_MS[match[2] or "ms"])


_ENCODINGS = {"utf8": "UTF8", "unicode": "UTF8", "sqlascii": "SQL_ASCII"}


def _encoding(name: str, value: str) -> str:
    found = _ENCODINGS.get(re.sub(r"[^a-z0-9]", "", value.lower()))
    if found is None:
        raise _bad(name, value)
    return found


def _date_style(name: str, value: str) -> str:
    words = [word.strip().upper() for word in value.split(",")]
    if "ISO" not in words and not set(words) <= {"MDY", "DMY", "YMD"}:
        raise DatabaseError("0A000", f"DateStyle {value} is not supported: only ISO is")
    order = next((word for word in words if word in ("MDY", "DMY", "YMD")), "MDY")
    return f"ISO, {order}"


def _zone(name: str, value: str) -> str:
    from minidb.zones import zone_of

    zone_of(value)
    return "UTC" if value.upper() == "UTC" else value


_LEVELS = ("read uncommitted", "read committed", "repeatable read", "serializable")


def _isolation(name: str, value: str) -> str:
    if value.lower() not in _LEVELS:
        raise _bad(name, value)
    return value.lower()


def _constant(name: str, value: str) -> str:
    raise DatabaseError("55P02", f'parameter "{name}" cannot be changed')


@dataclass(frozen=True)
class Setting:
    default: str
    read: Callable[[str, str], str] = _text
    reported: bool = False
    display: str = ""


SETTINGS: dict[str, Setting] = {
    "application_name": Setting("", reported=True),
    "client_encoding": Setting("UTF8", _encoding, True),
    "datestyle": Setting("ISO, MDY", _date_style, True, "DateStyle"),
    "default_transaction_read_only": Setting("off", _boolean, True),
    "in_hot_standby": Setting("off", _constant, True),
    "integer_datetimes": Setting("on", _constant, True),
    "intervalstyle": Setting("postgres", _text, True, "IntervalStyle"),
    "is_superuser": Setting("on", _constant, True),
    "server_encoding": Setting("UTF8", _constant, True),
    "server_version": Setting(SERVER_VERSION, _constant, True),
    "session_authorization": Setting("", _text, True),
    "standard_conforming_strings": Setting("on", _boolean, True),
    "timezone": Setting("UTC", _zone, True, "TimeZone"),
    "bytea_output": Setting("hex"),
    "check_function_bodies": Setting("on", _boolean),
    "client_min_messages": Setting("notice"),
    "constraint_exclusion": Setting("partition"),
    "cursor_tuple_fraction": Setting("0.1", _number),
    "default_table_access_method": Setting("heap"),
    "default_tablespace": Setting(""),
    "default_transaction_deferrable": Setting("off", _boolean),
    "default_transaction_isolation": Setting("read committed", _isolation),
    "enable_hashjoin": Setting("on", _boolean),
    "enable_indexscan": Setting("on", _boolean),
    "enable_mergejoin": Setting("on", _boolean),
    "enable_nestloop": Setting("on", _boolean),
    "enable_seqscan": Setting("on", _boolean),
    "extra_float_digits": Setting("1", _integer),
    "from_collapse_limit": Setting("8", _integer),
    "geqo": Setting("on", _boolean),
    "idle_in_transaction_session_timeout": Setting("0", _duration),
    "jit": Setting("off", _boolean),
    "join_collapse_limit": Setting("8", _integer),
    "lc_collate": Setting("C", _constant),
    "lc_ctype": Setting("C.UTF-8", _constant),
    "lc_messages": Setting("C"),
    "lc_monetary": Setting("C"),
    "lc_numeric": Setting("C"),
    "lc_time": Setting("C"),
    "lock_timeout": Setting("0", _duration),
    "log_statement": Setting("none"),
    "maintenance_work_mem": Setting("64MB"),
    "max_connections": Setting("10000", _constant),
    "max_identifier_length": Setting("63", _constant),
    "max_index_keys": Setting("32", _constant),
    "max_prepared_transactions": Setting("0", _constant),
    "row_security": Setting("on", _boolean),
    "search_path": Setting('"$user", public'),
    "seq_page_cost": Setting("1", _number),
    "random_page_cost": Setting("4", _number),
    "server_version_num": Setting(SERVER_VERSION_NUM, _constant),
    "statement_timeout": Setting("0", _duration),
    "synchronize_seqscans": Setting("on", _boolean),
    "synchronous_commit": Setting("on"),
    "transaction_deferrable": Setting("off", _boolean),
    "transaction_isolation": Setting("read committed", _isolation),
    "transaction_read_only": Setting("off", _boolean),
    "wal_level": Setting("replica", _constant),
    "work_mem": Setting("4MB"),
    "xmloption": Setting("content"),
}

SYNONYMS = {
    "time zone": "timezone",
    "transaction isolation level": "transaction_isolation",
    "session authorization": "session_authorization",
    "names": "client_encoding",
}


def canonical(name: str) -> str:
    """A setting's name as the table has it."""
    name = name.lower()
    return SYNONYMS.get(name, name)


def unknown(name: str) -> DatabaseError:
    return DatabaseError("42704", f'unrecognized configuration parameter "{name}"')


class Settings:
    """One session's values: what was set, over what the session began with, over the defaults."""

    def __init__(self) -> None:
        self.base: dict[str, str] = {}
        self.values: dict[str, str] = {}

    def get(self, name: str) -> str:
        name = canonical(name)
        if name in self.values:
            return self.values[name]
        if name in self.base:
            return self.base[name]
        setting = SETTINGS.get(name)
        if setting is None:
            raise unknown(name)
        return setting.default

    def set(self, name: str, value: str | None) -> str:
        """Set (None: back to the default); returns the name to report or ""."""
        name = canonical(name)
        setting = SETTINGS.get(name)
        if setting is None and "." not in name:
            raise unknown(name)
        if value is None:
            self.values.pop(name, None)
        else:
            self.values[name] = setting.read(name, value) if setting else value
        return (setting.display or name) if setting and setting.reported else ""

    def start_with(self, name: str, value: str) -> None:
        """A value of the startup packet: what RESET returns to."""
        self.set(name, value)
        name = canonical(name)
        self.base[name] = self.values.pop(name)

    def reported(self) -> list[tuple[str, str]]:
        """(name, value) of all that clients are told at the start."""
        return [
            (setting.display or name, self.get(name))
            for name, setting in SETTINGS.items()
            if setting.reported
        ]

    def names(self) -> list[str]:
        return sorted({*SETTINGS, *self.values, *self.base})
