"""A log beside a model of it: transactions, rolls, deletions, crashes and restarts in any order.

The model is a list of what was appended and how each transaction ended; a reader of committed
records, as clients are, must see what the model says, from any offset.
"""

from hypothesis import given, settings
from hypothesis import strategies as st

from bedrock.sim.disk import Medium
from bedrock.world import Rand, Turn
from kafkalite.batch import Record, describe, marker_type, pack, split, unpack
from kafkalite.log import Log
from kafkalite.topic_config import LogConfig

from .wire import ManualClock

CONFIG = LogConfig(segment_bytes=600, index_interval_bytes=100)
PRODUCERS = st.integers(0, 2)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("plain"), st.integers(1, 3)),
        st.tuples(st.just("write"), PRODUCERS),
        st.tuples(st.just("commit"), PRODUCERS),
        st.tuples(st.just("abort"), PRODUCERS),
        st.tuples(st.sampled_from(["roll", "settle", "restart", "crash"]), st.just(0)),
        st.tuples(st.just("delete"), st.integers(0, 100)),
    ),
    max_size=40,
)


class Model:
    """kinds: of each offset: None for a record that counts at once, a transaction, or "marker"."""

    def __init__(self):
        self.offsets = []  # (value, transaction or None); (None, None) for a marker
        self.open = {}  # producer -> transaction
        self.ended = {}  # transaction -> committed
        self.sequences = {}
        self.start = 0

    def stable(self):
        firsts = [i for i, (_, t) in enumerate(self.offsets) if t in self.open.values()]
        return max(min(firsts, default=len(self.offsets)), self.start)

    def committed(self, start):
        return [
            (offset, value)
            for offset, (value, transaction) in enumerate(self.offsets[: self.stable()])
            if offset >= start and value is not None
            and (transaction is None or self.ended[transaction])
        ]  # fmt: skip


class Subject:
    """The log, on a disk that may crash."""

    def __init__(self, seed):
        self.medium = Medium(Rand(seed))
        self.clock = ManualClock()
        self.log = self.open(0, 0)

    def open(self, recovery_point, start):
        self.turn = Turn()
        return Log(
            self.medium.disk().sub("t-0"), self.turn, self.clock, CONFIG, fsync="always",
            recovery_point=recovery_point, start_offset=start,
        )

    def again(self, crash):
        if crash:
            self.medium.crash()
        else:
            self.log.close()
        self.log = self.open(self.log.recovery_point, self.log.start_offset)


def committed_records(log, start=0):
    """(offset, value) of what a client makes of a fetch of committed records from `start` on."""
    found, at = [], start
    while at < log.stable_offset:
        data, listed = log.read_committed(at)
        aborted = sorted((entry.first_offset, entry.producer_id) for entry in listed)
        skipping = set()
        for batch in split(data):
            header = describe(batch)
            while aborted and aborted[0][0] <= header["base_offset"]:
                skipping.add(aborted.pop(0)[1])
            if marker_type(batch) >= 0:
                skipping.discard(header["producer_id"])
            elif header["producer_id"] not in skipping:
                found += [(r.offset, r.value) for r in unpack(batch) if r.offset >= start]
            at = header["base_offset"] + header["last_delta"] + 1
    return found


@settings(max_examples=150, deadline=None)
@given(STEPS, st.integers(0, 1 << 30))
def test_committed_records_are_those_of_the_model(steps, seed):
    subject, model = Subject(seed), Model()
    for number, (what, argument) in enumerate(steps):
        log = subject.log
        if what == "plain":
            values = [b"%d.%d" % (number, i) for i in range(argument)]
            log.append([Record(0, 0, None, value) for value in values])
            model.offsets += [(value, None) for value in values]
        elif what == "write":
            transaction = model.open.setdefault(argument, number)
            sequence = model.sequences.get(argument, 0)
            model.sequences[argument] = sequence + 1
            value = b"%d" % number
            log.append_batch(
                pack([Record(0, 0, None, value)], producer_id=argument, producer_epoch=0,
                     base_sequence=sequence, attributes=16)
            )  # fmt: skip
            model.offsets.append((value, transaction))
        elif what in ("commit", "abort") and argument in model.open:
            assert log.end_transaction(argument, 0, what == "commit") == 0
            model.ended[model.open.pop(argument)] = what == "commit"
            model.offsets.append((None, None))
        elif what == "roll" and log.active.size:
            log.roll()
        elif what == "settle":
            log.settle()
        elif what == "delete":
            subject.turn.run()
            log.delete_to(min(argument, log.high_watermark))
            model.start = log.start_offset
        elif what in ("restart", "crash"):
            subject.again(crash=what == "crash")
        subject.turn.run()
    subject.turn.run()
    log = subject.log
    assert (log.end_offset, log.stable_offset) == (len(model.offsets), model.stable())
    assert log.start_offset == model.start
    for start in {model.start, (model.start + log.end_offset) // 2}:
        assert committed_records(log, start) == model.committed(start)
