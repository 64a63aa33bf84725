"""Produce: hand each partition's batch to its log.

The batch is never copied into a Python object: the log takes it from the receive buffer.  With
acks=1 and acks=all the response leaves after the log's flush of this turn (there is one replica,
so both mean the same); with acks=0 there is no response.

Requests come as the table decodes them (`produce`) or, when nothing else has to look at them,
straight from their bytes (`produce_by_hand`).
"""

from libc.stdint cimport int32_t, int64_t

from bedrock.net.buf cimport Buf
from kafkalite.batch cimport CODEC_BITS, HEADER, TRANSACTIONAL_BIT, Header, get16, read_header
from kafkalite.by_partition cimport ByPartition, put_str
from kafkalite.codec cimport Output, Span, text_of
from kafkalite.compaction cimport keyless
from kafkalite.cursor cimport Reader, Text, put_count, put_int16, put_int32, put_int64, put_tags, \
    skip_tags, take_bytes, take_int16, take_int32, take_text
from kafkalite.log cimport Appended, Log

from bedrock.codec.errors import Malformed

from kafkalite.errors import Code, KafkaError

cdef enum:
    ZSTD = 4
    ZSTD_SINCE = 7                 # version of Produce
    ATTRIBUTES_AT = 21
    ADDS_SINCE = 12                # version that adds its partitions to the transaction (KIP-890)

    OK = 0
    UNKNOWN_TOPIC_OR_PARTITION = 3
    INVALID_TOPIC = 17
    INVALID_REQUIRED_ACKS = 21
    INVALID_TXN_STATE = 48
    UNSUPPORTED_COMPRESSION_TYPE = 76
    INVALID_RECORD = 87

NEEDS_KEY = "Compacted topic cannot accept message without key in topic partition"
UNPACKABLE = "The batch cannot be unpacked"

cdef dict MESSAGES = {
    Code.INVALID_RECORD: "The batch is not one a producer may send",
    Code.INVALID_TIMESTAMP: "The timestamp of the message is out of acceptable range.",
    Code.KAFKA_STORAGE_ERROR: "The disk is full",
}


cdef struct Batch:
    int32_t index                  # of the partition
    Text records                   # a batch; valid until `feed` returns
    int code
    Appended result
    int64_t start_offset           # of the log


cdef bint too_new(Text records, int version) noexcept:
    """True for a codec that clients of this version of Fetch cannot unpack."""
    return version < ZSTD_SINCE and records.n >= HEADER and \
        get16(records.p + ATTRIBUTES_AT) & CODEC_BITS == ZSTD


cdef int refusal(broker, Text records, transactional_id, topic, int index,
                 int version) except -2:
    """Why a transactional batch may not be appended; 0 if it may, or is none."""
    cdef Header h
    if records.n < HEADER or not get16(records.p + ATTRIBUTES_AT) & TRANSACTIONAL_BIT:
        return OK
    if transactional_id is None:
        return INVALID_TXN_STATE
    read_header(records.p, &h)
    try:
        broker.transactions.verify(transactional_id, h.producer_id, h.producer_epoch,
                                   (topic, index), add=version >= ADDS_SINCE)
    except KafkaError as exc:
        # Producers know how to go on from this one.
        return Code.INVALID_PRODUCER_EPOCH if exc.code is Code.PRODUCER_FENCED else exc.code
    return OK


cdef list records_without_key(Text records):
    """(index, message) of the records of a compacted topic's batch that are wrong."""
    cdef Header h
    read_header(records.p, &h)
    if h.total != records.n:
        return []                  # the log will say so
    try:
        return [(i, NEEDS_KEY) for i in keyless(records.p, &h)]
    except Malformed:
        return [(0, UNPACKABLE)]


cdef list append(broker, Log log, Batch* batch, topic, transactional_id, int version):
    """Append a batch and fill in what became of it; the records that are wrong, or None."""
    cdef list wrong = None
    batch.result.base_offset = batch.result.time_ms = -1
    if batch.records.n < 0:
        batch.code = INVALID_RECORD
    elif too_new(batch.records, version):
        batch.code = UNSUPPORTED_COMPRESSION_TYPE
    else:
        batch.code = refusal(broker, batch.records, transactional_id, topic, batch.index, version)
        if log.compact and batch.records.n >= HEADER:
            wrong = records_without_key(batch.records)
            if wrong:
                batch.code = INVALID_RECORD
        if batch.code == OK:
            batch.code = log.add(batch.records.p, batch.records.n, &batch.result)
    batch.start_offset = log.start_offset if batch.code == OK else -1
    return wrong


