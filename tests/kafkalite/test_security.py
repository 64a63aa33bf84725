"""Logging in, being allowed to, and taking no more than one's share."""

import hashlib
import hmac
from base64 import b64decode, b64encode

import pytest

from bedrock.sim.disk import Medium
from bedrock.world import OsDisk, Rand
from kafkalite.acls import Operation, Pattern, Permission, Resource
from kafkalite.authorization import RULES
from kafkalite.errors import Code
from kafkalite.handlers import HANDLERS
from kafkalite.requests import BY_NAME

from .wire import Peer

pytestmark = pytest.mark.usefixtures("no_session_may_fail")
# Asked before anybody can be known, or by nobody's permission.
FREE = {17, 18, 36}


def log_in(wire, mechanism, user, password):
    """Error code of a whole login."""
    assert wire.call("SaslHandshake", mechanism=mechanism)["error_code"] == 0
    if mechanism == "PLAIN":
        message = f"\0{user}\0{password}".encode()
        return wire.call("SaslAuthenticate", auth_bytes=message)["error_code"]
    hash_ = {"SCRAM-SHA-256": "sha256", "SCRAM-SHA-512": "sha512"}[mechanism]
    bare = f"n={user},r=abc"
    first = wire.call("SaslAuthenticate", auth_bytes=f"n,,{bare}".encode())
    if first["error_code"]:
        return first["error_code"]
    reply = first["auth_bytes"].decode()
    nonce, salt, iterations = (part[2:] for part in reply.split(","))
    salted = hashlib.pbkdf2_hmac(hash_, password.encode(), b64decode(salt), int(iterations))
    client_key = hmac.digest(salted, b"Client Key", hash_)
    said = f"{bare},{reply},c=biws,r={nonce}".encode()
    signature = hmac.digest(hashlib.new(hash_, client_key).digest(), said, hash_)
    proof = b64encode(bytes(a ^ b for a, b in zip(client_key, signature, strict=True))).decode()
    final = wire.call("SaslAuthenticate", auth_bytes=f"c=biws,r={nonce},p={proof}".encode())
    if not final["error_code"]:
        server_key = hmac.digest(salted, b"Server Key", hash_)
        assert final["auth_bytes"] == b"v=" + b64encode(hmac.digest(server_key, said, hash_))
    return final["error_code"]


@pytest.fixture
def guarded(tmp_path):
    """A broker that knows alice and bob."""
    users = tmp_path / "users"
    users.write_text("alice:wonder\nbob:builder\n")

    def make(**options):
        return Peer(OsDisk(str(tmp_path / "data")), users_file=str(users), **options)

    return make


def test_a_password_for_everyone(tmp_path):
    peer = Peer(OsDisk(str(tmp_path)), password="secret")
    wire = peer.connect()
    assert 17 in {k["api_key"] for k in wire.call("ApiVersions")["api_keys"]}
    assert "PLAIN" in wire.call("SaslHandshake", mechanism="GSSAPI")["mechanisms"]
    assert log_in(wire, "PLAIN", "me", "secret") == 0
    assert wire.call("Metadata", topics=[])["controller_id"] == 1


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_users_log_in(guarded, mechanism):
    peer = guarded()
    wire = peer.connect()
    assert log_in(wire, mechanism, "alice", "wonder") == 0
    assert wire.session.call.user == "alice"
    assert wire.call("Metadata", topics=[])["controller_id"] == 1
    for user, password in (("alice", "builder"), ("eve", "wonder"), ("", "")):
        wire = peer.connect()
        code = log_in(wire, mechanism, user, password)
        assert code == Code.SASL_AUTHENTICATION_FAILED
        assert wire.link.closed


def test_nothing_is_served_before_the_login(guarded):
    wire = guarded().connect()
    early = wire.call("SaslAuthenticate", auth_bytes=b"\0alice\0wonder")
    assert early["error_code"] == Code.ILLEGAL_SASL_STATE
    stranger = guarded().connect()
    stranger.send("Metadata", topics=[])
    assert stranger.link.closed
    stranger = guarded().connect()
    stranger.link.feed((1 << 20).to_bytes(4, "big"))
    assert stranger.link.closed


