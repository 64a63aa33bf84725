"""Remote read: a Prometheus (or Thanos) asks for samples and evaluates its queries itself.

    POST /api/v1/read    a snappy'd ReadRequest: queries (time range, matchers), accepted answers
    SAMPLES              one snappy'd ReadResponse
    STREAMED_XOR_CHUNKS  frames, at most a series each:
                         varint size, u32 big-endian CRC-32C, ChunkedReadResponse

Messages: Prometheus, prompb/remote.proto.  Left out: hints (a hint of a coarser step), external
labels.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bedrock.codec.compress import compress, decompress
from bedrock.codec.crc32c import crc32c
from bedrock.codec.errors import Malformed, TooLarge
from bedrock.codec.protobuf import Message, Schema, field
from bedrock.codec.varint import encode_uvarint
from bedrock.net.http import Request, Response
from bedrock.world.slices import paced
from tsdb.budget import Budget
from tsdb.matchers import Matcher
from tsdb.promql.errors import QueryError
from tsdb.regex import BadRegex
from tsdb.selection import Finder, Selection

REQUEST_MAX = 1 << 20  # bytes, unpacked
FRAME_BYTES = 1 << 20
SAMPLES, STREAMED_XOR_CHUNKS = 0, 1
XOR = 1  # encoding of a chunk
OPERATORS = ("=", "!=", "=~", "!~")
STREAMED = "application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse"

READ_REQUEST = Message(
    "ReadRequest",
    field(1, "queries", "Query", repeated=True),
    field(2, "accepted", "int32", repeated=True),
    proto3=True,
)
READ_RESPONSE = Message("ReadResponse", field(1, "results", "QueryResult", repeated=True))
CHUNKED_RESPONSE = Message(
    "ChunkedReadResponse",
    field(1, "series", "ChunkedSeries", repeated=True),
    field(2, "query", "int64"),
)
Schema(
    READ_REQUEST,
    READ_RESPONSE,
    CHUNKED_RESPONSE,
    Message(
        "Query",
        field(1, "start", "int64"),
        field(2, "end", "int64"),
        field(3, "matchers", "Matcher", repeated=True),
        proto3=True,
    ),
    Message(
        "Matcher",
        field(1, "type", "int32"),
        field(2, "name", "string"),
        field(3, "value", "string"),
        proto3=True,
    ),
    Message("QueryResult", field(1, "timeseries", "TimeSeries", repeated=True)),
    Message(
        "TimeSeries",
        field(1, "labels", "Label", repeated=True),
        field(2, "samples", "Sample", repeated=True),
    ),
    Message("Label", field(1, "name", "string"), field(2, "value", "string")),
    Message("Sample", field(1, "value", "double"), field(2, "timestamp", "int64")),
    Message(
        "ChunkedSeries",
        field(1, "labels", "Label", repeated=True),
        field(2, "chunks", "Chunk", repeated=True),
    ),
    Message(
        "Chunk",
        field(1, "first", "int64"),
        field(2, "last", "int64"),
        field(3, "type", "int32"),
        field(4, "data", "bytes"),
    ),
)


def read(finder: Finder, request: Request, budget: Budget) -> Response:
    """Answer a remote read."""
    try:
        asked = READ_REQUEST.decode(decompress("snappy", request.body, REQUEST_MAX))
        selections = [_select(finder, query, budget) for query in asked["queries"]]
    except (Malformed, TooLarge, BadRegex, IndexError) as exc:
        return Response(f"{exc}\n".encode(), 400)
    kind = next((k for k in asked["accepted"] if k in (SAMPLES, STREAMED_XOR_CHUNKS)), None)
    if kind is None and asked["accepted"]:
        return Response(b"server does not support any of the requested response types\n", 400)
    try:
        if kind == STREAMED_XOR_CHUNKS:
            return Response(b"".join(_frames(selections)), content_type=STREAMED)
        message = READ_RESPONSE.encode({"results": [_samples(s) for s in selections]})
    except QueryError as exc:
        return Response(f"{exc}\n".encode(), 400)
    return Response(
        compress("snappy", message),
        content_type="application/x-protobuf",
        headers={"Content-Encoding": "snappy"},
    )


def _select(finder: Finder, query: dict[str, Any], budget: Budget) -> Selection:
    matchers = [Matcher(m["name"], OPERATORS[m["type"]], m["value"]) for m in query["matchers"]]
    return finder.select(matchers, query["start"], query["end"], budget)


def _samples(selection: Selection) -> dict[str, Any]:
    columns = selection.gather()
    series = []
    for row, labels in enumerate(paced(columns.labels)):
        times, values = columns.samples(row)
        pairs = zip(times.tolist(), values.tolist(), strict=True)
        samples = [{"timestamp": t, "value": v} for t, v in pairs]
        series.append({"labels": _labels(labels.pairs), "samples": samples})
    return {"timeseries": series}


def _labels(pairs: tuple[tuple[str, str], ...]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in pairs]


def _frames(selections: list[Selection]) -> Iterator[bytes]:
    """Series after series, each split where a frame would be too large."""
    from tsdb.xor_chunk import chunks_of

    for number, selection in enumerate(selections):
        for row, labels in enumerate(paced(selection.labels)):
            gathered: list[dict[str, Any]] = []
            size = 0
            for first, last, data in chunks_of(selection, row):
                gathered.append({"first": first, "last": last, "type": XOR, "data": data})
                size += len(data)
                if size > FRAME_BYTES:
                    yield _frame(number, _labels(labels.pairs), gathered)
                    gathered, size = [], 0
            if gathered:
                yield _frame(number, _labels(labels.pairs), gathered)


def _frame(number: int, labels: list[dict[str, str]], chunks: list[dict[str, Any]]) -> bytes:
    message = CHUNKED_RESPONSE.encode(
        {"series": [{"labels": labels, "chunks": chunks}], "query": number}
    )
    return encode_uvarint(len(message)) + crc32c(message).to_bytes(4, "big") + message
