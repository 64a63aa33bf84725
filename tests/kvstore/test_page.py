"""The page of keys: what it shows is what commands say, and it can only look."""

import pytest
import redis
import requests

import bedrock
from kvstore.shell import show


@pytest.fixture(scope="module")
def page():
    """A server with some keys: (get(path) -> response, client)."""
    with (
        bedrock.run("kvstore", page_port=0) as server,
        redis.Redis(port=server.port) as client,
    ):
        client.set("text", "<b>bold</b>", ex=1000)
        client.rpush("list", *range(5000))
        client.hset("hash", mapping={"field": 1, "other": "x"})
        client.zadd("board", {"ada": 3, "bob": 1.5})
        client.xadd("stream", {"a": 1})
        client.sadd(b"set\xff", 1)
        client.config_set("slowlog-log-slower-than", 0)
        client.ping()
        client.config_set("slowlog-log-slower-than", 10_000)
        base = f"http://127.0.0.1:{server.ports['page_port']}"
        yield lambda path, **query: requests.get(base + path, params=query, timeout=10), client


def test_the_overview_counts_and_has_the_slow_log(page):
    get, client = page
    data = get("/overview.json").json()
    assert data["keys"] == client.dbsize() == 6
    assert data["databases"] == [{"index": 0, "keys": 6, "mortal": 1}]
    assert any("PING" in entry["command"] for entry in data["slow"])
    assert {"set", "rpush"} <= {command["name"] for command in data["commands"]}
    assert "Where the time goes" in get("/").text


def test_keys_are_found_by_pattern_with_type_and_ttl(page):
    get, _ = page
    (line,) = get("/keys.json", pattern="t*").json()["keys"]
    assert line["name"] == "text" and line["type"] == "string" and 0 < line["ttl_ms"] <= 10**6
    assert {key["type"] for key in get("/keys.json").json()["keys"]} == {
        "string", "list", "hash", "zset", "stream", "set"}
    assert "for ever" in get("/keys").text


def test_the_biggest_key_stands_first(page):
    get, _ = page
    data = get("/big.json").json()
    assert data["keys"][0]["name"] == "list" and data["all"]
    assert "The biggest keys" in get("/big").text


@pytest.mark.parametrize(("name", "shown"), [
    ("text", "&lt;b&gt;bold"), ("list", "4) "), ("hash", "field"), ("board", "ada"),
    ("stream", "-0"),
])  # fmt: skip
def test_a_key_of_each_type_is_shown(page, name, shown):
    get, _ = page
    response = get("/key", name=name)
    assert response.status_code == 200 and shown in response.text


def test_a_key_whose_name_is_not_text_leads_to_itself(page):
    get, _ = page
    (line,) = get("/keys.json", pattern="set*").json()["keys"]
    found = get("/key.json", id=line["id"]).json()
    assert found["name"] == line["name"] == "set\\xff" and found["type"] == "set"


@pytest.mark.parametrize(("path", "query", "status"), [
    ("/key", {"name": "none"}, 404), ("/keys", {"db": 99}, 404), ("/keys", {"db": "x"}, 400),
    ("/static/page.css", {}, 200), ("/static/server.py", {}, 404), ("/none", {}, 404),
])  # fmt: skip
def test_what_is_not_there(page, path, query, status):
    assert page[0](path, **query).status_code == status


def test_the_page_asks_for_the_password_clients_need(tmp_path):
    (tmp_path / "word").write_text("secret")
    with bedrock.run("kvstore", page_port=0, password_file=str(tmp_path / "word")) as server:
        url = f"http://127.0.0.1:{server.ports['page_port']}/"
        assert requests.get(url, timeout=10).status_code == 401
        assert requests.get(url, auth=("x", "secret"), timeout=10).status_code == 200


def test_values_are_shown_as_their_type_is_best_read():
    assert show("zset", [[b"ada", 3.0], [b"b", 1.5]]) == '3    "ada"\n1.5  "b"'
    assert show("hash", [b"0", [b"f", b"1", b"long", b"2"]]) == '"f"     "1"\n"long"  "2"'
    assert show("stream", [[b"1-1", [b"a", b"b"]]]) == '1-1  "a" "b"'
