"""SQL text in, costed physical plan out: parser, binder, optimizer and EXPLAIN of Bedrock.

    from query_planner import parse, plan, explain
    prepared = plan("SELECT ...", catalog)          # catalog: see query_planner.catalog
    print(explain.text(prepared))

README.md has the map and a reading order.  The names below are imported when they are first asked
for: who wants only an error class or a type should not wait for a planner.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from query_planner.ast.printer import sql_text
    from query_planner.binder import bind_expression, resolve_type
    from query_planner.errors import SqlError
    from query_planner.parser import parse, parse_expression, parse_spans, parse_type
    from query_planner.planner import plan

__all__ = [
    "SqlError", "bind_expression", "parse", "parse_expression", "parse_spans", "parse_type", "plan",
    "resolve_type", "sql_text",
]  # fmt: skip

_HOMES = {
    "SqlError": "errors",
    "bind_expression": "binder",
    "parse": "parser",
    "parse_expression": "parser",
    "parse_spans": "parser",
    "parse_type": "parser",
    "plan": "planner",
    "resolve_type": "binder",
    "sql_text": "ast.printer",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
