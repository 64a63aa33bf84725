"""The small requests that clients repeat, from bytes to bytes: Heartbeat, OffsetCommit, Metadata.

Everything they decide is decided where the handlers of the same requests decide it
(`kafkalite.handlers`); here is only how they are read and written without an object for each field.
"""

from libc.stdint cimport int32_t, int64_t

from bedrock.net.buf cimport Buf
from kafkalite.by_partition cimport ByPartition, put_str
from kafkalite.codec cimport Output, Reply, text_of
from kafkalite.cursor cimport Reader, Text, put_count, put_int8, put_int16, put_int32, put_tags, \
    skip_tags, take, take_count, take_int8, take_int32, take_int64, take_text

from bedrock.codec.errors import Malformed

from kafkalite.acls import Resource
from kafkalite.errors import KafkaError
from kafkalite.handlers.cluster import authorized, wanted_topic

cdef enum:
    ID_BYTES = 16
    NOT_ASKED = -0x7FFFFFFF - 1    # what may be done, when nobody asked

NO_ID = bytes(ID_BYTES)


cdef int end(Reader* r) except -1:
    """The message ends here."""
    skip_tags(r)
    if r.bad:
        raise Malformed("not such a request")
    return 0


# ---------------------------------------------------------------------- Heartbeat


cdef class Beat(Reply):
    cdef int code

    cdef int write(self, Output output, int version, bint flexible) except -1:
        if version >= 1:
            put_int32(output.buf, 0)           # throttle time
        put_int16(output.buf, self.code)
        return put_tags(output.buf, flexible)


cdef object heartbeat_by_hand(broker, call, Reader* r):
    cdef Beat beat = Beat()
    group_id = text_of(take_text(r))
    cdef int32_t generation = take_int32(r)
    member_id = text_of(take_text(r))
    instance_id = text_of(take_text(r, True)) if call.version >= 3 else None
    end(r)
    try:
        broker.coordinator.group(group_id).heartbeat(member_id, instance_id, generation)
    except KafkaError as exc:
        beat.code = exc.code
    return beat


# ---------------------------------------------------------------------- OffsetCommit


cdef struct Place:
    int32_t index                  # of the partition
    int32_t leader_epoch
    int64_t offset
    Text metadata                  # valid until `feed` returns
    int code


cdef class Commit(ByPartition):
    """An OffsetCommit request on its way to its response."""

    cdef Place* place(self, Py_ssize_t i) noexcept:
        return <Place*>self.entries.p + i

    cdef int read_entry(self, Reader* r, int version) except -1:
        cdef Place* place = <Place*>self.next_entry(sizeof(Place))
        place.index = take_int32(r)
        place.offset = take_int64(r)
        place.leader_epoch = take_int32(r) if version >= 6 else -1
        place.metadata = take_text(r, True)
        place.code = 0
        return 0

    cdef int refuse_all(self, int code) except -1:
        """Nothing is kept; an error of a partition of its own stays."""
        cdef Py_ssize_t i
        for i in range(self.n):
            self.place(i).code = self.place(i).code or code
        return 0

    cdef int keep(self, broker, str group_id) except -1:
        cdef Py_ssize_t i = 0, parts
        cdef Place* place
        cdef dict commits = {}
        coordinator = broker.coordinator
        now_ms = broker.world.clock.wall_ms()
        for name, parts in self.topics:
            while parts:
                parts -= 1
                place = self.place(i)
                i += 1
                key = (name, place.index)
                try:
                    commits[key] = coordinator.commit_of(
                        key, place.offset, place.leader_epoch, text_of(place.metadata) or "",
                        now_ms)
                except KafkaError as exc:
                    place.code = exc.code
        try:
            coordinator.commit(group_id, commits)
        except KafkaError as exc:
            self.refuse_all(exc.code)
        return 0

    cdef int write(self, Output output, int version, bint flexible) except -1:
        if version >= 3:
            put_int32(output.buf, 0)           # throttle time
        self.write_topics(output, version, flexible)
        return put_tags(output.buf, flexible)

    cdef int write_entry(self, Output output, Py_ssize_t i, int version,
                         bint flexible) except -1:
        put_int32(output.buf, self.place(i).index)
        return put_int16(output.buf, self.place(i).code)


cdef object commit_by_hand(broker, call, Reader* r):
    cdef Commit commit = Commit()
    cdef int version = call.version
    group_id = text_of(take_text(r))
    cdef int32_t generation = take_int32(r)
    member_id = text_of(take_text(r))
    instance_id = text_of(take_text(r, True)) if version >= 7 else None
    if version <= 4:
        take_int64(r)                          # retention: the broker's own is in force
    commit.read_topics(r, version)
    end(r)
    try:
        broker.coordinator.check_commit(group_id, member_id, instance_id, generation)
    except KafkaError as exc:
        commit.refuse_all(exc.code)
    else:
        commit.keep(broker, group_id)
    return commit


