"""Selectors' regular expressions: what they match is what `re` says, in linear time."""

import random
import re
import time
from re import _parser

import pytest

from tsdb.automaton import Automaton, automaton_of
from tsdb.regex import BadRegex, compile_regex


def pattern(rand, depth):
    """A pattern of everything there is an instruction for."""
    inner = (lambda: pattern(rand, depth - 1)) if depth else (lambda: rand.choice("abcA1_-"))
    match rand.randrange(10 if depth else 3):
        case 0:
            return rand.choice("abcA1_-")
        case 1:
            return rand.choice([r"\d", r"\w", "[a-c]", "[^a]", "[^a-b1]", r"\.", r"\S", "."])
        case 2:
            return rand.choice(["", "^", "a$"])
        case 3 | 4:
            return inner() + inner()
        case 5:
            return f"({inner()}|{inner()})"
        case 6:
            return f"(?:{inner()})" + rand.choice(["*", "+", "?", "{2}", "{1,3}", "{2,}", "*?"])
        case 7:
            return f"({inner()})*"
        case 8:
            return f"(?i:{inner()})"
    return f"{inner()}|{inner()}"


def test_the_automaton_matches_what_re_matches():
    rand = random.Random(1)
    for _ in range(3000):
        written = pattern(rand, 4)
        theirs, ours = re.compile(written), Automaton(_parser.parse(written))
        for _ in range(5):
            text = "".join(rand.choice("aabbcAB1_. ") for _ in range(rand.randrange(9)))
            assert ours.matches(text) == (theirs.fullmatch(text) is not None), (written, text)


@pytest.mark.parametrize(
    "written", ["(a+)+b", "(a|aa)*b", "(.*)*x", ".*.*.*.*.*=.*", "(a?){30}a{30}b", "((a*)*)*b"]
)
def test_no_pattern_takes_for_ever(written):
    begun = time.monotonic()
    assert not compile_regex(written).matches("a" * 3000)
    assert compile_regex(written).fullmatch("a" * 3000) is None
    assert time.monotonic() - begun < 1


def test_what_is_simple_is_left_to_re():
    for written in ("foo.*", "a|b|c.*", "h[12]", "(GET|POST)", "node-[0-9]+", "(?i)x"):
        assert automaton_of(written) is None


def test_a_pattern_too_large_is_refused():
    with pytest.raises(BadRegex, match="too large"):
        compile_regex("((a{1000}){100}){100}")
