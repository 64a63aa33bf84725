"""The REST API: what each path does to the store, as a table at the end.

Changes are made one after the other: what is to change is written to the topic, then applied.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from typing import Any

from bedrock.app.console.guard import Guard
from bedrock.net.http import HttpError, Request, Response, Route, Router
from kafkalite.client import Failed
from kafkalite.registry import schemas
from kafkalite.registry.errors import Refused, no_schema, no_subject, no_version
from kafkalite.registry.journal import Journal
from kafkalite.registry.store import (
    LEVELS,
    MODES,
    Record,
    Schema,
    Store,
    Version,
    schema_of,
    setting_key,
)

CONTENT_TYPE = "application/vnd.schemaregistry.v1+json"
LATEST = "latest"
READ_ONLY = ("READONLY", "READONLY_OVERRIDE")


class RegistryRouter(Router):
    """Asks for the password, if there is one (HTTP basic, any user), and tells failures."""

    def __init__(self, routes: Iterable[Route], password: str):
        super().__init__(routes)
        self._guard = Guard(None, "", password) if password else None

    def find(self, request: Request) -> Route:
        """The route; HttpError when there is none, or the password is wrong."""
        word = request.headers.get("authorization", "").encode("latin-1")
        if self._guard is not None and not self._guard.knows(word):
            raise HttpError(401, headers={"WWW-Authenticate": 'Basic realm="schema-registry"'})
        return super().find(request)

    def on_error(self, request: Request, error: HttpError) -> Response:
        """The failure as the API tells it."""
        response = _answer({"error_code": error.status, "message": str(error)}, error.status)
        response.headers = error.headers
        return response


def _answer(content: Any, status: int = 200) -> Response:
    return Response(json.dumps(content).encode(), status, content_type=CONTENT_TYPE)


def _flag(request: Request, name: str) -> bool:
    return request.query.get(name, [""])[0].lower() == "true"


def _body(request: Request) -> dict[str, Any]:
    try:
        body = json.loads(request.body or b"{}")
    except ValueError:
        raise Refused(400, "The body is not JSON") from None
    if not isinstance(body, dict):
        raise Refused(400, "The body is not a JSON object")
    return body


def _given(body: dict[str, Any]) -> Schema:
    try:
        return schema_of(body)
    except (KeyError, TypeError, ValueError) as exc:
        raise Refused(schemas.INVALID, f"Invalid schema: {exc}") from None


class Api:
    """The handlers: each gets a request, and returns what is to be told as JSON."""

    def __init__(self, store: Store, journal: Journal):
        self.store = store
        self.journal = journal
        self._lock = asyncio.Lock()

    def router(self, password: str = "") -> Router:
        """The routes, every handler behind the form of the API."""

        def told(handler: Any) -> Any:
            async def answer(request: Request) -> Response:
                try:
                    return _answer(await handler(self, request))
                except Refused as exc:
                    return _answer({"error_code": exc.code, "message": exc.message}, exc.status)
                except (OSError, Failed) as exc:
                    return _answer({"error_code": 50001, "message": f"the broker: {exc}"}, 500)

            return answer

        return RegistryRouter(
            [Route(method, path, told(handler)) for method, path, handler in ROUTES], password
        )

    async def _keep(self, *records: Record) -> None:
        await self.journal.append(*records)
        for key, value in records:
            self.store.apply(key, value)

    # ------------------------------------------------------------------ finding

    def _subject(self, request: Request, *, deleted: bool = False) -> list[Version]:
        """The versions of the subject in the path; Refused if there are none."""
        subject = request.params["subject"]
        versions = self.store.versions(subject, deleted=deleted)
        if not versions:
            raise no_subject(subject)
        return versions

    def _version(self, request: Request, *, deleted: bool = False) -> Version:
        """The version in the path; Refused if there is none."""
        number = _number(request.params["version"])
        versions = self._subject(request, deleted=deleted)
        if number == -1:
            return versions[-1]
        for version in versions:
            if version.version == number:
                return version
        raise no_version(number)

    def find(self, subject: str, number: int) -> Version:
        """A version that a schema refers to; -1 is the latest."""
        versions = self.store.versions(subject, deleted=True)
        for version in versions[-1:] if number == -1 else versions:
            if number in (-1, version.version):
                return version
        raise Refused(
            schemas.INVALID, f"Invalid schema: no version {number} of subject '{subject}'"
        )

    def _schema(self, request: Request) -> tuple[int, Schema]:
        text = request.params["id"]
        if not text.isdigit() or int(text) not in self.store.schemas:
            raise no_schema(f"Schema {text}")
        return int(text), self.store.schemas[int(text)]

    # ------------------------------------------------------------------ schemas

    async def schema_by_id(self, request: Request) -> dict[str, Any]:
        """The schema of an id."""
        id_, schema = self._schema(request)
        told = Version("", 0, id_, schema).as_json()
        for field in ("subject", "version", "id"):
            del told[field]
        return told

    async def schema_text(self, request: Request) -> Any:
        """The bare schema of an id, or of a version."""
        if "id" in request.params:
            return json.loads(self._schema(request)[1].text)
        return json.loads(self._version(request).schema.text)

    async def schema_versions(self, request: Request) -> list[dict[str, Any]]:
        """The subjects and versions of an id."""
        id_, _ = self._schema(request)
        users = self.store.users_of(id_, deleted=_flag(request, "deleted"))
        return [{"subject": v.subject, "version": v.version} for v in users]

    async def schema_subjects(self, request: Request) -> list[str]:
        """The subjects of an id."""
        id_, _ = self._schema(request)
        users = self.store.users_of(id_, deleted=_flag(request, "deleted"))
        return list(dict.fromkeys(version.subject for version in users))

    async def schema_types(self, request: Request) -> list[str]:
        """The kinds of schemas."""
        return list(schemas.KINDS)

    async def all_schemas(self, request: Request) -> list[dict[str, Any]]:
        """Every version of every subject."""
        prefix = request.query.get("subjectPrefix", [""])[0]
        deleted, latest = _flag(request, "deleted"), _flag(request, "latestOnly")
        found: list[Version] = []
        for name in self.store.names(deleted=deleted, prefix=prefix):
            versions = self.store.versions(name, deleted=deleted)
            found += versions[-1:] if latest else versions
        return [version.as_json() for version in found]

    # ------------------------------------------------------------------ subjects

    async def subjects(self, request: Request) -> list[str]:
        """The names of all subjects."""
        prefix = request.query.get("subjectPrefix", [""])[0]
        return self.store.names(deleted=_flag(request, "deleted"), prefix=prefix)

    async def versions(self, request: Request) -> list[int]:
        """The versions of a subject."""
        found = self._subject(request, deleted=_flag(request, "deleted"))
        return [version.version for version in found]

    async def version(self, request: Request) -> dict[str, Any]:
        """One version of a subject."""
        return self._version(request, deleted=_flag(request, "deleted")).as_json()

    async def referenced_by(self, request: Request) -> list[int]:
        """The ids of schemas that refer to a version."""
        version = self._version(request)
        referring = self.store.referring_to(version.subject, version.version)
        return list(dict.fromkeys(held.id for held in referring))

    async def look_up(self, request: Request) -> dict[str, Any]:
        """The version of a subject that has the schema in the body."""
        deleted = _flag(request, "deleted")
        held = self._subject(request, deleted=deleted)
        schema = schemas.canonical(
            _given(_body(request)), self.find, normalize=_flag(request, "normalize")
        )
        for version in reversed(held):
            if version.schema == schema:
                return version.as_json()
        raise no_schema()

    async def register(self, request: Request) -> dict[str, Any]:
        """Add a version to a subject, unless it has it already."""
        subject, body = request.params["subject"], _body(request)
        schema = schemas.canonical(_given(body), self.find, normalize=_flag(request, "normalize"))
        async with self._lock:
            held = self.store.versions(subject)
            for version in held:
                if version.schema == schema:
                    return {"id": version.id}
            self._check_writable(subject)
            level = self.store.level_of(subject)
            why = schemas.incompatibilities(schema, held, level, self.find)
            if why:
                raise Refused(
                    409,
                    "Schema being registered is incompatible with an earlier schema for subject "
                    f"\"{subject}\", details: {why}",
                )
            numbers = self.store.subjects.get(subject, {})
            id_ = self.store.ids.get(schema) or self.store.last_id + 1
            version = Version(subject, max(numbers, default=0) + 1, id_, schema)
            await self._keep(self.store.version_record(version))
        return {"id": id_}

    def _check_writable(self, subject: str) -> None:
        mode = self.store.mode_of(subject)
        if mode in READ_ONLY:
            raise Refused(42205, f"Subject {subject} is in read-only mode")

    async def delete_subject(self, request: Request) -> list[int]:
        """Hide all versions of a subject; those hidden before, remove for good."""
        subject = request.params["subject"]
        async with self._lock:
            self._check_writable(subject)
            if _flag(request, "permanent"):
                held = self._subject(request, deleted=True)
                if self.store.versions(subject):
                    raise Refused(
                        40405, f"Subject '{subject}' was not deleted first before being "
                        "permanently deleted",
                    )
                await self._keep(*(self.store.removal_record(version) for version in held))
            else:
                held = self._subject(request)
                self._check_unreferenced(held)
                key = setting_key("DELETE_SUBJECT", subject)
                await self._keep((key, {"subject": subject, "version": held[-1].version}))
        return [version.version for version in held]

    async def delete_version(self, request: Request) -> int:
        """Hide a version; one that was hidden, remove for good."""
        async with self._lock:
            self._check_writable(request.params["subject"])
            permanent = _flag(request, "permanent")
            version = self._version(request, deleted=permanent)
            if permanent:
                if not version.deleted:
                    raise Refused(
                        40407, f"Subject '{version.subject}' Version {version.version} was not "
                        "deleted first before being permanently deleted",
                    )
                await self._keep(self.store.removal_record(version))
            else:
                self._check_unreferenced([version])
                key, value = self.store.version_record(version)
                await self._keep((key, {**(value or {}), "deleted": True}))
        return version.version

    def _check_unreferenced(self, versions: list[Version]) -> None:
        for version in versions:
            if self.store.referring_to(version.subject, version.version):
                raise Refused(
                    42206, "One or more references exist to the schema "
                    f"{{subject={version.subject},version={version.version}}}",
                )

    # ------------------------------------------------------------------ compatibility and mode

    async def is_compatible(self, request: Request) -> dict[str, Any]:
        """Whether a schema could follow a version, or all that its level asks about."""
        subject = request.params["subject"]
        schema = schemas.canonical(_given(_body(request)), self.find)
        if "version" in request.params:
            held = [self._version(request)]
        else:
            held = self.store.versions(subject)
        level = self.store.level_of(subject)
        why = schemas.incompatibilities(schema, held, level, self.find)
        told: dict[str, Any] = {"is_compatible": not why}
        if _flag(request, "verbose"):
            told["messages"] = why
        return told

    async def level(self, request: Request) -> dict[str, Any]:
        """The level of a subject, or of all that say nothing else."""
        subject = request.params.get("subject")
        if subject is None:
            return {"compatibilityLevel": self.store.level_of("")}
        if subject not in self.store.levels and not _flag(request, "defaultToGlobal"):
            raise Refused(
                40408,
                f"Subject '{subject}' does not have subject-level compatibility configured",
            )
        return {"compatibilityLevel": self.store.level_of(subject)}

    async def set_level(self, request: Request) -> dict[str, Any]:
        """Change a level."""
        level = str(_body(request).get("compatibility", "")).upper()
        if level not in LEVELS:
            raise Refused(
                42203, "Invalid compatibility level. Valid values are "
                + ", ".join(LEVELS).lower(),
            )
        await self._set("CONFIG", request, {"compatibilityLevel": level})
        return {"compatibility": level}

    async def unset_level(self, request: Request) -> dict[str, Any]:
        """A subject, or all of them, back to the default."""
        subject = request.params.get("subject")
        before = self.store.levels.get(subject)
        if before is None and subject is not None:
            raise no_subject(subject)
        await self._set("CONFIG", request, None)
        return {"compatibilityLevel": before or self.store.level}

    async def mode(self, request: Request) -> dict[str, Any]:
        """The mode of a subject, or of all that say nothing else."""
        subject = request.params.get("subject")
        own = subject is None or subject in self.store.modes
        if not own and not _flag(request, "defaultToGlobal"):
            raise Refused(
                40409, f"Subject '{subject}' does not have subject-level mode configured"
            )
        return {"mode": self.store.mode_of(subject)}

    async def set_mode(self, request: Request) -> dict[str, Any]:
        """Change a mode."""
        mode = str(_body(request).get("mode", "")).upper()
        if mode not in MODES:
            raise Refused(42204, f"Invalid mode. Valid values are {', '.join(MODES)}")
        await self._set("MODE", request, {"mode": mode})
        return {"mode": mode}

    async def unset_mode(self, request: Request) -> dict[str, Any]:
        """A subject back to the mode of all."""
        subject = request.params["subject"]
        before = self.store.modes.get(subject)
        if before is None:
            raise no_subject(subject)
        await self._set("MODE", request, None)
        return {"mode": before}

    async def _set(self, kind: str, request: Request, value: dict[str, Any] | None) -> None:
        async with self._lock:
            await self._keep((setting_key(kind, request.params.get("subject")), value))

    async def root(self, request: Request) -> dict[str, Any]:
        """Somebody is there."""
        return {}

    async def metadata_id(self, request: Request) -> dict[str, Any]:
        """Whose registry this is."""
        return {"scope": {"path": [], "clusters": {"schema-registry-cluster": self.journal.topic}}}


def _number(text: str) -> int:
    """A version in a path: a number, or -1 for the latest."""
    if text in (LATEST, "-1"):
        return -1
    if text.isdigit() and 0 < int(text) < 1 << 31:
        return int(text)
    raise Refused(
        42202,
        f"The specified version '{text}' is not a valid version id. Allowed values are between "
        "[1, 2^31-1] and the string \"latest\"",
    )


_VERSIONS = "/subjects/{subject}/versions"
_COMPATIBILITY = "/compatibility/subjects/{subject}/versions"
ROUTES = (
    ("GET", "/", Api.root),
    ("GET", "/v1/metadata/id", Api.metadata_id),
    ("GET", "/schemas", Api.all_schemas),
    ("GET", "/schemas/types", Api.schema_types),
    ("GET", "/schemas/ids/{id}", Api.schema_by_id),
    ("GET", "/schemas/ids/{id}/schema", Api.schema_text),
    ("GET", "/schemas/ids/{id}/versions", Api.schema_versions),
    ("GET", "/schemas/ids/{id}/subjects", Api.schema_subjects),
    ("GET", "/subjects", Api.subjects),
    ("POST", "/subjects/{subject}", Api.look_up),
    ("DELETE", "/subjects/{subject}", Api.delete_subject),
    ("GET", _VERSIONS, Api.versions),
    ("POST", _VERSIONS, Api.register),
    ("GET", _VERSIONS + "/{version}", Api.version),
    ("DELETE", _VERSIONS + "/{version}", Api.delete_version),
    ("GET", _VERSIONS + "/{version}/schema", Api.schema_text),
    ("GET", _VERSIONS + "/{version}/referencedby", Api.referenced_by),
    ("POST", _COMPATIBILITY, Api.is_compatible),
    ("POST", _COMPATIBILITY + "/{version}", Api.is_compatible),
    ("GET", "/config", Api.level),
    ("PUT", "/config", Api.set_level),
    ("DELETE", "/config", Api.unset_level),
    ("GET", "/config/{subject}", Api.level),
    ("PUT", "/config/{subject}", Api.set_level),
    ("DELETE", "/config/{subject}", Api.unset_level),
    ("GET", "/mode", Api.mode),
    ("PUT", "/mode", Api.set_mode),
    ("GET", "/mode/{subject}", Api.mode),
    ("PUT", "/mode/{subject}", Api.set_mode),
    ("DELETE", "/mode/{subject}", Api.unset_mode),
)
