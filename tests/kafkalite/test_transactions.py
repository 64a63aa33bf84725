"""Transactions: what readers see of them, who is fenced, and what a crash leaves."""

import pytest

from bedrock.world import OsDisk
from kafkalite.batch import Record, pack, unpack_all
from kafkalite.errors import Code
from kafkalite.topics import TRANSACTIONS_TOPIC

NEWEST = {"EndTxn": 5, "Produce": 12}
CLASSIC = {"EndTxn": 4, "Produce": 11}


class Writer:
    """A transactional producer, of the newest protocol or of the one before KIP-890."""

    def __init__(self, wire, name="w", versions=NEWEST, timeout_ms=60_000):
        self.wire, self.name, self.versions = wire, name, versions
        self.timeout_ms = timeout_ms
        self.sequence = {}
        self.code = self.begin()

    def begin(self, **again):
        response = self.wire.call(
            "InitProducerId", transactional_id=self.name,
            transaction_timeout_ms=self.timeout_ms, **again,
        )
        self.id, self.epoch = response["producer_id"], response["producer_epoch"]
        self.sequence = {}
        return response["error_code"]

    @property
    def identity(self):
        return {
            "transactional_id": self.name,
            "producer_id": self.id,
            "producer_epoch": self.epoch,
        }

    def add(self, topic, *indexes):
        response = self.wire.call(
            "AddPartitionsToTxn", 3, **self.identity,
            topics=[{"name": topic, "partitions": list(indexes)}],
        )
        results = response["results_by_topic"][0]["results_by_partition"]
        return {r["partition_error_code"] for r in results}

    def send(self, topic, *values, index=0):
        if self.versions is CLASSIC:
            assert self.add(topic, index) == {0}
        return self.append(topic, *values, index=index)

    def append(self, topic, *values, index=0):
        now = self.wire.peer.clock.wall_ms()
        sequence = self.sequence.get((topic, index), 0)
        batch = pack(
            [Record(0, now, None, value) for value in values], producer_id=self.id,
            producer_epoch=self.epoch, base_sequence=sequence, attributes=16,
        )
        part = {"index": index, "records": batch}
        response = self.wire.call(
            "Produce", self.versions["Produce"], transactional_id=self.name, acks=-1,
            timeout_ms=1000, topics=[{"name": topic, "partitions": [part]}],
        )
        code = response["topics"][0]["partitions"][0]["error_code"]
        if code == 0:
            self.sequence[topic, index] = sequence + len(values)
        return code

    def commit_offset(self, group, topic, offset):
        part = {"index": 0, "committed_offset": offset, "committed_metadata": ""}
        response = self.wire.call(
            "TxnOffsetCommit", **self.identity, group_id=group,
            topics=[{"name": topic, "partitions": [part]}],
        )
        return response["topics"][0]["partitions"][0]["error_code"]

    def end(self, committed):
        response = self.wire.call(
            "EndTxn", self.versions["EndTxn"], **self.identity, committed=committed
        )
        if response["error_code"] == 0 and self.versions is NEWEST:
            if response["producer_epoch"] != self.epoch:
                self.sequence = {}
            self.id, self.epoch = response["producer_id"], response["producer_epoch"]
        return response["error_code"]


def read(wire, topic="t", offset=0, committed=True, index=0):
    """Values as a consumer of this level sees them."""
    request = wire.fetch_request(topic, offset, index=index)
    response = wire.call("Fetch", 12, **request, isolation_level=int(committed))
    part = response["topics"][0]["partitions"][0]
    assert part["error_code"] == 0
    aborted = {a["producer_id"]: a["first_offset"] for a in part["aborted_transactions"] or ()}
    return part, aborted, [r.value for r in unpack_all(part["records"])]


def end_of(wire, committed, topic="t"):
    part = {"index": 0, "timestamp": -1}
    response = wire.call(
        "ListOffsets", replica_id=-1, isolation_level=int(committed),
        topics=[{"name": topic, "partitions": [part]}],
    )
    return response["topics"][0]["partitions"][0]["offset"]


@pytest.fixture(params=[NEWEST, CLASSIC], ids=["kip890", "classic"])
def writer(wire, request):
    wire.create("t", 2)
    return Writer(wire, versions=request.param)


def test_nothing_of_an_open_transaction_is_read_until_it_is_committed(wire, writer):
    wire.produce("t", b"before")
    assert writer.send("t", b"a", b"b") == 0
    wire.produce("t", b"after")
    assert read(wire)[2] == [b"before"]
    assert read(wire, committed=False)[2] == [b"before", b"a", b"b", b"after"]
    assert (end_of(wire, committed=True), end_of(wire, committed=False)) == (1, 4)
    assert writer.end(True) == 0
    part, aborted, values = read(wire)
    assert values == [b"before", b"a", b"b", b"after"]
    assert not aborted
    assert part["last_stable_offset"] == part["high_watermark"] == 5


