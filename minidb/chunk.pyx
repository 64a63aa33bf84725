"""A column chunk: the values of one column in one row group.

A typed array plus one byte a row that says NULL.  Fixed-width types keep their machine form
(int4 as int32, date as int32 days, timestamp as int64 microseconds, both since 2000-01-01); text,
bytea, numeric, interval and arrays are Python objects.  The array doubles as rows arrive, up to the
65,536 rows of a group, so that a table of three rows costs little.

Who scans copies what it needs: a later update changes values in place, and a view of the array
would see it.

Invariants:
1. `any_null` is False only if no value is NULL (it may stay True after the last NULL went).
2. A NULL position of an object chunk holds None, of a typed one zero.
"""

from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.stdint cimport int16_t, int32_t, int64_t

from bedrock.lazy import numpy as np


cdef class Chunk:
    def __init__(self, str kind, Py_ssize_t capacity=0):
        self.kind = kind
        self.code = <char>ord(kind)
        self.any_null = False
        self.capacity = capacity
        self.hold(self.fresh(capacity), np.zeros(capacity, np.bool_))

    cdef object fresh(self, Py_ssize_t n):
        if self.code == b"O":
            return np.full(n, None, object)
        return np.zeros(n, self.kind)

    cdef hold(self, data, nulls):
        self.data = data
        self.nulls = nulls
        self.capacity = len(data)
        self.p = <char*>address(data)
        self.null_p = <unsigned char*>address(nulls)

    cdef int adopt(self, object data, object nulls) except -1:
        """Take these arrays (contiguous, of the right type) as the chunk's own."""
        self.hold(data, nulls)
        self.any_null = bool(nulls.any())
        return 0

    cdef int reserve(self, Py_ssize_t capacity) except -1:
        if capacity <= self.capacity:
            return 0
        data = self.fresh(capacity)
        nulls = np.zeros(capacity, np.bool_)
        data[:self.capacity] = self.data
        nulls[:self.capacity] = self.nulls
        self.hold(data, nulls)
        return 0

    cdef object get(self, Py_ssize_t i):
        """The value at i as a Python object; None for NULL."""
        if self.null_p[i]:
            return None
        if self.code == b"i":
            return (<int32_t*>self.p)[i]
        if self.code == b"O":
            return <object>(<PyObject**>self.p)[i]
        if self.code == b"q":
            return (<int64_t*>self.p)[i]
        if self.code == b"d":
            return (<double*>self.p)[i]
        if self.code == b"?":
            return (<unsigned char*>self.p)[i] != 0
        if self.code == b"h":
            return (<int16_t*>self.p)[i]
        return (<float*>self.p)[i]

    cdef int put(self, Py_ssize_t i, object value) except -1:
        """Set the value at i; its range was checked when it took the column's type."""
        cdef PyObject** slot
        if value is None:
            self.null_p[i] = 1
            self.any_null = True
        else:
            self.null_p[i] = 0
        if self.code == b"O":
            slot = <PyObject**>self.p + i
            Py_INCREF(value)
            if slot[0] != NULL:
                Py_DECREF(<object>slot[0])
            slot[0] = <PyObject*>value
        elif self.code == b"i":
            (<int32_t*>self.p)[i] = 0 if value is None else value
        elif self.code == b"q":
            (<int64_t*>self.p)[i] = 0 if value is None else value
        elif self.code == b"d":
            (<double*>self.p)[i] = 0 if value is None else value
        elif self.code == b"?":
            (<unsigned char*>self.p)[i] = 0 if value is None else bool(value)
        elif self.code == b"h":
            (<int16_t*>self.p)[i] = 0 if value is None else value
        else:
            (<float*>self.p)[i] = 0 if value is None else value
        return 0
