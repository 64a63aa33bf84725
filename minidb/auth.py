"""Who may connect: anybody (trust), or who knows the password (SCRAM-SHA-256, RFC 5802 and 7677).

The server keeps what `Verifier` holds, from which the password cannot be had:

    SaltedPassword = PBKDF2(password, salt, iterations)
    StoredKey      = H(HMAC(SaltedPassword, "Client Key"))
    ServerKey      = HMAC(SaltedPassword, "Server Key")

    client  n,,n=,r=<nonce>
    server  r=<nonce><more>,s=<salt>,i=<iterations>
    client  c=biws,r=<nonce><more>,p=<ClientKey XOR HMAC(StoredKey, all messages)>
    server  v=<HMAC(ServerKey, all messages)>

Channel binding (SCRAM-SHA-256-PLUS) is left out.  libpq sends the user name in the startup packet
and an empty one here.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from dataclasses import dataclass

from bedrock.lazy import hashlib, hmac
from minidb.sqlstate import DatabaseError

MECHANISM = "SCRAM-SHA-256"
ITERATIONS = 4096


def _hmac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha256")


@dataclass(frozen=True)
class Verifier:
    """What is kept of a password."""

    salt: bytes
    stored_key: bytes
    server_key: bytes

    @classmethod
    def of(cls, password: str, salt: bytes) -> Verifier:
        salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, ITERATIONS)
        client_key = _hmac(salted, b"Client Key")
        return cls(salt, hashlib.sha256(client_key).digest(), _hmac(salted, b"Server Key"))


def _refuse(why: str) -> DatabaseError:
    return DatabaseError("08P01", f"malformed SCRAM message: {why}", severity="FATAL")


class Exchange:
    """One authentication: `first` then `final`, each client message -> server message."""

    def __init__(self, verifier: Verifier, nonce: bytes, user: str) -> None:
        self.verifier = verifier
        self.nonce = b64encode(nonce).decode()
        self.user = user
        self.log = ""
        self.expected = ""

    def first(self, message: str) -> str:
        header, _, bare = message.partition(",")
        _, _, bare = bare.partition(",")
        if header not in ("n", "y"):
            raise _refuse("channel binding is not supported")
        fields = dict(part.split("=", 1) for part in bare.split(",") if "=" in part)
        if not fields.get("r"):
            raise _refuse("no nonce")
        self.expected = fields["r"] + self.nonce
        salt = b64encode(self.verifier.salt).decode()
        reply = f"r={self.expected},s={salt},i={ITERATIONS}"
        self.log = f"{bare},{reply},"
        return reply

    def final(self, message: str) -> str:
        """Check the proof; DatabaseError 28P01 when it is wrong."""
        without_proof, _, proof_text = message.rpartition(",p=")
        fields = dict(part.split("=", 1) for part in without_proof.split(",") if "=" in part)
        try:
            proof = b64decode(proof_text, validate=True)
        except ValueError as exc:
            raise _refuse("bad proof") from exc
        if len(proof) != 32 or fields.get("r") != self.expected:
            raise _refuse("nonce or proof")
        whole = (self.log + without_proof).encode()
        signature = _hmac(self.verifier.stored_key, whole)
        client_key = bytes(a ^ b for a, b in zip(proof, signature, strict=True))
        stored = hashlib.sha256(client_key).digest()
        if not hmac.compare_digest(stored, self.verifier.stored_key):
            raise DatabaseError(
                "28P01", f'password authentication failed for user "{self.user}"',
                severity="FATAL")
        return "v=" + b64encode(_hmac(self.verifier.server_key, whole)).decode()
