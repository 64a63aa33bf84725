"""Reading and altering configuration: of topics, of the broker, and of groups."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kafkalite.broker import Broker, Call
from kafkalite.broker_config import GROUP_OPTIONS, broker_options
from kafkalite.errors import Code, KafkaError
from kafkalite.settings import ALL, BROKER, GROUP, Held
from kafkalite.topic_config import OPTIONS, ConfigType, Option, Source, words
from kafkalite.topics import Topic

TOPIC_RESOURCE, BROKER_RESOURCE, GROUP_RESOURCE = 2, 4, 32
SET, DELETE, APPEND, SUBTRACT = range(4)
Changed = Callable[[dict[str, str], list[dict]], dict[str, Any]]


def _entry(
    name: str, kind: ConfigType, held: list[tuple[str, Held]], help: str | None, read_only: bool
) -> dict[str, Any]:
    """One option; held: (name it is held under, (value, source)), the one in force first."""
    secret = kind is ConfigType.PASSWORD
    synonyms = [
        {"name": under, "value": None if secret else value, "source": source}
        for under, (value, source) in held
    ]
    return {
        "name": name,
        "value": synonyms[0]["value"],
        "read_only": read_only,
        "config_source": synonyms[0]["source"],
        "is_sensitive": secret,
        "synonyms": synonyms,
        "config_type": kind,
        "documentation": help,
    }


def _topic_entry(broker: Broker, topic: Topic, option: Option) -> dict[str, Any]:
    held: list[tuple[str, Held]] = [(option.name, (option.default, Source.DEFAULT))]
    if option.broker:
        held = [(option.broker, one) for one in broker.settings.held(option.broker)]
    if option.name in topic.overrides:
        held.insert(0, (option.name, (topic.overrides[option.name], Source.TOPIC)))
    return _entry(option.name, option.type, held, option.help, False)


def describe_topic(broker: Broker, topic: Topic) -> list[dict[str, Any]]:
    """Every option of a topic, with where its value comes from."""
    return [_topic_entry(broker, topic, option) for option in OPTIONS.values()]


def _describe_broker(broker: Broker) -> list[dict[str, Any]]:
    entries = []
    for option in broker_options().values():
        held = [(option.name, one) for one in broker.settings.held(option.name)]
        entries.append(_entry(option.name, option.type, held, None, not option.dynamic))
    return entries


def _describe_all_brokers(broker: Broker) -> list[dict[str, Any]]:
    """Only what was set for all."""
    return [
        _entry(name, broker_options()[name].type, [(name, (text, Source.ALL_BROKERS))], None, False)
        for name, text in broker.settings.changed(BROKER, ALL).items()
    ]


def _describe_group(broker: Broker, group: str) -> list[dict[str, Any]]:
    entries = []
    changed = broker.settings.changed(GROUP, group)
    for name in GROUP_OPTIONS:
        source = Source.GROUP if name in changed else Source.DEFAULT
        held: Held = (broker.settings.of_group(group, name), source)
        entries.append(_entry(name, ConfigType.INT, [(name, held)], None, False))
    return entries


def describe_configs(broker: Broker, request: dict, call: Call) -> dict[str, Any]:
    """The configuration of topics, groups and of the broker."""
    results = []
    for item in request["resources"]:
        result = {key: item[key] for key in ("resource_type", "resource_name")}
        result["error_message"] = None
        try:
            entries = _describe(broker, item["resource_type"], item["resource_name"])
        except KafkaError as exc:
            result |= {"error_code": exc.code, "error_message": exc.message}
            entries = []
        keys = item["configuration_keys"]
        result["configs"] = [
            _trimmed(entry, request) for entry in entries if not keys or entry["name"] in keys
        ]
        results.append(result)
    return {"results": results}


def _describe(broker: Broker, resource_type: int, name: str) -> list[dict[str, Any]]:
    if resource_type == TOPIC_RESOURCE:
        return describe_topic(broker, broker.topics.find(name))
    if resource_type == GROUP_RESOURCE:
        return _describe_group(broker, name)
    if resource_type == BROKER_RESOURCE:
        _check_broker(broker, name)
        return _describe_broker(broker) if name else _describe_all_brokers(broker)
    raise KafkaError(Code.INVALID_REQUEST, f"Resource type {resource_type} has no configuration.")


def _check_broker(broker: Broker, name: str) -> None:
    if name not in (ALL, str(broker.node_id)):
        raise KafkaError(
            Code.INVALID_REQUEST,
            f"Unexpected broker id, expected {broker.node_id} or empty string, but received {name}",
        )


def _trimmed(entry: dict[str, Any], request: dict) -> dict[str, Any]:
    entry = dict(entry)
    if not request["include_synonyms"]:
        entry["synonyms"] = ()
    if not request["include_documentation"]:
        entry["documentation"] = None
    return entry


def alter_configs(broker: Broker, request: dict, call: Call) -> dict[str, Any]:
    """Replace the whole configuration of topics, groups or brokers."""

    def changed(before: dict[str, str], configs: list[dict]) -> dict[str, Any]:
        return {config["name"]: config["value"] for config in configs}

    return _alter(broker, request, lambda resource_type, name: changed)


def incremental_alter_configs(broker: Broker, request: dict, call: Call) -> dict[str, Any]:
    """Set and unset single options, add to and take from lists."""

    def changer(resource_type: int, name: str) -> Changed:
        def changed(before: dict[str, str], configs: list[dict]) -> dict[str, Any]:
            after: dict[str, Any] = dict(before)
            named = [config["name"] for config in configs]
            if len(set(named)) < len(named):
                raise KafkaError(Code.INVALID_REQUEST, "Error due to duplicate config keys")
            for config in configs:
                _apply(broker, resource_type, after, config)
            return after

        return changed

    return _alter(broker, request, changer)


def _apply(broker: Broker, resource_type: int, after: dict[str, Any], config: dict) -> None:
    name, value, operation = config["name"], config["value"], config["config_operation"]
    if operation == SET:
        after[name] = value
    elif operation == DELETE:
        after.pop(name, None)
    elif operation in (APPEND, SUBTRACT):
        options: dict[str, Any] = OPTIONS if resource_type == TOPIC_RESOURCE else broker_options()
        option = options.get(name)
        if option is None:
            raise KafkaError(Code.INVALID_CONFIG, f"Unknown config name: {name}")
        if option.type is not ConfigType.LIST:
            raise KafkaError(
                Code.INVALID_CONFIG,
                f"Can't {'APPEND' if operation == APPEND else 'SUBTRACT'} to key {name} "
                "because its type is not LIST.",
            )
        under = option.broker if resource_type == TOPIC_RESOURCE else name
        inherited = broker.settings.held(under)[0][0] if under else option.default
        held = words(after.get(name, inherited) or "")
        given = words(value or "")
        if operation == APPEND:
            held += [word for word in given if word not in held]
        else:
            held = [word for word in held if word not in given]
        after[name] = ",".join(held)
    else:
        raise KafkaError(Code.INVALID_REQUEST, f"Unknown operation {operation}")


def _alter(
    broker: Broker, request: dict, changer: Callable[[int, str], Changed]
) -> dict[str, Any]:
    responses = []
    for item in request["resources"]:
        kind, name = item["resource_type"], item["resource_name"]
        response = {"resource_type": kind, "resource_name": name, "error_message": None}
        try:
            _alter_one(
                broker, kind, name, item["configs"], changer(kind, name), request["validate_only"]
            )
        except KafkaError as exc:
            response |= {"error_code": exc.code, "error_message": exc.message}
        responses.append(response)
    return {"responses": responses}


def _alter_one(
    broker: Broker, kind: int, name: str, configs: list[dict], changed: Changed, validate_only: bool
) -> None:
    if kind == TOPIC_RESOURCE:
        topic = broker.topics.find(name)
        if topic.internal:
            raise KafkaError(Code.INVALID_REQUEST, "The broker's own topics stay as they are.")
        broker.topics.alter(
            topic, changed(topic.overrides, configs), validate_only=validate_only
        )
    elif kind == BROKER_RESOURCE:
        _check_broker(broker, name)
        before = broker.settings.changed(BROKER, name)
        broker.settings.alter(BROKER, name, changed(before, configs), validate_only=validate_only)
        broker.topics.set_defaults(broker.settings.log_config())
    elif kind == GROUP_RESOURCE:
        if not name:
            raise KafkaError(Code.INVALID_REQUEST, "Default group resources are not allowed.")
        before = broker.settings.changed(GROUP, name)
        broker.settings.alter(GROUP, name, changed(before, configs), validate_only=validate_only)
        broker.coordinator.take_timeouts(name)
    else:
        raise KafkaError(Code.INVALID_REQUEST, f"Resource type {kind} has no configuration.")


def list_config_resources(broker: Broker, request: dict, call: Call) -> dict[str, Any]:
    """What has a configuration of its own."""
    names = {
        TOPIC_RESOURCE: list(broker.topics.by_name),
        BROKER_RESOURCE: [str(broker.node_id)],
        GROUP_RESOURCE: broker.settings.names(GROUP),
    }
    if call.version == 0:  # the version that was ListClientMetricsResources
        return {"config_resources": []}
    wanted = request["resource_types"] or list(names)
    return {
        "config_resources": [
            {"resource_type": kind, "resource_name": name}
            for kind in wanted
            for name in names.get(kind, ())
        ]
    }
