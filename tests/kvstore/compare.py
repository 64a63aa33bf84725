"""Data sets of every type, and their comparison between kvstore and a redis-server."""

import gc
import random
import time
from contextlib import contextmanager

import pytest
import redis

from bedrock.testing import peers
from kvstore.memory import data_bytes

FORMS = [
    ("SET", "text", b"\0\xff bytes"),
    ("SET", "number", "-12345"),
    ("SET", "long", "ab" * 10_000),
    ("SET", "mortal", "x", "PX", 10**9),
    ("RPUSH", "list", *range(300), "y" * 70, "z" * 9000),
    ("SADD", "numbers", *range(-20, 20), 2**40),
    ("SADD", "words", *"abcdefgh"),
    ("HSET", "small", "f", "v", "n", 7, "neg", -3000),
    ("HSET", "big", *(str(i) for i in range(1400))),
    ("ZADD", "board", 1.5, "a", -2, "b", "inf", "c", "-inf", "d"),
    ("ZADD", "large", *(x for i in range(400) for x in (i / 7, f"m{i}"))),
    *(("XADD", "stream", f"{i + 5}-{i % 3}", "f", i, "g", "w" * i) for i in range(120)),
    ("XADD", "stream", "1000-1", "other", "1"),
    ("XDEL", "stream", "7-2"),
    ("XGROUP", "CREATE", "stream", "g", "0"),
    ("XREADGROUP", "GROUP", "g", "ann", "COUNT", 5, "STREAMS", "stream", ">"),
    ("XREADGROUP", "GROUP", "g", "bob", "COUNT", 3, "STREAMS", "stream", ">"),
    ("XADD", "bare", "5-5", "a", "b"),
    ("XTRIM", "bare", "MAXLEN", 0),
]


def contents(run):
    """Everything in database 0, told by commands; run(*words) -> reply."""
    found = {}
    for key in sorted(run("KEYS", "*")):
        kind = run("TYPE", key)
        kind = kind if isinstance(kind, bytes) else kind.encode()
        if kind == b"none":
            continue  # its time has passed, though it is still there
        value = {
            b"string": lambda k: run("GET", k),
            b"list": lambda k: run("LRANGE", k, 0, -1),
            b"set": lambda k: sorted(run("SMEMBERS", k)),
            b"hash": lambda k: pairs(run("HGETALL", k)),
            b"zset": lambda k: [
                (m, float(run("ZSCORE", k, m))) for m in run("ZRANGE", k, 0, -1)
            ],
            b"stream": lambda k: stream(run, k),
        }[kind](key)
        found[key] = kind, value, run("PEXPIRETIME", key)
    return found


def stream(run, key):
    """Entries, and of each group what is pending (without the time since, which passes)."""
    names = [pairs(group)[b"name"] for group in run("XINFO", "GROUPS", key)]
    pending = [run("XPENDING", key, name, "-", "+", 99) for name in names]
    entries = [[id, flat(fields)] for id, fields in run("XRANGE", key, "-", "+")]
    return entries, [[(id, who, times) for id, who, _, times in some] for some in pending]


def flat(pairs):
    """A map, whichever protocol it came by, as RESP2 has it."""
    return [x for pair in pairs.items() for x in pair] if isinstance(pairs, dict) else pairs


def pairs(words):
    """A map as a dict."""
    words = flat(words)
    return dict(zip(words[::2], words[1::2], strict=True))


@contextmanager
def real(folder, *flags):
    """A redis-server that keeps its data in a folder: how to run a command there."""
    try:
        server = peers.redis_server("--dir", str(folder), *flags)
    except peers.PeerMissing as missing:
        pytest.skip(str(missing))
    with server:
        yield runner(server.port)


def runner(port):
    """run(*words) on a server: replies as they come, without redis-py's parsing of each command."""
    client = redis.Redis(port=port, protocol=2)
    pool = client.connection_pool

    def run(*words):
        connection = pool.get_connection()
        try:
            connection.send_command(*words)
            return connection.read_response()
        finally:
            pool.release(connection)

    while True:
        try:
            client.ping()
            return run
        except redis.exceptions.BusyLoadingError:
            time.sleep(0.02)


def data_without_keys(kv):
    """Bytes that data takes when there is none; a dozen keys do not make their table grow then."""
    kv.execute("MSET", *range(32))
    kv.execute("DEL", *range(0, 32, 2))
    gc.collect()
    return data_bytes()


def wait_until(true, seconds=20):
    """Look every few milliseconds until something is true."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.01)


def invent(rand, n):
    """A random command over few keys of each type."""
    i = rand.randrange(30)
    return rand.choice([
        ("SET", f"s{i}", rand.random()), ("INCR", f"n{i}"), ("APPEND", f"s{i}", "+"),
        ("RPUSH", f"l{i}", rand.random(), 2), ("LPOP", f"l{i}"), ("SADD", f"e{i}", i, n),
        ("SPOP", f"e{i}"), ("HSET", f"h{i}", n % 9, i), ("HINCRBYFLOAT", f"f{i}", "x", 0.1),
        ("ZADD", f"z{i}", rand.random(), n % 50), ("ZPOPMIN", f"z{i}"), ("DEL", f"s{i}"),
        ("XADD", f"x{i}", "MAXLEN", 100, "*", "a", n), ("LTRIM", f"l{i}", 0, 99),
        ("PEXPIRE", f"h{i}", rand.choice([1, 10**7])), ("SELECT", 0),
    ])  # fmt: skip


def fill(run, seed, n=3000):
    """Random commands, one at a time."""
    rand = random.Random(seed)
    for i in range(n):
        run(*invent(rand, i))


def pour(port, seed, n, batch=1000):
    """Random commands, many at a time; some of them in transactions."""
    rand = random.Random(seed)
    with redis.Redis(port=port) as client:
        for start in range(0, n, batch):
            with client.pipeline(transaction=rand.random() < 0.2) as pipe:
                for i in range(start, min(start + batch, n)):
                    pipe.execute_command(*invent(rand, i))
                pipe.execute(raise_on_error=False)
