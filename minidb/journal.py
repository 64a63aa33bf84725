"""What survives: the log of committed changes, checkpoints, and recovery.

Commit appends the transaction to the record log; the turn's flush makes it durable before any reply
leaves (group commit).  The log holds committed transactions only, as logical changes, so recovery
is: load the last checkpoint, apply the log behind it.  No undo, no page images.

    record    msgpack [kind, ...]
      "t"     [transaction, last part?, database oid, changes]   in parts of <= 1 MiB
      "s"     [sequence oid, value, called]
      "d"     ["create" | "drop", oid, name]                      a database
    change    ["put", table] ["drop", oid] ["schema", name, oid] ["drop schema", name]
              ["I", store, tid, values]      ["U", store, tid, places, values]    ["D", store, tid]
              ["L", store, tids, columns]    a bulk insert, by columns (codec.py)

Invariants:
1. A record is appended before its transaction becomes visible; a full disk (DiskFull) is met there,
   and the transaction is undone.
2. Records of one transaction are adjacent; parts without a last part are ignored.
"""

from __future__ import annotations

from typing import Any

import msgpack

from bedrock.storage.errors import Damaged
from bedrock.storage.recordlog import RecordLog
from minidb import checkpoint
from minidb.codec import pack, pack_column, unpack, unpack_column
from minidb.schema import Table
from minidb.table import TableStore
from query_planner.types import BY_OID

PART_BYTES = 1 << 20
CHECKPOINT_BYTES = 256 << 20
_INSERTED, _UPDATED, _DELETED, _LOADED = 0, 1, 2, 3


