"""A small client of our own, for the shell and the command-line tools.

It speaks the protocol through the same tables as the broker: `Client.call` encodes any request of
`kafkalite.apis` by name, in the newest version that both sides know.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from bedrock.world import OsRand
from kafkalite.errors import Code
from kafkalite.requests import BY_NAME, decode_response, encode_request
from kafkalite.scram import NUMBER, ClientExchange

TOPIC_RESOURCE = 2
EARLIEST, LATEST = -2, -1
NONCE_BYTES = 18
# Refused here though both know them: newer ones name topics by id alone.
NEWEST_BY_NAME = {"Fetch": 12, "Produce": 12, "OffsetCommit": 9, "OffsetFetch": 9}


class Failed(Exception):
    """The broker refused; its code and message."""

    def __init__(self, code: int, message: str | None = None):
        name = Code(code).name if code in set(Code) else str(code)
        super().__init__(f"{name}: {message}" if message else name)
        self.code = code
        self.message = message or name


def check(response: dict[str, Any]) -> dict[str, Any]:
    """The response itself, or Failed when it carries an error."""
    if response["error_code"]:
        raise Failed(response["error_code"], response.get("error_message"))
    return response


@dataclass(frozen=True)
class Security:
    """How to connect: protocol is PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL."""

    protocol: str = "PLAINTEXT"
    authority: str = ""         # PEM file; "" for those of the system
    mechanism: str = "PLAIN"
    user: str = ""
    password: str = ""


class Client:
    """A connection that makes one request at a time."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, name: str
    ):
        self._reader, self._writer = reader, writer
        self._name = name
        self._correlation = 0
        self._newest: dict[str, int] = {"ApiVersions": 3}

    @classmethod
    async def connect(
        cls, host: str, port: int, security: Security | None = None, name: str = "kafkalite"
    ) -> Client:
        """OSError when nobody answers; Failed when the login is refused."""
        security = security or Security()
        context = None
        if security.protocol.endswith("SSL"):
            import ssl

            context = ssl.create_default_context(cafile=security.authority or None)
        client = cls(*await asyncio.open_connection(host, port, ssl=context), name)
        await client._learn()
        if security.protocol.startswith("SASL"):
            await client._log_in(security)
        return client

    async def _learn(self) -> None:
        told = check(
            await self.call(
                "ApiVersions", client_software_name="kafkalite", client_software_version="1"
            )
        )
        names = {api.key: api for api in BY_NAME.values()}
        for item in told["api_keys"]:
            api = names.get(item["api_key"])
            if api is not None:
                newest = min(api.newest, item["max_version"])
                self._newest[api.name] = min(newest, NEWEST_BY_NAME.get(api.name, newest))

    async def _log_in(self, security: Security) -> None:
        check(await self.call("SaslHandshake", mechanism=security.mechanism))
        if security.mechanism not in NUMBER:
            message = f"\0{security.user}\0{security.password}".encode()
            check(await self.call("SaslAuthenticate", auth_bytes=message))
            return
        exchange = ClientExchange(
            security.mechanism, security.user, security.password, OsRand().bytes(NONCE_BYTES)
        )
        reply = check(await self.call("SaslAuthenticate", auth_bytes=exchange.first()))
        final = exchange.final(reply["auth_bytes"])
        check(await self.call("SaslAuthenticate", auth_bytes=final))

    async def call(self, name: str, **request: Any) -> dict[str, Any]:
        """The response to a request; ConnectionError when the broker hangs up."""
        api = BY_NAME[name]
        version = self._newest.get(name, api.newest)
        self._correlation += 1
        self._writer.write(
            encode_request(api, version, self._correlation, request, self._name)
        )
        await self._writer.drain()
        try:
            size = int.from_bytes(await self._reader.readexactly(4), "big")
            return decode_response(api, version, await self._reader.readexactly(size))
        except asyncio.IncompleteReadError as exc:
            raise ConnectionError("the broker closed the connection") from exc

    def close(self) -> None:
        """Disconnect."""
        self._writer.close()

    # What most callers need.

    async def topics(self, *names: str) -> list[dict[str, Any]]:
        """What Metadata tells of some topics, or of all."""
        wanted = [{"name": name} for name in names] or None
        response = await self.call("Metadata", topics=wanted, allow_auto_topic_creation=False)
        return sorted(response["topics"], key=lambda topic: topic["name"] or "")

    async def partitions(self, topic: str) -> list[int]:
        """The partitions of a topic; Failed if there is none."""
        found = (await self.topics(topic))[0]
        check(found)
        return sorted(part["index"] for part in found["partitions"])

    async def offsets(
        self, topic: str, timestamp: int, partitions: list[int] | None = None
    ) -> dict[int, int]:
        """The offset for a time, EARLIEST or LATEST, by partition."""
        if partitions is None:
            partitions = await self.partitions(topic)
        parts = [{"index": index, "timestamp": timestamp} for index in partitions]
        response = await self.call(
            "ListOffsets", replica_id=-1, topics=[{"name": topic, "partitions": parts}]
        )
        return {p["index"]: check(p)["offset"] for p in response["topics"][0]["partitions"]}

    async def committed(self, group: str) -> dict[tuple[str, int], int]:
        """What a group committed."""
        response = await self.call("OffsetFetch", groups=[{"group_id": group, "topics": None}])
        found = check(response["groups"][0])
        return {
            (topic["name"], part["index"]): part["committed_offset"]
            for topic in found["topics"]
            for part in topic["partitions"]
            if part["committed_offset"] >= 0
        }
