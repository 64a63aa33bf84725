"""A consumer is killed in the middle of its work: what is delivered again, and to whom?

    python examples/consumer_crash_replay/crash_replay.py [--records 2000] [--chart replay.svg]
    python examples/consumer_crash_replay/crash_replay.py --bootstrap 127.0.0.1:9092

Two workers share a group and a topic of four partitions.  Each handles its records one by one and
commits its offsets every so many; half-way one of them is killed with SIGKILL.  When its session
has ended the group gives its partitions to the other, which begins at the committed offsets.

    plain           what was handled after the last commit is handled twice
    transactional   each record's result is written to a topic, results and offsets in one
                    transaction: what the killed worker wrote last is aborted, and done again; who
                    reads committed results sees each once

Both are run, told of in numbers, and drawn.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from chart import draw
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

PARTITIONS = 4
COMMIT_EVERY = 60  # records of a worker between two commits
SESSION_MS = 1500
TRANSACTION_MS = 5000
PER_RECORD_S = 0.001
MODES = ("plain", "transactional")


@dataclass
class Handled:
    """One record, handled by a worker."""

    at: float
    worker: str
    partition: int
    offset: int
    again: bool = False


@dataclass
class Run:
    """What happened in one mode."""

    mode: str
    handled: list[Handled] = field(default_factory=list)
    killed_at: float = 0.0
    taken_over_at: float = 0.0
    results: Counter[str] = field(default_factory=Counter)
    uncommitted: int = 0
    shown_at: float = 0.0

    @property
    def again(self) -> list[Handled]:
        """The records that were handled a second time."""
        return [each for each in self.handled if each.again]


# ---------------------------------------------------------------------- the worker


def work(bootstrap: str, name: str, mode: str) -> None:
    """Handle records until killed; a line of JSON for each on standard output."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": f"workers-{mode}",
            "client.id": name,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "session.timeout.ms": SESSION_MS,
            "heartbeat.interval.ms": 200,
            "partition.assignment.strategy": "cooperative-sticky",
            "fetch.wait.max.ms": 50,
        }
    )
    producer = None
    if mode == "transactional":
        producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "transactional.id": name,
                "transaction.timeout.ms": TRANSACTION_MS,
                "linger.ms": 1,
            }
        )
        producer.init_transactions()
        producer.begin_transaction()
    def tell(consumer: Consumer, partitions: list[TopicPartition]) -> None:
        print(json.dumps({"assigned": len(partitions)}), flush=True)

    consumer.subscribe([f"orders-{mode}"], on_assign=tell)
    since_commit = 0
    while True:
        message = consumer.poll(0.05)
        if message is not None and message.error() is None:
            time.sleep(PER_RECORD_S)
            if producer is not None:
                producer.produce(f"results-{mode}", message.value())
                producer.poll(0)
            line = {"partition": message.partition(), "offset": message.offset()}
            print(json.dumps(line), flush=True)
            since_commit += 1
        if since_commit >= COMMIT_EVERY or (message is None and since_commit):
            commit(consumer, producer)
            since_commit = 0


def commit(consumer: Consumer, producer: Producer | None) -> None:
    """Keep where the worker is: alone, or together with the results."""
    try:
        if producer is None:
            consumer.commit(asynchronous=False)
            return
        places = [place for place in consumer.position(consumer.assignment()) if place.offset >= 0]
        producer.send_offsets_to_transaction(places, consumer.consumer_group_metadata())
        producer.commit_transaction()
    except KafkaException:
        # The group is being balanced: plain, the next commit will do; else all of it once more.
        if producer is not None:
            producer.abort_transaction()
            for place in consumer.committed(consumer.assignment()):
                place.offset = max(place.offset, 0)
                consumer.seek(place)
    if producer is not None:
        producer.begin_transaction()


# ---------------------------------------------------------------------- the play


class Worker:
    """A worker in a process of its own, and what it reports."""

    def __init__(self, bootstrap: str, name: str, mode: str, handled: list[Handled]):
        self.name = name
        command = [sys.executable, __file__, "--worker", name, "--mode", mode]
        self._process = subprocess.Popen(
            [*command, "--bootstrap", bootstrap], stdout=subprocess.PIPE, text=True
        )
        self._handled = handled
        self.assigned = 0
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            told = json.loads(line)
            if "assigned" in told:
                self.assigned += told["assigned"]
                continue
            self._handled.append(
                Handled(time.monotonic(), self.name, told["partition"], told["offset"])
            )

    def kill(self) -> None:
        """As the power would."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        self._thread.join()


def play(bootstrap: str, mode: str, records: int) -> Run:
    """One mode, from an empty topic to its last record."""
    prepare(bootstrap, mode)
    run = Run(mode)
    workers = {name: Worker(bootstrap, name, mode, run.handled) for name in ("ada", "bob")}
    wait_for(lambda: all(worker.assigned for worker in workers.values()), "both to join")
    time.sleep(1)  # for the one who was first to let go
    begun = time.monotonic()
    fill(bootstrap, mode, records)

    def by_bob() -> int:
        return sum(each.worker == "bob" for each in run.handled)

    # In the middle of his work, and of what lies between two commits.
    wait_for(
        lambda: by_bob() > records // 8 and by_bob() % COMMIT_EVERY > COMMIT_EVERY // 2,
        "the middle of a batch",
    )
    workers["bob"].kill()
    run.killed_at = time.monotonic() - begun
    wait_for(lambda: len({(h.partition, h.offset) for h in run.handled}) == records, "the rest")
    time.sleep(0.5)  # for the last commit
    workers["ada"].kill()
    note(run, begun)
    if mode == "transactional":
        # Bob's transaction is open until its time is over, and hides what comes after it.
        wait_for(
            lambda: sum(results(bootstrap, mode, "read_committed").values()) >= records,
            "the results", TRANSACTION_MS / 1000 + 20,
        )
        run.shown_at = time.monotonic() - begun
        run.results = results(bootstrap, mode, "read_committed")
        run.uncommitted = sum(results(bootstrap, mode, "read_uncommitted").values())
    return run


def prepare(bootstrap: str, mode: str) -> None:
    """Topics for orders and results."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    topics = [NewTopic(f"{name}-{mode}", PARTITIONS, 1) for name in ("orders", "results")]
    for made in admin.create_topics(topics).values():
        made.result(10)


