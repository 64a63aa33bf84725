"""Fetch: what consumers read, waiting for it if need be (a long poll).

A request is tried at once.  When it finds fewer than min_bytes, a `DelayedFetch` registers with the
logs it reads; a flush that moves their high watermark tries again, and max_wait_ms ends the wait.
The records go to the socket from the segment's file (`Slice`).  A reader of committed records gets
what lies below the stable offset, and the list of aborted transactions to leave out of it.

At least one whole batch is sent for the first partition that has any, even when it is larger than
the limits (KIP-74), so that a consumer always gets on.  Fetch sessions (KIP-227) are declined:
every response has session id 0.
"""

from libc.stdint cimport int64_t

from kafkalite.codec cimport Slice
from kafkalite.log cimport Log

from kafkalite.errors import Code
from kafkalite.later import Later

cdef object OUT_OF_RANGE = Code.OFFSET_OUT_OF_RANGE
cdef object UNKNOWN_TOPIC = Code.UNKNOWN_TOPIC_OR_PARTITION
cdef object UNKNOWN_TOPIC_ID = Code.UNKNOWN_TOPIC_ID
cdef object UNKNOWN_LEADER_EPOCH = Code.UNKNOWN_LEADER_EPOCH

cdef enum:
    MAX_BYTES = 55 << 20           # of one response, whatever is asked for
    FIRST_WITH_IDS = 13            # version of Fetch
    READ_COMMITTED = 1


cdef class DelayedFetch:
    """One Fetch request, from its first try to its response."""

    cdef object broker
    cdef dict request
    cdef bint by_id
    cdef bint committed            # read up to the stable offset, and tell what was aborted
    cdef object later              # None until the first try failed
    cdef object timer
    cdef bint scheduled
    cdef list logs                 # that are read

    cdef int64_t found             # bytes of the last try
    cdef bint failed               # some partition of it has an error

    def __init__(self, broker, dict request, int version):
        self.broker = broker
        self.request = request
        self.by_id = version >= FIRST_WITH_IDS
        self.committed = request["isolation_level"] == READ_COMMITTED

    cdef dict attempt(self):
        """Read all partitions; the response."""
        cdef dict topic
        cdef list topics = []
        cdef int64_t room = min(<int64_t>self.request["max_bytes"], <int64_t>MAX_BYTES)
        self.found = 0
        self.failed = False
        self.logs = []
        for topic in self.request["topics"]:
            if self.by_id:
                known = self.broker.topics.by_id.get(topic["topic_id"])
            else:
                known = self.broker.topics.by_name.get(topic["name"])
            parts = [self.read(known, part, room) for part in topic["partitions"]]
            if self.by_id:
                topics.append({"topic_id": topic["topic_id"], "partitions": parts})
            else:
                topics.append({"name": topic["name"], "partitions": parts})
        return {"topics": topics}

    cdef dict read(self, topic, dict part, int64_t room):
        """The response for one partition."""
        cdef Log log
        cdef Slice records = None
        cdef Py_ssize_t index = part["index"]
        cdef int64_t offset, limit
        if topic is None:
            return self.refuse(part, UNKNOWN_TOPIC_ID if self.by_id else UNKNOWN_TOPIC)
        if not 0 <= index < len(topic.logs):
            return self.refuse(part, UNKNOWN_TOPIC)
        if part["current_leader_epoch"] > 0:
            return self.refuse(part, UNKNOWN_LEADER_EPOCH)
        log = topic.logs[index]
        offset = part["fetch_offset"]
        if not log.start_offset <= offset <= log.end_offset:
            return self.refuse(part, OUT_OF_RANGE)
        self.logs.append(log)
        limit = min(<int64_t>part["max_bytes"], room - self.found)
        if limit > 0 or self.found == 0:
            records = log.read(offset, limit, self.found == 0, self.committed)
            if records is not None:
                self.found += records.n
        return {
            "index": index,
            "error_code": 0,
            "high_watermark": log.high_watermark,
            "last_stable_offset": log.stable_offset,
            "log_start_offset": log.start_offset,
            "aborted_transactions": self.aborted(log, offset, records),
            "records": b"" if records is None else records,
        }

    cdef list aborted(self, Log log, int64_t offset, Slice records):
        """The aborted transactions among records that were read; None if all are wanted."""
        if not self.committed:
            return None
        if records is None:
            return []
        return [
            {"producer_id": entry.producer_id, "first_offset": entry.first_offset}
            for entry in log.aborted_in(offset, records)
        ]

    cdef dict refuse(self, dict part, code):
        self.failed = True
        return {
            "index": part["index"],
            "error_code": code,
            "high_watermark": -1,
            "records": b"",
        }

    cdef bint enough(self) except -1:
        return self.failed or self.found >= <int64_t>self.request["min_bytes"]

    cdef object begin(self):
        """The response, or a Later for it."""
        cdef Log log
        cdef int64_t wait_ms = self.request["max_wait_ms"]
        response = self.attempt()
        if self.enough() or wait_ms <= 0 or not self.logs:
            return response
        self.later = Later(self.cancel)
        for log in self.logs:
            log.waiting.add(self)
        clock = self.broker.world.clock
        self.timer = clock.call_at(clock.now_ns() + wait_ms * 1_000_000, self.finish)
        return self.later

    def wake(self) -> None:
        """A log has more: try again when all logs of this turn are flushed."""
        if not self.scheduled:
            self.scheduled = True
            self.broker.world.turn.before_flush(self.retry)

    def retry(self) -> None:
        """Try again; respond if there is enough now."""
        self.scheduled = False
        if self.later.done:
            return
        response = self.attempt()
        if self.enough():
            self.respond(response)

    def finish(self) -> None:
        """Time is up: respond with what there is."""
        if not self.later.done:
            self.respond(self.attempt())

    def cancel(self) -> None:
        """The client is gone."""
        if not self.later.done:
            self.respond(None)

    cdef int respond(self, response) except -1:
        cdef Log log
        self.timer.cancel()
        for log in self.logs:
            log.waiting.discard(self)
        self.later.set(response)
        return 0


def fetch(broker, dict request, call) -> dict | Later:
    """The response to a Fetch request, or a Later for it."""
    if request["session_id"] != 0 and request["session_epoch"] > 0:
        return {"error_code": Code.FETCH_SESSION_ID_NOT_FOUND}
    return DelayedFetch(broker, request, call.version).begin()