def test_the_old_handshake_is_followed_by_bare_messages(guarded):
    wire = guarded().connect()
    assert wire.call("SaslHandshake", 0, mechanism="PLAIN")["error_code"] == 0
    message = b"\0alice\0wonder"
    assert wire.link.feed(len(message).to_bytes(4, "big") + message) == b"\0\0\0\0"
    assert wire.call("Metadata", topics=[])["controller_id"] == 1


def scram_user(wire, name, password, mechanism=1):
    hash_ = {1: "sha256", 2: "sha512"}[mechanism]
    salted = hashlib.pbkdf2_hmac(hash_, password.encode(), b"salt", 4096)
    change = {"name": name, "mechanism": mechanism, "iterations": 4096, "salt": b"salt"}
    response = wire.call(
        "AlterUserScramCredentials", upsertions=[change | {"salted_password": salted}]
    )
    return response["results"][0]["error_code"]


def test_scram_users_are_made_kept_and_removed(guarded):
    wire = guarded().connect()
    log_in(wire, "PLAIN", "alice", "wonder")
    assert scram_user(wire, "carol", "pw") == 0
    assert scram_user(wire, "", "pw") == Code.UNACCEPTABLE_CREDENTIAL
    peer = guarded()
    assert log_in(peer.connect(), "SCRAM-SHA-256", "carol", "pw") == 0
    assert log_in(peer.connect(), "SCRAM-SHA-512", "carol", "pw") != 0
    assert log_in(peer.connect(), "PLAIN", "carol", "pw") != 0
    wire = peer.connect()
    log_in(wire, "PLAIN", "alice", "wonder")
    told = wire.call("DescribeUserScramCredentials", users=None)["results"]
    assert [(r["user"], r["credential_infos"]) for r in told] == [
        ("carol", [{"mechanism": 1, "iterations": 4096}])
    ]
    gone = wire.call(
        "AlterUserScramCredentials",
        deletions=[{"name": "carol", "mechanism": 1}, {"name": "dan", "mechanism": 1}],
    )
    assert [r["error_code"] for r in gone["results"]] == [0, Code.RESOURCE_NOT_FOUND]
    assert log_in(peer.connect(), "SCRAM-SHA-256", "carol", "pw") != 0


# ---------------------------------------------------------------------- ACLs


def test_every_request_has_a_rule():
    assert set(RULES) >= set(HANDLERS) - FREE


def acl(wire, operation, resource=Resource.TOPIC, name="t", **more):
    entry = {
        "resource_type": resource,
        "resource_name": name,
        "resource_pattern_type": Pattern.LITERAL,
        "principal": "User:alice",
        "host": "*",
        "operation": operation,
        "permission_type": Permission.ALLOW,
        **more,
    }
    return wire.call("CreateAcls", creations=[entry])["results"][0]["error_code"]


@pytest.fixture
def people(guarded):
    """(the peer, root who may everything, alice who may what ACLs say)"""
    peer = guarded(super_users=["User:bob"], allow_everyone_if_no_acl_found=False)
    root, alice = peer.connect(), peer.connect()
    log_in(root, "PLAIN", "bob", "builder")
    log_in(alice, "PLAIN", "alice", "wonder")
    return peer, root, alice


def test_what_is_not_allowed_is_refused(people):
    _, root, alice = people
    root.create("t")
    denied = Code.TOPIC_AUTHORIZATION_FAILED
    assert alice.produce("t", b"v")["error_code"] == denied
    assert alice.fetch("t", 0)["error_code"] == denied
    assert alice.create("u")["error_code"] == denied
    assert acl(alice, Operation.ALL) == Code.CLUSTER_AUTHORIZATION_FAILED
    assert alice.call("Metadata", topics=None)["topics"] == []
    assert alice.call("Metadata", topics=[{"name": "t"}])["topics"][0]["error_code"] == denied
    group = alice.call("Heartbeat", group_id="g", member_id="m", generation_id=1)
    assert group["error_code"] == Code.GROUP_AUTHORIZATION_FAILED
    assert acl(root, Operation.READ, Resource.GROUP, "g") == 0
    joined = alice.call(
        "ConsumerGroupHeartbeat", group_id="g", member_id="m", subscribed_topic_names=["t"],
        topic_partitions=[],
    )
    assert joined["error_code"] == denied
    assert acl(root, Operation.WRITE) == 0
    assert alice.produce("t", b"v")["error_code"] == 0
    assert alice.fetch("t", 0)["error_code"] == denied
    topic = alice.call("Metadata", topics=None, include_topic_authorized_operations=True)
    assert topic["topics"][0]["topic_authorized_operations"] == (
        1 << Operation.WRITE | 1 << Operation.DESCRIBE
    )
    assert acl(root, Operation.READ, name="*") == 0
    assert alice.fetch("t", 0)["error_code"] == 0


