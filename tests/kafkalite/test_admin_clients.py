"""Administration and security as real clients see them: confluent-kafka, kafka-python."""

import shutil
import subprocess

import pytest

import bedrock

pytestmark = pytest.mark.peer
USERS = "admin:admin-pw\nalice:alice-pw\n"


@pytest.fixture(scope="module")
def secured(tmp_path_factory):
    """A broker behind TLS that asks for a login; (its address, the CA's certificate)"""
    trustme = pytest.importorskip("trustme")
    folder = tmp_path_factory.mktemp("secured")
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost", "127.0.0.1")
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    certificate.private_key_pem.write_to_path(str(folder / "key.pem"))
    for part in certificate.cert_chain_pems:
        part.write_to_path(str(folder / "cert.pem"), append=True)
    (folder / "users").write_text(USERS)
    with bedrock.run(
        "kafkalite",
        tls_cert=str(folder / "cert.pem"),
        tls_key=str(folder / "key.pem"),
        users_file=str(folder / "users"),
        super_users=["User:admin"],
        allow_everyone_if_no_acl_found=False,
    ) as server:
        yield f"localhost:{server.port}", str(folder / "ca.pem")


def as_user(secured, user, mechanism, password=None):
    """librdkafka's configuration to log in."""
    address, authority = secured
    return {
        "bootstrap.servers": address,
        "security.protocol": "SASL_SSL",
        "ssl.ca.location": authority,
        "sasl.mechanism": mechanism,
        "sasl.username": user,
        "sasl.password": password or f"{user}-pw",
    }


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_librdkafka_logs_in_over_tls(secured, mechanism):
    admin = pytest.importorskip("confluent_kafka.admin")
    client = admin.AdminClient(as_user(secured, "admin", mechanism))
    assert client.list_topics(timeout=10).brokers


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_kcat_logs_in(secured, mechanism):
    if shutil.which("kcat") is None:
        pytest.skip("kcat is not installed")
    options = as_user(secured, "admin", mechanism)
    flags = [word for name, value in options.items() for word in ("-X", f"{name}={value}")]
    done = subprocess.run(["kcat", "-L", *flags], capture_output=True, text=True, timeout=20)
    assert " 1 brokers:" in done.stdout, done.stderr


def test_librdkafka_is_refused_with_a_wrong_password(secured):
    kafka = pytest.importorskip("confluent_kafka")
    failures = []
    producer = kafka.Producer(
        as_user(secured, "alice", "SCRAM-SHA-256", "guess") | {"error_cb": failures.append}
    )
    while not failures:
        producer.poll(0.2)
    assert failures[0].code() == kafka.KafkaError._AUTHENTICATION


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
def test_kafka_python_logs_in_over_tls(secured, mechanism):
    kafka = pytest.importorskip("kafka")
    address, authority = secured
    client = kafka.KafkaAdminClient(
        bootstrap_servers=address, security_protocol="SASL_SSL", ssl_cafile=authority,
        sasl_mechanism=mechanism, sasl_plain_username="admin", sasl_plain_password="admin-pw",
    )
    try:
        assert client.describe_cluster()["controller_id"] == 1
    finally:
        client.close()


def test_an_acl_opens_a_topic(secured):
    kafka = pytest.importorskip("confluent_kafka")
    admin = pytest.importorskip("confluent_kafka.admin")
    root = admin.AdminClient(as_user(secured, "admin", "PLAIN"))
    root.create_topics([admin.NewTopic("ledger", 1)])["ledger"].result(10)

    def produce():
        reports = []
        producer = kafka.Producer(as_user(secured, "alice", "SCRAM-SHA-512"))
        producer.produce("ledger", b"v", on_delivery=lambda error, _: reports.append(error))
        producer.flush(10)
        return reports[0] and reports[0].code()

    assert produce() == kafka.KafkaError.TOPIC_AUTHORIZATION_FAILED
    binding = admin.AclBinding(
        admin.ResourceType.TOPIC, "ledger", admin.ResourcePatternType.LITERAL,
        "User:alice", "*", admin.AclOperation.WRITE, admin.AclPermissionType.ALLOW,
    )
    root.create_acls([binding])[binding].result(10)
    assert produce() is None


def test_kafka_python_makes_topics(kafkalite_server):
    kafka = pytest.importorskip("kafka")
    client = kafka.KafkaAdminClient(
        bootstrap_servers=f"{kafkalite_server.host}:{kafkalite_server.port}"
    )
    try:
        client.create_topics({"kp": {"num_partitions": 2, "replication_factor": 1}})
        described = client.describe_topics(["kp"])
        assert len(described[0]["partitions"]) == 2
        quorum = client.describe_metadata_quorum()
        assert quorum["topics"][0]["partitions"][0]["leader_id"] == 1
    finally:
        client.close()
