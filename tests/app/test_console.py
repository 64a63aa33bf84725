"""The console: its pages, what it says of systems, and whom it answers."""

import base64
import json
import os
import time
import urllib.error
import urllib.request
from collections import deque

import pytest

import bedrock
from bedrock.app import state
from bedrock.app.console import shown
from bedrock.app.console.config import COMPONENT, ConsoleConfig
from bedrock.app.console.guard import Guard
from bedrock.app.console.watch import Numbers, parse, update
from bedrock.testing.run import InProcess


@pytest.fixture
def echo_up(tmp_path):
    """An echo server, and the state file that `bedrock up` would write about it."""
    with bedrock.run("echo", metrics_port=0) as echo:
        system = state.System(
            "echo", "up", 1234, echo.host, echo.ports, 2, time.time(), echo.data_dir
        )
        path = tmp_path / "up.json"
        state.write(str(path), state.State(os.getpid(), time.time(), [system]))
        yield path


@pytest.fixture
def console(echo_up):
    with InProcess(COMPONENT, ConsoleConfig(port=0, state_file=str(echo_up))) as running:
        yield running


def get(console, path, **headers):
    request = urllib.request.Request(f"http://127.0.0.1:{console.port}{path}", headers=headers)
    return urllib.request.urlopen(request, timeout=5)


def soon(console, ready):
    """The overview's data, once `ready(data)`."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        data = json.load(get(console, "/overview.json"))
        if ready(data):
            return data
        time.sleep(0.05)
    raise AssertionError(f"never ready: {data}")


def test_the_overview_has_a_card_for_each_system(console):
    data = soon(console, lambda data: data["up"] == 1)
    (system,) = data["systems"]
    assert (system["name"], system["state"], system["restarts"]) == ("echo", "up", 2)
    assert system["addresses"][0]["try"].startswith("nc 127.0.0.1 ")
    page = get(console, "/").read().decode()
    assert 'href="/systems/echo"' in page and "1<small> of 1</small>" in page


def test_a_system_has_its_page_with_all_its_metrics(console):
    soon(console, lambda data: data["systems"] and data["systems"][0]["metrics"])
    page = get(console, "/systems/echo").read().decode()
    assert "bedrock_echo_connections_accepted_total" in page
    data = json.load(get(console, "/systems/echo.json"))
    assert data["system"]["metrics"]["bedrock_echo_connections"]["value"] == 0


def test_requests_become_a_rate(console, echo_up):
    import socket

    ports = json.loads(echo_up.read_text())["systems"][0]["ports"]
    with socket.create_connection(("127.0.0.1", ports["port"])) as connection:

        def busy(data):
            connection.sendall(b"hello\n" * 100)
            connection.recv(10_000)
            return data["requests_per_s"] > 0 and data["bytes_per_s"] > 0

        soon(console, busy)


def test_without_a_supervisor_nothing_is_up(console, echo_up):
    echo_up.unlink()
    assert soon(console, lambda data: not data["systems"])["up"] == 0
    assert "Nothing is up" in get(console, "/").read().decode()


def test_a_page_that_is_not_there_is_404(console):
    for path in ("/nothing", "/systems/nothing", "/static/../app.py"):
        with pytest.raises(urllib.error.HTTPError) as caught:
            get(console, path)
        assert caught.value.code == 404


def test_pages_load_only_our_own_files_and_are_not_shared(console):
    reply = get(console, "/")
    assert "default-src 'self'" in reply.headers["Content-Security-Policy"]
    assert reply.headers["X-Frame-Options"] == "DENY"
    assert "Access-Control-Allow-Origin" not in reply.headers
    page = reply.read().decode()
    assert "<style" not in page and " style=" not in page and "onclick" not in page
    for asset in ("console.css", "live.js", "strata.svg"):
        assert f"/static/{asset}" in page and get(console, f"/static/{asset}").status == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:7070", "localhost.evil.example", ""]
)
def test_a_foreign_host_header_is_refused(console, host):
    with pytest.raises(urllib.error.HTTPError) as caught:
        get(console, "/", Host=host)
    assert caught.value.code == 421


def test_writing_from_a_foreign_origin_is_refused():
    guard = Guard(None, "127.0.0.1")
    host = {"host": b"localhost:7070"}
    assert guard.refuse("POST", host | {"origin": b"http://evil.example"})[0] == 403
    assert guard.refuse("POST", host)[0] == 403
    assert guard.refuse("POST", host | {"origin": b"http://localhost:7070"}) is None
    assert guard.refuse("GET", host | {"origin": b"http://evil.example"}) is None


def test_a_password_is_asked_for_when_there_is_one():
    guard = Guard(None, "0.0.0.0", "sesame")

    def status(word):
        header = b"Basic " + base64.b64encode(b"any:" + word)
        refusal = guard.refuse("GET", {"host": b"box:7070", "authorization": header})
        return refusal and refusal[0]

    assert status(b"sesame") is None
    assert status(b"wrong") == 401
    for header in (b"", b"Basic ???", b"Bearer sesame", b"Basic"):
        assert guard.refuse("GET", {"host": b"box", "authorization": header})[0] == 401


def test_rates_are_differences_and_a_restart_gives_none():
    numbers = Numbers()
    name = "bedrock_echo_requests_total"
    for at_s, count in ((0, 100.0), (1, 150.0), (3, 250.0), (4, 10.0)):
        update(numbers, "echo", {name: count}, at_s * 1_000_000_000)
    assert list(numbers.series["requests"]) == [0, 50, 50, 0]


def test_labels_are_summed_and_buckets_left_out():
    text = (
        "# TYPE a counter\n"
        'a_total{x="1"} 2\na_total{x="2"} 3\n'
        "# TYPE h histogram\n"
        'h_bucket{le="+Inf"} 4\nh_sum 8\nh_count 4\n'
    )
    assert parse(text) == {"a_total": 5, "h_sum": 8, "h_count": 4}


@pytest.mark.parametrize(
    "value, text",
    [(0, "0"), (7.53, "7.5"), (1234, "1,234"), (56789, "56.8 k"), (1.234e6, "1.23 M"),
     (5e13, "50.0 T")],
)
def test_numbers_are_short(value, text):
    assert shown.number(value) == text


@pytest.mark.parametrize(
    "value, text", [(0, "0 B"), (1023, "1023 B"), (12_600, "12.3 KiB"), (1 << 32, "4.00 GiB")]
)
def test_sizes_are_short(value, text):
    assert shown.size(value) == text


def test_amounts_have_the_unit_of_their_name():
    assert shown.amount("x_bytes_total", 2048) == "2.00 KiB"
    assert shown.amount("x_seconds", 0.0123) == "0.0123 s"
    assert shown.amount("x_total", 12) == "12"


def test_a_chart_ends_at_the_right_edge_and_stays_in_its_box():
    assert shown.chart([]) == shown.chart([1]) == ""
    path = shown.chart(deque([0, 5, 10]))
    assert path.startswith("M240.0 ")
    numbers = [float(word) for word in path[1:].replace("L", " ").split()]
    assert all(0 <= y <= shown.HEIGHT for y in numbers[1::2])
    assert shown.chart([0, 5], closed=True).endswith("Z")
