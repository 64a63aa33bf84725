"""Replicas on disk: checksums, crashes, appends inside a chunk; what a client sees of damage."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

import bedrock
from bedrock.world import OsDisk
from hdfs_sim.block_store import BadChecksum, BlockStore, Corrupt
from hdfs_sim.check import check_blocks
from hdfs_sim.messages.datanode import FINALIZED, RBW, RWR
from hdfs_sim.packet import build_packet, read_packet


def put(replica, offset, data):
    packet = build_packet(offset, 0, data)
    sums = packet[len(packet) - len(data) - (len(data) + 511) // 512 * 4:len(packet) - len(data)]
    replica.put(offset, data, sums)


def whole(replica):
    return read_packet(replica.packet(0, replica.length, 0))[5]


@pytest.fixture
def store(tmp_path):
    return BlockStore(OsDisk(str(tmp_path)))


def test_appends_inside_a_chunk_extend_its_checksum(store):
    replica = store.create(1, 1001, RBW)
    data = b""
    for size in (100, 300, 112, 512, 7, 505, 1000):
        piece = os.urandom(size)
        if len(data) % 512:
            for start in range(0, size, 512 - len(data) % 512):
                part = piece[start:start + 512 - len(data) % 512]
                put(replica, len(data), part)
                data += part
        else:
            put(replica, len(data), piece)
            data += piece
    assert whole(replica) == data
    store.truncate(replica, 700)
    assert whole(replica) == data[:700]


def test_a_wrong_checksum_changes_nothing(store):
    replica = store.create(1, 1001, RBW)
    put(replica, 0, b"a" * 600)
    with pytest.raises(BadChecksum):
        replica.put(600 - 600 % 512, b"b" * 512, b"\0\0\0\0")
    assert whole(replica) == b"a" * 600


def test_a_finalized_replica_is_found_again_and_checked(store, tmp_path):
    replica = store.create(70_000, 1001, RBW)
    put(replica, 0, b"a" * 5000)
    store.finalize(replica)
    again = BlockStore(OsDisk(str(tmp_path))).get(70_000)
    assert (again.state, again.length, again.gs, whole(again)) == (
        FINALIZED, 5000, 1001, b"a" * 5000)
    path = tmp_path / again.data_name
    raw = bytearray(path.read_bytes())
    raw[3000] ^= 1
    path.write_bytes(raw)
    with pytest.raises(Corrupt):
        whole(BlockStore(OsDisk(str(tmp_path))).get(70_000))
    assert [f.offset for f in check_blocks(OsDisk(str(tmp_path)))] == [2560]


@pytest.mark.parametrize("extra", [0, 1, 100])
def test_after_a_crash_a_replica_is_as_long_as_its_checksums_say(store, tmp_path, extra):
    replica = store.create(9, 1001, RBW)
    put(replica, 0, b"a" * 1000)
    with open(tmp_path / replica.data_name, "ab") as file:
        file.write(b"b" * extra)
    again = BlockStore(OsDisk(str(tmp_path))).get(9)
    assert (again.state, again.length) == (RWR, 1000)


@pytest.mark.parametrize("moved", ["data", "meta"])
def test_a_crash_between_the_renames_of_a_replica_loses_nothing(store, tmp_path, moved):
    replica = store.create(9, 1001, RBW)
    put(replica, 0, b"a" * 1000)
    before = tmp_path / (replica.data_name if moved == "data" else replica.meta_name)
    store.finalize(replica)
    after = replica.data_name if moved == "data" else replica.meta_name
    os.rename(tmp_path / after, before)
    again = BlockStore(OsDisk(str(tmp_path))).get(9)
    assert whole(again) == b"a" * 1000


def test_a_damaged_replica_is_never_served_and_gets_replaced():
    native = pytest.importorskip("hdfs_native")
    with bedrock.run("hdfs_sim", replication=2) as server:
        client = native.Client(server.url)
        data = os.urandom(300_000)
        with client.create("/file") as file:
            file.write(data)
        blocks = [p for p in Path(server.data_dir).rglob("blk_*")
                  if "finalized" in str(p) and p.suffix != ".meta"]
        assert len(blocks) == 2
        raw = bytearray(blocks[0].read_bytes())
        raw[1000] ^= 1
        blocks[0].write_bytes(raw)
        deadline = time.monotonic() + 20
        healed = False
        while not healed and time.monotonic() < deadline:
            with native.Client(server.url).read("/file") as file:
                assert bytes(file.read()) == data
            sound = [p for p in Path(server.data_dir).rglob("blk_*")
                     if "finalized" in str(p) and p.suffix != ".meta" and p.read_bytes() == data]
            healed = len(sound) == 2
            time.sleep(0.1)
        assert healed