def test_an_aborted_transaction_is_named_to_readers_of_what_is_committed(wire, writer):
    writer.send("t", b"kept")
    writer.end(True)
    first = end_of(wire, committed=True)
    writer.send("t", b"gone")
    assert writer.end(False) == 0
    writer.send("t", b"kept too")
    writer.end(True)
    assert read(wire)[1] == {writer.id: first}
    assert read(wire, offset=first + 2)[1] == {}
    assert read(wire, committed=False)[1] == {}


def test_a_long_poll_for_committed_records_ends_with_the_commit(wire, writer):
    writer.send("t", b"a")
    reader = wire.peer.connect()
    request = reader.fetch_request("t", 0, wait_ms=10_000)
    sent = reader.send("Fetch", 12, **request, isolation_level=1)
    assert reader.answer(sent) is None
    writer.end(True)
    response = reader.answer(sent)
    assert unpack_all(response["topics"][0]["partitions"][0]["records"])[0].value == b"a"


def test_a_restart_keeps_open_and_aborted_transactions(tmp_path, wire, writer):
    writer.send("t", b"gone")
    writer.end(False)
    writer.send("t", b"open")
    again = wire.peer.restart(OsDisk(str(tmp_path))).connect()
    part, aborted, _ = read(again)
    assert aborted == {writer.id: 0}
    assert part["last_stable_offset"] == 2
    writer.wire = again
    assert writer.send("t", b"more") == 0
    assert writer.end(True) == 0
    assert read(again)[0]["last_stable_offset"] == 5


def test_a_second_producer_of_the_same_name_fences_the_first(wire, writer):
    writer.send("t", b"gone")
    second = Writer(wire, versions=writer.versions)
    assert second.code == Code.CONCURRENT_TRANSACTIONS
    assert second.begin() == 0
    assert second.epoch > writer.epoch
    assert writer.append("t", b"late") == Code.INVALID_PRODUCER_EPOCH
    assert writer.end(True) == Code.PRODUCER_FENCED
    second.send("t", b"kept")
    assert second.end(True) == 0
    assert read(wire)[1] == {writer.id: 0}


def test_time_is_up_for_a_transaction(wire, writer):
    writer.send("t", b"gone")
    wire.peer.clock.advance(60_001)
    wire.peer.turn.run()
    assert read(wire)[1] == {writer.id: 0}
    assert writer.end(True) == Code.PRODUCER_FENCED
    # It may go on under its own name (KIP-360).
    assert writer.begin(producer_id=writer.id, producer_epoch=writer.epoch) == 0
    assert writer.send("t", b"kept") == 0
    assert writer.end(True) == 0


def test_what_is_no_part_of_a_transaction_is_refused(wire):
    wire.create("t", 2)
    writer = Writer(wire, versions=CLASSIC)
    assert writer.append("t", b"unannounced") == Code.INVALID_TXN_STATE
    assert writer.add("t", 0, 7) == {Code.OPERATION_NOT_ATTEMPTED, Code.UNKNOWN_TOPIC_OR_PARTITION}
    writer.send("t", b"announced")
    assert writer.append("t", b"elsewhere", index=1) == Code.INVALID_TXN_STATE
    assert writer.end(True) == 0
    assert writer.end(True) == 0  # the answer was lost
    assert writer.end(False) == Code.INVALID_TXN_STATE
    assert writer.append("t", b"too late") == Code.INVALID_TXN_STATE


def test_every_transaction_has_its_own_epoch_and_the_end_may_be_repeated(wire):
    wire.create("t")
    writer = Writer(wire)
    late = writer.identity
    writer.send("t", b"a")
    assert writer.end(True) == 0
    assert writer.epoch == late["producer_epoch"] + 1
    repeated = wire.call("EndTxn", 5, **late, committed=True)
    assert (repeated["error_code"], repeated["producer_epoch"]) == (0, writer.epoch)
    assert writer.send("t", b"b") == 0
    # The end of the first transaction, delayed on the way, does not end the second one.
    assert wire.call("EndTxn", 5, **late, committed=False)["error_code"] != 0
    assert read(wire)[2] == [b"a"]


def test_a_producer_gets_another_id_when_its_epochs_are_used_up(wire):
    wire.create("t")
    writer = Writer(wire)
    wire.peer.broker.transactions.by_id["w"].epoch = writer.epoch = 32_766
    first = writer.id
    writer.send("t", b"a")
    assert writer.end(True) == 0
    assert (writer.id != first, writer.epoch) == (True, 0)
    writer.send("t", b"b")
    assert writer.end(True) == 0
    assert read(wire)[2] == [b"a", b"b"]


def committed(wire, group="g", stable=False):
    response = wire.call(
        "OffsetFetch", groups=[{"group_id": group, "topics": None}], require_stable=stable
    )
    return {
        t["name"]: [(p["committed_offset"], p["error_code"]) for p in t["partitions"]]
        for t in response["groups"][0]["topics"]
    }


