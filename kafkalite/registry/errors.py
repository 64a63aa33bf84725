"""Errors of the REST API: a status, and a code that begins with it."""

from __future__ import annotations


class Refused(Exception):
    """Answered with `code`, of which the first three digits are the HTTP status."""

    def __init__(self, code: int, message: str):
        super().__init__(message)
        self.code = code
        self.message = message

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.code if self.code < 1000 else self.code // 100


def no_subject(subject: str) -> Refused:
    """The subject is not known."""
    return Refused(40401, f"Subject '{subject}' not found.")


def no_version(version: object) -> Refused:
    """The subject has no such version."""
    return Refused(40402, f"Version {version} not found.")


def no_schema(what: str = "Schema") -> Refused:
    """No schema has that id, or is equal."""
    return Refused(40403, f"{what} not found")
