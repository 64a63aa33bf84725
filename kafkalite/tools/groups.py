"""kafka-consumer-groups.sh: list, describe, reset and remove consumer groups."""

from __future__ import annotations

import argparse
import csv
import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from bedrock.world import OsClock
from kafkalite import reset
from kafkalite.assignment import read_assignment
from kafkalite.client import EARLIEST, LATEST, Client, check
from kafkalite.tools.common import Refused, parser, run

Partition = tuple[str, int]
LAG_COLUMNS = ("GROUP", "TOPIC", "PARTITION", "CURRENT-OFFSET", "LOG-END-OFFSET", "LAG",
               "CONSUMER-ID", "HOST", "CLIENT-ID")
RESETS = (*(way.replace("_", "-") for way in reset.WAYS), "from-file")
# ISO 8601 as in --by-duration P1DT2H30M
DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?")


def main(argv: list[str] | None = None) -> int:
    """The command line."""
    made = parser("kafka-consumer-groups.sh", __doc__ or "")
    action = made.add_mutually_exclusive_group(required=True)
    for name in ("list", "describe", "delete", "reset-offsets", "delete-offsets"):
        action.add_argument(f"--{name}", action="store_true")
    made.add_argument("--group", action="append", default=[], metavar="NAME")
    made.add_argument("--all-groups", action="store_true")
    for name in ("members", "verbose", "offsets", "dry-run", "execute", "export", "all-topics"):
        made.add_argument(f"--{name}", action="store_true")
    made.add_argument("--state", nargs="?", const="", metavar="STATES")
    made.add_argument("--type", nargs="?", const="", metavar="TYPES")
    made.add_argument("--timeout", type=int, help="accepted")
    made.add_argument("--topic", action="append", default=[], metavar="NAME[:0,1]")
    for name in RESETS:
        flag = name in ("to-earliest", "to-latest", "to-current")
        kind = {"type": int} if name in ("to-offset", "shift-by") else {}
        made.add_argument(f"--{name}", **({"action": "store_true"} if flag else kind))
    options = made.parse_args(argv)
    if not options.list and not options.group and not options.all_groups:
        made.error("--group or --all-groups is needed")

    async def work(client: Client) -> None:
        for name, act in _ACTIONS.items():
            if getattr(options, name):
                await act(client, options)

    return run("consumer group", options, work)


