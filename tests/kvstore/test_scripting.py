"""Scripts: values across the border, what they may not do, and what the log keeps of them."""

import contextlib
import json
import threading
import time

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

import bedrock
import kvstore

LIBRARY = """#!lua name=board
local function add(keys, args)
  redis.call('ZADD', keys[1], args[2], args[1])
  return redis.call('ZREVRANK', keys[1], args[1])
end
redis.register_function('add', add)
redis.register_function{function_name='top', flags={'no-writes'}, callback=function(keys)
  return redis.call('ZREVRANGE', keys[1], 0, 0)
end}
"""


@pytest.fixture
def kv():
    with kvstore.connect() as made:
        yield made


@pytest.mark.parametrize(
    ("code", "reply"),
    [
        ("return {1, 2.9, 'x', true, false, nil, 3}", [1, 2, b"x", 1, None]),
        ("return {ok='fine'}", "fine"),
        ("return redis.call('SET', 'k', 'v')", "OK"),
        ("return redis.call('GET', 'nothing') == false", 1),
        ("return {KEYS[1], ARGV[1], #ARGV}", [b"key", b"one", 2]),
        ("return cjson.encode({a={1, 2, {b=cjson.null}}})", b'{"a":[1,2,{"b":null}]}'),
        ("return cmsgpack.unpack(cmsgpack.pack({1, 'x', {y=2}}))[3].y", 2),
        ("return {struct.unpack('>I2h', struct.pack('>I2h', 513, -2))}", [513, -2, 5]),
        ("return {bit.band(255, 15), bit.tohex(255)}", [15, b"000000ff"]),
        ("local ok, why = pcall(redis.call, 'INCR', 'x', 'y') return why",
         b"ERR Wrong number of args calling Redis command from script"),
    ],
)  # fmt: skip
def test_values_cross_the_border(kv, code, reply):
    assert kv.execute("EVAL", code, 1, "key", "one", "two") == reply


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("x = 1", "Attempt to modify a readonly table"),
        ("redis = nil", "Attempt to modify a readonly table"),
        ("redis.call = nil", "Attempt to modify a readonly table"),
        ("setmetatable(_G, {})", "Attempt to modify a readonly table"),
        ("getmetatable(_G).__index = nil", "Attempt to modify a readonly table"),
        ("rawset(string, 'rep', nil)", "Attempt to modify a readonly table"),
        ("return loadstring(string.dump(function() end))()", "attempt to call a nil value"),
        ("return y", "nonexistent global variable 'y'"),
        ("return getfenv", "nonexistent global variable 'getfenv'"),
        ("return io.open('/etc/passwd')", "nonexistent global variable 'io'"),
        ("return redis.call.__globals__", "attempt to index"),
        ("return loadstring('return python')()", "nonexistent global variable 'python'"),
        ("return redis.call('NOSUCH')", "Unknown Redis command"),
        ("return redis.call('BLPOP', 'l', 0)", "not allowed from script"),
        ("return redis.call('XREAD', 'BLOCK', 0, 'STREAMS', 's', '$')", "with BLOCK option"),
        ("return redis.error_reply('MINE own')", "^MINE own$"),
        ("return cjson.decode('[1,')", "Expected value but found T_END at character 4"),
        ("return (", "Error compiling script"),
        ("return unpack({}, -2147483648, 2147483647)", "too many results to unpack"),
        ("return redis.pcall('rpush', 'l', unpack({}, 1, 7990))", "must be strings or integers"),
        ("local t = {} t.t = t return cjson.encode(t)", "excessive nesting .1001."),
        ("return cjson.decode(string.rep('[', 2000))", "too many nested data structures .1001."),
        ("return cmsgpack.unpack(string.rep('\\145', 100000))", "in function mp_decode_to_lua_"),
        ("error({})", "unknown error"),
        ("error(math)", "unknown error"),
        ("local function f() return f() + 1 end f()", "stack overflow"),
        ("\n\nreturn redis.call('incr')", "on @user_script:3"),
    ],
)
def test_what_a_script_may_not_do_is_an_error(kv, code, why):
    with pytest.raises(kvstore.ReplyError, match=why):
        kv.execute("EVAL", code, 0)
    assert kv.execute("EVAL", "return 1", 0) == 1


def test_a_frozen_table_can_be_looked_at(kv):
    code = """
        local seen = {next(redis) ~= nil, rawget(_G, 'redis') == redis, math.line == nil}
        for name in pairs(cjson) do seen[name] = true end
        return {seen[1], seen[2], seen[3], seen.decode, pcall(table.insert, redis, 1)}"""
    assert kv.execute("EVAL", code, 0)[:4] == [1, 1, 1, 1]


