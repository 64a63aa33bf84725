"""Real clients, unmodified: psql, pgbench, psycopg 3, asyncpg."""

import datetime as dt
import decimal
import subprocess
import uuid
from pathlib import Path

import asyncpg
import psycopg
import pytest

from tests.minidb.conftest import program

pytestmark = pytest.mark.peer


def psql(pg, *commands):
    words = [program("psql"), "-X", "-q"]
    for command in commands:
        words += ["-c", command]
    done = subprocess.run(words, env=pg, capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    return done.stdout


def test_psql_prints_a_table_of_every_everyday_type(pg):
    out = psql(pg, "select 1 as a, 'x'::text as b, null as c, 2.50::numeric as d, true as e, "
               "date '2020-02-29' as f, timestamp '2020-01-01 10:00:00.5' as g, 1e20::float8 as h")
    assert out.splitlines()[2] == (
        " 1 | x |   | 2.50 | t | 2020-02-29 | 2020-01-01 10:00:00.5 | 1e+20")


def test_psql_describes_tables(pg):
    psql(pg, "create table described (id serial primary key, name varchar(20) not null unique, "
         "price numeric(10,2) default 1.5, parent int references described(id))")
    listed = psql(pg, r"\dt described")
    assert " public | described | table | postgres" in listed
    shown = psql(pg, r"\d described")
    for line in (
        'Table "public.described"',
        " id     | integer               |           | not null | "
        "nextval('described_id_seq'::regclass)",
        " name   | character varying(20) |           | not null | ",
        " price  | numeric(10,2)         |           |          | 1.5",
        '    "described_pkey" PRIMARY KEY, btree (id)',
        '    "described_name_key" UNIQUE CONSTRAINT, btree (name)',
        '    "described_parent_fkey" FOREIGN KEY (parent) REFERENCES described(id)',
        'Referenced by:',
    ):
        assert line in shown


def test_psql_lists_functions_as_postgresql_does(pg):
    out = psql(pg, r"\df replace", r"\df generate_series")
    assert " pg_catalog | replace | text             | text, text, text    | func" in out
    assert "SETOF integer" in out and "integer, integer, integer" in out


@pytest.mark.parametrize(
    "command", [r"\d", r"\di", r"\dv", r"\ds", r"\l", r"\dn", r"\du", r"\dT", r"\db", r"\dx",
                r"\conninfo", r"\dt+", r"\dp", r"\d+", r"\df", r"\df+ nosuch", r"\di+", r"\dn+",
                r"\du+", r"\l+", r"\dT+ text", r"\dv+", r"\da", r"\dc", r"\dC", r"\dd", r"\dD",
                r"\do", r"\dF", r"\dg", r"\dL", r"\dm", r"\dO", r"\dP", r"\dRp", r"\dy", r"\dew",
                r"\drds", r"\dconfig work_mem", r"\dAc", r"\dA", r"\dX", r"\ddp", r"\dl"])
def test_psql_commands_run_without_error(pg, command):
    psql(pg, command)


def test_psql_shows_where_an_error_is(pg):
    done = subprocess.run([program("psql"), "-X", "-c", "select nope from pg_class"], env=pg,
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert 'ERROR:  column "nope" does not exist' in done.stderr
    assert "       ^" in done.stderr.splitlines()[2]


def test_pgbench_initialises_and_runs_its_scripts(pg):
    pgbench = program("pgbench")
    done = subprocess.run([pgbench, "-i", "-s", "1", "-q"], env=pg, capture_output=True, text=True,
                          timeout=120)
    assert done.returncode == 0, done.stderr
    for words in (["-S", "-t", "50", "-c", "2"], ["-S", "-M", "prepared", "-t", "50"],
                  ["-t", "10", "-c", "4"], ["-t", "5", "-c", "2", "-M", "extended"]):
        done = subprocess.run([pgbench, "-n", *words], env=pg, capture_output=True, text=True,
                              timeout=120)
        assert done.returncode == 0, done.stderr
        assert "number of failed transactions: 0" in done.stdout
    # TPC-B's invariant: every update was made once in each table.
    sums = psql(pg, "select (select sum(abalance) from pgbench_accounts) = "
                "(select sum(bbalance) from pgbench_branches) and "
                "(select sum(tbalance) from pgbench_tellers) = "
                "(select sum(delta) from pgbench_history)")
    assert " t" in sums


def test_psycopg_sends_and_gets_values_in_text_and_binary(url):
    values = (5, 2**40, "text with ' and \\", decimal.Decimal("-12345.6789"), 1.5, True, None,
              dt.date(2020, 2, 29), dt.datetime(2020, 1, 2, 3, 4, 5, 678),
              dt.time(1, 2, 3), uuid.uuid4(), b"\x00\xff", [1, 2, None])
    types = ["int", "int8", "text", "numeric", "float8", "bool", "text", "date", "timestamp",
             "time", "uuid", "bytea", "int[]"]
    sql = "select " + ", ".join(f"%s::{type_}" for type_ in types)
    with psycopg.connect(url) as connection:
        for binary in (False, True):
            cursor = connection.cursor(binary=binary)
            assert cursor.execute(sql, values).fetchone() == values


def test_psycopg_transactions_savepoints_and_errors(url):
    with psycopg.connect(url) as connection:
        connection.execute("create table moves (a int primary key)")
        connection.commit()
        with connection.transaction():
            connection.execute("insert into moves values (1)")
            with pytest.raises(psycopg.errors.UniqueViolation) as caught, \
                    connection.transaction():
                connection.execute("insert into moves values (1)")
            assert caught.value.diag.constraint_name == "moves_pkey"
            assert caught.value.diag.message_detail == "Key (a)=(1) already exists."
        assert connection.execute("select a from moves").fetchall() == [(1,)]
        with pytest.raises(psycopg.errors.UndefinedTable):
            connection.execute("select * from nowhere")
        with pytest.raises(psycopg.errors.InFailedSqlTransaction):
            connection.execute("select 1")
        connection.rollback()


def test_psycopg_copies_both_ways(url):
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute("create table copied (a int, b text)")
        rows = [(i, None if i % 7 == 0 else f"line\t{i}\n\\") for i in range(3000)]
        for form in ("", " (format csv)", " (format binary)"):
            cursor.execute("truncate copied")
            with cursor.copy(f"copy copied from stdin{form}") as copy:
                if "binary" in form:
                    copy.set_types(["int4", "text"])
                if "csv" in form:
                    for a, b in rows:
                        quoted = "" if b is None else '"' + b + '"'
                        copy.write(f"{a},{quoted}\n")
                else:
                    for row in rows:
                        copy.write_row(row)
            cursor.execute("select a, b from copied order by a")
            assert cursor.fetchall() == rows
        with cursor.copy("copy copied to stdout") as copy:
            copy.set_types(["int4", "text"])
            assert sorted(copy.rows()) == rows


def test_psycopg_pipelines_and_server_cursors(url):
    with psycopg.connect(url) as connection:
        with connection.pipeline():
            cursors = [connection.execute("select %s::int", (i,)) for i in range(20)]
        assert [cursor.fetchone()[0] for cursor in cursors] == list(range(20))
        with connection.cursor(name="named") as cursor:
            cursor.execute("select g from generate_series(1, 500) g")
            assert cursor.fetchmany(2) == [(1,), (2,)]
            assert len(cursor.fetchall()) == 498


async def test_asyncpg_prepares_fetches_copies_and_resets(url):
    connection = await asyncpg.connect(url)
    await connection.execute("create table apg (a int primary key, b text, c numeric, d jsonb)")
    async with connection.transaction():
        await connection.executemany(
            "insert into apg values ($1, $2, $3, $4)",
            [(i, f"r{i}", decimal.Decimal(i) / 4, '{"k": 1}') for i in range(50)])
    row = await connection.fetchrow("select * from apg where a = $1", 7)
    assert tuple(row) == (7, "r7", decimal.Decimal("1.75"), '{"k": 1}')
    assert await connection.fetchval("select array_agg(a order by a desc) from apg where a < 3") \
        == [2, 1, 0]
    await connection.copy_records_to_table(
        "apg", records=[(i, None, None, None) for i in range(100, 200)], columns=list("abcd"))
    async with connection.transaction():
        seen = [r["a"] async for r in connection.cursor("select a from apg", prefetch=17)]
    assert len(seen) == 150
    with pytest.raises(asyncpg.UniqueViolationError):
        await connection.execute("insert into apg(a) values (1)")
    assert await connection.fetchval("select row(1, 'a')") == (1, "a")
    await connection.reset()
    await connection.close()


async def test_asyncpg_hears_notifications(url):
    import asyncio

    listener, speaker = await asyncpg.connect(url), await asyncpg.connect(url)
    heard = asyncio.Queue()
    await listener.add_listener("news", lambda *args: heard.put_nowait(args[2:]))
    await speaker.execute("notify news, 'hello'")
    assert await asyncio.wait_for(heard.get(), 5) == ("news", "hello")
    await listener.close()
    await speaker.close()


async def test_a_changed_table_voids_a_prepared_statement(url):
    connection = await asyncpg.connect(url)
    await connection.execute("create table changing (a int)")
    statement = await connection.prepare("select * from changing")
    await connection.execute("alter table changing add column b text default 'new'")
    with pytest.raises(asyncpg.PostgresError) as caught:
        await statement.fetch()
    assert caught.value.sqlstate == "0A000"
    await connection.close()


async def test_a_cancel_request_stops_a_statement(url):
    import asyncio

    connection = await asyncpg.connect(url)
    with pytest.raises(asyncio.TimeoutError):
        await connection.fetch(
            "select count(*) from generate_series(1,30000) a, generate_series(1,30000) b "
            "where a <> b", timeout=0.3)
    assert await connection.fetchval("select 1") == 1
    await connection.close()


def test_psql_shows_what_postgresql_15_shows(pg, url):
    """describe.out is what psql printed against PostgreSQL 15."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("drop schema public cascade")
        connection.execute("create schema public")
    scripts = Path(__file__).parent / "scripts"
    done = subprocess.run([program("psql"), "-X", "-f", str(scripts / "describe.sql")], env=pg,
                          capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    assert done.stdout == (scripts / "describe.out").read_text()
