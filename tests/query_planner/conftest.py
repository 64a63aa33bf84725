"""A small shop to plan against: made from SQL text, with sizes but no rows."""

from __future__ import annotations

from pathlib import Path

import pytest

from query_planner.catalog import TableStats
from query_planner.csvdir import CsvCatalog

SCHEMA = """
CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL, city text, joined date);
CREATE TABLE orders (id int PRIMARY KEY, customer int NOT NULL, placed timestamp, total
numeric(10,2));
CREATE TABLE lines (order_id int, item int, quantity int, PRIMARY KEY (order_id, item));
CREATE TABLE items (id int PRIMARY KEY, label text, price numeric, tags text[]);
CREATE INDEX orders_customer ON orders (customer);
"""
SIZES = {"customers": 1_000, "orders": 10_000, "lines": 50_000, "items": 500}


@pytest.fixture(scope="session")
def shop(tmp_path_factory) -> CsvCatalog:
    folder: Path = tmp_path_factory.mktemp("shop")
    (folder / "schema.sql").write_text(SCHEMA, encoding="utf-8")
    catalog = CsvCatalog(folder)
    for name, rows in SIZES.items():
        catalog.sizes[catalog.tables[name].oid] = TableStats(rows, rows / 100)
    return catalog
