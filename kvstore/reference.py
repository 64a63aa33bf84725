"""The reference page of all commands, made from the command table.

    python -m kvstore.reference          writes docs/reference/kvstore-commands.md

A test holds the page to the table.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from kvstore.commands import GROUPS
from kvstore.keyspecs import KeySpec, key_specs
from kvstore.rows.row import Row

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "kvstore-commands.md"
HEAD = """# Commands of kvstore

Made by `python -m kvstore.reference` from the command table (`kvstore/rows/`), which also drives
arity checks, key extraction and COMMAND's replies: {commands} commands and {parts} subcommands,
those of Redis 7.0. What the component's README says is left out answers with an error.

What is `fast` needs a time that does not grow with the data (or just with its logarithm); what
`blocks` may wait. *Keys* says which words name keys, the command itself being word 0.
"""
TITLES = {
    "string": "Strings", "list": "Lists", "hash": "Hashes", "set": "Sets",
    "sorted_set": "Sorted sets", "bitmap": "Bitmaps", "hyperloglog": "HyperLogLog", "geo": "Places",
    "stream": "Streams", "generic": "Keys of any type", "pubsub": "Pub/sub",
}  # fmt: skip
KINDS = {"readonly": "reads", "write": "writes", "fast": "fast", "blocking": "blocks",
         "admin": "admin"}  # fmt: skip


def page() -> str:
    """The whole page."""
    rows = [row for group in GROUPS.values() for row in group]
    parts = sum("|" in row.name for row in rows)
    sections = [HEAD.format(commands=len(rows) - parts, parts=parts)]
    for group, members in GROUPS.items():
        title = TITLES.get(group, group.capitalize())
        sections.append("\n".join([
            f"## {title}", "", "| command | kind | keys | since | |", "|---|---|---|---|---|",
            *lines(members), "",
        ]))  # fmt: skip
    return "\n".join(sections)


def lines(rows: list[Row]) -> Iterator[str]:
    """A line of the table for each command that is no mere container of subcommands."""
    containers = {row.name.partition("|")[0] for row in rows if "|" in row.name}
    for row in sorted(rows, key=lambda row: row.name):
        if row.name in containers and not row.syntax:
            continue
        words = f"{row.name.replace('|', ' ').upper()} {row.syntax}".strip()
        kinds = " ".join(KINDS[flag] for flag in row.flags.split() if flag in KINDS)
        yield " | ".join(
            ["| `" + words.replace("|", "\\|") + "`", kinds, keys_of(row), row.since,
             f"{row.doc} |"])  # fmt: skip


def keys_of(row: Row) -> str:
    """Which words of a command are keys."""
    return ", ".join(dict.fromkeys(place(spec) for spec in key_specs(row)))


def place(spec: KeySpec) -> str:
    """Where the keys of a specification are, in few words."""
    begin = f"after {spec.keyword.upper()}" if spec.keyword else str(spec.begin)
    if spec.count_at >= 0:
        return f"{spec.begin + spec.first} on, as many as {spec.begin + spec.count_at} says"
    if spec.last == 0:
        return begin
    if spec.last > 0:
        return f"{begin} to {spec.begin + spec.last}"
    every = ", every other" if spec.step == 2 else ""
    half = ", the first half" if spec.limit == 2 else ""
    return f"{begin} on{every}{half}{', but for the last' if spec.last == -2 else ''}"


if __name__ == "__main__":
    PAGE.write_text(page())