def test_a_script_that_only_reads_may_not_write(kv):
    with pytest.raises(kvstore.ReplyError, match="Write commands are not allowed"):
        kv.execute("EVAL_RO", "return redis.call('SET', 'a', 1)", 0)
    sha = kv.execute("SCRIPT", "LOAD", "return redis.call('GET', KEYS[1])")
    kv.execute("SET", "a", 1)
    assert kv.execute("EVALSHA_RO", sha, 1, "a") == b"1"
    assert kv.execute("SCRIPT", "EXISTS", sha, "0" * 40) == [1, 0]
    kv.execute("SCRIPT", "FLUSH")
    with pytest.raises(kvstore.ReplyError, match="NOSCRIPT"):
        kv.execute("EVALSHA", sha, 1, "a")


def test_functions_and_what_scripts_changed_survive_a_restart_and_a_rewrite(tmp_path):
    with kvstore.connect(str(tmp_path)) as kv:
        assert kv.execute("FUNCTION", "LOAD", LIBRARY) == b"board"
        with pytest.raises(kvstore.ReplyError, match="already exists"):
            kv.execute("FUNCTION", "LOAD", LIBRARY)
        assert kv.execute("FCALL", "add", 1, "z", "ada", 5) == 0
        kv.execute("EVAL", "redis.call('SET', 'a', 1) redis.call('INCR', 'a')", 0)
        with pytest.raises(kvstore.ReplyError, match="_ro command"):
            kv.execute("FCALL_RO", "add", 1, "z", "bob", 6)
    for _ in range(2):
        with kvstore.connect(str(tmp_path)) as kv:
            assert kv.execute("GET", "a") == b"2"
            assert kv.execute("FCALL_RO", "top", 1, "z") == [b"ada"]
            (library,) = kv.execute("FUNCTION", "LIST", "WITHCODE")
            assert library[b"library_code"] == LIBRARY.encode()
            kv.execute("BGREWRITEAOF")


def test_flags_of_a_function_are_listed_in_the_order_redis_lists_them(kv):
    kv.execute("FUNCTION", "LOAD", "#!lua name=l\nredis.register_function{function_name='f', "
               "callback=function() end, flags={'no-cluster', 'allow-stale', 'no-writes'}}")
    (library,) = kv.execute("FUNCTION", "LIST")
    assert library[b"functions"][0][b"flags"] == ["no-writes", "allow-stale", "no-cluster"]


def test_libraries_go_into_a_payload_and_come_back(kv):
    kv.execute("FUNCTION", "LOAD", LIBRARY)
    payload = kv.execute("FUNCTION", "DUMP")
    with pytest.raises(kvstore.ReplyError, match="already exists"):
        kv.execute("FUNCTION", "RESTORE", payload)
    kv.execute("FUNCTION", "FLUSH")
    for damaged in (payload[:-1], payload[:-1] + bytes([payload[-1] ^ 1]), b""):
        with pytest.raises(kvstore.ReplyError, match="version or checksum"):
            kv.execute("FUNCTION", "RESTORE", damaged)
    assert kv.execute("FUNCTION", "RESTORE", payload, "REPLACE") == "OK"
    assert kv.execute("FCALL", "add", 1, "z", "ada", 5) == 0


JSON = st.recursive(
    st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=5),
    lambda inner: st.lists(inner, min_size=1, max_size=3)
    | st.dictionaries(st.text("abc", min_size=1), inner, min_size=1, max_size=3),
    max_leaves=8,
)


@given(JSON)
def test_json_and_msgpack_come_back_as_they_went(value):
    with kvstore.connect() as kv:
        code = "return cjson.encode(cmsgpack.unpack(cmsgpack.pack(cjson.decode(ARGV[1]))))"
        assert json.loads(kv.execute("EVAL", code, 0, json.dumps(value))) == value


def test_set_repl_chooses_who_hears_of_changes(tmp_path):
    streamed = []
    with kvstore.connect(str(tmp_path)) as kv:
        kv.store.journal.follow(streamed.append)
        kv.execute("EVAL", """
            redis.call('set', 'a', 1)
            redis.set_repl(redis.REPL_NONE) redis.call('set', 'b', 2)
            redis.set_repl(redis.REPL_AOF) redis.call('set', 'c', 3)
            redis.set_repl(redis.REPL_REPLICA) redis.call('set', 'd', 4)
            redis.set_repl(redis.REPL_ALL) redis.call('set', 'e', 5)""", 0)
        assert kv.execute("MGET", *"abcde") == [b"1", b"2", b"3", b"4", b"5"]
    stream = b"".join(streamed)
    told = [key for key in b"abcde" if b"\r\n$1\r\n%c\r\n" % key in stream]
    assert bytes(told) == b"ade" and stream.count(b"MULTI") == stream.count(b"EXEC") == 1
    with kvstore.connect(str(tmp_path)) as kv:
        assert kv.execute("MGET", *"abcde") == [b"1", None, b"3", None, b"5"]


