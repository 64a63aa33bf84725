"""Fetch: what consumers read, waiting for it if need be (a long poll).

A request is tried at once.  When it finds fewer than min_bytes, it registers with the logs it
reads; a flush that moves their high watermark tries again, and max_wait_ms ends the wait.  The
records go to the socket from the segment's file (`Slice`).  A reader of committed records gets
what lies below the stable offset, and the list of aborted transactions to leave out of it.

At least one whole batch is sent for the first partition that has any, even when it is larger than
the limits (KIP-74), so that a consumer always gets on.  Fetch sessions (KIP-227) are declined:
every response has session id 0.

Requests come as the table decodes them (`fetch`) or, when nothing else has to look at them,
straight from their bytes (`fetch_by_hand`).
"""

from libc.stdint cimport int32_t, int64_t

from bedrock.net.buf cimport Buf
from kafkalite.by_partition cimport ByPartition
from kafkalite.codec cimport Output, Slice
from kafkalite.cursor cimport Reader, put_count, put_int16, put_int32, put_int64, put_tags, \
    skip_tags, take, take_count, take_int8, take_int32, take_int64, take_text
from kafkalite.log cimport Log

from bedrock.codec.errors import Malformed

from kafkalite.later import Later

cdef enum:
    MAX_BYTES = 55 << 20           # of one response, whatever is asked for
    FIRST_WITH_IDS = 13            # version of Fetch
    READ_COMMITTED = 1

    OFFSET_OUT_OF_RANGE = 1
    UNKNOWN_TOPIC_OR_PARTITION = 3
    FETCH_SESSION_ID_NOT_FOUND = 70
    UNKNOWN_LEADER_EPOCH = 75
    UNKNOWN_TOPIC_ID = 100


cdef struct Part:
    int32_t index                  # of the partition
    int32_t epoch                  # of its leader, as the client knows it
    int64_t offset
    int32_t max_bytes

    int code                       # what the last try found
    int64_t high_watermark, stable_offset, start_offset


