"""Configuration: one dataclass per component; defaults < file < environment < flags.

A field's metadata carries its help: `option(6379, "port for RESP")`.  The file is TOML with one
table per component (`[kvstore] port = 6390`); the environment name of a field is
`BEDROCK_<COMPONENT>_<FIELD>`; the flag is `--field-name`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


def option(default: Any, help: str, **metadata: Any) -> Any:
    """A config field with its help text."""
    if isinstance(default, (list, dict)):
        return field(default_factory=lambda: default.copy(), metadata={"help": help, **metadata})
    return field(default=default, metadata={"help": help, **metadata})


@dataclass
class ServerConfig:
    """The options every server has; a component adds its own fields."""

    host: str = option("127.0.0.1", "address to listen at")
    port: int = option(0, "port to listen at; 0 takes a free one")
    data_dir: str = option("", "directory for data; default ./data/<component>")
    config: str = option("", "TOML file with a table per component")
    log_level: str = option("info", "debug, info, warning or error")
    log_format: str = option("", "text or json; default text on a terminal")
    metrics_port: int = option(-1, "port for /metrics, /healthz, /readyz; -1 for none, 0 for any")
    tls_cert: str = option("", "PEM file with the certificate chain")
    tls_key: str = option("", "PEM file with the private key")
    password_file: str = option("", "file whose first line clients must give as password")
    insecure: bool = option(False, "allow listening beyond loopback without a password")
    ephemeral: bool = option(False, "keep data in a temporary directory, removed at the end")
    ready_file: str = option("", "write one JSON line with the real ports here when ready")
