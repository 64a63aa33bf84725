"""The options of tsdb, and what it tells the rest of Bedrock about itself."""

from __future__ import annotations

from dataclasses import dataclass

from bedrock.app.component import Component, Port
from bedrock.app.config import ServerConfig, option


@dataclass
class TsdbConfig(ServerConfig):
    """What can be set."""

    port: int = option(9090, "port for the Prometheus and the InfluxDB paths; 0 takes a free one")
    influx_port: int = option(8086, "second port for the same paths; -1 for none")
    retention: str = option("0", "age at which blocks are removed (15d, 1y); 0 keeps all")
    retention_rules: str = option("", "other ages: {job=\"debug\"}:1d;{__name__=~\"slo_.+\"}:5y")
    tiers: str = option("", "downsampling, as 5m:2d:1y,1h:14d:0 (bucket, from which age, kept for)")
    zstd_after: str = option("0", "age at which blocks are written anew, zstd tried too; 0: never")
    block_range: str = option("2h", "span of a block")
    lookback: str = option("5m", "how old a sample an instant query still takes")
    series_max: int = option(10_000_000, "series in the head; more are refused")
    forward: str = option("", "http://host:port/path that samples are remote-written to as well")
    labels_max: int = option(512, "labels a series may have; one with more is refused")
    samples_max: int = option(50_000_000, "samples in the head at which it is flushed")
    config_file: str = option("", "what to scrape, rules, Alertmanagers: as Prometheus has it")
    state_file: str = option("", "what `bedrock up` writes: its systems are scraped")
    query_samples_max: int = option(50_000_000, "samples a query may read; 0 for no limit")
    query_memory_max: int = option(1 << 30, "bytes a query's matrices may take; 0 for no limit")
    query_timeout_s: float = option(120.0, "seconds a query may last; 0 for no limit")
    queries_at_once: int = option(20, "queries that may be unfinished; others wait")
    maintenance_s: float = option(60.0, "seconds between looks at what to flush or remove")


COMPONENT = Component(
    name="tsdb",
    speaks="Prometheus and InfluxDB",
    config=TsdbConfig,
    ports=(
        Port(
            "port",
            "Prometheus HTTP API, remote-write",
            "promtool query instant http://{host}:{port} 'count({{__name__=~\".+\"}})'",
            (("PROMETHEUS_URL", "http://{host}:{port}"),),
        ),
        Port(
            "influx_port",
            "InfluxDB line protocol",
            "curl -d 'cpu,host=a usage=42' http://{host}:{port}/write",
            (("INFLUX_URL", "http://{host}:{port}"),),
        ),
    ),
    server="tsdb.server:Server",
    check="tsdb.check:check",
    shell="tsdb.shell:Shell",
    simulation="tsdb.simulation:scenario",
)
