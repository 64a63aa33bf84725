"""Finding offsets, and deleting records."""

from __future__ import annotations

import logging
from typing import Any

from bedrock.codec.errors import Malformed
from bedrock.world import DiskFull
from kafkalite.broker import Broker, Call
from kafkalite.errors import Code, KafkaError
from kafkalite.log import Log

logger = logging.getLogger("kafkalite")

LATEST, EARLIEST, NEWEST, EARLIEST_LOCAL, LATEST_TIERED = -1, -2, -3, -4, -5
READ_COMMITTED = 1
LEADER_EPOCH = 0


def list_offsets(broker: Broker, request: dict, call: Call) -> dict[str, Any]:
    """The offset for a time, or for the start or the end of a log."""

    def answer(topic: str, part: dict) -> dict[str, Any]:
        try:
            log = broker.topics.log(topic, part["index"])
            check_epoch(part["current_leader_epoch"])
            committed = request["isolation_level"] == READ_COMMITTED
            timestamp, offset = _offset_for(log, part["timestamp"], committed)
        except KafkaError as exc:
            return {"index": part["index"], "error_code": exc.code}
        except Malformed:
            return {"index": part["index"], "error_code": Code.CORRUPT_MESSAGE}
        return {
            "index": part["index"],
            "timestamp": timestamp,
            "offset": offset,
            "leader_epoch": LEADER_EPOCH if offset >= 0 else -1,
        }

    return {"topics": _each(request["topics"], answer)}


def _offset_for(log: Log, timestamp: int, committed: bool) -> tuple[int, int]:
    if timestamp == LATEST:
        return -1, log.stable_offset if committed else log.high_watermark
    if timestamp in (EARLIEST, EARLIEST_LOCAL):
        return -1, log.start_offset
    if timestamp == NEWEST:
        return log.newest()
    if timestamp == LATEST_TIERED:
        return -1, -1  # all storage is local
    return log.offset_at(timestamp)


def check_epoch(epoch: int) -> None:
    """KafkaError when a client believes in a leader epoch there never was."""
    if epoch > LEADER_EPOCH:
        raise KafkaError(Code.UNKNOWN_LEADER_EPOCH)


def delete_records(broker: Broker, request: dict, call: Call) -> dict[str, Any]:
    """Make an offset the first one that is readable; -1 means the end."""

    def answer(topic: str, part: dict) -> dict[str, Any]:
        try:
            log = broker.topics.log(topic, part["index"])
            log.delete_to(log.high_watermark if part["offset"] == -1 else part["offset"])
        except KafkaError as exc:
            return {"index": part["index"], "low_watermark": -1, "error_code": exc.code}
        return {"index": part["index"], "low_watermark": log.start_offset}

    topics = _each(request["topics"], answer)
    try:
        broker.topics.checkpoint()
    except DiskFull as exc:
        # The records are gone all the same; after a crash they would be back.
        logger.error("checkpoint: %s", exc)
    return {"topics": topics}


def offset_for_leader_epoch(broker: Broker, request: dict, call: Call) -> dict[str, Any]:
    """Where a leader epoch ended: there is one epoch, and it goes on."""

    def answer(topic: str, part: dict) -> dict[str, Any]:
        try:
            log = broker.topics.log(topic, part["index"])
            check_epoch(part["current_leader_epoch"])
        except KafkaError as exc:
            return {"index": part["index"], "error_code": exc.code}
        if part["leader_epoch"] != LEADER_EPOCH:
            return {"index": part["index"]}
        return {
            "index": part["index"],
            "leader_epoch": LEADER_EPOCH,
            "end_offset": log.high_watermark,
        }

    return {"topics": _each(request["topics"], answer)}


def _each(topics: list[dict], answer: Any) -> list[dict[str, Any]]:
    """The response's topics: `answer(topic, partition)` for each partition asked about."""
    return [
        {
            "name": topic["name"],
            "partitions": [answer(topic["name"], part) for part in topic["partitions"]],
        }
        for topic in topics
    ]
