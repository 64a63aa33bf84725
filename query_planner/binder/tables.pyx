"""FROM and WITH: tables, views, subqueries, functions, joins and CTEs to plans and their names."""

from query_planner.ast cimport nodes as n
from query_planner.binder.scope cimport Item, Scope
from query_planner.expr cimport Coalesce, Column, conjuncts

from query_planner import physical as ph
from query_planner.algebra import Get, Join
from query_planner.binder.calls import Level
from query_planner.binder.conversions import error
from query_planner.binder.expressions import ExpressionBinder
from query_planner.binder.syntax import calls_volatile, count_tables, mentions
from query_planner.functions import common_type
from query_planner.types import IMPLICIT, INT8, RECORD, title


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


class TableBinder(ExpressionBinder):
    """Binds FROM and WITH; the query binder inherits from it."""

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
            if node.recursive and not changes and mentions(cte.query, cte.name):
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
            entry.inline = count <= 1 and not calls_volatile(entry.node.query)
        return scope, ctes

    def mentions_in_body(self, str name, list ctes):
        """How often the statement at hand names a CTE (an upper bound: shadowing is ignored)."""
        return count_tables(self.body, name)

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
        if mentions(union.left, name):
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
