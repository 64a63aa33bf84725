"""Avro and JSON Schema: what is valid, what is the same, and what can read what.

Avro is parsed and compared by Apache's own library; JSON Schema is checked by jsonschema, and
compared by `kafkalite.registry.json_compat`.

    BACKWARD   the new schema reads what the latest wrote      FORWARD   the other way round
    FULL       both                                            ..._TRANSITIVE   all versions
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from kafkalite.registry.errors import Refused
from kafkalite.registry.json_compat import problems as json_problems
from kafkalite.registry.store import AVRO, JSON, Schema, Version

Find = Callable[[str, int], Version]  # subject, version -> the version; Refused if there is none
INVALID = 42201
KINDS = (AVRO, JSON)


def canonical(schema: Schema, find: Find, *, normalize: bool = False) -> Schema:
    """The schema with its text in one form; Refused if it is not valid."""
    parsed = parse(schema, find)
    if schema.kind == AVRO and not normalize:
        text = json.dumps(_loaded(schema.text), separators=(",", ":"), ensure_ascii=False)
    elif schema.kind == AVRO:
        text = json.dumps(parsed.to_json(), separators=(",", ":"), ensure_ascii=False)
    else:
        text = json.dumps(
            parsed, separators=(",", ":"), ensure_ascii=False, sort_keys=normalize
        )
    return Schema(text, schema.kind, schema.references)


def _loaded(text: str) -> Any:
    """The JSON of a schema; a bare name of an Avro type is one, too."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def parse(schema: Schema, find: Find) -> Any:
    """What the library of its kind makes of a schema; Refused if it is not valid."""
    if schema.kind not in KINDS:
        raise Refused(INVALID, f"Invalid schema type {schema.kind}; there are: {', '.join(KINDS)}")
    try:
        return _parse_avro(schema, find) if schema.kind == AVRO else _parse_json(schema, find)
    except Refused:
        raise
    except Exception as exc:
        # The libraries raise many kinds of errors at what they were not made for.
        raise Refused(INVALID, f"Invalid schema {schema.text[:200]}: {exc}") from exc


def _parse_avro(schema: Schema, find: Find) -> Any:
    from avro.name import Names
    from avro.schema import make_avsc_object

    names = Names(validate_names=True)

    def learn(each: Schema, depth: int) -> None:
        if depth > 32:
            raise Refused(INVALID, "Invalid schema: its references go round in a circle")
        for reference in each.references:
            found = find(reference.subject, reference.version).schema
            learn(found, depth + 1)
            if not names.has_name(reference.name, None):
                make_avsc_object(_loaded(found.text), names)

    learn(schema, 0)
    return make_avsc_object(_loaded(schema.text), names)


def _parse_json(schema: Schema, find: Find) -> Any:
    from jsonschema.validators import validator_for

    parsed = json.loads(schema.text)
    if not isinstance(parsed, dict | bool):
        raise ValueError("a schema is an object, or true or false")
    validator_for(parsed if isinstance(parsed, dict) else {}).check_schema(parsed)
    for reference in schema.references:
        find(reference.subject, reference.version)
    return parsed


def incompatibilities(new: Schema, old: list[Version], level: str, find: Find) -> list[str]:
    """Why a schema may not follow these versions at that level; none if it may."""
    direction, _, transitive = level.partition("_")
    if level == "NONE" or not old:
        return []
    found: list[str] = []
    parsed = parse(new, find)
    for version in old if transitive else old[-1:]:
        if version.schema.kind != new.kind:
            found.append(f"version {version.version} is of type {version.schema.kind}")
            continue
        before = parse(version.schema, find)
        if direction in ("BACKWARD", "FULL"):
            found += [f"version {version.version}: {why}" for why in _reads(parsed, before, new)]
        if direction in ("FORWARD", "FULL"):
            found += [f"version {version.version}: {why}" for why in _reads(before, parsed, new)]
    return found


def _reads(reader: Any, writer: Any, schema: Schema) -> list[str]:
    """Why the reader's schema cannot read what the writer's wrote."""
    if schema.kind == JSON:
        return json_problems(reader, writer)
    from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType

    result = ReaderWriterCompatibilityChecker().get_compatibility(reader, writer)
    if result.compatibility is SchemaCompatibilityType.compatible:
        return []
    kinds = [kind.value for kind in result.incompatibilities]
    return [
        f"{kind}: {message}" for kind, message in zip(kinds, result.messages, strict=False)
    ] or ["cannot be read"]
