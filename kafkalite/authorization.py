"""What each request needs to be allowed, as a table; asked before its handler.

A rule takes apart a request: what the client may not do is left out of what the handler sees, and
answered with an error beside what the handler answers.  So handlers know nothing of ACLs.

    whole(...)     one permission for the request as a whole
    items(...)     one for each item of a list in it: topics, groups, resources
    both, in this order: a transaction's id first, then its topics

Rules are asked only while something can be refused (`Authorizer.active`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kafkalite.acls import CLUSTER_NAME, Operation, Resource
from kafkalite.errors import Code
from kafkalite.later import Later

if TYPE_CHECKING:
    from kafkalite.broker import Broker, Call

Handler = Callable[..., Any]
O, R = Operation, Resource  # noqa: E741 - the tables below read better so
REFUSAL = {
    R.TOPIC: Code.TOPIC_AUTHORIZATION_FAILED,
    R.GROUP: Code.GROUP_AUTHORIZATION_FAILED,
    R.CLUSTER: Code.CLUSTER_AUTHORIZATION_FAILED,
    R.TRANSACTIONAL_ID: Code.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
}


@dataclass(frozen=True)
class Asked:
    """A request on its way to its handler."""

    broker: Broker
    handler: Handler
    request: dict[str, Any]
    call: Call

    def may(self, operation: Operation, resource: Resource, name: str = CLUSTER_NAME) -> bool:
        """Whether the client may do that."""
        call = self.call
        return self.broker.authorizer.allows(
            call.principal, call.host, operation, resource, name
        )

    def proceed(self, **instead: Any) -> Any:
        """What the handler answers, with some fields of the request replaced."""
        return self.handler(self.broker, self.request | instead, self.call)

    def topic_name(self, item: dict) -> str | None:
        """The name of a topic that may be given by its id; None for an unknown id."""
        if item.get("name"):
            return item["name"]
        topic = self.broker.topics.by_id.get(item.get("topic_id", b""))
        return topic.name if topic else None


Rule = Callable[[Asked], Any]


def partitions(item: dict, code: Code) -> dict[str, Any]:
    """The answer for a topic of which every partition is refused."""
    indexes = (
        p.get("index", p.get("partition_index")) if isinstance(p, dict) else p
        for p in item["partitions"]
    )
    return {
        **{k: item[k] for k in ("name", "topic_id") if k in item},
        "partitions": [{"index": index, "error_code": code} for index in indexes],
    }


def flat(*keys: str) -> Callable[[dict, Code], dict[str, Any]]:
    """An answer of one error code, with some fields as they were asked."""

    def answer(item: dict, code: Code) -> dict[str, Any]:
        return {**{key: item[key] for key in keys}, "error_code": code}

    return answer


@dataclass(frozen=True)
class Items:
    """One permission for each item of a list.

    field      of the request
    results    of the response
    answer     (item, code) -> what the response says of a refused one
    name       of the item's field that names the resource; "" for an item that is the name
    """

    field: str
    results: str
    operation: Operation
    resource: Resource = R.TOPIC
    answer: Callable[[Any, Code], dict[str, Any]] = partitions
    name: str = "name"

    def split(self, asked: Asked) -> tuple[list, list]:
        """(items that are allowed, answers for those that are not)"""
        allowed, refused = [], []
        for item in asked.request[self.field] or ():
            name = self._name(asked, item)
            if name is None or asked.may(self.operation, self.resource, name):
                allowed.append(item)
            else:
                refused.append(self.answer(item, REFUSAL[self.resource]))
        return allowed, refused

    def _name(self, asked: Asked, item: Any) -> str | None:
        if not self.name:
            return item
        return asked.topic_name(item) if self.resource is R.TOPIC else item[self.name]

    def __call__(self, asked: Asked) -> Any:
        allowed, refused = self.split(asked)
        if not refused:
            return asked.proceed()
        return merged(asked.proceed(**{self.field: allowed}), self.results, refused)


@dataclass(frozen=True)
class Whole:
    """One permission for the request.

    name     of the request's field that names the resource; "" for the cluster
    then     what else is asked
    refuse   how the refusal is said: by the error code of the response, or of each item
    """

    operation: Operation
    resource: Resource = R.CLUSTER
    name: str = ""
    then: Rule | None = None
    refuse: Items | None = field(default=None)

    def __call__(self, asked: Asked) -> Any:
        name = asked.request[self.name] if self.name else CLUSTER_NAME
        # A transactional id that is null is none.
        if name is None or asked.may(self.operation, self.resource, name):
            return self.then(asked) if self.then else asked.proceed()
        code = REFUSAL[self.resource]
        if self.refuse is None:
            return {"error_code": code}
        items = asked.request[self.refuse.field] or ()
        return {self.refuse.results: [self.refuse.answer(item, code) for item in items]}


def merged(response: Any, results: str, refused: list) -> Any:
    """A response with the answers for what was refused; it may not be there yet."""

    def merge(value: dict | None) -> dict | None:
        return value if value is None else value | {results: [*value.get(results, ()), *refused]}

    if not isinstance(response, Later):
        return merge(response)
    later = Later(response.abandon)
    response.then(lambda value: later.set(merge(value)))
    return later


# ---------------------------------------------------------------------- what is special


def metadata(asked: Asked) -> Any:
    """Unnamed topics that may not be seen are not told of; a name that may not is refused."""
    request = asked.request
    if request["topics"] is None or (asked.call.version == 0 and not request["topics"]):
        response = asked.proceed()
        seen = [t for t in response["topics"] if asked.may(O.DESCRIBE, R.TOPIC, t["name"])]
        return response | {"topics": seen}
    wanted, refused = [], []
    for item in request["topics"]:
        name = asked.topic_name(item)
        new = name is not None and name not in asked.broker.topics.by_name
        if name is None or asked.may(O.DESCRIBE, R.TOPIC, name):
            creates = new and request["allow_auto_topic_creation"]
            if not creates or _may_create(asked, name or ""):
                wanted.append(item)
                continue
        refused.append(
            {
                "error_code": Code.TOPIC_AUTHORIZATION_FAILED,
                "name": item["name"],
                "topic_id": bytes(16) if item["name"] else item["topic_id"],
            }
        )
    return merged(asked.proceed(topics=wanted), "topics", refused)


def _may_create(asked: Asked, name: str) -> bool:
    return asked.may(O.CREATE, R.CLUSTER) or asked.may(O.CREATE, R.TOPIC, name)


def create_topics(asked: Asked) -> Any:
    """By the cluster, or by the topic's name."""
    allowed, refused = [], []
    for item in asked.request["topics"]:
        if _may_create(asked, item["name"]):
            allowed.append(item)
        else:
            refused.append(flat("name")(item, Code.TOPIC_AUTHORIZATION_FAILED))
    return merged(asked.proceed(topics=allowed), "topics", refused)


