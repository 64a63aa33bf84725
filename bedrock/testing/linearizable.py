"""Is a history linearizable?  Wing and Gong's search with Lowe's memo, one key at a time.

A history is what clients saw: each operation has the time of its call and of its return.  It is
linearizable if every operation can be given one instant between the two, such that the operations,
done one after another at those instants, give the outputs that were seen (Herlihy and Wing, 1990).

The search (Wing and Gong, 1993; Lowe, "Testing for linearizability", 2017) walks the calls and
returns in order of time.  A call may be placed next as long as no earlier return is still in the
list.  Meeting a return means that its operation should have been placed before: the last placement
is undone.  A (set of placed operations, state) pair that was seen before is not tried again.

The problem is NP-complete in the number of operations that overlap, so histories are split by key
where the keys do not touch each other (linearizability is local), and a `budget` ends a hopeless
search with `Undecided` instead of a wrong answer.

An operation whose client crashed or timed out has `ret=math.inf` and `output=UNKNOWN`: it may have
happened at any time after its call, or never.  Operations that surely failed are left out by the
caller.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol


class _Unknown:
    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Any = _Unknown()


class Undecided(Exception):
    """The budget was used up before an answer was found."""


@dataclass(frozen=True)
class Op:
    """One operation of one client; `call < ret` in any unit of time."""

    client: Hashable
    call: float
    ret: float
    input: Any
    output: Any

    def __str__(self) -> str:
        until = "?" if self.ret == math.inf else f"{self.ret:g}"
        return f"client {self.client} [{self.call:g}, {until}] {self.input} -> {self.output}"


class Model(Protocol):
    """A sequential specification.  States are immutable and hashable."""

    initial: Any

    def step(self, state: Any, input: Any, output: Any) -> tuple[bool, Any]:
        """Whether `input` may give `output` in `state`, and the state afterwards.

        With `output` UNKNOWN any output is legal.
        """


class Register:
    """One value: ("read",), ("write", v) and ("cas", old, new), whose output is True or False."""

    def __init__(self, initial: Any = None):
        self.initial = initial

    def step(self, state: Any, input: Any, output: Any) -> tuple[bool, Any]:
        match input:
            case ("read",):
                return output is UNKNOWN or output == state, state
            case ("write", value):
                return True, value
            case ("cas", old, new):
                hit = state == old
                return output is UNKNOWN or output == hit, new if hit else state
        raise ValueError(f"a register has no operation {input!r}")


@dataclass
class Verdict:
    """What `check` found; true if linearizable.

    On failure `placed` is the longest order found and `stuck` the operations that return next and
    fit nowhere after it, of the sub-history of `key`.
    """

    ok: bool
    key: Any = None
    placed: list[Op] = field(default_factory=list)
    stuck: list[Op] = field(default_factory=list)
    state: Any = None

    def __bool__(self) -> bool:
        return self.ok

    def explain(self) -> str:
        """The verdict in words, for an assertion's message."""
        if self.ok:
            return "linearizable"
        lines = [f"not linearizable (key {self.key!r}); the longest order that works:"]
        lines += [f"    {op}" for op in self.placed[-20:]]
        lines.append(f"  state then: {self.state!r}; none of these fits next:")
        lines += [f"    {op}" for op in self.stuck]
        return "\n".join(lines)


def check(
    history: Iterable[Op],
    model: Model,
    key: Callable[[Any], Hashable] | None = None,
    budget: int = 5_000_000,
) -> Verdict:
    """Check a history against a model; with `key`, each `key(op.input)` on its own.

    budget: placements tried per key before Undecided is raised.
    """
    parts: dict[Hashable, list[Op]] = {}
    for op in history:
        if not op.call < op.ret:
            raise ValueError(f"an operation returns after its call: {op}")
        parts.setdefault(key(op.input) if key else None, []).append(op)
    for name, ops in parts.items():
        verdict = _search(ops, model, budget)
        if not verdict.ok:
            verdict.key = name
            return verdict
    return Verdict(True)


class _Entry:
    """A call or a return in a doubly linked list, in order of time."""

    __slots__ = ("after", "before", "index", "is_call", "ret")

    def __init__(self, index: int, is_call: bool):
        self.index = index
        self.is_call = is_call
        self.ret: _Entry | None = None  # of a call: its return, None if it never returned
        self.before: _Entry = self
        self.after: _Entry | None = None

    def lift(self) -> None:
        """Take a call and its return out of the list."""
        for entry in (self, self.ret):
            if entry is not None:
                entry.before.after = entry.after
                if entry.after is not None:
                    entry.after.before = entry.before

    def unlift(self) -> None:
        """Undo `lift`; only in the reverse order of lifting."""
        for entry in (self.ret, self):
            if entry is not None:
                entry.before.after = entry
                if entry.after is not None:
                    entry.after.before = entry


def _timeline(ops: list[Op]) -> _Entry:
    """The head of the list of all calls and returns."""
    events = []
    for index, op in enumerate(ops):
        call = _Entry(index, True)
        events.append((op.call, 0, index, call))
        if op.ret != math.inf:
            call.ret = _Entry(index, False)
            # At equal times calls come first: operations that touch count as overlapping.
            events.append((op.ret, 1, index, call.ret))
    events.sort(key=lambda event: event[:3])
    head = last = _Entry(-1, True)
    for *_, entry in events:
        last.after, entry.before = entry, last
        last = entry
    return head


def _search(ops: list[Op], model: Model, budget: int) -> Verdict:
    head = _timeline(ops)
    state, placed = model.initial, 0  # `placed` is a bit set of indices
    stack: list[tuple[_Entry, Any]] = []
    seen: set[tuple[int, Any]] = set()
    best = Verdict(False)
    entry = head.after
    # Walking off the end means that no return is left: all that must be placed is placed.
    while entry is not None:
        if entry.is_call:
            op = ops[entry.index]
            legal, after = model.step(state, op.input, op.output)
            mark = (placed | 1 << entry.index, after)
            if not legal or mark in seen:
                entry = entry.after
                continue
            budget -= 1
            if budget < 0:
                raise Undecided(f"too many of {len(ops)} operations overlap")
            seen.add(mark)
            stack.append((entry, state))
            placed, state = mark
            entry.lift()
            entry = head.after
        else:
            if len(stack) >= len(best.placed):
                best.placed = [ops[e.index] for e, _ in stack]
                best.stuck = [ops[i] for i in _calls_before(head, entry)]
                best.state = state
            if not stack:
                return best
            entry, state = stack.pop()
            placed &= ~(1 << entry.index)
            entry.unlift()
            entry = entry.after
    return Verdict(True)


def _calls_before(head: _Entry, end: _Entry) -> Iterable[int]:
    entry = head.after
    while entry is not None and entry is not end:
        yield entry.index
        entry = entry.after
