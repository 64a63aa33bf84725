"""kafka-dump-log.sh: what is in the files of a log.

Reads .log, .index, .timeindex and .txnindex without a broker; checks every checksum, and says where
a file ends in something that is no batch.
"""

from __future__ import annotations

import argparse
import os
import struct
import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from bedrock.codec.errors import Malformed
from bedrock.world import OsDisk
from kafkalite.batch import CODECS, describe, marker_type, unpack, validate

READ_BYTES = 1 << 20
HEADER_BYTES = 61
APPEND_TIME, TRANSACTIONAL, CONTROL = 1 << 3, 1 << 4, 1 << 5
MARKERS = {0: "ABORT", 1: "COMMIT"}


def main(argv: list[str] | None = None) -> int:
    """The command line."""
    made = argparse.ArgumentParser(
        prog="kafka-dump-log.sh", description=__doc__, allow_abbrev=False,
        formatter_class=partial(argparse.HelpFormatter, width=100),
    )
    made.add_argument("--files", required=True, metavar="FILE,FILE")
    made.add_argument("--print-data-log", action="store_true", help="records with their payload")
    made.add_argument("--deep-iteration", action="store_true", help="records too")
    made.add_argument("--offsets-decoder", action="store_true", help="records too")
    made.add_argument("--transaction-log-decoder", action="store_true", help="records too")
    made.add_argument("--max-bytes", type=int, default=sys.maxsize, metavar="N")
    made.add_argument("--max-message-size", type=int, metavar="N", help="accepted")
    made.add_argument("--index-sanity-check", action="store_true", help="only check an index")
    made.add_argument("--verify-index-only", action="store_true", help="only check an index")
    for name in ("--value-decoder-class", "--key-decoder-class"):
        made.add_argument(name, help="accepted")
    options = made.parse_args(argv)
    worst = 0
    for path in options.files.split(","):
        folder, name = os.path.split(path)
        _, kind = os.path.splitext(name)
        show = _SHOW.get(kind)
        if show is None:
            print(f"Ignoring unknown file {path}", file=sys.stderr)
            continue
        print(f"Dumping {path}")
        try:
            with OsDisk(folder or ".").open(name, "r") as file:
                worst = max(worst, show(file, name, options))
        except OSError as exc:
            print(f"{path}: {exc.strerror or exc}", file=sys.stderr)
            worst = 1
        except BrokenPipeError:
            return worst
    return worst


def _log(file: Any, name: str, options: argparse.Namespace) -> int:
    print(f"Log starting offset: {int(name.split('.')[0])}")
    at, end = 0, min(file.size(), options.max_bytes)
    deep = options.deep_iteration or options.print_data_log or options.offsets_decoder \
        or options.transaction_log_decoder
    while end - at >= HEADER_BYTES:
        header = describe(file.read_at(at, HEADER_BYTES))
        if header["total"] < HEADER_BYTES or header["total"] > file.size() - at:
            break
        batch = file.read_at(at, header["total"])
        try:
            validate(batch)
            valid = True
        except Malformed:
            valid = False
        print(_batch(header, at, valid))
        if deep and valid:
            for line in _records(batch, header, payload=options.print_data_log):
                print(line)
        at += header["total"]
        if not valid:
            break
    rest = file.read_at(at, min(end - at, READ_BYTES)).strip(b"\0")
    if rest:
        print(f"Found {end - at} invalid bytes at the end of {name}")
        return 1
    return 0


def _flag(value: bool) -> str:
    return str(bool(value)).lower()


def _batch(h: dict[str, Any], position: int, valid: bool) -> str:
    attributes = h["attributes"]
    last = h["base_sequence"] if h["base_sequence"] < 0 else h["base_sequence"] + h["last_delta"]
    kind = "LogAppendTime" if attributes & APPEND_TIME else "CreateTime"
    return (
        f"baseOffset: {h['base_offset']} lastOffset: {h['base_offset'] + h['last_delta']} "
        f"count: {h['count']} baseSequence: {h['base_sequence']} lastSequence: {last} "
        f"producerId: {h['producer_id']} producerEpoch: {h['producer_epoch']} "
        f"partitionLeaderEpoch: {h['leader_epoch']} "
        f"isTransactional: {_flag(attributes & TRANSACTIONAL)} "
        f"isControl: {_flag(attributes & CONTROL)} deleteHorizonMs: OptionalLong.empty "
        f"position: {position} {kind}: {h['max_timestamp']} size: {h['total']} "
        f"magic: {h['magic']} compresscodec: {CODECS[attributes & 7]} crc: {h['crc']} "
        f"isvalid: {_flag(valid)}"
    )


def _records(batch: bytes, h: dict[str, Any], *, payload: bool) -> Iterator[str]:
    kind = "LogAppendTime" if h["attributes"] & APPEND_TIME else "CreateTime"
    marker = marker_type(batch)
    for record in unpack(batch):
        sequence = h["base_sequence"]
        if sequence >= 0:
            sequence += record.offset - h["base_offset"]
        keys = ",".join(name for name, _ in record.headers)
        line = (
            f"| offset: {record.offset} {kind}: {record.timestamp} "
            f"keySize: {_size(record.key)} valueSize: {_size(record.value)} "
            f"sequence: {sequence} headerKeys: [{keys}]"
        )
        if marker >= 0:
            line += f" endTxnMarker: {MARKERS[marker]} coordinatorEpoch: 0"
        elif payload:
            if record.key is not None:
                line += f" key: {record.key.decode('utf-8', 'replace')}"
            value = "" if record.value is None else record.value.decode("utf-8", "replace")
            line += f" payload: {value}"
        yield line


def _size(data: bytes | None) -> int:
    return -1 if data is None else len(data)


def _index(
    entry: str, show: Callable[[int, tuple[int, ...]], str]
) -> Callable[[Any, str, argparse.Namespace], int]:
    """Entries of one size, back to back, their first field never falling."""
    layout = struct.Struct(entry)

    def dump(file: Any, name: str, options: argparse.Namespace) -> int:
        base = int(name.split(".")[0])
        data = file.read_at(0, file.size())
        before: int | None = None
        for fields in layout.iter_unpack(data[: len(data) - len(data) % layout.size]):
            if before is not None and not any(fields):
                break  # room taken ahead
            if before is not None and fields[0] < before:
                print(f"Index file {name} is corrupt: {fields[0]} follows {before}")
                return 1
            before = fields[0]
            if not (options.index_sanity_check or options.verify_index_only):
                print(show(base, fields))
        if options.index_sanity_check:
            print(f"{name} passed sanity check.")
        return 0

    return dump


_SHOW: dict[str, Callable[[Any, str, argparse.Namespace], int]] = {
    ".log": _log,
    ".index": _index(">ii", lambda base, f: f"offset: {base + f[0]} position: {f[1]}"),
    ".timeindex": _index(">qi", lambda base, f: f"timestamp: {f[0]} offset: {base + f[1]}"),
    ".txnindex": _index(
        ">hqqqq",
        lambda base, f: f"version: {f[0]} producerId: {f[1]} firstOffset: {f[2]} "
        f"lastOffset: {f[3]} lastStableOffset: {f[4]}",
    ),
}
