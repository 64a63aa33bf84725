"""Golden scripts, on minidb and, where installed, on PostgreSQL 15, which proves them right."""

import time
from pathlib import Path

import psycopg
import pytest

from bedrock.testing import golden, peers

SCRIPTS = golden.scripts(Path(__file__).parent / "scripts")


def executor(connection):
    """Rows as text between bars, the tag where there are none, SQLSTATE and message of errors."""

    def execute(line):
        done = connection.pgconn.exec_(line.encode())
        if done.error_message:
            state = done.error_field(psycopg.pq.DiagnosticField.SQLSTATE).decode()
            said = done.error_field(psycopg.pq.DiagnosticField.MESSAGE_PRIMARY).decode()
            return f"{state} {said}"
        if done.nfields == 0:
            return done.command_status.decode()
        return "\n".join(
            "|".join((done.get_value(r, c) or b"").decode() for c in range(done.nfields))
            for r in range(done.ntuples))

    return execute


def fresh(url):
    """A database of its own for the script."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("drop schema public cascade")
        connection.execute("create schema public")


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda p: p.stem)
def test_script_on_minidb(path, url, update_golden):
    fresh(url)
    with psycopg.connect(url, autocommit=True) as connection:
        golden.run(path, executor(connection), update_golden)


def answers(url):
    """Wait until a server that listens also serves."""
    for _ in range(100):
        try:
            psycopg.connect(url).close()
            return
        except psycopg.OperationalError:
            time.sleep(0.1)


@pytest.fixture(scope="module")
def postgresql():
    try:
        with peers.postgresql() as peer:
            answers(peer.url)
            yield peer.url
    except peers.PeerMissing as exc:
        pytest.skip(str(exc))


@pytest.mark.peer
@pytest.mark.parametrize("path", SCRIPTS, ids=lambda p: p.stem)
def test_script_on_postgresql(path, postgresql):
    fresh(postgresql)
    with psycopg.connect(postgresql, autocommit=True) as connection:
        golden.run(path, executor(connection))
