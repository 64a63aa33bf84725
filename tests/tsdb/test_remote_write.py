"""Remote-write messages become samples, or are refused whole."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bedrock.codec.compress import compress
from bedrock.codec.errors import Malformed, TooLarge
from tests.tsdb.wire import contents, memory_store, remote_write_body, write_request
from tsdb.remote_write import BadRequest

UP = (("__name__", "up"), ("job", "x"))
DOWN = (("__name__", "down"), ("job", "x"))


def test_samples_arrive(store):
    body = remote_write_body({UP: [(1, 1.0), (2, 0.0)], DOWN: [(1, -0.5)]})
    store.write_remote(body)
    store.write_remote(body)
    assert contents(store) == {UP: {1: 1.0, 2: 0.0}, DOWN: {1: -0.5}}


@pytest.mark.parametrize(
    ("labels", "why"),
    [
        ((), "without labels"),
        ((("__name__", "a-b"),), "invalid metric name"),
        ((("__name__", "a"), ("b-c", "x")), "invalid label name"),
        ((("__name__", "a"), ("b", "1"), ("b", "2")), "not unique"),
        ((("", "x"),), "empty label name"),
    ],
)
def test_labels_that_cannot_be_are_refused_with_the_whole_request(store, labels, why):
    with pytest.raises(BadRequest, match=why):
        store.write_remote(remote_write_body({UP: [(1, 1.0)], labels: [(1, 1.0)]}))
    assert contents(store) == {}


def test_a_snappy_bomb_is_refused_by_its_declared_size(store):
    with pytest.raises(TooLarge):
        store.write_remote(compress("snappy", bytes(33 << 20)))
    with pytest.raises(TooLarge):
        store.write_remote(b"\xff\xff\xff\xff\x0f")


def test_unknown_fields_are_passed_over(store):
    message = write_request({UP: [(1, 1.0)]}) + b"\x1a\x02\x08\x01" + b"\x2d\0\0\0\0" + b"\x30\x07"
    store.write_remote(compress("snappy", message))
    assert contents(store) == {UP: {1: 1.0}}


MESSAGE = write_request({UP: [(1, 1.0), (2, 2.0)], DOWN: [(3, 3.0)]})


CHANGE = st.tuples(st.integers(0, len(MESSAGE) - 1), st.integers(0, 255))


@given(st.integers(0, len(MESSAGE)), st.lists(CHANGE, max_size=4))
def test_a_mutilated_message_is_taken_or_refused(cut, changes):
    data = bytearray(MESSAGE)
    for at, byte in changes:
        data[at] = byte
    try:
        memory_store().write_remote(compress("snappy", bytes(data[:cut])))
    except BadRequest:
        pass


@given(st.binary(max_size=100))
def test_bytes_that_are_not_snappy_are_refused(data):
    try:
        memory_store().write_remote(data)
    except (BadRequest, Malformed, TooLarge):
        pass
