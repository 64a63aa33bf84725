"""The grammar of everything that is not a query: transactions, settings, cursors, COPY, EXPLAIN,
...

Each method reads one statement, from its first word on, into a record of `ast/statements.py`.
`STATEMENTS` says which word leads where.  What defines tables and other objects is in `objects.py`.
"""

from __future__ import annotations

from typing import Any

from query_planner.ast import statements as st
from query_planner.parser.objects import ObjectParser

_LEVELS = ("serializable", "repeatable read", "read committed", "read uncommitted")


class Parser(ObjectParser):
    """The whole grammar."""

    def definition(self) -> Any:
        """Any statement that is not a query or a change of data."""
        for word, method in STATEMENTS.items():
            if self.sees(word):
                return method(self)
        raise self.error()

    # -- transactions

    def begin(self) -> Any:
        self.choose("begin", "start")
        if not (self.accept("work") or self.accept("transaction")):
            pass
        return st.Transaction("begin", modes=self.transaction_modes())

    def commit(self) -> Any:
        self.choose("commit", "end")
        if self.accept("prepared"):
            return st.Transaction("commit prepared", self.string())
        return st.Transaction("commit", chain=self.and_chain())

    def rollback(self) -> Any:
        self.choose("rollback", "abort")
        if self.accept("prepared"):
            return st.Transaction("rollback prepared", self.string())
        if self.sees("work") or self.sees("transaction"):
            self.label()
        if self.accept("to"):
            self.accept("savepoint")
            return st.Transaction("rollback to", self.name())
        return st.Transaction("rollback", chain=self.and_chain())

    def and_chain(self) -> bool:
        """[WORK | TRANSACTION] [AND [NO] CHAIN]"""
        if self.sees("work") or self.sees("transaction"):
            self.label()
        if self.accept("and"):
            off = self.accept("no")
            self.expect("chain")
            return not off
        return False

    def savepoint(self) -> Any:
        self.expect("savepoint")
        return st.Transaction("savepoint", self.name())

    def release(self) -> Any:
        self.expect("release")
        self.accept("savepoint")
        return st.Transaction("release", self.name())

    def transaction_modes(self) -> tuple:
        """ISOLATION LEVEL .. | READ ONLY | READ WRITE | [NOT] DEFERRABLE, commas optional."""
        modes: list[tuple] = []
        while not self.ended:
            if self.accept("isolation", "level"):
                for level in _LEVELS:
                    if self.accept(*level.split()):
                        modes.append(("isolation", level))
                        break
                else:
                    raise self.error()
            elif self.accept("read", "only"):
                modes.append(("read only", True))
            elif self.accept("read", "write"):
                modes.append(("read only", False))
            elif self.accept("deferrable"):
                modes.append(("deferrable", True))
            elif self.accept("not", "deferrable"):
                modes.append(("deferrable", False))
            else:
                raise self.error()
            self.accept(",")
        return tuple(modes)

    # -- settings

    def set(self) -> Any:
        self.expect("set")
        if self.accept("constraints"):
            names = () if self.accept("all") else self.name_list()
            return st.SetConstraints(names, self.choose("deferred", "immediate") == "deferred")
        if self.accept("session", "characteristics", "as", "transaction"):
            return st.Transaction("set session", modes=self.transaction_modes())
        local = self.accept("local")
        if not local and not self.sees("session", "authorization"):
            self.accept("session")
        if self.accept("transaction"):
            if self.accept("snapshot"):
                raise self.refuse("SET TRANSACTION SNAPSHOT")
            return st.Transaction("set transaction", modes=self.transaction_modes())
        return self.setting(local)

    def setting(self, local: bool = False) -> Any:
        """name TO value, and the spellings of its own that some settings have."""
        if self.accept("time", "zone"):
            if self.accept("local") or self.accept("default"):
                return st.Set("timezone", None, local)
            if self.sees("interval"):
                node = self.expression()
                return st.Set("timezone", (node.arg.value,), local)
            return st.Set("timezone", (self.value(),), local)
        if self.accept("names"):
            return st.Set("client_encoding", (self.value(),) if not self.ended else None, local)
        if self.accept("session", "authorization"):
            return st.Set("session_authorization", None if self.accept("default") else
                          (self.value(),), local)
        if self.accept("role"):
            return st.Set("role", (self.value(),), local)
        if self.accept("schema"):
            return st.Set("search_path", (self.value(),), local)
        name = self.setting_name()
        self.choose("to", "=")
        if self.accept("default"):
            return st.Set(name, None, local)
        values = [self.value()]
        while self.accept(","):
            values.append(self.value())
        return st.Set(name, tuple(values), local)

    def setting_name(self) -> str:
        """name or class.name"""
        parts = [self.label()]
        while self.accept("."):
            parts.append(self.label())
        return ".".join(parts)

    def named_setting(self) -> str:
        """What SHOW and RESET name."""
        if self.accept("all"):
            return "all"
        if self.accept("time", "zone"):
            return "timezone"
        if self.accept("transaction", "isolation", "level"):
            return "transaction_isolation"
        if self.accept("session", "authorization"):
            return "session_authorization"
        return self.setting_name()

    def show(self) -> Any:
        self.expect("show")
        return st.Show(self.named_setting())

    def reset(self) -> Any:
        self.expect("reset")
        return st.Reset(self.named_setting())

    def discard(self) -> Any:
        self.expect("discard")
        what = self.choose("all", "plans", "sequences", "temporary", "temp")
        return st.Discard("temp" if what == "temporary" else what)

    # -- prepared statements and cursors

    def prepare(self) -> Any:
        self.expect("prepare")
        if self.accept("transaction"):
            return st.Transaction("prepare", self.string())
        name = self.name()
        types: list = []
        if self.accept("("):
            types.append(self.type_name())
            while self.accept(","):
                types.append(self.type_name())
            self.expect(")")
        self.expect("as")
        return st.Prepare(name, tuple(types), self.statement())

    def execute(self) -> Any:
        self.expect("execute")
        name = self.name()
        args: tuple = ()
        if self.accept("("):
            args = () if self.sees(")") else self.expressions()
            self.expect(")")
        return st.Execute(name, args)

    def deallocate(self) -> Any:
        self.expect("deallocate")
        self.accept("prepare")
        return st.Deallocate(None if self.accept("all") else self.name())

    def declare(self) -> Any:
        self.expect("declare")
        node = st.Declare(self.name(), None)
        while not self.sees("cursor"):
            if self.accept("no", "scroll"):
                node.scroll = False
            elif self.accept("scroll"):
                node.scroll = True
            elif self.accept("binary"):
                node.binary = True
            else:
                self.choose("insensitive", "asensitive")
        self.expect("cursor")
        if self.accept("with", "hold"):
            node.hold = True
        else:
            self.accept("without", "hold")
        self.expect("for")
        node.query = self.query()
        return node

    def fetch(self) -> Any:
        move = self.choose("fetch", "move") == "move"
        direction, count = "forward", 1
        all_: int | None = None
        if self.accept("next"):
            pass
        elif self.accept("prior"):
            direction = "backward"
        elif self.accept("first"):
            direction = "absolute"
        elif self.accept("last"):
            direction, count = "absolute", -1
        elif self.sees("absolute") or self.sees("relative"):
            direction = self.label()
            count = self.integer()
        elif self.sees("forward") or self.sees("backward"):
            direction = self.label()
            if self.accept("all"):
                return self.cursor(st.Fetch("", direction, all_, move))
            if not (self.named or self.sees("from") or self.sees("in")):
                count = self.integer()
        elif self.accept("all"):
            return self.cursor(st.Fetch("", direction, all_, move))
        elif not (self.named or self.sees("from") or self.sees("in")):
            count = self.integer()
        if count < 0 and direction in ("forward", "backward"):
            direction = "backward" if direction == "forward" else "forward"
            count = -count
        return self.cursor(st.Fetch("", direction, count, move))

    def cursor(self, node: st.Fetch) -> Any:
        """[FROM | IN] name, at the end of FETCH."""
        if not self.accept("from"):
            self.accept("in")
        node.cursor = self.name()
        return node

    def close(self) -> Any:
        self.expect("close")
        return st.Close(None if self.accept("all") else self.name())

    # -- messages between sessions

    def listen(self) -> Any:
        self.expect("listen")
        return st.Listen(self.name())

    def notify(self) -> Any:
        self.expect("notify")
        channel = self.name()
        return st.Notify(channel, self.string() if self.accept(",") else "")

    def unlisten(self) -> Any:
        self.expect("unlisten")
        return st.Unlisten(None if self.accept("*") else self.name())

    def lock(self) -> Any:
        self.expect("lock")
        self.accept("table")
        tables = []
        while True:
            self.accept("only")
            tables.append(self.qualified())
            self.accept("*")
            if not self.accept(","):
                break
        node = st.Lock(tuple(tables))
        if self.accept("in"):
            words = []
            while not self.sees("mode"):
                words.append(self.label())
            self.expect("mode")
            node.mode = " ".join(words)
        node.nowait = self.accept("nowait")
        return node

    # -- moving data, looking at plans, housekeeping

    def copy(self) -> Any:
        self.expect("copy")
        node = st.Copy((), (), None, False, "", {})
        self.accept("binary")
        if self.accept("("):
            node.query = self.statement()
            self.expect(")")
        else:
            node.table = self.qualified()
            node.columns = self.column_list()
        node.is_from = self.choose("from", "to") == "from"
        node.program = self.accept("program")
        if self.sees("stdin") or self.sees("stdout"):
            node.target = self.label()
        else:
            node.target = self.string()
        self.accept("with")
        if self.accept("("):
            while True:
                name = self.label()
                node.options[name] = self.copy_value()
                if not self.accept(","):
                    break
            self.expect(")")
        else:
            self.old_copy_options(node.options)
        if node.is_from and self.accept("where"):
            node.where = self.expression()
        return node

    def copy_value(self) -> Any:
        """The value of one parenthesised COPY option."""
        if self.sees(",") or self.sees(")"):
            return True
        if self.accept("*"):
            return "*"
        if self.accept("("):
            names = self.names()
            self.expect(")")
            return names
        value = self.value()
        if isinstance(value, str) and value.lower() in ("true", "on", "false", "off"):
            return value.lower() in ("true", "on")
        return value

    def old_copy_options(self, options: dict) -> None:
        """The options of COPY before PostgreSQL 9.0: words without parentheses."""
        while not self.ended and not self.sees("where"):
            word = self.label()
            if word in ("csv", "binary"):
                options["format"] = word
            elif word in ("header", "freeze"):
                options[word] = True
            elif word in ("delimiter", "delimiters", "null", "quote", "escape", "encoding"):
                self.accept("as")
                options[word.rstrip("s")] = self.string()
            elif word == "force":
                kind = "force_quote"
                if self.accept("not", "null"):
                    kind = "force_not_null"
                elif self.accept("null"):
                    kind = "force_null"
                else:
                    self.expect("quote")
                options[kind] = "*" if self.accept("*") else self.names()
            else:
                raise self.error()

    def explain(self) -> Any:
        self.expect("explain")
        options: dict[str, Any] = {}
        if self.sees("(") and not (self.sees("(", "select") or self.sees("(", "(")
                                   or self.sees("(", "values") or self.sees("(", "with")):
            self.expect("(")
            while True:
                name = self.label()
                value = True if self.sees(",") or self.sees(")") else self.value()
                if isinstance(value, str):
                    value = value.lower()
                    value = {"true": True, "on": True, "false": False, "off": False}.get(
                        value, value)
                options["analyze" if name == "analyse" else name] = value
                if not self.accept(","):
                    break
            self.expect(")")
        else:
            if self.accept("analyze") or self.accept("analyse"):
                options["analyze"] = True
            if self.accept("verbose"):
                options["verbose"] = True
        return st.Explain(self.statement(), options)

    def maintain(self) -> Any:
        verb = self.choose("vacuum", "analyze", "analyse", "reindex", "cluster", "checkpoint")
        options: list[tuple[str, Any]] = []
        if self.accept("("):
            while True:
                name = self.label()
                options.append((name, True if self.sees(",") or self.sees(")") else self.value()))
                if not self.accept(","):
                    break
            self.expect(")")
        while any(self.sees(word) for word in ("full", "freeze", "verbose", "analyze", "analyse")):
            options.append((self.label(), True))
        targets: list[tuple] = []
        if verb == "reindex":
            options.append(("kind", self.choose("index", "table", "schema", "database", "system")))
            self.accept("concurrently")
        while not self.ended:
            targets.append((self.qualified(), self.column_list()))
            if self.accept("using"):
                self.name()
            if not self.accept(","):
                break
        return st.Maintain("analyze" if verb == "analyse" else verb, tuple(targets), tuple(options))

    def do(self) -> Any:
        self.expect("do")
        node = st.Do("")
        while not self.ended:
            if self.accept("language"):
                node.language = self.value()
            else:
                node.body = self.string()
        return node

    def call_procedure(self) -> Any:
        self.expect("call")
        return st.Call(self.expression())

    def merge(self) -> Any:
        raise self.refuse("MERGE")


