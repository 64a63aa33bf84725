"""Who may do what: access control entries, and the question asked of them.

    Acl    resource (type, name, pattern)   principal "User:alice"   host   operation   allow | deny

    acls.json    one list of seven fields for each entry

The answer for a principal, a host, an operation and a resource (Kafka's StandardAuthorizer):

1. A super user may.
2. An entry that denies it wins over all that allow it.
3. An entry that allows the operation, ALL, or an operation that implies it, allows it.
4. Where entries speak of the resource, but not so, it is refused.
5. Where no entry speaks of the resource, `allow.everyone.if.no.acl.found` decides.

Names and numbers are those of the protocol.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

from kafkalite.document import Document

if TYPE_CHECKING:
    from bedrock.world import Disk

FILE = "acls.json"
CLUSTER_NAME = "kafka-cluster"
ANYONE, ANYWHERE, ANY_NAME = "User:*", "*", "*"
MOST_VERDICTS = 10_000


class Resource(IntEnum):
    """Types of resources; ANY is for filters."""

    ANY = 1
    TOPIC = 2
    GROUP = 3
    CLUSTER = 4
    TRANSACTIONAL_ID = 5
    DELEGATION_TOKEN = 6
    USER = 7


class Pattern(IntEnum):
    """How a name is meant; ANY and MATCH are for filters."""

    ANY = 1
    MATCH = 2
    LITERAL = 3
    PREFIXED = 4


class Operation(IntEnum):
    """What may be done; ANY is for filters, ALL stands for every other in an entry."""

    ANY = 1
    ALL = 2
    READ = 3
    WRITE = 4
    CREATE = 5
    DELETE = 6
    ALTER = 7
    DESCRIBE = 8
    CLUSTER_ACTION = 9
    DESCRIBE_CONFIGS = 10
    ALTER_CONFIGS = 11
    IDEMPOTENT_WRITE = 12


class Permission(IntEnum):
    """ANY is for filters."""

    ANY = 1
    DENY = 2
    ALLOW = 3


_O = Operation
# Whoever may do one of these may do what stands before them.
IMPLIED_BY = {
    _O.DESCRIBE: (_O.READ, _O.WRITE, _O.DELETE, _O.ALTER),
    _O.DESCRIBE_CONFIGS: (_O.ALTER_CONFIGS,),
}
# What can be done at all: told as a bit field by the describing requests.
OPERATIONS_OF = {
    Resource.TOPIC: (
        _O.READ, _O.WRITE, _O.CREATE, _O.DELETE, _O.ALTER, _O.DESCRIBE, _O.DESCRIBE_CONFIGS,
        _O.ALTER_CONFIGS,
    ),
    Resource.GROUP: (
        _O.READ, _O.DELETE, _O.DESCRIBE, _O.DESCRIBE_CONFIGS, _O.ALTER_CONFIGS,
    ),
    Resource.CLUSTER: (
        _O.CREATE, _O.ALTER, _O.DESCRIBE, _O.CLUSTER_ACTION, _O.DESCRIBE_CONFIGS,
        _O.ALTER_CONFIGS, _O.IDEMPOTENT_WRITE,
    ),
}


class Acl(NamedTuple):
    """One entry."""

    resource: int
    name: str
    pattern: int
    principal: str
    host: str
    operation: int
    permission: int

    def speaks_of(self, name: str) -> bool:
        """Whether this entry is about a resource of its type with that name."""
        if self.pattern == Pattern.PREFIXED:
            return name.startswith(self.name)
        return self.name in (name, ANY_NAME)

    def is_for(self, principal: str, host: str) -> bool:
        """Whether this entry is about that client."""
        return self.principal in (principal, ANYONE) and self.host in (host, ANYWHERE)


class AclFilter(NamedTuple):
    """Which entries are meant; None and ANY mean all."""

    resource: int = Resource.ANY
    name: str | None = None
    pattern: int = Pattern.ANY
    principal: str | None = None
    host: str | None = None
    operation: int = Operation.ANY
    permission: int = Permission.ANY

    def admits(self, acl: Acl) -> bool:
        """Whether an entry is meant."""
        return (
            self.resource in (Resource.ANY, acl.resource)
            and self._admits_name(acl)
            and self.principal in (None, acl.principal)
            and self.host in (None, acl.host)
            and self.operation in (Operation.ANY, acl.operation)
            and self.permission in (Permission.ANY, acl.permission)
        )

    def _admits_name(self, acl: Acl) -> bool:
        if self.pattern == Pattern.MATCH:
            return self.name is None or acl.speaks_of(self.name)
        return self.pattern in (Pattern.ANY, acl.pattern) and self.name in (None, acl.name)


class Authorizer:
    """The entries of a broker.

    active  False while nothing can be refused, so that nobody needs to ask
    """

    def __init__(self, disk: Disk, super_users: Iterable[str] = (), allow_unspoken: bool = True):
        self._file = Document(disk, FILE)
        self._super = frozenset(super_users)
        self._allow_unspoken = allow_unspoken
        self.active = False
        self._hold([Acl(*entry) for entry in self._file.read() or ()])

    def _hold(self, acls: list[Acl]) -> None:
        self.acls = acls
        self._of_type: dict[int, list[Acl]] = {}
        for acl in acls:
            self._of_type.setdefault(acl.resource, []).append(acl)
        self.active = bool(acls) or not self._allow_unspoken
        self._verdicts: dict[tuple[str, str, int, int, str], bool] = {}

    def _keep(self, acls: list[Acl]) -> None:
        self._file.write([list(acl) for acl in acls])
        self._hold(acls)

    def add(self, acls: Iterable[Acl]) -> None:
        """Add entries that are not there yet, durably; KafkaError on a full disk."""
        self._keep(list(dict.fromkeys([*self.acls, *acls])))

    def find(self, wanted: AclFilter) -> list[Acl]:
        """The entries that are meant."""
        return [acl for acl in self.acls if wanted.admits(acl)]

    def remove(self, acls: Iterable[Acl]) -> None:
        """Remove entries, durably; KafkaError on a full disk."""
        gone = set(acls)
        self._keep([acl for acl in self.acls if acl not in gone])

    def allows(
        self, principal: str, host: str, operation: Operation, resource: Resource, name: str
    ) -> bool:
        """Whether somebody may do something; see the rules above.  Answers are kept."""
        question = (principal, host, operation, resource, name)
        verdict = self._verdicts.get(question)
        if verdict is None:
            if len(self._verdicts) >= MOST_VERDICTS:
                self._verdicts.clear()
            verdict = self._verdicts[question] = self._judge(*question)
        return verdict

    def _judge(
        self, principal: str, host: str, operation: Operation, resource: Resource, name: str
    ) -> bool:
        if principal in self._super:
            return True
        spoken = [acl for acl in self._of_type.get(resource, ()) if acl.speaks_of(name)]
        if not spoken:
            return self._allow_unspoken
        mine = [acl for acl in spoken if acl.is_for(principal, host)]
        denying = (operation, Operation.ALL)
        if any(a.permission == Permission.DENY and a.operation in denying for a in mine):
            return False
        allowing = (*denying, *IMPLIED_BY.get(operation, ()))
        return any(a.permission == Permission.ALLOW and a.operation in allowing for a in mine)

    def allows_some(
        self, principal: str, host: str, operation: Operation, resource: Resource
    ) -> bool:
        """Whether somebody may do it to any resource of a type."""
        names = {acl.name for acl in self._of_type.get(resource, ())}
        return self._allow_unspoken or principal in self._super or any(
            self.allows(principal, host, operation, resource, name) for name in names
        )

    def operations(self, principal: str, host: str, resource: Resource, name: str) -> int:
        """What somebody may do, as a bit field."""
        return sum(
            1 << operation
            for operation in OPERATIONS_OF[resource]
            if self.allows(principal, host, operation, resource, name)
        )
