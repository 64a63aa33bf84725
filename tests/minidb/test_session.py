"""The wire when something goes wrong inside: whole messages, no traces, and life goes on."""

import psycopg
import pytest

from minidb.execution.kernels.registry import SCALARS, Scalar


def unprintable(text):
    """A function of text whose result for "3" is no text at all."""
    return object() if text == "3" else text


@pytest.mark.parametrize("binary", [False, True])
def test_a_row_that_cannot_be_shown_is_an_error_and_the_session_goes_on(url, monkeypatch, binary):
    with psycopg.connect(url) as connection:
        connection.execute("select initcap('functions are loaded now')")
    monkeypatch.setitem(SCALARS, ("initcap",), Scalar(unprintable, True, False, False))
    sql = "select 'first', initcap(g::text) from generate_series(1, 5) g"
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.cursor(binary=binary)
        for words in ((sql,), (sql + " where g > %s", (0,))):
            with pytest.raises(psycopg.errors.InternalError_) as caught:
                cursor.execute(*words)
            assert caught.value.diag.message_primary == "internal error (TypeError)"
            assert "Traceback" not in str(caught.value) and "object" not in str(caught.value)
            assert cursor.execute("select 1").fetchone() == (1,)
        with connection.transaction(force_rollback=True):
            with pytest.raises(psycopg.errors.InternalError_):
                cursor.execute(sql)
            with pytest.raises(psycopg.errors.InFailedSqlTransaction):
                cursor.execute("select 1")


@pytest.mark.parametrize(("sql", "sqlstate"), [
    ("select chr(55296)", "54000"), ("select to_timestamp(1e18)", "22003")])
def test_a_value_that_is_no_value_has_its_sqlstate(url, sql, sqlstate):
    with psycopg.connect(url) as connection, pytest.raises(psycopg.Error) as caught:
        connection.execute(sql)
    assert caught.value.sqlstate == sqlstate


def test_a_record_in_a_record_is_shown_as_one(url):
    with psycopg.connect(url) as connection:
        shown = connection.execute("select row(1, row(2, 'x'))::text").fetchone()
        assert shown == ('(1,"(2,x)")',)
