"""Configuration: one dataclass per component; defaults < file < environment < flags.

A field's metadata carries its help: `option(6379, "port for RESP")`.  The file is TOML with one
table per component (`[kvstore] port = 6390`); the environment name of a field is
`BEDROCK_<COMPONENT>_<FIELD>`; the flag is `--field-name`.  The type of a field is that of its
default: bool, int, float, str, or a list of str.

Secrets never travel by flag or environment: `--password-file` names the file that holds one.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ssl import SSLContext

DEFAULT_FILE = "bedrock.toml"


class ConfigError(Exception):
    """A value that cannot be used; the message says which and where it came from."""


def option(default: Any, help: str, **metadata: Any) -> Any:
    """A config field with its help text; `choices=[...]` limits its values."""
    if isinstance(default, (list, dict)):
        return field(default_factory=lambda: default.copy(), metadata={"help": help, **metadata})
    return field(default=default, metadata={"help": help, **metadata})


def read_text(what: str, path: str) -> str:
    """What a file named in the configuration holds; ConfigError if it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError as exc:
        raise ConfigError(f"{what} {path}: {exc.strerror}") from exc


def first_line(what: str, path: str) -> str:
    """A password: the first line of a file."""
    word = read_text(what, path).split("\n", 1)[0].rstrip("\r")
    if not word:
        raise ConfigError(f"{what} {path}: its first line is empty")
    return word


@dataclass
class ServerConfig:
    """The options every server has; a component adds its own fields."""

    host: str = option("127.0.0.1", "address to listen at")
    port: int = option(0, "port to listen at; 0 takes a free one")
    data_dir: str = option("", "directory for data; default ./data/<component>")
    config: str = option("", "TOML file with a table per component; default ./bedrock.toml")
    log_level: str = option(
        "info", "least serious event to log", choices=["debug", "info", "warning", "error"]
    )
    log_format: str = option(
        "", "how to log; default text on a terminal, else json", choices=["text", "json"]
    )
    metrics_port: int = option(-1, "port for /metrics, /healthz, /readyz; -1 for none, 0 for any")
    tls_cert: str = option("", "PEM file with the certificate chain")
    tls_key: str = option("", "PEM file with the private key")
    password_file: str = option("", "file whose first line clients must give as password")
    insecure: bool = option(False, "allow listening beyond loopback without a password")
    ephemeral: bool = option(False, "keep data in a temporary directory, removed at the end")
    ready_file: str = option("", "write one JSON line with the real ports here when ready")

    def password(self) -> str:
        """What clients must give; "" when nothing is asked."""
        return first_line("password file", self.password_file) if self.password_file else ""

    def tls(self) -> SSLContext | None:
        """A server context (TLS 1.2 or newer) from the certificate and key; None without."""
        if not self.tls_cert:
            if self.tls_key:
                raise ConfigError("--tls-key needs --tls-cert")
            return None
        import ssl

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_cert_chain(self.tls_cert, self.tls_key or None)
        except OSError as exc:  # ssl.SSLError is one too
            raise ConfigError(f"TLS certificate {self.tls_cert}: {exc.strerror or exc}") from exc
        return context

    def refuse_exposure(self) -> None:
        """Raise ConfigError when anyone on the network could use this server unasked."""
        if self.insecure or self.password_file or is_loopback(self.host):
            return
        raise ConfigError(
            f"{self.host} is reachable from other machines and no password is asked: "
            "give --password-file, or --insecure to do it all the same"
        )


def is_loopback(host: str) -> bool:
    """Whether an address to listen at is this machine's alone."""
    return host in ("localhost", "::1") or host.startswith(("127.", "/"))


@dataclass(frozen=True)
class Settings:
    """A component's configuration and, for each field, where its value came from."""

    config: Any
    origins: dict[str, str]


def resolve(
    component: Any,
    flags: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] = os.environ,
    default_file: str = DEFAULT_FILE,
) -> Settings:
    """Put a component's configuration together.

    component     a `Component`
    flags         field name -> value as given on the command line
    default_file  read, if it is there, when neither flag nor environment names a file
    """
    known = {item.name: item for item in fields(component.config)}
    values: dict[str, Any] = {}
    origins = dict.fromkeys(known, "default")

    def take(name: str, value: Any, origin: str) -> None:
        values[name] = convert(known[name], value, origin)
        origins[name] = origin

    flags = flags or {}
    prefix = f"BEDROCK_{component.name.upper()}_"
    path = flags.get("config") or environ.get(prefix + "CONFIG") or environ.get("BEDROCK_CONFIG")
    if not path and os.path.exists(default_file):
        path = default_file
    for name, value in _table(path, component.name).items() if path else ():
        if name not in known or name == "config":
            near = _nearest(name, known)
            raise ConfigError(f"{path}: [{component.name}] has no option {name!r}{near}")
        take(name, value, f"file {path}")
    for name in known:
        if (value := environ.get(prefix + name.upper())) is not None:
            take(name, value, f"env {prefix}{name.upper()}")
    for name, value in flags.items():
        take(name, value, f"flag {flag(name)}")
    return Settings(component.config(**values), origins)


def flag(name: str) -> str:
    """The command-line flag of a field."""
    return "--" + name.replace("_", "-")


def kind(item: Field) -> type:
    """The type of a field: that of its default."""
    if item.default_factory is not MISSING:
        return type(item.default_factory())
    return type(item.default)


def convert(item: Field, value: Any, origin: str) -> Any:
    """A value as its field wants it; TOML gives typed values, the others text."""
    wanted = kind(item)
    try:
        converted = _convert(wanted, value)
    except (TypeError, ValueError):
        raise ConfigError(
            f"{origin}: {item.name} wants {_NAMES[wanted]}, not {value!r}"
        ) from None
    choices = item.metadata.get("choices")
    if choices and converted not in choices:
        raise ConfigError(f"{origin}: {item.name} is one of {', '.join(choices)}, not {value!r}")
    return converted


_NAMES = {bool: "true or false", int: "a whole number", float: "a number", str: "text",
          list: "a list"}
_WORDS = {"1": True, "true": True, "yes": True, "on": True,
          "0": False, "false": False, "no": False, "off": False}


def _convert(wanted: type, value: Any) -> Any:
    if wanted is bool and isinstance(value, str):
        if value.lower() not in _WORDS:
            raise ValueError
        return _WORDS[value.lower()]
    if isinstance(value, bool) is not (wanted is bool):
        raise TypeError
    if wanted is list and isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    if isinstance(value, list) is not (wanted is list):
        raise TypeError
    if wanted is str and not isinstance(value, str):
        raise TypeError
    return wanted(value)


def _table(path: str, name: str) -> dict[str, Any]:
    """A component's table of a file."""
    import tomllib

    try:
        with open(path, "rb") as file:
            table = tomllib.load(file).get(name, {})
    except OSError as exc:
        raise ConfigError(f"config file {path}: {exc.strerror}") from exc
    except tomllib.TOMLDecodeError as exc:
        raise ConfigError(f"config file {path}: {exc}") from exc
    if not isinstance(table, dict):
        raise ConfigError(f"config file {path}: {name} is not a table")
    return table


def _nearest(name: str, known: Mapping[str, Any]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, known, 1)
    return f"; did you mean {near[0]!r}?" if near else ""
