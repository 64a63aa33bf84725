"""Compression: each codec against its library, and bombs stopped at the cap."""

import gzip
import struct
import tracemalloc

import cramjam
import lz4.frame
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from bedrock.codec.compress import CODECS, SNAPPY_JAVA_MAGIC, compress, decompress
from bedrock.codec.errors import Malformed, TooLarge
from bedrock.codec.varint import encode_uvarint

TEXT = b"a log is a sequence of records " * 4000
FRAMED = ["gzip", "snappy", "snappy-java", "lz4", "zstd"]


def zstd_of_unknown_size(data: bytes) -> bytes:
    packer = zstandard.ZstdCompressor().compressobj()
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize("name", CODECS)
@pytest.mark.parametrize("data", [b"", b"x", TEXT])
def test_what_went_in_comes_out(name, data):
    packed = compress(name, data)
    assert decompress(name, packed, len(data)) == data
    assert decompress(name, memoryview(bytearray(packed)), len(data) + 1) == data


@pytest.mark.parametrize(
    ("name", "packed"),
    [
        ("gzip", gzip.compress(TEXT)),
        ("gzip", gzip.compress(TEXT[:999]) + gzip.compress(TEXT[999:])),
        ("snappy", bytes(cramjam.snappy.compress_raw(TEXT))),
        ("snappy", compress("snappy-java", TEXT)),
        ("lz4", lz4.frame.compress(TEXT, store_size=False, content_checksum=True)),
        ("lz4", lz4.frame.compress(TEXT[:999]) + lz4.frame.compress(TEXT[999:])),
        ("zstd", zstandard.compress(TEXT)),
        ("zstd", zstd_of_unknown_size(TEXT)),
        ("zstd", zstandard.compress(TEXT[:999]) + zstandard.compress(TEXT[999:])),
    ],
)
def test_what_other_writers_make_is_read(name, packed):
    assert decompress(name, packed, len(TEXT)) == TEXT


@pytest.mark.parametrize("name", FRAMED)
def test_one_byte_over_the_cap_is_too_large(name):
    with pytest.raises(TooLarge):
        decompress(name, compress(name, TEXT), len(TEXT) - 1)


ZEROS = bytes(64 << 20)


@pytest.mark.parametrize(
    ("name", "bomb"),
    [
        ("gzip", gzip.compress(ZEROS)),
        ("snappy", encode_uvarint(0xFFFFFFFF) + b"\xfe\x01\x00" * 64),
        ("snappy-java", compress("snappy-java", ZEROS)),
        ("lz4", lz4.frame.compress(ZEROS)),
        ("lz4", lz4.frame.compress(ZEROS, store_size=False)),
        ("zstd", zstandard.compress(ZEROS)),
        ("zstd", zstd_of_unknown_size(ZEROS)),
    ],
)
def test_a_bomb_is_refused_in_little_memory(name, bomb):
    tracemalloc.start()
    try:
        with pytest.raises(TooLarge):
            decompress(name, bomb, 1 << 20)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", FRAMED)
def test_every_truncation_is_malformed(name):
    packed = compress(name, TEXT[:3000])
    for cut in range(len(packed)):
        if name == "snappy-java" and cut == 16:
            continue  # a frame without blocks is an empty stream
        with pytest.raises(Malformed):
            decompress(name, packed[:cut], 1 << 20)


@pytest.mark.parametrize("length", [0, -1, 2**31 - 1, -(2**31)])
def test_a_snappy_java_block_length_is_checked(length):
    stream = SNAPPY_JAVA_MAGIC + struct.pack(">iii", 1, 1, length) + b"\x00"
    with pytest.raises(Malformed):
        decompress("snappy", stream, 1 << 20)


def test_a_snappy_java_stream_does_not_nest():
    inner = compress("snappy-java", b"x")
    stream = SNAPPY_JAVA_MAGIC + struct.pack(">iii", 1, 1, len(inner)) + inner
    with pytest.raises(Malformed, match="inside"):
        decompress("snappy", stream, 1 << 20)


@pytest.mark.parametrize("name", FRAMED)
@given(noise=st.binary(max_size=300))
def test_noise_is_malformed_or_within_the_cap(name, noise):
    try:
        assert len(decompress(name, noise, 1000)) <= 1000
    except Malformed:
        pass


@pytest.mark.parametrize("name", FRAMED)
@given(st.data())
def test_a_changed_byte_is_malformed_or_within_the_cap(name, data):
    packed = bytearray(compress(name, TEXT[:200] + bytes(range(256))))
    at = data.draw(st.integers(0, len(packed) - 1))
    packed[at] ^= data.draw(st.integers(1, 255))
    try:
        assert len(decompress(name, packed, 2000)) <= 2000
    except Malformed:
        pass


def test_an_unknown_codec_is_named():
    with pytest.raises(ValueError, match="brotli"):
        compress("brotli", b"")
