"""Reading and altering configuration: a topic's own, and the broker's as it was started."""

from __future__ import annotations

from typing import Any

from kafkalite.broker import Broker, Call
from kafkalite.config import BROKER_OPTIONS
from kafkalite.errors import Code, KafkaError
from kafkalite.topic_config import OPTIONS, ConfigType, Source, default_text
from kafkalite.topics import Topic

TOPIC, BROKER = 2, 4
SET, DELETE = 0, 1


def describe_topic(broker: Broker, topic: Topic) -> list[dict[str, Any]]:
    """Every option of a topic, with where its value comes from."""
    entries = []
    for option in OPTIONS.values():
        inherited = default_text(option, broker.topics.defaults)
        source = Source.DEFAULT if inherited == option.default else Source.STATIC_BROKER
        synonyms = [{"name": option.name, "value": inherited, "source": source}]
        value = inherited
        if option.name in topic.overrides:
            value, source = topic.overrides[option.name], Source.TOPIC
            synonyms.insert(0, {"name": option.name, "value": value, "source": source})
        entries.append(
            {
                "name": option.name,
                "value": value,
                "read_only": False,
                "config_source": source,
                "synonyms": synonyms,
                "config_type": option.type,
                "documentation": option.help,
            }
        )
    return entries


def _describe_broker(broker: Broker) -> list[dict[str, Any]]:
    entries = []
    for name, (type_, value) in BROKER_OPTIONS.items():
        text = value(broker.config)
        entries.append(
            {
                "name": name,
                "value": str(text).lower() if type_ is ConfigType.BOOLEAN else str(text),
                "read_only": True,
                "config_source": Source.STATIC_BROKER,
                "config_type": type_,
                "documentation": None,
            }
        )
    return entries


def describe_configs(broker: Broker, request: dict, call: Call) -> dict[str, Any]:
    """The configuration of topics and of the broker."""
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
            _trimmed(entry, request) for entry in entries if keys is None or entry["name"] in keys
        ]
        results.append(result)
    return {"results": results}


def _describe(broker: Broker, resource_type: int, name: str) -> list[dict[str, Any]]:
    if resource_type == TOPIC:
        return describe_topic(broker, broker.topics.find(name))
    if resource_type == BROKER:
        if name not in ("", str(broker.node_id)):
            raise KafkaError(Code.INVALID_REQUEST, f"This is broker {broker.node_id}.")
        return _describe_broker(broker)
    raise KafkaError(Code.INVALID_REQUEST, f"Resource type {resource_type} has no configuration.")


def _trimmed(entry: dict[str, Any], request: dict) -> dict[str, Any]:
    entry = dict(entry)
    if not request["include_synonyms"]:
        entry["synonyms"] = ()
    if not request["include_documentation"]:
        entry["documentation"] = None
    return entry


def alter_configs(broker: Broker, request: dict, call: Call) -> dict[str, Any]:
    """Replace the whole configuration of topics."""

    def changed(topic: Topic, configs: list[dict]) -> dict[str, str]:
        return {config["name"]: config["value"] for config in configs}

    return _alter(broker, request, changed)


def incremental_alter_configs(broker: Broker, request: dict, call: Call) -> dict[str, Any]:
    """Set and unset single options of topics."""

    def changed(topic: Topic, configs: list[dict]) -> dict[str, str]:
        overrides = dict(topic.overrides)
        for config in configs:
            if config["config_operation"] == SET:
                overrides[config["name"]] = config["value"]
            elif config["config_operation"] == DELETE:
                overrides.pop(config["name"], None)
            else:
                raise KafkaError(Code.INVALID_REQUEST, f"{config['name']} is not a list.")
        return overrides

    return _alter(broker, request, changed)


def _alter(broker: Broker, request: dict, changed: Any) -> dict[str, Any]:
    responses = []
    for item in request["resources"]:
        response = {key: item[key] for key in ("resource_type", "resource_name")}
        response["error_message"] = None
        try:
            if item["resource_type"] != TOPIC:
                raise KafkaError(Code.INVALID_REQUEST, "The broker is configured where it starts.")
            topic = broker.topics.find(item["resource_name"])
            if topic.internal:
                raise KafkaError(Code.INVALID_REQUEST, "The broker's own topic stays as it is.")
            broker.topics.alter(
                topic, changed(topic, item["configs"]), validate_only=request["validate_only"]
            )
        except KafkaError as exc:
            response |= {"error_code": exc.code, "error_message": exc.message}
        responses.append(response)
    return {"responses": responses}
