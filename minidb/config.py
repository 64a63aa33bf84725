"""What minidb can be told, and what it tells the rest of Bedrock about itself."""

from dataclasses import dataclass

from bedrock.app.component import Component, Port
from bedrock.app.config import ServerConfig, option


@dataclass
class Config(ServerConfig):
    port: int = option(5432, "port for the PostgreSQL protocol; 0 takes a free one")
    max_clients: int = option(1000, "connections beyond this many are refused")


COMPONENT = Component(
    name="minidb",
    speaks="PostgreSQL protocol 3.0",
    config=Config,
    ports=(
        Port(
            "port",
            "PostgreSQL",
            "psql -h {host} -p {port} -U postgres postgres",
            (("DATABASE_URL", "postgresql://postgres@{host}:{port}/postgres"),
             ("PGHOST", "{host}"), ("PGPORT", "{port}"), ("PGUSER", "postgres"),
             ("PGDATABASE", "postgres")),
        ),
    ),
    server="minidb.server:Server",
    check="minidb.checkpoint:check",
    shell="minidb.shell:MinidbGrammar",
    bench="benchmarks.minidb:main",
    simulation="minidb.simulation:scenario",
)
