"""Selectors find what a look at every series would find."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsdb.labels import labels_of
from tsdb.matchers import Matcher
from tsdb.postings import Postings, Sorted, StoredPostings
from tsdb.regex import BadRegex, compile_regex

VALUES = st.sampled_from(["", "a", "b", "ab", "a|b"])
SERIES = st.lists(st.dictionaries(st.sampled_from("xyz"), VALUES), max_size=12)
MATCHERS = st.lists(
    st.builds(
        Matcher,
        st.sampled_from("xyz"),
        st.sampled_from(["=", "!=", "=~", "!~"]),
        st.sampled_from(["", "a", "b", "a|b", "a.*", ".*", ".+", "|a"]),
    ),
    max_size=3,
)


@given(SERIES, MATCHERS, st.booleans())
def test_select_agrees_with_looking_at_every_series(series, matchers, stored):
    postings = Postings()
    for number, labels in enumerate(series):
        postings.add(number, labels_of(labels).key)
    if stored:
        postings = StoredPostings(postings.packed(), len(series))
    expected = [
        number
        for number, labels in enumerate(series)
        if all(m.matches(labels.get(m.name, "")) for m in matchers)
    ]
    assert list(postings.select(matchers)) == expected


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 60)), max_size=200))
def test_strings_that_come_and_go_are_in_order(changes):
    kept, expected = Sorted(), set()
    for comes, number in changes:
        value = str(number)
        if comes and value not in expected:
            kept.add(value)
            expected.add(value)
        elif not comes and value in expected:
            kept.remove(value)
            expected.remove(value)
    assert kept.all() == sorted(expected)


def test_many_strings_are_in_order():
    kept = Sorted()
    values = [f"host-{i * 7919 % 5000}" for i in range(5000)]
    for value in values:
        kept.add(value)
    assert kept.all() == sorted(values)
    assert len(kept.lists) > 5
    for value in values:
        kept.remove(value)
    assert kept.all() == []


@given(SERIES)
def test_removing_all_series_leaves_nothing(series):
    postings = Postings()
    for number, labels in enumerate(series):
        postings.add(number, labels_of(labels).key)
    for number, labels in enumerate(series):
        postings.remove(number, labels_of(labels).key)
    assert not postings.by_name
    assert not postings.everything


@pytest.mark.parametrize(
    ("pattern", "matching", "other"),
    [
        ("((?i)PRO).*", "production", "canary"),
        ("a(?i)b|C", "c", "A"),
        (r"\Qa.b\E+", "a.bb", "axb"),
        (r"foo\z", "foo", "foo\n"),
        ("[(?i)]+", "(i)", "I"),
    ],
)
def test_re2_syntax_means_what_it_means_there(pattern, matching, other):
    assert compile_regex(pattern).fullmatch(matching)
    assert not compile_regex(pattern).fullmatch(other)


@pytest.mark.parametrize("pattern", ["(", "a(?=b)", r"(a)\1", "*", "[a", "a{2,1}"])
def test_what_re2_refuses_is_refused(pattern):
    with pytest.raises(BadRegex, match="error parsing regexp"):
        compile_regex(pattern)
