"""SQLite's sqllogictest corpus, read as PostgreSQL; a slice of each file here, all of it by hand:

    python -m tests.minidb.test_sqllogictest DIR
"""

import os
import sys
from pathlib import Path

import psycopg
import pytest

import minidb
from bedrock.testing import peers
from tests.minidb import slt

JUDGES = os.environ.get("BEDROCK_JUDGES", "")
CORPUS = Path(JUDGES or "absent") / "sqllogictest"
# PostgreSQL refuses to drop a view that another view uses, which these files do.
NOT_POSTGRESQL = "index/view"
RECORDS = 400


def files(folder, postgresql=True):
    return [path for path in sorted(folder.rglob("*.test"))
            if str(path.relative_to(folder)).startswith(NOT_POSTGRESQL) != postgresql]


def play(path, limit):
    with minidb.connect() as db:
        return slt.run(path, lambda sql: db.execute(sql).rows, limit)


@pytest.mark.skipif(not JUDGES, reason="BEDROCK_JUDGES names no judging data")
@pytest.mark.parametrize("path", files(CORPUS) if JUDGES else [], ids=lambda p: str(p)[-40:])
def test_the_first_records_of_each_file_pass(path):
    tally = play(path, RECORDS)
    assert tally.failures == [] and tally.passed > 100


@pytest.mark.peer
@pytest.mark.skipif(not JUDGES, reason="BEDROCK_JUDGES names no judging data")
@pytest.mark.parametrize(
    "path", files(CORPUS, False) if JUDGES else [], ids=lambda p: str(p)[-40:])
def test_where_postgresql_fails_a_record_so_does_minidb_and_nowhere_else(path):
    ours = play(path, 4 * RECORDS)
    try:
        peer = peers.postgresql()
    except peers.PeerMissing as exc:
        pytest.skip(str(exc))
    with peer, psycopg.connect(peer.url, autocommit=True) as connection:

        def execute(sql):
            cursor = connection.execute(sql)
            return cursor.fetchall() if cursor.description else []

        theirs = slt.run(path, execute, 4 * RECORDS)
    assert ours.passed == theirs.passed > 1000
    assert [line for line, *_ in ours.failures] == [line for line, *_ in theirs.failures] != []


def test_the_runner_reads_what_the_format_says(tmp_path):
    script = tmp_path / "a.test"
    script.write_text(
        "hash-threshold 8\n\nstatement ok\nCREATE TABLE t (a INTEGER, b TEXT)\n\n"
        "statement ok\nINSERT INTO t VALUES (2, ''), (1, NULL)\n\n"
        "skipif postgresql\nquery I nosort\nSELECT nonsense\n----\n1\n\n"
        "onlyif postgresql\nquery IT rowsort\nSELECT a, b FROM t\n----\n1\nNULL\n2\n(empty)\n\n"
        "query R valuesort\nSELECT a FROM t\n----\n1.000\n2.000\n\n"
        "query I nosort\nSELECT a FROM t ORDER BY a\n----\n"
        "2 values hashing to 6ddb4095eb719e2a9f0a3f95677d24e0\n\n"
        "statement error\nSELECT nothing\n\nquery I nosort\nSELECT 1\n----\n2\n")
    tally = play(script, 0)
    assert (tally.passed, tally.skipped, len(tally.failures)) == (6, 1, 1)


if __name__ == "__main__":
    for file in files(Path(sys.argv[1])):
        result = play(file, 0)
        print(f"{file}: {result.passed} passed, {len(result.failures)} failed, "
              f"{result.skipped} skipped")
        for line, sql, why in result.failures[:3]:
            print(f"    line {line}: {sql}\n        {why}")
