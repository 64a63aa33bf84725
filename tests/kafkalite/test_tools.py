"""The command-line tools under the names of Kafka's, against a running broker."""

import io
import json
import re
import sys

import pytest

import bedrock
from kafkalite.assignment import (
    assign_ranges,
    read_assignment,
    write_assignment,
)
from kafkalite.consumer import murmur2
from kafkalite.reset import WAYS, Partition, target
from kafkalite.tools import TOOLS, run


@pytest.fixture
def tool(capfdbinary, monkeypatch):
    """Run a tool against a broker; (exit code, what it printed, what it complained of)."""

    def call(verb, *argv, stdin=""):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        code = run(verb, ["--bootstrap-server", call.address, *argv])
        sys.stdout.flush()
        out, err = capfdbinary.readouterr()
        return code, out.decode(), err.decode()

    with bedrock.run("kafkalite") as server:
        call.address = f"{server.host}:{server.port}"
        yield call


def test_topics(tool):
    create = ("topics", "--create", "--topic", "orders", "--partitions", "2")
    assert tool(*create, "--config", "retention.ms=5000") == (0, "Created topic orders.\n", "")
    code, _, complaint = tool(*create)
    assert (code, complaint) == (
        1, "Error while executing topic command : Topic 'orders' already exists.\n"
    )
    assert tool(*create, "--if-not-exists")[0] == 0
    assert tool("topics", "--alter", "--topic", "orders", "--partitions", "3")[0] == 0
    told = tool("topics", "--describe", "--topic", "orders")[1].splitlines()
    assert re.fullmatch(
        r"Topic: orders\tTopicId: \S{22}\tPartitionCount: 3\tReplicationFactor: 1\t"
        r"Configs: retention\.ms=5000",
        told[0],
    )
    assert told[3].startswith("\tTopic: orders\tPartition: 2\tLeader: 1\tReplicas: 1\tIsr: 1")
    assert tool("topics", "--list")[1] == "orders\n"
    assert tool("topics", "--delete", "--topic", "orders")[0] == 0
    assert tool("topics", "--list")[1] == ""
    assert tool("topics", "--delete", "--topic", "orders")[0] == 1
    assert tool("topics", "--delete", "--topic", "orders", "--if-exists")[0] == 0


def test_configs(tool):
    tool("topics", "--create", "--topic", "t")
    to = ("configs", "--entity-type", "topics", "--entity-name", "t")
    assert tool(*to, "--alter", "--add-config", "cleanup.policy=[compact,delete],flush.ms=7")[1] \
        == "Completed updating config for topic t.\n"
    told = tool(*to, "--describe")[1].splitlines()
    assert told[0] == "Dynamic configs for topic t are:"
    assert told[1].startswith("  cleanup.policy=compact,delete sensitive=false synonyms={DYNAMIC")
    assert tool(*to, "--alter", "--delete-config", "cleanup.policy,flush.ms")[0] == 0
    assert tool(*to, "--describe")[1].splitlines()[1:] == []
    assert len(tool(*to, "--describe", "--all")[1].splitlines()) > 30
    code, _, complaint = tool(*to, "--alter", "--add-config", "no.such=1")
    assert code == 1
    assert "Unknown topic config name: no.such" in complaint


def test_the_broker_is_configured_while_it_runs(tool):
    tool("topics", "--create", "--topic", "t")
    broker = ("configs", "--broker", "1")
    assert tool(*broker, "--alter", "--add-config", "log.retention.ms=777")[0] == 0
    told = tool("configs", "--topic", "t", "--describe", "--all")[1]
    assert "retention.ms=777 sensitive=false synonyms={DYNAMIC_BROKER_CONFIG:log.retention" in told
    code, _, complaint = tool(*broker, "--alter", "--add-config", "num.partitions=3")
    assert code == 1
    assert "Cannot update these configs dynamically: num.partitions" in complaint
    everyone = ("configs", "--entity-type", "brokers", "--entity-default")
    assert tool(*everyone, "--alter", "--add-config", "log.segment.bytes=1000000")[0] == 0
    assert "log.segment.bytes=1000000" in tool(*everyone, "--describe")[1]


def test_users(tool):
    user = ("configs", "--entity-type", "users", "--entity-name", "alice")
    added = "producer_byte_rate=1024,SCRAM-SHA-512=[iterations=8192,password=pw]"
    assert tool(*user, "--alter", "--add-config", added)[0] == 0
    assert tool(*user, "--describe")[1].splitlines() == [
        "Quota configs for user-principal 'alice' are producer_byte_rate=1024.0",
        "SCRAM credential configs for user-principal 'alice' are SCRAM-SHA-512=iterations=8192",
    ]
    both = ("configs", "--user", "bob", "--client-defaults")
    assert tool(*both, "--alter", "--add-config", "consumer_byte_rate=5")[0] == 0
    assert tool(*both, "--describe")[1] == (
        "Quota configs for user-principal 'bob', the default client-id are "
        "consumer_byte_rate=5.0\n"
    )


def test_acls(tool):
    told = tool("acls", "--add", "--allow-principal", "User:bob", "--consumer", "--topic", "t",
                "--group", "g")[1]
    assert "resourceType=GROUP, name=g, patternType=LITERAL" in told
    assert "(principal=User:bob, host=*, operation=READ, permissionType=ALLOW)" in told
    assert tool("acls", "--remove", "--force", "--topic", "t")[0] == 0
    left = tool("acls", "--list")[1]
    assert "name=g" in left
    assert "name=t" not in left
    assert tool("acls", "--add", "--allow-principal", "User:bob")[0] == 1


