"""CRC-32C: known sums, both code paths, and the independent library."""

import google_crc32c
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bedrock.codec.crc32c import crc32c, crc32c_chunks, crc32c_without_hardware

NOISE = bytes((i * 197 + (i >> 8) * 31 + 7) & 0xFF for i in range(70_000))


# RFC 3720 appendix B.4, and the customary check value.
@pytest.mark.parametrize(
    ("data", "sum_"),
    [
        (b"", 0),
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(range(31, -1, -1)), 0x113FDB5C),
        (b"123456789", 0xE3069283),
    ],
)
def test_known_sums(data, sum_):
    assert crc32c(data) == crc32c_without_hardware(data) == sum_


@pytest.mark.parametrize("path", [crc32c, crc32c_without_hardware])
def test_every_length_and_alignment_agrees_with_another_implementation(path):
    lengths = [*range(420), *range(512, 6200, 251), 6143, 6144, 6145, 12_288, 12_300, 65_536]
    for length in lengths:
        for start in (0, 1, 7):
            piece = NOISE[start : start + length]
            assert path(piece) == google_crc32c.value(piece), (start, length)


@given(st.binary(max_size=2000), st.binary(max_size=2000))
def test_a_sum_goes_on_from_an_earlier_one(first, second):
    assert crc32c(second, crc32c(first)) == crc32c(first + second)
    assert crc32c_without_hardware(second, crc32c(first)) == crc32c(first + second)


def test_chunks_are_summed_one_by_one():
    sums = crc32c_chunks(NOISE[:1300], 512)
    words = [int.from_bytes(sums[i : i + 4], "big") for i in range(0, len(sums), 4)]
    assert words == [crc32c(NOISE[i : min(i + 512, 1300)]) for i in (0, 512, 1024)]
    assert crc32c_chunks(b"", 512) == b""
    with pytest.raises(ValueError, match="positive"):
        crc32c_chunks(b"x", 0)
