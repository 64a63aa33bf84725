"""LDB, the debugger of scripts: a conversation with a script that has stopped at a line.

    SCRIPT DEBUG YES | SYNC, then EVAL

    script ─► line ─► has it to stop? ─► told where ─► command ─► lines ─► command ─► ...
       ▲                                                  │
       └───────────────── step, continue, abort, the client is gone

A command is an array of words, as every request.  An answer is an array of status lines; those that
begin with <word> are coloured by redis-cli.

    ►  *1 $4 step                          ◄  *3 +<redis> get k   +<reply> "v"
                                                 +* Stopped at 2, stop reason = step over ...

With YES the script runs in a process of its own, a copy of the server, which is gone with all that
the script changed when it ends (`Link.branch`).  With SYNC it runs in the server; while it stands
others are answered with -BUSY, as during any script that takes long.  Decision 9 says why.

Invariants:
1. The last line of a session is <endsession>; after it comes EVAL's own reply, then the end of the
   connection.
2. A client that goes away stops nothing any more: its script runs to its end, or, when that takes
   too long, is ended.

https://redis.io/docs/manual/programmability/lua-debugging/
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kvstore.redis_conf import in_quotes
from kvstore.resp import ReplyError, parse_request

MOST_BREAKPOINTS = 64
LIMIT = 256  # bytes of a value or a reply that are shown
LEAST_LIMIT = 60
WORDS_SHOWN = 10  # of a command
LONGEST = 1 << 20  # bytes of a command to the debugger
PATIENCE_MS = 5000  # for a script that does not stop, where busy-reply-threshold sets no limit
CONTEXT = 5  # lines around the one that is listed

STEPPED, BROKE, CALLED, LATE = (
    "step over", "break point", "redis.breakpoint() called", "timeout reached, infinite loop?",
)  # fmt: skip

ABORTED = b"ERR script aborted for user request"
LEFT = b"ERR the script takes long, and who debugs it is gone"
UNREADABLE = b"ERR protocol error"
UNKNOWN = b"<error> Unknown Redis Lua debugger command or wrong number of arguments."
TRIMMED = b"<hint> The above reply was trimmed. Use 'maxlen 0' to disable trimming."

HELP = b"""\
Commands, which may be shortened to their first letter:
help                 This text.
step, next           Run this line and stop at the next.
continue             Run up to the next breakpoint.
list [line] [n]      The n lines around a line; 0: where the script has stopped.
whole                All lines.
print [name]         All local variables, or the one of that name; KEYS and ARGV too.
break                All breakpoints.
break line ...       Set a breakpoint; -line: take it away; 0: take all away.
trace                The calls that led here.
eval code            Run some Lua, which does not see local variables.
redis command ...    Run a command of Redis.
maxlen [n]           Show at most n bytes of a value or a reply; 0: all.
abort                End the script; with SYNC what it changed stays.
What a script can do:
redis.debug(...)     Show values here.
redis.breakpoint()   Stop at the next line.""".split(b"\n")


class Ended(Exception):
    """The script must end; with what error."""

    def __init__(self, why: bytes):
        self.why = why


class Debugger:
    """One session: where its script stops, and what is asked there.

    link:   the connection of who debugs
    code:   the script
    late_ms: how long it may run before it is stopped
    clock:  what that is measured with
    serve:  called while it waits for a command, to serve others; why the script must end, or None
    """

    def __init__(
        self, link: Any, code: bytes, late_ms: int, clock: Any,
        serve: Callable[[], bytes | None] | None,
    ):  # fmt: skip
        self._link = link
        self._source = code.rstrip(b"\r\n").split(b"\n")
        self._late_ns = (late_ms or PATIENCE_MS) * 1_000_000
        self._clock = clock
        self._serve = serve
        self._went_ns = clock.now_ns()
        self._input = b""
        self._said: list[bytes] = []
        self._stepping = True
        self._breakpoints: list[int] = []
        self._line = 0
        self._limit = LIMIT
        self._hinted = False
        self.called = False

    # ------------------------------------------------------------------ what a script does

    def reached(self, machine: Any, line: int, counted: bool) -> bytes | None:
        """A line is about to run, or (`counted`) runs for long.

        Why the script must end, or None.
        """
        self._line = line
        reason = self._reason(counted)
        if reason is None:
            return None
        self._stepping = self.called = False
        self._said.append(b"* Stopped at %d, stop reason = %s" % (line, reason.encode()))
        self._show_line(line)
        try:
            self._converse(machine)
        except Ended as ended:
            return ended.why
        self._went_ns = self._clock.now_ns()
        return LEFT if self._link is None and reason is LATE else None

    def _reason(self, counted: bool) -> str | None:
        if self.called:
            return CALLED
        if self._line in self._breakpoints:
            return BROKE
        if self._stepping:
            return STEPPED
        if counted and self._clock.now_ns() - self._went_ns >= self._late_ns:
            return LATE
        return None

    def told(self, values: list[bytes]) -> None:
        """redis.debug was called."""
        self._said.append(b"<debug> line %d: %s" % (self._line, b", ".join(values)))

    def called_command(self, words: list[bytes], reply: bytes, refused: bool) -> None:
        """The script, or who debugs it, ran a command."""
        if not self._stepping:
            return
        shown = words[:WORDS_SHOWN]
        if len(words) > WORDS_SHOWN:
            shown.append(b"... (%d more)" % (len(words) - WORDS_SHOWN - 1))
        self._said.append(b" ".join([b"<redis>", *shown]))
        if reply.startswith(b"-"):
            error = reply.rstrip()
            self._said.append(b"<error> " + (error.removeprefix(b"-ERR ") if refused else error))
        if not refused:
            self._say_trimmed(b"<reply> " + show_reply(reply))

    def end(self) -> None:
        """The session is over."""
        self._said.append(b"<endsession>")
        self._send()

    # ------------------------------------------------------------------ the conversation

    def _converse(self, machine: Any) -> None:
        """Obey commands until one lets the script go on, or none will come."""
        while True:
            self._send()
            words = self._next_words()
            if not words:
                return
            handler = COMMANDS.get(words[0].lower())
            if handler is None:
                self._said.append(UNKNOWN)
            elif handler(self, machine, words):
                return

    def _next_words(self) -> list[bytes]:
        """The next command; empty if none will come, and the script is not to stop again."""
        while self._link is not None:
            try:
                words, used = parse_request(self._input)
            except ReplyError:
                raise Ended(UNREADABLE) from None
            self._input = self._input[used:]
            if words:
                return words
            if not used:
                self._read()
        return []

    def _read(self) -> None:
        """Wait for more to come."""
        data = self._link.wait_input(self._serve and self._serve_others)
        if not data:
            self._link = None
            self._breakpoints.clear()
            return
        self._input += data
        if len(self._input) > LONGEST:
            raise Ended(UNREADABLE)

    def _serve_others(self) -> None:
        why = self._serve() if self._serve else None
        if why is not None:
            raise Ended(why)

    def _send(self) -> None:
        """Tell what there is to tell."""
        if self._link is None:
            return
        lines = [b"+%s\r\n" % line.replace(b"\r", b" ").replace(b"\n", b" ") for line in self._said]
        self._said.clear()
        if not self._link.send_now(b"*%d\r\n%s" % (len(lines), b"".join(lines))):
            self._link = None

    # ------------------------------------------------------------------ what is shown

    def _say_trimmed(self, line: bytes) -> None:
        if not self._limit or len(line) <= self._limit:
            self._said.append(line)
            return
        self._said.append(line[: self._limit] + b" ...")
        if not self._hinted:
            self._hinted = True
            self._said.append(TRIMMED)

    def _show_line(self, line: int) -> None:
        text = b"<out of range source code line>"
        if 0 < line <= len(self._source):
            text = self._source[line - 1]
        arrow = b"->" if line == self._line else b"  "
        mark = b"#" if line in self._breakpoints else b" "
        self._said.append(b"%s%s%-3d %s" % (arrow, mark, line, text))

    def _show_lines(self, around: int, context: int) -> None:
        first, last = max(1, around - context), min(len(self._source), around + context)
        for line in range(first, last + 1):
            self._show_line(line)

    # ------------------------------------------------------------------ commands
    # Each is True if it lets the script go on.

    def _help(self, _machine: Any, _words: list[bytes]) -> bool:
        self._said += HELP
        return False

    def _step(self, _machine: Any, _words: list[bytes]) -> bool:
        self._stepping = True
        return True

    def _continue(self, _machine: Any, _words: list[bytes]) -> bool:
        return True

    def _abort(self, _machine: Any, _words: list[bytes]) -> bool:
        raise Ended(ABORTED)

    def _list(self, _machine: Any, words: list[bytes]) -> bool:
        around = number(words[1]) if len(words) > 1 else 0
        context = number(words[2]) if len(words) > 2 else CONTEXT
        self._show_lines(around if around > 0 else self._line, context)
        return False

    def _whole(self, _machine: Any, _words: list[bytes]) -> bool:
        self._show_lines(1, len(self._source))
        return False

    def _print(self, machine: Any, words: list[bytes]) -> bool:
        if len(words) == 2:
            value = machine.variable(words[1])
            if value is None:
                self._said.append(b"No such variable.")
            else:
                self._say_trimmed(b"<value> " + value)
            return False
        variables = machine.variables()
        for name, value in variables:
            self._say_trimmed(b"<value> %s = %s" % (name, value))
        if not variables:
            self._said.append(b"No local variables in the current context.")
        return False

    def _break(self, _machine: Any, words: list[bytes]) -> bool:
        for word in words[1:]:
            self._set_breakpoint(word)
        if len(words) > 1:
            return False
        if not self._breakpoints:
            self._said.append(b"No breakpoints set. Use 'b <line>' to add one.")
            return False
        self._said.append(b"%d breakpoints set:" % len(self._breakpoints))
        for line in self._breakpoints:
            self._show_line(line)
        return False

    def _set_breakpoint(self, word: bytes) -> None:
        line = number(word, None)
        if line is None:
            self._said.append(b"Invalid argument:'%s'" % word)
        elif line == 0:
            self._breakpoints.clear()
            self._said.append(b"All breakpoints removed.")
        elif line < 0 and -line in self._breakpoints:
            self._breakpoints.remove(-line)
            self._said.append(b"Breakpoint removed.")
        elif line < 0:
            self._said.append(b"No breakpoint in the specified line.")
        elif len(self._breakpoints) == MOST_BREAKPOINTS:
            self._said.append(b"Too many breakpoints set.")
        elif line > len(self._source):
            self._said.append(b"Wrong line number.")
        else:
            if line not in self._breakpoints:
                self._breakpoints.append(line)
            self._show_lines(line, 1)

    def _trace(self, machine: Any, _words: list[bytes]) -> bool:
        for level, (function, line) in enumerate(machine.frames()):
            self._said.append(b"%s %s:" % (b"From" if level else b"In", function))
            self._show_line(line)
        return False

    def _eval(self, machine: Any, words: list[bytes]) -> bool:
        well, text = machine.evaluate(b" ".join(words[1:]))
        if well:
            self._say_trimmed(b"<retval> " + text)
        else:
            self._said.append(b"<error> " + text)
        return False

    def _redis(self, machine: Any, words: list[bytes]) -> bool:
        if len(words) == 1:
            self._said.append(UNKNOWN)
            return False
        self._stepping = True  # so that it is shown
        machine.call(words[1:])
        self._stepping = False
        return False

    def _maxlen(self, _machine: Any, words: list[bytes]) -> bool:
        if len(words) == 2:
            self._hinted = True
            limit = number(words[1])
            self._limit = max(limit, LEAST_LIMIT) if limit else 0
        if self._limit:
            self._said.append(b"<value> replies are truncated at %d bytes." % self._limit)
        else:
            self._said.append(b"<value> replies are unlimited.")
        return False


COMMANDS: dict[bytes, Callable[[Debugger, Any, list[bytes]], bool]] = {
    shape: handler
    for name, handler in {
        b"help": Debugger._help,
        b"step": Debugger._step,
        b"next": Debugger._step,
        b"continue": Debugger._continue,
        b"list": Debugger._list,
        b"whole": Debugger._whole,
        b"print": Debugger._print,
        b"break": Debugger._break,
        b"trace": Debugger._trace,
        b"eval": Debugger._eval,
        b"redis": Debugger._redis,
        b"maxlen": Debugger._maxlen,
        b"abort": Debugger._abort,
    }.items()
    for shape in (name, name[:1])
}


def number(word: bytes, otherwise: Any = 0) -> Any:
    """A whole number, or `otherwise` if it is none."""
    try:
        return int(word)
    except ValueError:
        return otherwise


def show_reply(reply: bytes) -> bytes:
    """A reply in one line."""
    return _show(reply, 0)[0]


def _show(data: bytes, at: int) -> tuple[bytes, int]:
    """The reply that begins at a place, and where it ends."""
    end = data.index(b"\r\n", at)
    kind, line = data[at : at + 1], data[at + 1 : end]
    end += 2
    if kind in b"$=" and line != b"-1":
        size = int(line)
        return in_quotes(data[end : end + size]).encode(), end + size + 2
    if kind in b"*~%>" and line != b"-1":
        return _show_items(data, kind, int(line), end)
    if kind in b"+-":
        return in_quotes(kind + line).encode(), end
    if kind == b"#":
        return b"#true" if line == b"t" else b"#false", end
    if kind == b",":
        return b"(double) " + line, end
    if kind == b"_":
        return b"(null)", end
    return b"NULL" if line == b"-1" and kind in b"$*" else line, end


def _show_items(data: bytes, kind: bytes, n: int, at: int) -> tuple[bytes, int]:
    shown = []
    for _ in range(n):
        item, at = _show(data, at)
        if kind == b"%":
            value, at = _show(data, at)
            item += b" => " + value
        shown.append(item)
    before, after = {b"~": (b"~(", b")"), b"%": (b"{", b"}")}.get(kind, (b"[", b"]"))
    return before + b",".join(shown) + after, at
