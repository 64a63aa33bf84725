"""`bedrock up` and its kin, end to end, as a person starts them."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

from bedrock.app import state
from bedrock.app.ports import free_port


def bedrock(*args, **options):
    return subprocess.run(
        [sys.executable, "-m", "bedrock.app.cli", *args], capture_output=True, text=True,
        timeout=60, check=False, **options,
    )


def free_offset(*wanted):
    """An offset at which all of the wanted ports are free."""
    from bedrock.app.ports import is_free

    for offset in range(free_port() % 20000 + 10000, 50000, 37):
        if all(is_free("127.0.0.1", port + offset) for port in wanted):
            return offset
    raise AssertionError("no free offset")


class Up:
    """A `bedrock up` in a directory of its own."""

    def __init__(self, directory, *args):
        self.directory = directory
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bedrock.app.cli", "up", "--data-dir", str(directory), *args],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )

    def state(self):
        path = self.directory / state.FILE
        return state.read(path) if path.exists() else None

    def wait(self, ready, timeout_s=30):
        """The state, once `ready(state)`."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.process.communicate()
            now = self.state()
            if now and ready(now):
                return now
            time.sleep(0.02)
        raise AssertionError(f"never: {self.state()}")

    def wait_up(self):
        return self.wait(lambda now: all(each.state == "up" for each in now.systems))

    def end(self, number=signal.SIGINT):
        self.process.send_signal(number)
        out, log = self.process.communicate(timeout=15)
        return self.process.returncode, out, log


@pytest.fixture
def up(tmp_path):
    started = []

    def run(*args):
        started.append(Up(tmp_path / "data", *args))
        return started[-1]

    yield run
    for each in started:
        if each.process.poll() is None:
            each.end()


def alive(pid):
    return state.is_alive(pid)


def ask(port, line):
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(line + b"\n")
        return connection.recv(1000)


def test_everything_comes_up_is_restarted_after_a_kill_and_stops_within_five_seconds(up):
    from bedrock.app.component import components
    from bedrock.app.config import resolve

    wanted = [7070]
    for found in components().values():
        config = resolve(found).config
        wanted += [getattr(config, port.option) for port in found.ports]
    offset = free_offset(*wanted)
    running = up("--port-offset", str(offset))
    now = running.wait_up()
    assert {system.name for system in now.systems} == {*components(), "console"}

    echo = now.find("echo")
    assert echo.ports["port"] == 7007 + offset
    assert ask(echo.ports["port"], b"keep one") == b"kept\n"
    os.kill(echo.pid, signal.SIGKILL)
    now = running.wait(lambda now: (now.find("echo").restarts, now.find("echo").state) == (1, "up"))
    again = now.find("echo")
    assert again.pid != echo.pid and again.ports["port"] == echo.ports["port"]
    assert ask(again.ports["port"], b"keep two") == b"kept\n"
    with open(os.path.join(again.data_dir, "kept")) as kept:
        assert kept.read() == "one\ntwo\n"

    with urllib.request.urlopen(f"http://127.0.0.1:{7070 + offset}/overview.json") as reply:
        assert {each["name"] for each in json.load(reply)["systems"]} == set(components())

    listed = bedrock("ps", "--data-dir", str(running.directory))
    assert listed.returncode == 0 and str(again.pid) in listed.stdout

    pids = [system.pid for system in now.systems]
    begun = time.monotonic()
    code, out, log = running.end()
    assert time.monotonic() - begun < 5
    assert code == 0
    assert f"nc 127.0.0.1 {7007 + offset}" in out
    assert "echo ended (killed by SIGKILL); starting it again" in log
    assert "echo is up again" in log and "all stopped" in log
    assert not any(alive(pid) for pid in pids)
    assert not (running.directory / state.FILE).exists()


def test_a_taken_port_is_one_line_with_the_way_out(up, tmp_path):
    offset = free_offset(7007, 7008)
    with socket.create_server(("127.0.0.1", 7008 + offset)):
        done = bedrock("up", "echo", "--no-console", "--port-offset", str(offset))
    assert done.returncode == 3
    assert done.stderr == (
        f"bedrock up: port {7008 + offset} (echo, lines) is taken; "
        f"try: bedrock up --port-offset {offset + 10000}\n"
    )


def test_a_second_up_on_the_same_data_is_refused(up):
    offset = str(free_offset(7007, 7008))
    running = up("echo", "--no-console", "--port-offset", offset)
    running.wait_up()
    done = bedrock("up", "echo", "--no-console", "--data-dir", str(running.directory))
    assert done.returncode == 1 and "is up already" in done.stderr


