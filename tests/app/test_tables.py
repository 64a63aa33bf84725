"""Result sets as tables."""

import json
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from bedrock.app import tables


def test_a_table_aligns_numbers_right_and_text_left():
    rows = [(1, "pear", Decimal("1.50")), (20, None, 12)]
    assert tables.render(["id", "name", "price"], rows, width=60) == (
        "┌────┬──────┬───────┐\n"
        "│ id │ name │ price │\n"
        "├────┼──────┼───────┤\n"
        "│  1 │ pear │  1.50 │\n"
        "│ 20 │ NULL │    12 │\n"
        "└────┴──────┴───────┘\n"
        "  2 rows"
    )


def test_a_table_without_rows_shows_its_columns():
    assert "│ a │" in tables.render(["a"], [], width=40)
    assert tables.render(["a"], [], width=40).endswith("0 rows")


def test_the_widest_columns_are_cut_first():
    lines = tables.render(["a", "b"], [("x" * 100, "short")], width=30).splitlines()
    assert all(len(line) == 30 for line in lines[:-1])
    assert "short" in lines[3] and "…" in lines[3]


def test_a_long_table_shows_its_ends():
    text = tables.render(["n"], [(i,) for i in range(1000)], width=40, limit=10)
    assert "1000 rows (10 shown)" in text and "999" in text and "500" not in text


def test_values_stay_on_one_line():
    text = tables.render(["a"], [("x\ny",), (b"\x01\xff",), ({"k": [1]},), (True,)], width=40)
    assert "x⏎y" in text and "\\x01ff" in text and '{"k": [1]}' in text and "true" in text


def test_wide_characters_take_two_columns():
    assert tables.width_of("日本") == 4 and tables.cut("日本語", 5) == "日本…"


def test_csv_and_json():
    assert tables.as_csv(["a", "b"], [(1, None), ('x"y', "z")]) == 'a,b\r\n1,\r\n"x""y",z\r\n'
    assert json.loads(tables.as_json(["a"], [(Decimal("1.5"),)])) == {"a": "1.5"}


@given(
    st.lists(st.lists(st.text(max_size=30), min_size=3, max_size=3), max_size=5),
    st.integers(30, 120),
)
def test_a_table_always_fits(rows, width):
    for line in tables.render(["a", "b", "c"], rows, width=width).splitlines():
        assert tables.width_of(line) <= width
