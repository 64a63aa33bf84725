"""SCRAM (RFC 5802, RFC 7677): logging in without saying the password.

    client                                         broker
    n,,n=USER,r=CLIENT_NONCE              ->
                                          <-       r=CLIENT_NONCE+BROKER_NONCE,s=SALT,i=ITERATIONS
    c=biws,r=NONCE,p=PROOF                ->
                                          <-       v=SERVER_SIGNATURE

    salted password   PBKDF2(password, salt, iterations)
    client key        HMAC(salted password, "Client Key")    stored key = H(client key)
    server key        HMAC(salted password, "Server Key")
    proof             client key XOR HMAC(stored key, all three messages)

The broker keeps salt, iterations, stored key and server key: with these it can check a proof, and
not make one.  Channel binding is not offered.
"""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass

from bedrock.lazy import hashlib, hmac

MIN_ITERATIONS, MAX_ITERATIONS = 4096, 16384
SALT_BYTES = 16
# Number of a mechanism in the protocol -> its name, and its hash.
MECHANISMS = {1: ("SCRAM-SHA-256", "sha256"), 2: ("SCRAM-SHA-512", "sha512")}
HASH = dict(MECHANISMS.values())
NUMBER = {name: number for number, (name, _) in MECHANISMS.items()}


class Refused(Exception):
    """This client may not log in; the message is for the client."""


@dataclass(frozen=True)
class Credential:
    """What is kept of a password, for one mechanism."""

    salt: bytes
    iterations: int
    stored_key: bytes
    server_key: bytes

    @classmethod
    def from_salted(cls, hash_: str, salt: bytes, iterations: int, salted: bytes) -> Credential:
        """From the salted password, which is all that a client sends to set a password."""
        client_key = hmac.digest(salted, b"Client Key", hash_)
        stored_key = hashlib.new(hash_, client_key).digest()
        return cls(salt, iterations, stored_key, hmac.digest(salted, b"Server Key", hash_))

    @classmethod
    def from_password(
        cls, hash_: str, salt: bytes, password: str, iterations: int = MIN_ITERATIONS
    ) -> Credential:
        """From the password itself."""
        salted = hashlib.pbkdf2_hmac(hash_, password.encode(), salt, iterations)
        return cls.from_salted(hash_, salt, iterations, salted)


def _attributes(message: str) -> dict[str, str]:
    return {part[0]: part[2:] for part in message.split(",") if part[1:2] == "="}


class ClientExchange:
    """The other side, for tools: `first`, then `final` with the broker's reply."""

    def __init__(self, mechanism: str, user: str, password: str, nonce: bytes):
        self._hash = HASH[mechanism]
        self._password = password
        escaped = user.replace("=", "=3D").replace(",", "=2C")
        self._bare = f"n={escaped},r={b64encode(nonce).decode()}"

    def first(self) -> bytes:
        """The first message."""
        return f"n,,{self._bare}".encode()

    def final(self, reply: bytes) -> bytes:
        """The last message."""
        told = _attributes(reply.decode())
        salted = hashlib.pbkdf2_hmac(
            self._hash, self._password.encode(), b64decode(told["s"]), int(told["i"])
        )
        client_key = hmac.digest(salted, b"Client Key", self._hash)
        stored_key = hashlib.new(self._hash, client_key).digest()
        without_proof = f"c=biws,r={told['r']}"
        said = f"{self._bare},{reply.decode()},{without_proof}".encode()
        signature = hmac.digest(stored_key, said, self._hash)
        proof = bytes(a ^ b for a, b in zip(client_key, signature, strict=True))
        return f"{without_proof},p={b64encode(proof).decode()}".encode()


class Exchange:
    """One login: `answer` each of the client's messages in turn.

    find   user name -> Credential, None for a user that is not known
    nonce  the broker's part of the nonce
    """

    def __init__(self, mechanism: str, find: Callable[[str], Credential | None], nonce: bytes):
        self._hash = HASH[mechanism]
        self._find = find
        self._nonce = b64encode(nonce).decode()
        self._credential: Credential | None = None
        self._said = ""             # what both have said so far, without the header
        self.user = ""
        self.done = False

    def answer(self, message: bytes) -> bytes:
        """The broker's next message; Refused ends the exchange."""
        try:
            text = message.decode()
            return (self._first(text) if self._credential is None else self._final(text)).encode()
        except (KeyError, UnicodeDecodeError, ValueError):
            raise Refused("Invalid SASL/SCRAM message") from None

    def _first(self, text: str) -> str:
        binding, _, rest = text.partition(",")
        _, _, bare = rest.partition(",")
        if binding not in ("n", "y"):
            raise Refused("Channel binding is not supported")
        asked = _attributes(bare)
        self.user = asked["n"].replace("=2C", ",").replace("=3D", "=")
        self._nonce = asked["r"] + self._nonce
        self._credential = self._find(self.user)
        if self._credential is None:
            raise Refused("Authentication failed during authentication due to invalid credentials")
        salt = b64encode(self._credential.salt).decode()
        reply = f"r={self._nonce},s={salt},i={self._credential.iterations}"
        self._said = f"{bare},{reply}"
        return reply

    def _final(self, text: str) -> str:
        credential = self._credential
        assert credential is not None, "the first message found it"
        without_proof, _, proof = text.rpartition(",p=")
        # librdkafka before 2.6.1 puts its own nonce in front once more: no harm, and Kafka 3.9
        # bore with it (4.0 does not).
        if not _attributes(without_proof)["r"].endswith(self._nonce):
            raise Refused("Invalid client nonce in the final client message.")
        said = f"{self._said},{without_proof}".encode()
        signature = hmac.digest(credential.stored_key, said, self._hash)
        try:
            given = b64decode(proof, validate=True)
        except binascii.Error:
            given = b""
        client_key = bytes(a ^ b for a, b in zip(given, signature, strict=False))
        stored_key = hashlib.new(self._hash, client_key).digest()
        if len(given) != len(signature) or not hmac.compare_digest(
            stored_key, credential.stored_key
        ):
            raise Refused("Authentication failed during authentication due to invalid credentials")
        self.done = True
        return "v=" + b64encode(hmac.digest(credential.server_key, said, self._hash)).decode()
