"""Why a statement pauses: what the generators that run statements yield.

A statement runs as a generator.  Whoever drives it, the wire or the embedded form, answers a pause
and goes on; `throw` cancels.  Rows and tags do not come this way but through the statement's sink.
"""

from __future__ import annotations

from typing import Any


class Pause:
    """Nothing to wait for: let others run."""


PAUSE = Pause()


class Wait:
    """Until `owner`, a transaction, has ended."""

    def __init__(self, owner: Any) -> None:
        self.owner = owner


class CopyIn:
    """Until the client has sent its COPY data; each piece goes to `feed`.

    failed   the client's reason for CopyFail, or None
    """

    def __init__(self, feed: Any, binary: bool, columns: int) -> None:
        self.feed = feed
        self.binary = binary
        self.columns = columns
        self.failed: str | None = None
        self.error: Exception | None = None
