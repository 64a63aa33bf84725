"""The forms for tests and notebooks: embedded broker and log, reset, time and faults."""

import time

import pytest

import kafkalite
from kafkalite.errors import Code, KafkaError
from kafkalite.faults import Fault, Faults

from .wire import SocketWire


def test_a_broker_without_a_socket(tmp_path):
    with kafkalite.Broker(str(tmp_path)) as broker:
        broker.create("t", partitions=2, retention_ms=5000)
        assert broker.produce("t", b"a", partition=1) == (1, 0)
        placed = {broker.produce("t", b"v%d" % i, key=b"same")[0] for i in range(5)}
        assert len(placed) == 1
        assert {broker.produce("t", b"x")[0] for _ in range(4)} == {0, 1}
        broker.commit("g", "t", 1, 1)
        with pytest.raises(KafkaError):
            broker.create("t")
    with kafkalite.Broker(str(tmp_path)) as broker:
        assert broker.topics() == ["t"]
        assert broker.read("t", 1, limit=1)[0].value == b"a"
        assert broker.committed("g") == {("t", 1): 1}
        assert broker.end("t", 0) + broker.end("t", 1) == 10
        assert broker.call("DescribeCluster")["controller_id"] == 1
        broker.delete("t")
        assert broker.topics() == []


def test_a_log_of_its_own(tmp_path):
    with kafkalite.Log(str(tmp_path), segment_bytes=200) as log:
        assert log.append(b"a", b"b") == 0
        assert log.append(kafkalite.Record(0, 5, b"k", b"c")) == 2
        for i in range(20):
            log.append(b"v%d" % i)
        assert (log.start, log.end) == (0, 23)
    with kafkalite.Log(str(tmp_path)) as log:
        assert [r.value for r in log.read(1, limit=2)] == [b"b", b"c"]
        assert len(list(log)) == 23
        log.trim(5)
        assert log.start == 5
    with kafkalite.Log() as log:
        assert log.read() == []


def test_a_broker_is_as_new_within_five_milliseconds():
    with kafkalite.Broker() as broker:
        taken = []
        for _ in range(7):
            for topic in "abc":
                broker.produce(topic, b"v", key=b"k")
            broker.commit("g", "a", 0, 1)
            begun = time.perf_counter()
            broker.reset()
            taken.append(time.perf_counter() - begun)
            assert broker.topics() == []
            assert broker.committed("g") == {}
            assert broker.produce("a", b"v") == (0, 0)
        assert min(taken) < 0.005  # the others may have waited for a processor


@pytest.fixture
def lab_wire(kafkalite_lab):
    wire = SocketWire(kafkalite_lab.server)
    yield wire
    wire.socket.close()


def test_clients_stay_connected_through_a_reset(kafkalite_lab, lab_wire):
    assert lab_wire.create("t") == 0
    assert lab_wire.produce("t", b"v") == (0, 0)
    kafkalite_lab.reset()
    assert lab_wire.call("Metadata", topics=None)["topics"] == []
    assert lab_wire.create("t") == 0
    assert lab_wire.produce("t", b"v") == (0, 0)


def test_time_is_the_tests_to_say(kafkalite_lab, lab_wire):
    kafkalite_lab.freeze()
    now = kafkalite_lab.now_ms()
    kafkalite_lab.advance(3600)
    assert kafkalite_lab.now_ms() == now + 3_600_000
    lab_wire.create("t")
    lab_wire.produce("t", b"v")
    kafkalite_lab.advance(3600)
    broker = kafkalite_lab.server.server.broker
    assert broker.topics.log("t", 0).newest()[0] < kafkalite_lab.now_ms()
    kafkalite_lab.thaw()


@pytest.mark.peer
def test_a_member_that_time_forgets_is_replaced(kafkalite_lab, lab_wire):
    kafka = pytest.importorskip("confluent_kafka")
    lab_wire.create("t")
    consumer = kafka.Consumer({
        "bootstrap.servers": kafkalite_lab.address, "group.id": "g", "session.timeout.ms": 45000,
    })
    consumer.subscribe(["t"])
    groups = kafkalite_lab.server.server.broker.coordinator.groups
    while not groups.get("g") or not groups["g"].members:
        consumer.poll(0.1)
    (member,) = groups["g"].members
    kafkalite_lab.advance(46)
    deadline = time.monotonic() + 10
    while not groups["g"].members or member in groups["g"].members:
        consumer.poll(0.1)
        assert time.monotonic() < deadline
    consumer.close()


@pytest.mark.peer
def test_a_producer_goes_on_after_faults(kafkalite_lab):
    kafka = pytest.importorskip("confluent_kafka")
    kafkalite_lab.error(Code.KAFKA_STORAGE_ERROR, api="Produce", times=2)
    kafkalite_lab.disconnect(api="Produce", times=1)
    kafkalite_lab.disconnect(lose=True, api="Produce", times=1)
    kafkalite_lab.latency(30, api="Produce", times=1)
    producer = kafka.Producer({
        "bootstrap.servers": kafkalite_lab.address, "enable.idempotence": True,
        "retry.backoff.ms": 20, "linger.ms": 0, "reconnect.backoff.ms": 10,
    })
    offsets = []
    for i in range(3):
        producer.produce("t", b"%d" % i, on_delivery=lambda e, m: offsets.append((e, m.offset())))
        assert producer.flush(10) == 0
    assert offsets == [(None, 0), (None, 1), (None, 2)]
    assert not kafkalite_lab.server.server.broker.faults.list


def test_faults_that_cannot_be():
    for wrong in ({"kind": "bad luck"}, {"kind": "error", "api": "NoSuch"}):
        with pytest.raises(ValueError, match=r"fault|request"):
            Fault(**wrong)


def test_an_error_is_told_in_the_form_of_the_request(peer):
    peer.broker.faults = Faults(peer.broker)
    wire = peer.connect()
    wire.create("t")
    peer.broker.faults.list.append(Fault("error", code=Code.KAFKA_STORAGE_ERROR))
    assert wire.produce("t", b"v")["error_code"] == Code.KAFKA_STORAGE_ERROR
    assert wire.fetch("t", 0)["error_code"] == Code.KAFKA_STORAGE_ERROR
    beat = wire.call("Heartbeat", group_id="g", member_id="m", generation_id=1)
    assert beat["error_code"] == Code.KAFKA_STORAGE_ERROR
    assert wire.call("ApiVersions")["error_code"] == 0
