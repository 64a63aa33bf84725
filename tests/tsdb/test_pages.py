"""The pages work in a browser: they ask, draw, and complete what is typed."""

import base64
import json
import shutil
import subprocess
import time
import urllib.request

import numpy as np
import pytest

import bedrock
import tsdb
from tests.hostile import until
from tests.tsdb.promqlgen import sample_data
from tests.tsdb.wire import http, remote_write_body
from tsdb.promql.functions import AGGREGATIONS, DOCS, FUNCTIONS
from tsdb.reference import PAGE, page


@pytest.fixture(scope="module")
def server():
    with bedrock.run("tsdb") as running:
        body = remote_write_body(sample_data((int(time.time()) - 3700) * 1000))
        assert http(f"{running.url}/api/v1/write", body)[0] == 204
        yield running


class Browser:
    """A tab of Chromium, told what to do through its debugging protocol."""

    def __init__(self, folder):
        from websockets.sync.client import connect

        self.process = subprocess.Popen(
            ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--window-size=1280,900",
             "--remote-debugging-port=0", f"--user-data-dir={folder}", "about:blank"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        port_file = folder / "DevToolsActivePort"
        until(lambda: port_file.exists() and port_file.read_text().count("\n"), 30)
        port = port_file.read_text().splitlines()[0]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json") as answer:
            page = next(one for one in json.load(answer) if one["type"] == "page")
        self.connection = connect(page["webSocketDebuggerUrl"], max_size=None)
        self.socket = self.connection.__enter__()
        self.number = 0

    def tell(self, method, **params):
        self.number += 1
        self.socket.send(json.dumps({"id": self.number, "method": method, "params": params}))
        while (answer := json.loads(self.socket.recv(timeout=30))).get("id") != self.number:
            pass
        return answer["result"]

    def run(self, script):
        found = self.tell("Runtime.evaluate", expression=script, awaitPromise=True)["result"]
        return found.get("value")

    def type(self, text):
        for letter in text:
            self.tell("Input.dispatchKeyEvent", type="char", text=letter)

    def shot(self, path):
        data = self.tell("Page.captureScreenshot", format="png")["data"]
        path.write_bytes(base64.b64decode(data))

    def stop(self):
        self.connection.__exit__(None, None, None)
        self.process.terminate()
        self.process.wait(10)


@pytest.fixture
def browser(tmp_path):
    if shutil.which("chromium") is None:
        pytest.skip("chromium is not installed")
    tab = Browser(tmp_path)
    yield tab
    tab.stop()


@pytest.mark.peer
def test_a_query_is_completed_asked_and_drawn(server, browser):
    browser.tell("Page.navigate", url=f"{server.url}/graph")
    until(lambda: browser.run("document.readyState") == "complete")
    browser.run("document.getElementById('query').focus()")
    browser.type("sum(rate(requ")
    choices = "[...document.querySelectorAll('#choices li')].map(li => li.firstChild.data).join()"
    until(lambda: browser.run(choices) == "requests_total")
    key = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13}
    browser.tell("Input.dispatchKeyEvent", type="keyDown", **key)
    browser.type('{ho')
    until(lambda: browser.run(choices) == "host")
    browser.tell("Input.dispatchKeyEvent", type="keyDown", **key)
    browser.type('="')
    until(lambda: browser.run(choices) == "h1,h2,h3")
    browser.tell("Input.dispatchKeyEvent", type="keyDown", **key)
    browser.type('"}[5m])) by (code)')
    written = browser.run("document.getElementById('query').value")
    assert written == 'sum(rate(requests_total{host="h1"}[5m])) by (code)'
    browser.tell("Input.dispatchKeyEvent", type="keyDown", modifiers=2, **key)
    until(lambda: "3 series" in browser.run("document.getElementById('stats').textContent"))
    assert browser.run("document.querySelectorAll('.legend li').length") == 3
    browser.run("document.querySelector('[data-tab=table]').click()")
    until(lambda: browser.run("document.querySelectorAll('#table tr').length") == 3)
    browser.run("document.getElementById('query').value = 'sum('")
    browser.run("document.querySelector('button.main').click()")
    problem = "document.getElementById('problem').textContent"
    until(lambda: "unclosed left parenthesis" in browser.run(problem))