cdef list logs_of(broker, name, acks, int* code):
    """The logs of a topic that may be written to; none, and why."""
    if acks < -1 or acks > 1:
        code[0] = INVALID_REQUIRED_ACKS
        return []
    topic = broker.topics.by_name.get(name)
    if topic is None:
        code[0] = UNKNOWN_TOPIC_OR_PARTITION
        return []
    if topic.internal:
        code[0] = INVALID_TOPIC
        return []
    code[0] = UNKNOWN_TOPIC_OR_PARTITION       # for a partition beyond the last
    return topic.logs


cdef object message_for(int code, list wrong):
    """What is said of an error besides its code; None for nothing."""
    return NEEDS_KEY if wrong else MESSAGES.get(code)


cdef class Produced(ByPartition):
    """A Produce request on its way to its response."""

    cdef dict wrong                # number of the batch -> its records that are wrong

    cdef Batch* batch(self, Py_ssize_t i) noexcept:
        return <Batch*>self.entries.p + i

    cdef int adopt_entry(self, dict part) except -1:
        cdef Batch* batch = <Batch*>self.next_entry(sizeof(Batch))
        records = part["records"]
        batch.index = part["index"]
        batch.records.n = -1
        if isinstance(records, Span):
            batch.records.p, batch.records.n = (<Span>records).p, (<Span>records).n
        return 0

    cdef int read_entry(self, Reader* r, int version) except -1:
        cdef Batch* batch = <Batch*>self.next_entry(sizeof(Batch))
        batch.index = take_int32(r)
        batch.records = take_bytes(r, True)
        return 0

    cdef int append_all(self, broker, transactional_id, int acks, int version) except -1:
        cdef Py_ssize_t i = 0
        cdef Batch* batch
        cdef int code
        for name, parts in self.topics:
            logs = logs_of(broker, name, acks, &code)
            for _ in range(parts):
                batch = self.batch(i)
                if 0 <= batch.index < len(logs):
                    wrong = append(broker, logs[batch.index], batch, name, transactional_id,
                                   version)
                    if wrong:
                        self.wrong = self.wrong or {}
                        self.wrong[i] = wrong
                else:
                    batch.code = code
                    batch.result.base_offset = batch.result.time_ms = batch.start_offset = -1
                i += 1
        return 0

    cdef dict described_entry(self, Py_ssize_t i):
        cdef Batch* batch = self.batch(i)
        cdef list wrong = None if self.wrong is None else self.wrong.get(i)
        return {
            "index": batch.index,
            "error_code": batch.code,
            "base_offset": batch.result.base_offset,
            "log_append_time_ms": batch.result.time_ms,
            "log_start_offset": batch.start_offset,
            "record_errors": [
                {"batch_index": index, "error_message": why} for index, why in wrong or ()
            ],
            "error_message": message_for(batch.code, wrong) if batch.code else None,
        }

    cdef int write(self, Output output, int version, bint flexible) except -1:
        self.write_topics(output, version, flexible)
        put_int32(output.buf, 0)               # throttle time
        return put_tags(output.buf, flexible)

    cdef int write_entry(self, Output output, Py_ssize_t i, int version,
                         bint flexible) except -1:
        cdef Buf out = output.buf
        cdef Batch* batch = self.batch(i)
        cdef list wrong = None if self.wrong is None else self.wrong.get(i)
        put_int32(out, batch.index)
        put_int16(out, batch.code)
        put_int64(out, batch.result.base_offset)
        put_int64(out, batch.result.time_ms)
        if version >= 5:
            put_int64(out, batch.start_offset)
        if version >= 8:
            put_count(out, flexible, 0 if wrong is None else len(wrong))
            for index, why in wrong or ():
                put_int32(out, index)
                put_str(out, flexible, why)
                put_tags(out, flexible)
            put_str(out, flexible, message_for(batch.code, wrong) if batch.code else None)
        return 0


def produce(broker, dict request, call) -> dict | None:
    """Append batches, one for each partition; no answer for acks=0."""
    cdef Produced produced = Produced()
    acks = request["acks"]
    produced.adopt_topics(request["topics"])
    produced.append_all(broker, request["transactional_id"], acks, call.version)
    return None if acks == 0 else {"topics": produced.described_topics()}


cdef object produce_by_hand(broker, call, Reader* r):
    cdef Produced produced = Produced()
    cdef int acks
    transactional_id = text_of(take_text(r, True))
    acks = take_int16(r)
    take_int32(r)                              # its timeout: nothing is waited for
    produced.read_topics(r, call.version)
    skip_tags(r)
    if r.bad:
        raise Malformed("not a Produce request")
    produced.append_all(broker, transactional_id, acks, call.version)
    return None if acks == 0 else produced
