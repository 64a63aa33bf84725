"""PromQL means what it means in Prometheus 2.42."""

import math
import struct
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tsdb.labels import labels_of
from tsdb.promql import json_out
from tsdb.promql.engine import instant_query, range_query
from tsdb.promql.errors import ParseError, QueryError
from tsdb.promql.parser import parse


def rows(result):
    """{labels: {step ms: value}} of a vector."""
    value = result.value
    return {
        labels.pairs: {
            int(t): float(v)
            for t, v, p in zip(result.times, value.values[i], value.present[i], strict=True)
            if p
        }
        for i, labels in enumerate(value.labels)
    }


def test_a_range_query_is_its_instant_queries(store):
    rng = np.random.default_rng(1)
    for name in "ab":
        for i in range(3):
            gone = rng.random(200) < 0.2
            times = np.arange(200)[~gone] * 15_000
            labels = labels_of({"__name__": name, "i": str(i), "j": str(i % 2)})
            store.add(labels, times, rng.integers(0, 9, len(times)).cumsum() % 50)
    for query in [
        "a", "a offset 1m", "a @ 600", "rate(a[1m])", "a + on(i) b",
        "a * on(j) group_left sum by (j) (b)",
        "sum by (j) (a) > 10", "a or b", "a unless on(i) b > 20", "topk(1, a)", "quantile(0.5, a)",
        "avg_over_time(a[2m:30s])", "count_values('v', a)", "stddev(a)", "absent(a > 100)",
        "max_over_time(rate(a[1m])[3m:1m])", "time() - timestamp(a)", "scalar(sum(a))", "-a",
        "predict_linear(a[5m], 60)", "a > bool 5", "2 ^ a", "changes(a[2m]) and resets(a[2m])",
    ]:  # fmt: skip
        got = rows(range_query(store.finder, query, 300_000, 1_800_000, 50_000))
        want = {}
        for t in range(300_000, 1_800_001, 50_000):
            result = instant_query(store.finder, query, t)
            if result.type == "scalar":
                want.setdefault((), {})[t] = float(result.value[0])
            else:
                for labels, samples in rows(result).items():
                    want.setdefault(labels, {}).update(samples)
        assert got.keys() == want.keys(), query
        for labels, samples in got.items():
            assert samples.keys() == want[labels].keys(), query
            for t, v in samples.items():
                assert v == want[labels][t] or math.isnan(v) == math.isnan(want[labels][t]), query


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("", "1:1: parse error: no expression found in input"),
        ("rate(foo)", 'expected type range vector in call to function "rate", got instant vector'),
        ("foo[5m", "1:7: parse error: unclosed left bracket"),
        ("sum(a) by", "unexpected end of input in grouping opts"),
        ("{}", "vector selector must contain at least one non-empty matcher"),
        ("foo{a='b'} offset", "unexpected end of input in offset"),
        ("1 > 2", "comparisons between scalars must use BOOL modifier"),
        ("a and 1", "set operator \"and\" not allowed in binary scalar expression"),
        ("nope(a)", "unknown function with name \"nope\""),
        ("abs(a, b)", "expected 1 argument(s) in call to \"abs\", got 2"),
        ("a{b=~'('}", "error parsing regexp"),
        ("\n\n  1 +", "3:6: parse error: unexpected end of input"),
        ("a" + "[1m:]" * 300, "subquery is only allowed on instant vector, got matrix"),
        ("(" * 5000, "nested too deeply"),
        ("-" * 5000 + "1", "nested too deeply"),
        ('"a', "unterminated quoted string"),
        ("a[0s]", "duration must be greater than 0"),
        ("a[1m1h]", "not a valid duration string"),
        ("5m", "unexpected duration"),
        ("a$", "unexpected character: '$'"),
    ],
)
def test_what_is_no_query_is_refused_with_the_reason(query, message):
    with pytest.raises(ParseError) as caught:
        parse(query)
    assert message in str(caught.value)


@given(st.text(max_size=60) | st.text(alphabet="ab{}[]()=~!\"'5m:,+-*@ offsetby1.", max_size=60))
def test_any_text_is_parsed_or_refused(text):
    try:
        parse(text)
    except ParseError:
        pass


def test_two_series_that_become_one_are_refused(store):
    for name in "ab":
        store.add(labels_of({"__name__": name}), [0], [1.0])
    with pytest.raises(QueryError, match="same labelset"):
        instant_query(store.finder, "-{__name__=~'a|b'}", 0)
    with pytest.raises(QueryError, match="many-to-many matching not allowed"):
        instant_query(store.finder, "a + on() {__name__=~'a|b'}", 0)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"), (-0.0, "-0"), (1.5, "1.5"), (1e-6, "0.000001"), (1e-7, "1e-7"),
        (1e20, "100000000000000000000"), (1e21, "1e+21"), (1.5e300, "1.5e+300"), (0.1, "0.1"),
        (float("nan"), "NaN"), (float("inf"), "+Inf"), (-float("inf"), "-Inf"),
        (2.0**53, "9007199254740992"),
        (1.2345e-5, "0.000012345"), (123456789.125, "123456789.125"), (-3.0, "-3"),
        (1.25e-10, "1.25e-10"),
    ],
)  # fmt: skip
def test_values_are_written_as_go_writes_them(value, text):
    assert json_out.value_text(value) == text


@pytest.mark.parametrize(
    ("ms", "text"),
    [(0, b"0"), (1500, b"1.500"), (1, b"0.001"), (-1, b"-0.001"), (-1500, b"-1.500")],
)
def test_times_are_written_in_seconds(ms, text):
    assert json_out.sample_json(ms, 1.0) == b"[" + text + b',"1"]'


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_written_values_read_back(value):
    assert float(json_out.value_text(value)) == value


@settings(max_examples=3000)
@given(st.floats(allow_nan=False, allow_infinity=False))
@example(5e-324)
@example(2.2250738585072014e-308)
@example(1.7976931348623157e308)
@example(9007199254740993.0)
@example(2.0**-1)
@example(1e23)
def test_a_value_is_written_as_the_shortest_decimal_that_reads_back(value):
    text = json_out.value_text(value)
    assert struct.pack("<d", float(text)) == struct.pack("<d", value)
    digits = Decimal(repr(value)).normalize().as_tuple().digits
    assert Decimal(text).normalize().as_tuple().digits == digits
    assert ("e" in text) == (value != 0 and not 1e-6 <= abs(value) < 1e21)
