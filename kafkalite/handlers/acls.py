"""Listing, adding and removing access control entries."""

from __future__ import annotations

import itertools
from typing import Any

from kafkalite.acls import CLUSTER_NAME, Acl, AclFilter, Operation, Pattern, Permission, Resource
from kafkalite.broker import Broker, Call
from kafkalite.errors import Code, KafkaError


def _filter(item: dict[str, Any]) -> AclFilter:
    return AclFilter(
        item["resource_type_filter"], item["resource_name_filter"], item["pattern_type_filter"],
        item["principal_filter"], item["host_filter"], item["operation"], item["permission_type"],
    )


def describe_acls(broker: Broker, request: dict, call: Call) -> dict[str, Any]:
    """The entries that a filter admits, by resource."""
    found = sorted(broker.authorizer.find(_filter(request)))
    resources = []
    for (kind, name, pattern), acls in itertools.groupby(found, lambda acl: acl[:3]):
        entries = [
            {
                "principal": acl.principal,
                "host": acl.host,
                "operation": acl.operation,
                "permission_type": acl.permission,
            }
            for acl in acls
        ]
        resources.append(
            {
                "resource_type": kind,
                "resource_name": name,
                "pattern_type": pattern,
                "acls": entries,
            }
        )
    return {"resources": resources}


def create_acls(broker: Broker, request: dict, call: Call) -> dict[str, Any]:
    """Add entries; those that make no sense are refused one by one."""
    results: list[dict[str, Any]] = []
    acls = []
    for item in request["creations"]:
        acl = Acl(*(item[field] for field in (
            "resource_type", "resource_name", "resource_pattern_type", "principal", "host",
            "operation", "permission_type",
        )))
        try:
            _check(acl)
        except KafkaError as exc:
            results.append({"error_code": exc.code, "error_message": exc.message})
            continue
        acls.append(acl)
        results.append({})
    try:
        broker.authorizer.add(acls)
    except KafkaError as exc:
        refused = {"error_code": exc.code, "error_message": exc.message}
        results = [result or refused for result in results]
    return {"results": results}


def _check(acl: Acl) -> None:
    """KafkaError unless an entry can be."""
    try:
        concrete = (
            Resource(acl.resource) is not Resource.ANY
            and Operation(acl.operation) is not Operation.ANY
            and Permission(acl.permission) is not Permission.ANY
            and Pattern(acl.pattern) in (Pattern.LITERAL, Pattern.PREFIXED)
        )
    except ValueError:
        concrete = False
    kind, colon, _ = acl.principal.partition(":")
    if not concrete:
        raise KafkaError(Code.INVALID_REQUEST, "An ACL names what it is about: no filters here")
    if not (kind and colon):
        raise KafkaError(
            Code.INVALID_REQUEST,
            f"Could not parse principal from `{acl.principal}` (no colon is present separating "
            "the principal type from the principal name)",
        )
    if not acl.name:
        raise KafkaError(Code.INVALID_REQUEST, "Resource name should not be empty")
    if acl.resource == Resource.CLUSTER and acl.name != CLUSTER_NAME:
        raise KafkaError(
            Code.INVALID_REQUEST, f"The only valid name for the CLUSTER resource is {CLUSTER_NAME}"
        )


def delete_acls(broker: Broker, request: dict, call: Call) -> dict[str, Any]:
    """Remove the entries that filters admit, and tell which they were."""
    matches = [broker.authorizer.find(_filter(item)) for item in request["filters"]]
    try:
        broker.authorizer.remove(itertools.chain.from_iterable(matches))
    except KafkaError as exc:
        refused = {"error_code": exc.code, "error_message": exc.message}
        return {"filter_results": [refused for _ in matches]}
    names = ("resource_type", "resource_name", "pattern_type", "principal", "host", "operation",
             "permission_type")
    return {
        "filter_results": [
            {"matching_acls": [dict(zip(names, acl, strict=True)) for acl in acls]}
            for acls in matches
        ]
    }
