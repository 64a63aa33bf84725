"""A channel: members, modes, topic.

Invariants:
1. `members` and each member's `client.channels` name each other.
2. A channel with no members is gone from the network.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from chat.names import matches

if TYPE_CHECKING:
    from chat.client import Client

# Type A of CHANMODES: lists of masks.  letter -> attribute
LISTS = {"b": "bans", "e": "exceptions", "I": "invite_exceptions"}
# Type D: flags.
FLAGS = {
    "i": "invite only",
    "m": "moderated",
    "n": "no messages from outside",
    "s": "secret",
    "t": "topic set by operators",
}
# Ranks of members, highest first: mode letter -> prefix.
RANKS = {"o": "@", "v": "+"}
LIST_LENGTH = 100


@dataclass
class Entry:
    """A mask on one of a channel's lists."""

    mask: str
    setter: str
    when_s: int


@dataclass(eq=False)
class Channel:
    """Its name as its creator wrote it; everything else as it is now."""

    name: str
    created_s: int
    members: dict[Client, set[str]] = field(default_factory=dict)
    flags: set[str] = field(default_factory=lambda: {"n", "t"})
    key: str = ""
    limit: int = 0
    topic: str = ""
    topic_setter: str = ""
    topic_s: int = 0
    bans: list[Entry] = field(default_factory=list)
    exceptions: list[Entry] = field(default_factory=list)
    invite_exceptions: list[Entry] = field(default_factory=list)
    invited: set[Client] = field(default_factory=set)

    def is_operator(self, client: Client) -> bool:
        return "o" in self.members.get(client, ())

    def has_voice(self, client: Client) -> bool:
        return bool(self.members.get(client))

    def prefix(self, client: Client, every: bool = False) -> str:
        """`@` or `+` before a member's nick; all of them with `every` (multi-prefix)."""
        ranks = self.members.get(client, ())
        prefixes = "".join(sign for letter, sign in RANKS.items() if letter in ranks)
        return prefixes if every else prefixes[:1]

    def is_banned(self, client: Client) -> bool:
        return self._listed(self.bans, client) and not self._listed(self.exceptions, client)

    def may_join_uninvited(self, client: Client) -> bool:
        return self._listed(self.invite_exceptions, client)

    def may_speak(self, client: Client) -> bool:
        if client not in self.members:
            return "n" not in self.flags and "m" not in self.flags and not self.is_banned(client)
        if self.has_voice(client):
            return True
        return "m" not in self.flags and not self.is_banned(client)

    def is_visible_to(self, client: Client) -> bool:
        return "s" not in self.flags or client in self.members

    def modes(self, client: Client) -> list[str]:
        """The parameters of RPL_CHANNELMODEIS; the key is shown to members only."""
        letters = "".join(sorted(self.flags))
        params = []
        if self.limit:
            letters += "l"
            params.append(str(self.limit))
        if self.key:
            letters += "k"
            params.append(self.key if client in self.members else "*")
        return [f"+{letters}", *params]

    @staticmethod
    def _listed(entries: list[Entry], client: Client) -> bool:
        return any(matches(entry.mask, client.mask) for entry in entries)
