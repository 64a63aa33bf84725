"""The checker: images, edits and block directories of a stopped cluster, read and not changed."""

from __future__ import annotations

from collections.abc import Iterator

from bedrock.storage import recordlog
from bedrock.storage.errors import Damaged, Finding
from bedrock.world import Disk
from hdfs_sim.block_store import NO_META, BlockStore, found
from hdfs_sim.image import ImageStore, read_records

NAMENODE = "namenode"


def check(disk: Disk) -> Iterator[Finding]:
    """All that a server keeps: its NameNode and the DataNodes it runs."""
    names = disk.list()
    tops = sorted({name.split("/", 1)[0] for name in names if "/" in name})
    for top in tops:
        if top == NAMENODE:
            yield from _within(top, check_namespace(disk.sub(top)))
        elif top.startswith("datanode"):
            yield from _within(top, check_blocks(disk.sub(top)))


def _within(folder: str, findings: Iterator[Finding]) -> Iterator[Finding]:
    for one in findings:
        yield Finding(f"{folder}/{one.file}", one.offset, one.why, one.harmless)


def check_namespace(disk: Disk) -> Iterator[Finding]:
    """Every record of every image and of the edit log."""
    images = ImageStore(disk.sub("image"))
    for name in images.names():
        try:
            records = [record for _, record in read_records(images.disk, name)]
            if not records or records[-1] != ["end"]:
                yield Finding(f"image/{name}", 0, "no end")
        except Damaged as exc:
            yield Finding(f"image/{exc.file}", exc.offset, exc.why)
    for one in recordlog.check(disk.sub("edits")):
        yield Finding(f"edits/{one.file}", one.offset, one.why, one.harmless)


def check_blocks(disk: Disk) -> Iterator[Finding]:
    """Every byte of every replica against its checksums."""
    store = BlockStore(disk, scan=False)
    for replica, why in found(store, disk.list()):
        if why is not None:
            yield Finding(replica.data_name, 0, why, harmless=why == NO_META)
            continue
        bad = replica.verify()
        if bad >= 0:
            yield Finding(replica.data_name, bad, "checksum mismatch")
