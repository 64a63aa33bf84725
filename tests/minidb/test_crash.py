"""What was acknowledged survives: kill -9, torn tails, damage, a full disk."""

import os
import random
import resource
import signal
import subprocess
from pathlib import Path

import psycopg
import pytest

import bedrock.testing.run as running
import minidb
from bedrock.storage.errors import Damaged
from bedrock.world import DiskFull, OsDisk
from minidb.checkpoint import check
from minidb.sqlstate import DatabaseError
from tests.minidb.conftest import program


def numbers(db):
    return [row[0] for row in db.execute("select a from t order by a").rows]


def test_committed_rows_are_there_after_close_and_open(tmp_path):
    with minidb.connect(str(tmp_path)) as db:
        db.execute("create table t (a int primary key, b text, c numeric, d int[], e interval)")
        db.execute("create view v as select a from t")
        db.execute("insert into t select g, 'r' || g, g / 4.0, array[g, null], "
                   "g * interval '1 day' from generate_series(1, 200) g")
        db.execute("update t set b = null where a % 2 = 0")
        db.execute("delete from t where a > 190")
        before = db.execute("select * from t order by a").rows
    for _ in range(2):
        with minidb.connect(str(tmp_path)) as db:
            assert db.execute("select * from t order by a").rows == before
            assert db.execute("select count(*) from v").scalar() == 190
            with pytest.raises(DatabaseError) as caught:
                db.execute("insert into t values (1)")
            assert caught.value.sqlstate == "23505"
    assert list(check(OsDisk(str(tmp_path)))) == []


def test_what_was_not_committed_is_gone(tmp_path):
    db = minidb.connect(str(tmp_path))
    db.execute("create table t (a int)")
    db.execute("insert into t values (1)")
    db.execute("begin")
    db.execute("insert into t values (2)")
    # No close: the process "dies" here.
    again = minidb.connect(str(tmp_path))
    assert numbers(again) == [1]


@pytest.mark.parametrize("cut", [1, 5, 17, 40])
def test_a_torn_tail_is_cut_and_the_rest_kept(tmp_path, cut):
    db = minidb.connect(str(tmp_path))
    db.execute("create table t (a int)")
    for i in range(10):
        db.execute("insert into t values ($1)", (i,))
    (log,) = [p for p in (tmp_path / "wal").iterdir() if p.suffix == ".log"]
    data = log.read_bytes().rstrip(b"\0")
    log.write_bytes(data[:-cut])
    found = numbers(minidb.connect(str(tmp_path)))
    assert found == list(range(len(found))) and len(found) >= 8


