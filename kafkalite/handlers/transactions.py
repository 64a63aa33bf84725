"""Transactions: what a transactional producer asks for, and what administrators look at."""

from __future__ import annotations

from typing import Any

from bedrock.world import DiskFull
from kafkalite.broker import Broker, Call
from kafkalite.errors import Code, KafkaError
from kafkalite.handlers.groups import asked_commits, commit_response, committer
from kafkalite.regex import Regex
from kafkalite.topics import OFFSETS_TOPIC
from kafkalite.transaction_log import Partition, Phase

OFFSETS_PARTITION = (OFFSETS_TOPIC, 0)
MANY_SINCE = 4  # version of AddPartitionsToTxn that only brokers send
ADDS_SINCE = 5  # version of TxnOffsetCommit: what is written needs no announcement (KIP-890)
BUMPS_SINCE = 5  # version of EndTxn: an epoch for every transaction
# Versions from which a producer knows PRODUCER_FENCED; before, it was INVALID_PRODUCER_EPOCH.
FENCED_SINCE = {22: 4, 24: 2, 25: 2, 26: 2, 28: 0}


def _code(exc: KafkaError, key: int, version: int) -> Code:
    if exc.code is Code.PRODUCER_FENCED and version < FENCED_SINCE[key]:
        return Code.INVALID_PRODUCER_EPOCH
    return exc.code


def init_producer_id(broker: Broker, request: dict, call: Call) -> dict[str, Any]:
    """An id for an idempotent producer, or the next epoch for a transactional one."""
    if request["transactional_id"] is None:
        try:
            return {"producer_id": broker.producer_ids.take(), "producer_epoch": 0}
        except DiskFull:
            return {"error_code": Code.KAFKA_STORAGE_ERROR}
    try:
        producer_id, epoch = broker.transactions.init(
            request["transactional_id"], request["transaction_timeout_ms"],
            request["producer_id"], request["producer_epoch"],
        )  # fmt: skip
    except KafkaError as exc:
        return {"error_code": _code(exc, 22, call.version)}
    return {"producer_id": producer_id, "producer_epoch": epoch}


def add_partitions_to_txn(broker: Broker, request: dict, call: Call) -> dict[str, Any]:
    """What the transaction is about to write to."""
    if call.version < MANY_SINCE:
        return {"results_by_topic": _add_partitions(broker, request, False, call.version)}
    return {
        "results_by_transaction": [
            {
                "transactional_id": each["transactional_id"],
                "topic_results": _add_partitions(broker, each, each["verify_only"], call.version),
            }
            for each in request["transactions"]
        ]
    }


def _add_partitions(
    broker: Broker, each: dict, verify_only: bool, version: int
) -> list[dict[str, Any]]:
    wanted = [(t["name"], index) for t in each["topics"] for index in t["partitions"]]
    producer = (each["transactional_id"], each["producer_id"], each["producer_epoch"])
    errors: dict[Partition, Code] = {}
    for partition in wanted:
        try:
            broker.topics.log(*partition)
            if verify_only:
                broker.transactions.verify(*producer, partition, add=False)
        except KafkaError as exc:
            errors[partition] = _code(exc, 24, version)
    if errors and not verify_only:
        # All or none.
        errors = {p: errors.get(p, Code.OPERATION_NOT_ATTEMPTED) for p in wanted}
    elif not verify_only:
        try:
            broker.transactions.add(*producer, wanted)
        except KafkaError as exc:
            errors = dict.fromkeys(wanted, _code(exc, 24, version))
    return [
        {
            "name": topic["name"],
            "results_by_partition": [
                {
                    "partition_index": index,
                    "partition_error_code": errors.get((topic["name"], index), Code.NONE),
                }
                for index in topic["partitions"]
            ],
        }
        for topic in each["topics"]
    ]


def add_offsets_to_txn(broker: Broker, request: dict, call: Call) -> dict[str, Any]:
    """The transaction is about to commit offsets."""
    try:
        broker.topics.internal(OFFSETS_TOPIC)
        broker.transactions.add(
            request["transactional_id"], request["producer_id"], request["producer_epoch"],
            (OFFSETS_PARTITION,),
        )  # fmt: skip
    except KafkaError as exc:
        return {"error_code": _code(exc, 25, call.version)}
    return {}


