"""chat and those who mean no good, or have no room, over real sockets and on real files."""

import dataclasses
import time

import pytest

import bedrock
import chat.server
from bedrock.sim.disk import Medium
from bedrock.world import Rand
from tests import hostile
from tests.chat.irc import Client

NOISE = [
    b"\n" * 3000,
    b"NICK\nUSER\nJOIN\n" * 50,
    b":" * 500 + b"\n",
    b"@" * 5000 + b"\n",
    b"PRIVMSG " + b"," * 400 + b" :x\n",
    b"JOIN " + b"#a," * 150 + b"\n",
    b"CAP REQ :" + b"x " * 200 + b"\n",
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    *hostile.NOISE,
]
WEB_NOISE = [
    b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 2147483648\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\n" + b"a: b\r\n" * 20_000 + b"\r\n",
    *hostile.NOISE,
]
UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
)
FRAMES = [
    b"\x81\xff" + (2**63 - 1).to_bytes(8, "big"),  # a text of 2^63 - 1 bytes
    b"\x81\xff" + (2**31).to_bytes(8, "big"),
    b"\x81\x05hello",  # not masked
    b"\xff\xff" + b"\xff" * 100,
]


def test_noise_harms_nobody_and_costs_no_memory():
    with bedrock.run("chat", process=True) as server:
        ann = Client(server.host, server.port, "ann")
        ann.send("JOIN #a")
        list(ann.lines())
        before = hostile.rss_bytes(server.pid)
        hostile.throw_noise(server.host, server.port, NOISE)
        web = server.ports["websocket_port"]
        hostile.throw_noise(server.host, web, WEB_NOISE)
        hostile.throw_noise(server.host, web, [UPGRADE + frame for frame in FRAMES])
        assert hostile.rss_bytes(server.pid) - before < hostile.TEN_MIB
        ann.send("PRIVMSG ann :still here")
        assert [m.params[-1] for m in ann.lines() if m.command == "PRIVMSG"] == ["still here"]


def test_one_who_never_reads_is_cut_off_and_the_others_talk_on(monkeypatch):
    limits = dataclasses.replace(chat.server.LIMITS, stall_s=1.0)
    monkeypatch.setattr(chat.server, "LIMITS", limits)
    with bedrock.run("chat", flood_lines=0) as server:
        deaf = hostile.reader_that_does_not_read(server.host, server.port)
        deaf.sendall(b"NICK deaf\r\nUSER d 0 * :d\r\nJOIN #a\r\n")
        ann = Client(server.host, server.port, "ann")
        ann.send("JOIN #a")
        bob = Client(server.host, server.port, "bob")
        bob.send("JOIN #a")
        list(bob.lines())
        most = rounds = 0
        heard = []
        start = time.monotonic()
        while not hostile.is_cut_off(deaf):
            assert time.monotonic() - start < 15
            rounds += 1
            for _ in range(200):
                ann.send("PRIVMSG #a :" + "x" * 400)
            list(ann.lines())
            heard += [m.command for m in bob.lines()]
            assert heard.count("PRIVMSG") == 200 * rounds
            links = [link for s in server.server._servers for link in list(s.links)]
            most = max([most, *(link.queued for link in links)])
        assert most <= limits.hard + 65536
        hostile.until(lambda: "QUIT" in heard + [m.command for m in bob.lines()])
        for sock in (deaf, ann, bob):
            sock.close()


def test_a_full_disk_stops_remembering_and_not_talking():
    medium = Medium(Rand(1))
    with bedrock.run("chat", disk=medium.disk(), flood_lines=0) as server:
        ann = Client(server.host, server.port, "ann", "standard-replies batch")
        bob = Client(server.host, server.port, "bob")
        for client in (ann, bob):
            client.send("JOIN #a")
            list(client.lines())
        ann.send("PRIVMSG #a :first")
        list(ann.lines())
        medium.capacity = medium.used_bytes()
        warned = False
        for _ in range(100):
            for _ in range(200):
                ann.send("PRIVMSG #a :" + "x" * 400)
            warned = "DISK_FULL" in [m.params[1] for m in ann.lines() if m.command == "WARN"]
            heard = [m for m in bob.lines() if m.command == "PRIVMSG"]
            assert len(heard) >= 200
            if warned:
                break
        assert warned
        medium.capacity = 0
        ann.send("PRIVMSG #a :room again")
        assert not [m for m in ann.lines() if m.command == "WARN"]
        ann.send("CHATHISTORY LATEST #a * 1")
        assert [m.params[-1] for m in ann.lines() if m.command == "PRIVMSG"] == ["room again"]
        ann.close()
        bob.close()


@pytest.fixture
def spoken(tmp_path):
    """The data of a stopped server, and its one segment."""
    with bedrock.run("chat", process=True, data_dir=str(tmp_path / "chat")) as server:
        ann = Client(server.host, server.port, "ann")
        ann.send("JOIN #a")
        for begin in (0, 25):  # a later record says that those before it had become durable
            for number in range(begin, begin + 25):
                ann.send(f"PRIVMSG #a :message {number}")
            list(ann.lines())
        server.kill()
    return tmp_path / "chat", max((tmp_path / "chat").glob("*.log"))


def test_a_torn_tail_is_cut_and_the_log_says_so(spoken, capfd):
    directory, segment = spoken
    with open(segment, "ab") as file:
        file.write(b"torn" * 5)
    code, said = hostile.check_says("chat", directory)
    assert (code, "note" in said, segment.name in said) == (0, True, True)
    with bedrock.run("chat", process=True, data_dir=str(directory)) as server:
        ann = Client(server.host, server.port, "ann", "batch")
        ann.send("JOIN #a")
        ann.send("CHATHISTORY LATEST #a * 1000")
        assert sum(m.command == "PRIVMSG" for m in ann.lines()) == 50
    assert "repaired" in capfd.readouterr().err


def test_damage_refuses_to_start_and_names_the_place_as_check_does(spoken):
    directory, segment = spoken
    hostile.flip(segment, segment.read_bytes().index(b"message 20"))
    said = hostile.refuses_to_start("chat", directory)
    place = said.split("damaged data: ")[1].split(":")[0]
    assert segment.name in place
    assert "check" in said
    code, found = hostile.check_says("chat", directory)
    assert code == 4
    assert place in found


def test_a_line_of_any_length_is_held_to_its_limit():
    with bedrock.run("chat") as server:
        said = hostile.throw(server.host, server.port, b"x" * 100_000)
        assert b" 417 " in said
