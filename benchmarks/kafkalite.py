"""kafkalite under librdkafka (confluent-kafka); there is no peer without a JVM.

    produce     acks=all in batches of up to 1 MB
    consume     the same records from the start
    round trip  one record, one request in flight: what a request costs

An operation is a record.  The client is one Python process and mostly the slower side: the figure
to watch is the server's CPU for each record.
"""

from __future__ import annotations

import itertools
import os
import statistics
import time

from confluent_kafka import Consumer, Producer, TopicPartition

from benchmarks.harness import Bench, Sample, Subject, cpu_ns

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
SECOND_OF_RECORDS = {1024: 400_000, 100: 1_000_000}
TRIPS = 5000
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
                producer.produce(topic, value)
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


def run(bench: Bench) -> None:
    with bench.ours("kafkalite") as ours:
        for size, count in SECOND_OF_RECORDS.items():
            topic = ""

            def fresh(subject: Subject, size: int = size, count: int = count) -> Sample:
                nonlocal topic
                topic = f"bench-{size}-{next(numbers)}"
                return produce(subject, topic, size, count)

            row = bench.compare(f"produce {size} B", fresh, ours)
            if row is None:
                continue
            megabytes = row.ours["rate"] * size / 1e6
            bench.figure(f"produce {size} B", megabytes, "MB/s")
            bench.figure(f"produce {size} B, server CPU", row.ours["cpu_us"] * 1e3, "ns/record")
            before = cpu_ns(ours.pid)
            sample = consume(ours, topic, count)
            used_ns = cpu_ns(ours.pid) - before
            bench.figure(f"consume {size} B", sample.operations / sample.seconds, "records/s")
            bench.figure(f"consume {size} B", count * size / sample.seconds / 1e6, "MB/s")
            bench.figure(f"consume {size} B, server CPU", used_ns / count, "ns/record")
        row = bench.compare("round trip 100 B", round_trips, ours)
        if row is not None:
            bench.figure("round trip p99", row.ours["p99_ms"], "ms")
            bench.figure("round trip, server CPU", row.ours["cpu_us"], "us")
