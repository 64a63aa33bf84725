"""Deletion and snapshots over HTTP, and a server that goes on without a damaged block."""

import json
from pathlib import Path

import pytest

import bedrock
from tests.tsdb.wire import ask, http
from tsdb.matchers import Matcher

ADMIN = "/api/v1/admin/tsdb"


@pytest.fixture
def server():
    with bedrock.run("tsdb") as running:
        lines = "\n".join(f"m,x={x} v={t} {t}" for x in "ab" for t in range(1, 10))
        assert http(f"{running.url}/write?precision=s", lines.encode())[0] == 204
        yield running


def samples(url):
    result = ask(url, "query", query="m_v[1h]", time="100")["data"]["result"]
    return {s["metric"]["x"]: [t for t, _ in s["values"]] for s in result}


def test_delete_series_takes_what_the_selectors_find(server):
    path = f"{server.url}{ADMIN}/delete_series?match[]=m_v%7Bx='a'%7D&start=3&end=7"
    assert http(path, b"")[0] == 204
    assert samples(server.url) == {"a": [1, 2, 8, 9], "b": list(range(1, 10))}
    assert http(f"{server.url}{ADMIN}/delete_series?match[]=m_v", b"")[0] == 204
    assert samples(server.url) == {}
    assert http(f"{server.url}{ADMIN}/clean_tombstones", b"")[0] == 204
    status, body = http(f"{server.url}{ADMIN}/delete_series", b"")
    assert (status, b"no match[] parameter" in body) == (400, True)


def test_a_snapshot_is_a_directory_to_start_on(server, tmp_path):
    status, body = http(f"{server.url}{ADMIN}/snapshot", b"")
    assert status == 200
    name = json.loads(body)["data"]["name"]
    expected = samples(server.url)
    copy = Path(server.data_dir, "snapshots", name)
    assert sorted(path.suffix for path in (copy / "blocks").iterdir()) == [".block"]
    with bedrock.run("tsdb", data_dir=str(copy)) as other:
        assert samples(other.url) == expected


def test_a_damaged_block_is_set_aside_while_the_server_runs(server):
    store = server.server.store

    async def flush():
        return store.flush(5_000)

    block = server.call(flush())
    path = Path(server.data_dir, "blocks", block.name)
    data = bytearray(path.read_bytes())
    data[20] ^= 1
    path.write_bytes(data)
    assert samples(server.url)["a"] == [5, 6, 7, 8, 9]
    assert [finding.file for finding in store.block_set.findings] == [block.name]
    assert path.with_name(block.name + ".damaged").exists()
    assert len(store.select([Matcher("__name__", "=", "m_v")], 0, 10_000)) == 2
