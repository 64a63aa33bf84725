"""Virtual time: nothing waits, order comes from the seed, and nothing else gets in."""

import asyncio
import time

import pytest

from bedrock.sim.clock import SimClock
from bedrock.sim.loop import SimLoop, Stuck
from bedrock.world import DiskFailed, Rand, World


def play(main, seed=1):
    loop = SimLoop(Rand(seed))
    try:
        return loop.run_until_complete(main(loop))
    finally:
        loop.close()


def test_a_day_passes_at_once():
    async def main(loop):
        await asyncio.sleep(86_400)
        return loop.time()

    begun = time.perf_counter()
    assert play(main) == pytest.approx(86_400)
    assert time.perf_counter() - begun < 1


def test_timers_fire_in_order_of_time():
    async def main(loop):
        seen = []
        for delay in (0.3, 0.1, 0.2):
            loop.call_later(delay, seen.append, delay)
        await asyncio.sleep(1)
        return seen

    assert play(main) == [0.1, 0.2, 0.3]


def test_tasks_run_in_an_order_drawn_from_the_seed_and_callbacks_in_theirs():
    async def main(loop):
        seen = []

        async def worker(name):
            for _ in range(3):
                await asyncio.sleep(0)
                seen.append(name)

        await asyncio.gather(*(worker(name) for name in "abcd"))
        called = []
        for i in range(20):
            loop.call_soon(called.append, i)
        await asyncio.sleep(0.1)
        assert called == list(range(20))
        return "".join(seen)

    orders = {seed: play(main, seed) for seed in range(20)}
    assert len(set(orders.values())) > 10
    assert orders == {seed: play(main, seed) for seed in range(20)}


def test_waiting_for_what_never_comes_is_stuck_not_hung():
    async def main(loop):
        await loop.create_future()

    with pytest.raises(Stuck):
        play(main)


def test_clocks_drift_and_are_skewed_and_their_timers_never_come_early():
    async def main(loop):
        slow = SimClock(loop.virtual, 0, -500)
        fast = SimClock(loop.virtual, 60_000, 500)
        begun = fast.now_ns()
        await fast.sleep(100)
        assert fast.now_ns() - begun == pytest.approx(100e9, rel=1e-6)
        assert loop.time() == pytest.approx(100 / 1.0005, rel=1e-6)
        assert fast.wall_ms() - slow.wall_ms() == pytest.approx(60_100, abs=2)
        for clock in (slow, fast):
            fired = loop.create_future()
            when = clock.now_ns() + 12_345_678
            clock.call_at(when, lambda fired=fired: fired.set_result(None))
            await fired
            assert clock.now_ns() >= when
        wall = slow.wall_ms()
        slow.skew_ms = -5000
        assert slow.wall_ms() == wall - 5000

    play(main)


def test_a_call_beside_the_loop_takes_time_while_the_loop_goes_on():
    async def main(loop):
        happened = []
        call = loop.create_task(World(disk=None).beside(happened.append, "call"))
        await asyncio.sleep(0)
        happened.append("loop")
        await call
        return happened, loop.time()

    orders = set()
    for seed in range(1, 30):
        happened, seconds = play(main, seed)
        assert 0 < seconds < 0.02
        orders.add(tuple(happened))
    assert orders == {("loop", "call")}


def test_the_seed_decides_when_a_call_beside_the_loop_takes_effect():
    async def main(loop):
        began = []
        calls = [World(disk=None).beside(began.append, name) for name in "ab"]
        await asyncio.gather(*calls)
        return "".join(began)

    assert {play(main, seed) for seed in range(1, 30)} == {"ab", "ba"}
    assert play(main, 7) == play(main, 7)


@pytest.mark.parametrize("run", [play, lambda main: asyncio.run(main(None))])
def test_a_sync_that_fails_beside_the_loop_stops_the_server(run):
    def sync():
        raise DiskFailed("EIO")

    async def main(loop):
        world, failures = World(disk=None), []
        world.turn.failed = failures.append
        with pytest.raises(DiskFailed):
            await world.beside(sync)
        return world.turn.broken, [str(failure) for failure in failures]

    assert run(main) == (True, ["EIO"])
