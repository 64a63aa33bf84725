"""Cluster mode: the nodes, which of them serves which slots, and where a request has to go.

    key ─► slot ─► mine, whole ─► run
                ├─ mine, being handed over, the key is gone already ─► -ASK to the new owner
                ├─ being taken over, and the client said ASKING     ─► run
                ├─ my primary's, and the client said READONLY       ─► run what only reads
                ├─ another node's                                   ─► -MOVED to it
                └─ nobody's                                         ─► -CLUSTERDOWN

The nodes are static: they are written down in `cluster-config-file`, in the format of Redis's own
nodes.conf, and do not talk to each other; there is no gossip, no failure detection, no failover.
One file may serve all nodes: each takes the line with its own address for itself, unless one says
`myself`; `python -m kvstore.cluster 127.0.0.1:7001 127.0.0.1:7002 ...` writes one.  A node alone
begins as one that owns nothing; CLUSTER ADDSLOTSRANGE 0 16383 makes it a cluster of one.  A
resharding is told to every node by CLUSTER SETSLOT.

    <id> <ip>:<port>@<bus port> <flags> <primary's id or -> <ping> <pong> <epoch> <link> <slots> ...

Invariants:
1. The router's state of a slot follows from `owners`, `leaving` and `coming`, always.
2. What changed is in the file before the command is answered.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from itertools import groupby
from typing import Any

from kvstore.resp import ReplyError
from kvstore.slots import Router, key_slot, keys_in_slot

SLOTS = 16384
BUS_OFFSET = 10_000
DOWN = "CLUSTERDOWN The cluster is down"
NOT_MINE, MINE, IN_TRANSIT = range(3)


class Node:
    """One node, as this one knows it."""

    def __init__(self, id: str, host: str, port: int, primary: Node | None = None, epoch: int = 0):
        self.id = id
        self.host = host
        self.port = port
        self.primary = primary  # whom it follows
        self.epoch = epoch


class Cluster:
    """What one node knows.  `store` must have a server."""

    def __init__(self, store: Any):
        self.store = store
        self.router = Router(self)
        self.owners: list[Node | None] = [None] * SLOTS
        self.leaving: dict[int, Node] = {}  # slot -> who gets it
        self.coming: dict[int, Node] = {}  # slot -> who has it
        self.epoch = 0
        self.me = Node(self.new_id(), "", 0)
        self.nodes: dict[str, Node] = {}
        self.up = False

    def new_id(self) -> str:
        """A name for a node."""
        return f"{int.from_bytes(self.store.world.rand.bytes(20), 'big'):040x}"

    # ------------------------------------------------------------------ the file

    @property
    def file_name(self) -> str:
        """Where it is written down."""
        name: str = self.store.parameters["cluster-config-file"]
        return name

    def load(self, host: str, port: int) -> None:
        """Read the file, if there is one; this node listens on an address."""
        disk = self.store.world.disk
        if disk.exists(self.file_name):
            self.read(disk.read(self.file_name).decode(), host, port)
        self.me.host, self.me.port = host, port
        self.nodes[self.me.id] = self.me
        self.changed()

    def read(self, text: str, host: str, port: int) -> None:
        """Take over the lines of a file; ValueError when they make no sense."""
        lines = [line.split() for line in text.splitlines() if line.strip()]
        rows = [words for words in lines if words[0] != "vars"]
        for words in lines:
            if words[0] == "vars":
                self.epoch = int(words[words.index("currentEpoch") + 1])
        for words in rows:
            address = words[1].partition("@")[0]
            name, _, number = address.rpartition(":")
            self.nodes[words[0]] = Node(words[0], name, int(number), None, int(words[6]))
        found = [words[0] for words in rows if "myself" in words[2].split(",")] or [
            node.id for node in self.nodes.values() if (node.host, node.port) == (host, port)
        ]
        if len(found) != 1:
            raise ValueError(f"{self.file_name}: no one line is of {host}:{port}")
        self.me = self.nodes[found[0]]
        for words in rows:
            node = self.nodes[words[0]]
            if words[3] != "-":
                node.primary = self.nodes[words[3]]
            for word in words[8:]:
                self.read_slots(node, word)

    def read_slots(self, node: Node, word: str) -> None:
        """`5`, `5-10`, `[5->-id]` (leaving) or `[5-<-id]` (coming)."""
        if not word.startswith("["):
            first, _, last = word.partition("-")
            for slot in range(int(first), int(last or first) + 1):
                self.owners[slot] = node
        elif "->-" in word:
            slot_text, _, id = word[1:-1].partition("->-")
            self.leaving[int(slot_text)] = self.nodes[id]
        else:
            slot_text, _, id = word[1:-1].partition("-<-")
            self.coming[int(slot_text)] = self.nodes[id]

    def lines(self) -> list[str]:
        """A line for each node, as CLUSTER NODES and the file have them."""
        return [self.line(node) for node in self.nodes.values()]

    def line(self, node: Node) -> str:
        """One node."""
        parameters = self.store.parameters
        flags = ("myself," if node is self.me else "") + ("slave" if node.primary else "master")
        host, port = self.address(node)
        name = parameters["cluster-announce-hostname"] if node is self.me else ""
        words = [
            node.id,
            f"{host}:{port}@{port + BUS_OFFSET}" + (f",{name}" if name else ""),
            flags,
            node.primary.id if node.primary else "-",
            "0",
            "0",
            str(node.epoch),
            "connected",
            *(f"{a}" if a == b else f"{a}-{b}" for a, b in self.ranges(node)),
        ]
        if node is self.me:
            words += [f"[{slot}->-{other.id}]" for slot, other in self.leaving.items()]
            words += [f"[{slot}-<-{other.id}]" for slot, other in self.coming.items()]
        return " ".join(words)

    def changed(self) -> None:
        """Something changed: the router must know, and the file."""
        me, leaving, coming = self.me, self.leaving, self.coming
        for slot, owner in enumerate(self.owners):
            state = IN_TRANSIT if slot in leaving or slot in coming else owner is me
            self.router.set_state(slot, state)
        self.up = None not in self.owners or (
            not self.store.parameters["cluster-require-full-coverage"]
        )
        text = "".join(line + "\n" for line in self.lines())
        text += f"vars currentEpoch {self.epoch} lastVoteEpoch 0\n"
        self.store.world.disk.replace(self.file_name, text.encode())

    # ------------------------------------------------------------------ who is who

    def address(self, node: Node) -> tuple[str, int]:
        """Where clients reach a node; an empty host means: where you reached me."""
        parameters = self.store.parameters
        if node is not self.me:
            return node.host, node.port
        host = "" if node.host in ("0.0.0.0", "::") else node.host  # noqa: S104
        return (
            parameters["cluster-announce-ip"] or host,
            parameters["cluster-announce-port"] or node.port,
        )

    def endpoint(self, node: Node) -> str:
        """What clients are told to connect to."""
        kind = self.store.parameters["cluster-preferred-endpoint-type"]
        if kind == "hostname":
            name = self.store.parameters["cluster-announce-hostname"] if node is self.me else ""
            return name or "?"
        return self.address(node)[0] if kind == "ip" else ""

    def node(self, id: str) -> Node:
        """A node by its name."""
        if id not in self.nodes:
            raise ReplyError(f"ERR Unknown node {id}")
        return self.nodes[id]

    def replicas(self, node: Node) -> list[Node]:
        """Who follows a node."""
        return [other for other in self.nodes.values() if other.primary is node]

    def ranges(self, node: Node) -> list[tuple[int, int]]:
        """The slots of a node, as first and last of each run."""
        mine = [slot for slot, owner in enumerate(self.owners) if owner is node]
        runs = [list(run) for _, run in groupby(enumerate(mine), lambda pair: pair[1] - pair[0])]
        return [(run[0][1], run[-1][1]) for run in runs]

    # ------------------------------------------------------------------ where a request goes

    def judge(
        self, client: Any, slot: int, keys: list[bytes], reads: bool, asking: bool = False
    ) -> None:
        """Let a request for keys of a slot pass, or raise the error that says where to go."""
        asking = asking or client.asking
        owner = self.owners[slot]
        if owner is None:
            raise ReplyError("CLUSTERDOWN Hash slot not served")
        if not self.up and not (
            reads and self.store.parameters["cluster-allow-reads-when-down"]
        ):
            raise ReplyError(DOWN)
        missing = 0
        if slot in self.leaving or slot in self.coming:
            missing = sum(client.db.get(key) is None for key in keys)
        if owner is self.me:
            if slot in self.leaving and missing:
                if missing < len(keys):
                    raise ReplyError("TRYAGAIN Multiple keys request during rehashing of slot")
                raise ReplyError(f"ASK {slot} {self.where(self.leaving[slot])}")
            return
        if slot in self.coming and asking:
            if missing and len(keys) > 1:
                raise ReplyError("TRYAGAIN Multiple keys request during rehashing of slot")
            return
        if client.reads_replica and reads and owner is self.me.primary:
            return
        raise ReplyError(f"MOVED {slot} {self.where(owner)}")

    def where(self, node: Node) -> str:
        """host:port for a redirection."""
        return f"{self.endpoint(node)}:{self.address(node)[1]}"

    # ------------------------------------------------------------------ changing slots

    def assign(self, slots: Iterable[int], node: Node | None) -> None:
        """Give slots to a node, or to nobody."""
        lost = []
        for slot in slots:
            if self.owners[slot] is self.me and node is not self.me:
                lost.append(slot)
            self.owners[slot] = node
            if node is self.me:
                self.coming.pop(slot, None)
            else:
                self.leaving.pop(slot, None)
        self.changed()
        self.let_go(set(lost))

    def let_go(self, slots: set[int]) -> None:
        """Who waits for keys of slots that went is told where they are; listeners are told too."""
        if not slots:
            return
        for db in self.store.keyspace.databases:
            for key in [key for key in db.blocked if key_slot(key) in slots]:
                for waiter in list(db.blocked.get(key, ())):
                    owner = self.owners[key_slot(key)]
                    waiter.fail(
                        ReplyError(DOWN if owner is None
                                   else f"MOVED {key_slot(key)} {self.where(owner)}"))
        pubsub = self.store.pubsub
        for channel in [name for name in pubsub.shard_channels if key_slot(name) in slots]:
            for client in list(pubsub.shard_channels[channel]):
                client.push(pubsub.remove(client, "shard_channels", [channel]))

    def keys_in(self, slot: int, most: int = -1) -> list[bytes]:
        """Keys this node holds in a slot."""
        return keys_in_slot(self.store.keyspace.databases[0], slot, most)

    # ------------------------------------------------------------------ facts

    def facts(self) -> dict[str, Any]:
        """For CLUSTER INFO."""
        assigned = sum(owner is not None for owner in self.owners)
        return {
            "cluster_state": "ok" if self.up else "fail",
            "cluster_slots_assigned": assigned,
            "cluster_slots_ok": assigned,
            "cluster_slots_pfail": 0,
            "cluster_slots_fail": 0,
            "cluster_known_nodes": len(self.nodes),
            "cluster_size": len({owner.id for owner in self.owners if owner}) or 1,
            "cluster_current_epoch": self.epoch,
            "cluster_my_epoch": self.me.epoch,
            "cluster_stats_messages_sent": 0,
            "cluster_stats_messages_received": 0,
            "total_cluster_links_buffer_limit_exceeded": 0,
        }

    def role(self, node: Node) -> dict[str, Any]:
        """A node as CLUSTER SHARDS shows it."""
        host, port = self.address(node)
        name = self.store.parameters["cluster-announce-hostname"] if node is self.me else ""
        return {
            "id": node.id,
            "port": port,
            "ip": host,
            "endpoint": self.endpoint(node),
            **({"hostname": name} if name else {}),
            "role": "replica" if node.primary else "master",
            "replication-offset": self.store.primary.offset if node is self.me else 0,
            "health": "online",
        }


def nodes_file(addresses: list[tuple[str, int]], replicas: int = 0) -> str:
    """A `cluster-config-file` for nodes that share all slots evenly.

    replicas: how many of the addresses behind each primary are its followers
    """
    groups = [addresses[i : i + replicas + 1] for i in range(0, len(addresses), replicas + 1)]
    lines = []
    for i, group in enumerate(groups):
        first, last = i * SLOTS // len(groups), (i + 1) * SLOTS // len(groups) - 1
        for k, (host, port) in enumerate(group):
            role = f"slave {i:039x}0" if k else "master -"
            slots = "" if k else f" {first}-{last}"
            address = f"{host}:{port}@{port + BUS_OFFSET}"
            lines.append(f"{i:039x}{k:x} {address} {role} 0 0 {i + 1} connected{slots}")
    return "\n".join([*lines, f"vars currentEpoch {len(groups)} lastVoteEpoch 0", ""])


def main(argv: list[str]) -> None:
    """Print the file of a cluster with these nodes."""
    parser = argparse.ArgumentParser(prog="python -m kvstore.cluster", description=main.__doc__)
    parser.add_argument("nodes", nargs="+", metavar="host:port")
    parser.add_argument("--replicas", type=int, default=0,
                        help="how many of the nodes behind each primary follow it")
    options = parser.parse_args(argv)
    places = [node.rpartition(":") for node in options.nodes]
    print(nodes_file([(host, int(port)) for host, _, port in places], options.replicas), end="")


if __name__ == "__main__":
    main(sys.argv[1:])
