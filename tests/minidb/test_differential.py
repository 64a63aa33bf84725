"""Generated queries answered as SQLite answers them.

What the planner may rearrange (pushed filters, join orders, pruned columns, unnested subqueries)
must not change an answer.  SQLite plans in ways of its own, so a wrong rule has nowhere to hide.
Only what both define alike is generated: integers and short texts, NULLs, inner and left joins,
subqueries, groups, set operations, ORDER BY with a total order wherever there is a LIMIT.
"""

import random
import sqlite3

import pytest

import minidb

TABLES = {"t": ("a", "b", "s"), "u": ("a", "c", "s"), "v": ("b", "c", "d"), "w": ("a", "d")}
WORDS = ["x", "y", "zz", "x%", ""]
ROWS = 12
QUERIES_A_SEED = 25


class Writer:
    """Queries by a seed; `columns` are the (alias, column) pairs in scope."""

    def __init__(self, rand: random.Random):
        self.rand = rand
        self.names = 0

    def alias(self) -> str:
        self.names += 1
        return f"n{self.names}"

    def often(self, p: float) -> bool:
        return self.rand.random() < p

    def number(self, columns, depth: int = 2) -> str:
        numbers = [f"{a}.{c}" for a, c in columns if c != "s"]
        kind = self.rand.randrange(6 if depth else 2)
        if kind < 2 and numbers:
            return self.rand.choice(numbers)
        if kind < 3:
            return str(self.rand.randrange(-2, 6))
        if kind == 3:
            sign = self.rand.choice("+-*")
            return f"({self.number(columns, depth - 1)} {sign} {self.number(columns, depth - 1)})"
        if kind == 4:
            return f"coalesce({self.number(columns, depth - 1)}, {self.number(columns, depth - 1)})"
        return (f"CASE WHEN {self.test(columns, depth - 1)} THEN {self.number(columns, depth - 1)}"
                f" ELSE {self.number(columns, depth - 1)} END")

    def test(self, columns, depth: int = 2) -> str:
        kind = self.rand.randrange(10 if depth else 4)
        one = self.number(columns, 1)
        texts = [f"{a}.{c}" for a, c in columns if c == "s"]
        if kind == 0:
            return f"{one} IS {self.rand.choice(['', 'NOT '])}NULL"
        if kind == 1 and texts:
            return f"{self.rand.choice(texts)} {self.rand.choice(['=', '<>', '<'])} 'x'"
        if kind == 2:
            items = ", ".join(self.number(columns, 0) for _ in range(3))
            return f"{one} {self.rand.choice(['', 'NOT '])}IN ({items})"
        if kind in (3, 4):
            return f"{one} BETWEEN {self.number(columns, 0)} AND {self.number(columns, 0)}"
        if kind == 5:
            return f"NOT ({self.test(columns, depth - 1)})"
        if kind == 6:
            glue = self.rand.choice(["AND", "OR"])
            return f"({self.test(columns, depth - 1)} {glue} {self.test(columns, depth - 1)})"
        if kind == 7:
            return f"{self.rand.choice(['', 'NOT '])}EXISTS ({self.inner(columns)})"
        if kind == 8:
            return f"{one} {self.rand.choice(['', 'NOT '])}IN ({self.inner(columns)})"
        return f"{one} {self.rand.choice(['=', '<>', '<', '>='])} {self.number(columns, 1)}"

    def inner(self, outer) -> str:
        """A subquery of one column that may look at the columns around it."""
        table, name = self.rand.choice(list(TABLES)), self.alias()
        own = [(name, column) for column in TABLES[table]]
        column = self.rand.choice([c for c in TABLES[table] if c != "s"])
        where = self.test(own + (list(outer) if self.often(0.6) else []), 1)
        return f"SELECT {name}.{column} FROM {table} {name} WHERE {where}"

    def source(self):
        """FROM items and the columns they bring."""
        text, columns = "", []
        for i in range(self.rand.choice([1, 1, 2, 2, 3, 4])):
            name = self.alias()
            if self.often(0.15):
                table = self.rand.choice(list(TABLES))
                inner = self.alias()
                own = [(inner, c) for c in TABLES[table]]
                key = f"{inner}.{TABLES[table][0]}"
                body = (f"SELECT {key} AS p, count(*) AS q FROM {table} {inner}"
                        f" WHERE {self.test(own, 1)} GROUP BY {key}")
                item, new = f"({body}) {name}", [(name, "p"), (name, "q")]
            else:
                table = self.rand.choice(list(TABLES))
                item, new = f"{table} {name}", [(name, c) for c in TABLES[table]]
            if i == 0:
                text = item
            elif self.often(0.15):
                text += f" CROSS JOIN {item}"
            else:
                here, there = self.rand.choice(columns), self.rand.choice(new)
                join = "LEFT JOIN" if self.often(0.4) else "JOIN"
                if "s" in (here[1], there[1]):
                    on = self.test(columns + new, 1)
                else:
                    on = f"{here[0]}.{here[1]} = {there[0]}.{there[1]}"
                    if self.often(0.3):
                        on += f" AND {self.test(columns + new, 1)}"
                text += f" {join} {item} ON {on}"
            columns += new
        return text, columns

    def select(self) -> tuple[str, int]:
        """A SELECT of numbers, and how many of them."""
        source, columns = self.source()
        where = f" WHERE {self.test(columns)}" if self.often(0.7) else ""
        if self.often(0.4):
            keys = [f"{a}.{c}" for a, c in self.rand.sample(columns, min(2, len(columns)))]
            each = self.number(columns, 1)
            many = self.rand.choice(["count(*)", f"sum({each})", f"min({each})", f"max({each})",
                                     f"count(DISTINCT {each})", f"count({each})"])
            having = f" HAVING count(*) > {self.rand.randrange(3)}" if self.often(0.4) else ""
            return (f"SELECT {', '.join(keys)}, {many} FROM {source}{where}"
                    f" GROUP BY {', '.join(keys)}{having}"), len(keys) + 1
        width = self.rand.randrange(1, 4)
        values = ", ".join(self.number(columns) for _ in range(width))
        distinct = "DISTINCT " if self.often(0.2) else ""
        return f"SELECT {distinct}{values} FROM {source}{where}", width

    def query(self) -> str:
        text, width = self.select()
        if self.often(0.4):
            order = ", ".join(f"{i + 1} NULLS {self.rand.choice(['FIRST', 'LAST'])}"
                              for i in range(width))
            text += f" ORDER BY {order} LIMIT {self.rand.randrange(8)}"
            if self.often(0.5):
                text += f" OFFSET {self.rand.randrange(3)}"
        return text


