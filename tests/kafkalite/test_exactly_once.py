"""Exactly once, from end to end: a processor that is killed again and again, with librdkafka."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

import bedrock

PROCESSOR = Path(__file__).with_name("processor.py")
PARTITIONS = 4


def fill(kafka, admin, address, count):
    client = admin.AdminClient({"bootstrap.servers": address})
    topics = [admin.NewTopic(name, PARTITIONS, 1) for name in ("in", "out")]
    for future in client.create_topics(topics).values():
        future.result(10)
    producer = kafka.Producer(
        {"bootstrap.servers": address, "enable.idempotence": True,
         "queue.buffering.max.messages": 2_000_000, "linger.ms": 20}
    )  # fmt: skip
    for number in range(count):
        producer.produce("in", b"%d" % number, key=b"%d" % number, partition=number % PARTITIONS)
        if number % 10_000 == 0:
            producer.poll(0)
    assert producer.flush(120) == 0


def run_killed(address, server, done, *, kill_every_s, broker_too, seconds):
    """Processors, one after the other, each killed after a while, until `done()`."""
    kills = 0
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, "took too long"
        process = subprocess.Popen([sys.executable, str(PROCESSOR), address, "processor"])
        try:
            process.wait(kill_every_s)
        except subprocess.TimeoutExpired:
            kills += 1
        process.kill()
        process.wait()
        if broker_too and kills % 3 == 0:
            server.restart()
    return kills


def read_all(kafka, address, topic, level="read_committed"):
    """Values of each partition, in order, up to the end there is now."""
    reader = kafka.Consumer(
        {"bootstrap.servers": address, "group.id": f"read-{topic}", "isolation.level": level,
         "enable.partition.eof": True, "enable.auto.commit": False}
    )  # fmt: skip
    reader.assign([kafka.TopicPartition(topic, i, 0) for i in range(PARTITIONS)])
    values = [[] for _ in range(PARTITIONS)]
    ended = set()
    while len(ended) < PARTITIONS:
        for record in reader.consume(10_000, 1):
            if record.error() is None:
                values[record.partition()].append(record.value())
            elif record.error().code() == kafka.KafkaError._PARTITION_EOF:
                ended.add(record.partition())
    reader.close()
    return values


def exactly_once(tmp_path, count, kill_every_s, broker_too, seconds):
    kafka = pytest.importorskip("confluent_kafka")
    from confluent_kafka import admin

    with bedrock.run("kafkalite", process=True, data_dir=str(tmp_path)) as server:
        address = f"{server.host}:{server.port}"
        fill(kafka, admin, address, count)
        # Offsets of a transaction that a killed processor left open would be waited for.
        watch = kafka.Consumer(
            {"bootstrap.servers": address, "group.id": "processors",
             "isolation.level": "read_uncommitted"}
        )  # fmt: skip
        places = [kafka.TopicPartition("in", i) for i in range(PARTITIONS)]

        def done():
            return sum(max(0, p.offset) for p in watch.committed(places, 30)) >= count

        kills = run_killed(
            address, server, done, kill_every_s=kill_every_s, broker_too=broker_too,
            seconds=seconds,
        )  # fmt: skip
        values = read_all(kafka, address, "out")
        for index, got in enumerate(values):
            assert got == [b"%d+" % number for number in range(index, count, PARTITIONS)]
        watch.close()
    return kills


def test_a_killed_processor_writes_everything_once(tmp_path):
    assert exactly_once(tmp_path, 40_000, 1.2, broker_too=False, seconds=60) > 0


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_million_records_with_a_kill_every_moment(tmp_path):
    assert exactly_once(tmp_path, 1_000_000, 1.4, broker_too=True, seconds=800) > 3
