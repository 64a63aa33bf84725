"""kafka-configs.sh: options of topics, brokers and groups; quotas; SCRAM users."""

from __future__ import annotations

import argparse
import hashlib
from typing import Any

from bedrock.world import OsRand
from kafkalite.client import Client, Failed, check
from kafkalite.errors import Code
from kafkalite.quotas import ADDRESS, CLIENT_ID, KEYS, USER
from kafkalite.scram import HASH, MECHANISMS, MIN_ITERATIONS, NUMBER, SALT_BYTES
from kafkalite.tools.common import Refused, pairs, parser, run
from kafkalite.topic_config import Source

# Entity type -> resource type in the protocol, and how it is called in what is printed.
RESOURCES = {"topics": (2, "topic"), "brokers": (4, "broker"), "groups": (32, "group")}
QUOTAS = {"users": USER, "clients": CLIENT_ID, "ips": ADDRESS}
QUOTA_TITLES = {USER: "user-principal", CLIENT_ID: "client-id", ADDRESS: "ip"}
SHORT = {"topic": "topics", "broker": "brokers", "group": "groups", "user": "users",
         "client": "clients", "ip": "ips"}
SOURCES = {
    Source.TOPIC: "DYNAMIC_TOPIC_CONFIG",
    Source.BROKER: "DYNAMIC_BROKER_CONFIG",
    Source.ALL_BROKERS: "DYNAMIC_DEFAULT_BROKER_CONFIG",
    Source.STATIC_BROKER: "STATIC_BROKER_CONFIG",
    Source.DEFAULT: "DEFAULT_CONFIG",
    Source.GROUP: "DYNAMIC_GROUP_CONFIG",
}
SET, DELETE = 0, 1
EXACT, DEFAULT, ANY = 0, 1, 2
# (entity type, name); None for the default, "" for all of the type.
Entity = tuple[str, str | None]


def main(argv: list[str] | None = None) -> int:
    """The command line."""
    made = parser("kafka-configs.sh", __doc__ or "")
    action = made.add_mutually_exclusive_group(required=True)
    action.add_argument("--alter", action="store_true")
    action.add_argument("--describe", action="store_true")
    made.add_argument("--all", action="store_true", help="with --describe: defaults too")
    # In the order given: --entity-type users --entity-name a --entity-type clients ...
    made.add_argument(
        "--entity-type", dest="entities", action=_EntityType, choices=[*RESOURCES, *QUOTAS]
    )
    made.add_argument("--entity-name", dest="entities", action=_EntityName)
    made.add_argument("--entity-default", dest="entities", action=_EntityDefault, nargs=0)
    for name in SHORT:
        made.add_argument(f"--{name}", dest="entities", action=_Short)
        made.add_argument(f"--{name}-defaults", dest="entities", action=_Short, nargs=0)
    made.add_argument("--add-config", default="", metavar="K=V,K=[V,V]")
    made.add_argument("--add-config-file", metavar="FILE")
    made.add_argument("--delete-config", default="", metavar="K,K")
    made.add_argument("--force", action="store_true", help="accepted")
    options = made.parse_args(argv)
    if not options.entities:
        made.error("At least one entity type must be specified")

    async def work(client: Client) -> None:
        if options.entities[0][0] in RESOURCES:
            await (_alter if options.alter else _describe)(client, options)
        else:
            await (_alter_client if options.alter else _describe_client)(client, options)

    return run("config", options, work)


class _Entities(argparse.Action):
    """Collects entities as (type, name) in the order of their flags."""

    def __call__(self, made: Any, options: Any, values: Any, flag: Any = None) -> None:
        held: list[Entity] = list(options.entities or ())
        self.take(held, values, flag, made)
        options.entities = held

    def take(self, held: list[Entity], value: Any, flag: str, made: Any) -> None:
        raise NotImplementedError

    @staticmethod
    def name(held: list[Entity], name: str | None, made: Any) -> None:
        """Names belong to the types in turn, whichever come first."""
        for i, (kind, known) in enumerate(held):
            if known == "":
                held[i] = (kind, name)
                return
        made.error("--entity-name and --entity-default need an --entity-type before them")


