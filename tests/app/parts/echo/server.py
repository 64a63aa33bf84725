import asyncio

from bedrock.net import Limits, Session
from bedrock.net import Server as NetServer
from bedrock.storage.errors import Damaged
from bedrock.world import DiskFailed


class EchoSession(Session):
    def __init__(self, server):
        self.server = server

    def received(self, data, out):
        end = data.rfind(b"\n") + 1
        for line in data[:end].splitlines():
            self.server.lines += 1
            word, _, rest = line.decode().partition(" ")
            if word == "keep":
                self.server.keep(rest)
                out.write(b"kept\n")
            elif word == "slow":
                self.link.run(self.answer_late(float(rest)))
                return end
            elif word == "die":
                self.server.fail_disk()
                out.write(b"never seen\n")
            else:
                text = line.upper() if self.server.config.shout else line
                out.write(text + b"\n")
        return end

    async def answer_late(self, seconds):
        await asyncio.sleep(seconds)
        self.link.write(b"late\n")


class Server:
    def __init__(self, world, config):
        self.world, self.config = world, config
        self.ready = False
        self.lines = 0
        self.file = world.disk.open("kept", "rw")
        self.listeners = [
            NetServer(world, lambda: EchoSession(self), (config.host, port), limits=Limits())
            for port in (config.port, config.second_port)
        ]

    async def start(self):
        if b"\0" in self.world.disk.read("kept"):
            raise Damaged("kept", 0, "a zero byte")
        for listener in self.listeners:
            await listener.start()
        self.ready = True

    @property
    def ports(self):
        return dict(zip(("port", "second_port"), (s.port for s in self.listeners), strict=True))

    async def drain(self, grace_s):
        self.ready = False
        await asyncio.gather(*(listener.drain(grace_s) for listener in self.listeners))

    async def stop(self):
        self.ready = False
        for listener in self.listeners:
            await listener.stop()
        self.file.close()

    def metrics(self):
        from prometheus_client.core import CounterMetricFamily

        yield CounterMetricFamily("bedrock_echo_requests", "Lines answered.", self.lines)

    def keep(self, text):
        self.file.append(text.encode() + b"\n")
        self.world.turn.before_flush(self.file.sync)

    def fail_disk(self):
        def fail():
            raise DiskFailed(5, "sync: Input/output error", "kept")

        self.world.turn.before_flush(fail)
