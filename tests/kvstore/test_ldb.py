"""The debugger of scripts: the same conversations with kvstore and with a real redis-server."""

import os
import socket
import subprocess
import time

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

import bedrock
import kvstore
from bedrock.testing import peers
from kvstore.ldb import show_reply
from kvstore.resp import ReplyError, Simple, decode, encode, request

SCRIPT = """local key = KEYS[1]
local t = {1, 2, name = "x"}
local function double(n)
  local m = n * 2
  return m
end
redis.call('set', key, ARGV[1])
for i = 1, 2 do
  local d = double(i)
  redis.call('rpush', key .. ':l', d, 'a\\nb')
end
redis.debug('here', 1.5, {1, {2}}, nil, true)
redis.breakpoint()
local ok, why = pcall(redis.call, 'incr', key)
return redis.call('lrange', key .. ':l', 0, -1)"""


class Conversation:
    """A connection that debugs."""

    def __init__(self, port: int):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.data = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def read(self):
        """The next reply; None at the end of the connection."""
        while True:
            value, used = decode(self.data)
            if used >= 0:
                self.data = self.data[used:]
                return value
            more = self.sock.recv(65536)
            if not more:
                return None
            self.data += more

    def ask(self, *words):
        self.sock.sendall(request(*words))
        return self.read()

    def debug(self, mode, script=SCRIPT, *words):
        assert self.ask("SCRIPT", "DEBUG", mode) == "OK"
        return self.ask("EVAL", script, *(words or (1, "k", "10")))

    def ends(self):
        """What EVAL answers after <endsession>; nothing may follow."""
        reply = self.read()
        assert self.read() is None
        return reply


@pytest.fixture(scope="module")
def ours():
    with bedrock.run("kvstore", port=0, process=True, appendonly=False) as server:
        yield server


@pytest.fixture(scope="module")
def theirs():
    try:
        peer = peers.redis_server()
    except peers.PeerMissing as missing:
        pytest.skip(str(missing))
    with peer:
        yield peer


@pytest.fixture(params=["ours", pytest.param("theirs", marks=pytest.mark.peer)])
def server(request):
    chosen = request.getfixturevalue(request.param)
    with redis.Redis(port=chosen.port) as client:
        client.flushall()
    return chosen


def is_stopped(answer, line, reason="step over"):
    return answer[-2] == f"* Stopped at {line}, stop reason = {reason}"


def test_a_script_is_stepped_through_and_looked_into(server):
    with Conversation(server.port) as talk:
        assert talk.debug("yes") == [
            "* Stopped at 1, stop reason = step over", "-> 1   local key = KEYS[1]"]
        assert is_stopped(talk.ask("step"), 2) and is_stopped(talk.ask("N"), 6)
        assert talk.ask("print") == [
            '<value> key = "k"', '<value> t = {[1]=1; [2]=2; ["name"]="x"}']
        assert talk.ask("p", "KEYS") == ['<value> {"k"}']
        assert talk.ask("p", "absent") == ["No such variable."]
        assert talk.ask("list", "2", "1") == [
            "   1   local key = KEYS[1]", '   2   local t = {1, 2, name = "x"}',
            "   3   local function double(n)"]
        assert talk.ask("b") == ["No breakpoints set. Use 'b <line>' to add one."]
        assert talk.ask("b", "4", "99", "x") == [
            "   3   local function double(n)", "  #4     local m = n * 2", "   5     return m",
            "Wrong line number.", "Invalid argument:'x'"]
        assert talk.ask("c") == [
            "* Stopped at 4, stop reason = break point", "->#4     local m = n * 2"]
        assert talk.ask("trace") == [
            "In double:", "->#4     local m = n * 2",
            "From top level:", "   9     local d = double(i)"]
        assert talk.ask("p", "i") == ["<value> 1"]
        assert talk.ask("b") == ["1 breakpoints set:", "->#4     local m = n * 2"]
        assert talk.ask("b", "-4", "-4") == [
            "Breakpoint removed.", "No breakpoint in the specified line."]
        assert talk.ask("c") == [
            '<debug> line 12: "here", 1.5, {1; {2}}, nil, true',
            "* Stopped at 14, stop reason = redis.breakpoint() called",
            "-> 14  local ok, why = pcall(redis.call, 'incr', key)"]
        assert talk.ask("redis", "lrange", "k:l", "0", "0") == [
            "<redis> lrange k:l 0 0", '<reply> ["2"]']
        assert talk.ask("r", "nosuch") == [
            "<redis> nosuch", "<error> Unknown Redis command called from script"]
        assert talk.ask("e", "KEYS[1]", "..", "'!'") == ['<retval> "k!"']
        assert talk.ask("eval", "error('no')") == ["<error> ldb_eval:1: no"]
        assert talk.ask("sing") == [
            "<error> Unknown Redis Lua debugger command or wrong number of arguments."]
        assert talk.ask("s")[:2] == ["<redis> incr k", "<reply> 11"]
        assert talk.ask("s")[-1] == "<endsession>"
        assert talk.ends() == [b"2", b"a\nb", b"4", b"a\nb"]


