"""Real clients do their everyday job: irssi in a terminal, a WebSocket library, netcat."""

import asyncio
import shutil
import subprocess
import time
import uuid

import pytest
import websockets

import bedrock

from .irc import Client


@pytest.fixture(scope="module")
def server():
    with bedrock.run("chat") as running:
        yield running


def need(program):
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")


class Terminal:
    """A program in a tmux window that nobody looks at but us."""

    def __init__(self, command):
        self.name = f"bedrock-{uuid.uuid4().hex[:8]}"
        self._tmux("new-session", "-d", "-s", self.name, "-x", "100", "-y", "30", command)

    def _tmux(self, *words):
        args = ["tmux", "-L", self.name, *words]
        return subprocess.run(args, capture_output=True, text=True, check=True).stdout

    def type(self, line):
        self._tmux("send-keys", "-t", self.name, line, "Enter")

    def wait_for(self, text, seconds=15):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            screen = self._tmux("capture-pane", "-t", self.name, "-p")
            if text in screen:
                return screen
            time.sleep(0.05)
        raise AssertionError(f"{text!r} did not appear:\n{screen}")

    def close(self):
        subprocess.run(["tmux", "-L", self.name, "kill-server"], capture_output=True, check=False)


@pytest.mark.peer
def test_irssi_joins_talks_and_hears(server, tmp_path):
    need("irssi")
    need("tmux")
    # irssi spaces out its commands, so as not to be taken for a flood.
    (tmp_path / "config").write_text(
        'settings = { "irc/core" = { cmd_queue_speed = "1ms"; cmds_max_at_once = "100"; }; };\n'
    )
    terminal = Terminal(
        f"irssi --home={tmp_path} --connect=127.0.0.1 --port={server.port} --nick=iris"
    )
    try:
        terminal.wait_for("Welcome to the Bedrock network")
        terminal.type("/join #irssi")
        terminal.wait_for("has joined #irssi")
        ann = Client(server.host, server.port, "ann")
        ann.send("JOIN #irssi")
        ann.send("PRIVMSG #irssi :good morning")
        terminal.wait_for("good morning")
        terminal.type("/topic a fine topic")
        terminal.type("to you too")
        terminal.wait_for("<@iris> to you too")
        heard = {
            (m.command, m.params[-1]) for _ in range(20) for m in ann.lines() or time.sleep(0.05)
        }
        assert {("TOPIC", "a fine topic"), ("PRIVMSG", "to you too")} <= heard
        ann.close()
        terminal.type("/names")
        terminal.wait_for("Total of 2 nicks")
        terminal.type("/quit")
    finally:
        terminal.close()


@pytest.mark.parametrize("subprotocol", ["text.ircv3.net", "binary.ircv3.net"])
def test_a_websocket_carries_one_line_a_frame(server, subprotocol):
    def as_sent(text):
        return text if subprotocol.startswith("text") else text.encode()

    async def talk():
        uri = f"ws://127.0.0.1:{server.ports['websocket_port']}/"
        async with websockets.connect(uri, subprotocols=[subprotocol]) as socket:
            assert socket.subprotocol == subprotocol
            for line in (
                "NICK web",
                "USER web 0 * :web",
                "JOIN #web",
                "PRIVMSG #web :hé",
                "PING z",
            ):
                await socket.send(as_sent(line))
            frames = []
            while not frames or "PONG" not in frames[-1]:
                frame = await asyncio.wait_for(socket.recv(), 10)
                frames.append(frame if isinstance(frame, str) else frame.decode())
            return frames

    frames = asyncio.run(talk())
    assert frames[0].startswith(":chat.bedrock 001 web ")
    assert not any("\n" in frame or "\r" in frame for frame in frames)
    assert any(" JOIN #web" in frame for frame in frames)


def test_a_page_of_another_site_may_not_connect(server):
    async def talk():
        uri = f"ws://127.0.0.1:{server.ports['websocket_port']}/"
        with pytest.raises(websockets.exceptions.InvalidStatus, match="403"):
            await websockets.connect(uri, origin="http://elsewhere.example")

    asyncio.run(talk())


@pytest.mark.peer
def test_netcat_speaks_it_by_hand(server):
    need("nc")
    script = b"NICK cat\nUSER cat 0 * :Cat\nJOIN #nc\nPRIVMSG cat :to myself\nQUIT :bye\n"
    done = subprocess.run(
        ["nc", "127.0.0.1", str(server.port)], input=script, capture_output=True, timeout=10,
        check=False,
    )  # fmt: skip
    assert b" 001 cat " in done.stdout
    assert b":cat!~cat@127.0.0.1 PRIVMSG cat :to myself\r\n" in done.stdout
    assert done.stdout.endswith(b"ERROR :Closing link: 127.0.0.1 (Quit: bye)\r\n")


def browse(url, profile, budget_ms):
    """The page as it stands after budget_ms of the browser's own time."""
    command = [
        "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
        "--no-first-run", "--disable-background-networking", "--disable-component-update",
        "--disable-sync", f"--user-data-dir={profile}", f"--virtual-time-budget={budget_ms}",
        "--dump-dom", url,
    ]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout


@pytest.mark.peer
def test_the_web_client_shows_what_is_said(server, tmp_path):
    need("chromium")
    ann = Client(server.host, server.port, "anna")
    ann.send("JOIN #page")
    ann.send("PRIVMSG #page :seen in a browser")
    list(ann.lines())
    url = f"http://127.0.0.1:{server.ports['websocket_port']}/?nick=visitor&join=%23page"
    for budget_ms in (4000, 30_000, 200_000, 1_000_000):
        # Virtual time runs ahead of a busy machine, so a look may come too early.
        page = browse(url, tmp_path / str(budget_ms), budget_ms)
        if "seen in a browser" in page:
            break
    assert "seen in a browser" in page
    assert "@anna" in page
    ann.close()


@pytest.mark.parametrize("process", [False, True])
def test_the_websocket_port_can_be_declined(process):
    with bedrock.run("chat", process=process, websocket_port=-1) as server:
        assert list(server.ports) == ["port"]
        assert list(server.env) == ["IRC_URL"]
