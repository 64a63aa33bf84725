"""A transactional processor to be killed: reads `in`, writes to `out`, commits both as one.

    python processor.py ADDRESS TRANSACTIONAL_ID

Each record's value comes out with "+" after it, under the same key and in the same partition.
"""

import sys
import time

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer

BATCH, PAUSE_S = 5000, 0.5


def main(address: str, name: str) -> int:
    consumer = Consumer(
        {
            "bootstrap.servers": address,
            "group.id": "processors",
            # Static, so that the next one takes over at once from one that was killed.
            "group.instance.id": name,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
            "session.timeout.ms": 6000,
        }
    )
    producer = Producer(
        {"bootstrap.servers": address, "transactional.id": name, "linger.ms": 5,
         "queue.buffering.max.messages": 1_000_000}
    )  # fmt: skip
    producer.init_transactions(60)
    consumer.subscribe(["in"])
    while True:
        records = [r for r in consumer.consume(BATCH, PAUSE_S) if r.error() is None]
        if not records:
            continue
        try:
            producer.begin_transaction()
            for record in records:
                value = record.value() + b"+"
                producer.produce("out", value, key=record.key(), partition=record.partition())
            positions = consumer.position(consumer.assignment())
            group = consumer.consumer_group_metadata()
            producer.send_offsets_to_transaction(positions, group, 60)
            producer.commit_transaction(60)
        except KafkaException as exc:
            error = exc.args[0]
            if error.fatal() or not isinstance(error, KafkaError):
                print("fenced", flush=True)
                return 3
            # What was read is read again by whoever has the partitions now.
            while True:
                try:
                    producer.abort_transaction(60)
                    break
                except KafkaException as again:
                    if again.args[0].fatal():
                        return 3
                    time.sleep(0.2)
            return 4


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
