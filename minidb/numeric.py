"""Exact numerics: PostgreSQL's scales on Python's Decimal.

A numeric has as many digits as it needs (up to 131,072 before the point); what an operation keeps
after the point follows PostgreSQL's numeric.c: sums take the larger scale, products the sum of the
scales, quotients at least 16 significant digits.
"""

from __future__ import annotations

from decimal import MAX_EMAX, MIN_EMIN, ROUND_HALF_UP, Context, Decimal, InvalidOperation

from minidb.sqlstate import DatabaseError

CONTEXT = Context(prec=2000, rounding=ROUND_HALF_UP, Emax=MAX_EMAX, Emin=MIN_EMIN,
                  traps=[InvalidOperation])

_MIN_SIGNIFICANT = 16


def scale_of(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def at_scale(value: Decimal, scale: int) -> Decimal:
    """Rounded half away from zero to `scale` digits after the point."""
    if not value.is_finite():
        return value
    return value.quantize(Decimal((0, (1,), -scale)), context=CONTEXT)


def _base10000(value: Decimal) -> tuple[int, int]:
    """(weight, first digit) in base 10000, of which numeric.c derives the quotient's scale."""
    if not value:
        return 0, 0
    power = value.adjusted()
    weight = power // 4
    first = int(abs(value).scaleb(-4 * weight, context=CONTEXT))
    return weight, first


def divide(a: Decimal, b: Decimal) -> Decimal:
    """a / b at the scale PostgreSQL's select_div_scale picks."""
    if a.is_nan() or b.is_nan():
        return Decimal("NaN")
    if not b:
        raise DatabaseError("22012", "division by zero")
    if not (a.is_finite() and b.is_finite()):
        return CONTEXT.divide(a, b) if not (a.is_infinite() and b.is_infinite()) \
            else Decimal("NaN")
    weight_a, first_a = _base10000(a)
    weight_b, first_b = _base10000(b)
    weight = weight_a - weight_b
    if first_a <= first_b:
        weight -= 1
    scale = _MIN_SIGNIFICANT - weight * 4
    scale = min(max(scale, scale_of(a), scale_of(b), 0), 1000)
    return at_scale(CONTEXT.divide(a, b), scale)


def multiply(a: Decimal, b: Decimal) -> Decimal:
    return CONTEXT.multiply(a, b)


def modulo(a: Decimal, b: Decimal) -> Decimal:
    """Remainder with the sign of a."""
    if not b:
        raise DatabaseError("22012", "division by zero")
    return CONTEXT.remainder(a, b)


def fit(value: Decimal, typmod: int) -> Decimal:
    """Apply numeric(p, s)."""
    if typmod < 4 or not value.is_finite():
        return value
    precision = (typmod - 4) >> 16 & 0xFFFF
    scale = (((typmod - 4) & 0x7FF) ^ 0x400) - 0x400
    value = at_scale(value, scale)
    if value and value.adjusted() >= precision - scale:
        raise DatabaseError(
            "22003",
            "numeric field overflow",
            detail=f"A field with precision {precision}, scale {scale} must round to an absolute "
            f"value less than {'10^' + str(precision - scale) if precision > scale else '1'}.",
        )
    return value
