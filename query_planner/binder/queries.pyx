"""Queries to logical plans: FROM, WHERE, GROUP BY, windows, DISTINCT, ORDER BY, set operations, WITH.

`query(node, scope)` gives a `Bound`: plan, columns, names.  The plan of a SELECT is built in the order
SQL gives its clauses meaning:

    FROM -> WHERE -> Aggregate -> HAVING -> windows -> set-returning functions -> Project
         -> DISTINCT -> Sort -> Limit -> FOR UPDATE

Expressions are bound once, over the columns of FROM; what an Aggregate computes stands in them as its
Columns (see calls.pyx), and `Regrouping` then replaces the GROUP BY expressions and finds columns
that are neither.
"""

from query_planner.ast cimport nodes as n
from query_planner.binder.scope cimport Item, Scope
from query_planner.expr cimport (
    Column, Const, Expr, Grouping, children, columns_of, conjuncts, key_of, with_children,
)

from query_planner import physical as ph
from query_planner.algebra import output
from query_planner.binder.calls import Level
from query_planner.binder.conversions import error
from query_planner.binder.grouping import Regrouping
from query_planner.binder.syntax import label_of
from query_planner.binder.tables import Bound, TableBinder
from query_planner.functions import common_type, equality
from query_planner.types import ASSIGNMENT, INT4, INT8, TEXT, UNKNOWN, title

cdef object _UNKNOWN = UNKNOWN


