"""The grammar of queries: SELECT, VALUES, set operations, WITH, FROM.

Statements, and those that change data, are in changes.pyx.
"""

from query_planner.ast.nodes cimport (
    ColumnRef, Cte, FunctionRef, GroupingSets, Join, Literal, Locking, Node, Query, Select,
    SetOperation, Star, SubqueryRef, TableRef, Target, Values, Window, With,
)
from query_planner.parser.expressions cimport ExpressionParser
from query_planner.parser.lexer cimport END, OPERATOR, PUNCT, QUOTED, WORD

from query_planner.parser.keywords import NEEDS_AS

cdef frozenset _NEEDS_AS = NEEDS_AS
cdef frozenset _JOIN_WORDS = frozenset((
    "join", "inner", "left", "right", "full", "cross", "natural"))
cdef frozenset _TAIL_WORDS = frozenset(("order", "limit", "offset", "fetch", "for"))


cdef class QueryParser(ExpressionParser):

    # ------------------------------------------------------------------ queries

    cpdef Query query(self):
        """[WITH ..] query [ORDER BY ..] [LIMIT ..] [FOR UPDATE ..]"""
        cdef With with_ = None
        cdef Query found
        self.enter()
        if self.is_word("with"):
            with_ = self.with_clause()
        found = self.query_tail(self.set_expression(0))
        if with_ is not None:
            if found.with_ is not None:
                raise self.failure("42601", "multiple WITH clauses not allowed", with_.pos)
            found.with_ = with_
        self.depth -= 1
        return found

    cdef Query query_from(self, Query left):
        """Go on with a query whose first, parenthesised part has been read."""
        return self.query_tail(self.set_tail(left, 0))

    cdef With with_clause(self):
        cdef With node = With.__new__(With)
        cdef Cte cte
        cdef list ctes = []
        node.pos = self.here()
        self.advance()
        node.recursive = self.is_word("recursive") and self.take("recursive")
        while True:
            cte = Cte.__new__(Cte)
            cte.pos = self.here()
            cte.name = self.name()
            if self.is_punct("("):
                self.advance()
                cte.columns = self.names()
                self.need(")")
            self.need("as")
            if self.is_word("materialized"):
                self.advance()
                cte.materialized = True
            elif self.is_word("not"):
                self.advance()
                self.need("materialized")
                cte.materialized = False
            self.need("(")
            if self.kind == WORD and self.text in ("insert", "update", "delete"):
                cte.query = <Node> self.statement()
            else:
                cte.query = self.query()
            self.need(")")
            if self.kind == WORD and self.text in ("search", "cycle"):
                raise self.failure("0A000", f"{self.text.upper()} clause is not supported",
                                   self.here())
            ctes.append(cte)
            if not self.is_punct(","):
                break
            self.advance()
        node.ctes = tuple(ctes)
        return node

    cdef Query set_expression(self, int power):
        return self.set_tail(self.set_operand(), power)

    cdef Query set_tail(self, Query left, int power):
        """UNION and EXCEPT (1) are left-associative, INTERSECT (2) binds tighter."""
        cdef SetOperation node
        cdef int own, length = 0
        cdef str op
        while self.kind == WORD:
            op = self.text
            if op == "union" or op == "except":
                own = 1
            elif op == "intersect":
                own = 2
            else:
                break
            if own <= power:
                break
            length += 1
            if length > 2000:
                raise self.failure("54001", "stack depth limit exceeded", self.here())
            node = SetOperation.__new__(SetOperation)
            node.pos = self.here()
            node.op = op
            self.advance()
            node.all = self.is_word("all") and self.take("all")
            if not node.all and self.is_word("distinct"):
                self.advance()
            node.left = left
            node.right = self.set_expression(own)
            left = node
        return left

    cdef Query set_operand(self):
        cdef Values values
        cdef Select select
        cdef Target target
        cdef Query found
        cdef list rows
        if self.is_punct("("):
            self.enter()
            self.advance()
            found = self.query()
            self.need(")")
            self.depth -= 1
            return found
        if self.is_word("select"):
            return self.select()
        if self.is_word("values"):
            values = Values.__new__(Values)
            values.pos = self.here()
            self.advance()
            rows = []
            while True:
                self.need("(")
                rows.append(self.expressions())
                self.need(")")
                if not self.is_punct(","):
                    break
                self.advance()
            values.rows = tuple(rows)
            return values
        if self.is_word("table"):
            select = Select.__new__(Select)
            select.pos = self.here()
            self.advance()
            target = Target.__new__(Target)
            target.expr = Star(parts=())
            select.targets = (target,)
            select.from_ = (self.table_ref(),)
            return select
        raise self.unexpected()

    cdef Query query_tail(self, Query query):
        """ORDER BY, LIMIT, OFFSET, FETCH and FOR in any sensible order, set on `query`."""
        cdef str text
        cdef Py_ssize_t pos
        cdef list locking = []
        while self.kind == WORD and self.text in _TAIL_WORDS:
            text = self.text
            pos = self.here()
            if text == "order":
                if query.order_by:
                    raise self.failure("42601", "multiple ORDER BY clauses not allowed", pos)
                query.order_by = self.sort_keys()
            elif text == "limit":
                if query.limit is not None:
                    raise self.failure("42601", "multiple LIMIT clauses not allowed", pos)
                self.advance()
                if self.is_word("all"):
                    self.advance()
                else:
                    query.limit = self.expression()
                    if self.is_punct(","):
                        error = self.failure("42601", "LIMIT #,# syntax is not supported", pos)
                        error.hint = "Use separate LIMIT and OFFSET clauses."
                        raise error
            elif text == "offset":
                if query.offset is not None:
                    raise self.failure("42601", "multiple OFFSET clauses not allowed", pos)
                self.advance()
                query.offset = self.expression()
                if self.is_word("row") or self.is_word("rows"):
                    self.advance()
            elif text == "fetch":
                if query.limit is not None:
                    raise self.failure("42601", "multiple LIMIT clauses not allowed", pos)
                self.advance()
                if not self.take("first"):
                    self.need("next")
                if self.is_word("row") or self.is_word("rows"):
                    query.limit = Literal(kind="integer", value=1)
                else:
                    query.limit = self.primary()
                if not self.take("row"):
                    self.need("rows")
                if self.is_word("with"):
                    self.advance()
                    self.need("ties")
                    query.with_ties = True
                else:
                    self.need("only")
            else:
                locking.append(self.locking_clause())
        if locking:
            query.locking = tuple(locking)
        return query

    def locking_clause(self):
        """FOR UPDATE [OF tables] [NOWAIT | SKIP LOCKED]"""
        cdef Locking node = Locking.__new__(Locking)
        node.pos = self.here()
        self.advance()
        if self.take("no"):
            self.need("key")
            self.need("update")
            node.strength = "no key update"
        elif self.take("key"):
            self.need("share")
            node.strength = "key share"
        elif self.take("share"):
            node.strength = "share"
        else:
            self.need("update")
            node.strength = "update"
        if self.is_word("of"):
            self.advance()
            node.tables = tuple([name[len(name) - 1] for name in self.name_list()])
        if self.is_word("nowait"):
            self.advance()
            node.wait = "nowait"
        elif self.is_word("skip"):
            self.advance()
            self.need("locked")
            node.wait = "skip locked"
        return node

    cpdef name_list(self):
        """qualified.name [, ...]"""
        found = [self.qualified()]
        while self.take(","):
            found.append(self.qualified())
        return tuple(found)

    # ------------------------------------------------------------------ SELECT

    cdef Query select(self):
        cdef Select node = Select.__new__(Select)
        cdef list windows
        cdef Window window
        node.pos = self.here()
        self.advance()
        node.from_ = ()
        node.group_by = ()
        if self.kind == WORD:
            if self.text == "distinct":
                self.advance()
                node.distinct = True
                if self.is_word("on"):
                    self.advance()
                    self.need("(")
                    node.distinct_on = self.expressions()
                    self.need(")")
            elif self.text == "all":
                self.advance()
        node.targets = ()
        if self.kind != END and not self.is_punct(")") and not self.is_punct(";") and not (
                self.kind == WORD and self.text in (
                    "from", "where", "union", "intersect", "except", "order", "limit", "group",
                    "having", "into")):
            node.targets = self.targets()
        if self.is_word("into"):
            self.advance()
            for word in ("temporary", "temp", "unlogged", "table"):
                if self.is_word(word):
                    self.advance()
            node.into = self.table_ref()
        if self.is_word("from"):
            self.advance()
            node.from_ = self.from_list()
        if self.is_word("where"):
            self.advance()
            node.where = self.expression()
        if self.is_word("group"):
            self.advance()
            self.need("by")
            if self.is_word("distinct"):
                self.advance()
                node.group_distinct = True
            elif self.is_word("all"):
                self.advance()
            node.group_by = self.group_items()
        if self.is_word("having"):
            self.advance()
            node.having = self.expression()
        if self.is_word("window"):
            self.advance()
            windows = []
            while True:
                name = self.name()
                self.need("as")
                window = <Window> self.window_body()
                window.name = name
                windows.append(window)
                if not self.is_punct(","):
                    break
                self.advance()
            node.windows = tuple(windows)
        return node

    def group_items(self):
        """GROUP BY items: expressions, (), ROLLUP, CUBE, GROUPING SETS."""
        cdef list found = []
        cdef Py_ssize_t pos
        self.enter()
        while True:
            pos = self.here()
            if self.is_punct("(") and self.ahead(1, PUNCT, ")"):
                self.advance()
                self.advance()
                found.append(GroupingSets(kind="set", sets=(), pos=pos))
            elif (self.is_word("rollup") or self.is_word("cube")) and self.ahead(1, PUNCT, "("):
                kind = self.text
                self.advance()
                self.advance()
                found.append(GroupingSets(kind=kind, sets=self.group_items(), pos=pos))
                self.need(")")
            elif self.is_word("grouping") and self.ahead(1, WORD, "sets"):
                self.advance()
                self.advance()
                self.need("(")
                found.append(GroupingSets(kind="sets", sets=self.group_items(), pos=pos))
                self.need(")")
            else:
                found.append(self.expression())
            if not self.is_punct(","):
                break
            self.advance()
        self.depth -= 1
        return tuple(found)

    cdef tuple targets(self):
        cdef list found = []
        cdef Target target
        cdef Star star
        while True:
            target = Target.__new__(Target)
            target.pos = self.here()
            if self.kind == OPERATOR and self.text == "*":
                star = Star.__new__(Star)
                star.parts = ()
                star.pos = self.here()
                self.advance()
                target.expr = star
            else:
                target.expr = self.expression()
                if self.kind == WORD:
                    if self.text == "as":
                        self.advance()
                        target.name = self.label()
                    elif self.text not in _NEEDS_AS:
                        target.name = self.text
                        self.advance()
                elif self.kind == QUOTED:
                    target.name = self.text
                    self.advance()
            found.append(target)
            if not (self.kind == PUNCT and self.text == ","):
                break
            self.advance()
        return tuple(found)

    # ------------------------------------------------------------------ FROM

    cdef tuple from_list(self):
        cdef list found = [self.table()]
        while self.is_punct(","):
            self.advance()
            found.append(self.table())
        return tuple(found)

    cdef Node table(self):
        cdef Node left
        self.enter()
        left = self.join_tail(self.table_primary(), False)
        self.depth -= 1
        return left

    cdef Node join_tail(self, Node left, bint one):
        """Joins onto `left`; with `one`, only until the ON or USING of an outer join stands next."""
        cdef Join node
        cdef str word
        cdef int length = 0
        while self.kind == WORD and self.text in _JOIN_WORDS:
            node = Join.__new__(Join)
            node.pos = self.here()
            node.kind = "inner"
            node.left = left
            length += 1
            if length > 1600:
                raise self.failure("54001", "stack depth limit exceeded", self.here())
            if self.take("natural"):
                node.natural = True
            word = self.text
            if word == "cross":
                node.kind = word
                self.advance()
                if node.natural:
                    raise self.unexpected()
            elif word == "left" or word == "right" or word == "full":
                node.kind = word
                self.advance()
                self.take("outer")
            elif word == "inner":
                self.advance()
            self.need("join")
            node.right = self.table_primary()
            if node.kind != "cross" and not node.natural:
                if self.kind == WORD and self.text in _JOIN_WORDS:
                    self.enter()
                    node.right = self.join_tail(node.right, True)
                    self.depth -= 1
                if self.is_word("on"):
                    self.advance()
                    node.on = self.expression()
                else:
                    self.need("using")
                    self.need("(")
                    node.using = self.names()
                    self.need(")")
                    if self.is_word("as"):
                        self.advance()
                        node.alias = self.name()
            left = node
            if one and self.kind == WORD and (self.text == "on" or self.text == "using"):
                break
        return left

    cdef Node table_primary(self):
        cdef bint lateral = self.is_word("lateral") and self.take("lateral")
        cdef Node node
        if self.is_punct("("):
            node = self.table_parenthesised()
            if isinstance(node, Query):
                node = SubqueryRef(query=node, lateral=lateral, pos=node.pos)
                self.alias(node)
                if (<SubqueryRef> node).alias is None:
                    # Anonymous subqueries are of later PostgreSQL versions; harmless to allow.
                    (<SubqueryRef> node).alias = "unnamed_subquery"
            elif lateral:
                raise self.unexpected()
            return node
        if self.is_word("rows") and self.ahead(1, WORD, "from"):
            return self.function_table(lateral)
        if lateral:
            return self.function_table(lateral)
        if self.is_word("only"):
            return self.table_ref()
        if self.kind == WORD and (self.category == 3 or self.text in (
                "current_date", "current_timestamp", "coalesce", "current_user",
                "current_time", "localtimestamp", "greatest", "least", "current_schema")):
            return self.function_table(lateral)
        # A name: a function when a parenthesis follows it.
        cdef Py_ssize_t i = 1
        while self.ahead(i, PUNCT, "."):
            i += 2
        if self.ahead(i, PUNCT, "("):
            return self.function_table(lateral)
        return self.table_ref()

    cdef Node table_parenthesised(self):
        """( query ) as a bare Query, or ( joined tables )."""
        cdef Node inner
        cdef Py_ssize_t pos = self.here()
        self.enter()
        self.advance()
        if self.starts_query():
            inner = self.query()
        elif self.is_punct("("):
            inner = self.table_parenthesised()
            if isinstance(inner, Query):
                if self.is_punct(")"):
                    pass
                elif self.kind == WORD and (self.text in _TAIL_WORDS or self.text in (
                        "union", "intersect", "except")):
                    inner = self.query_from(inner)
                else:
                    inner = SubqueryRef(query=inner, pos=pos)
                    self.alias(inner)
                    inner = self.join_tail(inner, False)
            else:
                inner = self.join_tail(inner, False)
        else:
            inner = self.table()
        self.need(")")
        if type(inner) is Join:
            if self.is_word("as") or self.is_column_name():
                self.take("as")
                (<Join> inner).alias = self.name()
        self.depth -= 1
        return inner

    cdef Node function_table(self, bint lateral):
        cdef FunctionRef node = FunctionRef.__new__(FunctionRef)
        cdef list calls = []
        node.pos = self.here()
        node.lateral = lateral
        if self.is_word("rows") and self.ahead(1, WORD, "from"):
            self.advance()
            self.advance()
            self.need("(")
            calls.append(self.primary())
            while self.take(","):
                calls.append(self.primary())
            self.need(")")
        else:
            calls.append(self.primary())
        for call in calls:
            if type(call) is ColumnRef:
                raise self.unexpected()
        node.calls = tuple(calls)
        if self.is_word("with") and self.ahead(1, WORD, "ordinality"):
            self.advance()
            self.advance()
            node.ordinality = True
        self.alias(node)
        return node

    cdef int alias(self, Node node) except -1:
        """[AS] alias [(columns)] after a table, subquery or function."""
        cdef str found = None
        cdef list names, types
        if self.is_word("as"):
            self.advance()
            if self.is_punct("(") and type(node) is FunctionRef:
                found = None
            else:
                found = self.name()
        elif self.is_column_name():
            found = self.text
            if self.kind == WORD and self.category == 0 and found == "tablesample":
                return 0
            self.advance()
        elif not self.is_punct("("):
            return 0
        if found is not None:
            node.alias = found
        if self.is_punct("(") and (found is not None or type(node) is FunctionRef):
            self.advance()
            names = []
            types = []
            while True:
                names.append(self.name())
                if not self.is_punct(",") and not self.is_punct(")"):
                    types.append(self.type_name())
                if not self.is_punct(","):
                    break
                self.advance()
            self.need(")")
            node.column_aliases = tuple(names)
            if types:
                if len(types) != len(names) or type(node) is not FunctionRef:
                    raise self.unexpected()
                (<FunctionRef> node).column_types = tuple(types)
        return 0

    cpdef TableRef table_ref(self, bint columns=True):
        """[ONLY] name [*] [[AS] alias [(columns)]]"""
        cdef TableRef node = TableRef.__new__(TableRef)
        cdef bint paren
        node.pos = self.here()
        node.only = self.is_word("only") and self.take("only")
        paren = node.only and self.take("(")
        node.name = self.qualified()
        if paren:
            self.need(")")
        if self.kind == OPERATOR and self.text == "*":
            self.advance()
        if columns:
            self.alias(node)
            if self.is_word("tablesample"):
                raise self.failure("0A000", "TABLESAMPLE is not supported", self.here())
        return node

    # ------------------------------------------------------------------ given by ChangeParser

    cpdef object statement(self):
        raise NotImplementedError
