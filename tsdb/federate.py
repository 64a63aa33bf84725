"""/federate: the newest samples of the series asked for, in the text format Prometheus scrapes."""

from __future__ import annotations

from bedrock.net.http import Request, Response
from bedrock.world.slices import paced, paced_sort, rest
from tsdb.labels import Labels, escape
from tsdb.promql.errors import BadQuery
from tsdb.promql.parser import parse_selector
from tsdb.selection import Finder

TEXT = "text/plain; version=0.0.4; charset=utf-8"


def federate(finder: Finder, request: Request, now_ms: int, lookback_ms: int) -> Response:
    """Answer a scrape."""
    import numpy as np

    from tsdb.promql.json_out import value_text
    from tsdb.promql.kernels import instant

    try:
        selectors = [parse_selector(text) for text in request.form().get("match[]", [])]
    except BadQuery as exc:
        return Response(f"{exc}\n".encode(), 400)
    samples: dict[Labels, tuple[int, float]] = {}
    for matchers in selectors:
        selection = finder.select(matchers, now_ms - lookback_ms, now_ms)
        values, present, stamps = instant(
            selection, np.array([now_ms], np.int64), lookback_ms, stamped=True
        )
        for row in paced(np.flatnonzero(present[:, 0]).tolist()):
            samples[selection.labels[row]] = int(stamps[row, 0]), float(values[row, 0])
    lines = []
    last = ""
    for labels in paced_sort(samples, key=lambda one: (one.get("__name__"), one.pairs)):
        rest()
        name = labels.get("__name__")
        if name != last:
            lines.append(f"# TYPE {name} untyped")
            last = name
        pairs = [f'{n}="{escape(v)}"' for n, v in labels.pairs if n != "__name__"]
        if not labels.get("instance"):
            pairs.append('instance=""')
        t, v = samples[labels]
        lines.append(f"{name}{{{','.join(pairs)}}} {value_text(v + 0.0)} {t}")  # -0 is 0
    return Response("".join(f"{line}\n" for line in lines).encode(), content_type=TEXT)
