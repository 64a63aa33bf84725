"""COPY: rows in and out as text, CSV or binary.

    text    tab between, \\N for NULL, backslash escapes, \\. ends
    csv     quotes doubled, NULL is the empty unquoted field, optional header
    binary  "PGCOPY\\n\\377\\r\\n\\0", int32 flags, int32 extension length; for each row int16
    columns,
            for each field int32 length (-1 = NULL) and its binary form; int16 -1 ends

Data that arrives is kept in whole lines and turned into columns BATCH rows at a time, so memory
stays bounded whatever is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from minidb.copytext import split_lines
from minidb.events import PAUSE, CopyIn
from minidb.execution.context import Context
from minidb.execution.modify import Checks, add_rows
from minidb.execution.vector import Batch, Vec, code_of, vec_of
from minidb.input import read_binary
from minidb.portal import Portal
from minidb.sqlstate import DatabaseError, not_supported
from minidb.statement import Statement
from query_planner.ast import ColumnRef, Select, TableRef, Target
from query_planner.ast import statements as s

Steps = Generator[Any, None, None]

BATCH = 8192
SIGNATURE = b"PGCOPY\n\xff\r\n\0"
_FLUSH_BYTES = 1 << 16


class Options:
    """The options of a COPY, checked."""

    def __init__(self, given: dict[str, Any]) -> None:
        self.format = str(given.get("format", "text")).lower()
        if self.format not in ("text", "csv", "binary"):
            raise DatabaseError("22023", f'COPY format "{self.format}" not recognized')
        csv = self.format == "csv"
        self.delimiter = str(given.get("delimiter", "," if csv else "\t"))
        self.null = str(given.get("null", "" if csv else "\\N"))
        header = given.get("header", False)
        self.header = header not in (False, "false", "off", 0, "0")
        self.quote = str(given.get("quote", '"'))
        self.escape = str(given.get("escape", self.quote))
        self.force_quote = given.get("force_quote", ())
        self.force_not_null = given.get("force_not_null", ())
        self.force_null = given.get("force_null", ())
        if len(self.delimiter.encode()) != 1:
            raise DatabaseError("0A000", "COPY delimiter must be a single one-byte character")
        if self.header and self.format == "binary":
            raise DatabaseError("0A000", "cannot specify HEADER in BINARY mode")


def copy(connection: Any, node: s.Copy, portal: Portal) -> Steps:
    options = Options(node.options)
    if node.program or node.target not in ("stdin", "stdout"):
        raise not_supported("COPY with a file or program of the server")
    if node.is_from:
        yield from _copy_in(connection, node, options, portal)
    else:
        yield from _copy_out(connection, node, options, portal)


# -- out


def _copy_out(connection: Any, node: s.Copy, options: Options, portal: Portal) -> Steps:
    query = node.query
    if query is None:
        table = connection.catalog.lookup(node.table)
        names = node.columns or tuple(column.name for column in table.columns)
        query = Select(
            targets=tuple(Target(expr=ColumnRef(parts=(name,))) for name in names),
            from_=(TableRef(name=node.table),))
    statement = connection.prepared(Statement(portal.statement.sql, query), ())
    inner = Portal(statement, (), None)
    fields = statement.fields or ()
    sink, output = connection.sink, connection.output
    sink.copy_out(options.format == "binary", len(fields))
    types = [field[1] for field in fields]
    write = {"text": _text_rows, "csv": _csv_rows, "binary": _binary_rows}[options.format]
    if options.format == "binary":
        sink.copy_data(SIGNATURE + bytes(8))
    elif options.header:
        line = options.delimiter.join(
            _quoted(field[0], options, False) if options.format == "csv" else field[0]
            for field in fields)
        sink.copy_data((line + "\n").encode())
    count = 0
    forced = _places(options.force_quote, [field[0] for field in fields])
    for rows in connection.query(inner):
        if type(rows) is list:
            count += len(rows)
            for data in write(rows, types, output, options, forced):
                sink.copy_data(data)
            yield PAUSE
        else:
            yield rows
    if options.format == "binary":
        sink.copy_data(b"\xff\xff")
    sink.copy_done()
    portal.tag = f"COPY {count}"


def _places(names: Any, columns: list[str]) -> set[int]:
    """Positions of the named columns; "*" names all."""
    if names in ("*", ("*",), True):
        return set(range(len(columns)))
    return {columns.index(name) for name in names or () if name in columns}


_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\b": "\\b",
                          "\f": "\\f", "\v": "\\v"})


def _text_rows(rows: list, types: list, output: Any, options: Options,
               forced: set[int]) -> Generator[bytes, None, None]:
    escapes = _ESCAPES
    if options.delimiter != "\t":
        escapes = {**_ESCAPES, ord(options.delimiter): "\\" + options.delimiter}
    for row in rows:
        parts = [options.null if value is None else
                 output.render(value, type_).translate(escapes)
                 for value, type_ in zip(row, types, strict=True)]
        yield (options.delimiter.join(parts) + "\n").encode()


def _quoted(text: str, options: Options, force: bool) -> str:
    q = options.quote
    if force or text == options.null or text == "\\." or any(
            c in text for c in (options.delimiter, q, "\n", "\r")):
        body = text.replace(options.escape, options.escape * 2) if options.escape != q else text
        return q + body.replace(q, options.escape + q) + q
    return text


def _csv_rows(rows: list, types: list, output: Any, options: Options,
              forced: set[int]) -> Generator[bytes, None, None]:
    for row in rows:
        parts = [options.null if value is None else
                 _quoted(output.render(value, type_), options, i in forced)
                 for i, (value, type_) in enumerate(zip(row, types, strict=True))]
        yield (options.delimiter.join(parts) + "\n").encode()


def _binary_rows(rows: list, types: list, output: Any, options: Options,
                 forced: set[int]) -> Generator[bytes, None, None]:
    from minidb.output import binary_row

    for row in rows:
        yield binary_row(output, row, types)


# -- in


class _Input:
    """Bytes as they arrive, cut into rows of fields (None = NULL)."""

    def __init__(self, options: Options, width: int) -> None:
        self.options = options
        self.width = width
        self.rest = b""
        self.header = options.header
        self.ended = False
        self.line = 0

    def rows(self, data: bytes, final: bool) -> list[list[Any]]:
        raise NotImplementedError

    def checked(self, rows: list[list[Any]]) -> list[list[Any]]:
        for row in rows:
            self.line += 1
            if len(row) != self.width:
                if len(row) > self.width:
                    raise DatabaseError("22P04", "extra data after last expected column")
                raise DatabaseError("22P04", f"missing data for column number {len(row) + 1}")
        if self.header and rows:
            self.header = False
            return rows[1:]
        return rows


class _TextInput(_Input):
    def rows(self, data: bytes, final: bool) -> list[list[Any]]:
        if self.ended:
            return []
        data = self.rest + data
        if final:
            if data and not data.endswith(b"\n"):
                data += b"\n"
            self.rest = b""
        else:
            cut = data.rfind(b"\n") + 1
            data, self.rest = data[:cut], data[cut:]
        if not data:
            return []
        try:
            text = data.decode()
        except UnicodeDecodeError:
            raise DatabaseError("22021", 'invalid byte sequence for encoding "UTF8"') from None
        rows, self.ended = split_lines(text, self.options.delimiter, self.options.null)
        return self.checked(rows)


class _CsvInput(_Input):
    """A field begins quoted or not; within quotes newlines are data."""

    def rows(self, data: bytes, final: bool) -> list[list[Any]]:
        data = self.rest + data
        quote = self.options.quote.encode()
        if final:
            cut = len(data)
        else:
            # Up to the last newline outside quotes: one before which quotes are even.
            cut = data.rfind(b"\n") + 1
            while cut and data.count(quote, 0, cut) % 2:
                cut = data.rfind(b"\n", 0, cut - 1) + 1
        data, self.rest = data[:cut], data[cut:]
        if not data or self.ended:
            return []
        try:
            text = data.decode()
        except UnicodeDecodeError:
            raise DatabaseError("22021", 'invalid byte sequence for encoding "UTF8"') from None
        return self.checked(self._parse(text))

    def _parse(self, text: str) -> list[list[Any]]:
        o = self.options
        rows: list[list[Any]] = []
        if o.quote not in text:
            for line in text.replace("\r\n", "\n").rstrip("\n").split("\n"):
                if line == "\\.":
                    self.ended = True
                    break
                rows.append([None if f == o.null else f for f in line.split(o.delimiter)])
            return rows
        row: list[Any] = []
        word: list[str] = []
        i, n, quoted, was_quoted = 0, len(text), False, False

        def end_field() -> None:
            nonlocal was_quoted
            field = "".join(word)
            row.append(None if not was_quoted and field == o.null else field)
            word.clear()
            was_quoted = False

        while i < n:
            c = text[i]
            if quoted:
                if c == o.escape and i + 1 < n and text[i + 1] in (o.quote, o.escape):
                    word.append(text[i + 1])
                    i += 1
                elif c == o.quote:
                    quoted = False
                else:
                    word.append(c)
            elif c == o.quote:
                quoted = was_quoted = True
            elif c == o.delimiter:
                end_field()
            elif c == "\n" or (c == "\r" and text[i + 1:i + 2] in ("\n", "")):
                if c == "\r":
                    i += 1
                end_field()
                if row == ["\\."]:
                    self.ended = True
                    return rows
                rows.append(row)
                row = []
            else:
                word.append(c)
            i += 1
        if quoted:
            raise DatabaseError("22P04", "unterminated CSV quoted field")
        if row or word or was_quoted:
            end_field()
            rows.append(row)
        return rows


class _BinaryInput(_Input):
    def __init__(self, options: Options, width: int) -> None:
        super().__init__(options, width)
        self.begun = False

    def rows(self, data: bytes, final: bool) -> list[list[Any]]:
        data = self.rest + data
        at = 0
        if not self.begun:
            if len(data) < 19:
                if final:
                    raise DatabaseError("22P04", "COPY file signature not recognized")
                self.rest = data
                return []
            if data[:11] != SIGNATURE:
                raise DatabaseError("22P04", "COPY file signature not recognized")
            extension = int.from_bytes(data[15:19], "big", signed=True)
            if extension < 0 or extension > len(data):
                raise DatabaseError("22P04", "invalid COPY file header (wrong length)")
            at = 19 + extension
            self.begun = True
        rows: list[list[Any]] = []
        while not self.ended:
            row_at = at
            row, at = self._row(data, at)
            if row is None:
                at = row_at
                break
            if row:
                rows.append(row)
        self.rest = b"" if self.ended else data[at:]
        if final and (self.rest or not self.ended):
            raise DatabaseError("22P04", "unexpected EOF in COPY data")
        return self.checked(rows)

    def _row(self, data: bytes, at: int) -> tuple[list[Any] | None, int]:
        """One row and where it ends; None when it is not whole yet."""
        if at + 2 > len(data):
            return None, at
        count = int.from_bytes(data[at:at + 2], "big", signed=True)
        at += 2
        if count == -1:
            self.ended = True
            return [], at
        if count != self.width:
            raise DatabaseError("22P04", f"row field count is {count}, expected {self.width}")
        row: list[Any] = []
        for _ in range(count):
            if at + 4 > len(data):
                return None, at
            size = int.from_bytes(data[at:at + 4], "big", signed=True)
            at += 4
            if size < -1:
                raise DatabaseError("22P04", "invalid field size")
            if size == -1:
                row.append(None)
                continue
            if at + size > len(data):
                return None, at
            row.append(data[at:at + size])
            at += size
        return row, at


_INPUTS = {"text": _TextInput, "csv": _CsvInput, "binary": _BinaryInput}


def _parser(connection: Any, type_: Any, typmod: int, binary: bool) -> Callable[[list], Vec]:
    """A column's fields as a vector."""
    from minidb.execution.cast import one_cast

    code = code_of(type_)
    name = type_.name
    literal = connection.catalog.literal
    if binary:
        limit = one_cast(type_, type_, typmod, False)
        context = Context(connection, (), None, None)

        def read(fields: list) -> Vec:
            values = [None if f is None else read_binary(f, type_) for f in fields]
            if limit is not None:
                values = [None if v is None else limit(v, context) for v in values]
            return vec_of(values, code)

        return read
    if name in ("text", "varchar") and typmod < 0:
        return lambda fields: vec_of(fields, "O")
    slow: Callable[[list], Vec] = lambda fields: vec_of(  # noqa: E731
        [None if f is None else literal(f, type_, typmod) for f in fields], code)
    if name in ("int2", "int4", "int8", "float8"):
        number: Any = float if name == "float8" else int
        low, high = {"int2": (-2**15, 2**15), "int4": (-2**31, 2**31),
                     "int8": (-2**63, 2**63)}.get(name, (0, 0))

        def numbers(fields: list) -> Vec:
            try:
                values = [None if f is None else number(f) for f in fields]
            except ValueError:
                return slow(fields)
            known = [v for v in values if v is not None]
            if name != "float8" and known and not low <= min(known) <= max(known) < high:
                return slow(fields)
            return vec_of(values, code)

        return numbers
    return slow


