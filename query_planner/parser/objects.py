"""The grammar of CREATE, DROP, COMMENT, GRANT and TRUNCATE; ALTER and tables have files of
their own."""

from __future__ import annotations

from typing import Any

from query_planner.ast import statements as st
from query_planner.parser.alter import AlterParser

# Kinds of objects by the words that name them, longest first.
KINDS = (
    "materialized view", "foreign table", "foreign data wrapper", "event trigger",
    "text search configuration", "access method", "operator class", "operator family",
    "table", "view", "index", "sequence", "schema", "database", "type", "domain", "function",
    "procedure", "routine", "aggregate", "extension", "role", "user", "group", "trigger", "rule",
    "policy", "publication", "subscription", "collation", "operator", "cast", "language",
    "statistics", "server", "tablespace", "column", "constraint", "conversion", "owned",
)  # fmt: skip


class ObjectParser(AlterParser):
    """CREATE and DROP of everything but tables."""

    def object_kind(self) -> str:
        """The words of a kind of object."""
        for kind in KINDS:
            if self.accept(*kind.split()):
                return kind
        raise self.error()

    def if_exists(self) -> bool:
        """[IF EXISTS]"""
        return self.accept("if", "exists")

    def if_not_exists(self) -> bool:
        """[IF NOT EXISTS]"""
        return self.accept("if", "not", "exists")

    # -- CREATE

    def create(self) -> Any:
        self.expect("create")
        replace = self.accept("or", "replace")
        temporary = False
        for word in ("global", "local"):
            self.accept(word)
        if self.accept("temporary") or self.accept("temp"):
            temporary = True
        self.accept("unlogged")
        if self.accept("table"):
            return self.create_table(temporary)
        if self.sees("unique") or self.sees("index"):
            return self.create_index()
        if self.accept("recursive"):
            self.expect("view")
            return self.create_view(replace, temporary, True)
        if self.accept("view"):
            return self.create_view(replace, temporary)
        if self.accept("materialized", "view"):
            return self.create_table_as(self.if_not_exists(), self.qualified(), (), False,
                                        "materialized view")
        if self.accept("sequence"):
            exists = self.if_not_exists()
            name = self.qualified()
            return st.CreateSequence(name, self.sequence_options(), exists, temporary)
        if self.accept("schema"):
            return self.create_schema()
        if self.accept("database"):
            return self.create_database()
        if self.accept("type"):
            return self.create_type()
        if self.accept("domain"):
            return self.create_domain()
        if self.sees("function") or self.sees("procedure"):
            return self.create_function(replace)
        if self.accept("extension"):
            exists = self.if_not_exists()
            name = self.name()
            self.accept("with")
            options = []
            while not self.ended:
                options.append((self.label(), True if self.sees("cascade") else self.value()))
            return st.CreateExtension(name, exists, tuple(options))
        for word in ("role", "user", "group"):
            if self.accept(word):
                return self.create_role(word == "user")
        constraint = self.accept("constraint")
        if self.accept("trigger"):
            return self.create_trigger(replace, constraint)
        return st.Unsupported("CREATE " + self.skip_words())

    def skip_words(self) -> str:
        """Step over the rest of a statement nobody carries out; returns its first words."""
        first: list[str] = []
        while not self.ended:
            text = self.take_any()
            if len(first) < 2 and text.isalpha():
                first.append(text.upper())
        return " ".join(first)

    def create_view(self, replace: bool, temporary: bool, recursive: bool = False) -> Any:
        name = self.qualified()
        columns = self.column_list()
        options = self.storage_options()
        self.expect("as")
        start = self.offset
        query = self.query()
        node = st.CreateView(name, query, self.sql[start : self.previous_end], columns, replace,
                             temporary, options=options)
        if recursive:
            text = ", ".join(columns)
            tail = f"SELECT {text} FROM {name[-1]}"  # noqa: S608 - it is a view's own text
            node.text = f"WITH RECURSIVE {name[-1]} ({text}) AS ({node.text}) {tail}"
            node.query = type(self)(node.text).query()
        if self.accept("with"):
            node.check_option = "cascaded"
            if self.sees("local") or self.sees("cascaded"):
                node.check_option = self.label()
            self.expect("check", "option")
        return node

    def sequence_options(self) -> tuple:
        """INCREMENT, MINVALUE, START, ... as (word, value) pairs."""
        options: list[tuple] = []
        while True:
            if self.accept("increment"):
                self.accept("by")
                options.append(("increment", self.integer()))
            elif self.accept("start"):
                self.accept("with")
                options.append(("start", self.integer()))
            elif self.accept("restart"):
                self.accept("with")
                bare = self.ended or self.sees(")")
                options.append(("restart", None if bare else self.integer()))
            elif self.accept("no", "minvalue"):
                options.append(("minvalue", None))
            elif self.accept("no", "maxvalue"):
                options.append(("maxvalue", None))
            elif self.accept("no", "cycle"):
                options.append(("cycle", False))
            elif self.accept("cycle"):
                options.append(("cycle", True))
            elif self.sees("minvalue") or self.sees("maxvalue") or self.sees("cache"):
                options.append((self.label(), self.integer()))
            elif self.accept("owned", "by"):
                options.append(("owned by", self.qualified()))
            elif self.accept("as"):
                options.append(("as", self.type_name()))
            elif self.accept("sequence", "name"):
                options.append(("name", self.qualified()))
            else:
                return tuple(options)

    def create_schema(self) -> Any:
        node = st.CreateSchema(None, self.if_not_exists())
        if not self.sees("authorization"):
            node.name = self.name()
        if self.accept("authorization"):
            node.owner = self.name()
            node.name = node.name or node.owner
        elements = []
        while not self.ended:
            elements.append(self.definition())
        node.elements = tuple(elements)
        return node

    def create_database(self) -> Any:
        name = self.name()
        self.accept("with")
        options = []
        while not self.ended:
            word = self.label()
            if word == "connection":
                self.expect("limit")
            self.accept("=")
            options.append((word, None if self.accept("default") else self.value()))
        return st.CreateDatabase(name, tuple(options))

    def create_type(self) -> Any:
        name = self.qualified()
        if not self.accept("as"):
            if self.sees("("):
                return st.CreateType(name, "base", options=self.definition_options())
            return st.CreateType(name, "shell")
        if self.accept("enum"):
            self.expect("(")
            labels = []
            while not self.sees(")"):
                labels.append(self.string())
                if not self.accept(","):
                    break
            self.expect(")")
            return st.CreateType(name, "enum", tuple(labels))
        if self.accept("range"):
            return st.CreateType(name, "range", options=self.definition_options())
        self.expect("(")
        columns = []
        while not self.sees(")"):
            columns.append(self.column_def())
            if not self.accept(","):
                break
        self.expect(")")
        return st.CreateType(name, "composite", columns=tuple(columns))

    def definition_options(self) -> tuple:
        """(name = value, ...) of CREATE TYPE and kin."""
        self.expect("(")
        options = []
        while True:
            word = self.label()
            value: Any = True
            if self.accept("="):
                value = self.type_name() if self.named else self.value()
            options.append((word, value))
            if not self.accept(","):
                break
        self.expect(")")
        return tuple(options)

    def create_domain(self) -> Any:
        name = self.qualified()
        self.accept("as")
        node = st.CreateDomain(name, self.type_name())
        if self.accept("collate"):
            node.collation = self.qualified()
        node.constraints = self.column_constraints("")
        return node

    def create_function(self, replace: bool) -> Any:
        procedure = self.choose("function", "procedure") == "procedure"
        node = st.CreateFunction(self.qualified(), replace=replace, procedure=procedure)
        node.args = self.function_args()
        if self.accept("returns"):
            if self.accept("table"):
                self.expect("(")
                columns = []
                while not self.sees(")"):
                    columns.append((self.name(), self.type_name()))
                    if not self.accept(","):
                        break
                self.expect(")")
                node.returns_table = tuple(columns)
            else:
                node.returns = self.type_name()
        options: list[tuple[str, Any]] = []
        while not self.ended:
            if self.accept("language"):
                node.language = str(self.value()).lower()
            elif self.accept("as"):
                node.body = self.string()
                if self.accept(","):
                    options.append(("symbol", self.string()))
            elif self.accept("return"):
                node.query = self.expression()
            elif self.accept("begin", "atomic"):
                raise self.refuse("BEGIN ATOMIC")
            elif self.accept("returns", "null", "on", "null", "input"):
                options.append(("strict", True))
            elif self.accept("called", "on", "null", "input"):
                options.append(("strict", False))
            elif self.accept("not", "leakproof"):
                options.append(("leakproof", False))
            elif self.sees("cost") or self.sees("rows") or self.sees("parallel"):
                options.append((self.label(), self.value()))
            elif self.accept("set"):
                options.append(("set", self.setting()))
            elif self.accept("external"):
                pass
            elif self.accept("security"):
                options.append(("security", self.choose("definer", "invoker")))
            else:
                options.append((self.label(), True))
        node.options = tuple(options)
        return node

    def function_args(self) -> tuple:
        """([mode] [name] type [DEFAULT expr], ...)"""
        self.expect("(")
        found = []
        while not self.sees(")"):
            mode = "in"
            for word in ("inout", "in", "out", "variadic"):
                if self.accept(word):
                    mode = word
                    break
            name = None
            here = self.mark()
            if self.named:
                # `name type` or just `type`: a name is one when a type still follows it.
                name = self.name()
                if self.sees(",") or self.sees(")") or self.sees("(") or self.sees("[") \
                        or self.sees("default") or self.sees("=") or self.sees(".") \
                        or self.sees("precision") or self.sees("varying"):
                    name = None
                    self.back(here)
            type_ = self.type_name()
            default = None
            if self.accept("default") or self.accept("="):
                default = self.expression()
            found.append((mode, name, type_, default))
            if not self.accept(","):
                break
        self.expect(")")
        return tuple(found)

    def create_role(self, login: bool) -> Any:
        name = self.name()
        return st.CreateRole(name, self.role_options(), login)

    def create_trigger(self, replace: bool, constraint: bool) -> Any:
        name = self.name()
        timing = self.choose("before", "after", "instead")
        if timing == "instead":
            self.expect("of")
        events = []
        while True:
            event = self.choose("insert", "update", "delete", "truncate")
            events.append((event, self.names() if event == "update" and self.accept("of") else ()))
            if not self.accept("or"):
                break
        self.expect("on")
        node = st.CreateTrigger(name, self.qualified(), timing, tuple(events), (), replace=replace,
                                constraint=constraint)
        while not self.sees("for") and not self.sees("when") and not self.sees("execute"):
            self.label()
        if self.accept("for"):
            self.accept("each")
            node.for_each = self.choose("row", "statement")
        if self.accept("when"):
            self.expect("(")
            node.when = self.expression()
            self.expect(")")
        self.expect("execute")
        self.choose("function", "procedure")
        node.function = self.qualified()
        self.expect("(")
        args = []
        while not self.sees(")"):
            args.append(self.value())
            if not self.accept(","):
                break
        self.expect(")")
        node.args = tuple(args)
        return node

    def create_index(self) -> Any:
        unique = self.accept("unique")
        self.expect("index")
        node = st.CreateIndex(None, (), (), unique)
        node.concurrently = self.accept("concurrently")
        node.if_not_exists = self.if_not_exists()
        if not self.sees("on"):
            node.name = self.qualified()[-1]
        self.expect("on")
        self.accept("only")
        node.table = self.qualified()
        if self.accept("using"):
            node.method = self.name()
        self.expect("(")
        keys = []
        while True:
            keys.append(self.index_key())
            if not self.accept(","):
                break
        self.expect(")")
        node.keys = tuple(keys)
        if self.accept("include"):
            node.include = self.column_list()
        if self.accept("nulls", "not", "distinct"):
            node.nulls_not_distinct = True
        else:
            self.accept("nulls", "distinct")
        node.options = self.storage_options()
        if self.accept("tablespace"):
            self.name()
        if self.accept("where"):
            node.where = self.expression()
        return node

    def index_key(self) -> st.IndexKey:
        """One key of an index."""
        key = st.IndexKey()
        node = self.expression()
        if type(node).__name__ == "Collate":
            key.collation = node.name
            node = node.arg
        if type(node).__name__ == "ColumnRef" and len(node.parts) == 1:
            key.column = node.parts[0]
        else:
            key.expr = node
        if self.accept("collate"):
            key.collation = self.qualified()
        if self.named and not self.sees("nulls"):
            key.opclass = self.qualified()
            if self.sees("("):
                self.storage_options(True)
        if self.accept("desc"):
            key.descending = True
        else:
            self.accept("asc")
        if self.accept("nulls"):
            key.nulls_first = self.choose("first", "last") == "first"
        return key

    # -- DROP and the rest

    def drop(self) -> Any:
        self.expect("drop")
        kind = self.object_kind()
        concurrently = kind == "index" and self.accept("concurrently")
        if kind == "owned":
            self.expect("by")
        if_exists = self.if_exists()
        names: list[tuple] = []
        args: list[Any] = []
        if kind in ("cast", "operator", "operator class", "operator family"):
            return st.Unsupported(f"DROP {kind.upper()} {self.skip_words()}".rstrip())
        while True:
            names.append(self.qualified())
            if kind in ("function", "procedure", "routine", "aggregate"):
                args.append(self.function_args() if self.sees("(") else None)
            if not self.accept(","):
                break
        node = st.Drop(kind, tuple(names), if_exists, concurrently=concurrently, args=tuple(args))
        if kind in ("trigger", "rule", "policy"):
            self.expect("on")
            node.on = self.qualified()
        if kind == "database" and self.accept("with"):
            self.expect("(", "force", ")")
        node.cascade = self.accept("cascade")
        if not node.cascade:
            self.accept("restrict")
        return node

    def truncate(self) -> Any:
        self.expect("truncate")
        self.accept("table")
        tables = []
        while True:
            self.accept("only")
            tables.append(self.qualified())
            self.accept("*")
            if not self.accept(","):
                break
        node = st.Truncate(tuple(tables))
        if self.accept("restart", "identity"):
            node.restart_identity = True
        else:
            self.accept("continue", "identity")
        node.cascade = self.accept("cascade")
        if not node.cascade:
            self.accept("restrict")
        return node

    def refresh(self) -> Any:
        self.expect("refresh", "materialized", "view")
        concurrently = self.accept("concurrently")
        return st.RefreshView(self.qualified(), concurrently, self.with_data())

    def comment(self) -> Any:
        self.expect("comment", "on")
        kind = self.object_kind()
        node = st.Comment(kind, (), None)
        node.name = (self.type_name().name if kind in ("type", "domain") else self.qualified())
        if kind in ("function", "procedure", "aggregate", "routine"):
            node.args = self.function_args()
        if kind in ("constraint", "trigger", "rule", "policy"):
            self.expect("on")
            self.accept("domain")
            node.on = self.qualified()
        self.expect("is")
        node.text = None if self.accept("null") else self.string()
        return node

    def grant(self) -> Any:
        revoke = self.choose("grant", "revoke") == "revoke"
        option = revoke and self.accept("grant", "option", "for")
        privileges: list = []
        if self.accept("all"):
            self.accept("privileges")
            self.column_list()
        else:
            while True:
                word = self.label()
                privileges.append((word, self.column_list()))
                if not self.accept(","):
                    break
        kind, names = "role", []
        if self.accept("on"):
            if self.accept("all"):
                kind = "all " + self.label()
                self.expect("in", "schema")
                names = [(name,) for name in self.names()]
            else:
                kind = "table"
                if self.accept("large", "object"):
                    raise self.refuse("GRANT ON LARGE OBJECT")
                for word in KINDS:
                    if self.accept(*word.split()):
                        kind = word
                        break
                while True:
                    names.append(self.qualified())
                    if kind in ("function", "procedure", "routine") and self.sees("("):
                        self.function_args()
                    if not self.accept(","):
                        break
        self.choose("to", "from")
        roles = []
        while True:
            self.accept("group")
            roles.append(self.label())
            if not self.accept(","):
                break
        if self.accept("with"):
            self.choose("grant", "admin")
            self.expect("option")
            option = True
        cascade = self.accept("cascade")
        if not cascade:
            self.accept("restrict")
        if self.accept("granted", "by"):
            self.label()
        return st.Grant(revoke, tuple(privileges), kind, tuple(names), tuple(roles), option,
                        cascade)
