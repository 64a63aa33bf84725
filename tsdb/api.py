"""Prometheus' HTTP API, version 1: queries, what there is to query, remote read.

Other routes: `intake` (writes), `status` (the server itself), `admin` (deletion, snapshots),
`discovery` (targets, rules, metadata, exemplars).  The query engine is imported by the first query:
a server is ready without it.
"""

from __future__ import annotations

from bedrock.net.http import Request, Response, Route
from tsdb.budget import Budget
from tsdb.config import TsdbConfig
from tsdb.federate import federate
from tsdb.form import ApiError, Form, Handler, answering, success, success_of
from tsdb.labels import is_label_name
from tsdb.promql.errors import ParseError
from tsdb.promql.json_out import labels_json
from tsdb.promql.parser import parse
from tsdb.remote_read import read
from tsdb.store import Store

STEPS_MAX = 11_000


class Api:
    """The handlers; `routes` is the table."""

    def __init__(self, store: Store, config: TsdbConfig, lookback_ms: int):
        self.store = store
        self.config = config
        self.lookback_ms = lookback_ms
        self.queries = 0

    def routes(self) -> list[Route]:
        """Method, path, handler."""
        both = ("GET", "POST")
        table: list[tuple[tuple[str, ...], str, Handler]] = [
            (both, "/api/v1/query", self.query),
            (both, "/api/v1/query_range", self.query_range),
            (both, "/api/v1/format_query", self.format_query),
            (both, "/api/v1/labels", self.labels),
            (("GET",), "/api/v1/label/{name}/values", self.label_values),
            (both, "/api/v1/series", self.series),
            (("POST",), "/api/v1/read", self.read),
            (("GET",), "/federate", self.federate),
        ]
        return [
            Route(method, path, answering(handler))
            for methods, path, handler in table
            for method in methods
        ]

    def budget(self, form: Form | None = None) -> Budget:
        """What a query may use."""
        config = self.config
        time_s = config.query_timeout_s
        if form is not None and form.get("timeout"):
            time_s = min(time_s or 1e9, form.duration_ms("timeout") / 1000)
        return Budget(
            self.store.world.clock,
            samples=config.query_samples_max,
            memory=config.query_memory_max,
            time_s=time_s,
        )

    def _now_ms(self) -> int:
        return self.store.world.clock.wall_ms()

    def query(self, request: Request) -> Response:
        """An instant query."""
        form = Form(request)
        self.queries += 1
        try:
            time_ms = form.time_ms("time", self._now_ms())
        except ApiError as exc:
            # Prometheus says it twice here, and only here.
            why = str(exc).replace('"time": ', "\"time\": Invalid time value for 'time': ", 1)
            raise ApiError("bad_data", why) from exc
        lookback_ms = form.duration_ms("lookback_delta", self.lookback_ms)
        from tsdb.promql.answer import as_json
        from tsdb.promql.engine import instant_query

        query, budget = form.get("query"), self.budget(form)
        found = instant_query(self.store.finder, query, time_ms, lookback_ms, budget)
        return success(*as_json(found))

    def query_range(self, request: Request) -> Response:
        """A range query."""
        form = Form(request)
        self.queries += 1
        for name in ("start", "end"):
            if not form.get(name):
                raise ApiError(
                    "bad_data",
                    f'invalid parameter "{name}": cannot parse "" to a valid timestamp',
                )
        start, end, step = (
            form.time_ms("start", 0),
            form.time_ms("end", 0),
            form.duration_ms("step"),
        )
        if end < start:
            raise ApiError(
                "bad_data",
                'invalid parameter "end": end timestamp must not be before start time',
            )
        if step <= 0:
            raise ApiError(
                "bad_data",
                'invalid parameter "step": zero or negative query resolution step widths are '
                "not accepted. Try a positive integer",
            )
        if (end - start) // step > STEPS_MAX:
            raise ApiError(
                "bad_data",
                "exceeded maximum resolution of 11,000 points per timeseries. "
                "Try decreasing the query resolution (?step=XX)",
            )
        lookback_ms = form.duration_ms("lookback_delta", self.lookback_ms)
        from tsdb.promql.answer import as_json
        from tsdb.promql.engine import range_query

        query, budget = form.get("query"), self.budget(form)
        try:
            found = range_query(
                self.store.finder, query, start, end, step, lookback_ms, budget
            )
        except ParseError as exc:  # which parameter it is, Prometheus does not say here
            raise ApiError("bad_data", str(exc)) from exc
        return success(*as_json(found))

    def format_query(self, request: Request) -> Response:
        """A query, laid out."""
        from tsdb.promql.format import pretty

        return success_of(pretty(parse(Form(request).get("query"))))

    # ---- what there is ---------------------------------------------------------------------

    def labels(self, request: Request) -> Response:
        """Label names."""
        form = Form(request)
        return success_of(self.store.label_names(form.selectors(), *form.span()))

    def label_values(self, request: Request) -> Response:
        """Values of one label."""
        form = Form(request)
        name = request.params["name"]
        if not is_label_name(name):
            raise ApiError("bad_data", f'invalid label name: "{name}"')
        return success_of(self.store.label_values(name, form.selectors(), *form.span()))

    def series(self, request: Request) -> Response:
        """Label sets of the series that match."""
        form = Form(request)
        found = self.store.series(form.selectors(required=True), *form.span())
        return success(*labels_json(found))

    # ---- samples out and in ----------------------------------------------------------------

    def read(self, request: Request) -> Response:
        """Remote-read."""
        return read(self.store.finder, request, self.budget())

    def federate(self, request: Request) -> Response:
        """The newest samples, for a Prometheus that scrapes them."""
        return federate(self.store.finder, request, self._now_ms(), self.lookback_ms)
