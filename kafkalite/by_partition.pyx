"""Requests about partitions, topic by topic, and their responses, by hand.

Produce, Fetch and OffsetCommit have one form: topics, each with partitions, each with some fields;
and the response says something of every partition in the same order.  Here are the loops; what a
partition is, is the subclass's.  Those that something else has to look at come and go as the dicts
of the table (`adopt_topics`, `described_topics`).
"""

from kafkalite.codec cimport text_of
from kafkalite.cursor cimport put_count, put_tags, put_text, skip_tags, take, take_count, \
    take_text

cdef enum:
    ID_BYTES = 16


cdef int put_str(Buf out, bint flexible, str text) except -1:
    cdef bytes raw
    if text is None:
        return put_text(out, flexible, NULL, -1)
    raw = text.encode()
    return put_text(out, flexible, raw, len(raw))


cdef class ByPartition(Reply):
    def __cinit__(self):
        self.topics = []
        self.entries = Buf()

    cdef char* next_entry(self, size_t size) except NULL:
        """Room for one entry more; it may move the others."""
        cdef char* at = self.entries.room(size)
        self.entries.n += size
        self.n += 1
        return at

    cdef int read_topics(self, Reader* r, int version) except -1:
        cdef Py_ssize_t topics = take_count(r), parts
        while topics and not r.bad:
            topics -= 1
            key = self.read_key(r)
            parts = take_count(r)
            self.topics.append((key, parts))
            while parts and not r.bad:
                parts -= 1
                self.read_entry(r, version)
                skip_tags(r)
            skip_tags(r)
        return 0

    cdef int adopt_topics(self, list topics) except -1:
        cdef dict topic, part
        cdef str key = "topic_id" if self.by_id else "name"
        for topic in topics:
            self.topics.append((topic[key], len(topic["partitions"])))
            for part in topic["partitions"]:
                self.adopt_entry(part)
        return 0

    cdef object read_key(self, Reader* r):
        cdef const char* p
        if not self.by_id:
            return text_of(take_text(r))
        p = take(r, ID_BYTES)
        return b"" if p is NULL else p[:ID_BYTES]

    cdef int write_topics(self, Output output, int version, bint flexible) except -1:
        cdef Buf out = output.buf
        cdef Py_ssize_t i = 0, parts
        put_count(out, flexible, len(self.topics))
        for key, parts in self.topics:
            if self.by_id:
                out.put(<bytes>key, ID_BYTES)
            else:
                put_str(out, flexible, key)
            put_count(out, flexible, parts)
            while parts:
                parts -= 1
                self.write_entry(output, i, version, flexible)
                put_tags(out, flexible)
                i += 1
            put_tags(out, flexible)
        return 0

    cdef list described_topics(self):
        cdef Py_ssize_t i = 0, parts
        cdef str name = "topic_id" if self.by_id else "name"
        cdef list topics = [], described
        for key, parts in self.topics:
            described = [self.described_entry(j) for j in range(i, i + parts)]
            topics.append({name: key, "partitions": described})
            i += parts
        return topics

    cdef int read_entry(self, Reader* r, int version) except -1:
        raise NotImplementedError

    cdef int write_entry(self, Output output, Py_ssize_t i, int version,
                         bint flexible) except -1:
        raise NotImplementedError

    cdef int adopt_entry(self, dict part) except -1:
        raise NotImplementedError

    cdef dict described_entry(self, Py_ssize_t i):
        raise NotImplementedError