@pytest.mark.peer
def test_cardinality_is_told_and_a_metric_opened(server, browser):
    browser.tell("Page.navigate", url=f"{server.url}/cardinality#gauge")
    first = "document.querySelector('#metrics li')?.textContent"
    until(lambda: browser.run(first) == "latency_bucket15")
    focus = "[...document.querySelectorAll('#focus li')].map(li => li.textContent).join()"
    until(lambda: browser.run(focus) == "code3,host3")


@pytest.mark.peer
def test_a_drag_looks_closer_and_a_double_click_steps_back(server, browser):
    browser.tell("Page.navigate", url=f"{server.url}/graph?g0.expr=gauge&g0.range_input=3600s")
    # The chart has been drawn when its canvas has the size that draw() gives it.
    drawn = "document.querySelectorAll('.legend li').length == 9 && "
    drawn += "document.querySelector('canvas').height > 200"
    until(lambda: browser.run(drawn))
    shown = "new URLSearchParams(location.search).get('g0.range_input')"
    mouse = {"y": 400, "button": "left", "clickCount": 1}

    for kind, x in (("mousePressed", 500), ("mouseMoved", 700), ("mouseReleased", 700)):
        browser.tell("Input.dispatchMouseEvent", type=kind, x=x, buttons=1, **mouse)
    until(lambda: int(browser.run(shown)[:-1]) < 1800)
    range_s = int(browser.run(shown)[:-1])
    browser.run("document.querySelector('canvas').dispatchEvent(new MouseEvent('dblclick'))")
    until(lambda: int(browser.run(shown)[:-1]) == 2 * range_s)
    click = "document.querySelectorAll('.legend li')[2].dispatchEvent(new MouseEvent('click', {})"
    browser.run(click.replace("{}", "{shiftKey: true}") + ")")
    until(lambda: browser.run("document.querySelectorAll('.legend li.off').length") == 8)


@pytest.mark.peer
def test_the_storage_is_shown_head_blocks_and_rate(tmp_path, browser):
    hour, now = 3_600_000, int(time.time() * 1000)
    with tsdb.open(str(tmp_path / "data")) as db:
        for at in range(now - 24 * hour, now, hour):
            times = at + np.arange(60) * 60_000
            db.write({"__name__": "m", "a": "x"}, times, np.arange(60) / 10)
            db.write({"__name__": "n"}, times, np.random.default_rng(1).normal(0, 1, 60))
            db.maintain()
    with bedrock.run("tsdb", data_dir=str(tmp_path / "data")) as server:
        held = json.loads(http(f"{server.url}/api/v1/status/storage")[1])["data"]
        blocks = held["blocks"]
        assert {block["level"] for block in blocks} >= {0, 1}
        assert held["head"]["samples"] + sum(b["samples"] for b in blocks) == 2 * 24 * 60
        assert all(sum(b["codings"].values()) <= b["bytes"] for b in blocks)
        browser.tell("Page.navigate", url=f"{server.url}/storage")
        parts = "document.querySelectorAll('.part').length"
        until(lambda: browser.run(parts) == len(blocks) + 1)
        assert browser.run("document.querySelectorAll('#blocks tbody tr').length") == len(blocks)
        assert browser.run("document.querySelector('.part i').style.height").endswith("%")
        assert "bytes a sample" in browser.run("document.getElementById('totals').textContent")


def test_the_welcome_names_its_address_and_leads_browsers_to_the_query_page():
    with bedrock.run("tsdb") as server:
        status, text = http(f"{server.url}/")
        assert (status, f"'{server.url}/write'" in text.decode()) == (200, True)
        status, text = http(f"{server.url}/", Accept="text/html,*/*")  # urllib follows
        assert (status, b"<title>" in text) == (200, True)


def test_the_reference_is_that_of_the_tables(server):
    assert FUNCTIONS.keys() | AGGREGATIONS.keys() == DOCS.keys()
    assert PAGE.read_text() == page(server.server.routes), "run python -m tsdb.reference"


def test_the_pages_are_served_and_only_they(server):
    for path in ("/graph", "/cardinality", "/storage", "/static/chart.js", "/static/console.css"):
        assert http(server.url + path)[0] == 200
    for path in ("/static/nothing.js", "/static/..%2fserver.py", "/static/"):
        assert http(server.url + path)[0] == 404
    signatures = json.loads(http(f"{server.url}/functions.json")[1])["data"]
    assert signatures["rate"][0] == "(range vector) -> instant vector"
