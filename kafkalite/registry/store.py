"""What the records of the topic add up to: subjects with their versions, ids, levels and modes.

    key                                                     value
    {"keytype":"SCHEMA","subject":S,"version":N,"magic":1}   the version, or null: gone for good
    {"keytype":"DELETE_SUBJECT","subject":S,"magic":0}       {"subject":S,"version":N}: up to N
    {"keytype":"CONFIG","subject":S or null,"magic":0}       {"compatibilityLevel":L}, or null
    {"keytype":"MODE","subject":S or null,"magic":0}         {"mode":M}, or null

These are Confluent's own records, so that a topic of theirs can be read, and ours by theirs.  An id
belongs to a schema's text with its references: the same text has one id under all subjects.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

AVRO, JSON = "AVRO", "JSON"
LEVELS = (
    "NONE", "BACKWARD", "BACKWARD_TRANSITIVE", "FORWARD", "FORWARD_TRANSITIVE", "FULL",
    "FULL_TRANSITIVE",
)
MODES = ("READWRITE", "READONLY", "READONLY_OVERRIDE", "IMPORT")


@dataclass(frozen=True)
class Reference:
    """Another subject's version, under the name by which a schema speaks of it."""

    name: str
    subject: str
    version: int

    def as_json(self) -> dict[str, Any]:
        """As the API and the topic write it."""
        return {"name": self.name, "subject": self.subject, "version": self.version}


@dataclass(frozen=True)
class Schema:
    """A schema as it was given."""

    text: str
    kind: str = AVRO
    references: tuple[Reference, ...] = ()


@dataclass(frozen=True)
class Version:
    """A schema under a subject; deleted: hidden, and can still be read by who asks for it."""

    subject: str
    version: int
    id: int
    schema: Schema
    deleted: bool = False

    def as_json(self) -> dict[str, Any]:
        """As the API writes it."""
        told: dict[str, Any] = {
            "subject": self.subject,
            "version": self.version,
            "id": self.id,
            "schema": self.schema.text,
        }
        if self.schema.kind != AVRO:
            told["schemaType"] = self.schema.kind
        if self.schema.references:
            told["references"] = [r.as_json() for r in self.schema.references]
        return told


Record = tuple[dict[str, Any], dict[str, Any] | None]


def schema_of(told: dict[str, Any]) -> Schema:
    """A schema from the API or the topic; KeyError, TypeError or ValueError if it is none."""
    references = tuple(
        Reference(str(r["name"]), str(r["subject"]), int(r["version"]))
        for r in told.get("references") or ()
    )
    if not isinstance(told["schema"], str):
        raise TypeError("schema")
    return Schema(told["schema"], told.get("schemaType") or AVRO, references)


class Store:
    """level: of subjects that say nothing else, until that is configured"""

    def __init__(self, level: str = "BACKWARD"):
        self.level = level
        self.subjects: dict[str, dict[int, Version]] = {}
        self.schemas: dict[int, Schema] = {}
        self.ids: dict[Schema, int] = {}
        self.levels: dict[str | None, str] = {}
        self.modes: dict[str | None, str] = {}
        self.last_id = 0

    # ------------------------------------------------------------------ the topic

    def apply(self, key: dict[str, Any], value: dict[str, Any] | None) -> None:
        """Take in a record; one of a kind not known is passed over."""
        kind, subject = key.get("keytype"), key.get("subject")
        if kind == "SCHEMA":
            self._apply_schema(key, value)
        elif kind == "DELETE_SUBJECT" and value is not None:
            versions = self.subjects.get(subject or "", {})
            for number, held in versions.items():
                if number <= value["version"]:
                    versions[number] = replace(held, deleted=True)
        elif kind == "CONFIG":
            self._set(self.levels, subject, (value or {}).get("compatibilityLevel"))
        elif kind == "MODE":
            self._set(self.modes, subject, (value or {}).get("mode"))

    @staticmethod
    def _set(held: dict[str | None, str], subject: str | None, value: str | None) -> None:
        if value is None:
            held.pop(subject, None)
        else:
            held[subject] = value

    def _apply_schema(self, key: dict[str, Any], value: dict[str, Any] | None) -> None:
        subject, number = key["subject"], key["version"]
        versions = self.subjects.setdefault(subject, {})
        if value is None:
            versions.pop(number, None)
            if not versions:
                del self.subjects[subject]
            return
        schema = schema_of(value)
        versions[number] = Version(
            subject, number, value["id"], schema, bool(value.get("deleted"))
        )
        self.schemas[value["id"]] = schema
        self.ids.setdefault(schema, value["id"])
        self.last_id = max(self.last_id, value["id"])

    # ------------------------------------------------------------------ asking

    def versions(self, subject: str, *, deleted: bool = False) -> list[Version]:
        """The versions of a subject, oldest first."""
        held = self.subjects.get(subject, {})
        return [held[n] for n in sorted(held) if deleted or not held[n].deleted]

    def names(self, *, deleted: bool = False, prefix: str = "") -> list[str]:
        """The subjects that have a version."""
        return sorted(
            name for name in self.subjects
            if name.startswith(prefix) and self.versions(name, deleted=deleted)
        )

    def level_of(self, subject: str) -> str:
        """The compatibility level in force for a subject."""
        return self.levels.get(subject) or self.levels.get(None) or self.level

    def mode_of(self, subject: str | None) -> str:
        """The mode in force for a subject."""
        return self.modes.get(subject) or self.modes.get(None) or MODES[0]

    def users_of(self, id_: int, *, deleted: bool = False) -> list[Version]:
        """Every version that has an id."""
        return [
            version
            for name in sorted(self.subjects)
            for version in self.versions(name, deleted=deleted)
            if version.id == id_
        ]

    def referring_to(self, subject: str, version: int) -> list[Version]:
        """Every version whose schema speaks of that one."""
        return [
            held
            for name in sorted(self.subjects)
            for held in self.versions(name)
            if any((r.subject, r.version) == (subject, version) for r in held.schema.references)
        ]

    # ------------------------------------------------------------------ records for the topic

    @staticmethod
    def version_record(version: Version) -> Record:
        """A version as the topic keeps it."""
        key = schema_key(version.subject, version.version)
        return key, {**version.as_json(), "deleted": version.deleted}

    @staticmethod
    def removal_record(version: Version) -> Record:
        """A version that is gone for good."""
        return schema_key(version.subject, version.version), None


def schema_key(subject: str, version: int) -> dict[str, Any]:
    """The key of a version in the topic."""
    return {"keytype": "SCHEMA", "subject": subject, "version": version, "magic": 1}


def setting_key(kind: str, subject: str | None) -> dict[str, Any]:
    """The key of a level (CONFIG) or mode (MODE) in the topic."""
    return {"keytype": kind, "subject": subject, "magic": 0}


def as_bytes(content: Any) -> bytes | None:
    """As it stands in the topic."""
    return None if content is None else json.dumps(content, separators=(",", ":")).encode()
