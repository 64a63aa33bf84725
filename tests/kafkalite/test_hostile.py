"""kafkalite and those who mean no good, or have no room, over real sockets and on real files."""

import contextlib
import dataclasses
import itertools
import threading
import time

import pytest

import bedrock
import kafkalite.server
from bedrock.codec.compress import compress
from bedrock.codec.crc32c import crc32c
from bedrock.sim.disk import Medium
from bedrock.world import Rand
from kafkalite.batch import Record, pack
from kafkalite.errors import Code
from tests import hostile
from tests.kafkalite.test_fuzz import FRAMES
from tests.kafkalite.wire import SocketWire

NOISE = [
    *(data[:size] for data in FRAMES for size in (5, len(data) // 2)),
    *(data[:12] + b"\x7f\xff\xff\xff" + data[16:] for data in FRAMES),
    *(data[:-4] + b"\xff\xff\xff\xff" for data in FRAMES),
    *hostile.NOISE,
]


def test_noise_harms_nobody_and_costs_no_memory():
    with bedrock.run("kafkalite", process=True) as server:
        wire = SocketWire(server)
        wire.create("t")
        wire.produce("t", b"v")
        before = hostile.rss_bytes(server.pid)
        hostile.throw_noise(server.host, server.port, NOISE)
        assert hostile.rss_bytes(server.pid) - before < hostile.TEN_MIB
        assert wire.values("t") == [b"v"]


def test_a_full_disk_is_error_56_to_producers_and_consumers_read_on():
    medium = Medium(Rand(1))
    with bedrock.run("kafkalite", disk=medium.disk()) as server:
        wire = SocketWire(server)
        assert wire.create("t") == 0
        assert wire.produce("t", b"first") == (0, 0)
        medium.capacity = medium.used_bytes()
        codes = [0]
        while codes[-1] == 0 and len(codes) < 1000:
            codes.append(wire.produce("t", b"x" * 1000)[0])
        assert codes[-1] == Code.KAFKA_STORAGE_ERROR
        assert wire.create("u") == Code.KAFKA_STORAGE_ERROR
        assert wire.values("t")[0] == b"first"
        assert len(wire.values("t")) == len(codes) - 1
        medium.capacity = 0
        assert wire.produce("t", b"room again") == (0, len(codes) - 1)
        assert wire.create("u") == 0


def test_a_consumer_that_never_reads_is_cut_off_and_others_are_served(monkeypatch):
    limits = dataclasses.replace(kafkalite.server.LIMITS, stall_s=1)
    monkeypatch.setattr(kafkalite.server, "LIMITS", limits)
    with bedrock.run("kafkalite") as server:
        wire = SocketWire(server)
        wire.create("t")
        for _ in range(20):
            wire.produce("t", b"x" * 900_000)
        deaf = SocketWire(server)
        part = {"index": 0, "fetch_offset": 0, "max_bytes": 50 << 20}
        topics = [{"name": "t", "partitions": [part]}]
        for _ in range(5):
            deaf.send("Fetch", 12, max_bytes=50 << 20, topics=topics)
        start = time.monotonic()
        while not hostile.is_cut_off(deaf.socket):
            assert time.monotonic() - start < 15
            assert wire.produce("t", b"x")[0] == 0
            time.sleep(0.05)
        assert len(wire.values("t", 19)) > 1


def bomb(codec):
    """A batch of one record whose compressed part unpacks to a gigabyte of zeros."""
    body = compress(codec, bytes(1 << 28))
    if codec == "gzip":
        body *= 4  # members of one stream
    return recoded(body, ["none", "gzip", "snappy", "lz4", "zstd"].index(codec))


def recoded(body, codec):
    """A batch whose records are `body`, said to be of a codec."""
    head = bytearray(pack([Record(0, 1, None, b"v")])[:61])
    head[8:12] = (len(body) + 49).to_bytes(4, "big")
    head[22] = codec
    checksum = crc32c(bytes(head[21:]) + body)
    head[17:21] = checksum.to_bytes(4, "big")
    return bytes(head) + body


@pytest.mark.parametrize("codec", ["gzip", "lz4", "zstd"])
def test_a_bomb_is_kept_packed_and_unpacked_for_nobody(codec):
    with bedrock.run("kafkalite", process=True, max_message_bytes=20 << 20) as server:
        wire = SocketWire(server)
        wire.create("t")
        before = hostile.rss_bytes(server.pid)
        assert wire.produce("t", batch=bomb(codec))[0] == 0
        assert wire.produce("t", batch=recoded(b"no stream", 1 + len(codec) % 4))[0] == 0
        part = {"index": 0, "timestamp": 1}
        other = SocketWire(server)
        answer = other.call(
            "ListOffsets", replica_id=-1, topics=[{"name": "t", "partitions": [part]}]
        )
        assert answer["topics"][0]["partitions"][0]["error_code"] == Code.CORRUPT_MESSAGE
        assert hostile.rss_bytes(server.pid) - before < 64 << 20
        assert wire.produce("t", b"v") == (0, 2)


def killed_in_a_write_loop(directory, rounds, fsync):
    """Kill a broker while two producers write; what they were told is there must be there."""
    sure = {}  # offset: value
    for life in range(rounds + 1):
        with bedrock.run(
            "kafkalite", process=True, data_dir=str(directory), fsync=fsync, segment_bytes=100_000
        ) as server:
            wire = SocketWire(server)
            wire.create("t")
            values = wire.values("t")
            assert {offset: values[offset] for offset in sure} == sure
            if life < rounds:
                threads = [
                    threading.Thread(target=write, args=(server, b"%d-%d" % (life, n), sure))
                    for n in range(2)
                ]
                for thread in threads:
                    thread.start()
                wanted = len(sure) + 15
                hostile.until(lambda wanted=wanted: len(sure) >= wanted)
                server.kill()
                for thread in threads:
                    thread.join()
    assert len(sure) >= 15 * rounds


def write(server, name, sure):
    """Produce until the broker dies."""
    with contextlib.suppress(ConnectionError):
        wire = SocketWire(server)
        for number in itertools.count():
            value = b"%s-%d" % (name, number) + b"." * (number % 500)
            code, offset = wire.produce("t", value)
            assert code == 0
            sure[offset] = value


@pytest.mark.parametrize("fsync", ["always", "never"])
def test_kill_dash_nine_loses_nothing_that_was_acknowledged(tmp_path, fsync):
    killed_in_a_write_loop(tmp_path, 3, fsync)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_kill_dash_nine_a_hundred_times(tmp_path):
    killed_in_a_write_loop(tmp_path, 100, "always")


@pytest.fixture
def written(tmp_path):
    """The data of a stopped broker, and its segment."""
    directory = tmp_path / "kafkalite"
    with bedrock.run("kafkalite", process=True, data_dir=str(directory)) as server:
        wire = SocketWire(server)
        wire.create("t")
        for number in range(50):
            wire.produce("t", b"%d" % number * 100)
        server.stop()
    return directory, directory / "t-0" / "00000000000000000000.log"


def test_a_torn_tail_is_cut_and_the_log_says_so(written, capfd):
    directory, segment = written
    with open(segment, "ab") as file:
        file.write(b"\0" * 100)
    code, said = hostile.check_says("kafkalite", directory)
    assert (code, "note" in said, segment.name in said) == (0, True, True)
    with bedrock.run("kafkalite", process=True, data_dir=str(directory)) as server:
        assert len(SocketWire(server).values("t")) == 50
    assert "100 bytes cut off" in capfd.readouterr().err


def test_damage_refuses_to_start_and_names_the_place_as_check_does(written):
    directory, segment = written
    hostile.flip(segment, segment.stat().st_size - 50)
    said = hostile.refuses_to_start("kafkalite", directory)
    place = said.split("damaged data: ")[1].split(":")[0]
    assert f"t-0/{segment.name} at " in place
    code, found = hostile.check_says("kafkalite", directory)
    assert code == 4
    assert place in found