# ---------------------------------------------------------------------- Metadata


cdef class Described(Reply):
    """The response to a Metadata request."""

    cdef object broker
    cdef object call
    cdef bint tells_cluster        # what the client may do to it
    cdef bint tells_topics
    cdef list topics               # a Topic, or (name, id, error code), each

    cdef int operations(self, kind, str name="") except? -1:
        return authorized(self.broker, self.call, kind, name) if name else \
            authorized(self.broker, self.call, kind)

    cdef int write(self, Output output, int version, bint flexible) except -1:
        cdef Buf out = output.buf
        broker = self.broker
        cdef int32_t node = broker.node_id
        if version >= 3:
            put_int32(out, 0)                  # throttle time
        put_count(out, flexible, 1)
        put_int32(out, node)
        put_str(out, flexible, broker.host)
        put_int32(out, broker.port)
        if version >= 1:
            put_str(out, flexible, None)       # rack
        put_tags(out, flexible)
        if version >= 2:
            put_str(out, flexible, broker.cluster_id)
        if version >= 1:
            put_int32(out, node)               # controller
        put_count(out, flexible, len(self.topics))
        for topic in self.topics:
            if type(topic) is tuple:
                self.write_missing(out, topic, version, flexible)
            else:
                self.write_topic(out, topic, node, version, flexible)
        if 8 <= version <= 10:
            put_int32(out, self.operations(Resource.CLUSTER) if self.tells_cluster else NOT_ASKED)
        if version >= 13:
            put_int16(out, 0)
        return put_tags(out, flexible)

    cdef int write_head(self, Buf out, int code, str name, bytes topic_id, bint internal,
                        int version, bint flexible) except -1:
        put_int16(out, code)
        put_str(out, flexible, name if version >= 12 else name or "")
        if version >= 10:
            out.put(topic_id, ID_BYTES)
        if version >= 1:
            put_int8(out, internal)
        return 0

    cdef int write_tail(self, Buf out, str name, int version, bint flexible) except -1:
        if version >= 8:
            put_int32(out, self.operations(Resource.TOPIC, name) if self.tells_topics
                      else NOT_ASKED)
        return put_tags(out, flexible)

    cdef int write_missing(self, Buf out, tuple topic, int version, bint flexible) except -1:
        name, topic_id, code = topic
        self.write_head(out, code, name, topic_id, False, version, flexible)
        put_count(out, flexible, 0)
        return self.write_tail(out, name, version, flexible)

    cdef int write_topic(self, Buf out, topic, int32_t node, int version,
                         bint flexible) except -1:
        cdef int32_t i, partitions = len(topic.logs)
        self.write_head(out, 0, topic.name, topic.id, topic.internal, version, flexible)
        put_count(out, flexible, partitions)
        for i in range(partitions):
            put_int16(out, 0)
            put_int32(out, i)
            put_int32(out, node)               # leader
            if version >= 7:
                put_int32(out, 0)              # its epoch
            put_count(out, flexible, 1)
            put_int32(out, node)               # replicas
            put_count(out, flexible, 1)
            put_int32(out, node)               # in sync
            if version >= 5:
                put_count(out, flexible, 0)    # offline
            put_tags(out, flexible)
        return self.write_tail(out, topic.name, version, flexible)


cdef list read_wanted(Reader* r, int version):
    """(name or None, id) of the topics asked about; None for all."""
    cdef Py_ssize_t count = take_count(r, version >= 1)
    cdef const char* p
    cdef list wanted = []
    if count < 0 or (version == 0 and count == 0):
        return None
    while count and not r.bad:
        count -= 1
        topic_id = NO_ID
        if version >= 10:
            p = take(r, ID_BYTES)
            topic_id = NO_ID if p is NULL else p[:ID_BYTES]
        wanted.append((text_of(take_text(r, version >= 10)), topic_id))
        skip_tags(r)
    return wanted


cdef object metadata_by_hand(broker, call, Reader* r):
    cdef Described described = Described()
    cdef int version = call.version
    cdef bint may_create = True
    wanted = read_wanted(r, version)
    if version >= 4:
        may_create = take_int8(r) != 0
    if 8 <= version <= 10:
        described.tells_cluster = take_int8(r) != 0
    if version >= 8:
        described.tells_topics = take_int8(r) != 0
    end(r)
    described.broker, described.call = broker, call
    if wanted is None:
        described.topics = list(broker.topics.by_name.values())
        return described
    described.topics = []
    for name, topic_id in wanted:
        try:
            described.topics.append(wanted_topic(broker, name, topic_id, may_create))
        except KafkaError as exc:
            described.topics.append((name, topic_id, exc.code))
    return described
