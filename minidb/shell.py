"""minidb's shell: SQL over the real wire, with psql's table and the words of the grammar."""

from __future__ import annotations

import string
from collections.abc import Iterable
from typing import Any

from bedrock.app.shell import Candidate, Grammar
from bedrock.app.tables import render
from minidb.sqlstate import DatabaseError


class MinidbGrammar(Grammar):
    """SQL statements end with a semicolon; `\\d`, `\\d NAME` and `\\q` are understood too."""

    lexer = "postgresql"

    def __init__(self, host: str, port: int, config: Any) -> None:
        super().__init__(host, port, config)
        self.client: Any = None
        self.names: list[str] = []

    async def open(self) -> str:
        from minidb.client import Client

        self.client = Client(self.host, self.port, "postgres", "postgres", self.config.password())
        await self.client.open()
        await self._learn()
        return self.client.version

    async def close(self) -> None:
        if self.client is not None:
            await self.client.close()

    @property
    def prompt(self) -> str:
        mark = {"I": "=>", "T": "=*>", "E": "=!>"}[self.client.status]
        return f"postgres{mark} "

    async def _learn(self) -> None:
        """Names of tables and columns, for completion."""
        _, rows, _ = await self.client.query(
            "SELECT relname FROM pg_class WHERE relkind IN ('r', 'v') UNION "
            "SELECT attname FROM pg_attribute WHERE attrelid >= 16384 AND attnum > 0")
        self.names = sorted(row[0] or "" for row in rows)

    def complete(self, text: str) -> Iterable[Candidate]:
        from query_planner.parser.keywords import KEYWORDS

        word = text[len(text.rstrip(string.ascii_letters + string.digits + "_")):]
        if not word:
            return
        for name in self.names:
            if name.startswith(word.lower()):
                yield Candidate(name, "name", back=len(word))
        for keyword in sorted(KEYWORDS):
            if keyword.startswith(word.lower()):
                yield Candidate(keyword.upper() if word.isupper() else keyword, "", len(word))

    def whole(self, text: str) -> bool:
        text = text.strip()
        return text.endswith(";") or text.startswith("\\") or not text

    async def execute(self, line: str) -> str:
        line = line.strip()
        if line in ("\\q", "exit", "quit"):
            raise EOFError
        if line.startswith("\\d"):
            line = _describe(line[2:].strip())
        elif line.startswith("\\"):
            return "understood are \\d, \\d NAME and \\q; everything else is SQL"
        try:
            columns, rows, tag = await self.client.query(line)
        except DatabaseError as exc:
            return error_text(exc)
        if tag.startswith(("CREATE", "ALTER", "DROP")) and self.client.status == "I":
            await self._learn()
        if not columns:
            return tag
        return render(columns, [["" if v is None else v for v in row] for row in rows])


def error_text(exc: DatabaseError) -> str:
    """An error as psql shows it."""
    lines = [f"ERROR:  {exc.sqlstate}: {exc.message}"]
    if exc.detail:
        lines.append(f"DETAIL:  {exc.detail}")
    if exc.hint:
        lines.append(f"HINT:  {exc.hint}")
    return "\n".join(lines)


def _describe(name: str) -> str:
    if not name:
        return ("SELECT schemaname AS schema, tablename AS name FROM pg_tables "
                "WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1, 2")
    quoted = name.rstrip(";").replace("'", "''")
    return ("SELECT column_name, data_type, is_nullable, column_default "  # noqa: S608
            f"FROM information_schema.columns WHERE table_name = '{quoted}' "
            "ORDER BY ordinal_position")
