"""Real clients, unmodified: kcat, confluent-kafka (librdkafka), aiokafka."""

import shutil
import subprocess
import time

import pytest

import bedrock

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")


@pytest.fixture
def server(kafkalite_server):
    return f"{kafkalite_server.host}:{kafkalite_server.port}"


@pytest.fixture
def kcat(server):
    """Run kcat; its standard output."""
    if shutil.which("kcat") is None:
        pytest.skip("kcat is not installed")

    def run(*arguments, stdin=""):
        done = subprocess.run(
            ["kcat", "-b", server, *arguments],
            input=stdin, capture_output=True, text=True, timeout=20, check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout + (done.stderr if "-X" in arguments else "")

    return run


@pytest.mark.peer
@pytest.mark.parametrize("codec", CODECS)
def test_kcat_produces_and_consumes(kcat, codec):
    topic = f"kcat-{codec}"
    lines = "".join(f"k{i}:value {i}\n" for i in range(100))
    kcat("-P", "-t", topic, "-K:", "-z", codec, stdin=lines)
    assert kcat("-C", "-t", topic, "-K:", "-e", "-q", "-o", "beginning") == lines


@pytest.mark.peer
def test_kcat_finds_the_features_it_looks_for(kcat):
    features = kcat("-L", "-X", "debug=feature")
    for feature in ("MsgVer1", "MsgVer2", "ZSTD", "BrokerBalancedConsumer", "ThrottleTime"):
        assert f"Feature {feature}: " in features
        assert f"{feature}: NOT" not in features


@pytest.mark.peer
def test_kcat_lists_and_queries(kcat):
    kcat("-P", "-t", "kcat-list", stdin="a\nb\n")
    assert 'topic "kcat-list" with 1 partitions' in kcat("-L", "-t", "kcat-list")
    assert kcat("-Q", "-t", "kcat-list:0:-1") == "kcat-list [0] offset 2\n"
    assert kcat("-Q", "-t", "kcat-list:0:1") == "kcat-list [0] offset 0\n"


@pytest.mark.peer
def test_kcat_reads_as_a_group_and_goes_on_where_it_was(kcat):
    kcat("-P", "-t", "kcat-group", stdin="a\nb\n")
    options = ("-X", "auto.offset.reset=earliest", "-e", "-q")
    assert kcat("-G", "kg", "kcat-group", *options).split() == ["a", "b"]
    kcat("-P", "-t", "kcat-group", stdin="c\n")
    assert kcat("-G", "kg", "kcat-group", *options).split() == ["c"]


@pytest.mark.peer
def test_three_kcats_in_a_group_lose_nothing_when_one_is_killed(tmp_path):
    if shutil.which("kcat") is None:
        pytest.skip("kcat is not installed")
    options = {"num_partitions": 6, "group_min_session_timeout_ms": 1000}
    with bedrock.run("kafkalite", process=True, **options) as server:
        address = f"{server.host}:{server.port}"
        sent = set(produce(address, "watched", 300, placed=True))
        settings = ("session.timeout.ms=1500", "heartbeat.interval.ms=300",
                    "auto.offset.reset=earliest", "auto.commit.interval.ms=200")
        command = ["kcat", "-b", address, "-q", "-u", "-f", "%p %o\n", "-G", "three", "watched"]
        for setting in settings:
            command[1:1] = ["-X", setting]
        files = [tmp_path / f"kcat-{i}" for i in range(3)]
        kcats = []
        try:
            for file in files:
                with file.open("w") as out:
                    kcats.append(subprocess.Popen(command, stdout=out, stderr=out))
            # All three read something: the group has settled.
            deadline = time.monotonic() + 30
            while any(len(places(file)) == 0 for file in files) and time.monotonic() < deadline:
                sent |= set(produce(address, "watched", 60, placed=True))
                time.sleep(0.3)
            sent |= set(produce(address, "watched", 300, placed=True))
            kcats[0].kill()
            sent |= set(produce(address, "watched", 300, placed=True))
            while set().union(*map(places, files)) < sent and time.monotonic() < deadline:
                time.sleep(0.1)
            assert all(places(file) for file in files)
            assert set().union(*map(places, files)) == sent
        finally:
            for each in kcats:
                each.kill()
                each.wait()


def places(file):
    """(partition, offset) of every record a kcat has told of."""
    lines = file.read_text().split("\n")[:-1]  # the last one may be half a line
    return {tuple(map(int, line.split())) for line in lines if line[:1].isdigit()}


def produce(server, topic, count, placed=False, **options):
    producer = confluent().Producer({"bootstrap.servers": server, "linger.ms": 5, **options})
    offsets = []

    def delivered(error, message):
        assert error is None
        offsets.append((message.partition(), message.offset()) if placed else message.offset())

    for i in range(count):
        producer.produce(topic, b"%d" % i, key=b"%d" % i, on_delivery=delivered)
    assert producer.flush(10) == 0
    return offsets


def confluent():
    return pytest.importorskip("confluent_kafka")


def consumer(server, group, topic, **options):
    made = confluent().Consumer(
        {
            "bootstrap.servers": server,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "session.timeout.ms": 6000,
            "heartbeat.interval.ms": 200,
            **options,
        }
    )
    made.subscribe([topic])
    return made


def until(condition, work, seconds=15.0):
    """Repeat `work` until `condition` holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "took too long"
        work()


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("acks", ["all", "1", "0"])
def test_librdkafka_with_every_codec_and_acks(server, codec, acks):
    topic = f"rd-{codec}-{acks}"
    options = {"enable.idempotence": True} if acks == "all" else {"acks": acks}
    produce(server, topic, 200, **{"compression.type": codec, **options})
    reader = consumer(server, f"g-{topic}", topic)
    got = []
    until(lambda: len(got) >= 200, lambda: got.extend(reader.consume(200, 0.2)))
    assert [m.value() for m in got] == [b"%d" % i for i in range(200)]
    assert [m.offset() for m in got] == list(range(200))
    reader.close()


def test_a_group_of_two_shares_and_takes_over(server):
    admin = pytest.importorskip("confluent_kafka.admin")
    client = admin.AdminClient({"bootstrap.servers": server})
    client.create_topics([admin.NewTopic("shared", 4)])["shared"].result(10)
    produce(server, "shared", 400)
    one, two = consumer(server, "pair", "shared"), consumer(server, "pair", "shared")
    got = []

    def poll():
        got.extend(m.value() for c in (one, two) for m in c.consume(200, 0.05))

    until(lambda: len(one.assignment()) == len(two.assignment()) == 2, poll)
    until(lambda: len(got) >= 400, poll)
    one.close()
    produce(server, "shared", 40)

    def poll_two():
        got.extend(m.value() for m in two.consume(200, 0.05))

    until(lambda: len(two.assignment()) == 4, poll_two)
    until(lambda: len(got) >= 440, poll_two)
    assert set(got) == {b"%d" % i for i in range(400)}
    described = client.describe_consumer_groups(["pair"])["pair"].result(10)
    assert len(described.members) == 1
    two.close()


def test_admin_client(server):
    admin = pytest.importorskip("confluent_kafka.admin")
    kafka = confluent()
    client = admin.AdminClient({"bootstrap.servers": server})
    topic = admin.NewTopic("managed", 2, config={"retention.ms": "60000"})
    client.create_topics([topic])["managed"].result(10)
    resource = admin.ConfigResource(admin.ConfigResource.Type.TOPIC, "managed")
    found = client.describe_configs([resource])[resource].result(10)
    assert found["retention.ms"].value == "60000"
    with pytest.raises(kafka.KafkaException, match="TOPIC_ALREADY_EXISTS"):
        client.create_topics([topic])["managed"].result(10)
    client.create_partitions([admin.NewPartitions("managed", 3)])["managed"].result(10)
    assert len(client.list_topics("managed", timeout=10).topics["managed"].partitions) == 3
    assert client.describe_cluster().result(10).controller.id == 1
    produce(server, "managed", 30)
    places = [kafka.TopicPartition("managed", i) for i in range(3)]
    ends = client.list_offsets({p: admin.OffsetSpec.latest() for p in places})
    assert sum(future.result(10).offset for future in ends.values()) == 30
    client.delete_topics(["managed"])["managed"].result(10)
    assert "managed" not in client.list_topics(timeout=10).topics


async def test_aiokafka(server):
    aiokafka = pytest.importorskip("aiokafka")
    producer = aiokafka.AIOKafkaProducer(
        bootstrap_servers=server, enable_idempotence=True, compression_type="gzip"
    )
    await producer.start()
    for i in range(100):
        await producer.send("aio", b"%d" % i)
    await producer.stop()
    reader = aiokafka.AIOKafkaConsumer(
        "aio", bootstrap_servers=server, group_id="aio", auto_offset_reset="earliest"
    )
    await reader.start()
    got = []
    while len(got) < 100:
        for records in (await reader.getmany(timeout_ms=5000)).values():
            got += [record.value for record in records]
    await reader.commit()
    await reader.stop()
    assert got == [b"%d" % i for i in range(100)]


@pytest.mark.parametrize("fsync", ["never", "always"])
def test_kill_minus_nine_loses_nothing_acknowledged(tmp_path, fsync):
    kafka = confluent()
    options = {"data_dir": str(tmp_path), "fsync": fsync, "segment_bytes": 200_000}
    with bedrock.run("kafkalite", process=True, **options) as server:
        address = f"{server.host}:{server.port}"
        producer = kafka.Producer({"bootstrap.servers": address, "linger.ms": 1})
        acked = {}

        def delivered(error, message):
            if error is None:
                acked[message.offset()] = message.value()

        for round_ in range(3):
            for i in range(2000):
                producer.produce("t", b"%d-%d" % (round_, i) * 20, on_delivery=delivered)
                if i % 100 == 0:
                    producer.poll(0.005)
            server.restart()
        assert producer.flush(20) == 0
        assert len(acked) == 6000
        reader = consumer(address, "g", "t")
        got = {}
        until(
            lambda: len(got) >= len(acked),
            lambda: got.update((m.offset(), m.value()) for m in reader.consume(5000, 0.5)),
        )
        reader.close()
        # Idempotence is off, so a batch whose reply was lost may be there twice; none is missing.
        assert all(got[offset] == value for offset, value in acked.items())
