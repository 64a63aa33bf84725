"""Functions of numbers."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

from minidb import numeric
from minidb.execution.kernels.registry import scalar
from minidb.sqlstate import DatabaseError


def _domain(function: Callable[..., float]) -> Callable[..., float]:
    def checked(*args: float) -> float:
        try:
            return function(*args)
        except ValueError:
            raise DatabaseError("22003", "input is out of range") from None
        except OverflowError:
            raise DatabaseError("22003", "value out of range: overflow") from None

    return checked


_FLOATS: dict[str, Callable[..., float]] = {
    "sin": math.sin, "cos": math.cos, "tan": math.tan, "asin": math.asin, "acos": math.acos,
    "atan": math.atan, "atan2": math.atan2, "sinh": math.sinh, "cosh": math.cosh,
    "tanh": math.tanh, "degrees": math.degrees, "radians": math.radians, "exp": math.exp,
    "cbrt": lambda x: math.copysign(abs(x) ** (1 / 3), x), "cot": lambda x: 1 / math.tan(x),
}  # fmt: skip
for _name, _function in _FLOATS.items():
    scalar(_name)(_domain(_function))

scalar("pi")(lambda: math.pi)
scalar("ceil", "ceiling", types="float8")(lambda x: float(math.ceil(x)) if math.isfinite(x) else x)
scalar("floor", types="float8")(lambda x: float(math.floor(x)) if math.isfinite(x) else x)
scalar("trunc", types="float8")(lambda x: float(math.trunc(x)) if math.isfinite(x) else x)
scalar("round", types="float8")(lambda x: float(round(x)) if math.isfinite(x) else x)
scalar("sign", types="float8")(lambda x: math.copysign(1.0, x) if x else 0.0)
scalar("sign", types="numeric")(lambda x: Decimal((x > 0) - (x < 0)))
scalar("ceil", "ceiling", types="numeric")(
    lambda x: x.to_integral_value(ROUND_CEILING, numeric.CONTEXT) + 0)
scalar("floor", types="numeric")(
    lambda x: x.to_integral_value(ROUND_FLOOR, numeric.CONTEXT) + 0)
scalar("round", types="numeric")(lambda x: numeric.at_scale(x, 0))
scalar("round", types="numeric int4")(lambda x, n: numeric.at_scale(x, n) if n >= 0 else
                                      numeric.at_scale(numeric.at_scale(x, n), 0))
scalar("gcd")(math.gcd)
scalar("lcm")(math.lcm)
scalar("&")(lambda a, b: a & b)
scalar("|")(lambda a, b: a | b)
scalar("#")(lambda a, b: a ^ b)
scalar("~", types="int2")(lambda a: ~a)
scalar("~", types="int4")(lambda a: ~a)
scalar("~", types="int8")(lambda a: ~a)
scalar("scale")(numeric.scale_of)


def _wrap(value: int, bits: int) -> int:
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


for _type, _bits in (("int2", 16), ("int4", 32), ("int8", 64)):
    scalar("<<", types=f"{_type} int4")(lambda a, n, b=_bits: _wrap(a << (n & (b - 1)), b))
    scalar(">>", types=f"{_type} int4")(lambda a, n, b=_bits: a >> (n & (b - 1)))


@scalar("trunc", types="numeric")
@scalar("trunc", types="numeric int4")
def trunc(x: Decimal, n: int = 0) -> Decimal:
    from decimal import ROUND_DOWN

    if not x.is_finite():
        return x
    return x.quantize(Decimal((0, (1,), -n)), ROUND_DOWN, numeric.CONTEXT)


@scalar("sqrt", types="float8")
def sqrt(x: float) -> float:
    if x < 0:
        raise DatabaseError("2201F", "cannot take square root of a negative number")
    return math.sqrt(x)


def _digits(result: Decimal, *args: Decimal) -> Decimal:
    """Keep 16 significant digits at least, and the arguments' scales."""
    scale = 16 - max(result.adjusted(), 0) if result else 16
    return numeric.at_scale(result, max(scale, 0, *(numeric.scale_of(a) for a in args)))


@scalar("sqrt", types="numeric")
def sqrt_numeric(x: Decimal) -> Decimal:
    if x < 0:
        raise DatabaseError("2201F", "cannot take square root of a negative number")
    return _digits(x.sqrt(numeric.CONTEXT), x)


def _log_argument(x: Any) -> None:
    if x == 0:
        raise DatabaseError("2201E", "cannot take logarithm of zero")
    if x < 0:
        raise DatabaseError("2201E", "cannot take logarithm of a negative number")


@scalar("ln", types="float8")
def ln(x: float) -> float:
    _log_argument(x)
    return math.log(x)


@scalar("log", "log10", types="float8")
def log10(x: float) -> float:
    _log_argument(x)
    return math.log10(x)


def _short() -> Any:
    from decimal import Context

    return Context(prec=60)


@scalar("ln", types="numeric")
def ln_numeric(x: Decimal) -> Decimal:
    _log_argument(x)
    return _digits(x.ln(_short()), x)


@scalar("log", "log10", types="numeric")
def log10_numeric(x: Decimal) -> Decimal:
    _log_argument(x)
    return _digits(x.log10(_short()), x)


@scalar("log", types="numeric numeric")
def log_base(base: Decimal, x: Decimal) -> Decimal:
    _log_argument(base)
    _log_argument(x)
    return _digits(x.ln(_short()) / base.ln(_short()), base, x)


@scalar("exp", types="numeric")
def exp_numeric(x: Decimal) -> Decimal:
    return _digits(x.exp(_short()), x)


@scalar("power", "pow", "^", types="float8 float8")
def power(x: float, y: float) -> float:
    if x == 0 and y < 0:
        raise DatabaseError("2201F", "zero raised to a negative power is undefined")
    if x < 0 and y != int(y):
        raise DatabaseError(
            "2201F", "a negative number raised to a non-integer power yields a complex result")
    return _domain(math.pow)(x, y)


@scalar("power", "pow", "^", types="numeric numeric")
def power_numeric(x: Decimal, y: Decimal) -> Decimal:
    if not x and y < 0:
        raise DatabaseError("2201F", "zero raised to a negative power is undefined")
    if x < 0 and y != y.to_integral_value():
        raise DatabaseError(
            "2201F", "a negative number raised to a non-integer power yields a complex result")
    if y == y.to_integral_value() and abs(y) < 10_000 and y >= 0:
        return _digits(numeric.CONTEXT.power(x, int(y)), x, y)
    return _digits(_short().power(x, y), x, y)


@scalar("random", volatile=True, context=True)
def random(context: Any) -> float:
    return context.connection.engine.world.rand.random()


@scalar("setseed")
def setseed(seed: float) -> None:
    return None


@scalar("div", types="numeric numeric")
def div(a: Decimal, b: Decimal) -> Decimal:
    if not b:
        raise DatabaseError("22012", "division by zero")
    return trunc(numeric.CONTEXT.divide(a, b))


@scalar("width_bucket")
def width_bucket(x: Any, low: Any, high: Any, count: int) -> int:
    if count <= 0:
        raise DatabaseError("2201G", "count must be greater than zero")
    if low == high:
        raise DatabaseError("2201G", "lower bound cannot equal upper bound")
    if low < high:
        return 0 if x < low else count + 1 if x >= high else int(
            (x - low) * count / (high - low)) + 1
    return 0 if x > low else count + 1 if x <= high else int((low - x) * count / (low - high)) + 1
