"""Compression by name, with a cap on what comes out.

    none | gzip | snappy | snappy-java | lz4 | zstd

`snappy` is the raw block format (Prometheus remote-write, librdkafka).  `snappy-java` is what the
Java Kafka client writes, raw blocks in a frame of its own; when reading, "snappy" knows it by its
magic and takes both:

    82 'SNAPPY' 00 | version i32 | compatible i32 | { length i32, raw block }*      big-endian

`lz4` is the LZ4 frame, `gzip` RFC 1952, `zstd` RFC 8878; several frames or members in a row are
one stream, as those formats say.

A few hundred bytes can unfold to gigabytes.  So `decompress` takes the most it may return: a
declared size is compared before anything is allocated, and the stream is cut at the cap where none
is declared or where it lied.  The libraries are imported on first use.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable

from bedrock.codec.errors import Malformed, TooLarge
from bedrock.codec.varint import decode_uvarint

SNAPPY_JAVA_MAGIC = b"\x82SNAPPY\x00"
SNAPPY_JAVA_BLOCK = 32 << 10
ZSTD_WINDOW_MAX = 1 << 27  # what every zstd decoder accepts by default

Bytes = bytes | bytearray | memoryview


def compress(name: str, data: Bytes) -> bytes:
    """`data` in the named form, at the library's default level."""
    return _lookup(name)[0](data)


def decompress(name: str, data: Bytes, max_bytes: int) -> bytes:
    """What `data` holds; TooLarge above max_bytes, Malformed when it breaks its format."""
    return _lookup(name)[1](data, max_bytes)


def _lookup(name: str) -> tuple[Callable[[Bytes], bytes], Callable[[Bytes, int], bytes]]:
    try:
        return CODECS[name]
    except KeyError:
        raise ValueError(f"no codec {name!r}; there are {', '.join(CODECS)}") from None


def _too_large(max_bytes: int) -> TooLarge:
    return TooLarge(f"unfolds to more than {max_bytes} bytes")


def _pack_none(data: Bytes) -> bytes:
    return bytes(data)


def _unpack_none(data: Bytes, max_bytes: int) -> bytes:
    if len(data) > max_bytes:
        raise _too_large(max_bytes)
    return bytes(data)


def _unpack_stream(
    start: Callable, failure: type[Exception], name: str, data: Bytes, max_bytes: int
) -> bytes:
    """Frames in a row; `start()` makes a decoder with `decompress(data, max)` and `eof`."""
    parts: list[bytes] = []
    room = max_bytes
    rest: Bytes = data
    try:
        while True:
            decoder = start()
            # One byte over the cap is asked for, so that "just full" differs from "cut off".
            while not decoder.eof:
                part = decoder.decompress(rest, room + 1)
                room -= len(part)
                if room < 0:
                    raise _too_large(max_bytes)
                parts.append(part)
                rest = getattr(decoder, "unconsumed_tail", b"")
                if not part and not rest and not decoder.eof:
                    raise Malformed(f"{name} stream is cut off")
            rest = decoder.unused_data
            if not rest:
                return b"".join(parts)
    except failure as exc:
        raise Malformed(f"bad {name} stream: {exc}") from exc


def _pack_gzip(data: Bytes) -> bytes:
    import gzip

    return gzip.compress(data, mtime=0)


def _unpack_gzip(data: Bytes, max_bytes: int) -> bytes:
    return _unpack_stream(lambda: zlib.decompressobj(wbits=31), zlib.error, "gzip", data, max_bytes)


def _pack_lz4(data: Bytes) -> bytes:
    from lz4 import frame

    return frame.compress(data)


def _unpack_lz4(data: Bytes, max_bytes: int) -> bytes:
    from lz4 import frame

    return _unpack_stream(frame.LZ4FrameDecompressor, RuntimeError, "lz4", data, max_bytes)


def _pack_zstd(data: Bytes) -> bytes:
    import zstandard

    return zstandard.ZstdCompressor().compress(data)


def _unpack_zstd(data: Bytes, max_bytes: int) -> bytes:
    import zstandard

    try:
        declared = zstandard.frame_content_size(data)
        if declared > max_bytes:
            raise _too_large(max_bytes)
        decoder = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW_MAX)
        with decoder.stream_reader(bytes(data), read_across_frames=True) as reader:
            out = reader.read(max_bytes + 1)
    except zstandard.ZstdError as exc:
        raise Malformed(f"bad zstd stream: {exc}") from exc
    if len(out) > max_bytes:
        raise _too_large(max_bytes)
    # The reader takes a missing end for the end of the input; only the header can tell.
    if len(out) < declared:
        raise Malformed("zstd stream is cut off")
    return out


def _pack_snappy(data: Bytes) -> bytes:
    import cramjam

    return bytes(cramjam.snappy.compress_raw(data))


def _unpack_snappy(data: Bytes, max_bytes: int) -> bytes:
    if bytes(data[:8]) == SNAPPY_JAVA_MAGIC:
        return _unpack_snappy_java(data, max_bytes)
    import cramjam

    declared, _ = decode_uvarint(data)
    if declared > max_bytes:
        raise _too_large(max_bytes)
    try:
        return bytes(cramjam.snappy.decompress_raw(data))
    except cramjam.DecompressionError as exc:
        raise Malformed(f"bad snappy block: {exc}") from exc


def _pack_snappy_java(data: Bytes) -> bytes:
    parts = [SNAPPY_JAVA_MAGIC, struct.pack(">ii", 1, 1)]
    for start in range(0, len(data), SNAPPY_JAVA_BLOCK):
        block = _pack_snappy(data[start : start + SNAPPY_JAVA_BLOCK])
        parts += [struct.pack(">i", len(block)), block]
    return b"".join(parts)


def _unpack_snappy_java(data: Bytes, max_bytes: int) -> bytes:
    if len(data) < 16 or bytes(data[:8]) != SNAPPY_JAVA_MAGIC:
        raise Malformed("not a snappy-java stream")
    parts: list[bytes] = []
    room = max_bytes
    at = 16
    while at < len(data):
        if at + 4 > len(data):
            raise Malformed("snappy-java stream is cut off")
        (length,) = struct.unpack_from(">i", data, at)
        at += 4
        if not 0 < length <= len(data) - at:
            raise Malformed(f"snappy-java block of {length} bytes, {len(data) - at} left")
        block = data[at : at + length]
        if bytes(block[:8]) == SNAPPY_JAVA_MAGIC:
            raise Malformed("snappy-java stream inside a block")
        parts.append(_unpack_snappy(block, room))
        room -= len(parts[-1])
        at += length
    return b"".join(parts)


CODECS: dict[str, tuple[Callable[[Bytes], bytes], Callable[[Bytes, int], bytes]]] = {
    "none": (_pack_none, _unpack_none),
    "gzip": (_pack_gzip, _unpack_gzip),
    "snappy": (_pack_snappy, _unpack_snappy),
    "snappy-java": (_pack_snappy_java, _unpack_snappy_java),
    "lz4": (_pack_lz4, _unpack_lz4),
    "zstd": (_pack_zstd, _unpack_zstd),
}
