"""CLUSTER, and what a client says of itself in a cluster: ASKING, READONLY, READWRITE."""

from __future__ import annotations

from typing import Any

from kvstore.binding import command
from kvstore.cluster import SLOTS, Cluster
from kvstore.resp import ReplyError, Simple, Verbatim
from kvstore.slots import key_slot

DISABLED = "ERR This instance has cluster support disabled"
STATIC = "ERR The nodes of this cluster are static: they are in its cluster-config-file"


def text(word: bytes) -> str:
    """A word as text, whatever its bytes."""
    return word.decode("latin-1")


def cluster_of(client: Any) -> Cluster:
    """What the node knows; an error outside cluster mode."""
    router = client.store.router
    if router is None:
        raise ReplyError(DISABLED)
    cluster: Cluster = router.cluster
    return cluster


def slot_number(word: bytes) -> int:
    """A slot given as a word."""
    if not word.isdigit() or int(word) >= SLOTS:
        raise ReplyError("ERR Invalid or out of range slot")
    return int(word)


def all_slots(words: list[bytes], ranges: bool, container: str) -> list[int]:
    """Slots given one by one or as pairs of first and last; none twice."""
    numbers = [slot_number(word) for word in words]
    if ranges:
        if len(numbers) % 2:
            raise ReplyError(f"ERR wrong number of arguments for '{container}' command")
        found: list[int] = []
        for first, last in zip(numbers[::2], numbers[1::2], strict=True):
            if first > last:
                raise ReplyError(
                    f"ERR start slot number {first} is greater than end slot number {last}")
            found += range(first, last + 1)
        numbers = found
    seen = set()
    for slot in numbers:
        if slot in seen:
            raise ReplyError(f"ERR Slot {slot} specified multiple times")
        seen.add(slot)
    return numbers


def add_slots(client: Any, words: list[bytes], ranges: bool) -> str:
    """Take slots that are nobody's."""
    cluster = cluster_of(client)
    name = "cluster|addslotsrange" if ranges else "cluster|addslots"
    slots = all_slots(words[2:], ranges, name)
    for slot in slots:
        if cluster.owners[slot] is not None:
            raise ReplyError(f"ERR Slot {slot} is already busy")
    cluster.assign(slots, cluster.me)
    return "OK"


def drop_slots(client: Any, words: list[bytes], ranges: bool) -> str:
    """Make slots nobody's."""
    cluster = cluster_of(client)
    name = "cluster|delslotsrange" if ranges else "cluster|delslots"
    slots = all_slots(words[2:], ranges, name)
    for slot in slots:
        if cluster.owners[slot] is None:
            raise ReplyError(f"ERR Slot {slot} is already unassigned")
    cluster.assign(slots, None)
    return "OK"


@command("cluster|addslots")
def cluster_addslots(client, words):
    """CLUSTER ADDSLOTS slot [slot ...]"""
    return add_slots(client, words, False)


@command("cluster|addslotsrange")
def cluster_addslotsrange(client, words):
    """CLUSTER ADDSLOTSRANGE first last [first last ...]"""
    return add_slots(client, words, True)


@command("cluster|delslots")
def cluster_delslots(client, words):
    """CLUSTER DELSLOTS slot [slot ...]"""
    return drop_slots(client, words, False)


@command("cluster|delslotsrange")
def cluster_delslotsrange(client, words):
    """CLUSTER DELSLOTSRANGE first last [first last ...]"""
    return drop_slots(client, words, True)


@command("cluster|flushslots")
def cluster_flushslots(client, words):
    """CLUSTER FLUSHSLOTS"""
    cluster = cluster_of(client)
    if len(client.store.keyspace.databases[0]):
        raise ReplyError("ERR DB must be empty to perform CLUSTER FLUSHSLOTS.")
    cluster.assign([s for s, owner in enumerate(cluster.owners) if owner is cluster.me], None)
    return "OK"


@command("cluster|setslot")
def cluster_setslot(client, words):
    """CLUSTER SETSLOT slot MIGRATING id | IMPORTING id | NODE id | STABLE"""
    cluster = cluster_of(client)
    if cluster.me.primary is not None:
        raise ReplyError("ERR You can use SETSLOT only with masters.")
    slot, action = slot_number(words[2]), words[3].upper()
    if action == b"STABLE" and len(words) == 4:
        cluster.leaving.pop(slot, None)
        cluster.coming.pop(slot, None)
        cluster.changed()
        return "OK"
    if action not in (b"MIGRATING", b"IMPORTING", b"NODE") or len(words) != 5:
        raise ReplyError(
            "ERR Invalid CLUSTER SETSLOT action or number of arguments. Try CLUSTER HELP")
    mine = cluster.owners[slot] is cluster.me
    id = text(words[4])
    if action == b"NODE":
        node = cluster.node(id)
        if node.primary is not None:
            raise ReplyError("ERR Target node is not a master")
        if mine and node is not cluster.me and cluster.keys_in(slot, 1):
            raise ReplyError(
                f"ERR Can't assign hashslot {slot} to a different node while I still hold keys "
                "for this hash slot.")
        if node is cluster.me and slot in cluster.coming:
            bump(cluster)
        cluster.assign([slot], node)
        return "OK"
    if action == b"MIGRATING" and not mine:
        raise ReplyError(f"ERR I'm not the owner of hash slot {slot}")
    if action == b"IMPORTING" and mine:
        raise ReplyError(f"ERR I'm already the owner of hash slot {slot}")
    if id not in cluster.nodes:
        raise ReplyError(f"ERR I don't know about node {id}")
    if cluster.nodes[id].primary is not None:
        raise ReplyError("ERR Target node is not a master")
    (cluster.leaving if action == b"MIGRATING" else cluster.coming)[slot] = cluster.nodes[id]
    cluster.changed()
    return "OK"


