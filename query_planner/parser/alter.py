"""The grammar of ALTER: every action is a tuple, listed at `statements.Alter`."""

from __future__ import annotations

from typing import Any

from query_planner.ast import statements as st
from query_planner.parser.tables import TableParser


class AlterParser(TableParser):
    """ALTER TABLE and the other ALTERs."""

    def alter(self) -> Any:
        self.expect("alter")
        if self.accept("system"):
            raise self.refuse("ALTER SYSTEM")
        if self.accept("default", "privileges"):
            self.skip_words()
            return st.Unsupported("ALTER DEFAULT PRIVILEGES")
        kind = self.object_kind()
        if_exists = self.if_exists()
        self.accept("only")
        name = (self.label(),) if kind in ("role", "user", "group") else self.qualified()
        if kind in ("function", "procedure", "routine", "aggregate") and self.sees("("):
            self.function_args()
        self.accept("*")
        actions: list[tuple] = []
        while not self.ended:
            actions.append(self.alter_action(kind))
            if not self.accept(","):
                break
        if not actions:
            raise self.error()
        return st.Alter(kind, name, tuple(actions), if_exists)

    def alter_action(self, kind: str) -> tuple:
        """One action of any ALTER."""
        if self.accept("rename"):
            return self.rename(kind)
        if self.accept("owner", "to"):
            return ("owner", self.label())
        if self.accept("set", "schema"):
            return ("set schema", self.name())
        if kind == "type":
            return self.alter_type()
        if kind == "domain":
            return self.alter_domain()
        if kind == "sequence":
            return ("sequence", self.sequence_options() or self.unknown_action())
        if kind in ("role", "user"):
            if self.accept("set"):
                node = self.setting()
                return ("set", node.name, node.values)
            if self.accept("reset"):
                return ("reset", self.setting_name())
            return ("options", self.role_options())
        if kind == "database":
            if self.accept("set"):
                node = self.setting()
                return ("set", node.name, node.values)
            if self.accept("reset"):
                return ("reset", self.setting_name())
        if self.accept("add"):
            return self.add()
        if self.accept("drop"):
            return self.drop_part()
        if self.accept("alter"):
            return self.alter_column()
        return self.table_action()

    def unknown_action(self) -> Any:
        raise self.error()

    def rename(self, kind: str) -> tuple:
        """TO new | [COLUMN] old TO new | CONSTRAINT old TO new | VALUE 'old' TO 'new'"""
        if self.accept("to"):
            return ("rename", self.name())
        if kind == "type" and self.accept("value"):
            old = self.string()
            self.expect("to")
            return ("rename value", old, self.string())
        what = "constraint" if self.accept("constraint") else "column"
        if what == "column" and not self.accept("column"):
            self.accept("attribute")
        old = self.name()
        self.expect("to")
        return (f"rename {what}", old, self.name())

    def add(self) -> tuple:
        """After ADD: a column or a constraint."""
        if any(self.sees(word) for word in ("constraint", "primary", "unique", "check", "foreign",
                                            "exclude")):
            return ("add constraint", self.table_constraint())
        self.accept("column")
        if_not_exists = self.if_not_exists()
        return ("add column", self.column_def(), if_not_exists)

    def drop_part(self) -> tuple:
        """After DROP: a column or a constraint."""
        what = "constraint" if self.accept("constraint") else "column"
        if what == "column":
            self.accept("column")
        if_exists = self.if_exists()
        name = self.name()
        cascade = self.accept("cascade")
        if not cascade:
            self.accept("restrict")
        return (f"drop {what}", name, if_exists, cascade)

    def alter_column(self) -> tuple:
        """After ALTER inside ALTER TABLE."""
        if self.accept("constraint"):
            node = st.Constraint("", self.name())
            self.constraint_attributes(node)
            return ("alter constraint", node.name, node.deferrable, node.deferred)
        self.accept("column")
        name = self.name()
        if self.accept("set", "data", "type") or self.accept("type"):
            type_ = self.type_name()
            if self.accept("collate"):
                self.qualified()
            return ("alter type", name, type_, self.expression() if self.accept("using") else None)
        if self.accept("set", "default"):
            return ("set default", name, self.expression())
        if self.accept("drop", "default"):
            return ("drop default", name)
        if self.accept("set", "not", "null"):
            return ("set not null", name)
        if self.accept("drop", "not", "null"):
            return ("drop not null", name)
        if self.accept("drop", "identity"):
            return ("drop identity", name, self.if_exists())
        if self.accept("drop", "expression"):
            return ("drop expression", name, self.if_exists())
        if self.accept("set", "statistics"):
            return ("set statistics", name, self.integer())
        if self.accept("set", "storage"):
            return ("set storage", name, self.label())
        if self.accept("add"):
            identity = self.column_constraint(name)
            if identity is None or identity.kind != "identity":
                raise self.error()
            return ("add identity", name, identity)
        if self.sees("set", "(") or self.sees("reset", "("):
            verb = self.label()
            return (f"{verb} options", name, self.storage_options(True))
        if self.accept("set", "generated"):
            when = "always" if self.accept("always") else self.accept("by", "default")
            return ("set generated", name, "always" if when == "always" else "by default")
        raise self.error()

    def table_action(self) -> tuple:
        """The rarer actions of ALTER TABLE, INDEX, VIEW and EXTENSION."""
        if self.accept("validate", "constraint"):
            return ("validate constraint", self.name())
        if self.sees("enable") or self.sees("disable") or self.sees("force") \
                or self.sees("no", "force"):
            self.accept("no")
            verb = self.label()
            if self.accept("row", "level", "security"):
                return ("row level security", verb)
            if self.sees("replica") or self.sees("always"):
                verb += " " + self.label()
            self.choose("trigger", "rule")
            return ("trigger", verb, self.label())
        if self.accept("replica", "identity"):
            kind = self.choose("default", "full", "nothing", "using")
            if kind == "using":
                self.expect("index")
                return ("replica identity", "index", self.name())
            return ("replica identity", kind, None)
        if self.accept("inherit"):
            return ("inherit", self.qualified())
        if self.accept("no", "inherit"):
            return ("no inherit", self.qualified())
        if self.accept("cluster", "on"):
            return ("cluster", self.name())
        if self.accept("set", "without", "cluster"):
            return ("cluster", None)
        if self.accept("set", "logged"):
            return ("set logged", True)
        if self.accept("set", "unlogged"):
            return ("set logged", False)
        if self.accept("set", "tablespace"):
            return ("tablespace", self.name())
        if self.accept("set"):
            return ("options", self.storage_options(True))
        if self.accept("reset"):
            self.expect("(")
            names = self.names()
            self.expect(")")
            return ("reset options", names)
        if self.accept("update"):
            return ("update", self.accept("to") and self.value())
        raise self.error()

    def alter_type(self) -> tuple:
        """ALTER TYPE: labels of an enum, attributes of a composite."""
        if self.accept("add", "value"):
            if_not_exists = self.if_not_exists()
            label = self.string()
            before = self.string() if self.accept("before") else None
            after = self.string() if self.accept("after") else None
            return ("add value", label, if_not_exists, before, after)
        if self.accept("add", "attribute"):
            return ("add column", self.column_def(), False)
        if self.accept("drop", "attribute"):
            if_exists = self.if_exists()
            name = self.name()
            return ("drop column", name, if_exists, self.accept("cascade"))
        if self.accept("alter", "attribute"):
            name = self.name()
            self.accept("set", "data")
            self.expect("type")
            return ("alter type", name, self.type_name(), None)
        raise self.error()

    def alter_domain(self) -> tuple:
        """ALTER DOMAIN: default, not null, constraints."""
        if self.accept("set", "default"):
            return ("set default", None, self.expression())
        if self.accept("drop", "default"):
            return ("drop default", None)
        if self.accept("set", "not", "null"):
            return ("set not null", None)
        if self.accept("drop", "not", "null"):
            return ("drop not null", None)
        if self.accept("add"):
            return ("add constraint", self.table_constraint())
        if self.accept("drop", "constraint"):
            if_exists = self.if_exists()
            return ("drop constraint", self.name(), if_exists, self.accept("cascade"))
        self.expect("validate", "constraint")
        return ("validate constraint", self.name())

    def role_options(self) -> tuple:
        """LOGIN, PASSWORD 'x', IN ROLE a, ... as (word, value) pairs."""
        self.accept("with")
        options: list[tuple] = []
        while not self.ended:
            word = self.label()
            value: Any = True
            if word == "encrypted":
                word = self.label()
            if word == "password":
                value = None if self.accept("null") else self.string()
            elif word == "connection":
                self.expect("limit")
                value = self.integer()
            elif word == "valid":
                self.expect("until")
                value = self.string()
            elif word in ("in", "role", "admin", "user"):
                if word == "in":
                    word = "in " + self.choose("role", "group")
                value = self.names()
            elif word == "sysid":
                value = self.integer()
            options.append((word, value))
        return tuple(options)