def _table(header: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    """Columns as wide as their widest cell, as Kafka prints them."""
    widths = [max(len(str(row[i])) for row in [header, *rows]) for i in range(len(header))]
    print()
    for row in [header, *rows]:
        cells = (f"{cell!s:<{width}}" for cell, width in zip(row, widths, strict=True))
        print(" ".join(cells).rstrip())


async def _names(client: Client, options: argparse.Namespace) -> list[str]:
    if options.all_groups:
        return sorted(g["group_id"] for g in check(await client.call("ListGroups"))["groups"])
    return options.group


async def _list(client: Client, options: argparse.Namespace) -> None:
    filters = {
        field: (text or "").replace(",", " ").split()
        for field, text in (("states_filter", options.state), ("types_filter", options.type))
    }
    groups = check(await client.call("ListGroups", **filters))["groups"]
    groups.sort(key=lambda group: group["group_id"])
    if options.state is None and options.type is None:
        for group in groups:
            print(group["group_id"])
        return
    header, fields = ["GROUP"], ["group_id"]
    if options.type is not None:
        header, fields = [*header, "TYPE"], [*fields, "group_type"]
    if options.state is not None:
        header, fields = [*header, "STATE"], [*fields, "group_state"]
    _table(tuple(header), [tuple(group[field] for field in fields) for group in groups])


async def _described(client: Client, group: str) -> dict[str, Any]:
    """State, protocol and members: of a classic group, or of one of KIP-848."""
    listed = check(await client.call("ListGroups"))["groups"]
    kinds = {g["group_id"]: g["group_type"].lower() for g in listed}
    if group not in kinds:
        raise Refused(f"Consumer group '{group}' does not exist.")
    if kinds[group] == "consumer":
        described = (await client.call("ConsumerGroupDescribe", group_ids=[group]))["groups"][0]
        members = [
            member | {"partitions": [
                (t["topic_name"], index)
                for t in member["assignment"]["topic_partitions"]
                for index in t["partitions"]
            ]}
            for member in check(described)["members"]
        ]
        return {
            "state": described["group_state"],
            "assignor": described["assignor_name"],
            "members": [m | {"group_instance_id": m["instance_id"]} for m in members],
        }
    described = check((await client.call("DescribeGroups", groups=[group]))["groups"][0])
    for member in described["members"]:
        member["partitions"] = read_assignment(member["member_assignment"])
    return {
        "state": described["group_state"],
        "assignor": described["protocol_data"],
        "members": described["members"],
    }


async def _describe(client: Client, options: argparse.Namespace) -> None:
    for group in await _names(client, options):
        described = await _described(client, group)
        if options.state is not None:
            coordinator = (await client.call("DescribeCluster"))["brokers"][0]
            where = f"{coordinator['host']}:{coordinator['port']} ({coordinator['broker_id']})"
            _table(
                ("GROUP", "COORDINATOR (ID)", "ASSIGNMENT-STRATEGY", "STATE", "#MEMBERS"),
                [(group, where, described["assignor"], described["state"],
                  len(described["members"]))],
            )
            continue
        if not described["members"]:
            print(f"\nConsumer group '{group}' has no active members.", file=sys.stderr)
        if options.members:
            _print_members(group, described["members"], verbose=options.verbose)
        else:
            await _print_lag(client, group, described["members"])


def _print_members(group: str, members: list[dict], *, verbose: bool) -> None:
    header = ("GROUP", "CONSUMER-ID", "HOST", "CLIENT-ID", "#PARTITIONS")
    rows = []
    for member in members:
        row = (group, member["member_id"], member["client_host"], member["client_id"],
               len(member["partitions"]))
        rows.append((*row, _assigned(member["partitions"])) if verbose else row)
    _table((*header, "ASSIGNMENT") if verbose else header, rows)


def _assigned(partitions: list[Partition]) -> str:
    by_topic: dict[str, list[str]] = {}
    for topic, index in sorted(partitions):
        by_topic.setdefault(topic, []).append(str(index))
    return ", ".join(f"{topic}({','.join(indexes)})" for topic, indexes in by_topic.items()) or "-"


async def _print_lag(client: Client, group: str, members: list[dict]) -> None:
    owners = {partition: member for member in members for partition in member["partitions"]}
    committed = await client.committed(group)
    ends: dict[str, dict[int, int]] = {}
    rows = []
    for topic, index in sorted({*committed, *owners}):
        if topic not in ends:
            ends[topic] = await client.offsets(topic, LATEST)
        at, end = committed.get((topic, index)), ends[topic].get(index)
        owner = owners.get((topic, index))
        rows.append(
            (
                group, topic, index,
                "-" if at is None else at,
                "-" if end is None else end,
                "-" if at is None or end is None else end - at,
                owner["member_id"] if owner else "-",
                owner["client_host"] if owner else "-",
                owner["client_id"] if owner else "-",
            )
        )
    if rows:
        _table(LAG_COLUMNS, rows)


async def _delete(client: Client, options: argparse.Namespace) -> None:
    names = await _names(client, options)
    for result in (await client.call("DeleteGroups", groups=names))["results"]:
        check(result)
    quoted = ", ".join(f"'{name}'" for name in names)
    print(f"Deletion of requested consumer groups ({quoted}) was successful.")


# ---------------------------------------------------------------------- offsets


async def _wanted(client: Client, options: argparse.Namespace, group: str) -> list[Partition]:
    """The partitions that --topic and --all-topics name."""
    if options.all_topics or not options.topic:
        return sorted(await client.committed(group))
    found = []
    for text in options.topic:
        topic, _, indexes = text.partition(":")
        every = await client.partitions(topic)
        chosen = [int(index) for index in indexes.split(",")] if indexes else every
        found += [(topic, index) for index in chosen]
    return found


async def _reset(client: Client, options: argparse.Namespace) -> None:
    names = [name.replace("-", "_") for name in RESETS]
    given = [name for name in names if getattr(options, name) not in (None, False)]
    if len(given) != 1:
        raise Refused("One of " + ", ".join(f"--{name}" for name in RESETS) + " is needed")
    rows = []
    for group in await _names(client, options):
        listed = {g["group_id"]: g for g in check(await client.call("ListGroups"))["groups"]}
        state = listed.get(group, {}).get("group_state", "Empty")
        if state not in ("Empty", "Dead"):
            raise Refused(
                f"Assignments can only be reset if the group '{group}' is inactive, but the "
                f"current state is {state}."
            )
        if options.from_file:
            targets = _read_plan(options.from_file, group)
        else:
            partitions = await _wanted(client, options, group)
            targets = await _targets(client, options, given[0], group, partitions)
        if options.execute:
            await _commit(client, group, targets)
        rows += [(group, topic, index, offset) for (topic, index), offset in targets.items()]
    if options.export:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerows(row if len(options.group) > 1 else row[1:] for row in rows)
    else:
        _table(("GROUP", "TOPIC", "PARTITION", "NEW-OFFSET"), rows)


def _read_plan(path: str, group: str) -> dict[Partition, int]:
    """What --export wrote: topic,partition,offset, with the group in front or not."""
    try:
        with open(path, encoding="utf-8", newline="") as file:
            rows = [row for row in csv.reader(file) if row]
    except OSError as exc:
        raise Refused(f"{path}: {exc.strerror}") from exc
    return {
        (row[-3], int(row[-2])): int(row[-1]) for row in rows if len(row) == 3 or row[0] == group
    }


async def _targets(
    client: Client, options: argparse.Namespace, how: str, group: str, partitions: list[Partition]
) -> dict[Partition, int]:
    """The new offset of each partition, kept within what its log holds."""
    committed = await client.committed(group)
    targets: dict[Partition, int] = {}
    for topic in dict.fromkeys(topic for topic, _ in partitions):
        indexes = [index for name, index in partitions if name == topic]
        starts = await client.offsets(topic, EARLIEST, indexes)
        ends = await client.offsets(topic, LATEST, indexes)
        timed: dict[int, int] = {}
        if how in reset.TIMED:
            timed = await client.offsets(topic, _timestamp(options), indexes)
        value = options.shift_by if how == "shift_by" else options.to_offset or 0
        for index in indexes:
            known = reset.Partition(
                starts[index], ends[index], committed.get((topic, index)), timed.get(index, -1)
            )
            targets[topic, index] = reset.target(how, value, known)
    return targets


def _timestamp(options: argparse.Namespace) -> int:
    """Milliseconds since 1970 that --to-datetime or --by-duration mean."""
    try:
        if options.to_datetime:
            when = datetime.fromisoformat(options.to_datetime)
            when = when if when.tzinfo else when.replace(tzinfo=UTC)
            return int(when.timestamp() * 1000)
        match = DURATION.fullmatch(options.by_duration)
        if match is None:
            raise ValueError("want P1DT2H30M")
        days, hours, minutes, seconds = (float(part or 0) for part in match.groups())
        ago = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
        return OsClock().wall_ms() - int(ago.total_seconds() * 1000)
    except ValueError as exc:
        raise Refused(str(exc)) from None


def _by_topic(partitions: Any, part: Callable[[Partition], dict]) -> list[dict[str, Any]]:
    topics: dict[str, list[dict]] = {}
    for topic, index in partitions:
        topics.setdefault(topic, []).append(part((topic, index)))
    return [{"name": topic, "partitions": parts} for topic, parts in topics.items()]


async def _commit(client: Client, group: str, targets: dict[Partition, int]) -> None:
    topics = _by_topic(
        targets, lambda p: {"index": p[1], "committed_offset": targets[p]}
    )
    response = await client.call(
        "OffsetCommit", group_id=group, topics=topics
    )
    for topic in response["topics"]:
        for part in topic["partitions"]:
            check(part)


async def _delete_offsets(client: Client, options: argparse.Namespace) -> None:
    for group in await _names(client, options):
        partitions = await _wanted(client, options, group)
        topics = _by_topic(partitions, lambda p: {"index": p[1]})
        response = check(await client.call("OffsetDelete", group_id=group, topics=topics))
        codes = {
            (topic["name"], part["index"]): part["error_code"]
            for topic in response["topics"]
            for part in topic["partitions"]
        }
        print(f"Request succeed for deleting offsets with group {group}.")
        rows = [(topic, index, "Error" if codes.get((topic, index)) else "Successful")
                for topic, index in partitions]
        _table(("TOPIC", "PARTITION", "STATUS"), rows)


_ACTIONS = {
    "list": _list,
    "describe": _describe,
    "delete": _delete,
    "reset_offsets": _reset,
    "delete_offsets": _delete_offsets,
}
