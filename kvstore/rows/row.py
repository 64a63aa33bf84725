"""A row of the command table.

One row a command drives arity checks, key extraction (COMMAND GETKEYS, cluster slots), COMMAND's
replies, the shell's hints and the reference page.  The handlers live with their data type
(`strings.pyx`, `lists.pyx`, ...) and find their row by name.

    Row("set", -3, "write denyoom", "string", "1.0.0", "1:0:1 RW ACCESS", "key value ...", "...")
         |      |         |             |        |          |                    |          |
         name   arity     flags         ACL      since      where its keys are   syntax     doc

arity  the number of words, the name included; negative: at least that many.
keys   specifications divided by `;`: where keys begin, `last:step[:limit]` from there (last counts
       from the first key, or from the end when negative) or `#i+first:step` when the i-th word
       holds how many there are; then what happens to the keys.
name   of a subcommand: `container|sub`.

The facts are those of Redis 7.0.15 (COMMAND INFO there gives the same); the texts are ours.
"""

from __future__ import annotations

from typing import NamedTuple


class Row(NamedTuple):
    """One command."""

    name: str
    arity: int
    flags: str
    acl: str
    since: str
    keys: str
    syntax: str
    doc: str