def fill(bootstrap: str, mode: str, records: int) -> None:
    """The records to be handled."""
    producer = Producer({"bootstrap.servers": bootstrap})
    for number in range(records):
        producer.produce(f"orders-{mode}", b"order %d" % number, partition=number % PARTITIONS)
    if producer.flush(10):
        raise SystemExit("the records could not be produced")


def wait_for(condition, what: str, seconds: float = 60.0) -> None:
    """Until it holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(f"waited too long for {what}")
        time.sleep(0.001)


def note(run: Run, begun: float) -> None:
    """Mark what was handled again, and when the dead worker's partitions were read on."""
    last = max(h.at for h in run.handled if h.worker == "bob")
    lost = {h.partition for h in run.handled if h.worker == "bob" and h.at > last - 1}
    seen: set[tuple[int, int]] = set()
    for each in sorted(run.handled, key=lambda h: h.at):
        each.again = (each.partition, each.offset) in seen
        seen.add((each.partition, each.offset))
    run.taken_over_at = min(
        h.at for h in run.handled if h.worker == "ada" and h.partition in lost and h.at > last
    ) - begun
    for each in run.handled:
        each.at -= begun


def results(bootstrap: str, mode: str, isolation: str) -> Counter[str]:
    """How often each result is in the results topic."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "reader",
            "isolation.level": isolation,
            "enable.partition.eof": True,
            "enable.auto.commit": False,
        }
    )
    consumer.assign([TopicPartition(f"results-{mode}", i, 0) for i in range(PARTITIONS)])
    found: Counter[str] = Counter()
    ended: set[int] = set()
    while len(ended) < PARTITIONS:
        message = consumer.poll(5)
        if message is None:
            break
        if message.error() is None:
            found[message.value().decode()] += 1
        elif message.error().code() == KafkaError._PARTITION_EOF:
            ended.add(message.partition())
    consumer.close()
    return found


# ---------------------------------------------------------------------- what is told


def report(run: Run, records: int) -> bool:
    """Print what happened; whether it was as it should be."""
    again = Counter(each.partition for each in run.again)
    waited = run.taken_over_at - run.killed_at
    print(f"{run.mode}")
    print(f"  {len(run.handled)} deliveries of {records} records to two workers")
    print(f"  bob killed after {run.killed_at:.1f} s, his partitions read on {waited:.1f} s later")
    print(f"  {len(run.again)} records delivered again, all to ada: "
          + (", ".join(f"partition {p}: {n}" for p, n in sorted(again.items())) or "none"))
    missing = records - len({(h.partition, h.offset) for h in run.handled})
    fine = not missing and len(run.again) <= COMMIT_EVERY * 2
    if run.mode == "transactional":
        twice = [result for result, count in run.results.items() if count > 1]
        print(f"  results: {run.uncommitted} written, {sum(run.results.values())} committed, "
              f"{len(run.results)} different, {len(twice)} twice")
        shown_s = run.shown_at - run.killed_at
        print(f"  the last of them visible {shown_s:.1f} s after the kill, when bob's open "
              "transaction had timed out")
        fine = fine and not twice and len(run.results) == records
    print(f"  {missing} records lost")
    return fine


def main(argv: list[str] | None = None) -> int:
    """Run both modes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=2000)
    parser.add_argument("--bootstrap", default="", help="a broker; default: one of our own")
    parser.add_argument("--chart", default="", help="SVG file to draw to")
    parser.add_argument("--worker", default="", help=argparse.SUPPRESS)
    parser.add_argument("--mode", default="", choices=["", *MODES], help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.worker:
        work(options.bootstrap, options.worker, options.mode)
        return 0
    if options.bootstrap:
        return play_all(options.bootstrap, options)
    import bedrock

    # Two seconds are enough to find a dead worker by; Kafka's own least is six.
    with bedrock.run("kafkalite", process=True, group_min_session_timeout_ms=1000) as server:
        return play_all(f"{server.host}:{server.port}", options)


def play_all(bootstrap: str, options: argparse.Namespace) -> int:
    """Both modes, one after the other."""
    modes = [options.mode] if options.mode else MODES
    runs = [play(bootstrap, mode, options.records) for mode in modes]
    fine = [report(run, options.records) for run in runs]
    if options.chart:
        Path(options.chart).write_text(draw(runs, PARTITIONS))
        print(f"drawn to {options.chart}")
    print("as it should be" if all(fine) else "NOT AS IT SHOULD BE")
    return 0 if all(fine) else 1


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    raise SystemExit(main())
