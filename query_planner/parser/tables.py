"""The grammar of CREATE TABLE: columns, constraints, storage options, CREATE TABLE AS."""

from __future__ import annotations

from typing import Any

from query_planner.ast import statements as st
from query_planner.parser.changes import ChangeParser

_ACTIONS = ("no action", "restrict", "cascade", "set null", "set default")
_B_EXPRESSION = 6  # binds tighter than NOT, IS, IN: a DEFAULT ends before NOT NULL


class TableParser(ChangeParser):
    """Tables and what stands between their parentheses."""

    def column_list(self) -> tuple[str, ...]:
        """[(name, ...)]"""
        if not self.accept("("):
            return ()
        names = self.names()
        self.expect(")")
        return names

    def storage_options(self, bare: bool = False) -> tuple:
        """[WITH (name = value, ...)] as pairs."""
        if not bare and not self.accept("with"):
            return ()
        self.expect("(")
        options = []
        while True:
            name = self.label()
            while self.accept("."):
                name += "." + self.label()
            options.append((name, self.value() if self.accept("=") else True))
            if not self.accept(","):
                break
        self.expect(")")
        return tuple(options)

    def create_table(self, temporary: bool) -> Any:
        if_not_exists = self.accept("if", "not", "exists")
        name = self.qualified()
        if self.sees("as") or self.sees("with") or self.sees("on", "commit") \
                or self.sees("using"):
            return self.create_table_as(if_not_exists, name, (), temporary)
        node = st.CreateTable(name, (), if_not_exists, temporary)
        if self.accept("of"):
            node.of_type = self.qualified()
        if self.accept("partition", "of"):
            raise self.refuse("PARTITION OF")
        elements = []
        names_only = True
        if self.accept("("):
            while not self.sees(")"):
                element = self.table_element()
                names_only = names_only and isinstance(element, str)
                elements.append(element)
                if not self.accept(","):
                    break
            self.expect(")")
        if elements and names_only:
            return self.create_table_as(if_not_exists, name, tuple(elements), temporary)
        if any(isinstance(element, str) for element in elements):
            raise self.error()
        node.elements = tuple(elements)
        if self.accept("inherits"):
            self.expect("(")
            node.inherits = self.name_list()
            self.expect(")")
        if self.accept("partition", "by"):
            kind = self.choose("range", "list", "hash")
            self.expect("(")
            node.partition_by = (kind, self.expressions())
            self.expect(")")
        self.table_tail(node)
        return node

    def table_tail(self, node: Any) -> None:
        """USING, WITH, WITHOUT OIDS, ON COMMIT, TABLESPACE after a table."""
        if self.accept("using"):
            self.name()
        if self.sees("with", "("):
            options = self.storage_options()
            if hasattr(node, "options"):
                node.options = options
        elif self.accept("without", "oids"):
            pass
        if self.accept("on", "commit"):
            if self.accept("drop"):
                node.on_commit = "drop"
            elif self.accept("delete", "rows"):
                node.on_commit = "delete rows"
            else:
                self.expect("preserve", "rows")
                node.on_commit = "preserve rows"
        if self.accept("tablespace"):
            self.name()

    def create_table_as(self, if_not_exists: bool, name: tuple, columns: tuple, temporary: bool,
                        kind: str = "table") -> Any:
        node = st.CreateTableAs(name, None, columns, if_not_exists, temporary, kind=kind)
        if not columns:
            node.columns = self.column_list()
        self.table_tail(node)
        self.expect("as")
        if self.sees("execute"):
            node.query = self.definition()
        else:
            node.query = self.query()
        node.with_data = self.with_data()
        return node

    def with_data(self) -> bool:
        """[WITH [NO] DATA]"""
        if self.accept("with", "no", "data"):
            return False
        self.accept("with", "data")
        return True

    def table_element(self) -> Any:
        """A column, a table constraint, LIKE, or (for CREATE TABLE AS) a bare column name."""
        if self.accept("like"):
            node = st.LikeTable(self.qualified())
            including = []
            while self.sees("including") or self.sees("excluding"):
                word = self.label()
                what = self.label()
                including.append(what if word == "including" else "-" + what)
            node.including = tuple(including)
            return node
        if any(self.sees(word) for word in ("constraint", "primary", "unique", "check", "foreign",
                                            "exclude")):
            return self.table_constraint()
        return self.column_def(True)

    def column_def(self, bare: bool = False) -> Any:
        """name type [COLLATE ..] [constraints]"""
        name = self.name()
        if bare and (self.sees(",") or self.sees(")")):
            return name
        node = st.ColumnDef(name, self.type_name())
        collation: tuple = ()
        if self.accept("collate"):
            collation = self.qualified()
        node.constraints = self.column_constraints(name)
        node.collation = collation
        return node

    def column_constraints(self, column: str) -> tuple:
        """All constraints after a column's type."""
        found: list[st.Constraint] = []
        while True:
            name = self.name() if self.accept("constraint") else None
            node = self.column_constraint(column)
            if node is None:
                if name is not None:
                    raise self.error()
                return tuple(found)
            node.name = name
            self.constraint_attributes(node)
            found.append(node)

    def column_constraint(self, column: str) -> st.Constraint | None:
        columns = (column,) if column else ()
        if self.accept("not", "null"):
            return st.Constraint("not null", columns=columns)
        if self.accept("null"):
            return st.Constraint("null", columns=columns)
        if self.accept("default"):
            return st.Constraint("default", columns=columns, expr=self.expression(_B_EXPRESSION))
        if self.accept("check"):
            return self.check(columns)
        if self.accept("collate"):
            self.qualified()
            return st.Constraint("null", columns=columns)
        if self.accept("primary", "key"):
            return self.key_tail(st.Constraint("primary key", columns=columns))
        if self.accept("unique"):
            return self.key_tail(st.Constraint("unique", columns=columns))
        if self.sees("references"):
            return self.references(st.Constraint("foreign key", columns=columns))
        if self.accept("generated"):
            when = "always" if self.accept("always") else ""
            if not when:
                self.expect("by", "default")
                when = "by default"
            self.expect("as")
            if self.accept("identity"):
                node = st.Constraint("identity", columns=columns, generated=when)
                if self.accept("("):
                    node.options = self.sequence_options()
                    self.expect(")")
                return node
            self.expect("(")
            node = st.Constraint("generated", columns=columns, expr=self.expression())
            self.expect(")", "stored")
            return node
        return None

    def check(self, columns: tuple) -> st.Constraint:
        """(expression) [NO INHERIT] after CHECK"""
        self.expect("(")
        node = st.Constraint("check", columns=columns, expr=self.expression())
        self.expect(")")
        self.accept("no", "inherit")
        return node

    def key_tail(self, node: st.Constraint) -> st.Constraint:
        """What may follow PRIMARY KEY and UNIQUE."""
        if self.accept("nulls", "not", "distinct"):
            node.nulls_not_distinct = True
        else:
            self.accept("nulls", "distinct")
        if not node.columns:
            if self.accept("using", "index"):
                node.index = self.name()
                return node
            self.expect("(")
            node.columns = self.names()
            self.expect(")")
        if self.accept("include"):
            node.include = self.column_list()
        if self.sees("with", "("):
            node.options = self.storage_options()
        if self.accept("using", "index", "tablespace"):
            self.name()
        return node

    def references(self, node: st.Constraint) -> st.Constraint:
        """REFERENCES table [(columns)] [MATCH ..] [ON DELETE ..] [ON UPDATE ..]"""
        self.expect("references")
        node.target = self.qualified()
        node.target_columns = self.column_list()
        if self.accept("match"):
            node.match = self.choose("full", "partial", "simple")
        while self.accept("on"):
            event = self.choose("delete", "update")
            for action in _ACTIONS:
                if self.accept(*action.split()):
                    break
            else:
                raise self.error()
            if event == "delete":
                node.on_delete = action
                if action.startswith("set"):
                    self.column_list()
            else:
                node.on_update = action
        return node

    def table_constraint(self) -> st.Constraint:
        name = self.name() if self.accept("constraint") else None
        if self.accept("check"):
            node = self.check(())
        elif self.accept("primary", "key"):
            node = self.key_tail(st.Constraint("primary key"))
        elif self.accept("unique"):
            node = self.key_tail(st.Constraint("unique"))
        elif self.accept("foreign", "key"):
            self.expect("(")
            node = st.Constraint("foreign key", columns=self.names())
            self.expect(")")
            self.references(node)
        elif self.sees("exclude"):
            raise self.refuse("EXCLUDE constraint")
        else:
            raise self.error()
        node.name = name
        self.constraint_attributes(node)
        return node

    def constraint_attributes(self, node: st.Constraint) -> None:
        """[NOT] DEFERRABLE, INITIALLY .., NOT VALID after a constraint."""
        while True:
            if self.accept("deferrable"):
                node.deferrable = True
            elif self.accept("not", "deferrable"):
                node.deferrable = False
            elif self.accept("initially", "deferred"):
                node.deferrable = node.deferred = True
            elif self.accept("initially", "immediate"):
                node.deferred = False
            elif self.accept("not", "valid"):
                node.not_valid = True
            else:
                return
