"""Tiers: what is left of samples when they are old, one row of five numbers for each bucket.

    last   the bucket's last value, as an instant selector would have found it
    min, max, sum, count   over the values that are numbers

All five carry the time of the bucket's last sample, so `last` is a part of the samples themselves,
and rates over it are right but for counters that were reset within a bucket.  Buckets of 5 minutes
are made of samples, buckets of an hour of those.  Staleness markers end a series and are dropped.
"""

from libc.math cimport isnan
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy

from tsdb.columns cimport Columns

from tsdb.block import ROWS

cdef uint64_t STALE = 0x7ff0000000000002


cdef struct Bucket:
    double[5] row                  # as in ROWS
    int64_t time
    bint any


cdef int put(Bucket* bucket, list rows) except -1:
    """Add a bucket to the series its rows are gathering."""
    cdef Columns row
    cdef int i
    for i in range(5 if bucket.any else 0):
        row = rows[i]
        row.add(&bucket.time, &bucket.row[i], 1, bucket.time, bucket.time)
    return 0


def downsample(list sources, int64_t resolution_ms, Columns into not None) -> None:
    """Add the five rows of a series to `into`.

    sources: Columns of one series each: its samples, or its five rows from a finer tier.
    """
    cdef Columns last = sources[0], least = last, most = last, total = last, count = None
    cdef list rows = [Columns() for _ in ROWS]
    cdef Bucket bucket
    cdef Py_ssize_t i
    cdef int64_t number = 0, here
    cdef uint64_t bits
    cdef double v
    if len(sources) > 1:
        _, least, most, total, count = sources
    bucket.any = False
    for i in range(last.n):
        v = last.v[i]
        memcpy(&bits, &v, 8)
        if bits == STALE:
            continue
        here = last.t[i] // resolution_ms
        if not bucket.any or here != number:
            put(&bucket, rows)
            bucket.any = True
            bucket.row[1] = bucket.row[2] = float("nan")
            bucket.row[3] = bucket.row[4] = 0
            number = here
        bucket.time = last.t[i]
        bucket.row[0] = v
        if not isnan(least.v[i]):
            bucket.row[1] = least.v[i] if not least.v[i] >= bucket.row[1] else bucket.row[1]
            bucket.row[2] = most.v[i] if not most.v[i] <= bucket.row[2] else bucket.row[2]
            bucket.row[3] += total.v[i]
            bucket.row[4] += 1 if count is None else count.v[i]
    put(&bucket, rows)
    for row in rows:
        (<Columns>row).end_series(None, True)
        into.add((<Columns>row).t, (<Columns>row).v, (<Columns>row).n,
                 -0x7fffffffffffffff, 0x7fffffffffffffff)
        into.end_series(None, True)
