"""SQL text in, costed physical plan out: parser, binder, optimizer and EXPLAIN of Bedrock.

    from query_planner import parse, plan, explain
    prepared = plan("SELECT ...", catalog)          # catalog: see query_planner.catalog
    print(explain.text(prepared))

README.md has the map and a reading order.
"""

from query_planner.ast.printer import sql_text
from query_planner.binder import bind_expression, resolve_type
from query_planner.errors import SqlError
from query_planner.parser import parse, parse_expression, parse_spans, parse_type
from query_planner.planner import plan

__all__ = [
    "SqlError", "bind_expression", "parse", "parse_expression", "parse_spans", "parse_type", "plan",
    "resolve_type", "sql_text",
]  # fmt: skip
