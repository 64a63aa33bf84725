"""A broker in memory, a clock that stands still, and a client that makes single requests."""

from bedrock.net.memory import MemoryDriver
from bedrock.world import Clock, Rand, Turn, World
from kafkalite.batch import Record, pack
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
