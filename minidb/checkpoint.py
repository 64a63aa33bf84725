"""Checkpoints: the committed state as files, from which recovery starts.

    groups/<store>-<group>-<commit>   one row group as of a commit: crc32c, then msgpack
                                      [rows, free slots (raw int32), columns (see codec.py)]
    CHECKPOINT                        crc32c, then msgpack: log position, commit, databases with
                                      their definitions, sequences, and which group files belong

Only groups changed since the last checkpoint are written, to new files; then CHECKPOINT is replaced
by a rename, and files it does not name are removed.  A crash at any point leaves the old one or the
new one whole.
"""

from __future__ import annotations

from typing import Any

import msgpack

from bedrock.codec.crc32c import crc32c
from bedrock.lazy import numpy as np
from bedrock.storage.errors import Damaged, Finding
from minidb.codec import pack, pack_column, unpack, unpack_column
from minidb.rowgroup import RowGroup, Snapshot
from minidb.schema import Table
from minidb.table import TableStore
from query_planner.types import BY_OID

CHECKPOINT = "CHECKPOINT"


def _write_file(disk: Any, name: str, payload: bytes) -> None:
    file = disk.open(name, "rw")
    try:
        data = crc32c(payload).to_bytes(4, "little") + payload
        file.allocate(0, len(data))
        file.truncate(0)
        file.write_at(0, data)
        file.sync()
    finally:
        file.close()


def _read_file(disk: Any, name: str) -> bytes:
    file = disk.open(name)
    try:
        data = file.read_at(0, file.size())
    finally:
        file.close()
    if len(data) < 4 or crc32c(data[4:]) != int.from_bytes(data[:4], "little"):
        raise Damaged(name, 0, "checksum does not match")
    return data[4:]


def write(engine: Any, disk: Any, position: int) -> None:
    """Write a checkpoint that stands for the log before `position`."""
    commit = engine.transactions.last_commit
    snapshot = Snapshot(commit)
    databases, kept = [], []
    for database in engine.databases.values():
        catalog = database.catalog
        tables = []
        for table in catalog.tables.values():
            if table.temporary:
                continue
            groups = []
            if table.store is not None:
                for number, group in enumerate(table.store.groups):
                    name = f"groups/{table.store_oid}-{number}-{group.written}"
                    if not disk.exists(name):
                        _write_file(disk, name, _group(table.store, group, snapshot))
                    groups.append(name)
                    kept.append(name)
            tables.append([table.dump(), groups])
        databases.append([database.oid, database.name, catalog.schemas, tables])
    payload = pack({
        "position": position, "commit": commit, "next_oid": engine.next_oid,
        "databases": databases,
        "sequences": [[oid, *state] for oid, state in engine.sequences.values.items()],
    })
    if disk.list("groups/"):
        disk.sub("groups").sync_dir()
    _write_file(disk, CHECKPOINT + ".new", payload)
    disk.rename(CHECKPOINT + ".new", CHECKPOINT)
    disk.sync_dir()
    wanted = set(kept)
    for name in disk.list("groups/"):
        if name not in wanted:
            disk.remove(name)


def _group(store: TableStore, group: RowGroup, snapshot: Snapshot) -> bytes:
    selection = group.select(snapshot)
    rows = group.rows
    columns = []
    if selection is None:
        free = np.empty(0, np.int32)
        columns = [pack_column(*group.column(i, None)) for i in range(len(store.kinds))]
    else:
        slots = selection[0]
        mask = np.ones(rows, bool)
        mask[slots] = False
        free = np.flatnonzero(mask).astype(np.int32)
        for i, kind in enumerate(store.kinds):
            data, nulls = group.column(i, selection)
            whole = np.full(rows, None, object) if kind == "O" else np.zeros(rows, kind)
            whole[slots] = data
            flags = None
            if nulls is not None:
                flags = np.zeros(rows, bool)
                flags[slots] = nulls
            columns.append(pack_column(whole, flags))
    return pack([rows, free.tobytes(), columns])


def read(engine: Any, disk: Any) -> int:
    """Load the checkpoint into an empty engine; the log position to go on from (0 = none)."""
    if not disk.exists(CHECKPOINT):
        return 0
    try:
        data = unpack(_read_file(disk, CHECKPOINT))
        engine.next_oid = data["next_oid"]
        engine.transactions.resume_from(data["commit"])
        for oid, name, schemas, tables in data["databases"]:
            database = engine.create_database(name, oid)
            database.catalog.schemas = schemas
            for dump, groups in tables:
                table = Table.load(dump, BY_OID.__getitem__)
                if table.kind == "r":
                    store = TableStore(table.store_oid, table.kinds)
                    for file in groups:
                        _load_group(disk, file, store)
                    engine.stores[table.store_oid] = store
                    table = table.with_(store=store)
                database.catalog.put(table)
            database.catalog.changes.clear()
        for oid, value, called in data["sequences"]:
            engine.sequences.values[oid] = value, called
    except (msgpack.UnpackException, KeyError, TypeError, ValueError) as exc:
        raise Damaged(CHECKPOINT, 0, f"does not decode: {exc!r}") from exc
    return data["position"]


def _load_group(disk: Any, name: str, store: TableStore) -> None:
    try:
        rows, free, columns = unpack(_read_file(disk, name))
        commit = int(name.rpartition("-")[2])
        store.load_group(
            [unpack_column(column, rows) for column in columns], rows,
            np.frombuffer(free, np.int32).tolist(), commit)
    except FileNotFoundError as exc:
        raise Damaged(name, 0, "the file is missing") from exc
    except (msgpack.UnpackException, ValueError, TypeError) as exc:
        raise Damaged(name, 0, f"does not decode: {exc!r}") from exc


def check(disk: Any) -> list[Finding]:
    """The checkpoint's files, read and decoded; the log is bedrock.storage's to check."""
    from bedrock.storage.recordlog import check as check_log

    findings: list[Finding] = []
    if disk.exists(CHECKPOINT):
        try:
            data = unpack(_read_file(disk, CHECKPOINT))
            for *_, tables in data["databases"]:
                for dump, groups in tables:
                    for name in groups:
                        try:
                            _load_group(disk, name, TableStore(
                                0, Table.load(dump, BY_OID.__getitem__).kinds))
                        except Damaged as exc:
                            findings.append(exc.finding)
        except Damaged as exc:
            findings.append(exc.finding)
        except (msgpack.UnpackException, KeyError, TypeError, ValueError) as exc:
            findings.append(Finding(CHECKPOINT, 0, f"does not decode: {exc!r}"))
    findings.extend(check_log(disk.sub("wal")))
    return findings
