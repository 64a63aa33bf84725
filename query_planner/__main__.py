"""`query-planner explain q.sql --db DIR`: the plan of a query over a directory of CSV files."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from query_planner import SqlError, explain, parse_spans, plan
from query_planner.ast import Delete, Insert, Query, Update, statements
from query_planner.csvdir import CsvCatalog

USAGE_ERROR = 2


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="query-planner", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("explain", help="show the plan of each statement of a file")
    command.add_argument("file", help="SQL text; - reads standard input")
    command.add_argument("--db", required=True, metavar="DIR", help="directory of CSV files")
    command.add_argument("--format", choices=("text", "json"), default="text")
    command.add_argument("--rules", action="store_true",
                         help="show the logical plan after every rule that changed it")
    return parser.parse_args(argv)


def _show(statement: Any, catalog: CsvCatalog, options: argparse.Namespace) -> Any:
    """Lines of text, or the JSON value, for one statement."""
    trace: list[tuple[str, str]] | None = [] if options.rules else None
    prepared = plan(statement, catalog, trace=trace)
    for name, outline in trace or ():
        print(f"-- {name}\n{outline}\n", file=sys.stderr)
    if options.format == "json":
        return explain.json(prepared)
    return "\n".join(explain.text(prepared))


def main(argv: list[str] | None = None) -> int:
    """Run the command line; 0, or 2 where the input is at fault."""
    options = _arguments(argv)
    try:
        sql = sys.stdin.read() if options.file == "-" else \
            Path(options.file).read_text(encoding="utf-8")
        directory = Path(options.db)
        if not directory.is_dir():
            raise NotADirectoryError(f"{directory} is not a directory")
    except OSError as problem:
        print(f"query-planner: {problem}", file=sys.stderr)
        return USAGE_ERROR
    shown = []
    try:
        catalog = CsvCatalog(directory)
        for statement, _, _ in parse_spans(sql):
            if isinstance(statement, statements.Explain):
                statement = statement.statement
            if isinstance(statement, (Query, Insert, Update, Delete)):
                shown.append(_show(statement, catalog, options))
    except SqlError as problem:
        print(_complaint(problem, sql), file=sys.stderr)
        return USAGE_ERROR
    if options.format == "json":
        print(json.dumps([one for plans in shown for one in plans], indent=2))
    else:
        print("\n\n".join(shown))
    return 0


def _complaint(problem: SqlError, sql: str) -> str:
    """An error as psql shows it: with the line and a caret."""
    lines = [f"ERROR:  {problem.message}"]
    if problem.position:
        before = sql[: problem.position - 1]
        number = before.count("\n") + 1
        column = len(before) - (before.rfind("\n") + 1)
        head = f"LINE {number}: "
        lines += [head + sql.split("\n")[number - 1], " " * (len(head) + column) + "^"]
    if problem.detail:
        lines.append(f"DETAIL:  {problem.detail}")
    if problem.hint:
        lines.append(f"HINT:  {problem.hint}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