cdef class Fetched(ByPartition):
    """A Fetch request, from its first try to its response."""

    cdef object broker
    cdef bint as_dict              # the response is for the table to encode
    cdef bint committed            # read up to the stable offset, and tell what was aborted
    cdef int32_t max_wait_ms, min_bytes, max_bytes

    cdef object later              # None until the first try failed
    cdef object timer
    cdef bint scheduled

    cdef list slices               # of the last try: a Slice or None for each partition
    cdef list aborted              # and the aborted transactions among its records
    cdef set logs                  # that were read
    cdef int64_t found             # bytes
    cdef bint failed               # some partition has an error
    cdef int code                  # of the whole response

    def __cinit__(self):
        self.logs = set()

    cdef Part* part(self, Py_ssize_t i) noexcept:
        return <Part*>self.entries.p + i

    # ------------------------------------------------------------------ the request

    cdef int adopt(self, dict request) except -1:
        """A request that the table decoded."""
        self.as_dict = True
        self.max_wait_ms, self.min_bytes = request["max_wait_ms"], request["min_bytes"]
        self.max_bytes = request["max_bytes"]
        self.committed = request["isolation_level"] == READ_COMMITTED
        self.check_session(request["session_id"], request["session_epoch"])
        return self.adopt_topics(request["topics"])

    cdef int adopt_entry(self, dict wanted) except -1:
        cdef Part* part = <Part*>self.next_entry(sizeof(Part))
        part.index, part.offset = wanted["index"], wanted["fetch_offset"]
        part.epoch, part.max_bytes = wanted["current_leader_epoch"], wanted["max_bytes"]
        return 0

    cdef int read(self, Reader* r, int version) except -1:
        """A request from its bytes."""
        cdef int32_t session_id, session_epoch
        if version < 15:
            take_int32(r)                      # no replicas here
        self.max_wait_ms, self.min_bytes = take_int32(r), take_int32(r)
        self.max_bytes = take_int32(r)
        self.committed = take_int8(r) == READ_COMMITTED
        if version >= 7:
            session_id, session_epoch = take_int32(r), take_int32(r)
            self.check_session(session_id, session_epoch)
        self.read_topics(r, version)
        if version >= 7:
            self.skip_forgotten(r)
        if version >= 11:
            take_text(r)                       # its rack
        skip_tags(r)
        if r.bad:
            raise Malformed("not a Fetch request")
        return 0

    cdef int read_entry(self, Reader* r, int version) except -1:
        cdef Part* part = <Part*>self.next_entry(sizeof(Part))
        part.index = take_int32(r)
        part.epoch = take_int32(r) if version >= 9 else -1
        part.offset = take_int64(r)
        if version >= 12:
            take_int32(r)                      # last fetched epoch
        if version >= 5:
            take_int64(r)                      # log start offset, of a replica
        part.max_bytes = take_int32(r)
        return 0

    cdef int skip_forgotten(self, Reader* r) except -1:
        """Topics to leave out of a session from now on."""
        cdef Py_ssize_t topics = take_count(r)
        while topics and not r.bad:
            topics -= 1
            self.read_key(r)
            take(r, 4 * take_count(r))
            skip_tags(r)
        return 0

    cdef int check_session(self, int32_t session_id, int32_t session_epoch) noexcept:
        if session_id != 0 and session_epoch > 0:
            self.code = FETCH_SESSION_ID_NOT_FOUND
        return 0

    # ------------------------------------------------------------------ trying

    cdef int attempt(self) except -1:
        """Read all partitions."""
        cdef int64_t room = min(<int64_t>self.max_bytes, <int64_t>MAX_BYTES)
        cdef Py_ssize_t i = 0, parts
        topics = self.broker.topics.by_id if self.by_id else self.broker.topics.by_name
        self.found = 0
        self.failed = False
        self.slices = [None] * self.n
        self.aborted = [()] * self.n
        for key, parts in self.topics:
            topic = topics.get(key)
            logs = None if topic is None else topic.logs
            while parts:
                parts -= 1
                self.part(i).code = self.try_part(logs, i, room)
                if self.part(i).code:
                    self.failed = True
                i += 1
        return 0

    cdef int try_part(self, list logs, Py_ssize_t i, int64_t room) except -1:
        """Read one partition; Kafka's error code, 0 for success."""
        cdef Part* part = self.part(i)
        cdef Log log
        cdef Slice records = None
        cdef int64_t limit
        part.high_watermark = part.stable_offset = part.start_offset = -1
        if logs is None:
            return UNKNOWN_TOPIC_ID if self.by_id else UNKNOWN_TOPIC_OR_PARTITION
        if not 0 <= part.index < len(logs):
            return UNKNOWN_TOPIC_OR_PARTITION
        if part.epoch > 0:
            return UNKNOWN_LEADER_EPOCH
        log = logs[part.index]
        if not log.start_offset <= part.offset <= log.end_offset:
            return OFFSET_OUT_OF_RANGE
        self.logs.add(log)
        limit = min(<int64_t>part.max_bytes, room - self.found)
        if limit > 0 or self.found == 0:
            records = log.read(part.offset, limit, self.found == 0, self.committed)
        if records is not None:
            self.found += records.n
            self.slices[i] = records
        if not self.committed:
            self.aborted[i] = None             # all are wanted
        elif records is not None:
            self.aborted[i] = log.aborted_in(part.offset, records)
        part.high_watermark = log.high_watermark
        part.stable_offset = log.stable_offset
        part.start_offset = log.start_offset
        return 0

    cdef bint enough(self) noexcept:
        return self.failed or self.found >= self.min_bytes

    cdef object begin(self):
        """The response, or a Later for it."""
        cdef Log log
        if self.code:
            self.topics = []
            return self.response()
        self.attempt()
        if self.enough() or self.max_wait_ms <= 0 or not self.logs:
            return self.response()
        self.later = Later(self.cancel)
        for log in self.logs:
            log.waiting.add(self)
        clock = self.broker.world.clock
        self.timer = clock.call_at(
            clock.now_ns() + <int64_t>self.max_wait_ms * 1_000_000, self.finish)
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
        self.attempt()
        if self.enough():
            self.respond(self.response())

    def finish(self) -> None:
        """Time is up: respond with what there is."""
        if not self.later.done:
            self.attempt()
            self.respond(self.response())

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

    # ------------------------------------------------------------------ the response

    cdef object response(self):
        """What answers the request, in the form it came in."""
        if not self.as_dict:
            return self
        return {"error_code": self.code, "topics": self.described_topics()}

    cdef dict described_entry(self, Py_ssize_t i):
        """The response for one partition."""
        cdef Part* part = self.part(i)
        aborted = self.aborted[i]
        return {
            "index": part.index,
            "error_code": part.code,
            "high_watermark": part.high_watermark,
            "last_stable_offset": part.stable_offset,
            "log_start_offset": part.start_offset,
            "aborted_transactions": aborted and [
                {"producer_id": entry.producer_id, "first_offset": entry.first_offset}
                for entry in aborted
            ],
            "records": b"" if self.slices[i] is None else self.slices[i],
        }

    cdef int write(self, Output output, int version, bint flexible) except -1:
        cdef Buf out = output.buf
        put_int32(out, 0)                      # throttle time
        if version >= 7:
            put_int16(out, self.code)
            put_int32(out, 0)                  # no session
        self.write_topics(output, version, flexible)
        return put_tags(out, flexible)

    cdef int write_entry(self, Output output, Py_ssize_t i, int version,
                         bint flexible) except -1:
        cdef Buf out = output.buf
        cdef Part* part = self.part(i)
        cdef Slice records = self.slices[i]
        put_int32(out, part.index)
        put_int16(out, part.code)
        put_int64(out, part.high_watermark)
        put_int64(out, part.stable_offset)
        if version >= 5:
            put_int64(out, part.start_offset)
        aborted = self.aborted[i]
        put_count(out, flexible, -1 if aborted is None else len(aborted))
        for entry in aborted or ():
            put_int64(out, entry.producer_id)
            put_int64(out, entry.first_offset)
            put_tags(out, flexible)
        if version >= 11:
            put_int32(out, -1)                 # preferred read replica
        put_count(out, flexible, 0 if records is None else records.n)
        if records is not None:
            output.cut(records)
        return 0


def fetch(broker, dict request, call) -> dict | Later:
    """Read batches; answered when there are enough, or time is up."""
    cdef Fetched fetched = Fetched()
    fetched.broker = broker
    fetched.by_id = call.version >= FIRST_WITH_IDS
    fetched.adopt(request)
    return fetched.begin()


cdef object fetch_by_hand(broker, call, Reader* r):
    cdef Fetched fetched = Fetched()
    fetched.broker = broker
    fetched.by_id = call.version >= FIRST_WITH_IDS
    fetched.read(r, call.version)
    return fetched.begin()
