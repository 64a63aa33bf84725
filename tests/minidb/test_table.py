"""Row groups, indexes and transactions, without SQL."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minidb.index import IntIndex, ObjectIndex
from minidb.rowgroup import Snapshot
from minidb.sqlstate import DatabaseError
from minidb.table import Duplicate, TableStore
from minidb.transaction import Blocked, Stale, Transactions


def made(unique=True):
    manager = Transactions()
    table = TableStore(1, ["i", "O"])
    table.add_index(2, [0], unique, None)
    return manager, table


def rows(table, snapshot):
    found = []
    for n, ((a, an), (b, bn)) in table.scan(snapshot, [0, 1]):
        for i in range(n):
            found.append((None if an is not None and an[i] else int(a[i]),
                          None if bn is not None and bn[i] else b[i]))
    return sorted(found, key=repr)


def add(manager, table, *values):
    t = manager.begin()
    tids = [table.insert(t, row) for row in values]
    t.commit()
    return tids


def now(manager, t=None):
    return Snapshot(manager.last_commit, 0 if t is None else t.id)


def test_a_row_is_seen_by_its_writer_at_once_and_by_others_after_commit():
    manager, table = made()
    t = manager.begin()
    before = now(manager)
    table.insert(t, (1, "a"))
    assert rows(table, now(manager, t)) == [(1, "a")]
    assert rows(table, now(manager)) == []
    t.commit()
    assert rows(table, now(manager)) == [(1, "a")]
    assert rows(table, before) == []


def test_an_old_snapshot_keeps_the_old_values_until_it_ends():
    manager, table = made()
    (tid,) = add(manager, table, (1, "a"))
    reader = manager.begin("repeatable read")
    old = reader.start_statement()
    for value in "bcd":
        t = manager.begin()
        assert table.update(t, t.start_statement(), tid, (1,), (value,))
        t.end_statement()
        t.commit()
    assert rows(table, old) == [(1, "a")]
    assert table.read(tid, old) == (1, "a")
    assert rows(table, now(manager)) == [(1, "d")]
    assert table.groups[0].undo
    reader.abort()
    assert not table.groups[0].undo


def test_a_deleted_row_leaves_its_slot_once_nobody_sees_it():
    manager, table = made()
    (tid,) = add(manager, table, (1, "a"))
    reader = manager.begin("repeatable read")
    old = reader.start_statement()
    t = manager.begin()
    table.delete(t, t.start_statement(), tid)
    t.commit()
    assert rows(table, now(manager)) == []
    assert rows(table, old) == [(1, "a")]
    reader.commit()
    assert add(manager, table, (2, "b")) == [tid]
    assert rows(table, now(manager)) == [(2, "b")]


def test_abort_takes_back_inserts_updates_and_deletes():
    manager, table = made()
    one, two = add(manager, table, (1, "a"), (2, "b"))
    t = manager.begin()
    s = t.start_statement()
    table.update(t, s, one, (0, 1), (10, "x"))
    table.delete(t, s, two)
    table.insert(t, (3, "c"))
    t.abort()
    assert rows(table, now(manager)) == [(1, "a"), (2, "b")]
    index = table.indexes[2]
    assert index.lookup(1) == [one] and not index.lookup(10) and not index.lookup(3)


def test_a_statement_is_undone_without_the_rest_of_its_transaction():
    manager, table = made()
    t = manager.begin()
    table.insert(t, (1, "a"))
    mark = t.mark()
    table.insert(t, (2, "b"))
    t.undo_to(mark)
    t.commit()
    assert rows(table, now(manager)) == [(1, "a")]


def test_the_second_writer_of_a_row_is_blocked_by_the_first():
    manager, table = made()
    (tid,) = add(manager, table, (1, "a"))
    first, second = manager.begin(), manager.begin()
    table.update(first, first.start_statement(), tid, (1,), ("b",))
    with pytest.raises(Blocked) as caught:
        table.update(second, second.start_statement(), tid, (1,), ("c",))
    assert caught.value.owner is first


def test_read_committed_restarts_on_a_newer_version_and_repeatable_read_fails():
    manager, table = made()
    (tid,) = add(manager, table, (1, "a"))
    committed, repeatable = manager.begin(), manager.begin("repeatable read")
    s1, s2 = committed.start_statement(), repeatable.start_statement()
    t = manager.begin()
    table.update(t, t.start_statement(), tid, (1,), ("b",))
    t.commit()
    with pytest.raises(Stale):
        table.update(committed, s1, tid, (1,), ("c",))
    with pytest.raises(DatabaseError) as caught:
        table.update(repeatable, s2, tid, (1,), ("c",))
    assert caught.value.sqlstate == "40001"


def test_a_cycle_of_waits_is_a_deadlock():
    manager, _ = made()
    a, b, c = manager.begin(), manager.begin(), manager.begin()
    a.wait_for(b)
    b.wait_for(c)
    with pytest.raises(DatabaseError) as caught:
        c.wait_for(a)
    assert caught.value.sqlstate == "40P01"


def test_a_unique_key_is_refused_twice_and_free_again_after_delete():
    manager, table = made()
    (tid,) = add(manager, table, (1, "a"))
    t = manager.begin()
    with pytest.raises(Duplicate):
        table.insert(t, (1, "b"))
    table.delete(t, t.start_statement(), tid)
    table.insert(t, (1, "b"))
    t.commit()
    assert rows(table, now(manager)) == [(1, "b")]


def test_a_key_being_inserted_elsewhere_blocks():
    manager, table = made()
    first, second = manager.begin(), manager.begin()
    table.insert(first, (1, "a"))
    with pytest.raises(Blocked):
        table.insert(second, (1, "b"))
    first.abort()
    table.insert(second, (1, "b"))


def test_a_bulk_load_is_all_or_nothing():
    manager, table = made()
    n = 70_000
    columns = [(np.arange(n, dtype="i"), None), (np.full(n, "x", object), None)]
    t = manager.begin()
    table.load(t, columns, n)
    t.commit()
    assert table.count() == n and len(table.groups) == 2
    t = manager.begin()
    mark = t.mark()
    with pytest.raises(Duplicate):
        table.load(t, columns, n)
    t.undo_to(mark)
    t.abort()
    assert table.count() == n
    assert sum(n for n, _ in table.scan(now(manager), [0])) == n


def test_nulls_are_kept_and_never_indexed():
    manager, table = made()
    add(manager, table, (None, None), (None, "b"))
    assert rows(table, now(manager)) == [(None, "b"), (None, None)]
    assert len(table.indexes[2]) == 0


@pytest.mark.parametrize("make", [lambda: IntIndex([0], False), lambda: ObjectIndex([0], False)])
@given(ops=st.lists(st.tuples(st.booleans(), st.integers(0, 20), st.integers(0, 50))))
@settings(max_examples=60, deadline=None)
def test_an_index_is_a_multimap(make, ops):
    index = make()
    model = {}
    for adding, key, tid in ops:
        (index.enter if adding else index.remove)(key, tid)
        tids = model.setdefault(key, set())
        (tids.add if adding else tids.discard)(tid)
    for key in range(21):
        assert set(index.lookup(key)) == model.get(key, set())


@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_every_snapshot_sees_what_a_model_says(data):
    """Random transactions against a model that copies the whole table for each snapshot."""
    manager, table = made()
    model, where = {}, {}
    readers = []
    for _ in range(data.draw(st.integers(1, 25))):
        move = data.draw(st.sampled_from(["txn", "txn", "txn", "open", "close"]))
        if move == "open":
            t = manager.begin("repeatable read")
            readers.append((t, t.start_statement(), dict(model)))
        elif move == "close" and readers:
            readers.pop(data.draw(st.integers(0, len(readers) - 1)))[0].abort()
        elif move == "txn":
            t = manager.begin()
            s = t.start_statement()
            mine, places = dict(model), dict(where)
            for _ in range(data.draw(st.integers(1, 4))):
                key = data.draw(st.integers(0, 5))
                value = data.draw(st.sampled_from(["x", "y", None]))
                if key not in mine:
                    places[key] = table.insert(t, (key, value))
                    mine[key] = value
                elif data.draw(st.booleans()):
                    table.update(t, s, places[key], (1,), (value,))
                    mine[key] = value
                else:
                    table.delete(t, s, places[key])
                    del mine[key]
            if data.draw(st.booleans()):
                t.commit()
                model, where = mine, places
            else:
                t.abort()
        for _, snapshot, seen in readers:
            assert rows(table, snapshot) == sorted(seen.items(), key=repr)
        assert rows(table, now(manager)) == sorted(model.items(), key=repr)
        for key in model:
            assert [t for t, _ in table.find(table.indexes[2], key, now(manager))] == [where[key]]
