"""Who may log in: names and passwords given at the start, SCRAM credentials set since.

    scram.json    {USER: {MECHANISM: [salt, iterations, stored key, server key]}}, bytes in base64

PLAIN knows those of `--users-file`, and anyone with the password of `--password-file`.  SCRAM knows
credentials that were set through the protocol; for a user of the file who has none it makes one.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import TYPE_CHECKING

from bedrock.lazy import hmac
from kafkalite.document import Document
from kafkalite.scram import HASH, SALT_BYTES, Credential, Exchange, Refused

if TYPE_CHECKING:
    from bedrock.world import Disk, Rand

FILE = "scram.json"
PLAIN = "PLAIN"
NONCE_BYTES = 18


class Users:
    """required: clients must log in before anything else"""

    def __init__(
        self, disk: Disk, rand: Rand, mechanisms: list[str], given: dict[str, str], password: str
    ):
        self._file = Document(disk, FILE)
        self._rand = rand
        self.mechanisms = mechanisms
        self._given = given
        self._password = password
        self.required = bool(given or password)
        self._made: dict[tuple[str, str], Credential] = {}
        self.credentials: dict[str, dict[str, Credential]] = {
            user: {mechanism: _unpack(fields) for mechanism, fields in held.items()}
            for user, held in (self._file.read() or {}).items()
        }

    def change(self, credentials: dict[str, dict[str, Credential]]) -> None:
        """Replace all credentials that were set, durably; KafkaError on a full disk."""
        self._file.write(
            {
                user: {mechanism: _pack(credential) for mechanism, credential in held.items()}
                for user, held in credentials.items()
            }
        )
        self.credentials = credentials

    def check(self, user: str, password: str) -> bool:
        """Whether that is the password of a user, for PLAIN."""
        given = self._given.get(user, self._password)
        return bool(user and given) and hmac.compare_digest(password.encode(), given.encode())

    def exchange(self, mechanism: str) -> Exchange | PlainExchange:
        """A login by that mechanism."""
        if mechanism == PLAIN:
            return PlainExchange(self)
        return Exchange(
            mechanism,
            lambda user: self._credential(mechanism, user),
            self._rand.bytes(NONCE_BYTES),
        )

    def _credential(self, mechanism: str, user: str) -> Credential | None:
        held = self.credentials.get(user, {}).get(mechanism)
        if held is not None or user not in self._given:
            return held
        key = (mechanism, user)
        if key not in self._made:
            salt = self._rand.bytes(SALT_BYTES)
            self._made[key] = Credential.from_password(HASH[mechanism], salt, self._given[user])
        return self._made[key]


class PlainExchange:
    """PLAIN (RFC 4616): one message, `authorize NUL user NUL password`, answered with nothing."""

    def __init__(self, users: Users):
        self._users = users
        self.user = ""
        self.done = False

    def answer(self, message: bytes) -> bytes:
        """Nothing; Refused where the password is wrong."""
        parts = message.split(b"\0")
        if len(parts) != 3:
            raise Refused("Invalid SASL/PLAIN response")
        self.user, password = (part.decode("utf-8", "replace") for part in parts[1:])
        if not self._users.check(self.user, password):
            raise Refused("Authentication failed: Invalid username or password")
        self.done = True
        return b""


def _pack(credential: Credential) -> list:
    salt, stored, server = (
        b64encode(data).decode()
        for data in (credential.salt, credential.stored_key, credential.server_key)
    )
    return [salt, credential.iterations, stored, server]


def _unpack(fields: list) -> Credential:
    salt, iterations, stored, server = fields
    return Credential(b64decode(salt), iterations, b64decode(stored), b64decode(server))
