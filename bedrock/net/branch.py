"""A process of its own for one connection: a copy of the server that goes on with it alone.

    grow ─ fork ─┬─► the server: goes on without the connection
         ▲       │                  ▲ lifeline: each sees when the other has ended
         │       └─► the branch: `alone(lifeline)`, then the end of the process
         └── returns when the branch has closed everything else

It is for what must leave no trace in the server, and may wait as long as it likes.  The branch has
the connection, the standard streams and the log.  All other descriptors are closed before the
server goes on: an epoll set would otherwise go on watching what the server has closed, as long as a
copy is open.

The lifeline is a pair of sockets.  The server reaps a branch when its end is closed; the branch
sees by it that the server has ended.  Those that are left when the server stops are killed.
"""

from __future__ import annotations

import logging
import os
import signal
from asyncio import AbstractEventLoop
from collections.abc import Callable
from typing import Any

from bedrock.net.sockets import socket_pair

log = logging.getLogger("bedrock.net")


class Branches:
    """The processes a server has split off."""

    def __init__(self, loop: AbstractEventLoop):
        self._loop = loop
        self._lifelines: dict[int, Any] = {}  # process -> our end

    def grow(self, kept: int, alone: Callable[[int], None]) -> None:
        """Call `alone(lifeline)` in a new process that keeps one descriptor.

        Returns in the old process only; OSError when there can be no new one.
        """
        ours, theirs = socket_pair()
        process = os.fork()
        if process == 0:
            try:
                _let_go({kept, theirs.fileno()} | _log_files())
                theirs.send(b".")
                alone(theirs.fileno())
            except BaseException as error:
                log.error("a process split off failed", exc_info=error)
            finally:
                os._exit(0)
        theirs.close()
        ours.recv(1)
        self._lifelines[process] = ours
        self._loop.add_reader(ours.fileno(), self._reap, process)

    def _reap(self, process: int) -> None:
        ours = self._lifelines.pop(process)
        self._loop.remove_reader(ours.fileno())
        ours.close()
        os.waitpid(process, 0)

    def close(self) -> None:
        """Kill those that are left."""
        for process in list(self._lifelines):
            os.kill(process, signal.SIGKILL)
            self._reap(process)


def _log_files() -> set[int]:
    """Descriptors that the log is written to."""
    files = set()
    for handler in logging.getLogger().handlers:
        try:
            files.add(handler.stream.fileno())  # type: ignore[attr-defined]
        except (AttributeError, OSError, ValueError):
            pass  # it writes to no file
    return files


def _let_go(kept: set[int]) -> None:
    """Close all descriptors but the standard streams and `kept`; signals end the process again."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    first = 3
    for descriptor in sorted(each for each in kept if each > 2):
        os.closerange(first, descriptor)
        first = descriptor + 1
    os.closerange(first, os.sysconf("SC_OPEN_MAX"))
