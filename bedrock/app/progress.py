"""Progress on a terminal, only for what takes longer than a person waits without wondering.

Nothing is imported, started or drawn in the first two seconds, or when nobody looks on.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

PATIENCE_S = 2.0
Item = TypeVar("Item")


@contextmanager
def spinner(text: str) -> Iterator[None]:
    """Show that something goes on, without knowing how far it is."""
    with _later(text, None):
        yield


def bar(items: Iterable[Item], text: str, total: int | None = None) -> Iterator[Item]:
    """Iterate over `items` with a bar (and the time left, where the total is known)."""
    if total is None and hasattr(items, "__len__"):
        total = len(items)  # type: ignore[arg-type]
    with _later(text, total) as state:
        for item in items:
            yield item
            state.done += 1


class _Progress:
    """What the drawing thread shows; `done` is written by the working one."""

    def __init__(self, text: str, total: int | None):
        self.text, self.total, self.done = text, total, 0
        self.over = threading.Event()

    def draw(self) -> None:
        if self.over.wait(PATIENCE_S):
            return
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            Progress,
            SpinnerColumn,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        columns = [SpinnerColumn(), TextColumn("{task.description}")]
        if self.total is not None:
            columns += [BarColumn(), TextColumn("{task.percentage:>3.0f}%"), TimeRemainingColumn()]
        with Progress(
            *columns, TimeElapsedColumn(), console=Console(stderr=True), transient=True
        ) as progress:
            task = progress.add_task(self.text, total=self.total)
            while not self.over.wait(0.1):
                progress.update(task, completed=self.done)


@contextmanager
def _later(text: str, total: int | None) -> Iterator[_Progress]:
    state = _Progress(text, total)
    if not sys.stderr.isatty():
        yield state
        return
    thread = threading.Thread(target=state.draw, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        state.over.set()
        thread.join()
