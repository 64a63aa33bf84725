"""VERSION files: which cluster a directory belongs to, so that blocks never meet another's names.

Lines of `name=value`, as Hadoop writes them.
"""

from __future__ import annotations

from bedrock.world import Disk, World

NAME = "VERSION"
LAYOUT_VERSION = 57
SOFTWARE_VERSION = "3.4.0"


def read(disk: Disk) -> dict[str, str]:
    """The properties of a directory; {} for a new one."""
    if not disk.exists(NAME):
        return {}
    lines = disk.read(NAME).decode().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


def write(disk: Disk, properties: dict[str, str]) -> None:
    """Replace the properties."""
    disk.replace(NAME, "".join(f"{k}={v}\n" for k, v in properties.items()).encode())


def uuid_of(raw: bytes) -> str:
    """16 random bytes in the form of a UUID."""
    text = raw.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def namenode(world: World) -> dict[str, str]:
    """A NameNode's identity, made up at its first start."""
    found = read(world.disk)
    if not found:
        rand, now = world.rand, world.clock.wall_ms()
        found = {
            "namespaceID": str(rand.below(1 << 31)),
            "clusterID": "CID-" + uuid_of(rand.bytes(16)),
            "blockpoolID": f"BP-{rand.below(1 << 31)}-127.0.0.1-{now}",
            "cTime": str(now),
            "layoutVersion": f"-{LAYOUT_VERSION}",
        }
        write(world.disk, found)
    return found


def datanode(world: World) -> dict[str, str]:
    """A DataNode's identity; its cluster is added when it first registers."""
    found = read(world.disk)
    if not found:
        uuid = uuid_of(world.rand.bytes(16))
        found = {"datanodeUuid": uuid, "storageID": "DS-" + uuid}
        write(world.disk, found)
    return found
