"""Every driver, as a fixture: a test that takes `world` runs on each of them."""

import asyncio

import pytest
import uvloop

from bedrock.net.asyncio_driver import AsyncioDriver
from bedrock.net.reactor import Reactor
from bedrock.world import OsClock, OsDisk, Turn, World

from .sessions import Lines

DRIVERS = {
    "reactor-in-uvloop": (Reactor, uvloop.new_event_loop),
    "reactor-in-asyncio": (Reactor, asyncio.new_event_loop),
    "asyncio-driver": (AsyncioDriver, asyncio.new_event_loop),
    "asyncio-driver-in-uvloop": (AsyncioDriver, uvloop.new_event_loop),
}


@pytest.fixture(params=DRIVERS)
def play(request, tmp_path):
    """Run `await body(world)` on each driver."""
    driver, new_loop = DRIVERS[request.param]
    Lines.live = 0  # a machine that crashed in a simulation closed nothing

    def run(body):
        async def main():
            clock, turn = OsClock(), Turn()
            net = driver(clock, turn)
            if driver is Reactor:
                net.attach()
            world = World(disk=OsDisk(str(tmp_path)), net=net, clock=clock, turn=turn)
            try:
                async with asyncio.timeout(20):
                    return await body(world)
            finally:
                net.close()

        with asyncio.Runner(loop_factory=new_loop) as runner:
            return runner.run(main())

    return run
