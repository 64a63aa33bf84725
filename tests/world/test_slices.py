"""Slices: a long calculation lets others have their turn, and they it."""

import asyncio
import time
from dataclasses import replace

import pytest

from bedrock.sim.disk import Medium
from bedrock.world import OsRand, World
from bedrock.world.slices import SLICE_NS, Slices, paced, paced_sort, rest


class Bad(Exception):
    """What a calculation may raise."""


@pytest.fixture
def world():
    """One whose calculations rest at each chance."""
    return World(Medium(OsRand()).disk(), slices=Slices(0))


def counted(n, seen=None):
    """n, after so many rests."""
    for i in range(n):
        if seen is not None:
            seen.append(i)
        rest()
    return n


async def test_what_is_short_is_answered_at_once(world):
    assert replace(world, slices=Slices(10**9)).sliced(counted, 3) == 3
    assert world.sliced(counted, 0) == 0


async def test_what_is_long_is_awaited(world):
    later = world.sliced(counted, 5)
    assert isinstance(later, asyncio.Task)
    assert await later == 5


async def test_several_take_turns(world):
    seen = []
    work = [world.sliced(counted, 3, seen) for _ in range(3)]
    assert await asyncio.gather(*work) == [3, 3, 3]
    assert seen == [0, 0, 0, 1, 1, 1, 2, 2, 2]


async def test_the_loop_goes_on_meanwhile(world):
    later = world.sliced(counted, 100)
    turns = 0
    while not later.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns >= 99


async def test_an_error_is_raised_where_it_is_awaited(world):
    def fails():
        rest()
        raise Bad

    with pytest.raises(Bad):
        await world.sliced(fails)

    def fails_at_once():
        raise Bad

    with pytest.raises(Bad):
        world.sliced(fails_at_once)
    assert world.sliced(counted, 0) == 0


async def test_a_cancelled_calculation_ends_and_cleans_up(world):
    ended = []

    def long():
        try:
            counted(1000)
        finally:
            ended.append(True)

    later = world.sliced(long)
    await asyncio.sleep(0)
    later.cancel()
    with pytest.raises(asyncio.CancelledError):
        await later
    assert ended == [True]


async def test_within_a_calculation_another_is_a_call(world):
    assert await world.sliced(lambda: counted(2) + world.sliced(counted, 3)) == 5


def test_without_a_calculation_a_rest_is_nothing():
    assert counted(1000) == 1000


async def test_a_slice_has_an_end(world):
    """Not longer than a few times what is set, by this thread's own time."""
    world = replace(world, slices=Slices(SLICE_NS))
    later = world.sliced(lambda: sum(paced(range(3_000_000))))
    longest = 0
    while not later.done():
        begun = time.thread_time_ns()
        await asyncio.sleep(0)
        longest = max(longest, time.thread_time_ns() - begun)
    assert await later == sum(range(3_000_000))
    assert longest < 4 * SLICE_NS


@pytest.mark.parametrize("n", [0, 1, 3_999, 4_000, 50_000])
@pytest.mark.parametrize("key", [None, lambda x: -x, lambda x: x % 7, lambda x: 0])
async def test_sorted_with_rests_is_sorted(world, n, key):
    items = [i * 7919 % 10_007 for i in range(n)]
    found = world.sliced(lambda: paced_sort(items, key))
    assert (await found if isinstance(found, asyncio.Task) else found) == sorted(items, key=key)
