"""A table's rows: row groups, the indexes over them, and the changes transactions make.

A row's tid = group << 16 | slot never changes while the row lives.  An update replaces values in
place and keeps the old row as undo; a delete stamps a death; both are settled at commit, undone at
abort, and forgotten (undo dropped, slot free again, old index entries removed) once no snapshot
can see what they replaced.

    write       insert_row    update_row          delete_row
    undo        free slot     values back         death = NEVER
    settle      stamp = n     stamp = n           death = n
    forget      -             undo cut, old keys  keys removed, slot free

Invariants:
1. Every key of every version that some snapshot may see is in the index.
2. Of the rows not deleted at the newest commit no two share a key of a unique index.
3. A slot is in `free` iff its stamp and death are 0.
"""

from libc.stdint cimport int64_t

from minidb.chunk cimport Chunk
from minidb.index cimport Index, IntIndex, ObjectIndex
from minidb.rowgroup cimport (
    FIRST_TRANSACTION, GROUP_BITS, GROUP_ROWS, NEVER, RowGroup, Snapshot, Version,
)
from minidb.transaction cimport DELETED, INSERTED, LOADED, UPDATED, Transaction, Write

from bedrock.lazy import numpy as np
from minidb.transaction import Blocked, Stale, serialization_failure


class Duplicate(Exception):
    """`key` is already in the unique index `index`."""

    def __init__(self, index, key):
        self.index = index
        self.key = key


