"""kafkalite under crashes and a bad network.

Clients on another machine work with a broker that syncs before it answers.  Meanwhile the broker is
killed, its power cut, its disk full or failing, and the network bad.  What must hold is said by
`records` (idempotent producers, a consumer, committed offsets) and by `transactions`.
"""

from __future__ import annotations

import asyncio
from typing import Any

from bedrock.sim.simulation import Simulation
from bedrock.world import World
from kafkalite.config import KafkaConfig
from kafkalite.server import Server
from kafkalite.simulation.records import Consumer, Producer
from kafkalite.simulation.transactions import Auditor, Processor

PRODUCERS = 3
PROCESSORS = 2
TROUBLE_S = 8


async def scenario(sim: Simulation) -> None:
    """See the module."""

    async def build(world: World) -> Server:
        config = KafkaConfig(
            host="server", port=9092, fsync="always", segment_bytes=4000, retention_ms=-1
        )
        server = Server(world, config)
        await server.start()
        return server

    machine = sim.machine("server", build)
    await sim.bring_up(machine)
    producers = [Producer(sim, number) for number in range(PRODUCERS)]
    consumer = Consumer(sim)
    processors = [Processor(sim, number) for number in range(PROCESSORS)]
    auditor = Auditor(sim)
    work = [producer.work() for producer in producers]
    work += [processor.work() for processor in processors]
    work += [consumer.work(), auditor.work()]
    tasks: list[asyncio.Task[Any]] = [sim.spawn(each) for each in work]
    await sim.trouble(TROUBLE_S)
    await asyncio.wait_for(asyncio.gather(*tasks), 30)
    machine.power_cut()
    await sim.bring_up(machine)
    await consumer.finish(producers)
    await auditor.finish(processors)