def txn_offset_commit(broker: Broker, request: dict, call: Call) -> dict[str, Any]:
    """Offsets that count once the transaction is committed."""
    producer_id, epoch = request["producer_id"], request["producer_epoch"]
    try:
        broker.coordinator.check_commit_in_transaction(*committer(request))
        broker.topics.internal(OFFSETS_TOPIC)
        broker.transactions.verify(
            request["transactional_id"], producer_id, epoch, OFFSETS_PARTITION,
            add=call.version >= ADDS_SINCE,
        )  # fmt: skip
        errors, commits = asked_commits(broker, request)
        broker.coordinator.offsets.commit_in_transaction(
            request["group_id"], commits, producer_id, epoch
        )
    except KafkaError as exc:
        return commit_response(request, {}, _code(exc, 28, call.version))
    return commit_response(request, errors, Code.NONE)


def end_txn(broker: Broker, request: dict, call: Call) -> dict[str, Any]:
    """Commit or abort."""
    try:
        producer_id, epoch = broker.transactions.end(
            request["transactional_id"], request["producer_id"], request["producer_epoch"],
            request["committed"], bump=call.version >= BUMPS_SINCE,
        )  # fmt: skip
    except KafkaError as exc:
        return {"error_code": _code(exc, 26, call.version)}
    return {"producer_id": producer_id, "producer_epoch": epoch}


def write_txn_markers(broker: Broker, request: dict, call: Call) -> dict[str, Any]:
    """End transactions that no coordinator knows, as `kafka-transactions.sh abort` asks."""
    results = []
    for marker in request["markers"]:
        topics = []
        for topic in marker["topics"]:
            parts = []
            for index in topic["partition_indexes"]:
                code = broker.transactions.mark(
                    marker["producer_id"], marker["producer_epoch"], (topic["name"], index),
                    marker["transaction_result"], marker["coordinator_epoch"],
                )  # fmt: skip
                parts.append({"partition_index": index, "error_code": code})
            topics.append({"name": topic["name"], "partitions": parts})
        results.append({"producer_id": marker["producer_id"], "topics": topics})
    return {"markers": results}


# ---------------------------------------------------------------------- admin


def describe_producers(broker: Broker, request: dict, call: Call) -> dict[str, Any]:
    """Who writes to partitions, and since which offset a transaction is open there."""

    def answer(topic: str, index: int) -> dict[str, Any]:
        try:
            log = broker.topics.log(topic, index)
        except KafkaError as exc:
            return {"partition_index": index, "error_code": exc.code, "error_message": exc.message}
        producers = [
            {
                "producer_id": p.id,
                "producer_epoch": p.epoch,
                "last_sequence": p.last_sequence,
                "last_timestamp": p.last_timestamp,
                "coordinator_epoch": p.coordinator_epoch,
                "current_txn_start_offset": p.transaction_start,
            }
            for p in log.producers.by_id.values()
        ]
        return {"partition_index": index, "active_producers": producers}

    return {
        "topics": [
            {
                "name": t["name"],
                "partitions": [answer(t["name"], index) for index in t["partition_indexes"]],
            }
            for t in request["topics"]
        ]
    }


def describe_transactions(broker: Broker, request: dict, call: Call) -> dict[str, Any]:
    """Transactional ids in detail."""
    states = []
    for transactional_id in request["transactional_ids"]:
        found = broker.transactions.by_id.get(transactional_id)
        state: dict[str, Any] = {"transactional_id": transactional_id}
        if found is None:
            state["error_code"] = Code.TRANSACTIONAL_ID_NOT_FOUND
        else:
            state |= {
                "transaction_state": found.phase.title,
                "transaction_timeout_ms": found.timeout_ms,
                "transaction_start_time_ms": found.started_ms,
                "producer_id": found.producer_id,
                "producer_epoch": found.epoch,
                "topics": [
                    {"topic": topic, "partitions": indexes}
                    for topic, indexes in found.by_topic().items()
                ],
            }
        states.append(state)
    return {"transaction_states": states}


def list_transactions(broker: Broker, request: dict, call: Call) -> dict[str, Any]:
    """All transactional ids, or those in some states, of some producers, open for some time."""
    try:
        pattern = request["transactional_id_pattern"]
        regex = Regex(pattern) if pattern else None
    except KafkaError as exc:
        return {"error_code": exc.code}
    titles = {phase.title for phase in Phase}
    states, producers = set(request["state_filters"]), request["producer_id_filters"]
    least_ms = request["duration_filter"]
    now_ms = broker.world.clock.wall_ms()
    found = [
        {
            "transactional_id": each.id,
            "producer_id": each.producer_id,
            "transaction_state": each.phase.title,
        }
        for each in broker.transactions.by_id.values()
        if (not states or each.phase.title in states)
        and (not producers or each.producer_id in producers)
        and (least_ms < 0 or 0 <= each.started_ms <= now_ms - least_ms)
        and (regex is None or regex.matches(each.id))
    ]
    unknown = [state for state in request["state_filters"] if state not in titles]
    return {"unknown_state_filters": unknown, "transaction_states": found}