def filled(rand: random.Random):
    """The same tables in both: minidb's session and SQLite's connection."""
    ours, theirs = minidb.connect(), sqlite3.connect(":memory:")
    for table, columns in TABLES.items():
        types = ", ".join(f"{c} {'text' if c == 's' else 'int'}" for c in columns)
        rows = [tuple(None if rand.random() < 0.2 else
                      rand.choice(WORDS) if c == "s" else rand.randrange(-1, 5) for c in columns)
                for _ in range(rand.randrange(ROWS))]
        script = [f"CREATE TABLE {table} ({types})"]
        if rand.random() < 0.5:
            script.append(f"CREATE INDEX {table}_i ON {table} ({columns[0]})")
        script += [f"INSERT INTO {table} VALUES ({', '.join(map(literal, row))})" for row in rows]
        for statement in script:
            ours.execute(statement)
            theirs.execute(statement)
    return ours, theirs


def literal(value):
    return "NULL" if value is None else repr(value)


def in_order(rows):
    return sorted(rows, key=lambda row: [(value is None, str(value)) for value in row])


@pytest.mark.parametrize(
    "seed", [*range(12), *(pytest.param(n, marks=pytest.mark.slow) for n in range(12, 400))])
def test_generated_queries_are_answered_as_sqlite_answers_them(seed):
    rand = random.Random(seed)
    ours, theirs = filled(rand)
    for _ in range(QUERIES_A_SEED):
        sql = Writer(rand).query()
        expected = theirs.execute(sql).fetchall()
        try:
            got = [tuple(row) for row in ours.execute(sql).rows]
        except Exception as exc:
            raise AssertionError(f"{exc}\n{sql}") from exc
        if " LIMIT " not in sql:
            expected, got = in_order(expected), in_order(got)
        assert got == expected, sql
    ours.close()