def delete_topics(asked: Asked) -> Any:
    """By name in two places, or by id."""
    ids = Items("topics", "responses", O.DELETE, answer=flat("name", "topic_id"))
    named = Items(
        "topic_names", "responses", O.DELETE, name="",
        answer=lambda name, code: {"name": name, "error_code": code},
    )
    topics, refused = ids.split(asked)
    names, more = named.split(asked)
    return merged(asked.proceed(topics=topics, topic_names=names), "responses", refused + more)


def find_coordinator(asked: Asked) -> Any:
    """Of a group, or of a transactional id."""
    kind = (R.GROUP, R.TRANSACTIONAL_ID)[min(asked.request["key_type"], 1)]

    def refusal(key: str, code: Code) -> dict[str, Any]:
        return {"key": key, "node_id": -1, "port": -1, "error_code": code}

    many = Items("coordinator_keys", "coordinators", O.DESCRIBE, kind, refusal, name="")
    if asked.request["coordinator_keys"]:
        return many(asked)
    if asked.may(O.DESCRIBE, kind, asked.request["key"]):
        return asked.proceed()
    return {"node_id": -1, "port": -1, "error_code": REFUSAL[kind], "error_message": None}


def offset_fetch(asked: Asked) -> Any:
    """Of one group, or of many (version 8); topics that may not be seen are left out."""

    def seen(topics: list[dict] | None) -> list[dict] | None:
        if topics is None:
            return None
        return [t for t in topics if asked.may(O.DESCRIBE, R.TOPIC, asked.topic_name(t) or "")]

    request = asked.request
    if not request["groups"]:
        if not asked.may(O.DESCRIBE, R.GROUP, request["group_id"]):
            return {"error_code": Code.GROUP_AUTHORIZATION_FAILED}
        return asked.proceed(topics=seen(request["topics"]))
    groups, refused = [], []
    for group in request["groups"]:
        if asked.may(O.DESCRIBE, R.GROUP, group["group_id"]):
            groups.append(group | {"topics": seen(group["topics"])})
        else:
            refused.append(flat("group_id")(group, Code.GROUP_AUTHORIZATION_FAILED))
    return merged(asked.proceed(groups=groups), "groups", refused)