class _EntityType(_Entities):
    def take(self, held: list[Entity], value: Any, flag: str, made: Any) -> None:
        held.append((value, ""))


class _EntityName(_Entities):
    def take(self, held: list[Entity], value: Any, flag: str, made: Any) -> None:
        self.name(held, value, made)


class _EntityDefault(_Entities):
    def take(self, held: list[Entity], value: Any, flag: str, made: Any) -> None:
        self.name(held, None, made)


class _Short(_Entities):
    """--topic NAME, --user-defaults."""

    def take(self, held: list[Entity], value: Any, flag: str, made: Any) -> None:
        name = flag.removeprefix("--")
        if name.endswith("-defaults"):
            held.append((SHORT[name.removesuffix("-defaults")], None))
        else:
            held.append((SHORT[name], value))


def _added(options: argparse.Namespace) -> dict[str, str]:
    """`a=1,b=[x,y]` as a dict: commas inside of brackets belong to the value."""
    words, depth, word = [], 0, ""
    for char in options.add_config:
        depth += {"[": 1, "]": -1}.get(char, 0)
        if char == "," and depth == 0:
            words.append(word)
            word = ""
        else:
            word += char
    if word:
        words.append(word)
    added = {
        name: value[1:-1] if value.startswith("[") and value.endswith("]") else value
        for name, value in pairs(words).items()
    }
    if options.add_config_file:
        from kafkalite.tools.common import properties

        added |= properties(options.add_config_file)
    return added


def _deleted(options: argparse.Namespace) -> list[str]:
    return [name.strip() for name in options.delete_config.split(",") if name.strip()]


# ---------------------------------------------------------------------- topics, brokers, groups


async def _alter(client: Client, options: argparse.Namespace) -> None:
    kind, name = options.entities[0]
    number, title = RESOURCES[kind]
    configs = [{"name": k, "value": v, "config_operation": SET} for k, v in _added(options).items()]
    configs += [
        {"name": k, "value": None, "config_operation": DELETE} for k in _deleted(options)
    ]
    if not configs:
        raise Refused("At least one of --add-config, --add-config-file, --delete-config is needed")
    if name == "":
        raise Refused("An entity name or --entity-default must be specified with --alter")
    resource = {"resource_type": number, "resource_name": name or "", "configs": configs}
    response = await client.call("IncrementalAlterConfigs", resources=[resource])
    check(response["responses"][0])
    whom = f"default {title}s in the cluster" if name is None else f"{title} {name}"
    print(f"Completed updating {'default ' if name is None else ''}config for {whom}.")


async def _describe(client: Client, options: argparse.Namespace) -> None:
    kind, name = options.entities[0]
    number, title = RESOURCES[kind]
    names: list[str | None] = [name]
    if name == "":
        names = list(await _all_of(client, kind))
    for each in names:
        resource = {
            "resource_type": number, "resource_name": each or "", "configuration_keys": None,
        }
        response = await client.call(
            "DescribeConfigs", resources=[resource], include_synonyms=True
        )
        configs = check(response["results"][0])["configs"]
        whom = f"{title} {each}" if each else f"{title}s in the cluster"
        print(
            f"All configs for {whom} are:" if options.all
            else f"Dynamic configs for {whom} are:" if each
            else f"Default configs for {whom} are:"
        )
        dynamic = {Source.TOPIC, Source.BROKER, Source.ALL_BROKERS, Source.GROUP}
        for config in sorted(configs, key=lambda config: config["name"]):
            if not options.all and config["config_source"] not in dynamic:
                continue
            synonyms = ", ".join(
                f"{SOURCES[Source(s['source'])]}:{s['name']}={s['value']}"
                for s in config["synonyms"]
            )
            print(
                f"  {config['name']}={config['value']} "
                f"sensitive={str(config['is_sensitive']).lower()} synonyms={{{synonyms}}}"
            )


