"""EXPLAIN speaks PostgreSQL's vocabulary; the command line shows it."""

from __future__ import annotations

import json

import pytest

from query_planner import explain, plan
from query_planner.__main__ import main

FIELDS = {"Node Type", "Parallel Aware", "Async Capable", "Startup Cost", "Total Cost",
          "Plan Rows", "Plan Width"}  # fmt: skip


def _nodes(node):
    yield node
    for child in node.get("Plans", ()):
        yield from _nodes(child)


def test_json_has_postgresql_s_fields(shop):
    (top,) = explain.json(plan(
        "SELECT c.city, sum(o.total) FROM customers c JOIN orders o ON o.customer = c.id "
        "WHERE c.name LIKE 'a%' GROUP BY c.city ORDER BY 1", shop))
    json.dumps(top)
    nodes = list(_nodes(top["Plan"]))
    assert all(set(node) >= FIELDS for node in nodes)
    by_type = {node["Node Type"]: node for node in nodes}
    assert by_type["Sort"]["Sort Key"] == ["c.city"]
    assert by_type["Aggregate"]["Strategy"] == "Hashed"
    assert by_type["Seq Scan"]["Relation Name"] in ("customers", "orders")
    assert "Parent Relationship" not in top["Plan"]
    assert all("Parent Relationship" in node for node in nodes[1:])


def test_a_hash_join_shows_its_condition_and_hash(shop):
    lines = explain.text(plan(
        "SELECT * FROM customers c, orders o WHERE o.customer = c.id", shop), costs=False)
    assert lines[0] == "Hash Join"
    assert lines[1] == "  Hash Cond: (o.customer = c.id)"
    assert "  ->  Hash" in lines


def test_actuals_are_shown_by_node(shop):
    prepared = plan("SELECT * FROM items", shop)
    (line,) = explain.text(prepared, {prepared.root.id: (0.1, 2.5, 7, 1)}, costs=False)
    assert line == "Seq Scan on items (actual time=0.100..2.500 rows=7 loops=1)"


@pytest.fixture
def folder(tmp_path):
    rows = "\n".join([f"{i},{i % 7},2020-01-{i % 28 + 1:02d}" for i in range(1_000)])
    (tmp_path / "events.csv").write_text("id,Kind,at\n" + rows + "\n", encoding="utf-8")
    return tmp_path


def test_command_line_explains_over_csv_files(folder, capsys):
    query = folder / "q.sql"
    query.write_text("SELECT kind, count(*) FROM events WHERE id < 100 GROUP BY kind;",
                     encoding="utf-8")
    assert main(["explain", str(query), "--db", str(folder), "--format", "json"]) == 0
    (top,) = json.loads(capsys.readouterr().out)
    scan = list(_nodes(top["Plan"]))[-1]
    assert scan["Node Type"] == "Seq Scan"
    assert 80 <= scan["Plan Rows"] <= 120
    assert top["Plan"]["Plan Rows"] == 7


def test_command_line_points_at_a_mistake(folder, capsys):
    query = folder / "q.sql"
    query.write_text("SELECT id\nFROM events WHERE kin = 1", encoding="utf-8")
    assert main(["explain", str(query), "--db", str(folder)]) == 2
    assert capsys.readouterr().err.splitlines() == [
        'ERROR:  column "kin" does not exist',
        "LINE 2: FROM events WHERE kin = 1",
        "                          ^",
    ]