def test_a_refusal_stands_beside_what_is_allowed(people):
    _, root, alice = people
    root.create("t")
    root.create("u")
    acl(root, Operation.READ)
    parts = [{"index": 0, "timestamp": -1}]
    response = alice.call(
        "ListOffsets", replica_id=-1,
        topics=[{"name": "u", "partitions": parts}, {"name": "t", "partitions": parts}],
    )
    codes = {t["name"]: t["partitions"][0]["error_code"] for t in response["topics"]}
    assert codes == {"t": 0, "u": Code.TOPIC_AUTHORIZATION_FAILED}


def test_a_waiting_fetch_is_refused_its_other_half(people):
    _, root, alice = people
    root.create("t")
    acl(root, Operation.READ)
    request = alice.fetch_request("t", 0, wait_ms=500)
    request["topics"].append({**request["topics"][0], "name": "u"})
    sent = alice.send("Fetch", 12, **request)
    assert alice.answer(sent) is None
    root.produce("t", b"v")
    topics = alice.answer(sent)["topics"]
    assert [t["partitions"][0]["error_code"] for t in topics] == [0, 29]


def test_denying_wins_and_prefixes_reach(people):
    _, root, alice = people
    root.create("orders-eu")
    acl(root, Operation.ALL, name="orders-", resource_pattern_type=Pattern.PREFIXED)
    assert alice.produce("orders-eu", b"v")["error_code"] == 0
    acl(
        root, Operation.WRITE, name="orders-eu", principal="User:*",
        permission_type=Permission.DENY,
    )
    assert alice.produce("orders-eu", b"v")["error_code"] == Code.TOPIC_AUTHORIZATION_FAILED
    assert alice.fetch("orders-eu", 0)["error_code"] == 0


def test_acls_are_kept_found_and_removed(people, guarded):
    _, root, _ = people
    acl(root, Operation.READ)
    acl(root, Operation.WRITE, resource=Resource.GROUP, name="g")
    assert acl(root, Operation.ANY) == Code.INVALID_REQUEST
    assert acl(root, Operation.READ, principal="alice") == Code.INVALID_REQUEST
    again = guarded(super_users=["User:bob"]).connect()
    log_in(again, "PLAIN", "bob", "builder")
    everything = {
        "resource_type_filter": 1, "pattern_type_filter": 1, "operation": 1, "permission_type": 1,
        "resource_name_filter": None, "principal_filter": None, "host_filter": None,
    }
    assert len(again.call("DescribeAcls", **everything)["resources"]) == 2
    topics = everything | {"resource_type_filter": 2, "pattern_type_filter": 2,
                           "resource_name_filter": "t"}
    gone = again.call("DeleteAcls", filters=[topics])["filter_results"][0]["matching_acls"]
    assert [(a["resource_name"], a["operation"]) for a in gone] == [("t", Operation.READ)]
    assert len(again.call("DescribeAcls", **everything)["resources"]) == 1


def test_every_request_can_be_refused_in_every_version(people):
    """Whatever the rules make of a refusal can be encoded."""
    from .test_fuzz import BODIES

    peer, _, _ = people
    for key in sorted(set(HANDLERS) - FREE):
        api = next(api for api in BY_NAME.values() if api.key == key)
        for version in range(api.oldest, api.newest + 1):
            alice = peer.connect()
            log_in(alice, "PLAIN", "alice", "wonder")
            decoder = api.decoder(version)
            body = {k: v for k, v in BODIES.get(api.name, {}).items() if k in decoder.defaults}
            alice.send(api.name, version, **body)
            assert not alice.link.closed, (api.name, version)


# ---------------------------------------------------------------------- quotas


def quota(wire, key, value, **entity):
    parts = [{"entity_type": k.replace("_", "-"), "entity_name": v} for k, v in entity.items()]
    op = {"key": key, "value": value or 0.0, "remove": value is None}
    entry = {"entity": parts, "ops": [op]}
    return wire.call("AlterClientQuotas", entries=[entry])["entries"][0]["error_code"]