async def _all_of(client: Client, kind: str) -> list[str]:
    if kind == "topics":
        return [topic["name"] for topic in await client.topics()]
    if kind == "brokers":
        brokers = (await client.call("DescribeCluster"))["brokers"]
        return [str(broker["broker_id"]) for broker in brokers]
    listed = await client.call("ListConfigResources", resource_types=[RESOURCES[kind][0]])
    return [resource["resource_name"] for resource in check(listed)["config_resources"]]


# ---------------------------------------------------------------------- users, clients, addresses


async def _alter_client(client: Client, options: argparse.Namespace) -> None:
    added, deleted = _added(options), _deleted(options)
    scram = [name for name in (*added, *deleted) if name in HASH]
    quotas = [name for name in (*added, *deleted) if name in KEYS]
    unknown = {*added, *deleted} - {*scram, *quotas}
    if unknown:
        raise Refused(f"Unknown config names: {', '.join(sorted(unknown))}")
    if scram:
        await _alter_scram(client, options.entities[0][1], added, deleted)
    if quotas:
        entity = [{"entity_type": QUOTAS[k], "entity_name": n} for k, n in options.entities]
        ops = [
            {"key": name, "value": float(added.get(name, 0)), "remove": name not in added}
            for name in quotas
        ]
        response = await client.call("AlterClientQuotas", entries=[{"entity": entity, "ops": ops}])
        check(response["entries"][0])
    whom = " and ".join(
        f"default {k}" if n is None else f"{k.removesuffix('s')} {n}" for k, n in options.entities
    )
    print(f"Completed updating config for {whom}.")


async def _alter_scram(
    client: Client, user: str | None, added: dict[str, str], deleted: list[str]
) -> None:
    if not user:
        raise Refused("SCRAM credentials are for users by name")
    upsertions = []
    for mechanism in (name for name in added if name in HASH):
        given = pairs(added[mechanism].split(","))
        if "password" not in given:
            raise Refused(f"{mechanism}: want [iterations=N,password=TEXT]")
        iterations = int(given.get("iterations", MIN_ITERATIONS))
        salt = OsRand().bytes(SALT_BYTES)
        salted = hashlib.pbkdf2_hmac(
            HASH[mechanism], given["password"].encode(), salt, iterations
        )
        upsertions.append(
            {
                "name": user,
                "mechanism": NUMBER[mechanism],
                "iterations": iterations,
                "salt": salt,
                "salted_password": salted,
            }
        )
    deletions = [{"name": user, "mechanism": NUMBER[name]} for name in deleted if name in HASH]
    response = await client.call(
        "AlterUserScramCredentials", deletions=deletions, upsertions=upsertions
    )
    for result in response["results"]:
        check(result)


async def _describe_client(client: Client, options: argparse.Namespace) -> None:
    components = [
        {
            "entity_type": QUOTAS[kind],
            "match_type": DEFAULT if name is None else EXACT if name else ANY,
            "match": name or None,
        }
        for kind, name in options.entities
    ]
    quotas = check(await client.call("DescribeClientQuotas", components=components, strict=True))
    for entry in quotas["entries"] or ():
        whom = ", ".join(
            f"the default {QUOTA_TITLES[e['entity_type']]}" if e["entity_name"] is None
            else f"{QUOTA_TITLES[e['entity_type']]} '{e['entity_name']}'"
            for e in entry["entity"]
        )
        values = ", ".join(f"{v['key']}={v['value']}" for v in entry["values"])
        print(f"Quota configs for {whom} are {values}")
    kind, name = options.entities[0]
    if kind != "users" or name is None or len(options.entities) > 1:
        return
    users = [{"name": name}] if name else None
    response = check(await client.call("DescribeUserScramCredentials", users=users))
    for result in response["results"]:
        if result["error_code"] == Code.RESOURCE_NOT_FOUND:
            continue
        if result["error_code"]:
            raise Failed(result["error_code"], result["error_message"])
        held = ", ".join(
            f"{MECHANISMS[info['mechanism']][0]}=iterations={info['iterations']}"
            for info in result["credential_infos"]
        )
        print(f"SCRAM credential configs for user-principal '{result['user']}' are {held}")
