"""kafkalite under librdkafka (confluent-kafka), beside the mock cluster that librdkafka carries.

    produce     acks=all in batches of up to 1 MB
    consume     the same records from the start
    round trip  one record, one request in flight: what a request costs; with librdkafka, which
                wakes a thread of its own for each, and with a bare socket, which does not
    crowd       50 producers without linger, 100 partitions: many small requests at once
    ready       from exec to the first accepted connection; memory when idle
    recovery    a partition of 1 GiB after a crash: every batch is checked

An operation is a record.  The client is one Python process and mostly the slower side: the figure
to watch is the server's CPU for each record.  The mock cluster, in C, keeps the newest 5 MB of a
partition in memory and writes nothing, so it is a peer for producing only.
"""

from __future__ import annotations

import itertools
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka import Consumer, Producer, TopicPartition

from bedrock.world import OsClock, OsDisk, Turn
from benchmarks.harness import Bench, Row, Sample, Subject, cpu_ns
from kafkalite.batch import Record, pack
from kafkalite.log import Log
from kafkalite.requests import BY_NAME, encode_request
from kafkalite.topic_config import LogConfig

BATCHES = {
    "acks": "all",
    "linger.ms": 20,
    "batch.size": 1_000_000,
    "batch.num.messages": 1_000_000,
    "queue.buffering.max.messages": 1_000_000,
    "queue.buffering.max.kbytes": 1 << 20,
}
# With its defaults librdkafka rests for a second whenever it has 100,000 records in hand.
READ_AHEAD = {
    "group.id": "bench",
    "enable.auto.commit": False,
    "fetch.message.max.bytes": 8 << 20,
    "queued.min.messages": 10_000_000,
    "queued.max.messages.kbytes": 1 << 20,
}
MOCK = """
import sys
from confluent_kafka import Producer
producer = Producer({"bootstrap.servers": "mock", "test.mock.num.brokers": 1, "log_level": 0})
broker = next(iter(producer.list_topics(timeout=10).brokers.values()))
print(broker.host, broker.port, flush=True)
sys.stdin.read()
"""
SECOND_OF_RECORDS = {1024: 400_000, 100: 1_000_000}
TRIPS = 5000
BARE_TRIPS = 20_000
# The mock cluster gives a topic four partitions.
CROWD, CROWD_TOPICS, TOPIC_PARTITIONS, CROWD_RECORDS = 50, 25, 4, 400
RECOVERY = "recovery of 1 GiB"
numbers = itertools.count()


def address(subject: Subject) -> str:
    return f"{subject.host}:{subject.port}"


def produce(subject: Subject, topic: str, size: int, count: int) -> Sample:
    producer = Producer({"bootstrap.servers": address(subject), **BATCHES})
    value = os.urandom(size)
    producer.list_topics(topic, timeout=10)
    start = time.perf_counter()
    for _ in range(count):
        while True:
            try:
                producer.produce(topic, value, partition=0)
                break
            except BufferError:
                producer.poll(0.01)
    producer.flush()
    return Sample(count, time.perf_counter() - start)


def consume(subject: Subject, topic: str, count: int) -> Sample:
    consumer = Consumer({"bootstrap.servers": address(subject), **READ_AHEAD})
    consumer.assign([TopicPartition(topic, 0, 0)])
    got = len(consumer.consume(1, 10))
    start = time.perf_counter()
    while got < count:
        got += len(consumer.consume(20_000, 1))
    seconds = time.perf_counter() - start
    consumer.close()
    return Sample(count, seconds)


def round_trips(subject: Subject) -> Sample:
    options = {"linger.ms": 0, "acks": "all", "max.in.flight": 1}
    producer = Producer({"bootstrap.servers": address(subject), **options})
    late: list[float] = []
    producer.list_topics("trips", timeout=10)
    start = time.perf_counter()
    for _ in range(TRIPS):
        begun = time.perf_counter()
        producer.produce("trips", b"x" * 100)
        producer.flush()
        late.append((time.perf_counter() - begun) * 1e3)
    return Sample(TRIPS, time.perf_counter() - start, statistics.quantiles(late, n=100)[98])


