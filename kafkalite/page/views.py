"""What the pages show, as plain data."""

from __future__ import annotations

from typing import Any

from bedrock.app.pages import Missing
from kafkalite import reset
from kafkalite.assignment import read_assignment
from kafkalite.broker import Broker
from kafkalite.group import State
from kafkalite.handlers.configs import describe_topic
from kafkalite.lag import Lag, Partition
from kafkalite.offset_record import Committed
from kafkalite.page.browse import browse, shown
from kafkalite.topic_config import Source
from kafkalite.topics import id_text

RESTING = (State.EMPTY, State.DEAD)


class Views:
    """The data of every page."""

    def __init__(self, broker: Broker, lag: Lag):
        self.broker = broker
        self.lag = lag

    def overview(self) -> dict[str, Any]:
        """All groups, and all topics."""
        groups = [self._group(group) for group in sorted(self.broker.coordinator.ids())]
        topics = [self._topic(name) for name in sorted(self.broker.topics.by_name)]
        return {
            "cluster_id": self.broker.cluster_id,
            "address": f"{self.broker.host}:{self.broker.port}",
            "groups": groups,
            "topics": topics,
            "lag": sum(group["lag"] for group in groups),
            "records": sum(t["records"] for t in topics if not t["internal"]),
            "size_bytes": sum(topic["size_bytes"] for topic in topics),
        }

    def _group(self, group: str) -> dict[str, Any]:
        coordinator = self.broker.coordinator
        held = coordinator.groups.get(group)
        places = self.lag.of_group(group)
        history = self.lag.history.get(group)
        return {
            "id": group,
            "state": str(coordinator.state(group)),
            "type": coordinator.type(group),
            "members": len(held.members) if held else 0,
            "topics": sorted({topic for topic, _ in places}),
            "lag": sum(place.lag for place in places.values()),
            "behind_ms": max((place.behind_ms for place in places.values()), default=0),
            "status": str(self.lag.status(group)),
            "rebalances": self.lag.generation(group),
            "rebalanced_ms": history.rebalanced_ms if history else 0,
            "trend": list(history.lags) if history else [],
        }

    def _members(self, group: str) -> list[dict[str, Any]]:
        held = self.broker.coordinator.groups.get(group)
        members = []
        for member in held.members.values() if held else ():
            if hasattr(member, "assignment"):
                partitions = read_assignment(member.assignment)
            else:
                partitions = sorted(member.assigned)
            members.append(
                {
                    "id": member.id,
                    "instance": member.instance_id,
                    "client": member.client_id,
                    "host": member.client_host,
                    "partitions": partitions,
                }
            )
        return members

    def group(self, group: str) -> dict[str, Any]:
        """A group, its members, and each of its partitions."""
        if group not in self.broker.coordinator.ids():
            raise Missing(f"group {group!r}")
        members = self._members(group)
        owners = {partition: member for member in members for partition in member["partitions"]}
        places = self.lag.of_group(group)
        history = self.lag.history.get(group)
        rows = []
        for partition in sorted({*places, *owners}):
            place, log = places.get(partition), self.lag.log(partition)
            trail = history.partitions.get(partition, ()) if history else ()
            owner = owners.get(partition)
            rows.append(
                {
                    "topic": partition[0],
                    "index": partition[1],
                    "committed": place.committed if place else None,
                    "end": log.high_watermark if log else None,
                    "lag": place.lag if place else None,
                    "behind_ms": place.behind_ms if place else None,
                    "status": str(self.lag.status(group, partition)),
                    "member": owner["id"] if owner else "",
                    "client": owner["client"] if owner else "",
                    "trend": [sample.lag for sample in trail],
                }
            )
        return {
            **self._group(group),
            "resettable": self.broker.coordinator.state(group) in RESTING,
            "all_members": members,
            "partitions": rows,
        }

    def plan(self, group: str, topic: str, how: str, value: int) -> list[dict[str, Any]]:
        """What a reset would do; `value` is an offset, a shift, or a time in ms."""
        held = self.broker.coordinator.offsets.get(group)
        if topic:
            if topic not in self.broker.topics.by_name:
                raise Missing(f"topic {topic!r}")
            count = len(self.broker.topics.by_name[topic].logs)
            wanted: list[Partition] = [(topic, index) for index in range(count)]
        else:
            wanted = sorted(held)
        rows = []
        for partition in wanted:
            log = self.lag.log(partition)
            if log is None:
                continue
            committed = held.get(partition)
            timed = log.offset_at(value)[1] if how in reset.TIMED else -1
            known = reset.Partition(
                log.start_offset, log.high_watermark,
                None if committed is None else committed.offset, timed,
            )
            rows.append(
                {
                    "topic": partition[0],
                    "index": partition[1],
                    "committed": known.committed,
                    "target": reset.target(how, value, known),
                }
            )
        return rows

    def reset(self, group: str, rows: list[dict[str, Any]]) -> None:
        """Do what `plan` said; KafkaError while the group has members, or on a full disk."""
        coordinator = self.broker.coordinator
        if coordinator.state(group) not in RESTING:
            raise Missing(f"group {group!r} without members: it is being read by")
        now_ms = self.broker.world.clock.wall_ms()
        coordinator.commit(
            group,
            {
                (row["topic"], row["index"]): Committed(row["target"], time_ms=now_ms)
                for row in rows
            },
        )

    def _topic(self, name: str) -> dict[str, Any]:
        topic = self.broker.topics.by_name[name]
        return {
            "name": name,
            "id": id_text(topic.id),
            "internal": topic.internal,
            "partitions": len(topic.logs),
            "records": sum(log.high_watermark - log.start_offset for log in topic.logs),
            "size_bytes": sum(log.size_bytes for log in topic.logs),
            "cleanup": topic.overrides.get("cleanup.policy", "delete"),
        }

    def topic(self, name: str) -> dict[str, Any]:
        """A topic, its partitions, who reads it, and its configuration."""
        if name not in self.broker.topics.by_name:
            raise Missing(f"topic {name!r}")
        topic = self.broker.topics.by_name[name]
        readers = []
        for group in sorted(self.broker.coordinator.ids()):
            places = self.lag.of_group(group).items()
            mine = [place.lag for (where, _), place in places if where == name]
            if mine:
                readers.append({"id": group, "lag": sum(mine)})
        return {
            **self._topic(name),
            "logs": [
                {
                    "index": index,
                    "start": log.start_offset,
                    "end": log.high_watermark,
                    "stable": log.stable_offset,
                    "segments": len(log.segments),
                    "size_bytes": log.size_bytes,
                }
                for index, log in enumerate(topic.logs)
            ],
            "groups": readers,
            "configs": [
                {
                    "name": entry["name"],
                    "value": entry["value"],
                    "set": entry["config_source"] == Source.TOPIC,
                    "help": entry["documentation"],
                }
                for entry in describe_topic(self.broker, topic)
            ],
        }

    def messages(
        self, name: str, index: int, *, offset: int | None, time_ms: int | None, key: str,
        limit: int, decode: str,
    ) -> dict[str, Any]:
        """Records of a partition: from an offset or a time on, or the last ones."""
        log = self.lag.log((name, index))
        if log is None or index < 0:
            raise Missing(f"partition {index} of {name!r}")
        if time_ms is not None:
            _, at = log.offset_at(time_ms)
            at = log.high_watermark if at < 0 else at
        elif offset is not None:
            at = offset
        else:
            at = log.start_offset if key else log.high_watermark - limit
        page = browse(log, at, limit, key)
        return {
            "topic": name,
            "index": index,
            "partitions": len(self.broker.topics.by_name[name].logs),
            "start": log.start_offset,
            "end": log.high_watermark,
            "key": key,
            "limit": limit,
            "decode": decode,
            "next": None if page.whole else page.next,
            "messages": [
                {
                    "offset": record.offset,
                    "timestamp_ms": record.timestamp,
                    "key": shown(record.key, decode),
                    "value": shown(record.value, decode),
                    "headers": [
                        {"name": header, **shown(value, decode)}
                        for header, value in record.headers
                    ],
                }
                for record in page.records
            ],
        }