def test_damage_in_a_checkpoint_is_refused_and_named(tmp_path):
    with minidb.connect(str(tmp_path)) as db:
        db.execute("create table t (a int)")
        db.execute("insert into t select generate_series(1, 1000)")
    (group,) = (tmp_path / "groups").iterdir()
    data = bytearray(group.read_bytes())
    data[len(data) // 2] ^= 1
    group.write_bytes(data)
    with pytest.raises(Damaged) as caught:
        minidb.connect(str(tmp_path))
    assert "groups/" in str(caught.value)
    assert any("groups/" in f.file for f in check(OsDisk(str(tmp_path))))


def test_kill_minus_nine_loses_nothing_acknowledged(tmp_path):
    acknowledged, last = set(), 0
    for _ in range(3):
        with running.run("minidb", process=True, data_dir=str(tmp_path)) as server:
            url = f"postgresql://postgres@127.0.0.1:{server.port}/postgres"
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute("create table if not exists t (a int primary key)")
                found = {row[0] for row in connection.execute("select a from t").fetchall()}
                assert acknowledged <= found <= acknowledged | {last}
                acknowledged = found
                for _ in range(random.randrange(20, 60)):
                    last += 1
                    connection.execute("insert into t values (%s)", (last,))
                    acknowledged.add(last)
                os.kill(server.pid, signal.SIGKILL)


def test_a_full_disk_fails_writes_and_reads_go_on(tmp_path):
    with minidb.connect(str(tmp_path)) as db:
        db.execute("create table t (a int)")
        db.execute("insert into t values (1)")
        journal = db.engine.journal

        class FullLog:
            end = journal.wal.end

            def append(self, data):
                raise DiskFull(28, "append: No space left on device", "wal")

        real, journal.wal = journal.wal, FullLog()
        with pytest.raises(DiskFull):
            db.execute("insert into t values (2)")
        assert numbers(db) == [1]
        journal.wal = real
        db.execute("insert into t values (3)")
        assert numbers(db) == [1, 3]


def test_a_full_disk_is_53100_on_the_wire_and_room_heals_it():
    """A real process whose files may not grow: what writes fails, what reads does not."""
    with running.run("minidb", process=True) as server:
        url = f"postgresql://postgres@127.0.0.1:{server.port}/postgres"
        with psycopg.connect(url, autocommit=True) as db:
            db.execute("create table t (a int primary key, b text)")
            db.execute("insert into t values (1, 'kept')")
            # What the log has allocated stays good, as on a full disk; nothing is added to it.
            most = max(path.stat().st_size for path in Path(server.data_dir, "wal").iterdir())
            _, hard = resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (most, -1))
            big = "x" * 5_000_000
            full = pytest.raises(psycopg.errors.DiskFull)
            with full:
                db.execute("insert into t values (2, %s)", (big,))
            for sql in ("insert into t values (2, 'refused')", "create table u (a int)"):
                db.execute("begin")
                db.execute("insert into t values (99, %s)", (big,))
                db.execute(sql)
                with full:
                    db.execute("commit")
                assert db.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
            with full, db.cursor().copy("copy t from stdin") as copy:
                for i in range(100, 103):
                    copy.write_row((i, big))
            assert db.execute("select a, b from t").fetchall() == [(1, "kept")]
            resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (-1, hard))
            db.execute("insert into t values (2, 'room')")
            db.execute("create table u (a int)")
        server.restart()
        with psycopg.connect(url) as db:
            assert db.execute("select a, b from t order by a").fetchall() == [
                (1, "kept"), (2, "room")]
            assert db.execute("select * from u").fetchall() == []


@pytest.mark.peer
def test_kill_minus_nine_in_the_middle_of_tpc_b_keeps_every_acknowledged_transaction(tmp_path):
    pgbench = program("pgbench")
    with running.run("minidb", process=True) as server:
        env = {**os.environ, **server.env, "PGPORT": str(server.port)}
        subprocess.run([pgbench, "-i", "-q", "-s", "1"], env=env, check=True, capture_output=True,
                       timeout=60)
        load = subprocess.Popen(
            [pgbench, "-n", "-c", "8", "-T", "20", "-l", "--log-prefix", str(tmp_path / "log")],
            env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with pytest.raises(subprocess.TimeoutExpired):
            load.wait(2)
        server.kill()
        load.wait(30)
        server.start()
        # pgbench logs a line for each transaction whose COMMIT was answered.
        acknowledged = sum(len(p.read_text().splitlines()) for p in tmp_path.glob("log.*"))
        url = f"postgresql://postgres@127.0.0.1:{server.port}/postgres"
        with psycopg.connect(url) as db:
            accounts, branches, tellers, history, n = db.execute(
                "select (select sum(abalance) from pgbench_accounts), "
                "(select sum(bbalance) from pgbench_branches), "
                "(select sum(tbalance) from pgbench_tellers), sum(delta), count(*) "
                "from pgbench_history").fetchone()
        assert accounts == branches == tellers == history
        assert 100 < acknowledged <= n <= acknowledged + 8


def test_sequences_never_give_a_value_twice_over_a_crash(tmp_path):
    db = minidb.connect(str(tmp_path))
    db.execute("create table t (a serial, b int)")
    given = [db.execute("insert into t(b) values (1) returning a").scalar() for _ in range(5)]
    again = minidb.connect(str(tmp_path))
    assert again.execute("insert into t(b) values (1) returning a").scalar() > max(given)
