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

DOCS = {
    "abs": "without its sign",
    "absent": "1 if the selector finds nothing",
    "absent_over_time": "1 if the selector finds nothing in the range",
    "acos": "arc cosine",
    "acosh": "inverse hyperbolic cosine",
    "asin": "arc sine",
    "asinh": "inverse hyperbolic sine",
    "atan": "arc tangent",
    "atanh": "inverse hyperbolic tangent",
    "avg": "mean of each group",
    "avg_over_time": "mean of the samples",
    "bottomk": "the k smallest of each group",
    "ceil": "rounded up",
    "changes": "how often the value changed",
    "clamp": "held between two bounds",
    "clamp_max": "at most a bound",
    "clamp_min": "at least a bound",
    "cos": "cosine",
    "cosh": "hyperbolic cosine",
    "count": "how many there are in each group",
    "count_over_time": "how many samples there are",
    "count_values": "how many of each group have each value; the value becomes a label",
    "day_of_month": "1 to 31, UTC",
    "day_of_week": "0 (Sunday) to 6, UTC",
    "day_of_year": "1 to 366, UTC",
    "days_in_month": "28 to 31, UTC",
    "deg": "radians as degrees",
    "delta": "how far a gauge went, extended to the whole range",
    "deriv": "slope of a gauge each second, by least squares",
    "exp": "e to this power",
    "floor": "rounded down",
    "group": "1 for each group",
    "histogram_quantile": "a quantile from the buckets (label le) of a histogram",
    "holt_winters": "smoothed; factors for level and trend",
    "hour": "0 to 23, UTC",
    "idelta": "difference of the last two samples",
    "increase": "how far a counter went, extended to the whole range",
    "irate": "rise of a counter each second, by its last two samples",
    "label_join": "a label made of others, with a separator",
    "label_replace": "a label set where another matches a regular expression",
    "last_over_time": "the newest sample",
    "ln": "natural logarithm",
    "log10": "logarithm to base 10",
    "log2": "logarithm to base 2",
    "max": "largest of each group",
    "max_over_time": "largest sample",
    "min": "smallest of each group",
    "min_over_time": "smallest sample",
    "minute": "0 to 59",
    "month": "1 to 12, UTC",
    "pi": "3.14159...",
    "predict_linear": "where a gauge will be in so many seconds, by least squares",
    "present_over_time": "1 if there is a sample",
    "quantile": "a quantile of each group",
    "quantile_over_time": "a quantile of the samples",
    "rad": "degrees as radians",
    "rate": "rise of a counter each second, over the whole range",
    "resets": "how often a counter fell",
    "round": "rounded to the nearest multiple",
    "scalar": "the value of a vector's only series, else NaN",
    "sgn": "-1, 0 or 1",
    "sin": "sine",
    "sinh": "hyperbolic sine",
    "sort": "smallest first",
    "sort_desc": "largest first",
    "sqrt": "square root",
    "stddev": "standard deviation of each group",
    "stddev_over_time": "standard deviation of the samples",
    "stdvar": "variance of each group",
    "stdvar_over_time": "variance of the samples",
    "sum": "sum of each group",
    "sum_over_time": "sum of the samples",
    "tan": "tangent",
    "tanh": "hyperbolic tangent",
    "time": "the time of evaluation, in seconds",
    "timestamp": "the times of the samples, in seconds",
    "topk": "the k largest of each group",
    "vector": "a scalar as a vector without labels",
    "year": "as 2026, UTC",
}

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
