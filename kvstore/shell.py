"""The shell's grammar: completion and hints from the command table, replies as a person reads them.

`peek KEY` shows whatever is at a key by the command that fits its type.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from bedrock.app.shell import Candidate, Grammar
from kvstore.commands import ROWS
from kvstore.resp import Push, ReplyError, Simple, Verbatim, decode, request, split_words

# Of each type: how much is there, and a beginning of it that is never long.
PEEK: dict[str, tuple[str, tuple[str, ...]]] = {
    "string": ("STRLEN", ("GETRANGE", "0", "1023")),
    "list": ("LLEN", ("LRANGE", "0", "19")),
    "set": ("SCARD", ("SRANDMEMBER", "20")),
    "zset": ("ZCARD", ("ZRANGE", "0", "19", "WITHSCORES")),
    "hash": ("HLEN", ("HSCAN", "0", "COUNT", "20")),
    "stream": ("XLEN", ("XREVRANGE", "+", "-", "COUNT", "20")),
}


def render(value: Any, indent: str = "") -> str:
    """A reply in the manner of redis-cli."""
    if value is None:
        return "(nil)"
    if isinstance(value, ReplyError):
        return f"(error) {value}"
    if isinstance(value, bool):
        return "(true)" if value else "(false)"
    if isinstance(value, int):
        return f"(integer) {value}"
    if isinstance(value, float):
        return f"(double) {value:.17g}"
    if isinstance(value, (Simple, Verbatim)):
        return str(value)
    if isinstance(value, bytes):
        text = value.decode("utf-8", "backslashreplace")
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
    if isinstance(value, dict):
        lines = [f"{render(k)} => {render(v, indent + '  ')}" for k, v in value.items()]
        return ("\n" + indent).join(lines) or "(empty hash)"
    width = len(str(len(value)))
    pad = indent + " " * (width + 2)
    lines = [f"{i:>{width}}) {render(item, pad)}" for i, item in enumerate(value, 1)]
    return ("\n" + indent).join(lines) or "(empty array)"


def show(kind: str, value: Any) -> str:
    """A value as its type is best read: what belongs together on a line."""
    if kind == "zset" and value:
        # RESP3 has pairs, RESP2 one list of both.
        flat = [x for pair in value for x in pair] if isinstance(value[0], list) else value
        members = zip(flat[::2], flat[1::2], strict=True)
        return columns([(f"{float(score):g}", render(member)) for member, score in members])
    if kind == "hash" and len(value) == 2 and isinstance(value[1], list):
        _, flat = value  # of HSCAN: where it would go on, and fields with their values
        fields = zip(flat[:40:2], flat[1:40:2], strict=True)
        return columns([(render(field), render(item)) for field, item in fields])
    if kind == "stream":
        return columns([
            (entry.decode(), " ".join(render(word) for word in words)) for entry, words in value
        ])  # fmt: skip
    return render(value)


def columns(rows: list[tuple[str, str]]) -> str:
    """Two columns, the first as wide as it must be."""
    width = max((len(left) for left, _ in rows), default=0)
    return "\n".join(f"{left:<{width}}  {right}" for left, right in rows)


class KvstoreGrammar(Grammar):
    """One connection in RESP3."""

    async def open(self) -> str:
        self.buffer = b""
        self.db = 0
        self.reader, self.writer = await asyncio.open_connection(self.host, self.port)
        hello = ["HELLO", "3"]
        password = self.config.password()
        reply = await self.ask(*hello, *(["AUTH", "default", password] if password else []))
        if isinstance(reply, ReplyError):
            raise OSError(str(reply))
        return f"{reply[b'server'].decode()} {reply[b'version'].decode()}"

    async def close(self) -> None:
        self.writer.close()

    @property
    def prompt(self) -> str:
        return f"{self.host}:{self.port}[{self.db}]> " if self.db else f"{self.host}:{self.port}> "

    async def ask(self, *words: Any) -> Any:
        """One request, one reply; pushes that come between are left out."""
        self.writer.write(request(*words))
        while True:
            value, used = decode(self.buffer) if self.buffer else (None, -1)
            if used >= 0:
                self.buffer = self.buffer[used:]
                if not isinstance(value, Push):
                    return value
                continue
            data = await self.reader.read(1 << 16)
            if not data:
                raise EOFError("the server closed the connection")
            self.buffer += data

    def row(self, text: str) -> tuple[Any, int]:
        """(row of the command being typed, words of its name), (None, 0) if there is none."""
        words = text.lower().split()
        if len(words) > 1 and "|".join(words[:2]) in ROWS:
            return ROWS["|".join(words[:2])], 2
        return (ROWS.get(words[0]), 1) if words else (None, 0)

    def complete(self, text: str) -> Iterable[Candidate]:
        typed = text.lower().lstrip()
        for name, row in ROWS.items():
            words = name.replace("|", " ")
            if words.startswith(typed) and words != typed:
                yield Candidate(words.upper(), row.doc, len(typed))

    def hint(self, text: str) -> str:
        row, used = self.row(text)
        if row is None or not row.syntax:
            return ""
        given = len(text.split()) - used
        rest = row.syntax.split(" ")[given:]
        return ("" if text.endswith(" ") else " ") + " ".join(rest) if rest else ""

    async def execute(self, line: str) -> str:
        words = split_words(line.encode())
        if words is None:
            return "(error) unbalanced quotes"
        if not words:
            return ""
        if words[0].lower() in (b"exit", b"quit"):
            raise EOFError
        if words[0].lower() == b"peek" and len(words) == 2:
            return await self.peek(words[1])
        reply = await self.ask(*words)
        if words[0].lower() == b"select" and reply == "OK":
            self.db = int(words[1])
        return render(reply)

    async def peek(self, key: bytes) -> str:
        """Type, encoding, length, size, time to live and the beginning of the value at a key."""
        kind = str(await self.ask("TYPE", key))
        if kind not in PEEK:
            return "(nothing there)"
        ttl = await self.ask("TTL", key)
        count, (name, *rest) = PEEK[kind]
        length = await self.ask(count, key)
        value = await self.ask(name, key, *rest)
        encoding = (await self.ask("OBJECT", "ENCODING", key) or b"").decode()
        memory = await self.ask("MEMORY", "USAGE", key)
        lives = f", {ttl} s to live" if ttl >= 0 else ""
        what = ("byte" if kind == "string" else "element") + "s" * (length != 1)
        size = f"{length} {what}, {memory} bytes in memory"
        return f"{kind} ({encoding}, {size}){lives}\n{show(kind, value)}"