def bare_trips(subject: Subject) -> Sample:
    """Round trips without a client library: one system call to send, one to receive."""
    version = 7  # the mock cluster's newest
    batch = pack([Record(0, 1_700_000_000_000, None, b"x" * 100)])
    part = {"index": 0, "records": batch}
    body = {"acks": -1, "timeout_ms": 1000, "topics": [{"name": "trips", "partitions": [part]}]}
    request = encode_request(BY_NAME["Produce"], version, 1, body, "bare")
    late: list[float] = []
    with socket.create_connection((subject.host, subject.port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        start = time.perf_counter()
        for _ in range(BARE_TRIPS):
            begun = time.perf_counter()
            connection.sendall(request)
            answer = connection.recv(4096)
            late.append((time.perf_counter() - begun) * 1e3)
        seconds = time.perf_counter() - start
    assert len(answer) == 4 + int.from_bytes(answer[:4], "big")
    return Sample(BARE_TRIPS, seconds, statistics.quantiles(late, n=100)[98])


def crowd(subject: Subject) -> Sample:
    """Many producers, each with many small requests under way."""
    options = {"bootstrap.servers": address(subject), "linger.ms": 0, "acks": "all"}
    producers = [Producer(options) for _ in range(CROWD)]

    def send(numbers: range) -> None:
        for number in numbers:
            for i, producer in enumerate(producers):
                topic, partition = divmod((number + i), TOPIC_PARTITIONS)
                name = f"crowd-{topic % CROWD_TOPICS}"
                producer.produce(name, b"x" * 100, partition=partition)
        for producer in producers:
            producer.flush()

    send(range(CROWD_TOPICS * TOPIC_PARTITIONS))  # all have heard of all topics
    start = time.perf_counter()
    send(range(CROWD_RECORDS))
    return Sample(CROWD * CROWD_RECORDS, time.perf_counter() - start)


def cpu_for_a_megabyte(bench: Bench, row: Row, size: int) -> None:
    """What the server spends on the records of a row, beside what the peer does."""
    bench.figure(f"{row.title}, CPU for a MB", row.ours["cpu_us"] * 1e6 / size, "us")
    if row.peer is not None:
        bench.figure(f"{row.title}, the mock's", row.peer["cpu_us"] * 1e6 / size, "us")


@contextmanager
def mock_cluster() -> Iterator[Subject]:
    """A broker of librdkafka's mock cluster, in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-c", MOCK], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin and process.stdout
    host, port = process.stdout.readline().split()
    ports = {"port": int(port)}
    yield Subject("librdkafka mock", host, int(port), ports, process.pid, f"{host}:{port}")
    process.stdin.close()
    process.wait(10)


def ready(bench: Bench) -> None:
    times = []
    for _ in range(bench.rounds):
        start = time.perf_counter()
        with bench.ours("kafkalite") as ours:
            times.append((time.perf_counter() - start) * 1e3)
            with open(f"/proc/{ours.pid}/status") as status:
                rss = next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
    bench.figure("ready", statistics.median(times), "ms", at_most=300)
    bench.figure("idle memory", rss / 1024, "MB", at_most=60)


def recovery(bench: Bench) -> None:
    def opened(directory: str) -> Log:
        config = LogConfig(max_message_bytes=2 << 20)
        return Log(OsDisk(directory), Turn(), OsClock(), config)

    batch = pack([Record(0, 1_700_000_000_000, None, os.urandom(1024)) for _ in range(1000)])
    times = []
    for _ in range(bench.rounds):
        with tempfile.TemporaryDirectory() as directory:
            log = opened(directory)
            while log.size_bytes < (1 << 30) - len(batch):
                log.append_batch(batch)
                log.turn.run()
            start = time.perf_counter()
            again = opened(directory)
            times.append(time.perf_counter() - start)
            assert again.end_offset == log.end_offset
    bench.figure(RECOVERY, statistics.median(times), "s", at_most=2)


def run(bench: Bench) -> None:
    ready(bench)
    if bench.only in RECOVERY:
        recovery(bench)
    with bench.ours("kafkalite", num_partitions=4) as ours, mock_cluster() as mock:
        row = bench.compare(f"crowd of {CROWD} producers", crowd, ours, mock)
        if row is not None:
            cpu_for_a_megabyte(bench, row, 100)
        for size, count in SECOND_OF_RECORDS.items():
            newest: dict[str, str] = {}

            def fresh(
                subject: Subject, size: int = size, count: int = count, newest: dict = newest
            ) -> Sample:
                newest[subject.name] = topic = f"bench-{size}-{next(numbers)}"
                return produce(subject, topic, size, count)

            row = bench.compare(f"produce {size} B", fresh, ours, mock)
            if row is None:
                continue
            megabytes = row.ours["rate"] * size / 1e6
            bench.figure(f"produce {size} B", megabytes, "MB/s")
            cpu_for_a_megabyte(bench, row, size)
            before = cpu_ns(ours.pid)
            sample = consume(ours, newest[ours.name], count)
            used_ns = cpu_ns(ours.pid) - before
            bench.figure(f"consume {size} B", sample.operations / sample.seconds, "records/s")
            bench.figure(f"consume {size} B", count * size / sample.seconds / 1e6, "MB/s")
            bench.figure(
                f"consume {size} B, CPU for a MB", used_ns * 1e3 / count / size, "us")
        for title, load in (("librdkafka", round_trips), ("bare socket", bare_trips)):
            row = bench.compare(f"round trip 100 B, {title}", load, ours, mock)
            if row is not None:
                bench.figure(f"round trips, {title}", row.ours["rate"], "1/s", at_least=8000)
                bench.figure(f"round trip p99, {title}", row.ours["p99_ms"], "ms", at_most=1)
                bench.figure(f"round trip, {title}, server CPU", row.ours["cpu_us"], "us")
