"""+ - * / % and unary minus on numbers.

Integers compute in 64 bits and are checked against their type's range (22003); division cuts
toward zero.  Errors are raised only for rows whose arguments are not NULL.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minidb import numeric
from minidb.execution.kernels.registry import KERNELS, kernel
from minidb.execution.vector import Vec, either, objects
from minidb.sqlstate import DatabaseError

_LIMITS = {"int2": (-(2**15), 2**15 - 1), "int4": (-(2**31), 2**31 - 1)}
_CODES = {"int2": "h", "int4": "i", "int8": "q"}
_WIDTH = {"int2": 0, "int4": 1, "int8": 2}
_TITLES = {"int2": "smallint", "int4": "integer", "int8": "bigint"}


def integer_limits(name: str) -> tuple[int, int]:
    """Least and greatest value of an integer type."""
    return _LIMITS.get(name, (-(2**63), 2**63 - 1))


def out_of_range(name: str) -> DatabaseError:
    return DatabaseError("22003", f"{_TITLES[name]} out of range")


def zero_divide() -> DatabaseError:
    return DatabaseError("22012", "division by zero")


def _live(flags: np.ndarray, nulls: np.ndarray | None) -> bool:
    """Whether a flag is set where nothing is NULL."""
    if not flags.any():
        return False
    return True if nulls is None else bool((flags & ~nulls).any())


def _fit(result: np.ndarray, nulls: np.ndarray | None, name: str) -> Vec:
    """64-bit results as the type's."""
    limits = _LIMITS.get(name)
    if limits is None:
        return Vec(result, nulls)
    low, high = limits
    if len(result) and (result.max() > high or result.min() < low) and \
            _live((result > high) | (result < low), nulls):
        raise out_of_range(name)
    return Vec(result.astype(_CODES[name]), nulls)


