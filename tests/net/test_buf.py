"""Buf: bytes in at the end, out at the front."""

from hypothesis import given
from hypothesis import strategies as st

from bedrock.net import Buf


def test_holds_what_was_written():
    buf = Buf(b"abc")
    buf.write(bytearray(b"def"))
    buf.write(memoryview(b"gh"))
    assert bytes(buf) == b"abcdefgh"
    assert len(buf) == 8


def test_take_empties_it():
    buf = Buf(b"abc")
    assert buf.take() == b"abc"
    assert bytes(buf) == b""
    assert buf.take() == b""


@given(st.lists(st.binary(max_size=5000)))
def test_grows_without_losing_a_byte(parts):
    buf = Buf()
    for part in parts:
        buf.write(part)
    assert bytes(buf) == b"".join(parts)
