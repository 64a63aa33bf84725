"""A cache that believes the invalidations is never wrong; a pause holds back, and loses nothing."""

import random
import socket
import threading
import time

import pytest
import redis

import bedrock
from kvstore.resp import Push, decode, request


class Connection:
    """One RESP3 connection: replies in order, pushes apart."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.data = b""
        self.pushes = []
        self("HELLO", "3")

    def __call__(self, *words):
        self.socket.sendall(request(*words))
        return self.read()

    def read(self):
        while True:
            if self.data:
                value, used = decode(self.data)
                if used:
                    self.data = self.data[used:]
                    if not isinstance(value, Push):
                        return value
                    self.pushes.append(value)
                    continue
            more = self.socket.recv(65536)
            assert more, "the server closed the connection"
            self.data += more


class Cache:
    """What a client does with tracking: keeps what it read until it is told otherwise."""

    def __init__(self, port, *options):
        self.connection = Connection(port)
        assert self.connection("CLIENT", "TRACKING", "ON", *options) == "OK"
        self.optin = "OPTIN" in options
        self.kept = {}

    def get(self, key):
        if key not in self.kept:
            if self.optin:
                self.connection("CLIENT", "CACHING", "YES")
            self.kept[key] = self.connection("GET", key)
            self.take()
        return self.kept[key]

    def take(self):
        """Believe what was pushed so far."""
        for _, keys in self.connection.pushes:
            for key in list(self.kept) if keys is None else keys:
                self.kept.pop(key, None)
        self.connection.pushes.clear()


@pytest.mark.parametrize("options", [(), ("BCAST",), ("BCAST", "PREFIX", "k"), ("OPTIN",)])
def test_a_cache_that_is_tracked_never_serves_what_is_no_more(options):
    chance = random.Random(3)
    keys = [b"k%d" % i for i in range(8)]
    with bedrock.run("kvstore") as server:
        cache, writer = Cache(server.port, *options), Connection(server.port)
        for step in range(400):
            key, other = chance.sample(keys, 2)
            writer_of, words = chance.choice([
                (writer, ("SET", key, str(step))),
                (writer, ("DEL", key, other)),
                (writer, ("RENAME", key, other)),
                (writer, ("MSET", key, "m", other, str(step))),
                (writer, ("EVAL", "redis.call('set', KEYS[1], 'e')", "1", key)),
                (writer, ("APPEND", key, "x")),
                (writer, ("FLUSHDB",) if step % 40 == 0 else ("PERSIST", key)),
                (cache.connection, ("SET", key, "own")),
            ])  # fmt: skip
            writer_of(*words)
            cache.connection("PING")
            cache.take()
            for each in keys:
                if each in cache.kept:
                    assert cache.kept[each] == writer("GET", each), (step, each)
            cache.get(chance.choice(keys))


def test_what_one_s_own_command_invalidates_is_told_after_its_reply():
    with bedrock.run("kvstore") as server:
        one = Connection(server.port)
        one("CLIENT", "TRACKING", "ON")
        one("GET", "k")
        one.socket.sendall(request("MULTI") + request("SET", "k", "1") + request("EXEC"))
        assert [one.read() for _ in range(3)] == ["OK", "QUEUED", ["OK"]] and not one.pushes
        one("PING")
        assert one.pushes == [[b"invalidate", [b"k"]]]
        one("CLIENT", "TRACKING", "OFF")
        one("CLIENT", "TRACKING", "ON", "NOLOOP")
        one("GET", "k")
        one("SET", "k", "2")
        one("PING")
        assert len(one.pushes) == 1


def test_a_full_table_forgets_keys_by_declaring_them_invalid():
    with bedrock.run("kvstore", set=["tracking-table-max-keys=10"]) as server:
        one = Connection(server.port)
        one("CLIENT", "TRACKING", "ON")
        for i in range(30):
            one("GET", f"k{i}")
        one("PING")
        assert len(one.pushes) == 20
        facts = redis.Redis(port=server.port).info("stats")
        assert facts["tracking_total_keys"] == 10


@pytest.mark.parametrize("mode", ["WRITE", "ALL"])
def test_a_pause_holds_requests_back_and_loses_none(mode):
    with bedrock.run("kvstore") as server:
        admin, writer = Connection(server.port), Connection(server.port)
        admin("SET", "k", "0")
        assert admin("CLIENT", "PAUSE", "400", mode) == "OK"
        began = time.monotonic()
        answers = []
        writing = threading.Thread(target=lambda: answers.extend(
            [writer("SET", "k", "1"), writer("INCR", "k")]))
        writing.start()
        if mode == "WRITE":
            assert admin("GET", "k") == b"0" and time.monotonic() - began < 0.3
        else:
            assert admin("GET", "k") in (b"0", b"1", b"2") and time.monotonic() - began > 0.3
        writing.join()
        assert time.monotonic() - began > 0.3 and answers == ["OK", 2]
        assert admin("GET", "k") == b"2"


def test_nothing_expires_during_a_pause():
    with bedrock.run("kvstore") as server:
        one = Connection(server.port)
        one("SET", "k", "v", "PX", "50")
        one("CLIENT", "PAUSE", "300", "WRITE")
        time.sleep(0.15)
        assert one("GET", "k") is None and one("DBSIZE") == 1
        time.sleep(0.4)
        assert one("DBSIZE") == 0