def _add_wide(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    r = a + b
    return r, ((a ^ r) & (b ^ r)) < 0


def _subtract_wide(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    r = a - b
    return r, ((a ^ b) & (a ^ r)) < 0


def _multiply_wide(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    r = a * b
    # Where the float product is near the limit the exact one decides.
    doubtful = np.abs(a.astype(float) * b.astype(float)) > 9.2e18
    if doubtful.any():
        wide = a.astype(object) * b.astype(object)
        doubtful = np.array([not -(2**63) <= v < 2**63 for v in wide.tolist()])
    return r, doubtful


_INT_OPS: dict[str, tuple[Any, Any]] = {
    "+": (np.add, _add_wide),
    "-": (np.subtract, _subtract_wide),
    "*": (np.multiply, _multiply_wide),
}


def _integer(op: str, name: str) -> Callable[[Vec, Vec], Vec]:
    plain, checked = _INT_OPS[op]

    def narrow(a: Vec, b: Vec) -> Vec:
        result = plain(a.data, b.data, dtype=np.int64, casting="unsafe")
        return _fit(result, either(a.nulls, b.nulls), name)

    def wide(a: Vec, b: Vec) -> Vec:
        nulls = either(a.nulls, b.nulls)
        result, over = checked(a.data.astype(np.int64), b.data.astype(np.int64))
        if _live(over, nulls):
            raise out_of_range(name)
        return Vec(result, nulls)

    return wide if name == "int8" else narrow


def _divide_int(name: str) -> Callable[[Vec, Vec], Vec]:
    def divide(a: Vec, b: Vec) -> Vec:
        nulls = either(a.nulls, b.nulls)
        x, y = a.data.astype(np.int64), b.data.astype(np.int64)
        zero = y == 0
        if zero.any():
            if _live(np.broadcast_to(zero, np.broadcast_shapes(x.shape, y.shape)), nulls):
                raise zero_divide()
            y = np.where(zero, 1, y)
        q = x // y
        # Floor to truncation: one up where the remainder and the divisor differ in sign.
        q = q + ((q * y != x) & ((x < 0) != (y < 0)))
        if name == "int8":
            if _live((x == -(2**63)) & (y == -1), nulls):
                raise out_of_range(name)
            return Vec(q, nulls)
        return _fit(q, nulls, name)

    return divide


def _modulo_int(name: str) -> Callable[[Vec, Vec], Vec]:
    def modulo(a: Vec, b: Vec) -> Vec:
        nulls = either(a.nulls, b.nulls)
        x, y = a.data.astype(np.int64), b.data.astype(np.int64)
        zero = y == 0
        if zero.any():
            if _live(np.broadcast_to(zero, np.broadcast_shapes(x.shape, y.shape)), nulls):
                raise zero_divide()
            y = np.where(zero, 1, y)
        return Vec(np.fmod(x, y).astype(_CODES[name]), nulls)

    return modulo


def _float(op: Any, code: str) -> Callable[[Vec, Vec], Vec]:
    def compute(a: Vec, b: Vec) -> Vec:
        nulls = either(a.nulls, b.nulls)
        with np.errstate(all="ignore"):
            x, y = a.data.astype(code), b.data.astype(code)
            result = op(x, y)
        overflow = np.isinf(result)
        if overflow.any() and _live(overflow & np.isfinite(x) & np.isfinite(y), nulls):
            raise DatabaseError("22003", "value out of range: overflow")
        return Vec(result, nulls)

    return compute


def _divide_float(code: str) -> Callable[[Vec, Vec], Vec]:
    compute = _float(np.divide, code)

    def divide(a: Vec, b: Vec) -> Vec:
        zero = b.data == 0
        if zero.any():
            nulls = either(a.nulls, b.nulls)
            shape = np.broadcast_shapes(a.data.shape, b.data.shape)
            if _live(np.broadcast_to(zero, shape), nulls):
                raise zero_divide()
            b = Vec(np.where(zero, 1.0, b.data), b.nulls)
        return compute(a, b)

    return divide


def _exact(op: Callable[[Any, Any], Any]) -> Callable[[Vec, Vec], Vec]:
    """A kernel of numerics from a function of two Decimals."""

    def compute(a: Vec, b: Vec) -> Vec:
        n = max(len(a.data), len(b.data))
        nulls = either(a.nulls, b.nulls)
        out = [None if x is None or y is None else op(x, y)
               for x, y in zip(a.values(n), b.values(n), strict=True)]
        if nulls is not None and len(nulls) != n:
            nulls = np.repeat(nulls, n)
        return Vec(objects(out), nulls)

    return compute


for _a in _WIDTH:
    for _b in _WIDTH:
        _name = _a if _WIDTH[_a] >= _WIDTH[_b] else _b
        for _op in _INT_OPS:
            KERNELS[_op, _a, _b] = _integer(_op, _name)
        KERNELS["/", _a, _b] = _divide_int(_name)
        KERNELS["%", _a, _b] = KERNELS["mod", _a, _b] = _modulo_int(_name)

for _a in ("float4", "float8"):
    for _b in ("float4", "float8"):
        _code = "f" if _a == _b == "float4" else "d"
        for _op, _function in (("+", np.add), ("-", np.subtract), ("*", np.multiply)):
            KERNELS[_op, _a, _b] = _float(_function, _code)
        KERNELS["/", _a, _b] = _divide_float(_code)

_EXACT: dict[str, Callable[[Any, Any], Any]] = {
    "+": numeric.CONTEXT.add, "-": numeric.CONTEXT.subtract, "*": numeric.multiply,
    "/": numeric.divide, "%": numeric.modulo, "mod": numeric.modulo,
}  # fmt: skip
for _op, _exactly in _EXACT.items():
    KERNELS[_op, "numeric", "numeric"] = _exact(_exactly)


def _negate(name: str) -> Callable[[Vec], Vec]:
    def negate(a: Vec) -> Vec:
        low = _LIMITS.get(name, (-(2**63), 0))[0]
        if _live(a.data == low, a.nulls):
            raise out_of_range(name)
        return Vec(-a.data, a.nulls)

    return negate


def _absolute(name: str) -> Callable[[Vec], Vec]:
    def absolute(a: Vec) -> Vec:
        low = _LIMITS.get(name, (-(2**63), 0))[0]
        if _live(a.data == low, a.nulls):
            raise out_of_range(name)
        return Vec(np.abs(a.data), a.nulls)

    return absolute


for _a in _WIDTH:
    KERNELS["-", _a] = _negate(_a)
    KERNELS["abs", _a] = KERNELS["@", _a] = _absolute(_a)


@kernel("-", "float4", "float8")
def _negate_float(a: Vec) -> Vec:
    return Vec(-a.data, a.nulls)


@kernel("-", "numeric")
def _negate_numeric(a: Vec) -> Vec:
    # 0 - x, since -Decimal(0) would be a negative zero.
    return Vec(objects([None if v is None else (numeric.CONTEXT.minus(v))
                        for v in a.values(len(a.data))]), a.nulls)


@kernel("abs", "float4", "float8")
def _abs_float(a: Vec) -> Vec:
    return Vec(np.abs(a.data), a.nulls)


@kernel("abs", "numeric")
def _abs_numeric(a: Vec) -> Vec:
    return Vec(objects([None if v is None else v.copy_abs()
                        for v in a.values(len(a.data))]), a.nulls)


@kernel("+", "int2", "int4", "int8", "float4", "float8", "numeric")
def _plus(a: Vec) -> Vec:
    return a
