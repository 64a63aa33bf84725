"""The one exception of the SQL front end: what PostgreSQL would put into an ErrorResponse.

`sqlstate` is the five-character code, `position` the 1-based character in the statement text (0
when
there is none).  Codes used here, each with the class of mistake it stands for, are in `CODES`.
"""

from __future__ import annotations

CODES = {
    "0A000": "feature not supported",
    "21000": "cardinality violation",
    "22023": "invalid parameter value",
    "22003": "numeric value out of range",
    "22007": "invalid datetime format",
    "22P02": "invalid text representation",
    "42601": "syntax error",
    "42602": "invalid name",
    "42622": "name too long",
    "42701": "duplicate column",
    "42702": "ambiguous column",
    "42703": "undefined column",
    "42704": "undefined object",
    "42712": "duplicate alias",
    "42725": "ambiguous function",
    "42803": "grouping error",
    "42804": "datatype mismatch",
    "42809": "wrong object type",
    "42846": "cannot coerce",
    "42883": "undefined function",
    "42P01": "undefined table",
    "42P02": "undefined parameter",
    "42P08": "ambiguous parameter",
    "42P09": "ambiguous alias",
    "42P10": "invalid column reference",
    "42P18": "indeterminate datatype",
    "42P19": "invalid recursion",
    "42P20": "windowing error",
    "428C9": "generated always",
    "54001": "statement too complex",
    "54011": "too many columns",
    "54023": "too many arguments",
    "3F000": "invalid schema name",
}


class SqlError(Exception):
    """A statement was refused; the server turns the fields into its wire form."""

    def __init__(
        self,
        sqlstate: str,
        message: str,
        position: int = 0,
        detail: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate
        self.message = message
        self.position = position
        self.detail = detail
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.sqlstate}: {self.message}"