def test_what_is_long_is_cut_off_unless_that_is_not_wanted(server):
    with Conversation(server.port) as talk:
        talk.debug("yes", "local s = string.rep('x', 300)\nreturn s", 0)
        talk.ask("s")
        assert talk.ask("p", "s") == [
            '<value> "' + "x" * 247 + " ...",
            "<hint> The above reply was trimmed. Use 'maxlen 0' to disable trimming."]
        assert talk.ask("m", "10") == ["<value> replies are truncated at 60 bytes."]
        assert talk.ask("p", "s") == ['<value> "' + "x" * 51 + " ..."]
        assert talk.ask("m", "0") == ["<value> replies are unlimited."]
        assert talk.ask("p", "s") == ['<value> "' + "x" * 300 + '"']


@pytest.mark.parametrize(("mode", "left"), [("yes", 0), ("sync", 1)])
def test_what_a_script_changes_stays_with_sync_only(server, mode, left):
    with Conversation(server.port) as talk, redis.Redis(port=server.port) as other:
        talk.debug(mode, "redis.call('set', 'k', 1)\nreturn {err='BAD thing'}", 0)
        assert talk.ask("c") == ["<endsession>"]
        reply = talk.ends()
        assert isinstance(reply, ReplyError) and str(reply) == "BAD thing"
        assert other.exists("k") == left


def test_a_forked_session_leaves_the_server_to_others(server):
    with Conversation(server.port) as talk, redis.Redis(port=server.port) as other:
        talk.debug("yes")
        other.set("k", "theirs")
        assert talk.ask("r", "exists", "k")[-1] == "<reply> 0"
        talk.ask("b", "13")
        talk.ask("c")
        assert other.get("k") == b"theirs"


def test_a_script_is_aborted(server):
    with Conversation(server.port) as talk:
        talk.debug("sync", "redis.call('set', 'k', 1)\nlocal a = 1\nreturn a", 0)
        talk.ask("s")
        assert talk.ask("abort") == ["<endsession>"]
        assert str(talk.ends()).startswith("ERR script aborted for user request")


@pytest.mark.parametrize("mode", ["yes", "sync"])
def test_a_script_that_does_not_compile_ends_the_session_at_once(server, mode):
    with Conversation(server.port) as talk:
        assert talk.debug(mode, "local a =\nreturn", 0) == ["<endsession>"]
        assert "Error compiling script" in str(talk.ends())


def test_a_loop_without_end_is_stopped(server):
    with Conversation(server.port) as talk, redis.Redis(port=server.port) as other:
        other.config_set("busy-reply-threshold", 50)
        talk.debug("yes", "local i = 0\nwhile true do i = i + 1 end", 0)
        assert is_stopped(talk.ask("c"), 2, "timeout reached, infinite loop?")
        assert talk.ask("a") == ["<endsession>"]
        other.config_set("busy-reply-threshold", 5000)


def test_a_script_runs_on_when_who_debugs_it_goes_away(server):
    with redis.Redis(port=server.port) as other:
        with Conversation(server.port) as talk:
            talk.debug("sync", "local a = 1\nredis.call('set', 'k', a)\nreturn a", 0)
        wait_for(lambda: alive(other, lambda: other.get("k") == b"1"))


@pytest.mark.parametrize(
    "sent", [b"*1\r\n:1\r\n", b"*-x\r\n", b"*1\r\n$-5\r\n", b"*1\r\n$99999999999\r\n"])
def test_nonsense_on_the_wire_ends_the_script(server, sent):
    with Conversation(server.port) as talk:
        talk.debug("sync", "local a = 1\nreturn a", 0)
        talk.sock.sendall(sent)
        assert talk.read() == ["<endsession>"]
        assert "protocol error" in str(talk.ends())


def test_evalsha_is_refused_while_debugging(server):
    with Conversation(server.port) as talk:
        talk.ask("SCRIPT", "LOAD", "return 1")
        talk.ask("SCRIPT", "DEBUG", "YES")
        assert "use EVAL instead" in str(talk.ask(
            "EVALSHA", "e0e1f9fabfc9d4800c877a703b823ac0578ff8db", 0))
        talk.ask("SCRIPT", "DEBUG", "NO")
        assert talk.ask("EVAL", "return 1", 0) == 1


