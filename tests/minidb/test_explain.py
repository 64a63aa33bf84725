"""EXPLAIN ANALYZE: real rows, loops and times; what it runs has been done."""

import json
import re

import pytest

import minidb


@pytest.fixture
def db():
    with minidb.connect() as db:
        db.execute("create table t (a int primary key, b int)")
        db.execute("insert into t select g, g % 10 from generate_series(1, 1000) g")
        yield db


def test_text_tells_rows_loops_and_times(db):
    lines = [row[0] for row in db.execute(
        "explain analyze select b, count(*) from t where a <= 500 group by b").rows]
    shown = [re.search(r"\(actual time=[\d.]+\.\.[\d.]+ rows=(\d+) loops=(\d+)\)", line)
             for line in lines if "cost=" in line]
    assert [(int(m[1]), int(m[2])) for m in shown] == [(10, 1), (500, 1)]
    assert re.fullmatch(r"Execution Time: [\d.]+ ms", lines[-1])


def test_json_tells_them_as_numbers(db):
    found = json.loads(db.execute(
        "explain (analyze, format json) select * from t where b = 3 order by a limit 7").scalar())
    plan = found[0]["Plan"]
    assert (plan["Node Type"], plan["Actual Rows"], plan["Actual Loops"]) == ("Limit", 7, 1)
    assert plan["Actual Total Time"] >= plan["Actual Startup Time"] >= 0
    assert plan["Plans"][0]["Actual Total Time"] <= plan["Actual Total Time"]
    assert found[0]["Execution Time"] > 0


def test_options_leave_out_costs_times_and_the_summary(db):
    lines = db.execute(
        "explain (analyze, costs off, timing off, summary off) select * from t").rows
    assert lines == [("Seq Scan on t (actual rows=1000 loops=1)",)]


def test_the_inner_side_of_a_loop_counts_its_loops(db):
    lines = [row[0] for row in db.execute(
        "explain analyze select (select max(b) from t u where u.a < t.a) from t "
        "where a <= 20").rows]
    assert any("loops=20" in line for line in lines)


def test_a_statement_that_changes_data_does_so(db):
    lines = db.execute("explain analyze update t set b = 0 where a = 5").rows
    assert "loops=1" in lines[0][0] and "rows=1 loops=1" in lines[1][0]
    assert db.execute("select b from t where a = 5").scalar() == 0
    db.execute("explain update t set b = 1 where a = 5")
    assert db.execute("select b from t where a = 5").scalar() == 0
