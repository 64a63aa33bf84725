"""`hdfs_sim shell`: a few of `hdfs dfs`'s commands, from a table that also completes and hints."""

from __future__ import annotations

import getpass
import shlex
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

from bedrock.app.shell import Candidate, Grammar
from hdfs_sim.errors import FileNotFound, HdfsError
from hdfs_sim.messages.types import DIRECTORY


@dataclass(frozen=True)
class Command:
    """A command: its arguments as a person writes them, and what it is for."""

    name: str
    usage: str
    doc: str
    arguments: int


COMMANDS = {
    command.name: command
    for command in (
        Command("ls", "PATH", "list a directory", 1),
        Command("cat", "PATH", "show a file", 1),
        Command("put", "PATH TEXT", "write TEXT to a file", 2),
        Command("append", "PATH TEXT", "add TEXT to a file", 2),
        Command("mkdir", "PATH", "make a directory and those above it", 1),
        Command("mv", "FROM TO", "rename", 2),
        Command("rm", "PATH", "delete, with all below", 1),
        Command("stat", "PATH", "what is known of a path", 1),
        Command("du", "PATH", "bytes, files and directories below a path", 1),
        Command("blocks", "PATH", "where a file's blocks are", 1),
        Command("nodes", "", "the DataNodes", 0),
        Command("df", "", "room in the cluster", 0),
        Command("help", "", "this list", 0),
    )
}


class HdfsGrammar(Grammar):
    """Paths are absolute."""

    async def open(self) -> str:
        from bedrock.net.reactor import Reactor
        from bedrock.world import OsClock, OsDisk, Turn, World
        from hdfs_sim.client import Client

        turn, clock = Turn(), OsClock()
        self.world = World(OsDisk("."), Reactor(clock, turn).attach(), clock, turn=turn)
        self.client = await Client.connect(
            self.world, (self.host, self.port), getpass.getuser())
        return f"hdfs://{self.host}:{self.port}  (help lists the commands)"

    async def close(self) -> None:
        self.client.close()
        self.world.net.close()  # type: ignore[union-attr]

    def complete(self, text: str) -> Iterable[Candidate]:
        if " " not in text:
            for command in COMMANDS.values():
                if command.name.startswith(text):
                    yield Candidate(command.name, command.doc, back=len(text))

    def hint(self, text: str) -> str:
        command = COMMANDS.get(text.rstrip())
        return f"   {command.usage}" if command and text.endswith(" ") else ""

    async def execute(self, line: str) -> str | AsyncIterator[str]:
        try:
            name, *words = shlex.split(line)
        except ValueError as exc:
            return f"{exc}"
        command = COMMANDS.get(name)
        if command is None:
            return f"no command {name}; help lists them"
        if len(words) != command.arguments:
            return f"usage: {name} {command.usage}"
        handler: Callable[..., Awaitable[str]] = getattr(self, f"do_{name}")
        try:
            return await handler(*words)
        except HdfsError as exc:
            return f"{exc.simple_name}: {exc}"

    async def do_help(self) -> str:
        return "\n".join(f"{c.name:8}{c.usage:12}{c.doc}" for c in COMMANDS.values())

    async def do_ls(self, path: str) -> str:
        lines: list[str] = []
        after, more = b"", 1
        while more:
            answer = await self.client.call(
                "getListing", src=path, startAfter=after, needLocation=False)
            listing = answer["dirList"]
            if listing is None:
                raise FileNotFound(f"File does not exist: {path}")
            lines += [show_status(one) for one in listing["partialListing"]]
            more = listing["remainingEntries"]
            after = listing["partialListing"][-1]["path"] if more else b""
        return "\n".join(lines)

    async def do_cat(self, path: str) -> str:
        data = b"".join([chunk async for chunk in self.client.read(path)])
        return data.decode("utf-8", "replace")

    async def do_put(self, path: str, text: str) -> str:
        writer = await self.client.create(path, overwrite=True)
        await writer.write(text.encode() + b"\n")
        await writer.close()
        return ""

    async def do_append(self, path: str, text: str) -> str:
        writer = await self.client.append(path)
        await writer.write(text.encode() + b"\n")
        await writer.close()
        return ""

    async def do_mkdir(self, path: str) -> str:
        await self.client.call("mkdirs", src=path, masked={"perm": 0o755}, createParent=True)
        return ""

    async def do_mv(self, source: str, target: str) -> str:
        await self.client.call("rename2", src=source, dst=target, overwriteDest=False)
        return ""

    async def do_rm(self, path: str) -> str:
        answer = await self.client.call("delete", src=path, recursive=True)
        return "" if answer["result"] else f"nothing at {path}"

    async def do_stat(self, path: str) -> str:
        status = (await self.client.call("getFileInfo", src=path))["fs"]
        if status is None:
            raise FileNotFound(f"File does not exist: {path}")
        return show_status(status)

    async def do_du(self, path: str) -> str:
        total = (await self.client.call("getContentSummary", path=path))["summary"]
        return (f"{total['length']} bytes in {total['fileCount']} files and "
                f"{total['directoryCount']} directories; {total['spaceConsumed']} with replicas")

    async def do_blocks(self, path: str) -> str:
        located = await self.client.locate(path, 0, (1 << 63) - 1)
        return "\n".join(
            f"blk_{b['b']['blockId']}_{b['b']['generationStamp']}  {b['b']['numBytes']:>12}  "
            + " ".join(f"{n['id']['ipAddr']}:{n['id']['xferPort']}" for n in b["locs"])
            for b in located["blocks"])

    async def do_nodes(self) -> str:
        answer = await self.client.call("getDatanodeReport", type=1)
        return "\n".join(
            f"{n['id']['ipAddr']}:{n['id']['xferPort']}  {n['location']}  "
            f"{n['numBlocks']} blocks  {n['dfsUsed']} bytes used, {n['remaining']} free"
            for n in answer["di"])

    async def do_df(self) -> str:
        stats = await self.client.call("getFsStats")
        return (f"capacity {stats['capacity']}  used {stats['used']}  "
                f"free {stats['remaining']}  under-replicated {stats['under_replicated']}  "
                f"missing {stats['missing_blocks']}")


def show_status(status: dict[str, Any]) -> str:
    """One line of `ls`."""
    mode = status["permission"]["perm"]
    letters = "".join(
        c if mode >> shift & bit else "-"
        for shift in (6, 3, 0) for c, bit in zip("rwx", (4, 2, 1), strict=True))
    kind = "d" if status["fileType"] == DIRECTORY else "-"
    return (f"{kind}{letters}  {status['block_replication']}  {status['owner']}  "
            f"{status['group']}  {status['length']:>12}  {status['path'].decode()}")
