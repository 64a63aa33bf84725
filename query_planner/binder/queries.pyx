"""Queries to logical plans: FROM, WHERE, GROUP BY, windows, DISTINCT, ORDER BY, set operations, WITH.

`query(node, scope)` gives a `Bound`: plan, columns, names.  The plan of a SELECT is built in the order
SQL gives its clauses meaning:

    FROM -> WHERE -> Aggregate -> HAVING -> windows -> set-returning functions -> Project
         -> DISTINCT -> Sort -> Limit -> FOR UPDATE

Expressions are bound once, over the columns of FROM; what an Aggregate computes stands in them as its
Columns (see calls.pyx), and `_Grouping` then replaces the GROUP BY expressions and finds columns
that are neither.
"""

from query_planner.ast cimport nodes as n
from query_planner.binder.calls import Level
from query_planner.binder.scope cimport Item, Scope
from query_planner.expr cimport (
    Coalesce, Column, Const, Expr, Grouping, Param, Subquery, children,
    conjuncts, key_of, with_children,
)

from query_planner import physical as ph
from query_planner.algebra import Get, Join, output, rename
from query_planner.ast import fields
from query_planner.binder.conversions import error
from query_planner.binder.expressions import ExpressionBinder
from query_planner.functions import common_type, equality
from query_planner.types import (
    ASSIGNMENT, IMPLICIT, INT4, INT8, RECORD, TEXT, UNKNOWN, title,
)

cdef object _UNKNOWN = UNKNOWN


cdef class Bound:
    """A bound query: its plan, output columns and their names."""

    cdef public object node
    cdef public list columns
    cdef public list names

    def __init__(self, node, list columns, list names):
        self.node = node
        self.columns = columns
        self.names = names


class Cte:
    """A CTE in reach: its syntax, where it was written, and its plan once one is made."""

    def __init__(self, node, scope, number):
        self.node = node
        self.scope = scope
        self.number = number
        self.bound = None
        self.working = None    # while binding the step of a recursive one: its Bound
        self.recursive = False
        self.inline = False
        self.used = False