def test_a_client_over_its_quota_is_told_to_wait_and_not_read_from(peer):
    wire = peer.connect()
    wire.create("t")
    assert quota(wire, "producer_byte_rate", 1000.0, client_id=None) == 0
    body = {
        "acks": -1, "timeout_ms": 1000,
        "topics": [{"name": "t", "partitions": [{"index": 0, "records": b"x" * 3000}]}],
    }
    response = wire.call("Produce", **body)
    assert 1900 < response["throttle_time_ms"] < 2200
    sent = wire.send("Metadata", topics=[])
    assert wire.answer(sent) is None
    peer.clock.advance(response["throttle_time_ms"])
    assert wire.answer(sent)["controller_id"] == 1
    assert peer.connect().call("Produce", **body)["throttle_time_ms"] > 2000
    assert quota(wire.peer.connect(), "producer_byte_rate", None, client_id=None) == 0
    assert not peer.broker.quotas.active


def test_a_consumer_over_its_quota(peer):
    wire = peer.connect()
    wire.create("t")
    wire.produce("t", b"v" * 2000)
    quota(wire, "consumer_byte_rate", 500.0, user="ANONYMOUS")
    response = wire.call("Fetch", 12, **wire.fetch_request("t", 0))
    assert 2500 < response["throttle_time_ms"] < 3500
    sent = wire.send("Metadata", topics=[])
    assert wire.answer(sent) is None
    wire.link.drop()
    assert not peer.clock.timers


def test_the_most_exact_quota_is_in_force(wire, peer):
    quota(wire, "producer_byte_rate", 1.0, user=None)
    quota(wire, "producer_byte_rate", 2.0, client_id="c")
    quota(wire, "producer_byte_rate", 3.0, user="alice", client_id="c")
    in_force = peer.broker.quotas.in_force
    assert in_force("producer_byte_rate", "alice", "c")[1] == 3.0
    assert in_force("producer_byte_rate", "bob", "c")[1] == 1.0
    assert in_force("consumer_byte_rate", "bob", "c") is None
    again = Peer(peer.world.disk).connect()
    component = {"entity_type": "client-id", "match_type": 0, "match": "c"}
    strict = again.call("DescribeClientQuotas", components=[component], strict=True)["entries"]
    loose = again.call("DescribeClientQuotas", components=[component], strict=False)["entries"]
    assert [e["values"][0]["value"] for e in strict] == [2.0]
    assert sorted(e["values"][0]["value"] for e in loose) == [2.0, 3.0]


@pytest.mark.parametrize(
    ("key", "value", "entity"),
    [
        ("no_such_rate", 1.0, {"user": "a"}),
        ("producer_byte_rate", -1.0, {"user": "a"}),
        ("producer_byte_rate", float("nan"), {"user": "a"}),
        ("producer_byte_rate", 1.0, {"ip": "127.0.0.1"}),
        ("producer_byte_rate", 1.0, {}),
    ],
)
def test_quotas_that_cannot_be(wire, key, value, entity):
    assert quota(wire, key, value, **entity) == Code.INVALID_REQUEST


# ---------------------------------------------------------------------- a full disk


def test_administration_on_a_full_disk_is_refused_and_changes_nothing():
    medium = Medium(Rand(1))
    peer = Peer(medium.disk())
    wire = peer.connect()
    wire.create("t")
    medium.capacity = medium.used_bytes() + 1
    full = Code.KAFKA_STORAGE_ERROR
    assert acl(wire, Operation.READ) == full
    assert scram_user(wire, "carol", "pw") == full
    assert quota(wire, "producer_byte_rate", 1.0, client_id=None) == full
    for kind, name, option in (
        (2, "t", "retention.ms"), (4, "1", "log.retention.ms"),
        (32, "g", "consumer.session.timeout.ms"),
    ):
        config = {"name": option, "value": "50000", "config_operation": 0}
        resource = {"resource_type": kind, "resource_name": name, "configs": [config]}
        response = wire.call("IncrementalAlterConfigs", resources=[resource])
        assert response["responses"][0]["error_code"] == full
    broker = peer.broker
    assert not (broker.authorizer.acls or broker.users.credentials or broker.quotas.limits)
    assert not (broker.topics.by_name["t"].overrides or broker.settings.names("group"))
    medium.capacity = 0
    assert acl(wire, Operation.READ) == 0
