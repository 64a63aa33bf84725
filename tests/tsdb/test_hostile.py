"""tsdb and those who mean no good, or have no room, over real sockets and on real files."""

import dataclasses
import gzip
import random
import struct
import time
import urllib.request

import pytest

import bedrock
import tsdb.server
from bedrock.sim.disk import Medium
from bedrock.world import Rand
from tests import hostile
from tests.tsdb.wire import ask, http, remote_write_body

POST = b"POST %s HTTP/1.1\r\nHost: x\r\n%s\r\n\r\n"
NOISE = [
    *(POST % (path, b"Content-Length: " + length)
      for path in (b"/write", b"/api/v1/write")
      for length in (b"-1", b"2147483648", b"9223372036854775808", b"1e9", b"9" * 20)),
    POST % (b"/write", b"Transfer-Encoding: chunked") + b"7fffffff\r\nx",
    POST % (b"/write", b"Transfer-Encoding: chunked") + b"-5\r\nx",
    POST % (b"/write", b"a: b\r\n" * 20_000),
    b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\n\r\n",
    b"GET /api/v1/query?query=" + b"(" * 6000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /api/v1/query?query=" + b"-" * 6000 + b"1 HTTP/1.1\r\nHost: x\r\n\r\n",
    *hostile.NOISE,
]  # fmt: skip
LINES = b"\n".join(b"m,i=%d f=%d.5 0" % (i, i) for i in range(2000))


def test_noise_harms_nobody_and_costs_no_memory():
    with bedrock.run("tsdb", process=True) as server:
        assert ask(server.url, "query", query="1")["status"] == "success"
        before = hostile.rss_bytes(server.pid)
        hostile.throw_noise(server.host, server.port, NOISE)
        assert hostile.rss_bytes(server.pid) - before < hostile.TEN_MIB
        assert ask(server.url, "query", query="1")["status"] == "success"


def test_bombs_are_refused_at_the_limit():
    bomb = gzip.compress(bytes(400 << 20), 6)
    with bedrock.run("tsdb", process=True) as server:
        before = hostile.rss_bytes(server.pid)
        assert http(f"{server.url}/write", bomb, Content_Encoding="gzip")[0] == 413
        for claimed in (2**31 - 1, 2**32 - 1):
            length = b""
            while claimed:
                length += bytes([claimed & 127 | (128 if claimed > 127 else 0)])
                claimed >>= 7
            status, _ = http(f"{server.url}/api/v1/write", length + b"\0" * 100)
            assert status in (400, 413)
        assert hostile.rss_bytes(server.pid) - before < 100 << 20
        assert http(f"{server.url}/write", b"m f=1")[0] == 204


def test_a_full_disk_is_507_to_writers_and_readers_read_on():
    medium = Medium(Rand(1))
    with bedrock.run("tsdb", disk=medium.disk()) as server:
        assert http(f"{server.url}/write", b"first f=1")[0] == 204
        medium.capacity = medium.used_bytes()
        body = remote_write_body({(("__name__", f"m{i}"),): [(i, i / 3)] for i in range(2000)})
        for path, data in (("write", LINES), ("api/v2/write", LINES), ("api/v1/write", body)):
            answers = [204]
            while answers[-1] == 204 and len(answers) < 1000:
                answers.append(http(f"{server.url}/{path}", data)[0])
            assert answers[-1] == 507
            assert ask(server.url, "query", query="first_f")["data"]["result"]
        medium.capacity = 0
        assert http(f"{server.url}/write", LINES)[0] == 204


def test_one_who_never_reads_is_cut_off_and_others_are_answered(monkeypatch):
    monkeypatch.setattr(tsdb.server, "LIMITS", dataclasses.replace(tsdb.server.LIMITS, stall_s=1))
    with bedrock.run("tsdb") as server:
        http(f"{server.url}/write", LINES)
        deaf = hostile.reader_that_does_not_read(server.host, server.port)
        deaf.setblocking(False)
        query = b"GET /api/v1/series?match[]=m_f&start=-1&end=1 HTTP/1.1\r\nHost: x\r\n\r\n"
        start, most = time.monotonic(), 0
        while not hostile.is_cut_off(deaf):
            assert time.monotonic() - start < 15
            try:
                deaf.send(query * 20)
            except BlockingIOError:
                time.sleep(0.02)
            except ConnectionError:
                break
            assert ask(server.url, "query", query="1")["status"] == "success"
            links = [link for s in server.server._listeners for link in list(s.links)]
            most = max([most, *(link.queued for link in links)])
        assert most < 8 << 20
        deaf.close()


def write_numbers(server, life):
    """Write until it is to be killed; what was acknowledged."""
    sure = []
    for number in range(random.Random(life).randint(10, 60)):
        line = b"n,life=%d v=%d %d" % (life, number, number)
        assert http(f"{server.url}/write?precision=ms", line)[0] == 204
        sure.append(number)
    return sure


def killed_in_a_write_loop(directory, rounds):
    sure = {}
    for life in range(rounds + 1):
        with bedrock.run("tsdb", process=True, data_dir=str(directory)) as server:
            found = ask(server.url, "query", query="count_over_time(n_v[1d])", time="86399")
            counts = {r["metric"]["life"]: float(r["value"][1]) for r in found["data"]["result"]}
            assert counts == {str(n): float(len(done)) for n, done in sure.items()}
            if life < rounds:
                sure[life] = write_numbers(server, life)
            server.kill()


def test_kill_dash_nine_loses_nothing_that_was_acknowledged(tmp_path):
    killed_in_a_write_loop(tmp_path, 3)


@pytest.mark.slow
def test_kill_dash_nine_fifty_times(tmp_path):
    killed_in_a_write_loop(tmp_path, 50)


@pytest.fixture
def written(tmp_path):
    """The data of a killed server."""
    directory = tmp_path / "tsdb"
    with bedrock.run("tsdb", process=True, data_dir=str(directory)) as server:
        for i in range(30):
            assert http(f"{server.url}/write", b"m,i=%d f=1.5 %d" % (i, i))[0] == 204
        server.kill()
    return directory, max((directory / "wal").glob("*.log"))


def test_a_torn_tail_is_cut_and_the_log_says_so(written, capfd):
    directory, segment = written
    with open(segment, "ab") as file:
        file.write(struct.pack("<QQ", 50, 1))
    code, said = hostile.check_says("tsdb", directory)
    assert (code, "note" in said, segment.name in said) == (0, True, True)
    with bedrock.run("tsdb", process=True, data_dir=str(directory)) as server:
        found = ask(server.url, "query", query="count(m_f)", time="0")
        assert found["data"]["result"][0]["value"][1] == "30"
    assert "repaired" in capfd.readouterr().err


def test_damage_refuses_to_start_and_names_the_place_as_check_does(written):
    directory, segment = written
    hostile.flip(segment, 300)
    said = hostile.refuses_to_start("tsdb", directory)
    place = said.split("damaged data: ")[1].split(":")[0]
    assert segment.name in place
    code, found = hostile.check_says("tsdb", directory)
    assert code == 4
    assert place.split("/")[-1] in found


def test_the_largest_header_is_refused_before_it_is_kept():
    with bedrock.run("tsdb") as server:
        request = urllib.request.Request(f"{server.url}/ping", headers={"a": "b" * 200_000})
        with pytest.raises(OSError):  # refused, or cut off while it still sends
            urllib.request.urlopen(request, timeout=5)
        assert http(f"{server.url}/ping")[0] == 204
