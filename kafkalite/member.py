"""A member of a classic group: what it said of itself, and what it is owed.

A subscription is the client's own, except that a consumer's begins with what the broker, too, wants
to know: version int16, topics [string].
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kafkalite.later import Later

if TYPE_CHECKING:
    from bedrock.world import Timer


@dataclass
class Member:
    """One member; protocols in its order of preference, each with its subscription."""

    id: str
    instance_id: str | None
    client_id: str
    client_host: str
    session_timeout_ms: int
    rebalance_timeout_ms: int
    protocols: dict[str, bytes] = field(default_factory=dict)
    assignment: bytes = b""
    deadline_ns: int = 0
    timer: Timer | None = None
    joining: Later | None = None
    syncing: Later | None = None

    @property
    def waits(self) -> bool:
        """True while an answer is owed: silence is not the member's fault then."""
        return self.joining is not None or self.syncing is not None

    def topics(self, protocol: str | None) -> list[str]:
        """The topics it subscribes to, if it is a consumer."""
        return subscribed_topics(self.protocols.get(protocol or "", b""))

    def take_settings(self, request: dict[str, Any]) -> bool:
        """Copy what a JoinGroup request says; True if the subscription changed."""
        before = self.protocols
        self.session_timeout_ms = request["session_timeout_ms"]
        self.rebalance_timeout_ms = request["rebalance_timeout_ms"]
        if self.rebalance_timeout_ms < 0:
            self.rebalance_timeout_ms = self.session_timeout_ms
        self.protocols = {p["name"]: p["metadata"] for p in request["protocols"]}
        return self.protocols != before


def subscribed_topics(subscription: bytes) -> list[str]:
    """The topics a consumer subscribes to: version int16, topics [string], and more."""
    topics = []
    at = 6
    for _ in range(int.from_bytes(subscription[2:6], "big")):
        size = int.from_bytes(subscription[at : at + 2], "big")
        if at + 2 + size > len(subscription):
            break
        topics.append(subscription[at + 2 : at + 2 + size].decode("utf-8", "replace"))
        at += 2 + size
    return topics
