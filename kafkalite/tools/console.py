"""kafka-console-producer.sh and kafka-console-consumer.sh: lines in, lines out."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing

from bedrock.world import OsRand
from kafkalite.assignment import Partition
from kafkalite.batch import Record
from kafkalite.client import EARLIEST, LATEST, Client
from kafkalite.consumer import Line, Membership, Writer, follow, start_of
from kafkalite.tools.common import Refused, pairs, parser, run

LINES_AT_ONCE = 500
Stream = AsyncGenerator[tuple[Partition, Record], None]
ACKS = {"all": -1, "-1": -1, "0": 0, "1": 1}


# ---------------------------------------------------------------------- producer


def produce(argv: list[str] | None = None) -> int:
    """kafka-console-producer.sh."""
    made = parser("kafka-console-producer.sh", "Send each line of standard input as a record.")
    made.add_argument("--topic", required=True)
    made.add_argument("--property", "--reader-property", action="append", default=[],
                      dest="reader", metavar="K=V",
                      help="parse.key, key.separator, parse.headers, headers.delimiter, "
                      "headers.separator, headers.key.separator, null.marker")
    made.add_argument("--producer-property", "--command-property", action="append", default=[],
                      dest="settings", metavar="K=V", help="acks, compression.type")
    made.add_argument("--compression-codec", nargs="?", const="gzip", default="none",
                      choices=["none", "gzip", "snappy", "lz4", "zstd"])
    made.add_argument("--request-required-acks", default="all", choices=list(ACKS))
    made.add_argument("--sync", action="store_true", help="one record at a time")
    for name in ("--batch-size", "--timeout", "--max-block-ms", "--line-reader",
                 "--message-send-max-retries", "--retry-backoff-ms"):
        made.add_argument(name, help="accepted")
    options = made.parse_args(argv)

    async def work(client: Client) -> None:
        reader, settings = pairs(options.reader), pairs(options.settings)
        writer = Writer(
            client, options.topic,
            codec=settings.get("compression.type", options.compression_codec),
            acks=ACKS[settings.get("acks", options.request_required_acks)],
        )
        most = 1 if options.sync or sys.stdin.isatty() else LINES_AT_ONCE
        waiting = []
        for number, line in enumerate(sys.stdin.buffer, 1):
            waiting.append(read_line(line.rstrip(b"\r\n"), reader, number))
            if len(waiting) >= most:
                await writer.send(waiting)
                waiting = []
        if waiting:
            await writer.send(waiting)

    return run("producer", options, work)


def read_line(line: bytes, reader: dict[str, str], number: int = 0) -> Line:
    """`headers TAB key TAB value`, as far as the properties ask for headers and keys."""

    def cut(what: str, separator: str) -> bytes | None:
        nonlocal line
        part, found, rest = line.partition(separator.encode())
        if found:
            line = rest
            return part
        if reader.get("ignore.error") == "true":
            return None
        raise Refused(f"No {what} separator found on line number {number}: '{line.decode()}'")

    null = reader.get("null.marker", "").encode()
    headers: list[tuple[str, bytes]] = []
    if reader.get("parse.headers") == "true":
        between = reader.get("headers.separator", ",").encode()
        inside = reader.get("headers.key.separator", ":").encode()
        text = cut("header", reader.get("headers.delimiter", "\t")) or b""
        for pair in text.split(between) if text else ():
            name, _, value = pair.partition(inside)
            headers.append((name.decode("utf-8", "replace"), value))
    key = None
    if reader.get("parse.key") == "true":
        key = cut("key", reader.get("key.separator", "\t"))
    if null and key == null:
        key = None
    return key, None if null and line == null else line, tuple(headers)


# ---------------------------------------------------------------------- consumer


def consume(argv: list[str] | None = None) -> int:
    """kafka-console-consumer.sh."""
    made = parser("kafka-console-consumer.sh", "Print records as they come.")
    made.add_argument("--topic")
    made.add_argument("--include", "--whitelist", dest="include", help="a pattern of topics")
    made.add_argument("--group")
    made.add_argument("--partition", type=int)
    made.add_argument("--offset", default="latest", help="with --partition: N, earliest, latest")
    made.add_argument("--from-beginning", action="store_true")
    made.add_argument("--max-messages", type=int)
    made.add_argument("--timeout-ms", type=int, help="end when nothing came for so long")
    made.add_argument("--isolation-level", default="read_uncommitted",
                      choices=["read_committed", "read_uncommitted"])
    made.add_argument("--property", "--formatter-property", action="append", default=[],
                      dest="formatter", metavar="K=V",
                      help="print.timestamp, print.key, print.offset, print.partition, "
                      "print.headers, print.value, key.separator, line.separator, null.literal")
    made.add_argument("--consumer-property", "--command-property", action="append", default=[],
                      dest="settings", metavar="K=V", help="group.id, auto.offset.reset")
    for name in ("--formatter", "--key-deserializer", "--value-deserializer"):
        made.add_argument(name, help="accepted")
    for name in ("--skip-message-on-error", "--enable-systest-events"):
        made.add_argument(name, action="store_true", help="accepted")
    options = made.parse_args(argv)
    if not options.topic and not options.include:
        made.error("--topic or --include is needed")
    count = 0

    async def work(client: Client) -> None:
        nonlocal count
        formatter = pairs(options.formatter)
        async with aclosing(await _records(client, options)) as records:
            async for (_, partition), record in records:
                sys.stdout.buffer.write(line_of(record, partition, formatter))
                sys.stdout.buffer.flush()
                count += 1
                if options.max_messages is not None and count >= options.max_messages:
                    return

    try:
        return run("consumer", options, work)
    finally:
        print(f"Processed a total of {count} messages", file=sys.stderr)


async def _records(client: Client, options: argparse.Namespace) -> Stream:
    """The stream of records that the flags describe."""
    settings = pairs(options.settings)
    begin = options.from_beginning or settings.get("auto.offset.reset") == "earliest"
    where = EARLIEST if begin else LATEST
    how = {
        "committed": options.isolation_level == "read_committed",
        "idle_ms": options.timeout_ms,
    }
    if options.partition is not None:
        named = {"earliest": EARLIEST, "latest": where}
        where = named[options.offset] if options.offset in named else int(options.offset)
        positions = await start_of(client, options.topic, [options.partition], where)
        return follow(client, positions, **how)
    topics = [options.topic]
    if options.include:
        pattern = re.compile(options.include)
        topics = [t["name"] for t in await client.topics() if pattern.fullmatch(t["name"])]
    group = options.group or settings.get("group.id")
    if group is None:
        group = f"console-consumer-{OsRand().below(100_000)}"
    membership = Membership(client, group, topics, where)
    return follow(client, await membership.join(), membership, **how)


def line_of(record: Record, partition: int, formatter: dict[str, str]) -> bytes:
    """A record as Kafka's default formatter prints it."""
    separator = formatter.get("key.separator", "\t").encode()
    null = formatter.get("null.literal", "null").encode()

    def asked(name: str, default: str = "false") -> bool:
        return formatter.get(f"print.{name}", default) == "true"

    parts: list[bytes] = []
    if asked("timestamp"):
        parts.append(b"CreateTime:%d" % record.timestamp)
    if asked("partition"):
        parts.append(b"Partition:%d" % partition)
    if asked("offset"):
        parts.append(b"Offset:%d" % record.offset)
    if asked("headers"):
        joined = formatter.get("headers.separator", ",").encode().join(
            name.encode() + b":" + (null if value is None else value)
            for name, value in record.headers
        )
        parts.append(joined or b"NO_HEADERS")
    if asked("key"):
        parts.append(null if record.key is None else record.key)
    if asked("value", "true"):
        parts.append(null if record.value is None else record.value)
    return separator.join(parts) + formatter.get("line.separator", "\n").encode()
