"""Monitor: the scraper, the rules and the notifier of one server, as its configuration has them.

The file is read at the start, and again when `POST /-/reload` says so: what it does not change
goes on undisturbed, and a file with a mistake changes nothing.  What `bedrock up` runs beside us is
scraped besides (`neighbours`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from bedrock.app.config import ConfigError
from bedrock.app.logs import logger
from bedrock.net.http import Request, Response, Route
from bedrock.world import World
from tsdb.budget import Budget
from tsdb.monitor.discovery import Discovery
from tsdb.monitor.exemplars import Exemplars
from tsdb.monitor.notify import Notifier
from tsdb.monitor.received import Received
from tsdb.monitor.rules import RuleManager
from tsdb.monitor.scrape import Scraper
from tsdb.monitor.settings import Job, Settings
from tsdb.store import Store


class Monitor:
    """Everything that watches others."""

    def __init__(
        self,
        world: World,
        store: Store,
        file: str,
        budget: Callable[[], Budget],
        state_file: str = "",
    ):
        self.file = file
        self.state_file = state_file
        self.world = world
        self.clock = world.clock
        self.settings = _settings(file)
        self.loaded_ms = self.clock.wall_ms()
        self.load_failed = False
        self.exemplars = Exemplars()
        self.received = Received(store, self.exemplars)
        self.scraper = Scraper(world, store, self.exemplars)
        self.notifier = Notifier(world)
        self.rules = RuleManager(world, store, self.notifier, budget)
        self.log = logger("tsdb.monitor")
        self.neighbours: Job | None = None
        self.looking: asyncio.Task | None = None

    def routes(self) -> list[Route]:
        """What it tells of itself, and reloading."""
        told = Discovery(self.scraper, self.rules, self.notifier, self.exemplars, self.received)
        again = [Route(method, "/-/reload", self.reload) for method in ("POST", "PUT")]
        return [*told.routes(), *again]

    def start(self, url: str) -> None:
        """Begin; url is ours, for links."""
        self.rules.url = self.notifier.url = url
        self._apply()
        if self.state_file:
            self.looking = self.world.spawn(self._look(), "neighbours")

    def reload(self, request: Request) -> Response:
        """Read the configuration file again."""
        try:
            self.settings = _settings(self.file)
        except ConfigError as exc:
            self.load_failed = True
            self.log.error("the configuration was not reloaded", error=str(exc))
            return Response(f"failed to reload config: {exc}\n".encode(), 500)
        self.load_failed, self.loaded_ms = False, self.clock.wall_ms()
        self._apply()
        return Response()

    def stop(self) -> None:
        """End."""
        if self.looking is not None:
            self.looking.cancel()
        self.scraper.stop()
        self.rules.stop()

    async def _look(self) -> None:
        """Keep in step with `bedrock up`."""
        from tsdb.monitor.neighbours import LOOK_S, job_of

        while True:
            found = job_of(self.state_file)
            if found != self.neighbours:
                self.neighbours = found
                self._apply()
            await self.clock.sleep(LOOK_S)

    def _apply(self) -> None:
        settings = self.settings
        self.notifier.addresses = settings.alertmanagers
        self.scraper.set([*settings.jobs, *filter(None, [self.neighbours])])
        self.rules.set(settings.groups, settings.external_labels)
        self.rules.start()


def _settings(file: str) -> Settings:
    if not file:
        return Settings()
    from tsdb.monitor.load import load  # with yaml, which a server without a file need not have

    return load(file)
