"""`chat shell`: a small IRC client, with completion and hints from the command table."""

from __future__ import annotations

import asyncio
import getpass
from collections.abc import Iterable
from typing import Any

from bedrock.app.shell import Candidate, Grammar
from chat.commands import COMMANDS
from chat.message import Message, format_line, parse
from chat.names import is_channel

DONE = "bedrock-shell-done"


class ChatGrammar(Grammar):
    """Lines that begin with a command (or /command) are sent as they are; others are said in the
    channel joined last.  After each line, what came in meanwhile is shown.
    """

    def __init__(self, host: str, port: int, config: Any):
        super().__init__(host, port, config)
        self.nick = getpass.getuser()[:20]
        self.channel = ""
        self.reader: asyncio.StreamReader
        self.writer: asyncio.StreamWriter

    async def open(self) -> str:
        self.reader, self.writer = await asyncio.open_connection(self.host, self.port)
        password = self.config.password()
        if password:
            self._send("PASS", password)
        self._send("NICK", self.nick)
        self._send("USER", self.nick, "0", "*", self.nick)
        lines = await self._until_done()
        return lines.splitlines()[0] if lines else ""

    async def close(self) -> None:
        self._send("QUIT")
        self.writer.close()

    @property
    def prompt(self) -> str:
        return f"{self.nick}{' ' + self.channel if self.channel else ''}> "

    def complete(self, text: str) -> Iterable[Candidate]:
        word = text.removeprefix("/").upper()
        if " " not in word:
            for command in COMMANDS.values():
                if command.name.startswith(word):
                    yield Candidate(command.name, command.doc, back=len(word))

    def hint(self, text: str) -> str:
        command = COMMANDS.get(text.removeprefix("/").partition(" ")[0].upper())
        return f"   {command.usage}" if command and " " in text and text.endswith(" ") else ""

    async def execute(self, line: str) -> str:
        word, _, rest = line.removeprefix("/").partition(" ")
        if word.upper() in COMMANDS:
            self.writer.write(f"{word.upper()} {rest}".encode() + b"\r\n")
            if word.upper() == "JOIN":
                self.channel = rest.split(",")[0].split(" ")[0]
            elif word.upper() == "QUIT":
                raise EOFError
        elif line and self.channel:
            self._send("PRIVMSG", self.channel, line)
        elif line:
            return "JOIN a channel first, or type a command"
        return await self._until_done()

    def _send(self, command: str, *params: str) -> None:
        self.writer.write(format_line("", command, params))

    async def _until_done(self) -> str:
        """What the server sent up to the answer to a PING of ours."""
        self._send("PING", DONE)
        shown: list[str] = []
        while True:
            data = await self.reader.readline()
            if not data:
                raise ConnectionError("the server closed the connection\n" + "\n".join(shown))
            message = parse(data.rstrip(b"\r\n"))
            if message is None:
                continue
            if message.command == "PONG" and message.params[-1:] == [DONE]:
                return "\n".join(shown)
            if message.command == "PING":
                self._send("PONG", *message.params)
            else:
                if message.command == "NICK" and message.source.split("!")[0] == self.nick:
                    self.nick = message.params[0]
                shown.append(show(message))


def show(message: Message) -> str:
    """A message as a person reads it."""
    nick = message.source.partition("!")[0]
    params = message.params
    if message.command == "PRIVMSG":
        return (
            f"{params[0]} <{nick}> {params[1]}"
            if is_channel(params[0])
            else f"*{nick}* {params[1]}"
        )
    if message.command == "NOTICE":
        return f"-{nick}- {params[-1]}"
    if message.command.isdigit():
        return f"{message.command} {' '.join(params[1:])}"
    return f"* {nick} {message.command.lower()} {' '.join(params)}"
