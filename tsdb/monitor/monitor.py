"""Monitor: the scraper, the rules and the notifier of one server, as its configuration has them."""

from __future__ import annotations

from collections.abc import Callable

from bedrock.net.http import Route
from bedrock.world import World
from tsdb.budget import Budget
from tsdb.monitor.discovery import Discovery
from tsdb.monitor.exemplars import Exemplars
from tsdb.monitor.notify import Notifier
from tsdb.monitor.received import Received
from tsdb.monitor.rules import RuleManager
from tsdb.monitor.scrape import Scraper
from tsdb.monitor.settings import Settings
from tsdb.store import Store


class Monitor:
    """Everything that watches others."""

    def __init__(self, world: World, store: Store, file: str, budget: Callable[[], Budget]):
        self.settings = settings = _settings(file)
        self.exemplars = Exemplars()
        self.received = Received(store, self.exemplars)
        self.scraper = Scraper(world, store, settings.jobs, self.exemplars)
        self.notifier = Notifier(world, settings.alertmanagers)
        self.rules = RuleManager(
            world, store, settings.groups, self.notifier, budget, settings.external_labels
        )

    def routes(self) -> list[Route]:
        """What it tells of itself."""
        return Discovery(
            self.scraper, self.rules, self.notifier, self.exemplars, self.received
        ).routes()

    def start(self, url: str) -> None:
        """Begin; url is ours, for links."""
        self.rules.url = self.notifier.url = url
        self.scraper.start()
        self.rules.start()

    def stop(self) -> None:
        """End."""
        self.scraper.stop()
        self.rules.stop()


def _settings(file: str) -> Settings:
    if not file:
        return Settings()
    from tsdb.monitor.load import load  # with yaml, which a server without a file need not have

    return load(file)