def bump(cluster: Cluster) -> bool:
    """Have the highest epoch; False when that is so already."""
    highest = max(node.epoch for node in cluster.nodes.values())
    if cluster.me.epoch and cluster.me.epoch == max(highest, cluster.epoch):
        return False
    cluster.epoch = cluster.me.epoch = max(highest, cluster.epoch) + 1
    return True


@command("cluster|bumpepoch")
def cluster_bumpepoch(client, words):
    """CLUSTER BUMPEPOCH"""
    cluster = cluster_of(client)
    bumped = bump(cluster)
    cluster.changed()
    return Simple(f"{'BUMPED' if bumped else 'STILL'} {cluster.me.epoch}")


@command("cluster|set-config-epoch")
def cluster_set_config_epoch(client, words):
    """CLUSTER SET-CONFIG-EPOCH epoch"""
    cluster = cluster_of(client)
    if not words[2].isdigit():
        raise ReplyError(f"ERR Invalid config epoch specified: {text(words[2])}")
    if len(cluster.nodes) > 1:
        raise ReplyError(
            "ERR The user can assign a config epoch only when the node does not know any other "
            "node.")
    if cluster.me.epoch:
        raise ReplyError("ERR Node config epoch is already non-zero")
    cluster.me.epoch = int(words[2])
    cluster.epoch = max(cluster.epoch, cluster.me.epoch)
    cluster.changed()
    return "OK"


@command("cluster|info")
def cluster_info(client, words):
    """CLUSTER INFO"""
    facts = cluster_of(client).facts()
    return Verbatim("".join(f"{name}:{value}\r\n" for name, value in facts.items()))


@command("cluster|myid")
def cluster_myid(client, words):
    """CLUSTER MYID"""
    return cluster_of(client).me.id.encode()


@command("cluster|nodes")
def cluster_nodes(client, words):
    """CLUSTER NODES"""
    return Verbatim("".join(line + "\n" for line in cluster_of(client).lines()))


@command("cluster|slots")
def cluster_slots(client, words):
    """CLUSTER SLOTS: first, last, primary, replicas of each range"""
    cluster = cluster_of(client)
    found = []
    for node in cluster.nodes.values():
        members = [slots_entry(cluster, each) for each in (node, *cluster.replicas(node))]
        found += [[first, last, *members] for first, last in cluster.ranges(node)]
    return sorted(found, key=lambda row: row[0])


def slots_entry(cluster: Cluster, node: Any) -> list[Any]:
    """A node as CLUSTER SLOTS shows it."""
    host, port = cluster.address(node)
    endpoint = cluster.endpoint(node)
    kind = cluster.store.parameters["cluster-preferred-endpoint-type"]
    more = {} if kind == "ip" else {b"ip": host.encode()}
    name = cluster.store.parameters["cluster-announce-hostname"] if node is cluster.me else ""
    if name and kind != "hostname":
        more[b"hostname"] = name.encode()
    unknown = kind == "unknown-endpoint"
    return [None if unknown else endpoint.encode(), port, node.id.encode(), more]


@command("cluster|shards")
def cluster_shards(client, words):
    """CLUSTER SHARDS"""
    cluster = cluster_of(client)
    return [
        {
            b"slots": [number for run in cluster.ranges(node) for number in run],
            b"nodes": [
                {
                    name.encode(): value.encode() if isinstance(value, str) else value
                    for name, value in cluster.role(each).items()
                }
                for each in (node, *cluster.replicas(node))
            ],
        }
        for node in cluster.nodes.values()
        if node.primary is None
    ]


@command("cluster|keyslot")
def cluster_keyslot(client, words):
    """CLUSTER KEYSLOT key"""
    cluster_of(client)
    return key_slot(words[2])


@command("cluster|countkeysinslot")
def cluster_countkeysinslot(client, words):
    """CLUSTER COUNTKEYSINSLOT slot"""
    cluster = cluster_of(client)
    if not words[2].isdigit() or int(words[2]) >= SLOTS:
        raise ReplyError("ERR Invalid slot")
    return len(cluster.keys_in(int(words[2])))


