"""`kafkalite tail` and `kafkalite produce`: records in a format of one's own, as in kcat.

    kafkalite tail orders -f '%T %k: %s\\n' -o -5
    kafkalite produce orders -K : < lines

    %t topic   %p partition   %o offset   %T timestamp in ms   %h headers   %% a percent sign
    %k key     %K its length, -1 for null        %s value      %S its length, -1 for null
    \\n \\t \\r \\xNN
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable
from contextlib import aclosing
from functools import partial

from kafkalite.assignment import Partition
from kafkalite.batch import Record
from kafkalite.client import EARLIEST, LATEST, Client
from kafkalite.consumer import Membership, Writer, follow, start_of
from kafkalite.tools.common import Refused, parser, run
from kafkalite.tools.console import LINES_AT_ONCE, read_line

DEFAULT_FORMAT = "%s\\n"
JSON_FORMAT = "json"
_TOKENS = re.compile(rb"%(.)|\\(x[0-9a-fA-F]{2}|.)", re.DOTALL)
_ESCAPES = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"\\": b"\\"}


def _size(data: bytes | None) -> bytes:
    return b"%d" % (-1 if data is None else len(data))


def _headers(record: Record) -> bytes:
    return b",".join(
        name.encode() + b"=" + (b"NULL" if value is None else value)
        for name, value in record.headers
    )


FIELDS: dict[bytes, Callable[[Partition, Record], bytes]] = {
    b"t": lambda where, record: where[0].encode(),
    b"p": lambda where, record: b"%d" % where[1],
    b"o": lambda where, record: b"%d" % record.offset,
    b"T": lambda where, record: b"%d" % record.timestamp,
    b"k": lambda where, record: record.key or b"",
    b"K": lambda where, record: _size(record.key),
    b"s": lambda where, record: record.value or b"",
    b"S": lambda where, record: _size(record.value),
    b"h": lambda where, record: _headers(record),
    b"%": lambda where, record: b"%",
}


def compiled(format_: str) -> Callable[[Partition, Record], bytes]:
    """A function that formats a record; Refused for a field that is not known."""
    steps: list[Callable[[Partition, Record], bytes]] = []
    data, at = format_.encode(), 0

    def literal(text: bytes) -> None:
        steps.append(lambda where, record: text)

    for match in _TOKENS.finditer(data):
        literal(data[at : match.start()])
        at = match.end()
        field, escape = match.groups()
        if escape is not None:
            literal(
                bytes([int(escape[1:], 16)]) if len(escape) == 3 else _ESCAPES.get(escape, escape)
            )
        elif field in FIELDS:
            steps.append(FIELDS[field])
        else:
            raise Refused(f"format: no field %{field.decode()}")
    literal(data[at:])
    return lambda where, record: b"".join(step(where, record) for step in steps)


def _json(where: Partition, record: Record) -> bytes:
    import json

    def text(data: bytes | None) -> str | None:
        return None if data is None else data.decode("utf-8", "backslashreplace")

    fields = {
        "topic": where[0],
        "partition": where[1],
        "offset": record.offset,
        "ts": record.timestamp,
        "key": text(record.key),
        "payload": text(record.value),
    }
    if record.headers:
        fields["headers"] = [text for name, value in record.headers for text in (
            name, None if value is None else value.decode("utf-8", "backslashreplace"))]
    return json.dumps(fields, ensure_ascii=False).encode() + b"\n"


def _parser(verb: str, about: str) -> argparse.ArgumentParser:
    made = parser(f"kafkalite {verb}", about)
    made.formatter_class = partial(argparse.RawDescriptionHelpFormatter, width=100)
    made.add_argument("-b", dest="bootstrap", default="localhost:9092", metavar="HOST:PORT")
    made.add_argument("topic")
    made.add_argument("-p", "--partition", type=int, metavar="N")
    return made


def _where(text: str) -> int:
    """`beginning`, `end`, an offset, or -N for the last N records."""
    return {"beginning": EARLIEST, "end": LATEST}.get(text) or int(text)


def tail(argv: list[str] | None = None) -> int:
    """Print a topic's records, those that come too."""
    made = _parser("tail", __doc__ or "")
    made.add_argument("-f", "--format", default=DEFAULT_FORMAT)
    made.add_argument("-J", "--json", action="store_true", help="an object for each record")
    made.add_argument("-o", "--offset", default="end", help="beginning, end, N, or -N from the end")
    made.add_argument("-c", "--count", type=int, help="end after so many records")
    made.add_argument("-e", "--exit", action="store_true", help="end at the end")
    made.add_argument("-G", "--group", help="as a member of a group")
    options = made.parse_args(argv)

    async def work(client: Client) -> None:
        shown = _json if options.json else compiled(options.format)
        membership = None
        if options.group:
            reset = EARLIEST if options.offset == "beginning" else LATEST
            membership = Membership(client, options.group, [options.topic], reset)
            positions = await membership.join()
        else:
            positions = await _start(client, options)
        count = 0
        idle_ms = 300 if options.exit else None
        async with aclosing(follow(client, positions, membership, idle_ms=idle_ms)) as records:
            async for where, record in records:
                sys.stdout.buffer.write(shown(where, record))
                sys.stdout.buffer.flush()
                count += 1
                if options.count is not None and count >= options.count:
                    return

    return run("tail", options, work)


async def _start(client: Client, options: argparse.Namespace) -> dict[Partition, int]:
    partitions = await client.partitions(options.topic)
    if options.partition is not None:
        partitions = [options.partition]
    text = options.offset
    if text in ("beginning", "end") or not text.startswith("-"):
        return await start_of(client, options.topic, partitions, _where(text))
    ends = await client.offsets(options.topic, LATEST, partitions)
    starts = await client.offsets(options.topic, EARLIEST, partitions)
    return {(options.topic, i): max(starts[i], ends[i] + int(text)) for i in partitions}


def produce(argv: list[str] | None = None) -> int:
    """Send each line of standard input as a record."""
    made = _parser("produce", "Send each line of standard input, or each text given, as a record.")
    made.add_argument("values", nargs="*", help="records; none: the lines of standard input")
    made.add_argument("-K", "--key-separator", metavar="TEXT", help="lines are KEY TEXT VALUE")
    made.add_argument("-k", "--key", help="key of all records")
    made.add_argument("-H", "--header", action="append", default=[], metavar="NAME=VALUE")
    made.add_argument("-z", "--codec", default="none",
                      choices=["none", "gzip", "snappy", "lz4", "zstd"])
    options = made.parse_intermixed_args(argv)

    async def work(client: Client) -> None:
        writer = Writer(client, options.topic, codec=options.codec, partition=options.partition)
        headers = tuple(
            (name, value.encode()) for name, _, value in (h.partition("=") for h in options.header)
        )
        reader = {}
        if options.key_separator:
            reader = {"parse.key": "true", "key.separator": options.key_separator}
        lines = [text.encode() for text in options.values] or sys.stdin.buffer
        waiting = []
        for number, line in enumerate(lines, 1):
            key, value, _ = read_line(line.rstrip(b"\r\n"), reader, number)
            key = options.key.encode() if options.key is not None else key
            waiting.append((key, value, headers))
            if len(waiting) == LINES_AT_ONCE:
                await writer.send(waiting)
                waiting = []
        if waiting:
            await writer.send(waiting)

    return run("produce", options, work)
