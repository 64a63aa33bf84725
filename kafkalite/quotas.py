"""How much clients may do: quotas for users and client ids, and the account kept of them.

    quotas.json    [[[["user", "alice"], ["client-id", null]], {"producer_byte_rate": 1e6}], ...]

An entity names a user, a client id, both, or an address; None names the default, which stands for
all that have no quota of their own.  Of the quotas that fit a client the most exact is in force
(`PRECEDENCE`), and all clients it fits by name share it.

The account is a time: the moment at which all that was taken would be paid for at the rate.  What
is taken moves it on by bytes / rate, it never lags more than `BURST_S` behind the present, and a
client waits for as long as it lies in the future.  `producer_byte_rate` and `consumer_byte_rate`
are kept so; the other kinds are stored and shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kafkalite.document import Document

if TYPE_CHECKING:
    from bedrock.world import Clock, Disk

FILE = "quotas.json"
USER, CLIENT_ID, ADDRESS = "user", "client-id", "ip"
PRODUCED, CONSUMED = "producer_byte_rate", "consumer_byte_rate"
KEYS = {
    PRODUCED: (USER, CLIENT_ID),
    CONSUMED: (USER, CLIENT_ID),
    "request_percentage": (USER, CLIENT_ID),
    "controller_mutation_rate": (USER, CLIENT_ID),
    "connection_creation_rate": (ADDRESS,),
}
BURST_S = 1.0
MAX_ACCOUNTS = 10_000  # above it those that owe nothing are forgotten

Entity = tuple[tuple[str, str | None], ...]
# Which quota is in force: for user and client id whether it is named, the default, or not said.
NAMED, DEFAULT, UNSAID = range(3)
PRECEDENCE = (
    (NAMED, NAMED), (NAMED, DEFAULT), (NAMED, UNSAID),
    (DEFAULT, NAMED), (DEFAULT, DEFAULT), (DEFAULT, UNSAID),
    (UNSAID, NAMED), (UNSAID, DEFAULT),
)


def entity_of(parts: list[tuple[str, str | None]]) -> Entity:
    """An entity in the one order in which it is kept."""
    return tuple(sorted(parts, key=lambda part: part[0], reverse=True))


class Quotas:
    """active: False while there are no quotas, so that nobody needs to count"""

    def __init__(self, disk: Disk, clock: Clock):
        self._file = Document(disk, FILE)
        self._clock = clock
        self._paid_ns: dict[tuple[str, Entity, str, str], int] = {}
        self.active = False
        self._hold(
            {
                entity_of([(kind, name) for kind, name in parts]): values
                for parts, values in self._file.read() or ()
            }
        )

    def _hold(self, limits: dict[Entity, dict[str, float]]) -> None:
        self.limits = limits
        self._paid_ns.clear()
        self.active = bool(limits)

    def change(self, limits: dict[Entity, dict[str, float]]) -> None:
        """Replace all quotas, durably; KafkaError on a full disk."""
        kept = {entity: values for entity, values in limits.items() if values}
        self._file.write([[list(entity), values] for entity, values in kept.items()])
        self._hold(kept)

    def in_force(self, key: str, user: str, client_id: str) -> tuple[Entity, float] | None:
        """The quota for a client, and the entity it was set for."""
        for how_user, how_client in PRECEDENCE:
            parts: list[tuple[str, str | None]] = []
            if how_user != UNSAID:
                parts.append((USER, user if how_user == NAMED else None))
            if how_client != UNSAID:
                parts.append((CLIENT_ID, client_id if how_client == NAMED else None))
            entity = entity_of(parts)
            value = self.limits.get(entity, {}).get(key)
            if value is not None:
                return entity, value
        return None

    def charge(self, key: str, user: str, client_id: str, amount: int) -> int:
        """Take something, and tell for how many milliseconds the client must wait."""
        found = self.in_force(key, user, client_id)
        if found is None or not amount:
            return 0
        entity, rate = found
        kinds = dict(entity)
        account = (key, entity, user if USER in kinds else "",
                   client_id if CLIENT_ID in kinds else "")
        now_ns = self._clock.now_ns()
        paid_ns = max(self._paid_ns.get(account, 0), now_ns - int(BURST_S * 1e9))
        if len(self._paid_ns) > MAX_ACCOUNTS:
            self._paid_ns = {k: at for k, at in self._paid_ns.items() if at > now_ns}
        self._paid_ns[account] = paid_ns = paid_ns + int(amount / max(rate, 1e-3) * 1e9)
        return max(0, paid_ns - now_ns) // 1_000_000
