"""What administrators changed while the broker ran: options of brokers and of groups.

    configs.json    {"broker": {"": {NAME: TEXT}, "1": {...}}, "group": {GROUP: {...}}}

A broker's value of an option is the first there is of: set for this broker, set for all brokers
(entity ""), given where it was started, the default.  Topics keep theirs in the catalog
(kafkalite.topics); what they do not say they take from here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from kafkalite.broker_config import (
    GROUP_OPTIONS,
    HEARTBEAT,
    SESSION,
    BrokerOption,
    broker_options,
)
from kafkalite.document import Document
from kafkalite.errors import Code, KafkaError
from kafkalite.topic_config import OPTIONS, LogConfig, Source, check_value

if TYPE_CHECKING:
    from bedrock.world import Disk
    from kafkalite.config import KafkaConfig

FILE = "configs.json"
BROKER, GROUP = "broker", "group"
ALL = ""

Held = tuple[str | None, Source]


class Settings:
    """The options in force, and where each value comes from."""

    def __init__(self, disk: Disk, config: KafkaConfig):
        self.config = config
        self._file = Document(disk, FILE)
        self._changed: dict[str, dict[str, dict[str, str]]] = self._file.read() or {}

    def changed(self, kind: str, name: str) -> dict[str, str]:
        """What was set for a broker or group; not to be altered."""
        return self._changed.get(kind, {}).get(name, {})

    def names(self, kind: str) -> list[str]:
        """The brokers or groups for which something was set."""
        return [name for name in self._changed.get(kind, {}) if name != ALL]

    def alter(
        self, kind: str, name: str, options: Mapping[str, str | None], *, validate_only: bool
    ) -> None:
        """Replace all that was set for a broker or group; KafkaError refuses."""
        known = GROUP_OPTIONS if kind == GROUP else broker_options()
        for option, text in options.items():
            if option not in known:
                raise KafkaError(Code.INVALID_CONFIG, f"Unknown {kind} config name: {option}")
            if kind == GROUP:
                check_value(option, GROUP_OPTIONS[option][1], text)
            else:
                self._check(broker_options()[option], text)
        if validate_only:
            return
        kept = {k: dict(v) for k, v in self._changed.items()}
        kept.setdefault(kind, {})[name] = dict(options)  # type: ignore[arg-type]
        if not options:
            del kept[kind][name]
        self._file.write(kept)
        self._changed = kept

    @staticmethod
    def _check(option: BrokerOption, text: str | None) -> None:
        if not option.dynamic:
            raise KafkaError(
                Code.INVALID_REQUEST, f"Cannot update these configs dynamically: {option.name}"
            )
        check_value(option.name, option.parse, text)

    def of_group(self, group: str, option: str) -> str:
        """A group's value of an option of GROUP_OPTIONS: its own, or the broker's."""
        inherited, _ = self.held(GROUP_OPTIONS[option][0])[0]
        return self.changed(GROUP, group).get(option) or inherited or ""

    def group_timeouts(self, group: str) -> tuple[int, int]:
        """The session and the time between heartbeats of a group of KIP-848, in ms."""
        return int(self.of_group(group, SESSION)), int(self.of_group(group, HEARTBEAT))

    def held(self, name: str) -> list[Held]:
        """All values of a broker option, the one in force first."""
        option = broker_options()[name]
        held: list[Held] = []
        me = str(self.config.node_id)
        for entity, source in ((me, Source.BROKER), (ALL, Source.ALL_BROKERS)):
            changed = self.changed(BROKER, entity)
            if name in changed:
                held.append((changed[name], source))
        if option.field:
            started = option.text(getattr(self.config, option.field))
            if started != option.default:
                held.append((started, Source.STATIC_BROKER))
        held.append((option.default, Source.DEFAULT))
        return held

    def log_config(self) -> LogConfig:
        """What topics have that say nothing else."""
        values = {}
        for option in OPTIONS.values():
            if option.field:
                text, source = self.held(option.broker)[0]
                if text is not None and source is not Source.DEFAULT:
                    values[option.field] = option.parse(text)
        return replace(self.config.log_config(), **values)
