"""The frame of every component's shell; the component brings a `Grammar`.

On a terminal: history with search, completion and hints from the component's own tables, colours,
the last command's time in the bottom toolbar, `command | less` through a pipe of the system.
Elsewhere: lines from standard input, raw replies to standard output, no prompt.

Ctrl-C cancels the line or the running command, Ctrl-D leaves.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import Any

from bedrock.app.component import Component


@dataclass(frozen=True)
class Candidate:
    """A completion: `text` replaces the `back` characters before the cursor; `meta` explains."""

    text: str
    meta: str = ""
    back: int = 0


class Grammar:
    """What a component's shell knows; subclassed in `<component>/shell.py`.

    lexer  name of a pygments lexer ("sql"), or a pygments Lexer class; "" for none
    tty    set by the frame: a person looks on, so replies may be rich and coloured
    """

    lexer: Any = ""
    tty = False

    def __init__(self, host: str, port: int, config: Any):
        self.host, self.port, self.config = host, port, config

    async def open(self) -> str:
        """Connect; a greeting line, or "".  OSError when nobody answers."""
        raise NotImplementedError

    async def close(self) -> None:
        """Disconnect."""

    @property
    def prompt(self) -> str:
        """What stands before the cursor; may change with the session's state."""
        return f"{self.host}:{self.port}> "

    def complete(self, text: str) -> Iterable[Candidate]:
        """What may follow `text`, all that stands before the cursor."""
        return ()

    def hint(self, text: str) -> str:
        """Dim text shown after the cursor: the arguments still to come."""
        return ""

    def whole(self, text: str) -> bool:
        """Whether Enter runs `text`; otherwise it starts a new line."""
        return True

    async def execute(self, line: str) -> str | AsyncIterator[str]:
        """Run a line and render what came back; an iterator for what keeps coming.

        Raises EOFError to leave.  Cancelled by Ctrl-C.
        """
        raise NotImplementedError


def run_shell(component: Component, config: Any, words: list[str]) -> int:
    """Connect to a running server and talk; with words, run just that line."""
    if not component.shell:
        print(f"{component.name} has no shell", file=sys.stderr)
        return 2
    port = config.port or getattr(component.config(), "port", 0)
    grammar = component.load("shell")(config.host, port, config)
    grammar.tty = sys.stdout.isatty()
    try:
        return asyncio.run(_session(component.name, grammar, words))
    except KeyboardInterrupt:
        return 130


async def _session(name: str, grammar: Grammar, words: list[str]) -> int:
    try:
        greeting = await grammar.open()
    except OSError as exc:
        where = f"{grammar.host}:{grammar.port}"
        print(f"{name}: nobody answers at {where} ({exc.strerror or exc})", file=sys.stderr)
        return 1
    try:
        if words:
            # One word is a line as it stands (SQL); several are words, blanks inside them kept.
            line = words[0] if len(words) == 1 else shlex.join(words)
            return await _one(grammar, line)
        if sys.stdin.isatty() and sys.stdout.isatty():
            return await _terminal(name, grammar, greeting)
        return await _plain(grammar)
    finally:
        await grammar.close()


async def _plain(grammar: Grammar) -> int:
    """Statements from standard input; the exit code says whether the last one worked."""
    code, pending = 0, ""
    for line in sys.stdin:
        pending += line
        if not pending.strip() or not grammar.whole(pending.rstrip("\n")):
            continue
        try:
            code = await _one(grammar, pending.rstrip("\n"))
        except EOFError:
            return code
        pending = ""
    return await _one(grammar, pending.rstrip("\n")) if pending.strip() else code


async def _one(grammar: Grammar, line: str) -> int:
    """Run a line, print what it gives; 1 when the connection failed."""
    line, pipe = split_pipe(line)
    try:
        reply = await grammar.execute(line)
        if pipe:
            text = reply if isinstance(reply, str) else "".join([part async for part in reply])
            _through(pipe, text)
        elif isinstance(reply, str):
            _print(reply)
        else:
            async for part in reply:
                _print(part)
    except OSError as exc:
        print(f"connection failed: {exc}", file=sys.stderr)
        return 1
    return 0


def _print(text: str) -> None:
    if text:
        print(text, end="" if text.endswith("\n") else "\n", flush=True)


def _through(command: str, text: str) -> None:
    """Give a reply to a command line of the system, as typed by the person at the shell."""
    if not text.endswith("\n"):
        text += "\n"
    subprocess.run(command, shell=True, input=text, text=True, check=False)  # noqa: S602


def split_pipe(line: str) -> tuple[str, str]:
    """`get x | jq .` -> ("get x", "jq ."): at the first bar with blanks around, outside quotes."""
    quote = ""
    for i, char in enumerate(line):
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        elif char == "|" and line[i - 1 : i].isspace() and line[i + 1 : i + 2].isspace():
            return line[:i].rstrip(), line[i + 1 :].strip()
    return line, ""


async def _terminal(name: str, grammar: Grammar, greeting: str) -> int:
    from bedrock.app.terminal import make_prompt

    toolbar = f" {grammar.host}:{grammar.port}"
    ask = make_prompt(name, grammar, lambda: toolbar)
    _print(greeting)
    while True:
        try:
            line = (await ask()).strip()
        except KeyboardInterrupt:
            continue
        except EOFError:
            return 0
        if not line:
            continue
        if line in ("exit", "quit", "\\q"):
            return 0
        begun = time.perf_counter()
        try:
            await _cancellable(_one(grammar, line))
        except EOFError:
            return 0
        except KeyboardInterrupt:
            print("cancelled", file=sys.stderr)
        took_ms = (time.perf_counter() - begun) * 1e3
        toolbar = f" {grammar.host}:{grammar.port}  {took_ms:.1f} ms"


async def _cancellable(work: Any) -> None:
    """Run a command; Ctrl-C ends it and not the shell."""
    import signal

    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    finally:
        loop.remove_signal_handler(signal.SIGINT)


def history_file(name: str) -> str:
    """Where a shell's history is kept: $XDG_STATE_HOME/bedrock/<name>_history."""
    base = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    folder = os.path.join(base, "bedrock")
    os.makedirs(folder, mode=0o700, exist_ok=True)
    return os.path.join(folder, f"{name}_history")