def test_a_script_sees_one_moment(kv):
    code = """redis.call('set', 'k', 'v', 'px', 1) redis.call('debug', 'sleep', 0.01)
              return redis.call('exists', 'k')"""
    kv.store.parameters.set([("enable-debug-command", "yes")], True)
    kv.execute("DEBUG", "SET-DISABLE-DENY-SCRIPTS", 1)
    assert kv.execute("EVAL", code, 0) == 1
    assert kv.execute("EXISTS", "k") == 0


def test_settings_of_cjson_are_read_and_changed(kv):
    code = """
        local own = cjson.new()
        own.encode_sparse_array(true) own.encode_number_precision(3)
        return {own.encode({[1] = 1.23456, [100] = 2}), own.encode_max_depth(7),
                tostring(cjson.encode_sparse_array()), cjson.encode_number_precision()}"""
    assert kv.execute("EVAL", code, 0) == [b'{"1":1.23,"100":2}', 7, b"false", 14]


LOOPS = {
    "plain": "while true do end",
    "caught": "while true do pcall(function() while true do end end) end",
    "coroutine": "local co = coroutine.wrap(function() while true do end end) co()",
    "calling": "while true do redis.call('get', 'k') end",
}


@pytest.mark.parametrize("body", LOOPS.values(), ids=LOOPS.keys())
def test_a_script_that_never_ends_can_be_killed_and_others_are_told(body):
    with bedrock.run("kvstore", set=["busy-reply-threshold=50"]) as server:
        stuck, other = redis.Redis(port=server.port), redis.Redis(port=server.port)
        with pytest.raises(redis.ResponseError, match="NOTBUSY"):
            other.script_kill()
        ended = []

        def run():
            try:
                stuck.eval(body, 0)
            except redis.ResponseError as error:
                ended.append(str(error))

        running = threading.Thread(target=run)
        running.start()
        time.sleep(0.3)
        with pytest.raises(redis.ResponseError, match="BUSY"):
            other.set("k", "v")
        with pytest.raises(redis.ResponseError, match="BUSY"):
            other.execute_command("FUNCTION KILL")
        assert other.script_kill()
        running.join(10)
        assert "Script killed by user with SCRIPT KILL" in ended[0]
        assert other.set("k", "v") and stuck.get("k") == b"v"


def test_a_script_that_wrote_is_not_killed_but_the_server_can_be_stopped(tmp_path):
    body = "redis.call('set', 'k', 'v') while true do end"
    with bedrock.run(
        "kvstore", data_dir=str(tmp_path), set=["busy-reply-threshold=50"], process=True
    ) as server:
        stuck, other = redis.Redis(port=server.port), redis.Redis(port=server.port)
        running = threading.Thread(target=lambda: swallow(lambda: stuck.eval(body, 0)))
        running.start()
        time.sleep(0.3)
        with pytest.raises(redis.ResponseError, match="UNKILLABLE"):
            other.script_kill()
        swallow(lambda: other.execute_command("SHUTDOWN", "NOSAVE"))
        running.join(10)
        assert not running.is_alive()


def swallow(call):
    """Call something whose connection may go meanwhile."""
    with contextlib.suppress(redis.RedisError):
        call()


@pytest.mark.parametrize("body, why", [
    ("redis.register_function()", "wrong number of arguments to redis.register_function"),
    ("redis.register_function('f')", "only applicable to Lua table"),
    ("redis.register_function(1, function() end)", "first argument .* must be a string"),
    ("redis.register_function('f', 1)", "second argument .* must be a function"),
    ("redis.register_function{function_name=1}", "function_name argument .* must be a string"),
    ("redis.register_function{function_name='f', flags=1}", "representing function flags"),
    ("redis.register_function{function_name='f', x=1}", "unknown argument given"),
    ("redis.register_function{function_name='f', flags={'x'}}", "unknown flag given"),
    ("redis.call('ping')", "nonexistent global variable 'call'"),
    ("math.random()", "nonexistent global variable 'math'"),
    ("local t = tostring(1)", "nonexistent global variable 'tostring'"),
    ("x = (", "Error compiling function: user_function:2"),
    ("while true do end", "FUNCTION LOAD timeout"),
])  # fmt: skip
def test_a_library_that_cannot_be_registered_says_why(body, why):
    kv = kvstore.connect()
    with pytest.raises(kvstore.ReplyError, match=why):
        kv.execute("FUNCTION", "LOAD", f"#!lua name=l\n{body}")
    assert kv.execute("FUNCTION", "LIST") == []
