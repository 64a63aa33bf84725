"""Produce: hand each partition's batch to its log.

The batch is never copied into a Python object: the log takes it from the receive buffer.  With
acks=1 and acks=all the response leaves after the log's flush of this turn (there is one replica,
so both mean the same); with acks=0 there is no response.
"""

from kafkalite.batch cimport CODEC_BITS, HEADER, TRANSACTIONAL_BIT, Header, get16, read_header
from kafkalite.codec cimport Span
from kafkalite.compaction cimport keyless
from kafkalite.log cimport Appended, Log

from bedrock.codec.errors import Malformed

from kafkalite.errors import Code, KafkaError

cdef enum:
    ZSTD = 4
    ZSTD_SINCE = 7                 # version of Produce
    ATTRIBUTES_AT = 21
    ADDS_SINCE = 12                # version that adds its partitions to the transaction (KIP-890)

cdef object UNKNOWN_TOPIC = Code.UNKNOWN_TOPIC_OR_PARTITION
cdef object INVALID_TOPIC = Code.INVALID_TOPIC

NEEDS_KEY = "Compacted topic cannot accept message without key in topic partition"

cdef dict MESSAGES = {
    Code.INVALID_RECORD: "The batch is not one a producer may send",
    Code.KAFKA_STORAGE_ERROR: "The disk is full",
}


cdef bint too_new(Span records, int version) noexcept:
    """True for a codec that clients of this version of Fetch cannot unpack."""
    return version < ZSTD_SINCE and records.n >= HEADER and \
        get16(records.p + ATTRIBUTES_AT) & CODEC_BITS == ZSTD


cdef object refusal(broker, Span records, str transactional_id, topic, index, int version):
    """Why a transactional batch may not be appended, None if it may, or is none."""
    cdef Header h
    if records.n < HEADER or not get16(records.p + ATTRIBUTES_AT) & TRANSACTIONAL_BIT:
        return None
    if transactional_id is None:
        return Code.INVALID_TXN_STATE
    read_header(records.p, &h)
    try:
        broker.transactions.verify(transactional_id, h.producer_id, h.producer_epoch,
                                   (topic, index), add=version >= ADDS_SINCE)
    except KafkaError as exc:
        # Producers know how to go on from this one.
        return Code.INVALID_PRODUCER_EPOCH if exc.code is Code.PRODUCER_FENCED else exc.code
    return None


cdef list records_without_key(Span records):
    """What is wrong with the records of a compacted topic's batch."""
    cdef Header h
    read_header(records.p, &h)
    if h.total != records.n:
        return []                  # the log will say so
    try:
        return [{"batch_index": i, "error_message": NEEDS_KEY} for i in keyless(records.p, &h)]
    except Malformed:
        return [{"batch_index": 0, "error_message": "The batch cannot be unpacked"}]


cdef dict append(broker, Log log, topic, dict part, str transactional_id, int version):
    """The response for one partition."""
    cdef Appended result
    cdef int code
    cdef list wrong = []
    index, records = part["index"], part["records"]
    if not isinstance(records, Span):
        code = Code.INVALID_RECORD
    elif too_new(<Span>records, version):
        code = Code.UNSUPPORTED_COMPRESSION_TYPE
    else:
        why = refusal(broker, <Span>records, transactional_id, topic, index, version)
        code = 0 if why is None else why
        if log.compact and (<Span>records).n >= HEADER:
            wrong = records_without_key(<Span>records)
        if wrong:
            code = Code.INVALID_RECORD
        if code == 0:
            code = log.add((<Span>records).p, (<Span>records).n, &result)
        if code == 0:
            return {
                "index": index,
                "error_code": 0,
                "base_offset": result.base_offset,
                "log_append_time_ms": result.time_ms,
                "log_start_offset": log.start_offset,
            }
    return {
        "index": index,
        "error_code": code,
        "base_offset": -1,
        "record_errors": wrong,
        "error_message": NEEDS_KEY if wrong else MESSAGES.get(code),
    }


def produce(broker, dict request, call) -> dict | None:
    """The response to a Produce request, None for acks=0."""
    cdef dict topic, part
    cdef list logs, parts, topics = []
    cdef int version = call.version
    cdef Py_ssize_t index
    refused = None
    acks = request["acks"]
    transactional_id = request["transactional_id"]
    if acks not in (-1, 0, 1):
        refused = Code.INVALID_REQUIRED_ACKS
    by_name = broker.topics.by_name
    for topic in request["topics"]:
        found = by_name.get(topic["name"])
        code = refused
        if code is None and found is None:
            code = UNKNOWN_TOPIC
        elif code is None and found.internal:
            code = INVALID_TOPIC
        logs = [] if code is not None else found.logs
        parts = []
        for part in topic["partitions"]:
            index = part["index"]
            if 0 <= index < len(logs):
                parts.append(append(broker, logs[index], topic["name"], part, transactional_id,
                                    version))
            else:
                parts.append({
                    "index": part["index"],
                    "error_code": UNKNOWN_TOPIC if code is None else code,
                    "base_offset": -1,
                })
        topics.append({"name": topic["name"], "partitions": parts})
    return None if acks == 0 else {"topics": topics}
