"""Varints: the bytes of the specifications, every edge, and nothing past the end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bedrock.codec.errors import Malformed
from bedrock.codec.varint import decode_uvarint, decode_varint, encode_uvarint, encode_varint

U64 = st.integers(0, 2**64 - 1)
I64 = st.integers(-(2**63), 2**63 - 1)


@pytest.mark.parametrize(
    ("value", "wire"),
    [(0, "00"), (1, "01"), (127, "7f"), (128, "8001"), (300, "ac02"), (2**64 - 1, "ff" * 9 + "01")],
)
def test_unsigned_numbers_have_the_documented_bytes(value, wire):
    assert encode_uvarint(value).hex() == wire
    assert decode_uvarint(bytes.fromhex(wire)) == (value, len(wire) // 2)


@pytest.mark.parametrize(
    ("value", "wire"), [(0, "00"), (-1, "01"), (1, "02"), (-2, "03"), (-(2**63), "ff" * 9 + "01")]
)
def test_signed_numbers_are_zigzag_mapped(value, wire):
    assert encode_varint(value).hex() == wire
    assert decode_varint(bytes.fromhex(wire)) == (value, len(wire) // 2)


@given(U64, I64)
def test_every_number_comes_back(unsigned, signed):
    data = b"\xff" + encode_uvarint(unsigned) + encode_varint(signed)
    value, after = decode_uvarint(data, 1)
    assert value == unsigned
    assert decode_varint(data, after) == (signed, len(data))


@pytest.mark.parametrize("wire", ["", "80", "ff" * 9, "ff" * 10, "ff" * 9 + "02", "80" * 11])
def test_cut_off_and_oversized_numbers_are_malformed(wire):
    with pytest.raises(Malformed):
        decode_uvarint(bytes.fromhex(wire))


@pytest.mark.parametrize("offset", [-1, 3, 2**40])
def test_an_offset_outside_the_data_is_refused(offset):
    with pytest.raises(ValueError, match="offset"):
        decode_uvarint(b"\x01\x02", offset)


@pytest.mark.parametrize("value", [-1, 2**64])
def test_what_does_not_fit_is_refused(value):
    with pytest.raises(OverflowError):
        encode_uvarint(value)