def test_console_and_groups(tool):
    tool("topics", "--create", "--topic", "t", "--partitions", "3")
    lines = "".join(f"k{i}:v{i}\n" for i in range(10))
    parse = ("--property", "parse.key=true", "--property", "key.separator=:")
    assert tool("console-producer", "--topic", "t", *parse, stdin=lines)[0] == 0
    told = tool(
        "console-consumer", "--topic", "t", "--group", "g", "--from-beginning",
        "--max-messages", "10", "--property", "print.key=true", "--property", "key.separator=:",
    )
    assert sorted(told[1].splitlines()) == sorted(lines.splitlines())
    assert told[2] == "Processed a total of 10 messages\n"
    rows = [line.split() for line in tool("consumer-groups", "--describe", "--group", "g")[1]
            .splitlines() if line]
    assert rows[0][:6] == ["GROUP", "TOPIC", "PARTITION", "CURRENT-OFFSET", "LOG-END-OFFSET", "LAG"]
    assert sum(int(row[5]) for row in rows[1:]) == 0
    reset = ("consumer-groups", "--reset-offsets", "--group", "g", "--topic", "t")
    assert tool(*reset, "--shift-by", "-1", "--dry-run")[0] == 0
    assert tool("console-consumer", "--topic", "t", "--group", "g", "--timeout-ms", "50")[1] == ""
    assert tool(*reset, "--to-earliest", "--execute")[0] == 0
    again = tool("console-consumer", "--topic", "t", "--group", "g", "--timeout-ms", "50")[1]
    assert sorted(again.split()) == sorted(f"v{i}" for i in range(10))
    assert tool("consumer-groups", "--list")[1] == "g\n"
    assert "Successful" in tool(
        "consumer-groups", "--delete-offsets", "--group", "g", "--topic", "t:0"
    )[1]
    assert tool("consumer-groups", "--delete", "--group", "g")[1] == (
        "Deletion of requested consumer groups ('g') was successful.\n"
    )


def test_tail_and_produce(tool):
    assert tool("produce", "t", "-k", "key", "-H", "a=b", "one", "two")[0] == 0
    told = tool("tail", "t", "-o", "beginning", "-e", "-f", r"%t/%p@%o %k=%s (%S) %h 100%%\x21\n")
    assert told[1] == "t/0@0 key=one (3) a=b 100%!\nt/0@1 key=two (3) a=b 100%!\n"
    last = json.loads(tool("tail", "t", "-o", "-1", "-e", "-J")[1])
    assert (last["offset"], last["payload"]) == (1, "two")
    assert tool("tail", "t", "-e", "-f", "%y")[0] == 1


def test_dump_log(tmp_path, capsys):
    with bedrock.run("kafkalite", data_dir=str(tmp_path)) as server:
        address = f"{server.host}:{server.port}"
        run("produce", ["-b", address, "t", "-k", "key", "one", "two"])
    path = tmp_path / "t-0" / "00000000000000000000.log"
    assert run("dump-log", ["--files", str(path), "--print-data-log"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[2].startswith("baseOffset: 0 lastOffset: 1 count: 2 baseSequence: -1")
    assert told[4].endswith("key: key payload: two")
    data = bytearray(path.read_bytes())
    data[80] ^= 1
    path.write_bytes(data)
    assert run("dump-log", ["--files", str(path)]) == 0
    assert "isvalid: false" in capsys.readouterr().out


def test_nobody_answers(capsys):
    assert run("topics", ["--bootstrap-server", "127.0.0.1:1", "--list"]) == 1
    assert "Connection to 127.0.0.1:1 failed" in capsys.readouterr().err


@pytest.mark.parametrize("verb", TOOLS)
def test_every_tool_tells_its_flags(verb, capsys):
    with pytest.raises(SystemExit) as left:
        run(verb, ["--help"])
    assert left.value.code == 0
    assert "usage:" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("key", "hashed"),
    # From the tests of Kafka's own Utils.murmur2.
    [(b"21", -973932308), (b"foobar", -790332482), (b"a-little-bit-long-string", -985981536)],
)
def test_keys_go_where_kafka_sends_them(key, hashed):
    assert murmur2(key) == hashed & 0xFFFFFFFF


def test_ranges_are_assigned_as_kafka_does():
    shares = assign_ranges({"b": ["t"], "a": ["t", "u"]}, {"t": range(3), "u": [0]})
    assert shares == {"a": [("t", 0), ("t", 1), ("u", 0)], "b": [("t", 2)]}
    assert read_assignment(write_assignment(shares["a"])) == shares["a"]
    assert read_assignment(b"") == read_assignment(b"\0\0\xff") == []


def test_offsets_stay_within_the_log():
    at = Partition(start=10, end=20, committed=15, timed=12)
    moved = {way: target(way, 7, at) for way in WAYS}
    assert moved == {
        "to_earliest": 10, "to_latest": 20, "to_current": 15, "to_offset": 10, "shift_by": 20,
        "to_datetime": 12, "by_duration": 12,
    }
    assert target("to_datetime", 0, Partition(10, 20)) == 20


@pytest.mark.peer
def test_the_console_consumer_passes_over_what_was_aborted(tool):
    kafka = pytest.importorskip("confluent_kafka")
    tool("topics", "--create", "--topic", "t")
    producer = kafka.Producer(
        {"bootstrap.servers": tool.address, "transactional.id": "tx", "linger.ms": 0}
    )
    producer.init_transactions()
    for value, ends in (("a", "commit"), ("b", "abort"), ("c", "commit")):
        producer.begin_transaction()
        producer.produce("t", value)
        producer.flush()
        getattr(producer, f"{ends}_transaction")()
    read = ("console-consumer", "--topic", "t", "--from-beginning", "--timeout-ms", "200")
    assert tool(*read)[1].split() == ["a", "b", "c"]
    assert tool(*read, "--isolation-level", "read_committed")[1].split() == ["a", "c"]
