"""Prometheus' blocks, written and read: the way out to a real Prometheus, and the way in from one.

    <ulid>/meta.json
           chunks/000001     u32 magic, u8 version, 3 x 0; chunks: varint length, u8 encoding (1),
                             the XOR chunk (see `xor_chunk`), u32 CRC-32C of encoding and chunk
           index             u32 magic, u8 version; symbols; series, each aligned to 16; postings,
                             each aligned to 4; the table of postings' offsets; six u64 offsets

Big-endian; every section but the last is u32 length, content, u32 CRC-32C (Prometheus,
tsdb/docs/format).  A block holds a range of time that begins at a multiple of its span.

Left out: native histograms, tombstones (what was deleted is not exported; a block imported must
have been cleaned).
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING

from bedrock.codec.crc32c import crc32c
from bedrock.storage.errors import Damaged
from bedrock.world import Disk, World
from tsdb.labels import Labels, labels_of
from tsdb.matchers import Matcher
from tsdb.xor_chunk import chunks_of, decode

if TYPE_CHECKING:
    from tsdb.selection import Selection
    from tsdb.store import Store

CHUNKS_MAGIC, CHUNKS_HEAD = 0x85BD40DD, struct.pack(">IB3x", 0x85BD40DD, 1)
INDEX_MAGIC, INDEX_HEAD = 0xBAAAD700, struct.pack(">IB", 0xBAAAD700, 2)
XOR_ENCODING = 1
SEGMENT_MAX = 512 << 20
ULID_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
EVERYTHING = (Matcher("__name__", "=~", ".*"),)


def ulid(world: World) -> str:
    """A name for a block: 48 bits of time, 80 bits of chance."""
    number = world.clock.wall_ms() << 80 | world.rand.u64() << 16 | world.rand.below(1 << 16)
    return "".join(ULID_LETTERS[number >> shift & 31] for shift in range(125, -1, -5))


def _varint(number: int) -> bytes:
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _zigzag(number: int) -> bytes:
    return _varint(number << 1 if number >= 0 else (-number << 1) - 1)


def _check(content: bytes) -> bytes:
    return struct.pack(">I", crc32c(content))


def _section(content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + content + _check(content)


# ---- writing -------------------------------------------------------------------------------


def export(store: Store, into: Disk, span_ms: int) -> list[str]:
    """Write all of a store as blocks of span_ms; returns their names."""
    names = []
    for start in spans(store, span_ms):
        found = store.finder.select(EVERYTHING, start, start + span_ms - 1)
        name = ulid(store.world)
        if _write(found, into.sub(name), name, start, start + span_ms):
            names.append(name)
    return names


def spans(store: Store, span_ms: int) -> Iterator[int]:
    """Multiples of span_ms at which spans begin that may hold samples."""
    bounds = [(block.first, block.last) for block in store.blocks]
    if store.head.samples:
        bounds.append((store.head.first, store.head.last))
    begins = {n for low, high in bounds for n in range(low // span_ms, high // span_ms + 1)}
    for n in sorted(begins):
        yield n * span_ms


def _write(found: Selection, into: Disk, name: str, low: int, high: int) -> bool:
    """Write one block; False if there is nothing to write."""
    series: list[tuple[Labels, list[tuple[int, int, int]]]] = []
    segments: list[bytearray] = []
    samples = 0
    for row, labels in enumerate(found.labels):
        entries = []
        for first, last, chunk in chunks_of(found, row):
            if not segments or len(segments[-1]) + len(chunk) > SEGMENT_MAX:
                segments.append(bytearray(CHUNKS_HEAD))
            segment = segments[-1]
            entries.append((first, last, len(segments) - 1 << 32 | len(segment)))
            body = bytes((XOR_ENCODING,)) + chunk
            segment += _varint(len(chunk)) + body + _check(body)
            samples += int.from_bytes(chunk[:2], "big")
        if entries:
            series.append((labels, entries))
    if not series:
        return False
    for number, segment in enumerate(segments, 1):
        into.replace(f"chunks/{number:06d}", bytes(segment))
    into.replace("index", _index(series))
    stats = {
        "numSamples": samples,
        "numSeries": len(series),
        "numChunks": sum(len(entries) for _, entries in series),
    }
    meta = {
        "ulid": name, "minTime": low, "maxTime": high, "stats": stats,
        "compaction": {"level": 1, "sources": [name]}, "version": 1,
    }  # fmt: skip
    into.replace("meta.json", json.dumps(meta).encode())
    return True


def _index(series: list[tuple[Labels, list[tuple[int, int, int]]]]) -> bytes:
    symbols = sorted({text.encode() for labels, _ in series for p in labels.pairs for text in p})
    number = {symbol: i for i, symbol in enumerate(symbols)}
    out = bytearray(INDEX_HEAD)
    symbols_at = len(out)
    listed = b"".join(_varint(len(symbol)) + symbol for symbol in symbols)
    out += _section(struct.pack(">I", len(symbols)) + listed)
    postings: dict[tuple[bytes, bytes], list[int]] = {(b"", b""): []}
    series_at = 0
    for labels, entries in series:
        out += bytes(-len(out) % 16)
        series_at = series_at or len(out)
        reference = len(out) // 16
        postings[b"", b""].append(reference)
        content = bytearray(_varint(len(labels)))
        for pair in labels.pairs:
            name, value = pair[0].encode(), pair[1].encode()
            content += _varint(number[name]) + _varint(number[value])
            postings.setdefault((name, value), []).append(reference)
        content += _varint(len(entries))
        before = (0, 0)  # last time and reference of the chunk before
        for i, (first, last, at) in enumerate(entries):
            content += _varint(first - before[0]) if i else _zigzag(first)
            content += _varint(last - first)
            content += _zigzag(at - before[1]) if i else _varint(at)
            before = last, at
        out += _varint(len(content)) + content + _check(bytes(content))
    postings_at = len(out) + (-len(out) % 4)
    table = bytearray(struct.pack(">I", len(postings)))
    for (name, value), references in sorted(postings.items()):
        out += bytes(-len(out) % 4)
        table += b"\x02" + _varint(len(name)) + name + _varint(len(value)) + value
        table += _varint(len(out))
        out += _section(struct.pack(f">I{len(references)}I", len(references), *references))
    table_at = len(out)
    out += _section(bytes(table))
    contents = struct.pack(">6Q", symbols_at, series_at, 0, 0, postings_at, table_at)
    return bytes(out) + contents + _check(contents)


# ---- reading -------------------------------------------------------------------------------


class _Reader:
    """Bytes of a file, with a place in them; Damaged where they end too early."""

    def __init__(self, name: str, data: bytes):
        self.name, self.data, self.at = name, data, 0

    def damaged(self, why: str) -> Damaged:
        return Damaged(self.name, self.at, why)

    def take(self, size: int) -> bytes:
        if size < 0 or self.at + size > len(self.data):
            raise self.damaged("cut off")
        self.at += size
        return self.data[self.at - size : self.at]

    def fixed(self, form: str) -> int:
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def varint(self) -> int:
        value = shift = 0
        while shift < 70:
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7
        raise self.damaged("bad varint")

    def zigzag(self) -> int:
        value = self.varint()
        return value >> 1 ^ -(value & 1)

    def checked(self, size: int) -> _Reader:
        """The next bytes, whose checksum follows them."""
        content = self.take(size)
        if self.take(4) != _check(content):
            raise self.damaged("bad checksum")
        return _Reader(self.name, content)


def import_blocks(disk: Disk, store: Store) -> int:
    """Write all samples of the blocks in a Prometheus data directory; returns how many."""
    names = {name.split("/")[0] for name in disk.list() if name.endswith("/meta.json")}
    samples = 0
    for name in sorted(names):
        for labels, chunks in _series(disk.sub(name)):
            for chunk in chunks:
                times, values = decode(chunk)
                store.add(labels, times, values)
                samples += len(times)
        store.world.turn.run()
        store.flush(2**62)
    return samples


def _series(disk: Disk) -> Iterator[tuple[Labels, list[bytes]]]:
    """Labels and chunks of the series of a block."""
    segments = [_Reader(name, disk.read(name)) for name in sorted(disk.list("chunks/"))]
    for segment in segments:
        if segment.fixed(">I") != CHUNKS_MAGIC:
            raise segment.damaged("not a segment of chunks")
    index = _Reader("index", disk.read("index"))
    if index.fixed(">I") != INDEX_MAGIC or index.fixed(">B") != 2:
        raise index.damaged("not an index of version 2")
    index.at = len(index.data) - 52
    contents = index.checked(48)
    symbols_at, series_at, label_indices_at, _, postings_at, _ = (
        contents.fixed(">Q") for _ in range(6)
    )
    index.at = symbols_at
    listed = index.checked(index.fixed(">I"))
    symbols = [listed.take(listed.varint()).decode() for _ in range(listed.fixed(">I"))]
    index.at = series_at
    end = label_indices_at or postings_at
    while True:
        index.at += -index.at % 16
        if not series_at or index.at >= end:
            return
        size = index.varint()
        if size == 0:
            return
        entry = index.checked(size)
        pairs = {}
        for _ in range(entry.varint()):
            name, value = entry.varint(), entry.varint()
            if max(name, value) >= len(symbols):
                raise index.damaged("a symbol that is not there")
            pairs[symbols[name]] = symbols[value]
        chunks = []
        at = 0
        for i in range(entry.varint()):
            entry.varint()  # first time, of which the first chunk has the sign
            entry.varint()  # how long it lasts
            at = at + entry.zigzag() if i else entry.varint()
            chunks.append(_chunk(segments, at))
        yield labels_of(pairs), chunks


def _chunk(segments: list[_Reader], reference: int) -> bytes:
    number, at = reference >> 32, reference & 0xFFFFFFFF
    if number >= len(segments):
        raise Damaged("index", 0, "a segment of chunks that is not there")
    segment = segments[number]
    segment.at = at
    body = segment.checked(segment.varint() + 1)
    if body.fixed(">B") != XOR_ENCODING:
        raise segment.damaged("a chunk that is not XOR: native histograms are not kept")
    return body.take(len(body.data) - 1)