def list_groups(asked: Asked) -> Any:
    """All to who may describe the cluster, else those that one may describe."""
    response = asked.proceed()
    if asked.may(O.DESCRIBE, R.CLUSTER):
        return response
    groups = [g for g in response["groups"] if asked.may(O.DESCRIBE, R.GROUP, g["group_id"])]
    return response | {"groups": groups}


def init_producer_id(asked: Asked) -> Any:
    """A transactional id is asked about; without, whoever may write anything may."""
    name = asked.request["transactional_id"]
    if name is not None:
        return Whole(O.WRITE, R.TRANSACTIONAL_ID, "transactional_id")(asked)
    call = asked.call
    if asked.may(O.IDEMPOTENT_WRITE, R.CLUSTER) or asked.broker.authorizer.allows_some(
        call.principal, call.host, O.WRITE, R.TOPIC
    ):
        return asked.proceed()
    return {"error_code": Code.CLUSTER_AUTHORIZATION_FAILED, "producer_id": -1}


def add_partitions(asked: Asked) -> Any:
    """All partitions or none; many transactions at once (version 4) are for brokers."""
    request = asked.request
    if request["transactions"]:
        return Whole(O.CLUSTER_ACTION)(asked)
    if not asked.may(O.WRITE, R.TRANSACTIONAL_ID, request["transactional_id"]):
        codes = dict.fromkeys(
            (t["name"] for t in request["topics"]), Code.TRANSACTIONAL_ID_AUTHORIZATION_FAILED
        )
    else:
        codes = {
            t["name"]: Code.OPERATION_NOT_ATTEMPTED
            if asked.may(O.WRITE, R.TOPIC, t["name"])
            else Code.TOPIC_AUTHORIZATION_FAILED
            for t in request["topics"]
        }
        if set(codes.values()) <= {Code.OPERATION_NOT_ATTEMPTED}:
            return asked.proceed()
    results = [
        {
            "name": t["name"],
            "results_by_partition": [
                {"partition_index": index, "partition_error_code": codes[t["name"]]}
                for index in t["partitions"]
            ],
        }
        for t in request["topics"]
    ]
    return {"results_by_topic": results}


def topic_pages(asked: Asked) -> Any:
    """No names mean all topics: all that may be seen."""
    wanted = asked.request["topics"] or [{"name": n} for n in sorted(asked.broker.topics.by_name)]
    seen = [t for t in wanted if asked.may(O.DESCRIBE, R.TOPIC, t["name"])]
    refused = [
        {"name": t["name"], "error_code": Code.TOPIC_AUTHORIZATION_FAILED}
        for t in asked.request["topics"]
        if t not in seen
    ]
    if not seen:
        return {"topics": refused}
    return merged(asked.proceed(topics=seen), "topics", refused)


def configs(results: str, operation: Operation) -> Rule:
    """Topics and groups by their names, brokers by the cluster."""
    kinds = {2: R.TOPIC, 32: R.GROUP}
    answer = flat("resource_type", "resource_name")

    def rule(asked: Asked) -> Any:
        allowed, refused = [], []
        for item in asked.request["resources"]:
            kind = kinds.get(item["resource_type"], R.CLUSTER)
            name = CLUSTER_NAME if kind is R.CLUSTER else item["resource_name"]
            if asked.may(operation, kind, name):
                allowed.append(item)
            else:
                refused.append(answer(item, REFUSAL[kind]))
        return merged(asked.proceed(resources=allowed), results, refused)

    return rule


def alter_scram(asked: Asked) -> Any:
    """By the cluster; a refusal names each user."""
    if asked.may(O.ALTER, R.CLUSTER):
        return asked.proceed()
    items = [*asked.request["deletions"], *asked.request["upsertions"]]
    users = dict.fromkeys(item["name"] for item in items)
    code = Code.CLUSTER_AUTHORIZATION_FAILED
    return {"results": [{"user": user, "error_code": code} for user in users]}


def _producers(item: dict, code: Code) -> dict[str, Any]:
    indexes = item["partition_indexes"]
    return {
        "name": item["name"],
        "partitions": [{"partition_index": index, "error_code": code} for index in indexes],
    }


def subscription(asked: Asked) -> Any:
    """One topic that may not be seen is enough to refuse all of them."""
    names = asked.request["subscribed_topic_names"] or ()
    if all(asked.may(O.DESCRIBE, R.TOPIC, name) for name in names):
        return asked.proceed()
    return {"error_code": Code.TOPIC_AUTHORIZATION_FAILED}


def _markers(item: dict, code: Code) -> dict[str, Any]:
    topics = [_producers(topic, code) for topic in item["topics"]]
    return {"producer_id": item["producer_id"], "topics": topics}


def _elections(item: dict, code: Code) -> dict[str, Any]:
    results = [{"partition_id": index, "error_code": code} for index in item["partitions"]]
    return {"topic": item["topic"], "partition_result": results}