def test_offsets_of_a_transaction_count_once_it_is_committed(tmp_path, wire):
    wire.create("t")
    writer = Writer(wire)
    assert writer.commit_offset("g", "t", 3) == 0
    assert committed(wire) == {}
    assert committed(wire, stable=True) == {"t": [(-1, Code.UNSTABLE_OFFSET_COMMIT)]}
    assert writer.end(True) == 0
    assert committed(wire, stable=True) == {"t": [(3, 0)]}
    writer.commit_offset("g", "t", 9)
    writer.end(False)
    assert committed(wire, stable=True) == {"t": [(3, 0)]}
    writer.commit_offset("g", "t", 5)
    again = wire.peer.restart(OsDisk(str(tmp_path))).connect()
    assert committed(again) == {"t": [(3, 0)]}
    writer.wire = again
    assert writer.end(True) == 0
    assert committed(again) == {"t": [(5, 0)]}


def test_a_decision_is_carried_through_after_a_crash(tmp_path, wire):
    """The broker dies with the decision written and not one marker."""
    wire.create("t", 2)
    writer = Writer(wire)
    writer.send("t", b"a")
    writer.send("t", b"b", index=1)
    transactions = wire.peer.broker.transactions
    transactions._mark = lambda transaction: None
    assert writer.end(True) == 0
    again = wire.peer.restart(OsDisk(str(tmp_path)))
    assert read(again.connect())[2] == []
    again.broker.transactions.resume()
    again.turn.run()
    for index, value in enumerate((b"a", b"b")):
        assert read(again.connect(), index=index)[2] == [value]
    assert again.broker.transactions.by_id["w"].phase.title == "CompleteCommit"


def test_transactions_are_listed_and_described(wire, writer):
    writer.send("t", b"a", index=1)
    listed = wire.call("ListTransactions", state_filters=["Ongoing", "Odd"])
    assert listed["unknown_state_filters"] == ["Odd"]
    assert [t["transactional_id"] for t in listed["transaction_states"]] == ["w"]
    assert not wire.call("ListTransactions", transactional_id_pattern="x.*")["transaction_states"]
    one, none = wire.call("DescribeTransactions", transactional_ids=["w", "x"])[
        "transaction_states"
    ]
    assert one["topics"] == [{"topic": "t", "partitions": [1]}]
    assert none["error_code"] == Code.TRANSACTIONAL_ID_NOT_FOUND
    topics = [{"name": "t", "partition_indexes": [1]}]
    producers = wire.call("DescribeProducers", topics=topics)["topics"][0]["partitions"][0]
    assert producers["active_producers"][0]["current_txn_start_offset"] == 0
    marker = {
        "producer_id": writer.id,
        "producer_epoch": writer.epoch,
        "topics": topics,
    }
    results = wire.call("WriteTxnMarkers", markers=[marker])["markers"][0]["topics"]
    assert results[0]["partitions"][0]["error_code"] == 0
    assert read(wire, index=1)[1] == {writer.id: 0}


def test_the_log_of_transactions_is_not_for_clients(wire):
    Writer(wire)
    assert wire.produce(TRANSACTIONS_TOPIC, b"x")["error_code"] == Code.INVALID_TOPIC


def test_an_unknown_name_or_a_bad_timeout_is_refused(wire):
    assert Writer(wire, timeout_ms=0).code == Code.INVALID_TRANSACTION_TIMEOUT
    assert Writer(wire, timeout_ms=2**31 - 1).code == Code.INVALID_TRANSACTION_TIMEOUT
    assert Writer(wire, name="").code == Code.INVALID_REQUEST
    stranger = {"transactional_id": "x", "producer_id": 1, "producer_epoch": 0}
    response = wire.call("EndTxn", **stranger, committed=True)
    assert response["error_code"] == Code.INVALID_PRODUCER_ID_MAPPING


def test_a_full_disk_delays_the_markers_and_loses_nothing(wire, writer, monkeypatch):
    writer.send("t", b"a")
    broker = wire.peer.broker
    mark = broker.transactions.mark
    monkeypatch.setattr(broker.transactions, "mark", lambda *_: Code.KAFKA_STORAGE_ERROR)
    assert writer.end(True) == 0
    assert read(wire)[2] == []
    assert writer.add("t", 1) == {Code.CONCURRENT_TRANSACTIONS}
    monkeypatch.setattr(broker.transactions, "mark", mark)
    wire.peer.clock.advance(1001)
    wire.peer.turn.run()
    assert read(wire)[2] == [b"a"]


def test_an_index_that_tells_of_a_lost_marker_is_made_anew(tmp_path, wire, writer):
    writer.send("t", b"kept")
    log = wire.peer.broker.topics.log("t", 0)
    size = log.active.size
    assert writer.end(False) == 0
    log.save_indexes()
    disk = OsDisk(str(tmp_path))
    assert disk.exists("t-0/00000000000000000000.txnindex")
    disk.open("t-0/00000000000000000000.log", "rw").truncate(size)
    again = wire.peer.restart(disk)
    assert not disk.exists("t-0/00000000000000000000.txnindex")
    assert again.broker.topics.log("t", 0).stable_offset == 0
