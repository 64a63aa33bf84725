"""A response that is not ready yet: a fetch waiting for records, a member waiting for its group."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Later:
    """Set once; calls `then` with the value, whichever comes first.

    on_abandon: called when nobody wants the response any more
    """

    __slots__ = ("_on_abandon", "_then", "done", "value")

    def __init__(self, on_abandon: Callable[[], None] | None = None) -> None:
        self.done = False
        self.value: Any = None
        self._then: Callable[[Any], None] | None = None
        self._on_abandon = on_abandon

    def set(self, value: Any) -> None:
        """The response is `value`."""
        assert not self.done, "a response is given once"
        self.done = True
        self.value = value
        if self._then is not None:
            self._then(value)

    def then(self, call: Callable[[Any], None]) -> None:
        """Call `call(value)` when the value is there: now, or when it is set."""
        if self.done:
            call(self.value)
        else:
            self._then = call

    def abandon(self) -> None:
        """Whoever waited is gone."""
        self._then = None
        if not self.done and self._on_abandon is not None:
            self._on_abandon()
