"""A server and what a test may do to it: time, faults, and going back.

    def test_sessions_end(kvstore_lab):
        kv = kvstore_lab.client                       # redis.Redis
        kv.set("session", "ada", ex=1800)
        kvstore_lab.advance(1801)
        assert kv.get("session") is None

Everything is asked for by commands (kvstore.rehearsal), so it works with any server that was
started with `enable-debug-command`, and from any language.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

OPTIONS: dict[str, Any] = {"appendonly": False, "set": ["enable-debug-command=yes"]}


class Lab:
    """What a test may do.

    server: of bedrock.run
    client: redis.Redis
    """

    def __init__(self, server: Any, client: Any):
        self.server = server
        self.client = client
        self.url: str = server.url

    def debug(self, *words: Any) -> Any:
        """A DEBUG command."""
        return self.client.execute_command("DEBUG", *words)

    # ------------------------------------------------------------------ time

    def now_ms(self) -> int:
        """The server's wall time, ms since 1970."""
        return self.debug("CLOCK")

    def freeze(self) -> int:
        """Let time stand still; returns it."""
        return self.debug("CLOCK", "FREEZE")

    def advance(self, seconds: float) -> int:
        """Let time jump, frozen or not: keys die, waits end.  Returns the new time."""
        return self.debug("CLOCK", "ADVANCE", round(seconds * 1000))

    def thaw(self) -> int:
        """Let time go on from where it stands."""
        return self.debug("CLOCK", "THAW")

    # ------------------------------------------------------------------ faults

    def latency(self, ms: float, **which: Any) -> None:
        """Let commands run later.  which: on="get", chance=0.5, times=3."""
        self._fault("LATENCY", ms, **which)

    def error(self, text: str, **which: Any) -> None:
        """Let commands fail with a text."""
        self._fault("ERROR", text, **which)

    def disconnect(self, lose: bool = False, **which: Any) -> None:
        """Break the connection instead of answering; with `lose` after the command was run."""
        self._fault("LOSE" if lose else "DISCONNECT", **which)

    def heal(self) -> None:
        """No more faults."""
        self.debug("FAULT", "CLEAR")

    def _fault(self, *words: Any, **which: Any) -> None:
        options = [word for name, value in which.items() for word in (name.upper(), value)]
        self.debug("FAULT", *words, *options)

    # ------------------------------------------------------------------ data

    def checkpoint(self) -> None:
        """Remember all data as it is now."""
        self.debug("CHECKPOINT")

    def roll_back(self) -> int:
        """All data as it was at the checkpoint; how many keys had been touched since."""
        return self.debug("ROLLBACK")

    @contextmanager
    def undone(self) -> Iterator[None]:
        """What is done to the data inside is undone at the end."""
        self.checkpoint()
        try:
            yield
        finally:
            self.roll_back()
            self.debug("CHECKPOINT", "DROP")
