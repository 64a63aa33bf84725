"""Simulated streams: the sessions of real servers, on a network that misbehaves."""

import asyncio

import pytest

from bedrock.net import Server, Session
from bedrock.sim.faults import Faults
from bedrock.sim.simulation import Simulation, run
from tests.net.sessions import HTTP, LINES, LINES_REPLY, Lines, http_session

PERFECT = Faults(split=0)


class Caller(Session):
    """A client that keeps what it hears."""

    def __init__(self):
        self.heard = bytearray()
        self.end = asyncio.get_running_loop().create_future()

    def received(self, data, out):
        self.heard += data
        return len(data)

    def closed(self, exc):
        self.end.set_result(exc)


def play(body, faults=PERFECT, seed=1):
    """`await body(sim, machine, client world)` with a server of Lines running."""
    failed = []

    async def scenario(sim: Simulation):
        machine = sim.machine("server", serve)
        await machine.start()
        try:
            await body(sim, machine, sim.host("client"))
        except BaseException as exc:
            failed.append(exc)
            raise

    async def serve(world):
        return await Server(world, Lines, ("server", 7000)).start()

    outcome = run(scenario, seed, faults=faults)
    if failed:
        raise failed[0]
    assert not outcome.why
    return outcome


async def call(world, data, port=7000, timeout_s=10):
    caller = await world.net.connect(Caller, ("server", port), timeout_s=timeout_s)
    caller.link.write(data)
    return caller


def test_a_session_answers_as_on_a_real_network():
    async def body(sim, machine, world):
        caller = await call(world, LINES)
        assert await caller.end is None
        assert bytes(caller.heard) == LINES_REPLY

    play(body)


@pytest.mark.parametrize("seed", range(20))
def test_split_stalled_and_late_pieces_arrive_in_order_and_once(seed):
    faults = Faults(split=0.9, stall=0.3, stall_s=0.05, delay_s=0.01)

    async def body(sim, machine, world):
        callers = [await call(world, LINES) for _ in range(3)]
        for caller in callers:
            assert await caller.end is None
            assert bytes(caller.heard) == LINES_REPLY

    play(body, faults, seed)


def test_http_runs_in_the_simulator():
    async def body(sim, machine, world):
        server = await Server(machine.boot.world, http_session, ("server", 0)).start()
        caller = await call(world, HTTP, server.port)
        assert await caller.end is None
        assert bytes(caller.heard).count(b"HTTP/1.1 ") == 7

    play(body)


def test_a_slow_reader_stops_the_sender():
    async def body(sim, machine, world):
        caller = await world.net.connect(Caller, ("server", 7000))
        caller.link.hold()
        caller.link.write(b"big 3000000\n" * 2)
        await asyncio.sleep(1)
        (link,) = machine.node.links
        assert link.paused
        assert link.queued > 2_000_000
        caller.link.resume()
        await asyncio.sleep(1)
        assert len(caller.heard) == 6_000_000
        assert not link.paused

    play(body)


def test_nobody_listening_refuses():
    async def body(sim, machine, world):
        with pytest.raises(ConnectionRefusedError):
            await call(world, b"", 7001)

    play(body)


def test_a_partition_holds_everything_up_and_tcp_repeats_it_afterwards():
    async def body(sim, machine, world):
        caller = await call(world, b"echo before\n")
        await asyncio.sleep(0.1)
        sim.network.cut("client", "server")
        caller.link.write(b"echo after\nquit\n")
        with pytest.raises(TimeoutError):
            await call(world, b"", timeout_s=0.5)
        await asyncio.sleep(1)
        assert bytes(caller.heard) == b"before\n"
        sim.network.heal()
        assert await caller.end is None
        assert bytes(caller.heard) == b"before\nafter\n"

    play(body)


def test_a_killed_process_resets_its_connections_at_once():
    async def body(sim, machine, world):
        caller = await call(world, b"echo x\n")
        await asyncio.sleep(0.1)
        machine.kill()
        assert isinstance(await caller.end, ConnectionResetError)
        with pytest.raises(ConnectionRefusedError):
            await call(world, b"")
        await machine.start()
        caller = await call(world, b"echo y\nquit\n")
        assert await caller.end is None
        assert bytes(caller.heard) == b"y\n"

    play(body)


def test_a_machine_without_power_is_silent_and_resets_once_it_is_back():
    async def body(sim, machine, world):
        caller = await call(world, b"echo x\n")
        await asyncio.sleep(0.1)
        machine.power_cut()
        caller.link.write(b"echo y\n")
        await asyncio.sleep(5)
        assert not caller.end.done()
        await sim.bring_up(machine)
        assert isinstance(await asyncio.wait_for(caller.end, 1), ConnectionResetError)
        assert bytes(caller.heard) == b"x\n"

    play(body)


def test_a_paused_process_answers_when_it_goes_on():
    async def body(sim, machine, world):
        caller = await call(world, b"echo x\n")
        await asyncio.sleep(0.1)
        machine.pause()
        caller.link.write(b"wait y\nquit\n")
        await asyncio.sleep(2)
        assert bytes(caller.heard) == b"x\n"
        machine.resume()
        assert await caller.end is None
        assert bytes(caller.heard) == b"x\nlate y\n"

    play(body)


def test_a_reset_by_the_network_reaches_both_sides():
    async def body(sim, machine, world):
        caller = await world.net.connect(Caller, ("server", 7000))
        sim.network.faults = Faults(reset=1.0)
        caller.link.write(b"echo x\n")
        assert isinstance(await caller.end, ConnectionResetError)
        await asyncio.sleep(1)
        assert not machine.node.links

    play(body)


def test_deadlines_run_in_virtual_time():
    async def body(sim, machine, world):
        caller = await world.net.connect(Caller, ("server", 7000))
        begun = sim.loop.time()
        await caller.end
        assert 10 <= sim.loop.time() - begun <= 12

    play(body)
