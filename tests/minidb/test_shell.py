"""The shell's grammar against a server: errors, \\d, completion."""

import pytest

from minidb.config import Config
from minidb.shell import MinidbGrammar


@pytest.fixture
async def shell(server):
    grammar = MinidbGrammar("127.0.0.1", server.port, Config())
    await grammar.open()
    yield grammar
    await grammar.close()


async def test_an_error_is_shown_and_the_session_goes_on(shell):
    said = await shell.execute("select * from nowhere;")
    assert said == 'ERROR:  42P01: relation "nowhere" does not exist'
    assert "1 row" in await shell.execute("select 1 as one;")
    await shell.execute("begin;")
    await shell.execute("select nope;")
    assert shell.prompt == "postgres=!> "
    assert await shell.execute("rollback;") == "ROLLBACK"


async def test_new_tables_complete_and_are_described(shell):
    await shell.execute("create table people (id int primary key, full_name text);")
    assert [found.text for found in shell.complete("select * from peo")] == ["people"]
    assert "full_name" in [found.text for found in shell.complete("select full_n")]
    assert "people" in await shell.execute("\\d")
    assert "full_name" in await shell.execute("\\d people")
    assert "understood" in await shell.execute("\\nope")
    with pytest.raises(EOFError):
        await shell.execute("\\q")
