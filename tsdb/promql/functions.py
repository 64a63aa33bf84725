"""The functions of PromQL, as a table: name, arguments, result.

Types are those of `ast`; `optional` counts the trailing arguments that may be left out, and -1
means that the last may be repeated.
"""

from __future__ import annotations

from dataclasses import dataclass

S, T, V, M = "scalar", "string", "instant vector", "range vector"


@dataclass(frozen=True)
class Function:
    """A function's signature."""

    name: str
    args: tuple[str, ...]
    optional: int = 0
    returns: str = V


def _table(*functions: Function) -> dict[str, Function]:
    return {function.name: function for function in functions}


MATH = (
    *("abs", "ceil", "exp", "floor", "ln", "log10", "log2", "sgn", "sqrt", "deg", "rad"),
    *("acos", "acosh", "asin", "asinh", "atan", "atanh"),
    *("cos", "cosh", "sin", "sinh", "tan", "tanh"),
)
CALENDAR = (
    *("day_of_month", "day_of_week", "day_of_year", "days_in_month"),
    *("hour", "minute", "month", "year"),
)
DEPEND_ON_STEP = frozenset((*CALENDAR, "predict_linear", "time", "timestamp"))
OVER_TIME = (
    *("avg_over_time", "changes", "count_over_time", "delta", "deriv", "idelta", "increase"),
    *("irate", "last_over_time", "max_over_time", "min_over_time", "present_over_time", "rate"),
    *("resets", "stddev_over_time", "stdvar_over_time", "sum_over_time"),
)

FUNCTIONS = _table(
    *(Function(name, (V,)) for name in MATH),
    *(Function(name, (V,), optional=1) for name in CALENDAR),
    *(Function(name, (M,)) for name in OVER_TIME),
    Function("absent", (V,)),
    Function("absent_over_time", (M,)),
    Function("clamp", (V, S, S)),
    Function("clamp_max", (V, S)),
    Function("clamp_min", (V, S)),
    Function("histogram_quantile", (S, V)),
    Function("holt_winters", (M, S, S)),
    Function("label_join", (V, T, T, T), optional=-1),
    Function("label_replace", (V, T, T, T, T)),
    Function("pi", (), returns=S),
    Function("predict_linear", (M, S)),
    Function("quantile_over_time", (S, M)),
    Function("round", (V, S), optional=1),
    Function("scalar", (V,), returns=S),
    Function("sort", (V,)),
    Function("sort_desc", (V,)),
    Function("time", (), returns=S),
    Function("timestamp", (V,)),
    Function("vector", (S,)),
)

# name -> type of the parameter before the vector, "" for none
AGGREGATIONS = {
    "avg": "",
    "bottomk": S,
    "count": "",
    "count_values": T,
    "group": "",
    "max": "",
    "min": "",
    "quantile": S,
    "stddev": "",
    "stdvar": "",
    "sum": "",
    "topk": S,
}


def signature(name: str) -> str:
    """What a function or aggregation takes."""
    if name in AGGREGATIONS:
        first = f"{AGGREGATIONS[name]}, " if AGGREGATIONS[name] else ""
        return f"({first}instant vector) by|without (labels)"
    if name in FUNCTIONS:
        return f"({', '.join(FUNCTIONS[name].args)}) -> {FUNCTIONS[name].returns}"
    return ""