@command("cluster|getkeysinslot")
def cluster_getkeysinslot(client, words):
    """CLUSTER GETKEYSINSLOT slot count"""
    cluster = cluster_of(client)
    if not (words[2].isdigit() and words[3].isdigit()) or int(words[2]) >= SLOTS:
        raise ReplyError("ERR Invalid slot or number of keys")
    return cluster.keys_in(int(words[2]), int(words[3]))


def replicas_of(client: Any, words: list[bytes]) -> list[bytes]:
    """The lines of a node's replicas."""
    cluster = cluster_of(client)
    node = cluster.node(text(words[2]))
    if node.primary is not None:
        raise ReplyError("ERR The specified node is not a master")
    return [cluster.line(other).encode() for other in cluster.replicas(node)]


@command("cluster|replicas")
def cluster_replicas(client, words):
    """CLUSTER REPLICAS id"""
    return replicas_of(client, words)


@command("cluster|slaves")
def cluster_slaves(client, words):
    """CLUSTER SLAVES id"""
    return replicas_of(client, words)


@command("cluster|replicate")
def cluster_replicate(client, words):
    """CLUSTER REPLICATE id"""
    from kvstore.following import follow

    cluster = cluster_of(client)
    node = cluster.node(text(words[2]))
    if node is cluster.me:
        raise ReplyError("ERR Can't replicate myself")
    if node.primary is not None:
        raise ReplyError("ERR I can only replicate a master, not a replica.")
    if cluster.me.primary is None and (
        cluster.ranges(cluster.me) or len(client.store.keyspace.databases[0])
    ):
        raise ReplyError(
            "ERR To set a master the node must be empty and without assigned slots.")
    cluster.me.primary = node
    cluster.changed()
    follow(client.store, node.host, node.port)
    return "OK"


@command("cluster|forget")
def cluster_forget(client, words):
    """CLUSTER FORGET id"""
    cluster = cluster_of(client)
    node = cluster.node(text(words[2]))
    if node is cluster.me:
        raise ReplyError("ERR I tried hard but I can't forget myself...")
    if cluster.me.primary is node:
        raise ReplyError("ERR Can't forget my master!")
    del cluster.nodes[node.id]
    cluster.leaving = {slot: to for slot, to in cluster.leaving.items() if to is not node}
    cluster.coming = {slot: by for slot, by in cluster.coming.items() if by is not node}
    cluster.assign([s for s, owner in enumerate(cluster.owners) if owner is node], None)
    return "OK"


@command("cluster|reset")
def cluster_reset(client, words):
    """CLUSTER RESET [HARD | SOFT]"""
    from kvstore.following import cease

    cluster = cluster_of(client)
    kind = words[2].upper() if len(words) == 3 else b"SOFT"
    if kind not in (b"HARD", b"SOFT") or len(words) > 3:
        raise ReplyError("ERR syntax error")
    if cluster.me.primary is None and len(client.store.keyspace.databases[0]):
        raise ReplyError("ERR CLUSTER RESET can't be called with master nodes containing keys")
    if cluster.me.primary is not None:
        cluster.me.primary = None
        client.store.empty()
        cease(client.store)
    if kind == b"HARD":
        cluster.me.id = cluster.new_id()
        cluster.epoch = cluster.me.epoch = 0
    cluster.nodes = {cluster.me.id: cluster.me}
    cluster.leaving, cluster.coming = {}, {}
    cluster.assign(range(SLOTS), None)
    return "OK"


@command("cluster|saveconfig")
def cluster_saveconfig(client, words):
    """CLUSTER SAVECONFIG"""
    cluster_of(client).changed()
    return "OK"


@command("cluster|count-failure-reports")
def cluster_count_failure_reports(client, words):
    """CLUSTER COUNT-FAILURE-REPORTS id: nobody reports any"""
    cluster_of(client).node(text(words[2]))
    return 0


@command("cluster|links")
def cluster_links(client, words):
    """CLUSTER LINKS: there is no bus"""
    cluster_of(client)
    return []


@command("cluster|meet")
def cluster_meet(client, words):
    """CLUSTER MEET host port"""
    cluster_of(client)
    raise ReplyError(STATIC)


@command("cluster|failover")
def cluster_failover(client, words):
    """CLUSTER FAILOVER"""
    if cluster_of(client).me.primary is None:
        raise ReplyError("ERR You should send CLUSTER FAILOVER to a replica")
    raise ReplyError(STATIC)


@command("asking")
def asking(client, words):
    """ASKING: the next request may be for a slot being taken over"""
    cluster_of(client)
    client.asking = True
    return "OK"


@command("readonly")
def readonly(client, words):
    """READONLY: a replica may answer what only reads"""
    cluster_of(client)
    client.reads_replica = True
    return "OK"


@command("readwrite")
def readwrite(client, words):
    """READWRITE"""
    cluster_of(client)
    client.reads_replica = False
    return "OK"
