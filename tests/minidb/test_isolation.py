"""Two sessions at once: who waits, who sees what, who fails."""

import threading

import psycopg
import pytest


@pytest.fixture
def two(url):
    with psycopg.connect(url) as a, psycopg.connect(url) as b:
        a.execute("drop table if exists acc")
        a.execute("create table acc (id int primary key, v int)")
        a.execute("insert into acc values (1, 10), (2, 20)")
        a.commit()
        yield a, b


def background(work):
    result = []

    def run():
        try:
            result.append(work())
        except psycopg.Error as exc:
            result.append(exc)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, result


def test_read_committed_sees_commits_between_statements(two):
    a, b = two
    assert b.execute("select v from acc where id = 1").fetchone() == (10,)
    a.execute("update acc set v = 11 where id = 1")
    assert b.execute("select v from acc where id = 1").fetchone() == (10,)
    a.commit()
    assert b.execute("select v from acc where id = 1").fetchone() == (11,)


def test_repeatable_read_does_not(two):
    a, b = two
    b.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    assert b.execute("select sum(v) from acc").fetchone() == (30,)
    a.execute("update acc set v = 11 where id = 1")
    a.execute("insert into acc values (3, 30)")
    a.commit()
    assert b.execute("select sum(v) from acc").fetchone() == (30,)
    with pytest.raises(psycopg.errors.SerializationFailure):
        b.execute("update acc set v = 12 where id = 1")
    b.rollback()


def test_a_second_writer_waits_and_then_sees_the_first_ones_row(two):
    a, b = two
    a.execute("update acc set v = v + 1 where id = 1")
    thread, result = background(
        lambda: b.execute("update acc set v = v + 100 where id = 1 returning v").fetchone())
    thread.join(0.3)
    assert thread.is_alive()
    a.commit()
    thread.join(5)
    assert result == [(111,)]


def test_a_waiter_whose_row_was_deleted_changes_nothing(two):
    a, b = two
    a.execute("delete from acc where id = 1")
    thread, result = background(
        lambda: b.execute("update acc set v = 0 where id = 1").rowcount)
    thread.join(0.2)
    a.commit()
    thread.join(5)
    assert result == [0]


def test_a_deadlock_fails_one_of_the_two(two):
    a, b = two
    a.execute("update acc set v = 0 where id = 1")
    b.execute("update acc set v = 0 where id = 2")
    thread, result = background(lambda: a.execute("update acc set v = 0 where id = 2"))
    thread.join(0.3)
    with pytest.raises(psycopg.errors.DeadlockDetected):
        b.execute("update acc set v = 0 where id = 1")
    b.rollback()
    thread.join(5)
    assert not isinstance(result[0], Exception)


def test_an_insert_of_a_key_being_inserted_waits_for_its_fate(two):
    a, b = two
    a.execute("insert into acc values (9, 1)")
    thread, result = background(lambda: b.execute("insert into acc values (9, 2)"))
    thread.join(0.2)
    assert thread.is_alive()
    a.commit()
    thread.join(5)
    assert isinstance(result[0], psycopg.errors.UniqueViolation)


def test_row_locks_wait_skip_or_fail(two):
    a, b = two
    a.execute("select * from acc where id = 1 for update")
    assert b.execute("select id from acc order by id for update skip locked").fetchall() == [(2,)]
    with pytest.raises(psycopg.errors.LockNotAvailable):
        b.execute("select id from acc where id = 1 for update nowait")
    b.rollback()
    b.execute("set lock_timeout = '100ms'")
    with pytest.raises(psycopg.errors.LockNotAvailable):
        b.execute("update acc set v = 0 where id = 1")
    b.rollback()


def test_a_statement_past_its_timeout_is_cancelled(two):
    a, _ = two
    a.execute("set statement_timeout = '50ms'")
    with pytest.raises(psycopg.errors.QueryCanceled):
        a.execute("select count(*) from generate_series(1, 30000) x, "
                  "generate_series(1, 30000) y where x <> y")
    a.rollback()


def test_other_sessions_are_served_while_a_long_query_runs(two):
    a, b = two
    thread, result = background(lambda: a.execute(
        "select count(*) from generate_series(1, 6000) x, generate_series(1, 6000) y "
        "where x <> y").fetchone())
    served = 0
    while thread.is_alive():
        assert b.execute("select 1").fetchone() == (1,)
        served += 1
        thread.join(0.001)
    assert result == [(6000 * 5999,)]
    assert served > 3
