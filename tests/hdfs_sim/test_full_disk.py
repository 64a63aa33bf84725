"""A full disk: what cannot be kept is refused in the protocol's words, and reads go on."""

import os

import pytest

from tests.hdfs_sim.processes import Cluster, Process, eventually, wait_for_datanodes

hdfs_native = pytest.importorskip("hdfs_native")


@pytest.fixture
def running():
    made = []
    yield made
    for one in made:
        one.stop()


def write(client, path, data, **options):
    with client.create(path, hdfs_native.WriteOptions(**options)) as file:
        file.write(data)


def read(client, path):
    with client.read(path) as file:
        return bytes(file.read())


def fill(disk):
    filler = disk / "filler"
    with open(filler, "wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
        while True:
            file.write(bytes(4096))
    return filler


def test_a_namenode_without_room_refuses_changes_and_answers_reads(small_disk, tmp_path, running):
    namenode = Process("serve", small_disk, datanodes=0, replication=1, heartbeat_s=0.2)
    running.append(namenode)
    node = Process("datanode", tmp_path / "dn", ipc_port=0, heartbeat_s=0.2,
                   namenode=f"127.0.0.1:{namenode.ports['port']}")
    running.append(node)
    wait_for_datanodes(namenode, 1)
    client = hdfs_native.Client(f"hdfs://127.0.0.1:{namenode.ports['port']}")
    write(client, "/kept", b"kept" * 1000, replication=1)
    filler = fill(small_disk)
    made = []
    with pytest.raises(RuntimeError, match=r"SafeModeException.*Resources are low"):
        while True:
            client.mkdirs(f"/{len(made)}" + "x" * 200, 0o755, True)
            made.append(f"/{len(made)}" + "x" * 200)
    assert read(client, "/kept") == b"kept" * 1000
    assert {status.path for status in client.list_status("/")} == {"/kept", *made}
    filler.unlink()
    write(client, "/again", b"again", replication=1)
    namenode.kill()
    namenode.start()
    eventually(lambda: read_or_none(client, "/again") == b"again", "the DataNode's report")
    assert {status.path for status in client.list_status("/")} == {"/kept", "/again", *made}


def read_or_none(client, path):
    try:
        return read(client, path)
    except Exception:
        return None


def test_a_write_goes_on_without_the_datanode_that_has_no_room(small_disk, tmp_path, running):
    cluster = Cluster(tmp_path, 2, replication=2)
    running.append(cluster)
    small = Process("datanode", small_disk, ipc_port=0, heartbeat_s=0.2,
                    namenode=f"127.0.0.1:{cluster.namenode.ports['port']}")
    running.append(small)
    cluster.wait_for_datanodes(3)
    client = hdfs_native.Client(cluster.url)
    write(client, "/before", b"before", replication=3)
    filler = fill(small_disk)
    data = os.urandom(300_000)
    write(client, "/while", data, replication=3)
    assert small.process.poll() is None
    assert read(client, "/before") == b"before" and read(client, "/while") == data
    held = cluster.holders("/while")
    assert held and all(small.ports["port"] not in nodes for nodes in held)
    filler.unlink()
    eventually(lambda: all(len(nodes) == 3 for nodes in cluster.holders("/while")),
               "the third replica, now that there is room")
    write(client, "/after", data, replication=3)
    small.kill()
    small.start()
    assert read(client, "/after") == data