class QueryBinder(TableBinder):
    """Binds queries; `changes.py` adds INSERT, UPDATE and DELETE."""

    # ------------------------------------------------------------------ any query

    def query(self, node, Scope outer=None):
        """A query of any kind, with its WITH, ORDER BY and LIMIT."""
        cdef Scope scope = outer
        self.depth += 1
        if self.depth > 900:
            raise error("54001", "stack depth limit exceeded", node.pos)
        saved, self.level = self.level, None
        ctes = None
        if node.with_ is not None:
            scope, ctes = self.with_clause(node.with_, outer)
        if type(node) is n.Select:
            bound = self.select(node, scope)
        elif type(node) is n.Values:
            bound = self.values(node, scope)
        elif type(node) is n.SetOperation:
            bound = self.set_operation(node, scope)
        else:
            bound = self.change(node, scope)
        if ctes is not None:
            bound.node = self.attach(ctes, bound.node)
        self.level = saved
        self.depth -= 1
        return bound

    def settle_columns(self, bound, types=None):
        """Give columns of unknown type a type: text, or the one at the same place of `types`."""
        for place, column in enumerate(bound.columns):
            if (<Column> column).type is _UNKNOWN:
                want = TEXT if types is None or place >= len(types) else types[place]
                self.retype(bound, place, want)
        return bound

    def retype(self, bound, int place, type_):
        """Change the type of one output column, an untyped literal or parameter."""
        project = bound.node
        while type(project) in (ph.Sort, ph.Limit, ph.Distinct, ph.With, ph.LockRows):
            project = project.child
        old = bound.columns[place]
        if type(project) is ph.Project or type(project) is ph.ProjectSet:
            items = list(project.items)
            done = self.coerce(items[place], type_, -1, ASSIGNMENT)
            if done is not None and project.columns[place].id == (<Column> old).id:
                items[place] = done
                project.items = tuple(items)
                (<Column> old).type = type_
                return
        if type(project) is ph.Values:
            rows = []
            for row in project.tuples:
                row = list(row)
                row[place] = self.need(row[place], type_, -1, -1, ASSIGNMENT)
                rows.append(tuple(row))
            project.tuples = tuple(rows)
            (<Column> old).type = type_
            return
        raise error("42P18", f"could not determine data type of column {place + 1}")

    def projected(self, bound, list items):
        """The plan of a bound query with its columns replaced by these expressions over them."""
        if all([a is b for a, b in zip(items, bound.columns)]):
            return bound.node
        columns = tuple([x if type(x) is Column else self.column(name, (<Expr> x).type,
                                                                 (<Expr> x).typmod)
                         for x, name in zip(items, bound.names)])
        bound.columns = list(columns)
        bound.node = ph.Project(columns, bound.node, tuple(items))
        return bound.node

    # ------------------------------------------------------------------ VALUES, set operations

    def values(self, n.Values node, Scope outer):
        """VALUES (..), (..)."""
        cdef Scope scope = Scope(outer)
        cdef Py_ssize_t width = len(node.rows[0])
        self.level = level = Level()
        level.no_aggregates = level.no_windows = level.no_sets = "VALUES"
        rows = []
        for row in node.rows:
            if len(row) != width:
                raise error("42601", "VALUES lists must all be the same length", node.pos)
            rows.append([self.bind(e, scope) for e in row])
        bound = self.values_of(rows, node.pos)
        return self.finish(bound, node, scope)

    def values_of(self, list rows, pos):
        """A Values node over bound rows, its columns unified (an all-literal one stays unknown)."""
        columns = []
        width = len(rows[0])
        done = [[None] * width for _ in rows]
        for place in range(width):
            parts = [row[place] for row in rows]
            if all([(<Expr> part).type is _UNKNOWN for part in parts]):
                fixed, type_, typmod = parts, _UNKNOWN, -1
            else:
                fixed, type_, typmod = self.unify(parts, "VALUES", pos)
            for row, part in zip(done, fixed):
                row[place] = part
            columns.append(self.column(f"column{place + 1}", type_, typmod))
        node = ph.Values(tuple(columns), tuple([tuple(row) for row in done]))
        return Bound(node, columns, [c.name for c in columns])

    def set_operation(self, n.SetOperation node, Scope outer):
        """UNION, INTERSECT, EXCEPT."""
        cdef Scope scope = Scope(outer)
        parts = self.operands(node, scope)
        width = len(parts[0].columns)
        for part in parts:
            if len(part.columns) != width:
                raise error("42601", f"each {node.op.upper()} query must have the same number of "
                            "columns", node.pos)
        plans = [[] for _ in parts]
        columns = []
        for place in range(width):
            given = [(<Column> part.columns[place]).type for part in parts]
            type_ = common_type(given)
            if type_ is None:
                first, other = given[0], [g for g in given if g.category != given[0].category][0]
                raise error("42804", f"{node.op.upper()} types {title(first)} and {title(other)} "
                            "cannot be matched", node.pos)
            typmods = {(<Column> part.columns[place]).typmod for part in parts}
            for items, part in zip(plans, parts):
                if (<Column> part.columns[place]).type is _UNKNOWN:
                    self.retype(part, place, type_)
                items.append(self.need(part.columns[place], type_, -1, node.pos))
            if node.op != "union" or not node.all:
                if equality(type_) is None:
                    raise error("42883", "could not identify an equality operator for type "
                                f"{title(type_)}", node.pos)
            columns.append(self.column(parts[0].names[place], type_,
                                       typmods.pop() if len(typmods) == 1 else -1))
        plans = [self.projected(part, items) for part, items in zip(parts, plans)]
        if node.op == "union":
            plan = ph.Append(tuple(columns), tuple(plans))
            if not node.all:
                plan = ph.Distinct((), plan, None)
        else:
            plan = ph.SetOp(tuple(columns), node.op, node.all, plans[0], plans[1])
        return self.finish(Bound(plan, columns, list(parts[0].names)), node, scope)

    def operands(self, n.SetOperation node, Scope scope):
        """The bound inputs; a chain of one kind of UNION becomes one list."""
        chain = []
        while True:
            chain.append(self.query(node.right, scope))
            left = node.left
            if not (node.op == "union" and type(left) is n.SetOperation and left.op == "union"
                    and left.all == node.all and left.with_ is None and not left.order_by
                    and left.limit is None and left.offset is None):
                break
            node = left
        chain.append(self.query(left, scope))
        chain.reverse()
        return chain

    def finish(self, bound, node, Scope scope):
        """ORDER BY, LIMIT and OFFSET of VALUES and set operations."""
        plan = bound.node
        keys = []
        if node.order_by:
            for key in node.order_by:
                keys.append(self.sort_key(key, self.output_key(key, bound)))
            plan = ph.Sort((), plan, tuple(keys), None, None)
        if node.locking:
            raise error("0A000", f"FOR {node.locking[0].strength.upper()} is not allowed with "
                        "UNION/INTERSECT/EXCEPT", node.pos)
        bound.node = self.limited(plan, node, keys, scope)
        return bound

    def output_key(self, n.SortKey key, bound):
        """A sort key that must be an output column: by name or position."""
        place = self.position(key.expr, len(bound.columns), "ORDER BY")
        if place is not None:
            self.settle_columns(bound)
            return bound.columns[place]
        if type(key.expr) is n.ColumnRef and len(key.expr.parts) == 1:
            if key.expr.parts[0] in bound.names:
                self.settle_columns(bound)
                return bound.columns[bound.names.index(key.expr.parts[0])]
            raise error("42703", f'column "{key.expr.parts[0]}" does not exist', key.pos)
        raise error("0A000", "invalid UNION/INTERSECT/EXCEPT ORDER BY clause", key.pos,
                    "Only result column names can be used, not expressions or functions.")

    def position(self, node, int count, str clause):
        """The place meant by an integer constant in ORDER BY or GROUP BY, or None."""
        if type(node) is not n.Literal:
            return None
        if (<n.Literal> node).kind != "integer":
            if (<n.Literal> node).kind == "null":
                return None
            raise error("42601", f"non-integer constant in {clause}", node.pos)
        place = (<n.Literal> node).value
        if not 1 <= place <= count:
            raise error("42P10", f"{clause} position {place} is not in select list", node.pos)
        return place - 1

    def limited(self, plan, node, keys, Scope scope):
        """LIMIT and OFFSET on top of a plan."""
        if node.limit is None and node.offset is None:
            return plan
        level, self.level = self.level, None
        bounds = []
        for clause, e in (("LIMIT", node.limit), ("OFFSET", node.offset)):
            if e is None:
                bounds.append(None)
                continue
            e = self.bind(e, Scope(scope.parent))
            found = self.coerce(e, INT8, -1, ASSIGNMENT, node.pos)
            if found is None:
                raise error("42804", f"argument of {clause} must be type bigint, not type "
                            f"{title(e.type)}", node.pos)
            bounds.append(found)
        self.level = level
        if type(bounds[0]) is Const and (<Const> bounds[0]).value is None:
            bounds[0] = None
        ties = None
        if node.with_ties:
            if not keys:
                raise error("42601", "WITH TIES cannot be specified without ORDER BY clause",
                            node.pos)
            ties = tuple(keys)
        return ph.Limit((), plan, bounds[0], bounds[1], ties)

    # ------------------------------------------------------------------ SELECT

    def select(self, n.Select node, Scope outer):
        """SELECT ... in all its clauses."""
        cdef Scope scope = Scope(outer)
        cdef n.Target target
        cdef list names = [], items = []
        cdef bint grouped
        if node.into is not None:
            raise error("0A000", "SELECT INTO is only allowed at the top of a statement", node.pos)
        plan = self.from_clause(node.from_, scope)
        self.level = level = Level()
        if node.windows:
            level.named = {w.name: w for w in node.windows}
        if node.where is not None:
            level.no_aggregates = level.no_windows = level.no_sets = "WHERE"
            plan = ph.Filter((), plan, conjuncts(self.condition(node.where, scope, "WHERE")))
            level.no_aggregates = level.no_windows = level.no_sets = None
        for target in node.targets:
            if type(target.expr) is n.Star:
                self.expand_star(<n.Star> target.expr, scope, items, names)
            elif type(target.expr) is n.FieldSelect and target.expr.name == "*":
                self.expand_record(target.expr, scope, items, names)
            else:
                items.append(self.bind(target.expr, scope))
                names.append(target.name or label_of(target.expr))
        # Windows see only what grouping leaves; both are known once everything is bound.
        level.no_sets = "GROUP BY" if node.group_by else None
        keys, sets = self.group_keys(node, scope, items, names)
        level.no_sets = None
        having = None
        if node.having is not None:
            level.no_windows = level.no_sets = "HAVING"
            having = self.condition(node.having, scope, "HAVING")
            level.no_windows = level.no_sets = None
        order = []
        if node.order_by or node.distinct_on:
            order = self.order_keys(node, scope, items, names)
        distinct_on = None
        if node.distinct_on:
            distinct_on = [self.target_or_input(e, scope, items, names, "DISTINCT ON")
                           for e in node.distinct_on]
        grouped = bool(level.aggregates or keys or sets or having is not None or level.grouping)
        if grouped:
            plan, replace = self.aggregated(plan, level, keys, sets, node)
            items = [replace(e) for e in items]
            order = [ph.SortKey(replace(k.expr), k.descending, k.nulls_first) for k in order]
            if distinct_on is not None:
                distinct_on = [replace(e) for e in distinct_on]
            if having is not None:
                plan = ph.Filter((), plan, conjuncts(replace(having)))
            level.windows = [
                (with_children(call, tuple([replace(e) for e in children(call)])), column,
                 (tuple([replace(e) for e in spec[0]]),
                  tuple([ph.SortKey(replace(k.expr), k.descending, k.nulls_first)
                         for k in spec[1]]), spec[2]))
                for call, column, spec in level.windows]
            level.sets = [(with_children(call, tuple([replace(e) for e in children(call)])), column)
                          for call, column in level.sets]
        if level.windows:
            plan = self.windowed(plan, level.windows)
        if level.sets:
            carried = output_needed(plan, items, order, distinct_on)
            columns = tuple([c for _, c in level.sets])
            plan = ph.ProjectSet(carried + columns, plan,
                                 carried + tuple([call for call, _ in level.sets]))
        return self.projection(node, plan, items, names, order, distinct_on, scope)

    def expand_star(self, n.Star star, Scope scope, list items, list names):
        """Add the columns of `*` or `t.*` to the targets."""
        cdef Item item
        if not star.parts:
            if not scope.items:
                raise error("42601", "SELECT * with no tables specified is not valid", star.pos)
            for item in scope.items:
                for place in range(len(item.names)):
                    if item.hidden is None or place not in item.hidden:
                        items.append(item.column(place))
                        names.append(item.names[place])
            return
        name = star.parts[len(star.parts) - 1]
        item = scope.table(name, star.parts[len(star.parts) - 2] if len(star.parts) > 1 else None)
        if item is None:
            raise self.missing_table(name, scope, star.pos)
        for place in range(len(item.names)):
            items.append(item.column(place))
            names.append(item.names[place])

    def expand_record(self, n.FieldSelect node, Scope scope, list items, list names):
        """Add the fields of (record).* to the targets."""
        from query_planner.expr import Field
        arg = self.bind(node.arg, scope)
        fields_ = self.record_fields(arg)
        if fields_ is None:
            raise error("42809", f"type {title(arg.type)} is not composite", node.pos)
        for place, (name, type_, typmod) in enumerate(fields_):
            items.append(Field(arg=arg, index=place, name=name, type=type_, typmod=typmod))
            names.append(name)

    def target_or_input(self, node, Scope scope, list items, list names, str clause):
        """An ORDER BY or DISTINCT ON expression: a target by position or name, or any expression."""
        place = self.position(node, len(items), clause)
        if place is None and type(node) is n.ColumnRef and len(node.parts) == 1:
            name = node.parts[0]
            found = [i for i, label in enumerate(names) if label == name]
            if found:
                first = items[found[0]]
                if any([key_of(items[i]) != key_of(first) for i in found[1:]]):
                    raise error("42702", f'{clause} "{name}" is ambiguous', node.pos)
                place = found[0]
        if place is not None:
            items[place] = self.settle(items[place])
            return items[place]
        return self.value(node, scope)

    def order_keys(self, n.Select node, Scope scope, list items, list names):
        """ORDER BY as SortKeys over the same columns as the targets."""
        return [self.sort_key(key, self.target_or_input((<n.SortKey> key).expr, scope, items,
                                                        names, "ORDER BY"))
                for key in node.order_by or ()]

    def group_keys(self, n.Select node, Scope scope, list items, list names):
        """(keys, sets): bound GROUP BY expressions, and grouping sets as tuples of places or None."""
        cdef list keys = []
        cdef dict places = {}
        if not node.group_by:
            return keys, None
        level = self.level
        saved = level.no_aggregates, level.no_windows

        def key(e):
            level.no_aggregates = level.no_windows = "GROUP BY"
            place = self.position(e, len(items), "GROUP BY")
            found = None
            if place is None and type(e) is n.ColumnRef and len(e.parts) == 1:
                # An input column wins over an output name here.
                if scope_has(scope, e.parts[0]):
                    found = self.value(e, scope)
                elif e.parts[0] in names:
                    place = names.index(e.parts[0])
            if place is not None:
                found = items[place] = self.settle(items[place])
                for _, column in level.aggregates.values():
                    if mentions_column(found, column):
                        raise error("42803", "aggregate functions are not allowed in GROUP BY",
                                    e.pos)
            if found is None:
                found = self.value(e, scope)
            level.no_aggregates, level.no_windows = saved
            if equality(found.type) is None:
                raise error("42883", "could not identify an equality operator for type "
                            f"{title(found.type)}", e.pos)
            identity = key_of(found)
            if identity not in places:
                places[identity] = len(keys)
                keys.append(found)
            return places[identity]

        def one(e):
            return tuple([key(x) for x in e.items]) if type(e) is n.Row else (key(e),)

        def expand(e):
            """The grouping sets of one GROUP BY item."""
            if type(e) is not n.GroupingSets:
                return [one(e)]
            if e.kind == "set":
                return [()]
            if e.kind == "sets":
                return [s for x in e.sets for s in expand(x)]
            parts = [one(x) for x in e.sets]
            if e.kind == "rollup":
                return [sum(parts[:i], ()) for i in range(len(parts), -1, -1)]
            return [sum([p for i, p in enumerate(parts) if mask >> i & 1], ())
                    for mask in range((1 << len(parts)) - 1, -1, -1)]

        plain = all([type(e) is not n.GroupingSets for e in node.group_by])
        sets = [()]
        for item in node.group_by:
            sets = [a + b for a in sets for b in expand(item)]
            if len(sets) > 4096:
                raise error("54001", "too many grouping sets present (maximum 4096)", node.pos)
        if plain or sets == [tuple(range(len(keys)))]:
            return keys, None
        sets = [tuple(dict.fromkeys(s)) for s in sets]
        if node.group_distinct:
            sets = list(dict.fromkeys([tuple(sorted(s)) for s in sets]))
        return keys, tuple(sets)

    def aggregated(self, plan, level, list keys, sets, node):
        """(plan with an Aggregate, function that rewrites expressions to stand above it)."""
        columns = []
        for key in keys:
            if type(key) is Column and sets is None:
                columns.append(key)
            else:
                columns.append(self.column((<Column> key).name if type(key) is Column else "key",
                                           (<Expr> key).type, (<Expr> key).typmod))
        known = {key_of(key): column for key, column in zip(keys, columns)}
        aggregates = [pair[0] for pair in level.aggregates.values()]
        outputs = [pair[1] for pair in level.aggregates.values()]
        for args, column, pos in level.grouping:
            places = []
            for arg in args:
                if key_of(arg) not in known:
                    raise error("42803", "arguments to GROUPING must be grouping expressions of "
                                "the associated query level", pos)
                places.append([key_of(key) for key in keys].index(key_of(arg)))
            aggregates.append(Grouping(keys=tuple(places), type=INT4))
            outputs.append(column)
        inputs = {column.id: column for column in output(plan)}
        made = {column.id for column in outputs}
        made.update([column.id for column in columns])
        grouping = Regrouping(self, known, inputs, made, keys, columns, sets)
        aggregate = ph.Aggregate((), plan, tuple(keys), tuple(aggregates), sets, "")
        aggregate.columns = tuple(columns + outputs)
        grouping.aggregate = aggregate
        grouping.level = level
        return aggregate, grouping.replace

    def windowed(self, plan, windows):
        """One WindowAgg for each different window, over its Sort."""
        groups = {}
        for call, column, spec in windows:
            partition, order, frame = spec
            identity = (tuple([key_of(e) for e in partition]),
                        tuple([(key_of(k.expr), k.descending, k.nulls_first) for k in order]),
                        tuple([key_of(x) if isinstance(x, Expr) else x for x in frame]))
            groups.setdefault(identity, (spec, []))[1].append((call, column))
        for (partition, order, frame), calls in groups.values():
            keys = tuple([ph.SortKey(e) for e in partition]) + order
            if keys:
                plan = ph.Sort((), plan, keys, None, None)
            plan = ph.WindowAgg(tuple([column for _, column in calls]), plan,
                                tuple([call for call, _ in calls]), partition, order, frame)
        return plan

    def projection(self, n.Select node, plan, list items, list names, list order, distinct_on,
                   Scope scope):
        """Project, DISTINCT, Sort, Limit, locks."""
        cdef list columns = [], extra = [], extra_columns = []
        cdef Expr item
        cdef Column column
        known = {}
        for item, name in zip(items, names):
            if type(item) is Column:
                column = <Column> item
            else:
                column = self.column(name, item.type, item.typmod)
            columns.append(column)
            if type(item) is not Column and item.type is not _UNKNOWN:
                known.setdefault(key_of(item), column)
            else:
                known.setdefault(key_of(item), column)
        if node.distinct and not node.distinct_on:
            for item in items:
                if item.type is not _UNKNOWN and equality(item.type) is None:
                    raise error("42883", "could not identify an equality operator for type "
                                f"{title(item.type)}", node.pos)

        def placed(Expr e):
            """The output (or hidden extra) Column that holds a sort expression."""
            identity = key_of(e)
            found = known.get(identity)
            if found is None:
                if node.distinct and distinct_on is None:
                    raise error("42P10", "for SELECT DISTINCT, ORDER BY expressions must appear "
                                "in select list", node.order_by[0].pos)
                found = e if type(e) is Column else self.column("key", e.type, e.typmod)
                known[identity] = found
                extra.append(e)
                extra_columns.append(found)
            return found

        keys = [ph.SortKey(placed(k.expr), k.descending, k.nulls_first) for k in order]
        on = None
        if distinct_on is not None:
            on = [placed(e) for e in distinct_on]
            leading = {k.expr.id for k in keys[:len(on)]}
            if keys and not leading.issuperset({c.id for c in on[:len(leading)]}) or (
                    keys and len(keys) < len(on) and not {c.id for c in on}.issuperset(leading)):
                raise error("42P10", "SELECT DISTINCT ON expressions must match initial ORDER BY "
                            "expressions", node.pos)
            missing = [c for c in on if c.id not in {k.expr.id for k in keys}]
            keys = keys[:len(on) - len(missing)] + [ph.SortKey(c) for c in missing] + \
                keys[len(on) - len(missing):]
        locks = None
        if node.locking:
            locks = self.locks(node, plan, scope)
            tids = [lock[1] for lock in locks]
            have = {c.id for c in columns + extra_columns}
            for tid in tids:
                if tid.id not in have:
                    extra.append(tid)
                    extra_columns.append(tid)
        whole = tuple(columns + extra_columns)
        project = ph.Project(whole, plan, tuple(items + extra))
        bound = Bound(project, columns, names)
        plan = project
        if node.distinct and on is None:
            self.settle_columns(bound)
            plan = ph.Distinct((), plan, None)
        if keys:
            plan = ph.Sort((), plan, tuple(keys), None, None)
        if on is not None:
            plan = ph.Distinct((), plan, tuple(on))
        if locks is not None and node.limit is None:
            plan = ph.LockRows((), plan, locks)
        plan = self.limited(plan, node, keys, scope)
        if locks is not None and node.limit is not None:
            plan.child = ph.LockRows((), plan.child, locks)
        if extra:
            self.settle_columns(bound)
            plan = ph.Project(tuple(columns), plan, tuple(columns))
        bound.node = plan
        return bound

    def locks(self, n.Select node, plan, Scope scope):
        """(relation, tid Column, strength, wait) for each locked table."""
        cdef Item item
        found = []
        for lock in node.locking:
            names = set(lock.tables or ())
            for item in scope.items:
                if lock.tables and item.name not in names:
                    continue
                names.discard(item.name)
                if item.relation is None or item.relation.kind not in "rm":
                    continue
                found.append((item.relation, item.system_column("ctid"), lock.strength, lock.wait))
            if names:
                raise error("42P01", f'relation "{names.pop()}" in FOR '
                            f"{lock.strength.upper()} clause not found in FROM clause", lock.pos)
        if node.group_by or node.distinct or node.having is not None or self.level.aggregates:
            what = "GROUP BY" if node.group_by else "DISTINCT" if node.distinct else \
                "aggregate functions"
            raise error("0A000", f"FOR {node.locking[0].strength.upper()} is not allowed with "
                        f"{what} clause", node.pos)
        return tuple(found)


cdef bint scope_has(Scope scope, str name):
    cdef Item item
    for item in scope.items:
        if name in item.places:
            return True
    return False


def mentions_column(Expr e, Column column):
    """Whether an expression refers to a column."""
    if type(e) is Column:
        return (<Column> e).id == column.id
    for child in children(e):
        if mentions_column(child, column):
            return True
    return False


def output_needed(plan, items, order, distinct_on):
    """The columns below that expressions above a ProjectSet still need, in a stable order."""
    needed = set()
    for e in items:
        needed |= columns_of(e)
    for key in order:
        needed |= columns_of(key.expr)
    for e in distinct_on or ():
        needed |= columns_of(e)
    return tuple([c for c in output(plan) if c.id in needed])
