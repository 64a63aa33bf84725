"""Errors as PostgreSQL reports them: a SQLSTATE, a message, and where it helps more fields.

The five-character codes are those of PostgreSQL's Appendix A.  `DatabaseError` is what the engine
raises: the front end's `SqlError` with more fields, so that the wire reports both alike.
"""

from __future__ import annotations

from query_planner.errors import SqlError


class DatabaseError(SqlError):
    """A statement failed.

    sqlstate   the code, e.g. "23505"
    position   1-based character of the statement, 0 = none
    fields     further protocol fields by letter: t table, c column, n constraint, s schema
    """

    def __init__(
        self,
        sqlstate: str,
        message: str,
        *,
        detail: str = "",
        hint: str = "",
        position: int = 0,
        severity: str = "ERROR",
        **fields: str,
    ) -> None:
        super().__init__(sqlstate, message, position, detail, hint)
        self.severity = severity
        self.fields = fields


CONDITIONS = {
    "00000": "successful_completion",
    "0A000": "feature_not_supported",
    "08P01": "protocol_violation",
    "21000": "cardinality_violation",
    "22000": "data_exception",
    "22001": "string_data_right_truncation",
    "22003": "numeric_value_out_of_range",
    "22004": "null_value_not_allowed",
    "22007": "invalid_datetime_format",
    "22008": "datetime_field_overflow",
    "22011": "substring_error",
    "22012": "division_by_zero",
    "22021": "character_not_in_repertoire",
    "22023": "invalid_parameter_value",
    "22P02": "invalid_text_representation",
    "22P03": "invalid_binary_representation",
    "22P04": "bad_copy_file_format",
    "23502": "not_null_violation",
    "23503": "foreign_key_violation",
    "23505": "unique_violation",
    "23514": "check_violation",
    "25001": "active_sql_transaction",
    "25006": "read_only_sql_transaction",
    "25P01": "no_active_sql_transaction",
    "25P02": "in_failed_sql_transaction",
    "26000": "invalid_sql_statement_name",
    "28000": "invalid_authorization_specification",
    "28P01": "invalid_password",
    "2BP01": "dependent_objects_still_exist",
    "34000": "invalid_cursor_name",
    "3B001": "invalid_savepoint_specification",
    "3D000": "invalid_catalog_name",
    "3F000": "invalid_schema_name",
    "40001": "serialization_failure",
    "40P01": "deadlock_detected",
    "42601": "syntax_error",
    "42602": "invalid_name",
    "42611": "invalid_column_definition",
    "42701": "duplicate_column",
    "42702": "ambiguous_column",
    "42703": "undefined_column",
    "42704": "undefined_object",
    "42710": "duplicate_object",
    "42723": "duplicate_function",
    "42803": "grouping_error",
    "42804": "datatype_mismatch",
    "42809": "wrong_object_type",
    "42830": "invalid_foreign_key",
    "42846": "cannot_coerce",
    "42883": "undefined_function",
    "42P01": "undefined_table",
    "42P02": "undefined_parameter",
    "42P03": "duplicate_cursor",
    "42P04": "duplicate_database",
    "42P05": "duplicate_prepared_statement",
    "42P06": "duplicate_schema",
    "42P07": "duplicate_table",
    "42P10": "invalid_column_reference",
    "42P16": "invalid_table_definition",
    "42P18": "indeterminate_datatype",
    "53100": "disk_full",
    "53200": "out_of_memory",
    "53300": "too_many_connections",
    "54000": "program_limit_exceeded",
    "54001": "statement_too_complex",
    "55000": "object_not_in_prerequisite_state",
    "55006": "object_in_use",
    "55P03": "lock_not_available",
    "57014": "query_canceled",
    "57P01": "admin_shutdown",
    "57P03": "cannot_connect_now",
    "58030": "io_error",
    "XX000": "internal_error",
}


def not_supported(what: str) -> DatabaseError:
    """What minidb leaves out, said plainly."""
    return DatabaseError("0A000", f"{what} is not supported")
