"""What functions and operators do.

A *kernel* works on whole vectors and is found by name and argument types; a *scalar* works on one
row's Python values and is found by name and types, or by name alone.  Both are strict (NULL in,
NULL out) unless a scalar says otherwise.  Signatures are query_planner's business: a call that got
here has arguments of exactly the types it resolved to.
"""

from __future__ import annotations

from typing import Any

from minidb.execution.kernels import arithmetic, compare
from minidb.execution.kernels.registry import KERNELS, SCALARS, Kernel, Scalar
from minidb.sqlstate import DatabaseError

_loaded = False


def _load() -> None:
    """The scalar functions are many and are loaded with the first call to one."""
    global _loaded
    if not _loaded:
        from minidb.execution.kernels import arrays, dates, maths, strings, system

        _loaded = bool(arrays and dates and maths and strings and system)


def kernel_of(call: Any, types: Any = None) -> Kernel | None:
    """The vector kernel of a Call, or of a Function at these types; None if it has none."""
    if types is None:
        function, types = call.function, tuple(arg.type for arg in call.args)
    else:
        function = call
    name = function.name
    found = KERNELS.get((name, *[type_.name for type_ in types]))
    if found is not None:
        return found
    if len(types) == 2:
        if name in compare.OPERATORS:
            return compare.kernel(name, *types)
        if call is function:
            # Somebody needs a comparison as a kernel (x LIKE ANY (...)).
            scalar = _scalar(name, types)
            return scalar.lifted("?") if scalar is not None else None
    return None


def _scalar(name: str, types: Any) -> Scalar | None:
    _load()
    return SCALARS.get((name, *[type_.name for type_ in types])) or SCALARS.get((name,))


def scalar_of(call: Any) -> Scalar:
    """The row function of a Call; 42883 when there is none."""
    found = _scalar(call.function.name, [arg.type for arg in call.args])
    if found is None:
        names = ", ".join(arg.type.title for arg in call.args)
        raise DatabaseError("0A000", f"function {call.function.name}({names}) is not supported")
    return found


__all__ = ["Kernel", "Scalar", "arithmetic", "compare", "kernel_of", "scalar_of"]