class QueryBinder(ExpressionBinder):
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

    # ------------------------------------------------------------------ WITH

    def with_clause(self, n.With node, Scope outer):
        """A scope that knows the CTEs, and the list of them."""
        cdef Scope scope = Scope(outer, None, {})
        ctes = []
        for cte in node.ctes:
            if (<n.Cte> cte).name in scope.ctes:
                raise error("42712", f'WITH query name "{cte.name}" specified more than once',
                            cte.pos)
            entry = Cte(cte, scope if node.recursive else Scope(outer, None, dict(scope.ctes)),
                        next(self.cte_numbering))
            changes = isinstance(cte.query, (n.Insert, n.Update, n.Delete))
            if node.recursive and not changes and _mentions(cte.query, cte.name):
                entry.recursive = True
            elif not changes and cte.materialized is not True:
                entry.inline = cte.materialized is False
            entry.changes = changes
            scope.ctes[cte.name] = entry
            ctes.append(entry)
        # A query used once runs in place, unless it must run exactly as written.
        for entry in ctes:
            if entry.recursive or entry.changes or entry.node.materialized is not None:
                continue
            count = self.mentions_in_body(entry.node.name, ctes)
            entry.inline = count <= 1 and not _volatile_syntax(entry.node.query)
        return scope, ctes

    def mentions_in_body(self, str name, list ctes):
        """How often the statement at hand names a CTE (an upper bound: shadowing is ignored)."""
        total = _count(self.body, name)
        return total

    def attach(self, list ctes, node):
        """The plan with the CTEs that are computed apart around it."""
        made = []
        for entry in ctes:
            if entry.inline or entry.bound is None and not entry.changes:
                if not entry.inline and entry.bound is None:
                    # Unused, but its mistakes are mistakes.
                    self.cte_plan(entry)
                continue
            if entry.bound is None:
                self.cte_plan(entry)
            made.append((entry.number, entry.node.name, entry.bound.node))
        if not made:
            return node
        return ph.With((), tuple(made), node)

    def cte_plan(self, entry):
        """Bind a CTE that is computed apart."""
        if entry.bound is not None:
            return entry.bound
        saved, self.level = self.level, None
        if entry.recursive:
            entry.bound = self.recursive(entry)
        else:
            bound = self.query(entry.node.query, entry.scope)
            self.settle_columns(bound)
            entry.bound = Bound(bound.node, bound.columns,
                                self.renamed(entry.node.name, bound.names, entry.node.columns,
                                             entry.node.pos))
        self.level = saved
        return entry.bound

    def recursive(self, entry):
        """base UNION [ALL] step."""
        cdef n.SetOperation union
        query = entry.node.query
        name = entry.node.name
        if type(query) is not n.SetOperation or query.op != "union":
            raise error("42P19", f'recursive query "{name}" does not have the form '
                        "non-recursive-term UNION [ALL] recursive-term", entry.node.pos)
        union = query
        if union.order_by or union.limit is not None or union.offset is not None:
            raise error("0A000", "ORDER BY and LIMIT in a recursive query are not implemented",
                        union.pos)
        scope = entry.scope
        inner = None
        if union.with_ is not None:
            scope, inner = self.with_clause(union.with_, scope)
        if _mentions(union.left, name):
            raise error("42P19", f'recursive reference to query "{name}" must not appear within '
                        "its non-recursive term", entry.node.pos)
        base = self.query(union.left, scope)
        self.settle_columns(base)
        names = self.renamed(name, base.names, entry.node.columns, entry.node.pos)
        columns = [self.column(label, (<Column> c).type, (<Column> c).typmod)
                   for label, c in zip(names, base.columns)]
        entry.working = Bound(None, columns, names)
        step = self.query(union.right, scope)
        self.settle_columns(step, [(<Column> c).type for c in columns])
        entry.working = None
        if len(step.columns) != len(columns):
            raise error("42601", "each UNION query must have the same number of columns",
                        union.pos)
        items = []
        for place, (column, want) in enumerate(zip(step.columns, columns)):
            found = self.coerce(column, (<Column> want).type, -1, IMPLICIT)
            if found is None or (common_type([(<Column> want).type, (<Column> column).type])
                                 is not (<Column> want).type):
                raise error(
                    "42804", f'recursive query "{name}" column {place + 1} has type '
                    f"{title(want.type)} in non-recursive term but type {title(column.type)} "
                    "overall", union.pos, None, "Cast the output of the non-recursive term to "
                    "the correct type.")
            items.append(found)
        node = ph.RecursiveUnion(tuple(columns), base.node, self.projected(step, items),
                                 entry.number, union.all)
        if inner is not None:
            node = self.attach(inner, node)
        return Bound(node, columns, names)

    def cte_item(self, entry, n.TableRef node):
        """(plan, Item) of a reference to a CTE."""
        alias = node.alias or node.name[len(node.name) - 1]
        entry.used = True
        if entry.working is not None:
            kind, bound = ph.WorkTableScan, entry.working
        elif entry.inline:
            saved, self.level = self.level, None
            bound = self.query(entry.node.query, entry.scope)
            self.level = saved
            self.settle_columns(bound)
            names = self.renamed(entry.node.name, bound.names, entry.node.columns, entry.node.pos)
            return bound.node, Item(alias, self.renamed(alias, names, node.column_aliases,
                                                        node.pos), bound.columns)
        else:
            if entry.recursive and entry.bound is None and self.binding == entry.number:
                raise error("42P19", "mutual recursion between WITH items is not implemented",
                            node.pos)
            kind, bound = ph.CteScan, self.cte_plan(entry)
        columns = [self.column(label, (<Column> c).type, (<Column> c).typmod)
                   for label, c in zip(bound.names, bound.columns)]
        plan = kind(tuple(columns), entry.number, alias, tuple(range(len(columns))))
        names = self.renamed(alias, bound.names, node.column_aliases, node.pos)
        return plan, Item(alias, names, columns)

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

    # ------------------------------------------------------------------ FROM

    def from_clause(self, from_, Scope scope):
        """The plan of all FROM items; their names go into `scope`."""
        plan = None
        aliases = {}
        for node in from_:
            right, items = self.from_item(node, scope)
            for item in items:
                if item.name is not None:
                    if item.name in aliases and (item.relation is None or
                                                 aliases[item.name].relation is not item.relation
                                                 or item.schema == aliases[item.name].schema):
                        raise error("42712", f'table name "{item.name}" specified more than once',
                                    node.pos)
                    aliases[item.name] = item
            scope.items.extend(items)
            plan = right if plan is None else Join((), "inner", plan, right, [])
        return ph.Result(()) if plan is None else plan

    def from_item(self, node, Scope scope):
        """(plan, [Item]) of one FROM item; `scope` holds what LATERAL may see."""
        if type(node) is n.TableRef:
            return self.table(node, scope)
        if type(node) is n.Join:
            return self.join(node, scope)
        if type(node) is n.SubqueryRef:
            inner = scope if node.lateral else Scope(scope.parent, None, scope.ctes)
            bound = self.query(node.query, inner)
            self.settle_columns(bound)
            names = self.renamed(node.alias, bound.names, node.column_aliases, node.pos)
            return bound.node, [Item(node.alias, names, bound.columns)]
        return self.function_item(node, scope)

    def renamed(self, alias, names, aliases, pos):
        """Column names with an alias list applied to the first of them."""
        if not aliases:
            return list(names)
        if len(aliases) > len(names):
            raise error("42P10", f'table "{alias}" has {len(names)} columns available but '
                        f"{len(aliases)} columns specified", pos)
        return list(aliases) + list(names[len(aliases):])

    def relation(self, tuple path, Py_ssize_t pos):
        """The relation a name means; an error where there is none."""
        cdef str name = path[len(path) - 1]
        schema = path[len(path) - 2] if len(path) > 1 else None
        found = self.catalog.relation(schema, name)
        if found is None:
            if schema is not None and not self.catalog.has_schema(schema):
                raise error("42P01" if len(path) == 2 else "0A000",
                            f'relation "{".".join(path)}" does not exist', pos)
            raise error("42P01", f'relation "{".".join(path)}" does not exist', pos)
        self.relations[found.oid] = found
        return found

    def table(self, n.TableRef node, Scope scope):
        """A table, view or CTE."""
        cdef str name = node.name[len(node.name) - 1]
        if len(node.name) == 1:
            entry = scope.cte(name)
            if entry is not None:
                plan, item = self.cte_item(entry, node)
                return plan, [item]
        relation = self.relation(node.name, node.pos)
        if relation.kind == "v":
            return self.view(relation, node)
        if relation.kind in "iIc":
            what = "an index" if relation.kind in "iI" else "a composite type"
            raise error("42809", f'"{name}" is {what}', node.pos)
        plan, item = self.get(relation, node.alias or name, node.column_aliases, node.pos)
        if node.alias is None:
            item.schema = relation.schema
        return plan, [item]

    def get(self, relation, str alias, aliases=None, pos=-1):
        """A Get and its Item."""
        get = Get([], relation, alias, [], None)
        if aliases:
            names = self.renamed(alias, [c.name for c in relation.columns], aliases, pos)
            places = None
        else:
            names = [c.name for c in relation.columns]
            places = relation.places
        return get, Item(alias, names, [None] * len(names), relation, get, self.numbering,
                         None, places)

    def view(self, relation, n.TableRef node):
        """A view: its query, bound with its own names in reach only."""
        from query_planner.parser import parse
        if self.views > 60:
            raise error("42P17", "infinite recursion detected in rules for relation "
                        f'"{relation.name}"', node.pos)
        self.views += 1
        query = parse(relation.definition)[0]
        saved = self.body, self.catalog, self.positions
        self.body, self.positions = query, {}
        if relation.path is not None and hasattr(self.catalog, "under"):
            self.catalog = self.catalog.under(relation.path)
        bound = self.query(query, None)
        self.body, self.catalog, self.positions = saved
        self.views -= 1
        self.settle_columns(bound)
        items = [self.need(c, want.type, -1, node.pos, "e") if c.type is not want.type else c
                 for c, want in zip(bound.columns, relation.columns)]
        plan = self.projected(bound, items)
        alias = node.alias or relation.name
        names = self.renamed(alias, [c.name for c in relation.columns], node.column_aliases,
                             node.pos)
        return plan, [Item(alias, names, bound.columns, relation=None)]

    def function_item(self, n.FunctionRef node, Scope scope):
        """Functions in FROM; their arguments may refer to items before them."""
        saved, self.level = self.level, Level()
        self.level.no_aggregates = self.level.no_windows = "functions in FROM"
        self.level.no_sets = "from"
        calls, counts, columns, names = [], [], [], []
        alias = node.alias
        for call in self.side_by_side(node):
            e = self.value(call, scope)
            if type(call) is n.FuncCall:
                label = call.name[len(call.name) - 1]
            elif type(call) is n.ValueFunction:
                label = call.name
            else:
                label = "coalesce"
            alias = alias or label
            if node.column_types:
                fields_ = []
                for name, type_node in zip(node.column_aliases, node.column_types):
                    type_, typmod = self.resolve_type(type_node)
                    fields_.append((name, type_, typmod))
            else:
                fields_ = self.record_fields(e)
                if fields_ is None and e.type is RECORD:
                    raise error("42601", "a column definition list is required for functions "
                                'returning "record"', node.pos)
            if fields_ is None:
                single = label if len(node.calls) > 1 or node.alias is None else node.alias
                fields_ = ((single, e.type, e.typmod),)
            calls.append(e)
            counts.append(len(fields_))
            for name, type_, typmod in fields_:
                names.append(name)
                columns.append(self.column(name, type_, typmod))
        self.level = saved
        if node.ordinality:
            names.append("ordinality")
            columns.append(self.column("ordinality", INT8))
        if not node.column_types:
            names = self.renamed(alias, names, node.column_aliases, node.pos)
        plan = ph.FunctionScan(tuple(columns), tuple(calls), tuple(counts), node.ordinality, alias)
        return plan, [Item(alias, names, columns)]

    def side_by_side(self, n.FunctionRef node):
        """The calls of a FROM item: unnest of several arrays is several unnests."""
        found = []
        for call in node.calls:
            if type(call) is n.FuncCall and call.name[len(call.name) - 1] == "unnest" \
                    and len(call.args) > 1:
                found.extend([n.FuncCall(name=call.name, args=(arg,), pos=call.pos)
                              for arg in call.args])
            else:
                found.append(call)
        return found

    def join(self, n.Join node, Scope scope):
        """left JOIN right: chains to the left are walked in a loop, they may be long."""
        chain = []
        current = node
        while type(current) is n.Join:
            chain.append(current)
            if (<n.Join> current).alias is not None and current is not node:
                chain.pop()
                break
            current = (<n.Join> current).left
        if type(current) is n.Join:
            plan, items = self.join(current, scope)
        else:
            plan, items = self.from_item(current, scope)
        for step in reversed(chain):
            plan, items = self.join_step(step, plan, items, scope)
        return plan, items

    def join_step(self, n.Join node, left, list left_items, Scope scope):
        """One JOIN onto a bound left side."""
        cdef Scope inner = Scope(scope.parent, scope.items + left_items, scope.ctes)
        right, right_items = self.from_item(node.right, inner)
        names = {item.name for item in left_items if item.name is not None}
        for item in right_items:
            if item.name in names:
                raise error("42712", f'table name "{item.name}" specified more than once', node.pos)
        both = left_items + right_items
        condition = []
        if node.natural or node.using:
            condition, both = self.merge(node, left_items, right_items)
        elif node.on is not None:
            saved, self.level = self.level, Level()
            self.level.no_aggregates = self.level.no_windows = "JOIN conditions"
            self.level.no_sets = "JOIN conditions"
            found = self.condition(node.on, Scope(scope.parent, both, scope.ctes), "JOIN/ON")
            condition = conjuncts(found)
            self.level = saved
        kind = "inner" if node.kind == "cross" else node.kind
        plan = Join((), kind, left, right, condition)
        if kind == "right":
            plan = Join((), "left", right, left, condition)
        if node.alias is not None:
            columns, labels = [], []
            for item in both:
                for place in range(len(item.names)):
                    if item.hidden is None or place not in item.hidden:
                        columns.append(item.column(place))
                        labels.append(item.names[place])
            both = [Item(node.alias, labels, columns)]
        return plan, both

    def merge(self, n.Join node, left_items, right_items):
        """(condition, items) of USING or NATURAL: merged columns come first, once."""
        left_scope, right_scope = Scope(None, left_items), Scope(None, right_items)
        if node.natural:
            seen = [item.names[place] for item in right_items for place in range(len(item.names))
                    if item.hidden is None or place not in item.hidden]
            names = [item.names[place] for item in left_items for place in range(len(item.names))
                     if (item.hidden is None or place not in item.hidden)
                     and item.names[place] in seen]
        else:
            names = list(node.using)
        condition, merged = [], []
        for name in names:
            pair = []
            for scope, side in ((left_scope, "left"), (right_scope, "right")):
                found = scope.find(name, node.pos)
                if found is None:
                    raise error("42703", f'column "{name}" specified in USING clause does not '
                                f"exist in {side} table", node.pos)
                pair.append(found)
            condition.append(self.operate("=", pair[0], pair[1], node.pos))
            if node.kind == "full":
                done, type_, typmod = self.unify(pair, "JOIN/USING", node.pos)
                merged.append(Coalesce(args=tuple(done), type=type_, typmod=typmod))
            else:
                merged.append(pair[1] if node.kind == "right" else pair[0])
        for item in left_items + right_items:
            for name in names:
                place = item.places.get(name)
                if place is not None and place >= 0:
                    item.hidden = (item.hidden or set()) | {place}
        return condition, [Item(None, names, merged), *left_items, *right_items]

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
        grouping = _Grouping(self, known, inputs, made, keys, columns, sets)
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


