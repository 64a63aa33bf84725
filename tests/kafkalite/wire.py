"""A broker in memory, a clock that stands still, and a client that makes single requests."""

import socket
import time

from bedrock.net.memory import MemoryDriver
from bedrock.world import Clock, Rand, Turn, World
from kafkalite.batch import Record, pack, unpack_all
from kafkalite.broker import Broker
from kafkalite.config import KafkaConfig
from kafkalite.requests import BY_NAME, decode_response, encode_request
from kafkalite.session import KafkaSession


class ManualClock(Clock):
    """Time that passes when a test says so."""

    def __init__(self):
        self.ms = 1_700_000_000_000
        self.timers = []

    def now_ns(self):
        return self.ms * 1_000_000

    def wall_ms(self):
        return self.ms

    def call_at(self, when_ns, fn):
        timer = ManualTimer(self, when_ns, fn)
        self.timers.append(timer)
        return timer

    def advance(self, ms):
        """Let time pass; what is due is called in its order."""
        end = self.ms + ms
        while due := [t for t in self.timers if t.when_ns <= end * 1_000_000]:
            timer = min(due, key=lambda t: t.when_ns)
            self.timers.remove(timer)
            self.ms = max(self.ms, -(-timer.when_ns // 1_000_000))
            timer.call()
        self.ms = end


class ManualTimer:
    def __init__(self, clock, when_ns, call):
        self.clock, self.when_ns, self.call = clock, when_ns, call

    def cancel(self):
        if self in self.clock.timers:
            self.clock.timers.remove(self)


class Peer:
    """A broker on `disk`, and connections to it."""

    def __init__(self, disk, *, password="", clock=None, **options):
        self.clock = clock or ManualClock()
        self.turn = Turn()
        self.driver = MemoryDriver(self.clock, self.turn)
        self.world = World(disk, None, self.clock, Rand(1), self.turn)
        self.config = KafkaConfig(**options)
        self.broker = Broker(self.world, self.config, password)

    def connect(self):
        return Wire(self)

    def restart(self, disk):
        """A broker on what the disk holds, as after a crash."""
        return Peer(disk, clock=self.clock, **vars(self.config))


class Wire:
    """One connection."""

    def __init__(self, peer):
        self.peer = peer
        self.session = KafkaSession(peer.broker, peer.config.max_request_bytes)
        self.link = peer.driver.open(self.session)
        self.correlation = 0
        self.received = b""

    def request(self, name, version=None, **body):
        """The bytes of a request; notes how its response is to be read."""
        api = BY_NAME[name]
        version = api.newest if version is None else version
        self.correlation += 1
        return frame(api, version, self.correlation, body), api, version

    def send(self, name, version=None, **body):
        """Send a request without looking for its response."""
        data, api, version = self.request(name, version, **body)
        self.received += self.link.feed(data)
        return api, version, self.correlation

    def answer(self, sent):
        """The response to what `send` sent, None if there is none yet."""
        api, version, correlation = sent
        self.received += self.link.feed(b"")
        size = int.from_bytes(self.received[:4], "big")
        if len(self.received) < 4:
            return None
        assert len(self.received) >= 4 + size
        data, self.received = self.received[4 : 4 + size], self.received[4 + size :]
        assert int.from_bytes(data[:4], "big") == correlation
        return decode_response(api, version, data)

    def call(self, name, version=None, **body):
        """Send, and return the response."""
        return self.answer(self.send(name, version, **body))

    # What most tests need.

    def create(self, topic, partitions=1, **configs):
        settings = [{"name": k.replace("_", "."), "value": v} for k, v in configs.items()]
        wanted = {
            "name": topic,
            "num_partitions": partitions,
            "replication_factor": 1,
            "configs": settings,
        }
        return self.call("CreateTopics", topics=[wanted])["topics"][0]

    def produce(self, topic, *values, index=0, acks=-1, batch=None, version=None):
        """Produce one batch; the response of its partition."""
        if batch is None:
            now = self.peer.clock.wall_ms()
            batch = pack([Record(0, now, None, value) for value in values])
        part = {"index": index, "records": batch}
        response = self.call(
            "Produce", version, acks=acks, timeout_ms=1000,
            topics=[{"name": topic, "partitions": [part]}],
        )
        return response and response["topics"][0]["partitions"][0]

    def fetch_request(self, topic, offset, *, index=0, wait_ms=0, min_bytes=1, max_bytes=1 << 20):
        part = {"index": index, "fetch_offset": offset, "max_bytes": max_bytes}
        return {
            "max_wait_ms": wait_ms,
            "min_bytes": min_bytes,
            "max_bytes": 50 << 20,
            "topics": [{"name": topic, "partitions": [part]}],
        }

    def fetch(self, topic, offset, **options):
        response = self.call("Fetch", 12, **self.fetch_request(topic, offset, **options))
        return response["topics"][0]["partitions"][0]


def frame(api, version, correlation, body):
    """A request as it goes over the wire."""
    return encode_request(api, version, correlation, body, "test")


class SocketWire:
    """A connection to a running server, one request at a time."""

    def __init__(self, server):
        self.socket = socket.create_connection((server.host, server.port), timeout=10)

    def send(self, name, version, **body):
        self.socket.sendall(frame(BY_NAME[name], version, 1, body))

    def call(self, name, **body):
        # Version 12 of Fetch and Produce still names topics.
        version = min(BY_NAME[name].newest, 12)
        self.send(name, version, **body)
        size = int.from_bytes(self._read(4), "big")
        return decode_response(BY_NAME[name], version, self._read(size))

    def _read(self, n):
        data = b""
        while len(data) < n:
            piece = self.socket.recv(n - len(data))
            if not piece:
                raise ConnectionError("closed")
            data += piece
        return data

    def create(self, topic):
        wanted = {"name": topic, "num_partitions": 1, "replication_factor": 1}
        response = self.call("CreateTopics", timeout_ms=1000, topics=[wanted])
        return response["topics"][0]["error_code"]

    def produce(self, topic, *values, batch=None):
        """(error code, base offset)"""
        batch = batch or pack([Record(0, int(time.time() * 1000), None, v) for v in values])
        part = {"index": 0, "records": batch}
        response = self.call(
            "Produce", acks=-1, timeout_ms=1000, topics=[{"name": topic, "partitions": [part]}]
        )
        part = response["topics"][0]["partitions"][0]
        return part["error_code"], part["base_offset"]

    def values(self, topic, offset=0):
        """All values from an offset on."""
        found = []
        while True:
            part = {"index": 0, "fetch_offset": offset + len(found), "max_bytes": 1 << 20}
            response = self.call(
                "Fetch", max_bytes=1 << 20, topics=[{"name": topic, "partitions": [part]}]
            )
            part = response["topics"][0]["partitions"][0]
            assert part["error_code"] == 0
            records = unpack_all(part["records"])
            if not records:
                return found
            found += [r.value for r in records if r.offset >= offset + len(found)]