def _error(item: Any, code: Code) -> dict[str, Any]:
    return {"error_code": code}


# ---------------------------------------------------------------------- the table

_TOPICS = Items("topics", "topics", O.WRITE)
_READ_GROUP = Whole(O.READ, R.GROUP, "group_id")
_READ_TOPICS = Items("topics", "topics", O.READ)
_DELETE_GROUPS = Items(
    "groups", "results", O.DELETE, R.GROUP, name="",
    answer=lambda group, code: {"group_id": group, "error_code": code},
)
_DESCRIBE_GROUPS = Items(
    "groups", "groups", O.DESCRIBE, R.GROUP, name="",
    answer=lambda group, code: {"group_id": group, "error_code": code},
)

RULES: dict[int, Rule] = {
    0: Whole(O.WRITE, R.TRANSACTIONAL_ID, "transactional_id", then=_TOPICS, refuse=_TOPICS),
    1: _READ_TOPICS,
    2: Items("topics", "topics", O.DESCRIBE),
    3: metadata,
    8: Whole(O.READ, R.GROUP, "group_id", then=_READ_TOPICS, refuse=_READ_TOPICS),
    9: offset_fetch,
    10: find_coordinator,
    11: _READ_GROUP,
    12: _READ_GROUP,
    13: _READ_GROUP,
    14: _READ_GROUP,
    15: _DESCRIBE_GROUPS,
    16: list_groups,
    19: create_topics,
    20: delete_topics,
    21: Items("topics", "topics", O.DELETE),
    22: init_producer_id,
    23: Items("topics", "topics", O.DESCRIBE),
    24: add_partitions,
    25: Whole(O.WRITE, R.TRANSACTIONAL_ID, "transactional_id", then=_READ_GROUP),
    26: Whole(O.WRITE, R.TRANSACTIONAL_ID, "transactional_id"),
    27: Whole(
        O.CLUSTER_ACTION, refuse=Items("markers", "markers", O.CLUSTER_ACTION, answer=_markers)
    ),
    28: Whole(
        O.WRITE, R.TRANSACTIONAL_ID, "transactional_id", refuse=_READ_TOPICS,
        then=Whole(O.READ, R.GROUP, "group_id", then=_READ_TOPICS, refuse=_READ_TOPICS),
    ),
    29: Whole(O.DESCRIBE),
    30: Whole(O.ALTER, refuse=Items("creations", "results", O.ALTER, answer=_error)),
    31: Whole(O.ALTER, refuse=Items("filters", "filter_results", O.ALTER, answer=_error)),
    32: configs("results", O.DESCRIBE_CONFIGS),
    33: configs("responses", O.ALTER_CONFIGS),
    35: Whole(O.DESCRIBE),
    37: Items("topics", "results", O.ALTER, answer=flat("name")),
    42: _DELETE_GROUPS,
    43: Whole(
        O.ALTER,
        refuse=Items("topic_partitions", "replica_election_results", O.ALTER, answer=_elections),
    ),
    44: configs("responses", O.ALTER_CONFIGS),
    45: Whole(O.ALTER),
    46: Whole(O.DESCRIBE),
    47: Whole(O.DELETE, R.GROUP, "group_id", then=_READ_TOPICS),
    48: Whole(O.DESCRIBE_CONFIGS),
    49: Whole(
        O.ALTER_CONFIGS, refuse=Items("entries", "entries", O.ALTER, answer=flat("entity"))
    ),
    50: Whole(O.DESCRIBE),
    51: alter_scram,
    55: Whole(O.DESCRIBE),
    60: Asked.proceed,
    61: Items("topics", "topics", O.READ, answer=_producers),
    65: Items(
        "transactional_ids", "transaction_states", O.DESCRIBE, R.TRANSACTIONAL_ID, name="",
        answer=lambda name, code: {"transactional_id": name, "error_code": code},
    ),
    66: Whole(O.DESCRIBE),
    68: Whole(O.READ, R.GROUP, "group_id", then=subscription),
    69: Items(
        "group_ids", "groups", O.DESCRIBE, R.GROUP, name="",
        answer=lambda group, code: {"group_id": group, "error_code": code},
    ),
    74: Whole(O.DESCRIBE_CONFIGS),
    75: topic_pages,
}


def authorized(broker: Broker, key: int, handler: Handler, request: dict, call: Call) -> Any:
    """What the handler answers to what the client may ask, and a refusal of the rest."""
    rule = RULES.get(key)
    if rule is None:
        return handler(broker, request, call)
    return rule(Asked(broker, handler, request, call))
