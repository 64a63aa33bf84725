"""Faults on purpose, for tests of clients: slow, failing and broken connections.

    latency      the request is handled, the answer leaves later
    error        it is not handled; every error code of the answer is this one
    disconnect   it is not handled; the connection breaks
    lose         it is handled, and the connection breaks: the client cannot know

Of several the first that applies is met; one that was met `times` times is gone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kafkalite.authorization import RULES, Asked, authorized
from kafkalite.errors import Code
from kafkalite.later import Later
from kafkalite.requests import BY_NAME

if TYPE_CHECKING:
    from kafkalite.broker import Broker, Call

LATENCY, ERROR, DISCONNECT, LOSE = "latency", "error", "disconnect", "lose"
KINDS = (LATENCY, ERROR, DISCONNECT, LOSE)
FOREVER = -1
BROKEN = object()  # instead of a response: end the connection


@dataclass
class Fault:
    """One fault.

    api       name of the request it is for; "" for any but ApiVersions
    ms, code  of latency and error
    chance    how likely it is met
    times     how often it can still be met
    """

    kind: str
    api: str = ""
    ms: int = 0
    code: Code = Code.UNKNOWN_SERVER_ERROR
    chance: float = 1.0
    times: int = FOREVER

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"a fault is one of {', '.join(KINDS)}")
        if self.api and self.api not in BY_NAME:
            raise ValueError(f"no request is called {self.api}")


class _Refusing(Asked):
    """Nothing is allowed: what the rules make of that has the form of a failure."""

    def may(self, *_: Any) -> bool:
        return False


class Faults:
    """The faults in force on a broker."""

    def __init__(self, broker: Broker):
        self.broker = broker
        self.list: list[Fault] = []

    def meet(self, key: int) -> Fault | None:
        """The fault that a request meets, if any."""
        for fault in self.list:
            same = key == BY_NAME[fault.api or "ApiVersions"].key
            if same == bool(fault.api) and self.broker.world.rand.chance(fault.chance):
                if fault.times > 0:
                    fault.times -= 1
                    if not fault.times:
                        self.list.remove(fault)
                return fault
        return None

    def answer(
        self, key: int, handler: Callable[..., Any], request: dict[str, Any], call: Call
    ) -> Any:
        """The response to a request, a Later, None, or BROKEN."""
        fault = self.meet(key)
        if fault is not None and fault.kind == DISCONNECT:
            return BROKEN
        if fault is not None and fault.kind == ERROR and key in RULES:
            return _with_code(
                RULES[key](_Refusing(self.broker, handler, request, call)), fault.code
            )
        response = authorized(self.broker, key, handler, request, call)
        if fault is not None and fault.kind == LOSE:
            return BROKEN
        if fault is not None and fault.kind == LATENCY and response is not None:
            return self._later(response, fault.ms)
        return response

    def _later(self, response: Any, ms: int) -> Later:
        undo: list[Callable[[], None]] = []
        later = Later(lambda: undo[-1]())
        clock = self.broker.world.clock

        def wait(value: Any) -> None:
            when_ns = clock.now_ns() + ms * 1_000_000
            undo.append(clock.call_at(when_ns, lambda: later.set(value)).cancel)

        if isinstance(response, Later):
            undo.append(response.abandon)
            response.then(wait)
        else:
            wait(response)
        return later


def _with_code(value: Any, code: Code) -> Any:
    """The same answer with another error code wherever it has one."""
    if isinstance(value, dict):
        return {
            k: code if k.endswith("error_code") and v else _with_code(v, code)
            for k, v in value.items()
        }
    return [_with_code(each, code) for each in value] if isinstance(value, list) else value
