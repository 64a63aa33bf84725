"""COMMAND: the command table, told to clients; and the HELP of every command with subcommands."""

from __future__ import annotations

from functools import cache
from typing import Any

from kvstore.binding import command
from kvstore.categories import categories
from kvstore.commands import GROUP_OF, ROWS, Row
from kvstore.glob import matches
from kvstore.keyspecs import KeySpec, key_specs, keys_of, legacy_range
from kvstore.resp import Members, ReplyError, Simple
from kvstore.rows.tips import TIPS_OF
from kvstore.syntax import arguments

# known to the server, not told by COMMAND
UNSAID = {"may_replicate", "touches_arbitrary_keys", "sentinel", "protected"}
DOC_GROUPS = {"sorted_set": "sorted-set"}


def show_spec(spec: KeySpec) -> dict[bytes, Any]:
    """A key specification as COMMAND INFO has it."""
    if spec.keyword:
        begin = {b"keyword": spec.keyword.encode(), b"startfrom": spec.start}
    else:
        begin = {b"index": spec.begin}
    if spec.count_at >= 0:
        find = {b"keynumidx": spec.count_at, b"firstkey": spec.first, b"keystep": spec.step}
    else:
        find = {b"lastkey": spec.last, b"keystep": spec.step, b"limit": spec.limit}
    return {
        b"flags": Members(
            Simple(flag.lower() if flag == "NOT_KEY" else flag) for flag in spec.flags
        ),
        b"begin_search": {
            b"type": b"keyword" if spec.keyword else b"index",
            b"spec": begin,
        },
        b"find_keys": {
            b"type": b"keynum" if spec.count_at >= 0 else b"range",
            b"spec": find,
        },
    }


def unknown_specs(row: Row) -> list[dict[bytes, Any]]:
    """Specifications of keys that only running the command tells (`?:?`)."""
    unknown = {b"type": b"unknown", b"spec": {}}
    return [
        {
            b"flags": Members(Simple(word.lower() if i else word) for i, word in enumerate(flags)),
            b"begin_search": unknown,
            b"find_keys": unknown,
        }
        for _, *flags in (text.split() for text in row.keys.split(";") if "?" in text)
    ]


def subcommands(name: str) -> list[str]:
    """Full names of the subcommands of a container."""
    return [full for full in ROWS if full.startswith(name + "|")]


@cache
def show_info(name: str) -> list[Any]:
    """The ten elements COMMAND INFO has for a command."""
    row = ROWS[name]
    specs = key_specs(row)
    flags = [flag for flag in row.flags.split() if flag not in UNSAID]
    if "?" in row.keys or any(spec.count_at >= 0 or spec.keyword for spec in specs):
        flags.append("movablekeys")
    return [
        name.encode(),
        row.arity,
        Members(Simple(flag) for flag in flags),
        *legacy_range(row),
        Members(Simple(category) for category in categories(row)),
        [Simple(tip) for tip in TIPS_OF.get(name, ())],
        [show_spec(spec) for spec in specs] + unknown_specs(row),
        [show_info(sub) for sub in subcommands(name)],
    ]


@cache
def show_docs(name: str) -> dict[bytes, Any]:
    """What COMMAND DOCS has for a command."""
    row = ROWS[name]
    docs: dict[bytes, Any] = {
        b"summary": row.doc.encode(),
        b"since": row.since.encode(),
        b"group": DOC_GROUPS.get(GROUP_OF[name], GROUP_OF[name]).encode(),
    }
    if row.syntax:
        docs[b"arguments"] = arguments(row.syntax)
    subs = subcommands(name)
    if subs:
        docs[b"subcommands"] = {sub.encode(): show_docs(sub) for sub in subs}
    return docs


def top_level() -> list[str]:
    """Commands that are not subcommands."""
    return [name for name in ROWS if "|" not in name]


def named(words: list[bytes]) -> list[str | None]:
    """The rows asked for, None for what there is none of; all top-level ones without words."""
    if not words:
        return list(top_level())
    names = [word.decode("latin-1").lower() for word in words]
    return [name if name in ROWS else None for name in names]


@command("command")
def command_(client, words):
    """COMMAND"""
    return [show_info(name) for name in top_level()]


@command("command|count")
def command_count(client, words):
    """COMMAND COUNT"""
    return len(top_level())


@command("command|info")
def command_info(client, words):
    """COMMAND INFO [name ...]"""
    return [None if name is None else show_info(name) for name in named(words[2:])]


@command("command|docs")
def command_docs(client, words):
    """COMMAND DOCS [name ...]"""
    return {name.encode(): show_docs(name) for name in named(words[2:]) if name is not None}


@command("command|list")
def command_list(client, words):
    """COMMAND LIST [FILTERBY MODULE name | ACLCAT category | PATTERN glob]"""
    names = list(ROWS)
    if len(words) == 2:
        return [name.encode() for name in names]
    if len(words) != 5 or words[2].upper() != b"FILTERBY":
        raise ReplyError("ERR syntax error")
    kind, value = words[3].upper(), words[4]
    if kind == b"MODULE":
        return []
    if kind == b"ACLCAT":
        wanted = "@" + value.decode("latin-1").lower()
        return [name.encode() for name in names if wanted in categories(ROWS[name])]
    if kind == b"PATTERN":
        return [name.encode() for name in names if matches(value, name.encode(), True)]
    raise ReplyError("ERR syntax error")


def request_keys(client: Any, words: list[bytes]) -> list[tuple[bytes, tuple[str, ...]]]:
    """The keys of a request given as words; the errors COMMAND GETKEYS has."""
    name = words[0].decode("latin-1").lower()
    if name in ROWS and subcommands(name) and len(words) > 1:
        name = f"{name}|{words[1].decode('latin-1').lower()}"
    if name not in ROWS:
        raise ReplyError("ERR Invalid command specified")
    row = ROWS[name]
    if len(words) != row.arity if row.arity > 0 else len(words) < -row.arity:
        raise ReplyError("ERR Invalid number of arguments specified for command")
    if not row.keys or "NOT_KEY" in row.keys:
        raise ReplyError("ERR The command has no key arguments")
    found = list(keys_of(name, words))
    if not found and "no_mandatory_keys" not in row.flags:
        raise ReplyError("ERR Invalid arguments specified for command")
    return found


@command("command|getkeys")
def command_getkeys(client, words):
    """COMMAND GETKEYS command [arg ...]"""
    return [key for key, _ in request_keys(client, words[2:])]


@command("command|getkeysandflags")
def command_getkeysandflags(client, words):
    """COMMAND GETKEYSANDFLAGS command [arg ...]"""
    return [
        [key, [Simple(flag) for flag in flags]] for key, flags in request_keys(client, words[2:])
    ]


def define_help(container: str) -> None:
    """HELP of a container, from the table."""

    @command(f"{container}|help")
    def show_help(client, words):
        lines = [
            f"{container.upper()} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"
        ]
        for name in subcommands(container):
            row = ROWS[name]
            lines += [f"{name.partition('|')[2].upper()} {row.syntax}".rstrip(), "    " + row.doc]
        return [Simple(line) for line in lines]


for _name in [name for name in ROWS if name.endswith("|help")]:
    define_help(_name.partition("|")[0])
