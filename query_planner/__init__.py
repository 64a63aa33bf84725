"""SQL text in, costed physical plan out: parser, binder, optimizer and EXPLAIN of Bedrock."""

from query_planner.errors import SqlError
from query_planner.parser import parse, parse_expression, parse_spans, parse_type

__all__ = ["SqlError", "parse", "parse_expression", "parse_spans", "parse_type"]
