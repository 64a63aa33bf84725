"""What belongs to one run of a plan."""

from __future__ import annotations

from typing import Any

from minidb.execution.vector import Vec


class Context:
    """One run: who runs it, what it sees, and what its operators keep for its duration.

    parameters  values of $1, $2, ...
    outer       vectors of length 1 of the columns an enclosing loop or query hands down
    kept        results worth keeping within the run, by the operator that made them
    ctes        number of a CTE -> its materialised rows, or the operator that makes them
    affected    rows changed
    """

    __slots__ = (
        "affected", "connection", "ctes", "kept", "outer", "parameters", "snapshot", "txn",
        "working",
    )  # fmt: skip

    def __init__(self, connection: Any, parameters: tuple, snapshot: Any, txn: Any) -> None:
        self.connection = connection
        self.parameters = parameters
        self.snapshot = snapshot
        self.txn = txn
        self.outer: dict[int, Vec] = {}
        self.kept: dict[Any, Any] = {}
        self.ctes: dict[int, Any] = {}
        self.working: dict[int, Any] = {}
        self.affected = 0

    def enter(self) -> Any:
        """Before running a part with other outer values: what to hand to `leave`."""
        return self.outer.copy(), self.kept

    def leave(self, saved: Any) -> None:
        self.outer, self.kept = saved
