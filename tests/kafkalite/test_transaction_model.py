"""The transaction coordinator beside a model: under each name, what was committed and nothing else.

Producers begin, write, commit offsets, commit and abort in any order; a namesake takes the place of
one that is still there, time runs out, and the broker is killed and started anew.  The model knows
who the producer of a name is and what its transaction holds.  One that is no longer the producer
may try whatever it likes.
"""

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bedrock.sim.disk import Medium
from bedrock.world import Rand
from kafkalite.errors import Code

from .test_cluster import committed
from .test_log_model import committed_records
from .test_transactions import CLASSIC, NEWEST, Writer
from .wire import Peer

NAMES = st.integers(0, 1)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(("write", "write", "offset")), NAMES, st.integers(0, 1)),
        st.tuples(st.sampled_from(("commit", "abort", "take over")), NAMES, st.just(0)),
        st.tuples(st.just("fenced"), NAMES, st.integers(0, 3)),
        st.tuples(st.sampled_from(("time out", "kill")), st.just(0), st.just(0)),
    ),
    min_size=5, max_size=40,
)  # fmt: skip
FENCED = {
    Code.INVALID_PRODUCER_EPOCH, Code.PRODUCER_FENCED, Code.INVALID_PRODUCER_ID_MAPPING,
    Code.INVALID_TXN_STATE,
}  # fmt: skip


@dataclass
class Open:
    """What the transaction of a name holds so far."""

    values: list = field(default_factory=list)  # (partition, value)
    offset: int | None = None


class World:
    def __init__(self, versions):
        self.versions = versions
        self.medium = Medium(Rand(1))
        self.peer = Peer(self.medium.disk())
        self.wire = self.peer.connect()
        self.wire.create("t", 2)
        self.producers, self.fenced, self.open = {}, {0: [], 1: []}, {}
        self.values = {0: [], 1: []}  # committed, by partition
        self.offsets = {0: -1, 1: -1}  # committed, by name of the producer and of its group
        self.number = 0

    def producer(self, name):
        if name not in self.producers:
            self.take_over(name)
        return self.producers[name]

    def take_over(self, name):
        """Somebody new under the name; what the one before has not committed is aborted."""
        if name in self.producers:
            self.fenced[name].append(self.producers[name])
        writer = Writer(self.wire, f"w{name}", self.versions)
        if writer.code == Code.CONCURRENT_TRANSACTIONS:
            writer.code = writer.begin()
        assert writer.code == 0
        self.producers[name] = writer
        self.open.pop(name, None)

    def write(self, name, index):
        self.number += 1
        value = b"%d" % self.number
        assert self.producer(name).send("t", value, index=index) == 0
        self.open.setdefault(name, Open()).values.append((index, value))

    def offset(self, name):
        self.number += 1
        writer = self.producer(name)
        if self.versions is CLASSIC:
            added = self.wire.call("AddOffsetsToTxn", 3, **writer.identity, group_id=f"g{name}")
            assert added["error_code"] == 0
        assert writer.commit_offset(f"g{name}", "t", self.number) == 0
        self.open.setdefault(name, Open()).offset = self.number

    def end(self, name, commit):
        began = self.open.pop(name, None)
        code = self.producer(name).end(commit)
        if began is None:
            return  # there was nothing to end; that may be said or not
        assert code == 0
        if commit:
            for index, value in began.values:
                self.values[index].append(value)
            if began.offset is not None:
                self.offsets[name] = began.offset

    def try_as_fenced(self, name, which):
        """What one that was taken over from may do: nothing."""
        for writer in self.fenced[name][-1:]:
            if which == 0 and self.versions is NEWEST:
                assert writer.append("t", b"never") in FENCED
            elif which == 1:
                assert writer.end(True) in FENCED
            elif which == 2:
                self.abort_as_fenced(name, writer)
            elif which == 3 and self.versions is NEWEST:
                assert writer.commit_offset("g", "t", 999) in FENCED

    def abort_as_fenced(self, name, writer):
        """One whose time was up and who agrees with that goes on, unless somebody else is there."""
        code = writer.end(False)
        if code == 0:
            assert self.versions is NEWEST and name not in self.producers
            self.producers[name] = self.fenced[name].pop()
        else:
            assert code in FENCED

    def time_out(self):
        """Transactions that are open are aborted, and their producers fenced."""
        self.peer.clock.advance(61_000)
        self.peer.turn.run()
        for name in list(self.open):
            del self.open[name]
            self.fenced[name].append(self.producers.pop(name))

    def kill(self):
        self.peer = self.peer.restart(self.medium.disk())
        self.peer.broker.transactions.resume()
        self.wire = self.peer.connect()
        for writer in (*self.producers.values(), *self.fenced[0], *self.fenced[1]):
            writer.wire = self.wire

    def check(self):
        """Readers of what is committed see it all, in each producer's order, and nothing else."""
        waits = dict.fromkeys(self.values, False)
        for began in self.open.values():
            for index, _ in began.values:
                waits[index] = True
        for index, expected in self.values.items():
            log = self.peer.broker.topics.log("t", index)
            got = [value for _, value in committed_records(log)]
            assert got == sorted(got, key=int)  # as they were written
            # What lies behind an open transaction is not seen yet.
            assert set(got) <= set(expected) if waits[index] else set(got) == set(expected)
        for name, expected in self.offsets.items():
            asked = [{"name": "t", "partitions": [0]}]
            assert committed(self.wire, group=f"g{name}", topics=asked) == {"t": [expected]}


@pytest.mark.parametrize("versions", [NEWEST, CLASSIC], ids=["kip890", "classic"])
@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_what_is_committed_is_seen_and_nothing_else(versions, steps):
    world = World(versions)
    for what, name, which in steps:
        if what == "write":
            world.write(name, which)
        elif what == "offset":
            world.offset(name)
        elif what in ("commit", "abort"):
            world.end(name, what == "commit")
        elif what == "take over":
            world.take_over(name)
        elif what == "fenced":
            world.try_as_fenced(name, which)
        elif what == "time out":
            world.time_out()
        else:
            world.kill()
        world.check()
    for name in world.producers:
        world.end(name, commit=True)
    world.check()
