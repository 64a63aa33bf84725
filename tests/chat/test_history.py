"""History: what was echoed is there after the server was killed."""

import pytest

import bedrock
from bedrock.sim.disk import Medium
from bedrock.world import Rand, World
from chat.history import Entry, History, check, conversation, parse_timestamp, timestamp

from .irc import Client


def history(disk=None, lines=100):
    return History(World(disk=disk or Medium(Rand(1)).disk()), lines)


def said(time_ms, text):
    return Entry(time_ms, f"id{time_ms}", "ann!a@h", "PRIVMSG", "#a", text)


@pytest.fixture
def spoken():
    kept = history()
    for time_ms in range(10, 60, 10):
        kept.append("#a", said(time_ms, str(time_ms)))
    return kept


def texts(entries):
    return [entry.text for entry in entries]


def test_pages_through_a_conversation(spoken):
    assert texts(spoken.before("#a", 40, 2)) == ["20", "30"]
    assert texts(spoken.after("#a", 20, 2)) == ["30", "40"]
    assert texts(spoken.between("#a", 10, 50, 9)) == ["20", "30", "40"]
    assert texts(spoken.between("#a", 50, 10, 2)) == ["30", "40"]
    assert spoken.time_of("#a", "id30") == 30
    assert spoken.before("#nowhere", 40, 2) == []


def test_survives_a_restart():
    disk = Medium(Rand(1)).disk()
    kept = history(disk)
    kept.append("#a", said(10, "caf\udce9"))
    kept.close()
    assert texts(history(disk).after("#a", 0, 9)) == ["caf\udce9"]
    assert list(check(disk)) == []


def test_keeps_only_so_many_lines_in_memory():
    kept = history(lines=3)
    for time_ms in range(5):
        kept.append("#a", said(time_ms, str(time_ms)))
    assert texts(kept.after("#a", -1, 9)) == ["2", "3", "4"]


def test_a_private_conversation_has_one_name():
    assert conversation("Ann", "bob") == conversation("BOB", "ann") == "ann bob"
    assert conversation("Ann", "#Garden") == "#garden"


def test_timestamps_round_trip():
    assert timestamp(1_700_000_000_123) == "2023-11-14T22:13:20.123Z"
    assert parse_timestamp(timestamp(1_700_000_000_123)) == 1_700_000_000_123


def test_kill_dash_nine_loses_nothing_that_was_echoed(tmp_path):
    echoed = []
    for life in range(4):
        with bedrock.run("chat", process=True, data_dir=str(tmp_path)) as server:
            ann = Client(server.host, server.port, "ann", "echo-message batch draft/chathistory")
            ann.send("JOIN #a")
            list(ann.lines())
            ann.send("CHATHISTORY LATEST #a * 1000")
            kept = [m.params[1] for m in ann.lines() if m.command == "PRIVMSG"]
            assert kept == echoed
            for number in range(100):
                ann.send(f"PRIVMSG #a :{life}-{number}")
            echoed += [m.params[1] for m in ann.lines() if m.command == "PRIVMSG"]
            server.kill()
    assert len(echoed) == 400