cdef class _Grouping:
    """Rewrites expressions so that they stand above an Aggregate.

    known    key_of(GROUP BY expression) -> its Column
    inputs   columns below, by id          made   ids of columns the Aggregate makes
    """

    cdef public object binder
    cdef public dict known
    cdef public dict inputs
    cdef public set made
    cdef public list keys
    cdef public list columns
    cdef public object sets
    cdef public object aggregate
    cdef public object level

    def __init__(self, binder, known, inputs, made, keys, columns, sets):
        self.binder = binder
        self.known = known
        self.inputs = inputs
        self.made = made
        self.keys = keys
        self.columns = columns
        self.sets = sets

    def replace(self, Expr e):
        """e over the Aggregate's columns."""
        found = self.known.get(key_of(e))
        if found is not None:
            return found
        if type(e) is Column:
            return self.column(<Column> e)
        if type(e) is Const or type(e) is Param:
            return e
        if type(e) is Subquery and (<Subquery> e).params:
            swap = {}
            for param in (<Subquery> e).params:
                new = self.replace(param)
                if new is not param:
                    swap[(<Column> param).id] = new
            if swap:
                e = Subquery(kind=e.kind, left=e.left, functions=e.functions, negated=e.negated,
                             plan=rename(e.plan, swap), type=e.type, typmod=e.typmod,
                             params=tuple([swap.get((<Column> c).id, c) for c in e.params]))
        parts = children(e)
        if not parts:
            return e
        return with_children(e, tuple([self.replace(part) for part in parts]))

    def column(self, Column column):
        """A bare column: fine if grouped, made above, from outside, or fixed by a grouped key."""
        if column.id in self.made or column.id not in self.inputs and not self.pending(column):
            return column
        if self.sets is None and self.depends(column):
            self.keys.append(column)
            self.columns.append(column)
            self.known[column.id] = column
            self.made.add(column.id)
            count = len(self.keys)
            aggregate = self.aggregate
            aggregate.keys = tuple(self.keys)
            aggregate.columns = (tuple(self.columns)
                                 + tuple(aggregate.columns)[count - 1:])
            return column
        table = self.table_of(column)
        shown = f"{table}.{column.name}" if table else column.name
        raise error("42803", f'column "{shown}" must appear in the GROUP BY clause or be used in '
                    "an aggregate function", self.binder.positions.get(column.id, -1))

    def pending(self, Column column):
        """Whether a column belongs to windows or set-returning functions of this level."""
        return False

    def gets(self, node):
        """All Gets below a plan."""
        if type(node) is Get:
            yield node
        for child in node.children():
            yield from self.gets(child)

    def table_of(self, Column column):
        """The alias of the table a column comes from."""
        for get in self.gets(self.aggregate.child):
            if any([c.id == column.id for c in get.columns]):
                return get.alias
        return None

    def depends(self, Column column):
        """Whether the table's whole primary key is grouped, so that the column is one value."""
        grouped = {(<Column> key).id for key in self.keys if type(key) is Column}
        for get in self.gets(self.aggregate.child):
            if not any([c.id == column.id for c in get.columns]):
                continue
            numbers = {number for c, number in zip(get.columns, get.numbers) if c.id in grouped}
            for index in get.relation.indexes:
                if index.primary and numbers.issuperset(index.columns):
                    return True
        return False


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
    from query_planner.expr import columns_of
    needed = set()
    for e in items:
        needed |= columns_of(e)
    for key in order:
        needed |= columns_of(key.expr)
    for e in distinct_on or ():
        needed |= columns_of(e)
    return tuple([c for c in output(plan) if c.id in needed])


