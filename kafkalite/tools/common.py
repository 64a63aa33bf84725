"""What the tools share: flags to connect by, property files, and how a failure is told."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable
from functools import partial

from kafkalite.client import Client, Failed, Security

DEFAULT_PORT = 9092


class Refused(Exception):
    """What was asked makes no sense; the message says why."""


def parser(name: str, about: str) -> argparse.ArgumentParser:
    """A parser with the flags every tool has."""
    made = argparse.ArgumentParser(
        prog=name, description=about, allow_abbrev=False,
        formatter_class=partial(argparse.HelpFormatter, width=100),
    )
    made.add_argument(
        "--bootstrap-server", "--broker-list", dest="bootstrap", default="localhost:9092",
        metavar="HOST:PORT", help="the broker; of several, the first that answers",
    )
    made.add_argument(
        "--command-config", "--producer.config", "--consumer.config", dest="properties",
        default="", metavar="FILE", help="properties file that says how to log in",
    )
    return made


def properties(path: str) -> dict[str, str]:
    """The lines NAME=VALUE of a properties file."""
    found = {}
    try:
        with open(path, encoding="utf-8") as file:
            for line in file:
                name, equals, value = line.strip().partition("=")
                if equals and not name.startswith(("#", "!")):
                    found[name.strip()] = value.strip()
    except OSError as exc:
        raise Refused(f"{path}: {exc.strerror}") from exc
    return found


def security(held: dict[str, str]) -> Security:
    """How to connect, from a client's properties: librdkafka's names, or a JAAS line."""
    user, password = held.get("sasl.username", ""), held.get("sasl.password", "")
    for word in held.get("sasl.jaas.config", "").replace(";", " ").split():
        name, _, value = word.partition("=")
        if name == "username":
            user = value.strip('"')
        elif name == "password":
            password = value.strip('"')
    return Security(
        protocol=held.get("security.protocol", "PLAINTEXT"),
        authority=held.get("ssl.ca.location", held.get("ssl.truststore.location", "")),
        mechanism=held.get("sasl.mechanism", "PLAIN"),
        user=user,
        password=password,
    )


async def connect_to(addresses: str, path: str = "", name: str = "kafkalite") -> Client:
    """The first broker of a list that answers; OSError if none does."""
    held = properties(path) if path else {}
    failure: OSError | None = None
    for address in addresses.split(","):
        host, _, port = address.strip().rpartition(":")
        if not host:
            host, port = port, str(DEFAULT_PORT)
        try:
            return await Client.connect(host.strip("[]"), int(port), security(held), name)
        except OSError as exc:
            failure = exc
    assert failure is not None, "split gives one address at least"
    raise failure


def run(
    what: str, options: argparse.Namespace, work: Callable[[Client], Awaitable[int | None]]
) -> int:
    """Connect, work, and tell what failed; the exit code."""

    async def main() -> int:
        client = await connect_to(options.bootstrap, options.properties)
        try:
            return await work(client) or 0
        finally:
            client.close()

    try:
        return asyncio.run(main())
    except (Failed, Refused) as exc:
        message = exc.message if isinstance(exc, Failed) else str(exc)
        print(f"Error while executing {what} command : {message}", file=sys.stderr)
    except OSError as exc:
        print(f"Connection to {options.bootstrap} failed: {exc}", file=sys.stderr)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        pass
    return 1


def pairs(texts: list[str]) -> dict[str, str]:
    """NAME=VALUE words as a dict."""
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise Refused(f"{text}: want NAME=VALUE")
        found[name.strip()] = value.strip()
    return found
