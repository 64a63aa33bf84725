"""Requests as a client writes them, and responses as it reads them.

The shell, the simulation and the tests are clients; all use the broker's own tables.
"""

from __future__ import annotations

from typing import Any

from kafkalite.apis import APIS
from kafkalite.schema import Api, table

BY_NAME: dict[str, Api] = {api.name: api for api in APIS.values()}
HEADER = table("""
api_key         int16
api_version     int16
correlation_id  int32
client_id       string?
""")


def encode_request(
    api: Api, version: int, correlation: int, body: dict[str, Any], client_id: str
) -> bytes:
    """A request as it goes over the wire, its length in front."""
    header = {
        "api_key": api.key,
        "api_version": version,
        "correlation_id": correlation,
        "client_id": client_id,
    }
    tags = b"\0" if api.is_flexible(version) else b""
    data = HEADER.encode(header) + tags + api.decoder(version).encode(body)
    return len(data).to_bytes(4, "big") + data


def decode_response(api: Api, version: int, data: bytes) -> dict[str, Any]:
    """The body of a response, given without its length."""
    tags = 1 if api.is_flexible(version) and api.name != "ApiVersions" else 0
    return api.encoder(version).decode(data[4 + tags :])
