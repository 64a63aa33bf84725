"""What kvstore can be told, and what it tells the rest of Bedrock about itself."""

from dataclasses import dataclass

from bedrock.app.component import Component, Port
from bedrock.app.config import ServerConfig, option


@dataclass
class Config(ServerConfig):
    port: int = option(6379, "port for RESP; 0 takes a free one")
    page_port: int = option(-1, "port for the page of keys; -1 for none, 0 for any")
    databases: int = option(16, "number of databases SELECT can choose from")
    engine: str = option(
        "memory",
        "where the data is: in memory, or strings and hashes in a log that may be larger",
        choices=["memory", "log"],
    )
    appendonly: bool = option(True, "keep the data in an append-only file")
    appendfsync: str = option(
        "everysec", "when that file is synced", choices=["always", "everysec", "no"]
    )
    maxclients: int = option(10_000, "connections at once; one more is closed")
    user: list = option([], "ACL users, each as in redis.conf: 'alice on >secret ~* +@all'")
    conf_file: str = option("", "the redis.conf that CONFIG REWRITE writes to")
    set: list = option([], "other parameters, as NAME=VALUE with the names of CONFIG SET")


COMPONENT = Component(
    name="kvstore",
    speaks="RESP 2 and 3 (Redis 7.0)",
    config=Config,
    ports=(
        Port(
            "port",
            "RESP",
            "redis-cli -h {host} -p {port}",
            (("REDIS_URL", "redis://{host}:{port}/0"),),
        ),
        Port("page_port", "HTTP, keys and what is slow", client="browse http://{host}:{port}/"),
    ),
    server="kvstore.server:Server",
    check="kvstore.check:check",
    shell="kvstore.shell:KvstoreGrammar",
    bench="benchmarks.kvstore:main",
    simulation="kvstore.simulation:scenario",
)
