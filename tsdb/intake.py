"""What is written to Prometheus' paths: remote-write, OTLP, and pages as targets expose them.

    POST /api/v1/write                                        remote-write 1.0 and 2.0, snappy
    POST /v1/metrics, /api/v1/otlp/v1/metrics                 OTLP over HTTP, protobuf or JSON
    POST /api/v1/import/prometheus                            exposition text, as VictoriaMetrics

The version of remote-write is told by the content type's `proto`; an unknown one is 415.  A request
that cannot be read is 400 and nothing of it is written; no room is 507, and may be sent again.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from bedrock.codec.compress import decompress
from bedrock.codec.errors import Malformed, TooLarge
from bedrock.net.http import HttpError, Request, Response, Route
from bedrock.world import DiskFull
from tsdb.head import TooManySeries
from tsdb.remote_write import BadRequest
from tsdb.store import Store

BODY_MAX = 64 << 20  # bytes, unpacked
# proto parameter of the content type -> version 2.0
PROTOS = {"": False, "prometheus.WriteRequest": False, "io.prometheus.write.v2.Request": True}


class Intake:
    """The handlers; `routes` is the table."""

    def __init__(self, store: Store, received: Callable[[], None] = lambda: None):
        self.store = store
        self.received = received  # told of each remote write

    def routes(self) -> list[Route]:
        """Method, path, handler."""
        table: list[tuple[str, Callable[[Request], Response]]] = [
            ("/api/v1/write", self.remote_write),
            ("/api/v1/otlp/v1/metrics", self.otlp),
            ("/v1/metrics", self.otlp),
            ("/api/v1/import/prometheus", self.exposition),
        ]
        return [Route("POST", path, _answering(handler)) for path, handler in table]

    def remote_write(self, request: Request) -> Response:
        """Prometheus' remote-write."""
        _, _, parameters = request.headers.get("content-type", "").partition(";")
        name, _, proto = parameters.strip().partition("=")
        proto = proto if name == "proto" else ""
        if proto not in PROTOS:
            raise HttpError(415, f"remote-write of {proto!r} is not known")
        if request.headers.get("content-encoding", "snappy") != "snappy":
            raise HttpError(415, "remote-write is compressed with snappy")
        second = PROTOS[proto]
        written = self.store.write_remote(request.body, second)
        self.received()
        kinds = {"Samples": written, "Histograms": 0, "Exemplars": 0} if second else {}
        return Response(b"", 204, headers={
            f"X-Prometheus-Remote-Write-{kind}-Written": str(n) for kind, n in kinds.items()
        })  # fmt: skip

    def otlp(self, request: Request) -> Response:
        """OpenTelemetry's metrics."""
        from tsdb.otlp import answer, read

        as_json = request.headers.get("content-type", "").startswith("application/json")
        data = read(_unpacked(request), as_json)
        self.store.write_samples(data.samples)
        return Response(
            answer(data, as_json),
            content_type="application/json" if as_json else "application/x-protobuf",
        )

    def exposition(self, request: Request) -> Response:
        """A page in Prometheus' text format; lines without a time are of now."""
        from tsdb.labels import labels_of
        from tsdb.monitor.exposition import labels_in, parse_page

        openmetrics = request.headers.get("content-type", "").startswith("application/openmetrics")
        page = parse_page(_unpacked(request).decode(), openmetrics)
        now_ms = self.store.world.clock.wall_ms()
        given = dict(pair.partition("=")[::2] for pair in request.query.get("extra_label", []))
        self.store.write_samples(
            (
                labels_of({**dict(labels_in(line.labels)), "__name__": line.name, **given}),
                now_ms if line.time_ms is None else line.time_ms,
                line.value,
            )
            for line in page.lines
        )
        return Response(b"", 204)


def _unpacked(request: Request) -> bytes:
    encoding = request.headers.get("content-encoding", "identity").lower()
    if encoding == "identity":
        return request.body
    if encoding not in ("gzip", "zstd"):
        raise HttpError(415, f"content encoding {encoding!r} is not known")
    return decompress(encoding, request.body, BODY_MAX)


def _answering(handler: Callable[[Request], Response]) -> Callable[[Request], Response]:
    @wraps(handler)
    def answer(request: Request) -> Response:
        try:
            return handler(request)
        except TooLarge as exc:
            return Response(f"{exc}\n".encode(), 413)
        except (BadRequest, Malformed, TooManySeries, ValueError) as exc:
            return Response(f"{exc}\n".encode(), 400)
        except DiskFull as exc:
            return Response(f"{exc}\n".encode(), 507)

    return answer
