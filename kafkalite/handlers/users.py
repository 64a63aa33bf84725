"""Who may log in by SCRAM, and who may take how much."""

from __future__ import annotations

import math
from typing import Any

from kafkalite.broker import Broker, Call
from kafkalite.errors import Code, KafkaError
from kafkalite.quotas import KEYS, Entity, entity_of
from kafkalite.scram import MAX_ITERATIONS, MECHANISMS, MIN_ITERATIONS, NUMBER, Credential

EXACT, DEFAULT, ANY = 0, 1, 2  # how a filter of quotas means a part of an entity


def describe_scram(broker: Broker, request: dict, call: Call) -> dict[str, Any]:
    """Which mechanisms users have credentials for; never the credentials."""
    held = broker.users.credentials
    if not request["users"]:
        return {"results": [_scram_of(user, held[user]) for user in sorted(held)]}
    names = [item["name"] for item in request["users"]]
    results = []
    for name in dict.fromkeys(names):
        if names.count(name) > 1:
            code, message = Code.DUPLICATE_RESOURCE, f"Cannot describe user {name} twice"
        elif name not in held:
            code = Code.RESOURCE_NOT_FOUND
            message = (
                "Attempt to describe a user credential that does not exist: " + name
            )
        else:
            results.append(_scram_of(name, held[name]))
            continue
        results.append({"user": name, "error_code": code, "error_message": message})
    return {"results": results}


def _scram_of(user: str, held: dict[str, Credential]) -> dict[str, Any]:
    infos = [
        {"mechanism": NUMBER[mechanism], "iterations": credential.iterations}
        for mechanism, credential in held.items()
    ]
    return {"user": user, "credential_infos": infos}


def alter_scram(broker: Broker, request: dict, call: Call) -> dict[str, Any]:
    """Set and remove credentials; a user's changes succeed or fail together."""
    changes: dict[str, list[dict]] = {}
    for item in [*request["deletions"], *request["upsertions"]]:
        changes.setdefault(item["name"], []).append(item)
    held = dict(broker.users.credentials)
    results: list[dict[str, Any]] = []
    for user, items in changes.items():
        try:
            after = _changed(user, held.get(user, {}), items)
        except KafkaError as exc:
            results.append({"user": user, "error_code": exc.code, "error_message": exc.message})
            continue
        held[user] = after
        if not after:
            del held[user]
        results.append({"user": user})
    try:
        broker.users.change(held)
    except KafkaError as exc:
        refused = {"error_code": exc.code, "error_message": exc.message}
        results = [result if "error_code" in result else result | refused for result in results]
    return {"results": results}


def _changed(user: str, held: dict[str, Credential], items: list[dict]) -> dict[str, Credential]:
    after = dict(held)
    mechanisms = [item["mechanism"] for item in items]
    if len(set(mechanisms)) < len(mechanisms):
        raise KafkaError(
            Code.DUPLICATE_RESOURCE,
            "A user credential cannot be altered twice in the same request",
        )
    for item in items:
        if not user:
            raise KafkaError(Code.UNACCEPTABLE_CREDENTIAL, "Username must not be empty")
        if item["mechanism"] not in MECHANISMS:
            raise KafkaError(Code.UNSUPPORTED_SASL_MECHANISM, "Unknown SCRAM mechanism")
        name, hash_ = MECHANISMS[item["mechanism"]]
        if "salted_password" not in item:
            if name not in after:
                raise KafkaError(
                    Code.RESOURCE_NOT_FOUND,
                    "Attempt to delete a user credential that does not exist",
                )
            del after[name]
            continue
        if item["iterations"] < MIN_ITERATIONS:
            raise KafkaError(Code.UNACCEPTABLE_CREDENTIAL, "Too few iterations")
        if item["iterations"] > MAX_ITERATIONS:
            raise KafkaError(Code.UNACCEPTABLE_CREDENTIAL, "Too many iterations")
        after[name] = Credential.from_salted(
            hash_, item["salt"], item["iterations"], item["salted_password"]
        )
    return after


# ---------------------------------------------------------------------- quotas


def describe_quotas(broker: Broker, request: dict, call: Call) -> dict[str, Any]:
    """The quotas of the entities that all components of a filter admit."""
    components = request["components"]
    kinds = {c["entity_type"] for c in components}

    def admits(entity: Entity) -> bool:
        parts = dict(entity)
        for component in components:
            kind, how = component["entity_type"], component["match_type"]
            if kind not in parts:
                return False
            if how == EXACT and parts[kind] != component["match"]:
                return False
            if how == DEFAULT and parts[kind] is not None:
                return False
        return not request["strict"] or set(parts) == kinds

    return {
        "entries": [
            {
                "entity": _parts(entity),
                "values": [{"key": key, "value": value} for key, value in values.items()],
            }
            for entity, values in broker.quotas.limits.items()
            if admits(entity)
        ]
    }


def _parts(entity: Entity) -> list[dict[str, Any]]:
    return [{"entity_type": kind, "entity_name": name} for kind, name in entity]


def alter_quotas(broker: Broker, request: dict, call: Call) -> dict[str, Any]:
    """Set and remove quotas."""
    limits = {entity: dict(values) for entity, values in broker.quotas.limits.items()}
    entries: list[dict[str, Any]] = []
    for item in request["entries"]:
        entity = entity_of([(p["entity_type"], p["entity_name"]) for p in item["entity"]])
        entry: dict[str, Any] = {"entity": _parts(entity)}
        try:
            limits[entity] = _altered(entity, limits.get(entity, {}), item["ops"])
        except KafkaError as exc:
            entry |= {"error_code": exc.code, "error_message": exc.message}
        entries.append(entry)
    if not request["validate_only"]:
        try:
            broker.quotas.change(limits)
        except KafkaError as exc:
            refused = {"error_code": exc.code, "error_message": exc.message}
            entries = [entry | refused for entry in entries]
    return {"entries": entries}


def _altered(entity: Entity, held: dict[str, float], ops: list[dict]) -> dict[str, float]:
    after = dict(held)
    kinds = {kind for kind, _ in entity}
    if not kinds or len(kinds) < len(entity):
        raise KafkaError(Code.INVALID_REQUEST, "Invalid client quota entity")
    for op in ops:
        key, value = op["key"], op["value"]
        if not kinds <= set(KEYS.get(key, ())):
            raise KafkaError(Code.INVALID_REQUEST, f"Invalid configuration key {key}")
        if op["remove"]:
            after.pop(key, None)
            continue
        if not (value > 0 and math.isfinite(value)):
            raise KafkaError(Code.INVALID_REQUEST, f"Quota {key} must be greater than 0")
        after[key] = value
    return after