def _copy_in(connection: Any, node: s.Copy, options: Options, portal: Portal) -> Steps:
    if node.query is not None:
        raise DatabaseError("42601", "COPY FROM needs a table")
    catalog = connection.catalog
    table = catalog.lookup(node.table)
    catalog.check_writable(table)
    txn = connection.begin()
    if txn.read_only:
        raise DatabaseError("25006", "cannot execute COPY FROM in a read-only transaction")
    names = node.columns or tuple(c.name for c in table.columns if not c.generated)
    columns = []
    for name in names:
        column = table.column(name)
        if column is None:
            raise DatabaseError(
                "42703", f'column "{name}" of relation "{table.name}" does not exist')
        columns.append(column)
    binary = options.format == "binary"
    loader = _Loader(connection, table, columns, options, txn)
    mark = txn.mark()
    event = CopyIn(loader.feed, binary, len(columns))
    try:
        yield event
        if event.error is not None:
            raise event.error
        if event.failed is not None:
            raise DatabaseError("57014", f"COPY from stdin failed: {event.failed}")
        loader.finish()
    except BaseException:
        if not txn.ended:
            txn.undo_to(mark)
        raise
    portal.tag = f"COPY {loader.count}"


class _Loader:
    """Parsed rows into the table, a batch at a time."""

    def __init__(self, connection: Any, table: Any, columns: list, options: Options,
                 txn: Any) -> None:
        self.connection = connection
        self.table = table
        self.columns = columns
        self.input = _INPUTS[options.format](options, len(columns))
        self.parsers = [_parser(connection, c.type, c.typmod, options.format == "binary")
                        for c in columns]
        self.pending: list[list[Any]] = []
        self.held: list[bytes] = []
        self.held_bytes = 0
        self.context = Context(connection, (), txn.start_statement(), txn)
        txn.end_statement()
        self.count = 0
        self.defaults = self._defaults()

    def _defaults(self) -> list[tuple[Any, Any]]:
        """(column, function or None) of the columns the data does not have."""
        from minidb.bound import compiled

        given = {column.number for column in self.columns}
        out = []
        for column in self.table.columns:
            if column.number in given:
                continue
            compute = None
            if column.default is not None:
                compute = compiled(column.default, self.connection.catalog,
                                   self.table.relation if column.generated else None,
                                   column.type, column.typmod)
            out.append((column, compute))
        return out

    def feed(self, data: bytes) -> None:
        self.held.append(data)
        self.held_bytes += len(data)
        if self.held_bytes >= _FLUSH_BYTES:
            self._parse(False)

    def _parse(self, final: bool) -> None:
        data = b"".join(self.held)
        self.held.clear()
        self.held_bytes = 0
        self.pending.extend(self.input.rows(data, final))
        while len(self.pending) >= BATCH or (final and self.pending):
            batch, self.pending = self.pending[:BATCH], self.pending[BATCH:]
            self._store(batch)

    def finish(self) -> None:
        self._parse(True)

    def _store(self, rows: list[list[Any]]) -> None:
        n = len(rows)
        vecs: dict[int, Vec] = {}
        for column, parse, fields in zip(
                self.columns, self.parsers, zip(*rows, strict=True), strict=True):
            vecs[column.number] = parse(list(fields))
        for column, compute in self.defaults:
            if compute is None:
                vecs[column.number] = vec_of([None], code_of(column.type)).full(n)
            else:
                batch = Batch(n, vecs)
                vecs[column.number] = compute(batch, self.context).full(n)
        ordered = [vecs[column.number] for column in self.table.columns]
        Checks(self.table, self.connection.catalog).run(ordered, n, self.context)
        add_rows(self.table, ordered, n, self.context)
        self.table.after_insert(self.context, ordered, n)
        self.count += n


