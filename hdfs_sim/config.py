"""The options of `python -m hdfs_sim serve` and `python -m hdfs_sim datanode`."""

from __future__ import annotations

from dataclasses import dataclass

from bedrock.app.component import Component, Port
from bedrock.app.config import ServerConfig, option


@dataclass
class HdfsConfig(ServerConfig):
    """A NameNode, and DataNodes as its children."""

    port: int = option(8020, "port for Hadoop RPC (hdfs://); 0 takes a free one")
    http_port: int = option(9870, "port for WebHDFS; 0 takes a free one")
    datanodes: int = option(3, "DataNodes to run, each a process of its own; 0 for none")
    in_process: bool = option(False, "run the DataNodes within the NameNode's process")
    replication: int = option(3, "replicas of a file whose creator does not say")
    block_size: int = option(128 << 20, "bytes of a block whose creator does not say")
    heartbeat_s: float = option(1.0, "seconds between a DataNode's heartbeats")
    dead_after_s: float = option(10.0, "silence after which a DataNode's blocks are copied anew")
    soft_lease_s: float = option(60.0, "silence of a writer after which another may take over")
    hard_lease_s: float = option(1200.0, "silence of a writer after which its files are closed")
    trash_interval_min: int = option(0, "minutes that clients keep trash; 0 turns trash off")
    superuser: str = option("", "owner of the root directory; default the user who runs it")


@dataclass
class DatanodeConfig(ServerConfig):
    """One DataNode."""

    port: int = option(9866, "port for block transfers; 0 takes a free one")
    http_port: int = option(9864, "port for WebHDFS data; 0 takes a free one")
    ipc_port: int = option(9867, "port for RPC of other DataNodes; 0 takes a free one")
    namenode: str = option("127.0.0.1:8020", "host:port of the NameNode's RPC")
    rack: str = option("/default-rack", "where it stands, for the placement of replicas")
    heartbeat_s: float = option(1.0, "seconds between heartbeats")


COMPONENT = Component(
    name="hdfs_sim",
    speaks="HDFS: Hadoop RPC 9, DataTransferProtocol 28, WebHDFS v1",
    config=HdfsConfig,
    ports=(
        Port("port", "Hadoop RPC", "hdfs-native --url hdfs://{host}:{port} ls /",
             env=(("HDFS_URL", "hdfs://{host}:{port}"),)),
        Port("http_port", "WebHDFS", "curl 'http://{host}:{port}/webhdfs/v1/?op=LISTSTATUS'",
             env=(("WEBHDFS_URL", "http://{host}:{port}"),)),
    ),
    server="hdfs_sim.server:Server",
    early="hdfs_sim.children:begin",
    check="hdfs_sim.check:check",
    shell="hdfs_sim.shell:HdfsGrammar",
    bench="benchmarks.hdfs_sim:main",
    simulation="hdfs_sim.simulation:scenario",
    embedded=(("in_process", True), ("heartbeat_s", 0.2), ("block_size", 1 << 20)),
)

DATANODE = Component(
    name="hdfs_datanode",
    speaks="a DataNode of hdfs_sim",
    config=DatanodeConfig,
    ports=(Port("port", "DataTransferProtocol"), Port("http_port", "WebHDFS data"),
           Port("ipc_port", "InterDatanodeProtocol")),
    server="hdfs_sim.datanode:DataNode",
    check="hdfs_sim.check:check_blocks",
)
