"""A small client of the protocol, for minidb's own shell: simple queries, text results, SCRAM."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
from base64 import b64decode, b64encode
from collections.abc import Iterator

from minidb.sqlstate import DatabaseError

Answer = tuple[list[str], list[list[str | None]], str]


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + (len(body) + 4).to_bytes(4, "big") + body


class Client:
    """One connection.  status: I idle, T in a transaction, E in a failed one."""

    def __init__(self, host: str, port: int, user: str, database: str, password: str) -> None:
        self.address = host, port
        self.user = user
        self.database = database
        self.password = password
        self.status = "I"
        self.version = ""

    async def open(self) -> None:
        self.reader, self.writer = await asyncio.open_connection(*self.address)
        words = f"user\0{self.user}\0database\0{self.database}\0application_name\0minidb shell\0\0"
        body = (196608).to_bytes(4, "big") + words.encode()
        self.writer.write((len(body) + 4).to_bytes(4, "big") + body)
        while True:
            kind, body = await self._next()
            if kind == "R":
                await self._authenticate(body)
            elif kind == "S":
                name, value, _ = body.split(b"\0")
                if name == b"server_version":
                    self.version = f"minidb, PostgreSQL {value.decode()} protocol"
            elif kind == "E":
                raise OSError(_error(body).message)
            elif kind == "Z":
                return

    async def close(self) -> None:
        self.writer.write(_message(b"X", b""))
        self.writer.close()

    async def _next(self) -> tuple[str, bytes]:
        head = await self.reader.readexactly(5)
        return chr(head[0]), await self.reader.readexactly(int.from_bytes(head[1:], "big") - 4)

    async def _authenticate(self, body: bytes) -> None:
        code = int.from_bytes(body[:4], "big")
        if code == 10:
            self.nonce = b64encode(os.urandom(18)).decode()
            self.bare = f"n=,r={self.nonce}"
            first = f"n,,{self.bare}".encode()
            self.writer.write(_message(
                b"p", b"SCRAM-SHA-256\0" + len(first).to_bytes(4, "big") + first))
        elif code == 11:
            server = body[4:].decode()
            fields = dict(part.split("=", 1) for part in server.split(","))
            salted = hashlib.pbkdf2_hmac(
                "sha256", self.password.encode(), b64decode(fields["s"]), int(fields["i"]))
            client_key = hmac.digest(salted, b"Client Key", "sha256")
            final = f"c=biws,r={fields['r']}"
            signature = hmac.digest(hashlib.sha256(client_key).digest(),
                                    f"{self.bare},{server},{final}".encode(), "sha256")
            proof = bytes(a ^ b for a, b in zip(client_key, signature, strict=True))
            self.writer.write(_message(b"p", f"{final},p={b64encode(proof).decode()}".encode()))

    async def query(self, sql: str) -> Answer:
        """Run a text and give the last result: column names, rows, tag."""
        self.writer.write(_message(b"Q", sql.encode() + b"\0"))
        columns: list[str] = []
        rows: list[list[str | None]] = []
        tag, error = "", None
        while True:
            kind, body = await self._next()
            if kind == "T":
                columns, rows = list(_columns(body)), []
            elif kind == "D":
                rows.append(list(_values(body)))
            elif kind == "C":
                tag = body[:-1].decode()
            elif kind == "E":
                error = _error(body)
            elif kind == "G":
                self.writer.write(_message(b"f", b"the shell cannot COPY\0"))
            elif kind == "Z":
                self.status = chr(body[0])
                if error is not None:
                    raise error
                return columns, rows, tag


def _columns(body: bytes) -> Iterator[str]:
    at = 2
    for _ in range(int.from_bytes(body[:2], "big")):
        end = body.index(b"\0", at)
        yield body[at:end].decode()
        at = end + 19


def _values(body: bytes) -> Iterator[str | None]:
    at = 2
    for _ in range(int.from_bytes(body[:2], "big")):
        size = int.from_bytes(body[at:at + 4], "big", signed=True)
        at += 4
        if size < 0:
            yield None
        else:
            yield body[at:at + size].decode()
            at += size


def _error(body: bytes) -> DatabaseError:
    fields = {chr(part[0]): part[1:].decode() for part in body.split(b"\0") if part}
    return DatabaseError(fields["C"], fields["M"], detail=fields.get("D", ""))