cpdef str label_of(n.Node node):
    """The name PostgreSQL gives a result column that has none."""
    return _label(node)[0]


cdef tuple _label(n.Node node):
    """(name, strength): 2 for a name of its own, 1 for one made up from a type or CASE, 0 for none."""
    cdef tuple inner
    kind = type(node)
    if kind is n.ColumnRef:
        return (<n.ColumnRef> node).parts[len((<n.ColumnRef> node).parts) - 1], 2
    if kind is n.FuncCall:
        return (<n.FuncCall> node).name[len((<n.FuncCall> node).name) - 1], 2
    if kind is n.Cast:
        inner = _label((<n.Cast> node).arg)
        if inner[1] > 1:
            return inner
        name = (<n.Cast> node).type.name
        return name[len(name) - 1], 1
    if kind is n.Case:
        if (<n.Case> node).default is not None:
            inner = _label((<n.Case> node).default)
            if inner[1] > 1:
                return inner
        return "case", 1
    if kind is n.ValueFunction:
        return (<n.ValueFunction> node).name, 2
    if kind is n.FieldSelect:
        return (<n.FieldSelect> node).name, 2
    if kind is n.Subscript:
        return _label((<n.Subscript> node).arg)
    if kind is n.Collate:
        return _label((<n.Collate> node).arg)
    if kind is n.Exists:
        return "exists", 2
    if kind is n.Array or kind is n.ArrayQuery:
        return "array", 2
    if kind is n.Row:
        return "row", 2
    if kind is n.Literal and (<n.Literal> node).kind == "boolean":
        return "bool", 1
    if kind is n.ScalarQuery:
        query = (<n.ScalarQuery> node).query
        while type(query) is n.SetOperation:
            query = (<n.SetOperation> query).left
        if type(query) is n.Select and (<n.Select> query).targets:
            target = <n.Target> (<n.Select> query).targets[0]
            return (target.name, 2) if target.name is not None else _label(target.expr)
    return "?column?", 0


def _walk(node):
    """All syntax nodes of a tree."""
    yield node
    for name in fields(type(node)):
        value = getattr(node, name)
        if isinstance(value, n.Node):
            yield from _walk(value)
        elif type(value) is tuple:
            yield from _walk_tuple(value)


def _walk_tuple(values):
    for value in values:
        if isinstance(value, n.Node):
            yield from _walk(value)
        elif type(value) is tuple:
            yield from _walk_tuple(value)


def _count(node, str name):
    """How many TableRefs carry a bare name."""
    return sum([1 for found in _walk(node) if type(found) is n.TableRef and found.name == (name,)])


def _mentions(node, str name):
    return _count(node, name) > 0


def _volatile_syntax(node):
    """Whether a query calls a function that must not be run more or less often than written."""
    from query_planner.functions import lookup
    for found in _walk(node):
        if type(found) is n.FuncCall:
            if any([f.volatility == "v" for f in lookup(found.name[len(found.name) - 1])]):
                return True
        elif isinstance(found, n.Query) and found.locking:
            return True
    return False
