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
