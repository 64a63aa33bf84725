"""INSERT, UPDATE and DELETE to logical plans.

Rows to insert arrive as whole rows: every column of the table in order, cast to its type, defaults
filled in.  RETURNING and ON CONFLICT refer to Columns that stand for the row as it will be (`row`),
as it is (`existing`) and as it was proposed (`excluded`).
"""

from __future__ import annotations

from typing import Any

from query_planner import ast
from query_planner import physical as ph
from query_planner.algebra import Join
from query_planner.binder.calls import Level
from query_planner.binder.conversions import constant, error
from query_planner.binder.queries import QueryBinder
from query_planner.binder.scope import Item, Scope
from query_planner.binder.syntax import label_of
from query_planner.binder.tables import Bound
from query_planner.catalog import Relation
from query_planner.expr import Column, Expr, conjuncts
from query_planner.parser import parse_expression
from query_planner.types import ASSIGNMENT, UNKNOWN, title


class ChangeBinder(QueryBinder):
    """Binds data-modifying statements."""

    level: Any
    params: Any

    def change(self, node: Any, outer: Any) -> Any:
        """Any data-modifying statement; a Bound whose columns are those of RETURNING."""
        if type(node) is ast.Insert:
            return self.insert(node, outer)
        if type(node) is ast.Update:
            return self.update(node, outer)
        return self.delete(node, outer)

    def changed_table(self, node: Any, verb: str) -> Relation:
        """The table a statement changes."""
        relation = self.relation(node.table.name, node.table.pos)
        if relation.kind != "r":
            what = {"v": "view", "m": "materialized view", "S": "sequence"}.get(
                relation.kind, "relation")
            raise error("55000" if relation.kind == "v" else "42809",
                        f'cannot {verb} {what} "{relation.name}"', node.table.pos)
        return relation

    def row_item(self, name: str, relation: Relation) -> tuple[Item, tuple[Column, ...]]:
        """An Item of fresh Columns, one for each column of a table."""
        columns = tuple([
            self.column(c.name, c.type, c.typmod, (relation.oid, c.number), not c.not_null)
            for c in relation.columns
        ])
        item = Item(name, [c.name for c in relation.columns], list(columns), None, None, None,
                    relation.schema)
        return item, columns

    def place_of(self, relation: Relation, name: Any, pos: int) -> int:
        """The position of a column to be assigned."""
        if isinstance(name, tuple):
            raise error("0A000", "assignment to a part of a column is not supported", pos)
        place = relation.places.get(name)
        if place is None:
            raise error("42703", f'column "{name}" of relation "{relation.name}" does not exist',
                        pos)
        return place

    def stored(self, e: Expr, relation: Relation, place: int, pos: int) -> Expr:
        """e converted to be stored in a column."""
        column = relation.columns[place]
        found = self.coerce(e, column.type, column.typmod, ASSIGNMENT, pos)
        if found is None:
            raise error(
                "42804", f'column "{column.name}" is of type {title(column.type)} but expression '
                f"is of type {title(e.type)}", pos, None,
                "You will need to rewrite or cast the expression.")
        return found

    def default(self, relation: Relation, place: int) -> Expr:
        """The default of a column."""
        column = relation.columns[place]
        if column.default is None or column.generated:
            return constant(None, column.type, column.typmod)
        return self.stored_text(relation, place)

    def stored_text(self, relation: Relation, place: int, item: Any = None) -> Expr:
        """The bound DEFAULT or generation expression of a column."""
        column = relation.columns[place]
        scope = Scope(None, [item] if item is not None else [])
        saved, self.level = self.level, None
        e = self.bind(parse_expression(column.default or "NULL"), scope)
        self.level = saved
        return self.stored(e, relation, place, -1)

    def generated(self, relation: Relation, row: Any) -> tuple:
        """((position, Expr over the row), ...) of the generated columns."""
        return tuple([
            (place, self.stored_text(relation, place, row))
            for place, column in enumerate(relation.columns) if column.generated
        ])

    def returning(self, targets: Any, scope: Scope) -> tuple[Any, list, list]:
        """(expressions or None, columns, names) of RETURNING."""
        if targets is None:
            return None, [], []
        self.level = level = Level()
        level.no_aggregates = level.no_windows = level.no_sets = "RETURNING"
        items: list[Expr] = []
        names: list[str] = []
        for target in targets:
            if type(target.expr) is ast.Star:
                self.expand_star(target.expr, scope, items, names)
            else:
                items.append(self.value(target.expr, scope))
                names.append(target.name or label_of(target.expr))
        columns = [e if type(e) is Column else self.column(name, e.type, e.typmod)
                   for e, name in zip(items, names, strict=True)]
        return tuple(items), columns, names

    # -- INSERT

    def insert(self, node: Any, outer: Any) -> Any:
        relation = self.changed_table(node, "insert into")
        width = len(relation.columns)
        if node.columns is None:
            places = list(range(width))
        else:
            places = [self.place_of(relation, name, node.table.pos) for name in node.columns]
            for place in places:
                if places.count(place) > 1:
                    raise error("42701", f'column "{relation.columns[place].name}" specified more '
                                "than once", node.table.pos)
        child = self.insert_source(node, relation, places, outer)
        item, row = self.row_item(node.table.alias or relation.name, relation)
        conflict = None
        if node.on_conflict is not None:
            conflict = self.on_conflict(node, relation, outer)
        generated = self.generated(relation, item)
        items, columns, names = self.returning(node.returning, Scope(outer, [item]))
        plan = ph.Insert(tuple(columns), relation, child, row, generated, conflict, items)
        return Bound(plan, columns, names)

    def insert_source(self, node: Any, relation: Relation, places: list[int], outer: Any) -> Any:
        """The plan that makes whole rows."""
        width = len(relation.columns)
        out = tuple([self.column(c.name, c.type, c.typmod) for c in relation.columns])
        if node.query is None:
            return ph.Values(out, (tuple([self.default(relation, p) for p in range(width)]),))
        simple = type(node.query) is ast.Values and not (
            node.query.order_by or node.query.limit or node.query.offset or node.query.with_)
        if simple:
            return self.insert_values(node, relation, places, out, outer)
        bound = self.query(node.query, Scope(outer))
        places = self.matched(node, relation, places, len(bound.columns))
        for place, column in enumerate(bound.columns):
            if column.type is UNKNOWN:
                self.retype(bound, place, relation.columns[places[place]].type)
        given = {p: self.stored(c, relation, p, node.query.pos)
                 for p, c in zip(places, bound.columns, strict=True)}
        for place in given:
            self.refuse_generated(node, relation, place)
        items = tuple([given[p] if p in given else self.default(relation, p)
                       for p in range(width)])
        return ph.Project(out, bound.node, items)

    def insert_values(self, node: Any, relation: Relation, places: list[int], out: tuple,
                      outer: Any) -> Any:
        """VALUES straight into whole rows; DEFAULT may stand in for a value."""
        scope = Scope(outer)
        rows = []
        width = len(node.query.rows[0])
        matched = self.matched(node, relation, places, width)
        self.level = level = Level()
        level.no_aggregates = level.no_windows = level.no_sets = "VALUES"
        missing = [p for p in range(len(relation.columns)) if p not in set(matched)]
        for row in node.query.rows:
            if len(row) != width:
                raise error("42601", "VALUES lists must all be the same length", node.query.pos)
            whole: list[Any] = [None] * len(relation.columns)
            for place, e in zip(matched, row, strict=True):
                if type(e) is ast.Default:
                    whole[place] = self.default(relation, place)
                else:
                    self.refuse_generated(node, relation, place)
                    whole[place] = self.stored(self.bind(e, scope), relation, place, e.pos)
            for place in missing:
                whole[place] = self.default(relation, place)
            rows.append(tuple(whole))
        self.level = None
        return ph.Values(out, tuple(rows))

    def matched(self, node: Any, relation: Relation, places: list[int], count: int) -> list[int]:
        """The columns that `count` values go to."""
        if count > len(places):
            raise error("42601", "INSERT has more expressions than target columns", node.query.pos)
        if count < len(places) and node.columns is not None:
            raise error("42601", "INSERT has more target columns than expressions", node.table.pos)
        return places[:count]

    def refuse_generated(self, node: Any, relation: Relation, place: int) -> None:
        """A generated column takes only DEFAULT, as does GENERATED ALWAYS AS IDENTITY."""
        column = relation.columns[place]
        if column.generated or (column.identity == "a" and node.overriding is None):
            what = "a generated column" if column.generated else \
                "an identity column defined as GENERATED ALWAYS"
            raise error("428C9", f'cannot insert a non-DEFAULT value into column "{column.name}"',
                        node.table.pos, f'Column "{column.name}" is {what}.')

    def on_conflict(self, node: Any, relation: Relation, outer: Any) -> ph.OnConflict:
        """The bound form of ON CONFLICT."""
        clause = node.on_conflict
        existing_item, existing = self.row_item(node.table.alias or relation.name, relation)
        excluded_item, excluded = self.row_item("excluded", relation)
        index = self.arbiter(clause, relation)
        if clause.assignments is None:
            return ph.OnConflict(index, existing, excluded, None, ())
        scope = Scope(outer, [existing_item, excluded_item])
        for item in scope.items:
            item.relation = relation
        # Unqualified names mean the existing row.
        excluded_item.hidden = set(range(len(relation.columns)))
        assignments = self.assigned(clause.assignments, relation, scope)
        condition: tuple[Expr, ...] = ()
        if clause.where is not None:
            condition = tuple(conjuncts(self.condition(clause.where, scope, "WHERE")))
        return ph.OnConflict(index, existing, excluded, assignments, condition)

    def arbiter(self, clause: Any, relation: Relation) -> Any:
        """The unique index that ON CONFLICT names; None = any."""
        if clause.constraint is not None:
            for index in relation.indexes:
                if (index.constraint or index.name) == clause.constraint and index.unique:
                    return index
            raise error("42704", f'constraint "{clause.constraint}" for table "{relation.name}" '
                        "does not exist", clause.pos)
        if clause.keys is None:
            return None
        numbers = set()
        texts = set()
        for key in clause.keys:
            if type(key) is ast.ColumnRef and len(key.parts) == 1:
                place = self.place_of(relation, key.parts[0], key.pos)
                numbers.add(relation.columns[place].number)
            else:
                texts.add(_plain(key))
        for index in relation.indexes:
            if not index.unique or (index.predicate is not None and clause.keys_where is None):
                continue
            own = {_plain(parse_expression(text)) for text in index.expressions}
            if {n for n in index.columns if n} == numbers and own == texts:
                return index
        raise error("42P10", "there is no unique or exclusion constraint matching the ON CONFLICT "
                    "specification", clause.pos)

    # -- UPDATE and DELETE

    def assigned(self, assignments: Any, relation: Relation, scope: Scope) -> tuple:
        """((position, Expr), ...) of SET."""
        found: dict[int, Expr] = {}
        self.level = level = Level()
        level.no_aggregates = level.no_windows = level.no_sets = "UPDATE"
        for node in assignments:
            values = [node.value]
            if len(node.columns) > 1 or type(node.value) is ast.Row:
                if type(node.value) is not ast.Row:
                    values = self.assigned_query(node, scope)
                else:
                    values = list(node.value.items)
                if len(values) != len(node.columns):
                    raise error("42601", "number of columns does not match number of values",
                                node.pos)
            for name, value in zip(node.columns, values, strict=True):
                place = self.place_of(relation, name, node.pos)
                if place in found:
                    raise error("42601", f'multiple assignments to same column "{name}"', node.pos)
                if type(value) is ast.Default:
                    found[place] = self.default(relation, place)
                    continue
                column = relation.columns[place]
                if column.generated or column.identity == "a":
                    raise error("428C9", f'column "{name}" can only be updated to DEFAULT',
                                node.pos)
                e = value if isinstance(value, Expr) else self.bind(value, scope)
                found[place] = self.stored(e, relation, place, node.pos)
        self.level = None
        return tuple(found.items())

    def assigned_query(self, node: Any, scope: Scope) -> list[Expr]:
        """(a, b) = (SELECT ..): one scalar subquery for each column."""
        count = len(node.columns)
        values: list[Expr] = []
        for place in range(count):
            bound = self.query(node.value.query, scope)
            self.settle_columns(bound)
            if len(bound.columns) != count:
                raise error("42601", "number of columns does not match number of values", node.pos)
            column = bound.columns[place]
            self.projected(bound, [column])
            values.append(self.subquery("scalar", bound.node, column.type, column.typmod))
        return values

    def target(self, node: Any, relation: Relation, others: Any, outer: Any) -> tuple:
        """(plan, scope, item) of the changed table joined with FROM or USING, WHERE applied."""
        if node.current_of is not None:
            raise error("0A000", "WHERE CURRENT OF is not supported", node.pos)
        plan, item = self.get(relation, node.table.alias or relation.name)
        if node.table.alias is None:
            item.schema = relation.schema
        scope = Scope(outer, [item])
        item.system_column("ctid")
        if others:
            plan = Join((), "inner", plan, self.from_clause(others, scope), [])
        if node.where is not None:
            self.level = level = Level()
            level.no_aggregates = level.no_windows = level.no_sets = "WHERE"
            condition = conjuncts(self.condition(node.where, scope, "WHERE"))
            self.level = None
            plan = ph.Filter((), plan, condition)
        return plan, scope, item

    def update(self, node: Any, outer: Any) -> Any:
        relation = self.changed_table(node, "update")
        plan, scope, item = self.target(node, relation, node.from_, outer)
        assignments = self.assigned(node.assignments, relation, scope)
        new_item, row = self.row_item(item.name, relation)
        generated = self.generated(relation, new_item)
        new_item.relation = relation
        new_scope = Scope(outer, [new_item, *scope.items[1:]])
        items, columns, names = self.returning(node.returning, new_scope)
        plan = ph.Update(
            tuple(columns), relation, plan, item.system_column("ctid"), assignments, row, generated,
            tuple(item.columns), items)
        return Bound(plan, columns, names)

    def delete(self, node: Any, outer: Any) -> Any:
        relation = self.changed_table(node, "delete from")
        plan, scope, item = self.target(node, relation, node.using, outer)
        items, columns, names = self.returning(node.returning, scope)
        return Bound(
            ph.Delete(tuple(columns), relation, plan, item.system_column("ctid"), items),
            columns, names)


def _plain(node: Any) -> str:
    """A form in which equal index expressions look equal."""
    return repr(node)
