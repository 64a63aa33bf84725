"""Makes PromQL queries, and the data they are asked of, from a seed.

The data: counters with resets, gauges with jitter and gaps, series that end (a stale marker) and
begin again, values no two decimals agree on (NaN, infinities, -0, huge, tiny), a histogram, an
info metric to join with, a series sampled rarely.

Queries nest to a depth; all operators, aggregations and functions occur.  Functions whose last
bit depends on the mathematical library (sin, exp, ln, ^ ...), and `%`, which makes much of a last
bit, are put outermost only: under a comparison, a rounding or a difference that bit would become
a difference one can see.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np

STALE = np.array([0x7FF0000000000002], np.uint64).view(np.float64)[0]
STEPS = 240
STEP_MS = 15_000
SPAN_S = STEPS * STEP_MS // 1000

Series = dict[tuple[tuple[str, str], ...], list[tuple[int, float]]]


def sample_data(start_ms: int, seed: int = 7) -> Series:
    """An hour of samples from start_ms on."""
    rng = np.random.default_rng(seed)
    series: Series = {}
    steps = start_ms + np.arange(STEPS) * STEP_MS

    def put(name: str, labels: dict[str, str], times: np.ndarray, values: np.ndarray) -> None:
        series[(("__name__", name), *sorted(labels.items()))] = list(
            zip(times.tolist(), values.tolist(), strict=True)
        )

    for host in ("h1", "h2", "h3"):
        for code in ("200", "404", "500"):
            labels = {"host": host, "code": code}
            counter = rng.integers(0, 20, STEPS).cumsum().astype(float)
            reset = int(rng.integers(20, STEPS - 20))
            counter[reset:] -= counter[reset]
            put("requests_total", labels, steps, counter)
            keep = rng.random(STEPS) > 0.1
            keep[60:90] = False  # a gap longer than the lookback
            times = (steps + rng.integers(-500, 500, STEPS))[keep]
            put("gauge", labels, times, rng.normal(100, 40, STEPS)[keep].round(3))
        for le, share in (("0.1", 0.1), ("0.5", 0.5), ("1", 0.8), ("2.5", 0.9), ("+Inf", 1)):
            put("latency_bucket", {"host": host, "le": le}, steps,
                np.floor(np.arange(STEPS) * (9 + ord(host[1]) % 3) * share))
        put("host_info", {"host": host, "os": "linux" if host != "h2" else "bsd"}, steps,
            np.ones(STEPS))
        whole = rng.integers(0, 5, STEPS).astype(float)
        put("level", {"host": host}, steps, whole)
    ended = rng.normal(0, 1, STEPS).round(2)
    ended[50] = ended[150] = STALE
    gone = np.ones(STEPS, np.bool_)
    gone[51:70] = gone[151:] = False
    put("ended", {"host": "h1"}, steps[gone], ended[gone])
    odd = rng.normal(0, 1, STEPS)
    odd[::7] = np.nan
    odd[3::11] = np.inf
    odd[5::13] = -np.inf
    odd[6::17] = -0.0
    odd[1::19] *= 1e300
    odd[2::23] *= 1e-300
    put("odd", {"host": "h1"}, steps, odd)
    put("odd", {"host": "h2"}, steps, rng.normal(0, 1e6, STEPS))
    put("sparse", {"host": "h3"}, steps[::30], np.ones(STEPS // 30))
    return series


METRICS = {
    "requests_total": ("host", "code"), "gauge": ("host", "code"), "level": ("host",),
    "latency_bucket": ("host", "le"), "host_info": ("host", "os"), "ended": ("host",),
    "odd": ("host",), "sparse": ("host",), "nothing": ("host",),
}  # fmt: skip
WEIGHTS = (8, 8, 4, 3, 2, 2, 2, 2, 1)
VALUES = {"host": ("h1", "h2", "h3"), "code": ("200", "404", "500"), "os": ("linux", "bsd"),
          "le": ("0.1", "0.5", "+Inf")}
PATTERNS = {"host": ("h[12]", "h1|h3", ".*", ".+", "", "(?i)H2"), "code": ("2..", "404|500"),
            "os": ("l.*",), "le": ("0.*", "1|2.5")}
DURATIONS = ("30s", "1m", "90s", "5m", "17m", "1h", "2m30s")
OVER_TIME = (
    *("avg_over_time", "changes", "count_over_time", "delta", "deriv", "idelta", "increase"),
    *("irate", "last_over_time", "max_over_time", "min_over_time", "present_over_time", "rate"),
    *("resets", "stddev_over_time", "stdvar_over_time", "sum_over_time"),
)
EXACT = ("abs", "ceil", "floor", "sgn", "sqrt", "sort", "sort_desc", "timestamp")
INEXACT = (
    *("exp", "ln", "log2", "log10", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh"),
    *("tanh", "asinh", "acosh", "atanh", "deg", "rad"),
)
CALENDAR = (
    *("day_of_month", "day_of_week", "day_of_year", "days_in_month"),
    *("hour", "minute", "month", "year"),
)
PLAIN_AGGREGATIONS = ("sum", "avg", "min", "max", "count", "group", "stddev", "stdvar")
ARITHMETIC = ("+", "-", "*", "/")
COMPARISON = ("==", "!=", ">", "<", ">=", "<=")


@dataclass(frozen=True)
class Query:
    """What is asked: an instant query has no step."""

    text: str
    start_s: float
    end_s: float = 0
    step_s: float = 0

    @property
    def path(self) -> str:
        return "query_range" if self.step_s else "query"

    @property
    def params(self) -> dict[str, str]:
        if self.step_s:
            times = {"start": self.start_s, "end": self.end_s, "step": self.step_s}
        else:
            times = {"time": self.start_s}
        return {"query": self.text} | {name: f"{t:.3f}" for name, t in times.items()}


class Generator:
    """Queries over `sample_data(start_ms)`."""

    def __init__(self, seed: int, start_s: int):
        self.rand = random.Random(seed)
        self.start_s = start_s

    def query(self) -> Query:
        """The next one."""
        rand = self.rand
        if rand.random() < 0.5:
            return Query(self.instant(), self.moment())
        start = self.moment()
        step = rand.choice((1, 7, 15, 30, 60, 97, 300, 0.5))
        return Query(self.outermost(), start, start + step * rand.randint(0, 60), step)

    def moment(self) -> float:
        """Some time during the data, or a little before or after."""
        return self.start_s + self.rand.randint(-300_000, (SPAN_S + 600) * 1000) / 1000

    # ---- expressions by type -----------------------------------------------------------

    def instant(self) -> str:
        kind = self.rand.random()
        if kind < 0.08:
            return self.range(1)
        if kind < 0.1:
            return '"text"'
        return self.outermost()

    def outermost(self) -> str:
        rand = self.rand
        depth = rand.choice((0, 1, 1, 2, 2, 3))
        kind = rand.random()
        if kind < 0.1:
            return self.scalar(2)
        if kind < 0.2:
            return f"{rand.choice(INEXACT)}({self.vector(depth)})"
        if kind < 0.23:
            return f"({self.vector(depth)}) ^ {self.number()}"
        if kind < 0.25:
            return f"{self.selector()} % {self.number()}"
        if kind < 0.27:
            return f"{self.vector(1)} atan2 {self.matching()} {self.vector(1)}"
        return self.vector(depth)

    def vector(self, depth: int) -> str:
        """An instant vector."""
        if depth <= 0:
            return self.selector() + self.modifier()
        return self.rand.choices(
            (self.selector, self.over, self.function, self.aggregation, self.vector_scalar,
             self.vector_vector, self.labels, self.other),
            (2, 8, 4, 8, 5, 6, 2, 3),
        )[0](*(() if depth < 0 else (depth,)))  # fmt: skip

    def scalar(self, depth: int) -> str:
        rand = self.rand
        kind = rand.random()
        if depth <= 0 or kind < 0.4:
            return self.number()
        if kind < 0.6:
            return f"scalar({self.vector(depth - 1)})"
        if kind < 0.7:
            return rand.choice(("time()", "pi()"))
        if kind < 0.8:
            op = rand.choice(COMPARISON)
            return f"({self.scalar(depth - 1)} {op} bool {self.scalar(depth - 1)})"
        sides = self.scalar(depth - 1), self.scalar(depth - 1)
        return f"({sides[0]} {rand.choice(ARITHMETIC)} {sides[1]})"

    def number(self) -> str:
        return self.rand.choice(
            ("0", "1", "2", "3", "10", "0.5", "-1", "100", "0.25", "1e3", "7", "NaN", "Inf", "-Inf")
        )

    def range(self, depth: int) -> str:
        rand = self.rand
        if rand.random() < 0.75 or depth <= 0:
            return f"{self.selector()}[{rand.choice(DURATIONS)}]{self.modifier()}"
        step = rand.choice(("", "15s", "1m", "47s", "3m"))
        return (
            f"({self.vector(depth - 1)})[{rand.choice(DURATIONS[2:])}:{step}]{self.modifier()}"
        )

    # ---- pieces ------------------------------------------------------------------------

    def selector(self, depth: int = 0) -> str:
        rand = self.rand
        name = rand.choices(list(METRICS), WEIGHTS)[0]
        conditions = []
        for label in METRICS[name]:
            kind = rand.random()
            if kind < 0.15:
                conditions.append(f'{label}{rand.choice(("=", "!="))}"'
                                  f'{rand.choice(VALUES[label])}"')
            elif kind < 0.3:
                conditions.append(f'{label}{rand.choice(("=~", "!~"))}"'
                                  f'{rand.choice(PATTERNS[label])}"')
        if rand.random() < 0.05:
            names = "|".join(rand.sample(list(METRICS), 2))
            return f"{{{','.join([f'__name__=~{names!r}', *conditions])}}}"
        return f"{name}{{{','.join(conditions)}}}" if conditions else name

    def modifier(self) -> str:
        rand = self.rand
        text = ""
        if rand.random() < 0.12:
            text += f" offset {rand.choice(('', '-'))}{rand.choice(DURATIONS)}"
        if rand.random() < 0.07:
            at = f"{self.moment():.3f}"
            text += f" @ {rand.choice(('start()', 'end()', at))}"
        return text

    def grouping(self) -> str:
        rand = self.rand
        kind = rand.random()
        if kind < 0.3:
            return ""
        labels = rand.sample(("host", "code", "le", "os", "absent"), rand.randint(0, 2))
        return f"{rand.choice(('by', 'by', 'without'))} ({', '.join(labels)})"

    def matching(self) -> str:
        rand = self.rand
        kind = rand.random()
        if kind < 0.25:
            return ""
        labels = rand.choice(("host", "host", "host, code", "code", ""))
        text = f"{rand.choice(('on', 'on', 'ignoring'))} ({labels})"
        if rand.random() < 0.4:
            text += f" {rand.choice(('group_left', 'group_right'))}"
            text += rand.choice(("", " ()", " (os)"))
        return text

    # ---- forms of vectors ----------------------------------------------------------------

    def over(self, depth: int) -> str:
        rand = self.rand
        kind = rand.random()
        window = self.range(depth)
        if kind < 0.06:
            return f"quantile_over_time({self.number()}, {window})"
        if kind < 0.1:
            window = self.range(0)
            return f"predict_linear({window}, {rand.choice(('60', '3600', '-30'))})"
        if kind < 0.14:
            factors = [rand.choice(("0.1", "0.5", "0.9", "0.5", "1")) for _ in range(2)]
            return f"holt_winters({window}, {', '.join(factors)})"
        if kind < 0.17:
            return f"absent_over_time({window})"
        return f"{rand.choice(OVER_TIME)}({window})"

    def function(self, depth: int) -> str:
        rand = self.rand
        inner = self.vector(depth - 1)
        kind = rand.random()
        if kind < 0.1:
            low, high = self.scalar(1), self.scalar(1)
            return f"clamp({inner}, {low}, {high})"
        if kind < 0.2:
            return f"{rand.choice(('clamp_min', 'clamp_max'))}({inner}, {self.scalar(1)})"
        if kind < 0.3:
            return f"round({inner}{rand.choice(('', ', 10', ', 0.5', ', 0.1'))})"
        if kind < 0.38:
            return f"{rand.choice(CALENDAR)}({rand.choice((inner, f'abs({inner}) * 1e6', ''))})"
        if kind < 0.44:
            return f"absent({inner})"
        if kind < 0.5:
            return f"-({inner})"
        return f"{rand.choice(EXACT)}({inner})"

    def aggregation(self, depth: int) -> str:
        rand = self.rand
        inner, grouping = self.vector(depth - 1), self.grouping()
        kind = rand.random()
        if kind < 0.1:
            call, param = rand.choice(("topk", "bottomk")), rand.choice(("1", "2", "3", "5", "0"))
            return f"{call} {grouping} ({param}, {inner})"
        if kind < 0.2:
            return f"quantile {grouping} ({self.number()}, {inner})"
        if kind < 0.28:
            return f'count_values {grouping} ("{rand.choice(("value", "host"))}", round({inner}))'
        return f"{rand.choice(PLAIN_AGGREGATIONS)} {grouping} ({inner})"

    def vector_scalar(self, depth: int) -> str:
        rand = self.rand
        sides = [f"({self.vector(depth - 1)})", self.scalar(depth - 1)]
        rand.shuffle(sides)
        if rand.random() < 0.5:
            op = rand.choice(ARITHMETIC)
        else:
            op = rand.choice(COMPARISON) + rand.choice(("", " bool"))
        return f"{sides[0]} {op} {sides[1]}"

    def vector_vector(self, depth: int) -> str:
        rand = self.rand
        sides = [f"({self.vector(depth - 1)})" for _ in range(2)]
        kind = rand.random()
        if kind < 0.25:
            labels = rand.choice(("", " on (host)", " ignoring (code)", " on ()"))
            return f"{sides[0]} {rand.choice(('and', 'or', 'unless'))}{labels} {sides[1]}"
        if kind < 0.6:
            op = rand.choice(ARITHMETIC)
        else:
            op = rand.choice(COMPARISON) + rand.choice(("", " bool"))
        return f"{sides[0]} {op} {self.matching()} {sides[1]}"

    def labels(self, depth: int) -> str:
        rand = self.rand
        inner = self.vector(depth - 1)
        target = rand.choice(("x", "host", "code", "__name__"))
        if rand.random() < 0.4:
            return f'label_join({inner}, "{target}", "-", "host", "code")'
        template, pattern = rand.choice(
            (("$1", "h(.)"), ("", ".*"), ("${1}x$2", "(.)(.)"), ("$9", "h1"), ("all", ".*"))
        )
        return f'label_replace({inner}, "{target}", "{template}", "host", "{pattern}")'

    def other(self, depth: int) -> str:
        rand = self.rand
        if rand.random() < 0.5:
            return f"vector({self.scalar(depth)})"
        inner = rand.choice((
            "latency_bucket", "rate(latency_bucket[5m])", "sum by (le) (latency_bucket)",
            "sum by (le, host) (rate(latency_bucket[5m]))", self.vector(depth - 1),
        ))  # fmt: skip
        return f"histogram_quantile({self.number()}, {inner})"
