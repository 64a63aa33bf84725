"""Faults on purpose, for tests of clients: slow, failing and broken connections.

    DEBUG FAULT LATENCY ms | ERROR text | DISCONNECT | LOSE  [ON command] [CHANCE p] [TIMES n]
    DEBUG FAULT LIST | CLEAR

    LATENCY     the command runs ms later; the client waits, others do not
    ERROR       it does not run; the text is the reply
    DISCONNECT  it does not run; the connection breaks
    LOSE        it runs and the connection breaks: the client cannot know

DEBUG itself never meets a fault.  A fault that was met TIMES times is gone; of several the first
that applies is taken.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kvstore.resp import ReplyError

KINDS = {"LATENCY": 1, "ERROR": 1, "DISCONNECT": 0, "LOSE": 0}  # name -> words it takes
FOREVER = -1


@dataclass
class Fault:
    """One fault.

    kind:     of KINDS
    argument: milliseconds, or the error's text
    on:       the name of the command it is for; "" = any
    chance:   how likely it is met
    times:    how often it can still be met; FOREVER
    """

    kind: str
    argument: str = ""
    on: str = ""
    chance: float = 1.0
    times: int = FOREVER

    def __str__(self) -> str:
        words = [self.kind, self.argument]
        words += ["ON", self.on] if self.on else []
        words += ["CHANCE", str(self.chance)] if self.chance < 1 else []
        words += ["TIMES", str(self.times)] if self.times != FOREVER else []
        return " ".join(filter(None, words))


def parse(words: list[str]) -> Fault:
    """A fault from its words."""
    kind = words[0].upper()
    if kind not in KINDS or len(words) < 1 + KINDS[kind]:
        raise ReplyError(f"ERR a fault is one of {', '.join(KINDS)}, then what it takes")
    taken = 1 + KINDS[kind]
    fault = Fault(kind, " ".join(words[1:taken]))
    options = words[taken:]
    if len(options) % 2:
        raise ReplyError("ERR syntax error")
    try:
        if kind == "LATENCY" and float(fault.argument) < 0:
            raise ValueError
        for option, value in zip(options[::2], options[1::2], strict=True):
            match option.upper():
                case "ON":
                    fault.on = value.lower()
                case "CHANCE":
                    fault.chance = float(value)
                case "TIMES":
                    fault.times = int(value)
                case _:
                    raise ReplyError("ERR syntax error")
    except ValueError:
        raise ReplyError("ERR value is not a number or out of range") from None
    return fault


class Faults:
    """The faults in force on a store."""

    def __init__(self, store: Any):
        self.store = store
        self.list: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Another one, after those there are."""
        self.list.append(fault)
        self.store.watch_faults(True)

    def clear(self) -> None:
        """No more of them."""
        self.list.clear()
        self.store.watch_faults(False)

    def meet(self, client: Any, name: str, request: Any) -> bool:
        """A command is about to run: True if that is taken care of, ReplyError as a fault.

        request: the words (kvstore.resp.Args), which are only valid now
        """
        fault = self.drawn(name) if client.link is not None and name != "debug" else None
        if fault is None:
            return False
        if fault.kind == "ERROR":
            raise ReplyError(fault.argument)
        if fault.kind == "DISCONNECT":
            client.link.abort("fault")
            return True
        later = request.copy()
        if fault.kind == "LOSE":
            self.store.run_faultless(client, later)
            client.link.abort("fault")
            return True
        client.link.hold()
        # Not the store's clock: that one may stand still.
        clock = self.store.server.world.clock
        clock.call_at(
            clock.now_ns() + int(float(fault.argument) * 1e6), lambda: self.run(client, later)
        )
        return True

    def run(self, client: Any, request: Any) -> None:
        """What was kept waiting."""
        link = client.link
        if link.closed:
            return
        # The command itself may hold the link again, so it must be free before.
        link.resume()
        link.write(self.store.run_faultless(client, request))

    def drawn(self, name: str) -> Fault | None:
        """The fault a command meets."""
        for fault in self.list:
            if fault.on not in ("", name):
                continue
            if fault.chance < 1 and not self.store.world.rand.chance(fault.chance):
                continue
            if fault.times != FOREVER:
                fault.times -= 1
                if not fault.times:
                    self.list.remove(fault)
            return fault
        return None
