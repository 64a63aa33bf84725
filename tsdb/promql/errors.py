"""What can be wrong with a query; the API gives each its errorType."""


class QueryError(Exception):
    """A query that cannot be answered while evaluating ("execution")."""


class BadQuery(QueryError):
    """A query that cannot be run as it was asked ("bad_data")."""


class ParseError(BadQuery):
    """A query that is not PromQL: `1:5: parse error: why`."""

    def __init__(self, why: str, query: str = "", pos: int = 0):
        line = query.count("\n", 0, pos) + 1
        column = pos - (query.rfind("\n", 0, pos) + 1) + 1
        super().__init__(f"{line}:{column}: parse error: {why}")


class QueryTimeout(QueryError):
    """A query that took longer than it may ("timeout")."""
