"""Numbers as Prometheus writes and reads them."""

from __future__ import annotations

import math
from decimal import Decimal


def format_plain(value: float) -> str:
    """The shortest decimal that reads back as the value, never with an exponent."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    if value == int(value) and abs(value) < 2**53:
        return str(int(value)) if value or math.copysign(1, value) > 0 else "-0"
    return f"{Decimal(repr(float(value))):f}"


def parse_float(text: str) -> float:
    """A float as Go reads it (1e3, 0x1p4, Inf); ValueError otherwise."""
    if text.lower().lstrip("+-").startswith("0x"):
        return float.fromhex(text)
    if "_" in text or text != text.strip():
        raise ValueError(f"not a number: {text!r}")
    return float(text)


def format_general(value: float) -> str:
    """As Go prints a float by itself: with an exponent below 1e-4 and from 1e6 on.

    The shortest decimal that reads back; its exponent has at least two digits: 1e+06, 1.5e-07.
    """
    if math.isnan(value) or math.isinf(value):
        return "NaN" if math.isnan(value) else f"{value:+f}".replace("inf", "Inf")
    if value == 0:
        return f"{value:.0f}"
    digits = Decimal(repr(value)).normalize()
    power = digits.adjusted()
    if -5 < power < 6:
        return f"{digits:f}"
    mantissa = f"{digits.scaleb(-power):f}"
    return f"{mantissa}e{power:+03d}"
