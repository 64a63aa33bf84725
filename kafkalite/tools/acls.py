"""kafka-acls.sh: add, remove and list access control entries."""

from __future__ import annotations

import argparse
import itertools
from typing import Any

from kafkalite.acls import CLUSTER_NAME, Acl, Operation, Pattern, Permission, Resource
from kafkalite.client import Client, check
from kafkalite.tools.common import Refused, parser, run

# "DescribeConfigs" as well as DESCRIBE_CONFIGS
OPERATIONS = {operation.name.replace("_", "").lower(): operation for operation in Operation}
_O = Operation
PRODUCER = {
    Resource.TOPIC: (_O.WRITE, _O.DESCRIBE, _O.CREATE),
    Resource.TRANSACTIONAL_ID: (_O.WRITE, _O.DESCRIBE),
}
CONSUMER = {Resource.TOPIC: (_O.READ, _O.DESCRIBE), Resource.GROUP: (_O.READ,)}
FIELDS = ("resource_type", "resource_name", "resource_pattern_type", "principal", "host",
          "operation", "permission_type")
Target = tuple[Resource, str]


def main(argv: list[str] | None = None) -> int:
    """The command line."""
    made = parser("kafka-acls.sh", __doc__ or "")
    action = made.add_mutually_exclusive_group(required=True)
    for name in ("add", "remove", "list"):
        action.add_argument(f"--{name}", action="store_true")
    for name in ("topic", "group", "transactional-id", "user-principal", "delegation-token"):
        made.add_argument(f"--{name}", action="append", default=[], metavar="NAME")
    made.add_argument("--cluster", action="store_true")
    made.add_argument(
        "--resource-pattern-type", default="literal", type=str.lower,
        choices=["any", "match", "literal", "prefixed"],
    )
    for name in ("allow-principal", "deny-principal", "allow-host", "deny-host", "principal"):
        made.add_argument(f"--{name}", action="append", default=[], metavar="TEXT")
    made.add_argument("--operation", action="append", default=[], metavar="NAME")
    for name in ("producer", "consumer", "idempotent", "force"):
        made.add_argument(f"--{name}", action="store_true")
    options = made.parse_args(argv)

    async def work(client: Client) -> None:
        if options.list:
            await _list(client, _targets(options), options.principal, options)
        else:
            await (_add if options.add else _remove)(client, options)

    return run("ACL", options, work)


def _targets(options: argparse.Namespace) -> list[Target]:
    named = (
        (Resource.TOPIC, options.topic),
        (Resource.GROUP, options.group),
        (Resource.TRANSACTIONAL_ID, options.transactional_id),
        (Resource.USER, options.user_principal),
        (Resource.DELEGATION_TOKEN, options.delegation_token),
        (Resource.CLUSTER, [CLUSTER_NAME] if options.cluster or options.idempotent else []),
    )
    return [(kind, name) for kind, names in named for name in names]


def _operations(options: argparse.Namespace, resource: Resource) -> list[Operation]:
    """What is to be allowed or denied for a resource."""
    if options.producer or options.consumer or options.idempotent:
        wanted: list[Operation] = []
        if options.producer:
            wanted += PRODUCER.get(resource, ())
        if options.consumer:
            wanted += CONSUMER.get(resource, ())
        if options.idempotent and resource is Resource.CLUSTER:
            wanted.append(Operation.IDEMPOTENT_WRITE)
        return list(dict.fromkeys(wanted))
    try:
        names = options.operation or ["All"]
        return [OPERATIONS[name.replace("_", "").lower()] for name in names]
    except KeyError as exc:
        raise Refused(f"ResourceType operation {exc} is not known") from None


def _acls(options: argparse.Namespace) -> list[Acl]:
    targets = _targets(options)
    if not targets:
        raise Refused(
            "You must specify at least one resource: --topic <topic> or --cluster or "
            "--group <group>"
        )
    pattern = Pattern[options.resource_pattern_type.upper()]
    acls = []
    for permission, principals, hosts in (
        (Permission.ALLOW, options.allow_principal, options.allow_host),
        (Permission.DENY, options.deny_principal, options.deny_host),
    ):
        for (kind, name), principal, host in itertools.product(
            targets, principals, hosts or ["*"]
        ):
            acls += [
                Acl(kind, name, pattern, principal, host, operation, permission)
                for operation in _operations(options, kind)
            ]
    return acls


async def _add(client: Client, options: argparse.Namespace) -> None:
    acls = _acls(options)
    if not acls:
        raise Refused("You must specify one of: --allow-principal, --deny-principal when adding")
    _print("Adding ACLs", acls)
    creations = [dict(zip(FIELDS, acl, strict=True)) for acl in acls]
    for result in (await client.call("CreateAcls", creations=creations))["results"]:
        check(result)
    await _list(client, _targets(options), [], options)


async def _remove(client: Client, options: argparse.Namespace) -> None:
    acls = _acls(options)
    pattern = Pattern[options.resource_pattern_type.upper()]
    question = "Are you sure you want to delete all ACLs for these resources? (y/n) "
    if not options.force and input(question).strip().lower() not in ("y", "yes"):
        return
    filters = [_filter(acl) for acl in acls] or [
        _filter_of(kind, name, pattern) for kind, name in _targets(options)
    ]
    for result in (await client.call("DeleteAcls", filters=filters))["filter_results"]:
        check(result)
    await _list(client, _targets(options), [], options)


def _filter(acl: Acl) -> dict[str, Any]:
    return {
        **_filter_of(acl.resource, acl.name, acl.pattern),
        "principal_filter": acl.principal,
        "host_filter": acl.host,
        "operation": acl.operation,
        "permission_type": acl.permission,
    }


def _filter_of(kind: int, name: str | None, pattern: int) -> dict[str, Any]:
    return {
        "resource_type_filter": kind,
        "resource_name_filter": name,
        "pattern_type_filter": pattern,
        "principal_filter": None,
        "host_filter": None,
        "operation": Operation.ANY,
        "permission_type": Permission.ANY,
    }


async def _list(
    client: Client, targets: list[Target], principals: list[str], options: argparse.Namespace
) -> None:
    pattern = Pattern[options.resource_pattern_type.upper()]
    wanted = [_filter_of(kind, name, pattern) for kind, name in targets]
    found: dict[Acl, None] = {}
    for each in wanted or [_filter_of(Resource.ANY, None, Pattern.ANY)]:
        for resource in check(await client.call("DescribeAcls", **each))["resources"]:
            for acl in resource["acls"]:
                entry = Acl(
                    resource["resource_type"], resource["resource_name"],
                    resource["pattern_type"], acl["principal"], acl["host"], acl["operation"],
                    acl["permission_type"],
                )
                if not principals or entry.principal in principals:
                    found[entry] = None
    _print("Current ACLs", list(found))


def _print(title: str, acls: list[Acl]) -> None:
    for (kind, name, pattern), group in itertools.groupby(sorted(acls), lambda acl: acl[:3]):
        print(
            f"{title} for resource `ResourcePattern(resourceType={Resource(kind).name}, "
            f"name={name}, patternType={Pattern(pattern).name})`: "
        )
        for acl in group:
            print(
                f" \t(principal={acl.principal}, host={acl.host}, operation="
                f"{Operation(acl.operation).name}, permissionType="
                f"{Permission(acl.permission).name}) "
            )
        print()