class Journal:
    """engine: whose changes it keeps; its world's disk and turn are used."""

    def __init__(self, engine: Any) -> None:
        self.engine = engine
        self.disk = engine.world.disk
        self.wal = RecordLog(self.disk.sub("wal"), turn=engine.world.turn)
        self.database: Any = None
        self.checkpointed = 0
        self.number = 0

    # -- writing

    def log(self, txn: Any) -> None:
        """Append a committing transaction."""
        changes: list[Any] = []
        temporary = set()
        tables: Any = self.database.catalog.tables
        if txn.catalog is not None:
            for change in txn.catalog.changes:
                if change[0] == "put":
                    if not change[1].temporary:
                        changes.append(["put", change[1].dump()])
                else:
                    changes.append(list(change))
            tables = txn.catalog.tables
        written = {write.table for write in txn.writes}
        if written:
            kept = {t.store_oid for t in tables.values() if not t.temporary}
            temporary = {store for store in written if store.oid not in kept}
        size, parts = 0, []
        for write in txn.writes:
            store = write.table
            if store in temporary:
                continue
            if write.op == _INSERTED:
                changes.append(["I", store.oid, write.tid, list(store.newest(write.tid))])
            elif write.op == _UPDATED:
                if write.columns:
                    row = store.newest(write.tid)
                    changes.append(["U", store.oid, write.tid, list(write.columns),
                                    [row[at] for at in write.columns]])
            elif write.op == _DELETED:
                changes.append(["D", store.oid, write.tid])
            else:
                for tids, columns in store.columns_of(write.tids):
                    changes.append(["L", store.oid, tids.tobytes(),
                                    [pack_column(data, nulls) for data, nulls in columns]])
                    parts.append(changes)
                    changes = []
            size += 64
            if size > PART_BYTES:
                parts.append(changes)
                changes, size = [], 0
        if not changes and not parts:
            return
        parts.append(changes)
        self.number += 1
        for i, part in enumerate(parts):
            self.wal.append(pack(
                ["t", self.number, i == len(parts) - 1, self.database.oid, part]))

    def log_sequence(self, oid: int, value: int, called: bool) -> None:
        self.wal.append(pack(["s", oid, value, called]))

    def log_database(self, verb: str, oid: int, name: str) -> None:
        self.wal.append(pack(["d", verb, oid, name]))

    # -- checkpoints

    def maybe_checkpoint(self) -> None:
        if self.wal.end - self.checkpointed > CHECKPOINT_BYTES:
            self.checkpoint()

    def checkpoint(self) -> None:
        """Write what changed since the last one and let the log before it go."""
        self.wal.flush()
        position = self.wal.end
        checkpoint.write(self.engine, self.disk, position)
        self.checkpointed = position
        self.wal.trim(position)

    def close(self) -> None:
        if self.wal.end > self.checkpointed:
            self.checkpoint()
        self.wal.close()

    # -- recovery

    def recover(self) -> None:
        """Load the checkpoint, apply the log, build the indexes."""
        engine = self.engine
        position = checkpoint.read(engine, self.disk)
        self.checkpointed = position
        pending: list[Any] = []
        pending_number = None
        commit = engine.transactions.last_commit
        by_oid = {database.oid: database for database in engine.databases.values()}
        try:
            for _, payload in self.wal.replay(position):
                record = unpack(payload)
                if record[0] == "t":
                    _, number, last, database, changes = record
                    if number != pending_number:
                        pending, pending_number = [], number
                    pending.extend(changes)
                    self.number = max(self.number, number)
                    if last:
                        commit += 1
                        self._apply(by_oid[database], pending, commit)
                        pending, pending_number = [], None
                elif record[0] == "s":
                    engine.sequences.values[record[1]] = record[2], record[3]
                else:
                    _, verb, oid, name = record
                    engine.saw_oid(oid)
                    if verb == "create":
                        by_oid[oid] = engine.create_database(name, oid)
                    else:
                        by_oid.pop(oid, None)
                        engine.databases.pop(name, None)
        except (msgpack.UnpackException, ValueError, LookupError, TypeError) as exc:
            raise Damaged("wal", self.wal.start, f"a record does not decode: {exc!r}") from exc
        engine.transactions.resume_from(commit)
        self._attach()
        if not engine.databases:
            database = engine.create_database("postgres", 5)
            self.log_database("create", database.oid, database.name)

    def _apply(self, database: Any, changes: list[Any], commit: int) -> None:
        engine = self.engine
        catalog = database.catalog
        for change in changes:
            verb = change[0]
            if verb == "I":
                engine.stores[change[1]].replay(
                    _INSERTED, change[2], range(len(change[3])), change[3], commit)
            elif verb == "U":
                engine.stores[change[1]].replay(
                    _UPDATED, change[2], change[3], change[4], commit)
            elif verb == "D":
                engine.stores[change[1]].replay(_DELETED, change[2], (), (), commit)
            elif verb == "L":
                store = engine.stores[change[1]]
                import numpy as np

                tids = np.frombuffer(change[2], np.int64)
                store.replay_load(
                    tids, [unpack_column(column, len(tids)) for column in change[3]], commit)
            else:
                self._apply_definition(catalog, change)

    def _apply_definition(self, catalog: Any, change: list[Any]) -> None:
        engine = self.engine
        if change[0] == "put":
            table = Table.load(change[1], lambda oid: catalog.types.get(oid) or BY_OID[oid])
            engine.saw_oid(max([table.oid, table.store_oid, *(i.oid for i in table.indexes),
                                *(c.oid for c in table.constraints)]))
            if table.kind == "r":
                store = engine.stores.get(table.store_oid)
                if store is None:
                    store = engine.stores[table.store_oid] = TableStore(
                        table.store_oid, table.kinds)
                table = table.with_(store=store)
            change = ["put", table]
        elif change[0] == "schema":
            engine.saw_oid(change[2])
        catalog.apply([change])

    def _attach(self) -> None:
        """Find free slots and build indexes; drop stores nobody names."""
        engine = self.engine
        named = {}
        for database in engine.databases.values():
            for table in database.catalog.tables.values():
                if table.store is not None:
                    named[table.store_oid] = table
        for oid in list(engine.stores):
            table = named.get(oid)
            if table is None:
                del engine.stores[oid]
                continue
            store = engine.stores[oid]
            store.recovered()
            for index in table.indexes:
                store.add_index(index.oid, [number - 1 for number in index.columns],
                                index.unique, None)
