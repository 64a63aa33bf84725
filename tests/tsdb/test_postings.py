"""Selectors find what a look at every series would find."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsdb.labels import labels_of
from tsdb.matchers import Matcher
from tsdb.postings import Postings, StoredPostings
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
        postings = StoredPostings(postings.stored(), len(series))
    expected = [
        number
        for number, labels in enumerate(series)
        if all(m.matches(labels.get(m.name, "")) for m in matchers)
    ]
    assert list(postings.select(matchers)) == expected


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