cdef class TableStore:
    """kinds: numpy type codes of the columns (see Chunk)."""

    def __init__(self, int64_t oid, kinds):
        self.oid = oid
        self.kinds = list(kinds)
        self.groups = []
        self.indexes = {}
        self.free = []

    # -- reading

    cdef RowGroup group_of(self, int64_t tid):
        return <RowGroup>self.groups[tid >> GROUP_BITS]

    def count(self) -> int:
        """Rows in slots: exact when nobody writes."""
        cdef RowGroup group
        cdef Py_ssize_t n = 0
        for group in self.groups:
            n += group.rows - group.dead
        return n

    def read(self, int64_t tid, Snapshot s):
        """The row for s, or None."""
        if tid >> GROUP_BITS >= len(self.groups):
            return None
        cdef RowGroup group = self.group_of(tid)
        cdef Py_ssize_t slot = tid & (GROUP_ROWS - 1)
        return group.read(slot, s) if slot < group.rows else None

    cdef tuple fetch(self, Index index, object key, Snapshot s):
        """The first row for s with this key, or None."""
        cdef tuple row
        cdef int64_t tid
        for tid in index.find(key):
            row = self.group_of(tid).read(tid & (GROUP_ROWS - 1), s)
            if row is not None and index.key_of(row) == key:
                return row
        return None

    def find(self, Index index, key, Snapshot s) -> list:
        """[(tid, row)] of all rows for s with this key."""
        cdef tuple row
        cdef int64_t tid
        cdef list found = []
        for tid in index.find(key):
            row = self.group_of(tid).read(tid & (GROUP_ROWS - 1), s)
            if row is not None and index.key_of(row) == key:
                found.append((tid, row))
        return found

    def scan(self, Snapshot s, columns):
        """For each group with visible rows: (tids or None, [(values, nulls or None)]).

        tids is an int64 array, given as -1 in `columns`' stead by position: a column number of
        -1 asks for the tids."""
        cdef RowGroup group
        cdef Py_ssize_t number
        for number in range(len(self.groups)):
            group = self.groups[number]
            if group.rows == 0:
                continue
            selection = group.select(s)
            n = group.rows if selection is None else len(selection[0])
            if n == 0:
                continue
            vectors = []
            for i in columns:
                if i >= 0:
                    vectors.append(group.column(i, selection))
                else:
                    slots = np.arange(n) if selection is None else selection[0]
                    vectors.append((slots + (number << GROUP_BITS), None))
            yield n, vectors

    # -- writing

    cdef int64_t take_slot(self) except -1:
        cdef RowGroup group
        cdef int64_t tid
        if self.free:
            tid = self.free.pop()
            group = self.group_of(tid)
            group.dead -= 1
            return tid
        if self.groups:
            group = self.groups[len(self.groups) - 1]
            if group.rows == GROUP_ROWS:
                group = None
        else:
            group = None
        if group is None:
            group = RowGroup(self.kinds)
            self.groups.append(group)
        group.reserve(group.rows + 1)
        group.rows += 1
        return (<int64_t>(len(self.groups) - 1) << GROUP_BITS) | (group.rows - 1)

    def lock_for_change(self, Transaction t) -> None:
        """Take the table for DDL: Blocked while another transaction has written to it."""
        cdef Transaction other
        if self.locked_by is not None and self.locked_by is not t:
            raise Blocked(self.locked_by)
        for other in t.manager.running.values():
            if other is not t and any(write.table is self for write in other.writes):
                raise Blocked(other)
        self.locked_by = t
        t.locked.add(self)

    cdef int check_lock(self, Transaction t) except -1:
        if self.locked_by is not None and self.locked_by is not t:
            raise Blocked(self.locked_by)
        return 0

    cdef bint writable(self, RowGroup group, Py_ssize_t slot, Transaction t,
                       Snapshot s) except -1:
        """True if t may change the row; False if t itself deleted it; else raises."""
        cdef int64_t stamp = group.deaths[slot]
        if stamp != NEVER:
            if stamp == t.id:
                return False
        else:
            stamp = group.stamps[slot]
            if stamp == t.id:
                return True
        if stamp > FIRST_TRANSACTION:
            raise Blocked(t.manager.running[stamp])
        if stamp > s.at or group.deaths[slot] != NEVER:
            if t.isolation != "read committed":
                raise serialization_failure()
            raise Stale
        return True

    cdef int check_unique(self, Index index, object key, int64_t tid, Transaction t) except -1:
        """Duplicate if a row other than tid holds key; Blocked if that is not settled."""
        if self.holder_of(index, key, tid, t) >= 0:
            raise Duplicate(index, key)
        return 0

    cdef int64_t holder_of(self, Index index, object key, int64_t tid, Transaction t) except -2:
        """The tid of the live row, other than `tid`, that has the key; -1 = none.  It counts what
        is committed now, whatever t's snapshot: that is what uniqueness is about."""
        cdef RowGroup group
        cdef Py_ssize_t slot
        cdef int64_t other, stamp, death
        for other in index.find(key):
            if other == tid:
                continue
            group = self.group_of(other)
            slot = other & (GROUP_ROWS - 1)
            stamp = group.stamps[slot]
            death = group.deaths[slot]
            if death == t.id or death < FIRST_TRANSACTION:
                continue
            if death != NEVER:
                raise Blocked(t.manager.running[death])
            if index.key_of(group.row(slot)) != key:
                # An entry of an older version: it counts again if its writer aborts.
                if stamp > FIRST_TRANSACTION and stamp != t.id:
                    raise Blocked(t.manager.running[stamp])
                continue
            if stamp > FIRST_TRANSACTION and stamp != t.id:
                raise Blocked(t.manager.running[stamp])
            return other
        return -1

    def holder(self, Index index, key, Transaction t) -> int:
        """The tid of the live row with this key, -1 if none (or the key has a NULL)."""
        return -1 if key is None else self.holder_of(index, key, -1, t)

    def newest(self, int64_t tid) -> tuple:
        """The row as it stands, whoever wrote it."""
        return self.group_of(tid).row(tid & (GROUP_ROWS - 1))

    cdef int64_t insert_row(self, Transaction t, tuple row) except -1:
        cdef Index index
        cdef RowGroup group
        cdef Py_ssize_t slot, i
        cdef int64_t tid
        cdef Chunk chunk
        self.check_lock(t)
        for index in self.indexes.values():
            if index.unique:
                key = index.key_of(row)
                if key is not None:
                    self.check_unique(index, key, -1, t)
        tid = self.take_slot()
        group = self.group_of(tid)
        slot = tid & (GROUP_ROWS - 1)
        i = 0
        for chunk in group.chunks:
            chunk.put(slot, row[i])
            i += 1
        group.stamps[slot] = t.id
        group.deaths[slot] = NEVER
        group.pending += 1
        for index in self.indexes.values():
            key = index.key_of(row)
            if key is not None:
                index.add(key, tid)
        t.log(Write(self, INSERTED, tid))
        return tid

    def insert(self, Transaction t, tuple row) -> int:
        """Add a row; returns its tid.  Raises Duplicate, Blocked."""
        return self.insert_row(t, row)

    def load(self, Transaction t, columns, Py_ssize_t n) -> None:
        """Add n rows given as columns (values, nulls or None), all or (by undo) nothing."""
        cdef RowGroup group
        cdef Py_ssize_t done = 0, take, start, i
        cdef Chunk chunk
        cdef int64_t base
        cdef int64_t[::1] tids
        self.check_lock(t)
        array = np.empty(n, np.int64)
        tids = array
        while done < n:
            group = self.groups[len(self.groups) - 1] if self.groups else None
            if group is None or group.rows == GROUP_ROWS:
                group = RowGroup(self.kinds)
                self.groups.append(group)
            take = min(n - done, GROUP_ROWS - group.rows)
            start = group.rows
            group.reserve(start + take)
            for chunk, (data, nulls) in zip(group.chunks, columns):
                chunk.data[start:start + take] = data[done:done + take]
                if nulls is not None and nulls[done:done + take].any():
                    chunk.nulls[start:start + take] = nulls[done:done + take]
                    chunk.any_null = True
            base = <int64_t>(len(self.groups) - 1) << GROUP_BITS
            for i in range(take):
                group.stamps[start + i] = t.id
                group.deaths[start + i] = NEVER
                tids[done + i] = base | (start + i)
            group.rows += take
            group.pending += take
            done += take
        t.log(Write(self, LOADED, -1, None, None, array))
        for index in self.indexes.values():
            self.index_rows(index, array, t)

    def index_rows(self, Index index, int64_t[::1] tids, Transaction t) -> None:
        """Enter rows into an index, newest versions; t=None skips the check (recovery)."""
        cdef RowGroup group
        cdef Chunk chunk
        cdef Py_ssize_t i, slot
        cdef int64_t tid
        cdef object key
        cdef Py_ssize_t column = index.positions[0]
        cdef bint single = len(index.positions) == 1
        for i in range(tids.shape[0]):
            tid = tids[i]
            group = <RowGroup>self.groups[tid >> GROUP_BITS]
            slot = tid & (GROUP_ROWS - 1)
            if single:
                chunk = <Chunk>group.chunks[column]
                key = chunk.get(slot)
            else:
                key = index.key_of(group.row(slot))
            if key is None:
                continue
            if index.unique and t is not None:
                self.check_unique(index, key, tid, t)
            index.add(key, tid)

    cdef bint update_row(self, Transaction t, Snapshot s, int64_t tid, tuple columns,
                         tuple values) except -1:
        cdef RowGroup group = self.group_of(tid)
        cdef Py_ssize_t slot = tid & (GROUP_ROWS - 1)
        cdef Py_ssize_t i
        cdef Index index
        cdef tuple old
        cdef list changed = None
        cdef Version before
        cdef bint rekeyed = False
        self.check_lock(t)
        if not self.writable(group, slot, t, s):
            return False
        old = group.row(slot)
        for index in self.indexes.values():
            if any([c in index.positions for c in columns]):
                if changed is None:
                    new = list(old)
                    for i in range(len(columns)):
                        new[columns[i]] = values[i]
                    row = tuple(new)
                    changed = []
                key = index.key_of(row)
                if key != index.key_of(old):
                    if key is not None:
                        if index.unique:
                            self.check_unique(index, key, tid, t)
                        changed.append((index, key))
                    rekeyed = True
        before = Version(group.stamps[slot], old, group.undo.get(slot))
        group.undo[slot] = before
        for i in range(len(columns)):
            (<Chunk>group.chunks[columns[i]]).put(slot, values[i])
        group.stamps[slot] = t.id
        group.pending += 1
        if changed is not None:
            for index, key in changed:
                index.add(key, tid)
        t.log(Write(self, UPDATED, tid, before, columns, None, rekeyed))
        return True

    def update(self, Transaction t, Snapshot s, int64_t tid, tuple columns, tuple values) -> bool:
        """Set columns of a row s saw; False if t deleted it before.  Raises Duplicate, Blocked,
        Stale, serialization failure."""
        return self.update_row(t, s, tid, columns, values)

    cdef bint delete_row(self, Transaction t, Snapshot s, int64_t tid) except -1:
        cdef RowGroup group = self.group_of(tid)
        cdef Py_ssize_t slot = tid & (GROUP_ROWS - 1)
        self.check_lock(t)
        if not self.writable(group, slot, t, s):
            return False
        group.deaths[slot] = t.id
        group.dead += 1
        group.pending += 1
        t.log(Write(self, DELETED, tid))
        return True

    def delete(self, Transaction t, Snapshot s, int64_t tid) -> bool:
        """Delete a row s saw; False if t did before.  Raises as `update`."""
        return self.delete_row(t, s, tid)

    # -- what becomes of a write

    def settle(self, Write write, int64_t commit) -> None:
        """The write's transaction committed as `commit`."""
        cdef RowGroup group
        cdef Py_ssize_t slot, i
        cdef int64_t[::1] tids
        if write.op == LOADED:
            tids = write.tids
            for i in range(tids.shape[0]):
                group = <RowGroup>self.groups[tids[i] >> GROUP_BITS]
                slot = tids[i] & (GROUP_ROWS - 1)
                if group.stamps[slot] > FIRST_TRANSACTION:
                    group.stamps[slot] = commit
                group.pending -= 1
                group.newest = group.written = commit
            return
        group = self.group_of(write.tid)
        slot = write.tid & (GROUP_ROWS - 1)
        if write.op == DELETED:
            group.deaths[slot] = commit
        elif group.stamps[slot] > FIRST_TRANSACTION:
            group.stamps[slot] = commit
            self.settle_undo(group.undo.get(slot), commit)
        group.pending -= 1
        group.newest = group.written = commit

    cdef settle_undo(self, Version v, int64_t commit):
        # Versions of the same transaction between the newest and the first it replaced.
        while v is not None and v.stamp > FIRST_TRANSACTION:
            v.stamp = commit
            v = v.older

    def undo(self, Write write) -> None:
        """The write's transaction (or statement) is taken back."""
        cdef RowGroup group
        cdef Py_ssize_t slot
        cdef int64_t tid
        if write.op == LOADED:
            for tid in write.tids[::-1]:
                self.undo_insert(tid)
            return
        if write.op == INSERTED:
            self.undo_insert(write.tid)
            return
        group = self.group_of(write.tid)
        slot = write.tid & (GROUP_ROWS - 1)
        group.pending -= 1
        if write.op == DELETED:
            group.deaths[slot] = NEVER
            group.dead -= 1
            return
        new = group.row(slot)
        group.restore(slot, write.before.values)
        group.stamps[slot] = write.before.stamp
        if write.before.older is None:
            del group.undo[slot]
        else:
            group.undo[slot] = write.before.older
        if write.rekeyed:
            self.drop_keys(group, slot, write.tid, new)

    cdef undo_insert(self, int64_t tid):
        cdef RowGroup group = self.group_of(tid)
        group.pending -= 1
        group.dead += 1
        self.release(group, tid & (GROUP_ROWS - 1), tid)

    cdef release(self, RowGroup group, Py_ssize_t slot, int64_t tid):
        """Empty a dead slot and hand it out again."""
        cdef Index index
        cdef tuple row = group.row(slot)
        cdef Chunk chunk
        for index in self.indexes.values():
            key = index.key_of(row)
            if key is not None:
                index.discard(key, tid)
        for chunk in group.chunks:
            if chunk.kind == "O":
                chunk.put(slot, None)
        group.stamps[slot] = group.deaths[slot] = 0
        self.free.append(tid)

    cdef drop_keys(self, RowGroup group, Py_ssize_t slot, int64_t tid, tuple row):
        """Remove the keys of `row` that no version of the slot has any more."""
        cdef Index index
        cdef Version v
        cdef tuple now = group.row(slot)
        for index in self.indexes.values():
            key = index.key_of(row)
            if key is None or index.key_of(now) == key:
                continue
            v = group.undo.get(slot)
            while v is not None and index.key_of(v.values) != key:
                v = v.older
            if v is None:
                index.discard(key, tid)

    def forget(self, Write write, int64_t horizon) -> None:
        """No snapshot needs what the committed write replaced."""
        cdef RowGroup group
        cdef Py_ssize_t slot
        cdef Version v
        if write.op == INSERTED or write.op == LOADED:
            return
        group = self.group_of(write.tid)
        slot = write.tid & (GROUP_ROWS - 1)
        if write.op == DELETED:
            self.release(group, slot, write.tid)
            return
        v = group.undo.get(slot)
        if v is write.before:
            del group.undo[slot]
        else:
            while v is not None and v.older is not write.before:
                v = v.older
            if v is None:
                return
            v.older = None
        if write.rekeyed:
            self.drop_keys(group, slot, write.tid, write.before.values)

    # -- indexes and recovery

    def add_index(self, int64_t oid, positions, bint unique, Transaction t) -> Index:
        """Build an index over the rows; Duplicate if it is unique and they are not."""
        cdef Index index
        if len(positions) == 1 and self.kinds[positions[0]] in "hiq":
            index = IntIndex(positions, unique)
        else:
            index = ObjectIndex(positions, unique)
        index.oid = oid
        self.index_rows(index, self.live_tids(), t)
        self.indexes[oid] = index
        return index

    def drop_index(self, int64_t oid) -> None:
        self.indexes.pop(oid, None)

    def live_tids(self):
        """The tids of rows nobody deleted, as an int64 array."""
        cdef RowGroup group
        parts = [np.empty(0, np.int64)]
        for number, group in enumerate(self.groups):
            slots = np.flatnonzero(group.deaths_array[:group.rows] == NEVER)
            parts.append(slots + (number << GROUP_BITS))
        return np.concatenate(parts)

    def replay(self, int op, int64_t tid, columns, values, int64_t commit) -> None:
        """Recovery: apply a logged change to the newest state; indexes are built afterwards."""
        cdef RowGroup group
        cdef Py_ssize_t slot = tid & (GROUP_ROWS - 1)
        cdef Py_ssize_t i
        while len(self.groups) <= tid >> GROUP_BITS:
            if self.groups:
                self.fill(self.groups[len(self.groups) - 1], GROUP_ROWS)
            self.groups.append(RowGroup(self.kinds))
        group = self.group_of(tid)
        self.fill(group, slot + 1)
        if op == DELETED:
            if group.deaths[slot] == NEVER:
                group.dead += 1
            group.deaths[slot] = group.stamps[slot] = 0
        else:
            if op == INSERTED:
                if group.deaths[slot] == 0:
                    group.dead -= 1
                group.deaths[slot] = NEVER
            for i in range(len(columns)):
                (<Chunk>group.chunks[columns[i]]).put(slot, values[i])
            group.stamps[slot] = commit
        group.newest = group.written = commit

    cdef fill(self, RowGroup group, Py_ssize_t rows):
        # Slots skipped by the log (their transaction aborted) are free ones.
        if rows > group.rows:
            group.reserve(rows)
            group.dead += rows - group.rows
            group.rows = rows

    def replay_load(self, tids, columns, int64_t commit) -> None:
        """Recovery: a bulk insert into slots that were fresh then."""
        cdef RowGroup group
        cdef Chunk chunk
        cdef Py_ssize_t slot
        cdef int64_t number
        for number in np.unique(tids >> GROUP_BITS).tolist():
            at = np.flatnonzero(tids >> GROUP_BITS == number)
            slots = tids[at] & (GROUP_ROWS - 1)
            while len(self.groups) <= number:
                if self.groups:
                    self.fill(self.groups[len(self.groups) - 1], GROUP_ROWS)
                self.groups.append(RowGroup(self.kinds))
            group = self.groups[number]
            self.fill(group, slots.max() + 1)
            for chunk, (data, nulls) in zip(group.chunks, columns):
                chunk.data[slots] = data[at]
                if nulls is not None and nulls[at].any():
                    chunk.nulls[slots] = nulls[at]
                    chunk.any_null = True
            for slot in slots.tolist():
                if group.deaths[slot] == 0:
                    group.dead -= 1
                group.deaths[slot] = NEVER
                group.stamps[slot] = commit
            group.newest = group.written = commit

    def load_group(self, columns, Py_ssize_t rows, free, int64_t commit) -> None:
        """Recovery: the next row group, from a checkpoint."""
        cdef RowGroup group = RowGroup(self.kinds)
        group.load(columns, rows, free)
        group.newest = group.written = commit
        self.groups.append(group)

    def columns_of(self, tids):
        """The newest values of rows, group by group: (tids, [(values, nulls)])."""
        cdef RowGroup group
        cdef Chunk chunk
        for number in np.unique(tids >> GROUP_BITS).tolist():
            part = tids[tids >> GROUP_BITS == number]
            slots = part & (GROUP_ROWS - 1)
            group = self.groups[number]
            yield part, [(chunk.data[slots], chunk.nulls[slots] if chunk.any_null else None)
                         for chunk in group.chunks]

    def recovered(self) -> None:
        """Replay is over: find the free slots."""
        cdef RowGroup group
        self.free = []
        for number, group in enumerate(self.groups):
            slots = np.flatnonzero(group.deaths_array[:group.rows] == 0)
            self.free.extend((slots + (number << GROUP_BITS)).tolist())
