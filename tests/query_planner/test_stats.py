"""ANALYZE and the estimates made from it."""

from __future__ import annotations

from random import Random

import pytest

from query_planner import plan
from query_planner.catalog import TableStats
from query_planner.stats import analyze
from query_planner.types import INT4, TEXT


def test_a_unique_column_has_only_a_histogram():
    stats = analyze(list(range(1_000)), INT4)
    assert stats.distinct == 1_000
    assert stats.common == ()
    assert len(stats.bounds) == 101
    assert stats.correlation == pytest.approx(1.0)


def test_common_values_are_told_apart_from_the_rest():
    values = [None] * 100 + [1] * 500 + [2] * 300 + list(range(10, 110))
    stats = analyze(values, INT4)
    assert stats.null_fraction == pytest.approx(0.1)
    assert dict(stats.common) == {1: 0.5, 2: 0.3}
    assert stats.bounds[0] == 10
    assert stats.bounds[-1] == 109


def test_a_sample_of_unique_values_scales_to_the_whole():
    assert analyze(list(range(1_000)), INT4, total=50_000).distinct == 50_000


def test_empty_and_null_columns():
    assert analyze([], TEXT).distinct == 0
    assert analyze([None, None], TEXT).null_fraction == 1


@pytest.fixture
def skewed(shop):
    random = Random(3)
    values = [min(int(random.expovariate(0.1)), 200) for _ in range(10_000)]
    table = shop.tables["orders"]
    before = shop.sizes[table.oid]
    shop.sizes[table.oid] = TableStats(10_000, 100, {2: analyze(values, INT4)})
    yield values
    shop.sizes[table.oid] = before


@pytest.mark.parametrize("low, high", [(0, 5), (3, 30), (50, 70), (0, 200)])
def test_range_estimates_are_close(shop, skewed, low, high):
    true = sum(low <= v <= high for v in skewed)
    root = plan(f"SELECT * FROM orders WHERE customer BETWEEN {low} AND {high}", shop).root
    assert root.rows == pytest.approx(true, rel=0.25, abs=30)


def test_a_narrower_condition_never_gets_a_larger_estimate(shop, skewed):
    wide = plan("SELECT * FROM orders WHERE customer > 10", shop).root.rows
    narrow = plan("SELECT * FROM orders WHERE customer > 10 AND customer < 20", shop).root.rows
    equal = plan("SELECT * FROM orders WHERE customer > 10 AND customer = 15", shop).root.rows
    assert equal <= narrow <= wide
