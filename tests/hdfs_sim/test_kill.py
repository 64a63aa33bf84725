"""kill -9 of real processes: what was acknowledged is there, and blocks get their replicas back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from tests.hdfs_sim.processes import Cluster, Process, eventually

hdfs_native = pytest.importorskip("hdfs_native")


@pytest.fixture
def cluster(tmp_path):
    made = []

    def make(datanodes, **options):
        made.append(Cluster(tmp_path, datanodes, **options))
        return made[0]

    yield make
    for one in made:
        one.stop()


def write(client, path, data, **options):
    with client.create(path, hdfs_native.WriteOptions(**options)) as file:
        file.write(data)


def read(client, path):
    with client.read(path) as file:
        return bytes(file.read())


def test_blocks_of_a_killed_datanode_are_copied_to_another(cluster):
    running = cluster(4)
    client = hdfs_native.Client(running.url)
    data = os.urandom(3 << 20)
    write(client, "/file", data, block_size=1 << 20)
    victim = next(n for n in running.datanodes
                  if any(n.ports["port"] in nodes for nodes in running.holders("/file")))
    gone = victim.ports["port"]
    victim.kill()

    def restored():
        return all(len(nodes) == 3 and gone not in nodes for nodes in running.holders("/file"))

    eventually(restored, "three replicas elsewhere")
    assert read(client, "/file") == data


def test_a_write_goes_on_when_a_datanode_is_killed_in_its_middle(cluster):
    running = cluster(4)
    client = hdfs_native.Client(running.url)
    part = os.urandom(1 << 20)
    with client.create("/file", hdfs_native.WriteOptions(block_size=8 << 20)) as file:
        for number in range(24):
            if number == 6:
                running.datanodes[1].kill()
            file.write(part)
    assert read(client, "/file") == part * 24


def test_a_killed_datanode_comes_back_with_all_it_had(cluster):
    running = cluster(1, replication=1)
    client = hdfs_native.Client(running.url)
    data = os.urandom(2_500_000)
    write(client, "/file", data, replication=1, block_size=1 << 20)
    node = running.datanodes[0]
    node.kill()
    eventually(lambda: running.live() == 0, "the DataNode to be taken for dead")
    node.start()
    running.wait_for_datanodes(1)
    eventually(lambda: all(running.holders("/file")), "its block report")
    assert read(client, "/file") == data


WORKER = """
import sys, hdfs_native
client = hdfs_native.Client(sys.argv[1])
start = sys.argv[2]
for number in range(100000):
    name = f'/{start}-{number}'
    client.mkdirs(name, 0o755, True)
    print(name, flush=True)
    client.rename(name, name + 'r', False)
    print(name + 'r', flush=True)
    with client.create(name + 'f') as file:
        file.write(b'x' * 100)
    print(name + 'f', flush=True)
"""


def test_a_killed_namenode_has_every_acknowledged_operation(cluster):
    running = cluster(1, replication=1)
    for turn in range(3):
        worker = subprocess.Popen(
            [sys.executable, "-c", WORKER, running.url, str(turn)], stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True)
        assert worker.stdout is not None
        said = [worker.stdout.readline().strip() for _ in range(30)]
        running.namenode.kill()
        worker.kill()
        said += worker.stdout.read().split()
        worker.wait()
        running.namenode.start()
        running.wait_for_datanodes(1)
        client = hdfs_native.Client(running.url)
        names = {status.path for status in client.list_status("/")}
        # A directory is there under its first name only until its rename was acknowledged;
        # the rename in flight may have been done without our hearing of it.
        assert [n for n in said if n[-1] in "rf" and n not in names] == []
        assert [n for n in said if n[-1] not in "rf" and {n, n + "r"}.isdisjoint(names)] == []
        files = [name for name in said if name.endswith("f")]
        eventually(lambda files=files: all(all(running.holders(n)) for n in files),
                   "block reports")
        assert all(read(client, name) == b"x" * 100 for name in files)


def test_a_file_whose_writer_was_killed_is_closed_with_what_was_flushed(cluster):
    running = cluster(2, replication=2, soft_lease_s=0.5, hard_lease_s=1.0)
    program = (
        "import sys, time, hdfs_native\n"
        f"client = hdfs_native.Client({running.url!r})\n"
        "file = client.create('/open', hdfs_native.WriteOptions(replication=2))\n"
        "file.write(b'a' * 64512)\n"
        "time.sleep(0.5)\n"
        "print('written', flush=True)\n"
        "time.sleep(60)\n")
    writer = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert writer.stdout is not None and writer.stdout.readline() == b"written\n"
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    client = hdfs_native.Client(running.url)
    eventually(lambda: client.get_file_info("/open").length == 64512, "lease recovery")
    assert read(client, "/open") == b"a" * 64512
    with client.append("/open") as file:
        file.write(b"b")
    assert read(client, "/open") == b"a" * 64512 + b"b"


def test_children_end_with_their_server_and_come_back_when_killed(tmp_path):
    server = Process("serve", tmp_path / "all", datanodes=2, replication=2, heartbeat_s=0.2)
    try:
        assert server.process is not None
        children = children_of(server.process.pid)
        assert len(children) == 2
        client = hdfs_native.Client(f"hdfs://127.0.0.1:{server.ports['port']}")
        write(client, "/file", b"kept" * 1000)
        os.kill(children[0], signal.SIGKILL)
        eventually(lambda: len(children_of(server.process.pid)) == 2
                   and children[0] not in children_of(server.process.pid), "a new child")
        assert read(client, "/file") == b"kept" * 1000
        children = children_of(server.process.pid)
        server.kill()
        eventually(lambda: not any(alive(pid) for pid in children), "the children to end")
        server.start()
        client = hdfs_native.Client(f"hdfs://127.0.0.1:{server.ports['port']}")
        assert read(client, "/file") == b"kept" * 1000
    finally:
        server.stop()


def children_of(pid: int) -> list[int]:
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(word) for word in file.read().split()]


def alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
