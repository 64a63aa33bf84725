"""The page's listener: who may ask, and the routes.

    /                            groups and topics               also /overview.json
    /groups/{group}              members, partitions, reset      also /groups/{group}.json
    /groups/{group}/reset        POST: does what the dry run on the page before said
    /topics/{topic}              partitions, configuration       also .json
    /topics/{topic}/messages     records, by offset, time, key   also .json

Where clients must log in the page asks for the same names and passwords, and shows itself to those
who may alter the cluster; nobody else sees what ACLs keep from them.
"""

from __future__ import annotations

import base64
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from bedrock.app.console.guard import Guard
from bedrock.app.pages import Pages, first_values
from bedrock.lazy import lazy
from bedrock.net import Server as Listener
from bedrock.net.http import HttpSession, Request, Response, Router
from kafkalite.acls import CLUSTER_NAME, Operation, Resource
from kafkalite.errors import KafkaError
from kafkalite.page.views import Views
from kafkalite.reset import WAYS

if TYPE_CHECKING:
    from bedrock.world import World
    from kafkalite.broker import Broker
    from kafkalite.lag import Lag

LIMIT = 50
urls = lazy("urllib.parse")


class PageGuard(Guard):
    """The console's guard, with the broker's users instead of one password."""

    def __init__(self, broker: Broker):
        super().__init__(None, broker.config.host, "asked" if broker.users.required else "")
        self._broker = broker

    def knows(self, authorization: bytes) -> bool:
        """Whether a header names somebody who may alter the cluster."""
        kind, _, value = authorization.partition(b" ")
        if kind.lower() != b"basic":
            return False
        try:
            user, _, word = base64.b64decode(value, validate=True).decode().partition(":")
        except ValueError:
            return False
        return self._broker.users.check(user, word) and self._broker.authorizer.allows(
            f"User:{user}", "*", Operation.ALTER, Resource.CLUSTER, CLUSTER_NAME
        )


class Page:
    """Serves the page of a broker."""

    def __init__(self, world: World, broker: Broker, lag: Lag):
        self._lag = lag
        self._views = Views(broker, lag)
        self._pages = Pages(
            "kafkalite", os.path.dirname(__file__), PageGuard(broker), world.clock,
            {KafkaError: 409},
        )
        router = Router(self._pages.routes({
            ("GET", "/"): self._overview,
            ("GET", "/overview.json"): self._overview,
            ("GET", "/groups/{group}"): self._group,
            ("POST", "/groups/{group}/reset"): self._reset,
            ("GET", "/topics/{topic}"): self._topic,
            ("GET", "/topics/{topic}/messages"): self._messages,
            ("GET", "/topics/{topic}/messages.json"): self._messages,
        }))  # fmt: skip
        config = broker.config
        self._listener = Listener(
            world, lambda: HttpSession(router), (config.host, config.page_port), tls=config.tls()
        )

    @property
    def port(self) -> int:
        """Where it really listens."""
        return self._listener.port

    async def start(self) -> None:
        """Listen; OSError when the port cannot be had."""
        await self._listener.start()
        self._lag.start()

    async def stop(self) -> None:
        """Close; idempotent."""
        await self._listener.stop()

    def _overview(self, request: Request) -> Response:
        return self._pages.answer(request, "lag.html", self._views.overview())

    def _group(self, request: Request) -> Response:
        data = self._views.group(request.params["group"].removesuffix(".json"))
        how, topic, value = _wanted(request.query)
        data |= {"ways": WAYS, "how": how, "reset_topic": topic, "value": value, "plan": []}
        if how:
            data["plan"] = self._views.plan(data["id"], topic, how, _number(how, value))
        return self._pages.answer(request, "group.html", data)

    def _reset(self, request: Request) -> Response:
        group = request.params["group"]
        how, topic, value = _wanted(request.form())
        if not how:
            raise ValueError("how?")
        self._views.reset(group, self._views.plan(group, topic, how, _number(how, value)))
        return Response(b"", 303, headers={"Location": f"/groups/{urls.quote(group, safe='')}"})

    def _topic(self, request: Request) -> Response:
        data = self._views.topic(request.params["topic"].removesuffix(".json"))
        return self._pages.answer(request, "topic.html", data)

    def _messages(self, request: Request) -> Response:
        query = first_values(request.query)
        offset, when = query.get("offset"), query.get("time")
        data = self._views.messages(
            request.params["topic"],
            int(query.get("partition", 0)),
            offset=None if offset is None else int(offset),
            time_ms=None if when is None else _moment(when),
            key=query.get("key", ""),
            limit=int(query.get("limit", LIMIT)),
            decode=query.get("decode", "auto"),
        )
        return self._pages.answer(request, "messages.html", data | {"offset": offset, "time": when})


def _wanted(fields: dict[str, list[str]]) -> tuple[str, str, str]:
    """(how, topic, value) of a reset; how is "" for none."""
    how, topic, value = (fields.get(name, [""])[0] for name in ("how", "topic", "value"))
    if how and how not in WAYS:
        raise ValueError(f"{how}: not a way to reset")
    return how, topic, value


def _number(how: str, value: str) -> int:
    if how == "to_datetime":
        return _moment(value)
    if how == "by_duration":
        raise ValueError("give a time instead of a duration")
    return int(value or 0)


def _moment(text: str) -> int:
    """Milliseconds since 1970, given so or as ISO 8601."""
    if text.lstrip("-").isdigit():
        return int(text)
    when = datetime.fromisoformat(text)
    return int((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() * 1000)