STATEMENTS = {
    "begin": Parser.begin, "start": Parser.begin, "commit": Parser.commit, "end": Parser.commit,
    "rollback": Parser.rollback, "abort": Parser.rollback, "savepoint": Parser.savepoint,
    "release": Parser.release, "set": Parser.set, "show": Parser.show, "reset": Parser.reset,
    "discard": Parser.discard, "prepare": Parser.prepare, "execute": Parser.execute,
    "deallocate": Parser.deallocate, "declare": Parser.declare, "fetch": Parser.fetch,
    "move": Parser.fetch, "close": Parser.close, "listen": Parser.listen, "notify": Parser.notify,
    "unlisten": Parser.unlisten, "lock": Parser.lock, "copy": Parser.copy,
    "explain": Parser.explain, "vacuum": Parser.maintain, "analyze": Parser.maintain,
    "analyse": Parser.maintain, "reindex": Parser.maintain, "cluster": Parser.maintain,
    "checkpoint": Parser.maintain, "do": Parser.do, "call": Parser.call_procedure,
    "merge": Parser.merge, "create": Parser.create, "drop": Parser.drop, "alter": Parser.alter,
    "truncate": Parser.truncate, "comment": Parser.comment, "grant": Parser.grant,
    "revoke": Parser.grant, "refresh": Parser.refresh,
}  # fmt: skip
