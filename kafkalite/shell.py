"""The shell: for looking into a broker."""

from __future__ import annotations

import shlex
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import Any

from bedrock.app.shell import Candidate, Grammar
from bedrock.app.tables import render
from bedrock.world import OsClock
from kafkalite.batch import Record, pack, unpack_all
from kafkalite.client import EARLIEST, LATEST, TOPIC_RESOURCE, Client, Failed, check


@dataclass(frozen=True)
class Command:
    """A command of the shell: its arguments as shown to a person, and what it does."""

    arguments: str
    help: str
    method: str


COMMANDS = {
    "topics": Command("", "all topics", "_topics"),
    "create": Command("TOPIC [PARTITIONS]", "make a topic", "_create"),
    "delete": Command("TOPIC", "remove a topic and its records", "_delete"),
    "partitions": Command("TOPIC", "first and last offset of each partition", "_partitions"),
    "config": Command("TOPIC", "a topic's configuration", "_config"),
    "produce": Command("TOPIC VALUE [KEY]", "add a record", "_produce"),
    "consume": Command("TOPIC [OFFSET]", "follow partition 0 until Ctrl-C", "_consume"),
    "groups": Command("", "all groups", "_groups"),
    "group": Command("GROUP", "a group's members and lag", "_group"),
    "help": Command("", "this list", "_help"),
}


class Shell(Grammar):
    """See bedrock.app.shell."""

    client: Client
    names: tuple[str, ...] = ()

    async def open(self) -> str:
        """Connect, and learn the names of topics for completion."""
        self.client = await Client.connect(self.host, self.port)
        cluster = await self._metadata()
        return f"cluster {cluster['cluster_id']}, {len(cluster['topics'])} topics; help lists all"

    async def close(self) -> None:
        """Disconnect."""
        self.client.close()

    def complete(self, text: str) -> Iterable[Candidate]:
        """Commands first, then names of topics."""
        word = text.rpartition(" ")[2]
        if " " not in text:
            for name, command in COMMANDS.items():
                if name.startswith(word):
                    yield Candidate(name, command.help, len(word))
            return
        for name in self.names:
            if name.startswith(word):
                yield Candidate(name, "topic", len(word))

    def hint(self, text: str) -> str:
        """The arguments still to come."""
        name, *given = text.split(" ")
        if name not in COMMANDS or not given:
            return ""
        return " ".join(COMMANDS[name].arguments.split()[len([g for g in given if g]) :])

    async def execute(self, line: str) -> str | AsyncIterator[str]:
        """Run one command."""
        try:
            name, *arguments = shlex.split(line)
        except ValueError as exc:
            return f"error: {exc}"
        command = COMMANDS.get(name)
        if command is None:
            return f"error: no command {name!r}; help lists all"
        most = len(command.arguments.split())
        least = len([word for word in command.arguments.split() if not word.startswith("[")])
        if not least <= len(arguments) <= most:
            return f"usage: {name} {command.arguments}"
        method = getattr(self, command.method)
        if name == "consume":
            return method(*arguments)
        try:
            return await method(*arguments)
        except (Failed, ValueError) as exc:
            return f"error: {exc}"

    async def _metadata(self, *topics: str) -> dict[str, Any]:
        wanted = [{"name": name} for name in topics] or None
        response = await self.client.call(
            "Metadata", topics=wanted, allow_auto_topic_creation=False
        )
        if not topics:
            self.names = tuple(topic["name"] for topic in response["topics"])
        return response

    async def _topics(self) -> str:
        topics = (await self._metadata())["topics"]
        rows = [(t["name"], len(t["partitions"]), t["is_internal"]) for t in topics]
        return render(["topic", "partitions", "internal"], rows)

    async def _create(self, topic: str, partitions: str = "-1") -> str:
        wanted = {"name": topic, "num_partitions": int(partitions), "replication_factor": -1}
        response = await self.client.call("CreateTopics", topics=[wanted])
        made = check(response["topics"][0])
        await self._metadata()
        return f"{topic}: {made['num_partitions']} partition(s)"

    async def _delete(self, topic: str) -> str:
        response = await self.client.call("DeleteTopics", topics=[{"name": topic}])
        check(response["responses"][0])
        await self._metadata()
        return f"{topic}: deleted"

    async def _partitions(self, topic: str) -> str:
        starts = await self.client.offsets(topic, EARLIEST)
        ends = await self.client.offsets(topic, LATEST)
        rows = [(index, starts[index], ends[index], ends[index] - starts[index]) for index in ends]
        return render(["partition", "start", "end", "records"], rows)

    async def _config(self, topic: str) -> str:
        wanted = {"resource_type": TOPIC_RESOURCE, "resource_name": topic}
        response = await self.client.call(
            "DescribeConfigs",
            resources=[{**wanted, "configuration_keys": None}],
            include_documentation=True,
        )
        configs = check(response["results"][0])["configs"]
        rows = [(c["name"], c["value"], c["documentation"]) for c in configs]
        return render(["option", "value", "meaning"], rows)

    async def _produce(self, topic: str, value: str, key: str | None = None) -> str:
        record = Record(0, OsClock().wall_ms(), key.encode() if key else None, value.encode())
        await self.client.call("Metadata", topics=[{"name": topic}])
        part = {"index": 0, "records": pack([record])}
        response = await self.client.call(
            "Produce", acks=-1, timeout_ms=5000, topics=[{"name": topic, "partitions": [part]}]
        )
        return f"offset {check(response['topics'][0]['partitions'][0])['base_offset']}"

    async def _consume(self, topic: str, offset: str = "") -> AsyncIterator[str]:
        try:
            at = int(offset) if offset else (await self.client.offsets(topic, EARLIEST))[0]
            while True:
                part = {"index": 0, "fetch_offset": at, "max_bytes": 1 << 20}
                response = await self.client.call(
                    "Fetch", max_wait_ms=500, min_bytes=1,
                    topics=[{"name": topic, "partitions": [part]}],
                )
                data = check(response["topics"][0]["partitions"][0])["records"]
                for record in unpack_all(data):
                    if record.offset >= at:
                        yield f"{record.offset:>8}  {_text(record.key)}  {_text(record.value)}"
                        at = record.offset + 1
        except (Failed, ValueError) as exc:
            yield f"error: {exc}"

    async def _groups(self) -> str:
        groups = check(await self.client.call("ListGroups"))["groups"]
        rows = [(g["group_id"], g["group_state"], g["protocol_type"]) for g in groups]
        return render(["group", "state", "protocol"], rows)

    async def _group(self, group: str) -> str:
        described = check(
            (await self.client.call("DescribeGroups", groups=[group]))["groups"][0]
        )
        members = render(
            ["member", "client", "host"],
            [(m["member_id"], m["client_id"], m["client_host"]) for m in described["members"]],
        )
        rows = []
        ends: dict[str, dict[int, int]] = {}
        for (topic, index), at in sorted((await self.client.committed(group)).items()):
            if topic not in ends:
                ends[topic] = await self.client.offsets(topic, LATEST)
            rows.append((topic, index, at, ends[topic][index], ends[topic][index] - at))
        lag = render(["topic", "partition", "committed", "end", "lag"], rows)
        return f"{described['group_state']}\n{members}\n{lag}"

    async def _help(self) -> str:
        rows = [(name, c.arguments, c.help) for name, c in COMMANDS.items()]
        return render(["command", "arguments", "what it does"], rows)


def _text(data: bytes | None) -> str:
    return "-" if data is None else data.decode("utf-8", "backslashreplace")