# ---------------------------------------------------------------------- ours alone

def wait_for(condition):
    until = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def alive(client, what):
    try:
        return what()
    except redis.ResponseError:      # -BUSY
        return False


def test_others_are_told_that_a_script_waits_and_may_end_it(ours):
    with Conversation(ours.port) as talk, redis.Redis(port=ours.port) as other:
        talk.debug("sync", "local a = 1\nreturn a", 0)
        with pytest.raises(redis.ResponseError, match="busy running a script"):
            other.get("k")
        other.script_kill()
        assert talk.read() == ["<endsession>"]
        assert "killed by user" in str(talk.ends())
        assert other.get("nothing") is None


def test_transactions_pipelines_and_callers_without_a_connection_debug_nothing(ours):
    with Conversation(ours.port) as talk:
        talk.ask("SCRIPT", "DEBUG", "YES")
        talk.sock.sendall(request("PING") + request("EVAL", "return 1", 0))
        assert talk.read() == "PONG"
        assert "outside of a transaction" in str(talk.read())
        talk.ask("MULTI")
        talk.ask("EVAL", "return 1", 0)
        assert "outside of a transaction" in str(talk.ask("EXEC")[0])
        assert talk.ask("PING") == "PONG"
    with kvstore.connect() as kv, pytest.raises(ReplyError, match="over a plain connection"):
        kv.execute("SCRIPT", "DEBUG", "YES")


def children(pid):
    found = []
    for each in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{each}/stat") as file:
                fields = file.read().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found.append((int(each), fields[0]))
    return found


def test_sessions_end_with_the_server_and_leave_nothing_behind(tmp_path):
    with bedrock.run("kvstore", port=0, process=True, data_dir=str(tmp_path)) as server:
        with Conversation(server.port) as first:
            first.debug("yes")
            assert len(children(server.pid)) == 1
        wait_for(lambda: not children(server.pid))       # reaped too
        second = Conversation(server.port)
        second.debug("yes")
        (branch, _), = children(server.pid)
    with second:
        assert second.read() is None
        assert not os.path.exists(f"/proc/{branch}")
    with bedrock.run("kvstore", port=0, process=True, data_dir=str(tmp_path)) as server:
        server.kill()
    with (
        bedrock.run("kvstore", port=0, process=True, data_dir=str(tmp_path)) as server,
        redis.Redis(port=server.port) as client,
    ):
        assert client.dbsize() == 0      # nothing of what was debugged got into the log


def test_a_server_in_this_process_can_be_debugged_too():
    with bedrock.run("kvstore", port=0) as server, Conversation(server.port) as talk:
        talk.debug("yes")
        assert talk.ask("p", "KEYS") == ['<value> {"k"}']
        assert talk.ask("a") == ["<endsession>"]
        with redis.Redis(port=server.port) as other:
            assert other.dbsize() == 0


@pytest.mark.peer
def test_redis_cli_debugs(ours, tmp_path):
    try:
        program = peers.find("redis-cli")
    except peers.PeerMissing as missing:
        pytest.skip(str(missing))
    script = tmp_path / "script.lua"
    script.write_text(SCRIPT)
    done = subprocess.run(
        [program, "-p", str(ours.port), "--ldb", "--eval", str(script), "k", ",", "10"],
        input="s\np key\nr ttl k\nc\nc\n", capture_output=True, text=True, timeout=20, check=True)
    assert '<value> "k"' in done.stdout and "<reply> -2" in done.stdout
    assert "(Lua debugging session ended -- dataset changes rolled back)" in done.stdout


@given(st.lists(st.lists(
    st.one_of(st.binary(max_size=20), st.sampled_from(
        [b"b", b"l", b"p", b"e", b"r", b"m", b"t", b"s", b"-1", b"99999999999999999999", b"KEYS"])),
    min_size=1, max_size=4), max_size=6))
def test_whatever_is_asked_is_answered(ours, commands):
    with Conversation(ours.port) as talk:
        answer = talk.debug("sync", "local a = {KEYS}\nlocal b = #a\nreturn b", 0)
        for words in commands:
            if answer[-1] == "<endsession>":
                return
            answer = talk.ask(*words)
            assert isinstance(answer, list) and all(isinstance(line, Simple) for line in answer)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (5, "5"), (b"a\nb", '"a\\nb"'), (None, "NULL"), ("OK", '"+OK"'),
        ([1, [b"x"], None], '[1,["x"],NULL]'), (ReplyError("ERR no"), '"-ERR no"'),
    ],
)
def test_replies_are_shown_in_one_line(value, text):
    assert show_reply(encode(value)).decode() == text
