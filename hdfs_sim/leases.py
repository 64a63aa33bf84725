"""Leases: who may write which file, and for how long without a sign of life.

A client holds one lease for all the files it writes and renews it every half minute.  After the
soft limit another client may take a file over; after the hard limit the NameNode closes the files
itself.  Leases are not logged: who writes is in the namespace (`File.client`), and after a restart
every lease begins anew, which only gives writers more time.

Invariant 1: a file is in exactly the lease of `file.client`, and in none when that is None.
"""

from __future__ import annotations

from bedrock.world import Clock
from hdfs_sim.tree import File

SOFT_LIMIT_S = 60.0
HARD_LIMIT_S = 20 * 60.0

# Who holds a file whose writer is gone while its last block is being recovered.
NAMENODE_HOLDER = "HDFS_NameNode"


class Lease:
    """One client's lease."""

    __slots__ = ("files", "holder", "renewed_ns")

    def __init__(self, holder: str, now_ns: int):
        self.holder = holder
        self.files: dict[int, File] = {}
        self.renewed_ns = now_ns


class Leases:
    """All leases by holder."""

    def __init__(
        self, clock: Clock, soft_limit_s: float = SOFT_LIMIT_S, hard_limit_s: float = HARD_LIMIT_S
    ):
        self.clock = clock
        self.soft_ns = int(soft_limit_s * 1e9)
        self.hard_ns = int(hard_limit_s * 1e9)
        self.by_holder: dict[str, Lease] = {}

    def add(self, file: File) -> None:
        """`file.client` begins to write the file."""
        assert file.client is not None
        lease = self.by_holder.get(file.client)
        if lease is None:
            lease = self.by_holder[file.client] = Lease(file.client, self.clock.now_ns())
        lease.files[file.id] = file
        lease.renewed_ns = self.clock.now_ns()

    def remove(self, holder: str, file: File) -> None:
        """The holder no longer writes the file."""
        lease = self.by_holder.get(holder)
        if lease is not None:
            lease.files.pop(file.id, None)
            if not lease.files:
                del self.by_holder[holder]

    def renew(self, holder: str) -> None:
        """A sign of life of a client."""
        lease = self.by_holder.get(holder)
        if lease is not None:
            lease.renewed_ns = self.clock.now_ns()

    def is_soft_expired(self, holder: str) -> bool:
        """Another may take over."""
        lease = self.by_holder.get(holder)
        return lease is None or self.clock.now_ns() - lease.renewed_ns > self.soft_ns

    def hard_expired(self) -> list[File]:
        """Files whose writers have been silent for too long."""
        now = self.clock.now_ns()
        return [
            file
            for lease in self.by_holder.values()
            if now - lease.renewed_ns > self.hard_ns
            for file in lease.files.values()
        ]
