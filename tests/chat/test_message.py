"""Lines of IRC: parsed, formatted, cut to size."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.message import (
    LINE_BYTES,
    Message,
    Outgoing,
    Wants,
    escape,
    format_line,
    parse,
    parse_tags,
)

CASES = [
    (b"PING", Message("PING")),
    (b"privmsg #a :hello world", Message("PRIVMSG", ["#a", "hello world"])),
    (b":ann!a@h JOIN #a", Message("JOIN", ["#a"], "ann!a@h")),
    (b"@a=b;+c :x  Y  z  :", Message("Y", ["z", ""], "x", {"a": "b", "+c": ""})),
    (b"MODE :", Message("MODE", [""])),
    (b"X 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16", Message("X", [*map(str, range(1, 15)), "15 16"])),
    (b"", None),
    (b"   ", None),
    (b"@tags", None),
    (b":source", None),
]


@pytest.mark.parametrize(("line", "message"), CASES)
def test_parses(line, message):
    assert parse(line) == message


@given(st.binary(max_size=600))
def test_any_bytes_parse(data):
    parse(data)


WORD = st.text(
    st.characters(codec="utf-8", exclude_characters=" \r\n\0:@"), min_size=1, max_size=20
)


@given(
    WORD,
    st.lists(WORD, max_size=5),
    st.text(st.characters(exclude_characters="\r\n\0", codec="utf-8"), max_size=40),
)
def test_what_is_formatted_parses_back(source, params, last):
    line = format_line(source, "CMD", [*params, last])
    assert parse(line[:-2]) == Message("CMD", [*params, last], source)


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=2000))
def test_long_lines_are_cut_at_a_character(text):
    line = format_line("n!u@h", "PRIVMSG", ["#c", text])
    assert len(line) <= LINE_BYTES
    assert line.endswith(b"\r\n")
    line.decode()


@given(st.text(max_size=50))
def test_tag_values_survive_escaping(value):
    assert parse_tags(f"k={escape(value)};z") == {"k": value, "z": ""}


def test_bytes_that_are_not_utf8_pass_through():
    message = parse(b"PRIVMSG a :caf\xe9")
    assert format_line("", "PRIVMSG", message.params) == b"PRIVMSG a caf\xe9\r\n"


def test_a_recipient_gets_the_tags_it_asked_for():
    said = Outgoing("a", "PRIVMSG", ["#c", "x"], time="T", msgid="id", client_tags={"+r": "a b"})
    assert said.encode(0) == b":a PRIVMSG #c x\r\n"
    assert said.encode(Wants.TIME) == b"@time=T :a PRIVMSG #c x\r\n"
    assert said.encode(Wants.TIME | Wants.TAGS) == (
        b"@time=T;msgid=id;+r=a\\sb :a PRIVMSG #c x\r\n"
    )