def test_servers_end_when_their_supervisor_is_killed(up):
    running = up("echo", "--no-console", "--port-offset", str(free_offset(7007, 7008)))
    pid = running.wait_up().find("echo").pid
    running.process.kill()
    running.process.wait()
    deadline = time.monotonic() + 5
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not alive(pid)


def test_a_server_whose_data_is_damaged_stays_down(up):
    running = up("echo", "--no-console", "--port-offset", str(free_offset(7007, 7008)))
    echo = running.wait_up().find("echo")
    with open(os.path.join(echo.data_dir, "kept"), "wb") as kept:
        kept.write(b"\0")
    os.kill(echo.pid, signal.SIGKILL)
    now = running.wait(lambda now: now.find("echo").state == "down")
    assert now.find("echo").why == "its data is damaged"
    assert "stays down: its data is damaged" in running.end()[2]


def test_damaged_data_at_the_start_is_code_4(tmp_path):
    (tmp_path / "data" / "echo").mkdir(parents=True)
    (tmp_path / "data" / "echo" / "kept").write_bytes(b"\0")
    done = bedrock("up", "echo", "--no-console", "--port-offset", str(free_offset(7007, 7008)))
    assert done.returncode == 4
    assert "run: bedrock check" in done.stderr and "Traceback" not in done.stderr


def test_the_shell_finds_what_is_up(up, tmp_path):
    running = up("echo", "--no-console", "--port-offset", str(free_offset(7007, 7008)))
    running.wait_up()
    assert bedrock("shell", "echo", "hello", cwd=tmp_path).stdout == "hello\n"


def test_exec_gives_a_command_its_servers_and_returns_its_code():
    script = "import os, sys; print(os.environ['ECHO_URL']); sys.exit(7)"
    done = bedrock("exec", "echo", "--", sys.executable, "-c", script)
    assert done.returncode == 7 and done.stdout.startswith("echo://127.0.0.1:")


@pytest.mark.parametrize(
    "args, code, message",
    [
        (["exec", "echo", "--", "no-such-command"], 127, "no-such-command: not found"),
        (["exec", "echo"], 2, "no command"),
        (["exec", "nonesuch", "--", "true"], 2, "no component 'nonesuch'"),
        (["up", "nonesuch"], 2, "no component 'nonesuch'; there are:"),
        (["ps", "--data-dir", "empty"], 1, ""),
        (["check", "absent"], 2, "absent"),
        (["nonsense"], 2, "invalid choice"),
    ],
)
def test_misuse_is_said_in_one_line(args, code, message):
    done = bedrock(*args)
    assert done.returncode == code
    assert message in done.stderr and "Traceback" not in done.stderr


def test_a_command_ended_by_a_signal_gives_128_and_its_number():
    done = bedrock("exec", "echo", "--", "sh", "-c", "kill -9 $$")
    assert done.returncode == 137


def test_check_walks_the_data_of_all_systems(tmp_path):
    (tmp_path / "data" / "echo").mkdir(parents=True)
    (tmp_path / "data" / "echo" / "kept").write_bytes(b"one\n")
    assert bedrock("check", "data").stdout == "echo: data/echo is sound\n"
    (tmp_path / "data" / "echo" / "kept").write_bytes(b"\0\n")
    assert bedrock("check").returncode == 4
    os.rename(tmp_path / "data" / "echo", tmp_path / "other")
    assert bedrock("check", "other").returncode == 2
    assert bedrock("check", "other", "--as", "echo").returncode == 4


def test_config_show_tells_where_values_come_from(tmp_path):
    (tmp_path / "bedrock.toml").write_text("[echo]\nratio = 0.75\n")
    environ = {**os.environ, "BEDROCK_ECHO_SHOUT": "1"}
    done = bedrock("config", "show", "echo", "--origin", env=environ)
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert lines[0] == "[echo]"
    assert "ratio = 0.75 # file bedrock.toml" in lines
    assert "shout = true # env BEDROCK_ECHO_SHOUT" in lines
    assert "port = 7007 # default" in lines


def test_doctor_finds_this_machine_fit():
    done = bedrock("doctor")
    assert done.returncode == 0, done.stdout
    assert "all that is needed is here" in done.stdout and "✓ echo" in done.stdout


def test_help_loads_no_server():
    script = (
        "import sys\nfrom bedrock.app.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'asyncio', 'uvloop', 'rich', 'numpy', 'starlette', 'prometheus_client'}\n"
        "sys.exit(','.join(heavy & set(sys.modules)) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=30
    )
    assert done.returncode == 0, done.stderr
    assert "doctor" in done.stdout
