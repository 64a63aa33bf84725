"""Queries: one that takes long sees a store at rest, and others need not wait for it."""

import asyncio
from dataclasses import replace

import numpy as np
import pytest

from bedrock.world.slices import Slices, rest
from tests.tsdb.wire import memory_world
from tsdb.jobs import run_beside
from tsdb.labels import labels_of
from tsdb.matchers import Matcher
from tsdb.promql.engine import range_query
from tsdb.promql.errors import QueryTimeout
from tsdb.queries import Queries
from tsdb.store import Store

SERIES, SAMPLES, STEP_MS = 30, 200, 1000
M = [Matcher("__name__", "=", "m")]
# Those that read samples again after they have found them, or find some more later.
QUERIES = [
    "m", "sum(m)", "sum(rate(m[1m]))", "m + on (i) m", "sum(m) + sum(m offset 10s)",
    "max_over_time(sum(m)[1m:10s])", "count(m > 5 or m < 3)", "topk(3, m)",
]  # fmt: skip


@pytest.fixture
def store():
    """A store whose queries rest at each chance."""
    store = Store(replace(memory_world(), slices=Slices(0)))
    for i in range(SERIES):
        times = np.arange(SAMPLES) * STEP_MS
        store.add(labels_of({"__name__": "m", "i": f"{i:02}"}), times, times % 7000 / 1000 + i)
    return store


def asked(store, query):
    """Rows of an answer."""
    found = range_query(store.finder, query, 0, SAMPLES * STEP_MS, 7 * STEP_MS)
    return dict(zip(map(str, found.value.labels), found.value.values.tolist(), strict=True))


async def flush(store):
    await run_beside(store.world, store.lifecycle.flush(SAMPLES * STEP_MS // 2))


async def flush_all_and_merge(store):
    for cut in (SAMPLES // 4, SAMPLES // 2, SAMPLES):
        await run_beside(store.world, store.lifecycle.flush(cut * STEP_MS))
    await run_beside(store.world, store.lifecycle.merge(store.blocks))


async def write_others(store):
    for n in range(100):
        store.add(labels_of({"__name__": "other", "n": str(n)}), [n], [n])
        await asyncio.sleep(0)


async def drop_others(store):
    await write_others(store)
    await store.delete_beside([Matcher("__name__", "=", "other")], 0, 1000)


@pytest.mark.parametrize("change", [flush, flush_all_and_merge, write_others, drop_others])
@pytest.mark.parametrize("query", QUERIES)
async def test_a_query_sees_the_same_whatever_happens_in_its_middle(store, query, change):
    expected = asked(store, query)
    store.finder.kept.clear()
    later = store.queries.run(asked, store, query)
    job = asyncio.ensure_future(change(store))
    again = []
    while not job.done():
        again.append(await store.queries.ask(asked, store, query))
    assert await later == expected
    await job
    assert all(found == expected for found in again)
    assert asked(store, query) == expected
    assert not store.queries.unfinished


async def test_a_block_stays_open_for_who_reads_it(store):
    store.flush(SAMPLES * STEP_MS)
    (block,) = store.blocks
    expected = asked(store, "m")

    def reads():
        columns = store.select(M, 0, SAMPLES * STEP_MS)
        rest()
        assert len(block.chunks(0)) > 0
        return columns

    later = store.queries.run(reads)
    store.merge([block])
    assert store.blocks != [block]
    await later
    for _ in range(3):  # turns of the loop, until it is told
        await asyncio.sleep(0)
    with pytest.raises(ValueError, match="closed"):
        block.chunks(0)
    assert asked(store, "m") == expected


async def test_more_than_so_many_wait(store):
    queries = Queries(store.world, at_once=2)
    begun = []

    def work(n):
        begun.append(n)
        for _ in range(5):
            rest()
        return n

    found = [asyncio.ensure_future(queries.run(work, n)) for n in range(5)]
    assert begun == [0, 1]
    assert await asyncio.gather(*found) == [0, 1, 2, 3, 4]


async def test_one_that_waits_too_long_is_refused(store):
    queries = Queries(store.world, at_once=1, wait_s=0.01)
    ended = False

    def long():
        while not ended:
            rest()

    first = queries.run(long)
    with pytest.raises(QueryTimeout, match=r"^query timed out in query queue$"):
        await queries.run(len, "")
    ended = True
    await first
    assert queries.run(len, "abc") == 3


async def test_stopping_ends_what_is_unfinished(store):
    def endless():
        while True:
            rest()

    later = store.queries.run(endless)
    await store.queries.stop()
    assert later.cancelled()
    assert not store.queries.unfinished
