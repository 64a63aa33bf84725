"""The offline checker: reads the append-only folder, and the log of the log engine, as the server
would, and changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from bedrock.storage.errors import Damaged, Finding
from bedrock.storage.recordlog import check as check_log
from kvstore.aof import Replay
from kvstore.manifest import Manifest
from kvstore.parameters import Parameters

LOG = "kvlog"


def check(disk: Any) -> Iterable[Finding]:
    """Everything wrong with the files of a data directory."""
    for finding in check_log(disk.sub(LOG)):
        yield replace(finding, file=f"{LOG}/{finding.file}")
    parameters = Parameters()
    directory = parameters["appenddirname"]
    if not disk.list(directory + "/"):
        return
    folder = disk.sub(directory)
    manifest = Manifest(folder, parameters["appendfilename"])
    try:
        manifest.load()
    except Damaged as damage:
        yield Finding(f"{directory}/{damage.file}", damage.offset, damage.why)
        return
    files = [entry for entry in (manifest.base, *manifest.increments) if entry is not None]
    for entry in files:
        yield from check_file(folder, directory, entry, entry is files[-1])


def check_file(folder: Any, directory: str, entry: Any, last: bool) -> Iterable[Finding]:
    """One file; a torn tail of the last one is harmless."""
    name = f"{directory}/{entry.name}"
    if not folder.exists(entry.name):
        yield Finding(name, 0, "listed in the manifest, but missing")
        return
    with folder.open(entry.name) as file:
        replay = Replay(None, entry, file)
        try:
            end = replay.run()
        except Damaged as damage:
            yield Finding(name, damage.offset, damage.why)
            return
        if end < replay.size:
            yield Finding(name, end, f"torn tail: {replay.why}", harmless=last)
