"""The command table: every fact about every command, as data.

A row (kvstore.rows.row says what is in it) drives arity checks, key extraction (COMMAND GETKEYS,
cluster slots), COMMAND's replies, the shell's hints and the reference page.  The handlers live with
their data type (`strings.pyx`, `lists.pyx`, ...) and find their row by name.

The facts are those of Redis 7.0.15 (COMMAND INFO there gives the same); the texts are ours.
"""

from __future__ import annotations

from kvstore.rows import access, clustering, server, special, values
from kvstore.rows.row import Row

GROUPS: dict[str, list[Row]] = {}
for _table in (values, special, server, access, clustering):
    for _group, _rows in _table.GROUPS.items():
        GROUPS.setdefault(_group, []).extend(_rows)
ROWS: dict[str, Row] = {row.name: row for rows in GROUPS.values() for row in rows}
GROUP_OF: dict[str, str] = {row.name: group for group, rows in GROUPS.items() for row in rows}
