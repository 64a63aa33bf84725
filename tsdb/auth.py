"""Who may ask: one password, in any of the ways Prometheus' and InfluxDB's clients give it.

    Authorization: Basic base64(user:password) | Bearer password | Token [user:]password
    ?u=user&p=password                                             (InfluxDB 1)
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable

from bedrock.lazy import hmac
from bedrock.net.http import HttpError, Request, Response, Route, Router

OPEN = frozenset(("/ping", "/health", "/-/healthy", "/-/ready"))


class GuardedRouter(Router):
    """A router that asks for the password, "" for none, before it finds a route."""

    def __init__(self, routes: Iterable[Route], password: str):
        super().__init__(routes)
        self.password = password.encode()

    def find(self, request: Request) -> Route:
        asked = self.password and request.path not in OPEN
        if asked and not hmac.compare_digest(given_password(request), self.password):
            raise HttpError(
                401, "unauthorized", headers={"WWW-Authenticate": 'Basic realm="tsdb"'}
            )
        return super().find(request)

    def on_error(self, request: Request, error: HttpError) -> Response:
        body = json.dumps({"error": str(error)}).encode() + b"\n"
        return Response(
            body, error.status, content_type="application/json", headers=error.headers
        )


def given_password(request: Request) -> bytes:
    """The password a request carries, b"" if none."""
    scheme, _, word = request.headers.get("authorization", "").partition(" ")
    scheme = scheme.lower()
    if scheme == "basic":
        try:
            return base64.b64decode(word, validate=True).partition(b":")[2]
        except binascii.Error:
            return b""
    if scheme in ("bearer", "token"):
        return word.strip().rpartition(":")[2].encode()
    return request.query.get("p", [""])[0].encode()
