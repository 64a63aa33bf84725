"""Golden scripts: SQL and the plan, rewrite, result type or error it must give."""

from __future__ import annotations

from pathlib import Path

import pytest

from bedrock.testing import golden
from query_planner import SqlError, plan, sql_text
from query_planner.explain import outline
from query_planner.parser import parse
from query_planner.types import title

FOLDER = Path(__file__).parent / "scripts"


def _describe(sql: str, catalog) -> str:
    prepared = plan(sql, catalog)
    shown = [f"{name} {title(type_, typmod)}" for name, type_, typmod, _, _ in prepared.outputs]
    if prepared.parameters:
        shown.append("with " + ", ".join([title(t) for t in prepared.parameters]))
    return "\n".join(shown) or "nothing"


def _rule(text: str, catalog) -> str:
    """`rule: SQL`: what the plan is after that rule, or that it did not fire."""
    name, _, sql = text.partition(": ")
    trace: list[tuple[str, str]] = []
    plan(sql, catalog, trace=trace)
    return dict(trace).get(name, "(unchanged)")


_RUN = {
    "plans": lambda line, catalog: outline(plan(line, catalog).root),
    "rules": _rule,
    "types": _describe,
    "printed": lambda line, catalog: sql_text(parse(line)[0]),
}


@pytest.mark.parametrize("path", golden.scripts(FOLDER), ids=lambda path: path.stem)
def test_script(path, shop, request):
    run = _RUN[path.stem]

    def execute(line: str) -> str:
        try:
            return run(line, shop)
        except SqlError as error:
            at = f" at {error.position}" if error.position else ""
            return f"ERROR {error.sqlstate}{at}: {error.message}"

    golden.run(path, execute, update=request.config.getoption("--update-golden"))
