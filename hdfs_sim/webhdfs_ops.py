"""What WebHDFS's two halves share: parameters out of a query, errors and redirects into answers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from bedrock.net.http import HttpError, Request, Response, Router
from bedrock.world import DiskFull
from hdfs_sim.errors import HdfsError, IllegalArgument, InSafeMode, Unsupported

PREFIX = "/webhdfs/v1"
JSON = "application/json"
OCTETS = "application/octet-stream"
USER = re.compile(r"[A-Za-z_][A-Za-z0-9._-]{0,254}[$]?")
DEFAULT_USER = "dr.who"
HTTP_CLASSES = {
    400: ("IllegalArgumentException", "java.lang.IllegalArgumentException"),
    404: ("NotFoundException", "com.sun.jersey.api.NotFoundException"),
}


def json_response(value: Any, status: int = 200, **headers: str) -> Response:
    """A JSON answer."""
    return Response(json.dumps(value).encode(), status, JSON, headers)


def remote_exception(error: Exception) -> Response:
    """The RemoteException that WebHDFS answers with."""
    if isinstance(error, DiskFull):
        error = InSafeMode("Name node is in safe mode. Resources are low on NN: no space left.")
    if isinstance(error, HdfsError):
        name, java_class, status = error.simple_name, error.java_class, error.status
    else:
        status = error.status if isinstance(error, HttpError) else 500
        name, java_class = HTTP_CLASSES.get(
            status, ("IOException", "java.io.IOException"))
    return json_response({"RemoteException": {
        "exception": name, "javaClassName": java_class, "message": str(error)}}, status)


class WebHdfsRouter(Router):
    """A router whose errors are RemoteExceptions."""

    def on_error(self, request: Request, error: HttpError) -> Response:
        return remote_exception(error)


class Query:
    """The parameters of a request, each checked as it is taken; names are not case-sensitive."""

    def __init__(self, request: Request):
        self.values = {name.lower(): values[-1] for name, values in request.query.items()}

    @property
    def op(self) -> str:
        return self.values.get("op", "").upper()

    @property
    def user(self) -> str:
        """user.name, of characters that a user's name may have."""
        name = self.values.get("user.name") or DEFAULT_USER
        if not USER.fullmatch(name):
            raise IllegalArgument(f"Invalid value: \"{name[:80]}\" does not belong to the domain "
                                  "of user names")
        return name

    def text(self, name: str, default: str | None = None) -> str:
        value = self.values.get(name.lower(), default)
        if value is None:
            raise IllegalArgument(f"Param {name} is missing")
        return value

    def flag(self, name: str, default: bool) -> bool:
        """true or false, in any case: clients send Python's True."""
        value = self.values.get(name, "").lower()
        if value not in ("", "true", "false"):
            raise IllegalArgument(f"Invalid value for webhdfs parameter \"{name}\": {value[:80]}")
        return value == "true" if value else default

    def number(self, name: str, default: int, low: int = 0, high: int = (1 << 63) - 1) -> int:
        value = self.values.get(name, "")
        if not value or value == "null":
            return default
        if not re.fullmatch(r"-?[0-9]{1,19}", value) or not low <= int(value) <= high:
            raise IllegalArgument(f"Invalid value for webhdfs parameter \"{name}\": {value[:80]}")
        return int(value)

    def octal(self, name: str, default: int) -> int:
        """A permission as octal digits."""
        value = self.values.get(name, "")
        if not value:
            return default
        if not re.fullmatch(r"[0-7]{1,4}", value):
            raise IllegalArgument(f"Invalid value for webhdfs parameter \"{name}\": {value[:80]}")
        return int(value, 8)


def path_of(request: Request) -> str:
    """The file's path in a request's path, which is percent-decoded already."""
    return "/" + request.params.get("path", "").lstrip("/")


def unknown_op(method: str, op: str) -> Unsupported:
    """The answer to an operation that is not in the table."""
    return Unsupported(f"{method} op={op[:80] or '(none)'} is not supported")


Handler = Callable[..., Any]
