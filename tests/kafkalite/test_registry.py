"""The schema registry: Confluent's own client, restarts, and what may follow what."""

import json
import subprocess
import sys
import urllib.error
import urllib.request

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bedrock
from kafkalite.registry.json_compat import problems
from kafkalite.registry.schemas import canonical, incompatibilities
from kafkalite.registry.store import Schema, Store, Version

pytest.importorskip("avro", reason="avro is not installed")
jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")


def avro(*fields):
    return json.dumps({"type": "record", "name": "order", "fields": list(fields)})


NUMBER = {"name": "number", "type": "long"}
NOTE = {"name": "note", "type": "string"}
OPTIONAL = {"name": "note", "type": "string", "default": ""}


class Running:
    """A registry as a process of its own."""

    def __init__(self, broker, folder, *flags):
        self.ready = folder / "registry.ready"
        self.ready.unlink(missing_ok=True)
        command = [sys.executable, "-m", "kafkalite", "schema-registry", "--port", "0",
                   "--bootstrap-server", f"{broker.host}:{broker.port}",
                   "--ready-file", str(self.ready), *flags]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE)
        while not self.ready.exists() or not self.ready.read_text():
            assert self.process.poll() is None, self.process.stderr.read().decode()
        self.url = f"http://127.0.0.1:{json.loads(self.ready.read_text())['ports']['port']}"

    def ask(self, method, path, body=None, headers=None):
        """(status, what was told)"""
        data = None if body is None else body if isinstance(body, bytes) else json.dumps(body)
        data = data.encode() if isinstance(data, str) else data
        request = urllib.request.Request(self.url + path, data, headers or {}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=5) as reply:
                return reply.status, json.loads(reply.read())
        except urllib.error.HTTPError as reply:
            return reply.code, json.loads(reply.read())

    def stop(self):
        self.process.terminate()
        self.process.wait(10)
        self.process.stderr.close()


@pytest.fixture(scope="module")
def broker():
    with bedrock.run("kafkalite") as server:
        yield server


@pytest.fixture(scope="module")
def registry(broker, tmp_path_factory):
    running = Running(broker, tmp_path_factory.mktemp("registry"), "--topic", "_shared")
    yield running
    running.stop()


def register(registry, subject, text, **more):
    return registry.ask("POST", f"/subjects/{subject}/versions", {"schema": text, **more})


@pytest.mark.peer
def test_confluents_client(registry):
    module = pytest.importorskip("confluent_kafka.schema_registry")
    client = module.SchemaRegistryClient({"url": registry.url})
    first = client.register_schema("orders-value", module.Schema(avro(NUMBER), "AVRO"))
    assert client.get_schema(first).schema_str == avro(NUMBER).replace(": ", ":").replace(", ", ",")
    assert client.register_schema("orders-value", module.Schema(avro(NUMBER), "AVRO")) == first
    assert client.test_compatibility("orders-value", module.Schema(avro(NUMBER, OPTIONAL), "AVRO"))
    assert not client.test_compatibility("orders-value", module.Schema(avro(NUMBER, NOTE), "AVRO"))
    with pytest.raises(module.SchemaRegistryError) as refused:
        client.register_schema("orders-value", module.Schema(avro(NUMBER, NOTE), "AVRO"))
    assert refused.value.error_code == 409
    assert client.get_latest_version("orders-value").version == 1
    client.set_compatibility("orders-value", "NONE")
    assert client.register_schema("orders-value", module.Schema('"string"', "AVRO")) == first + 1
    assert client.get_versions("orders-value") == [1, 2]
    assert "orders-value" in client.get_subjects()
    assert client.delete_subject("orders-value") == [1, 2]
    assert client.delete_subject("orders-value", permanent=True) == [1, 2]


@pytest.mark.peer
def test_records_go_through_confluents_serializers(registry, broker):
    module = pytest.importorskip("confluent_kafka.schema_registry")
    pytest.importorskip("fastavro")
    from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
    from confluent_kafka.serialization import MessageField, SerializationContext

    client = module.SchemaRegistryClient({"url": registry.url})
    where = SerializationContext("avro-orders", MessageField.VALUE)
    data = AvroSerializer(client, avro(NUMBER))({"number": 7}, where)
    assert AvroDeserializer(client)(data, where) == {"number": 7}


def test_one_text_has_one_id(registry):
    assert register(registry, "one", avro(NUMBER)) == register(registry, "two", avro(NUMBER))
    _, told = register(registry, "one", avro(NUMBER))
    users = registry.ask("GET", f"/schemas/ids/{told['id']}/versions")[1]
    assert {"subject": "two", "version": 1} in users


def test_references(registry):
    address = json.dumps({"type": "record", "name": "Address", "fields": [NUMBER]})
    assert register(registry, "address", address)[0] == 200
    person = json.dumps({
        "type": "record", "name": "Person", "fields": [{"name": "home", "type": "Address"}]
    })
    refers = {"references": [{"name": "Address", "subject": "address", "version": 1}]}
    assert register(registry, "person", person)[1]["error_code"] == 42201
    status, told = register(registry, "person", person, **refers)
    assert status == 200
    assert registry.ask("GET", "/subjects/address/versions/1/referencedby")[1] == [told["id"]]
    assert registry.ask("DELETE", "/subjects/address")[1]["error_code"] == 42206


def test_json_schemas(registry):
    closed = {"type": "object", "properties": {"n": {"type": "integer"}},
              "additionalProperties": False}
    wider = {**closed, "properties": {"n": {"type": "number"}, "note": {"type": "string"}}}
    kind = {"schemaType": "JSON"}
    assert register(registry, "json", json.dumps(closed), **kind)[0] == 200
    assert register(registry, "json", json.dumps(wider), **kind)[0] == 200
    assert register(registry, "json", json.dumps(closed), **kind)[0] == 200  # the first again
    narrower = {**wider, "required": ["note"]}
    status, told = register(registry, "json", json.dumps(narrower), **kind)
    assert (status, "required" in told["message"]) == (409, True)
    verbose = registry.ask(
        "POST", "/compatibility/subjects/json/versions/latest?verbose=true",
        {"schema": json.dumps(narrower), **kind},
    )[1]
    assert verbose["is_compatible"] is False
    assert "'note' is required now" in verbose["messages"][0]
    assert register(registry, "json", '{"type": "nonsense"}', **kind)[1]["error_code"] == 42201


@pytest.mark.parametrize(
    ("method", "path", "body", "code"),
    [
        ("GET", "/subjects/none/versions", None, 40401),
        ("GET", "/schemas/ids/99999", None, 40403),
        ("GET", "/schemas/ids/x", None, 40403),
        ("PUT", "/config", {"compatibility": "SOMETIMES"}, 42203),
        ("PUT", "/mode", {"mode": "SOMETIMES"}, 42204),
        ("GET", "/config/none", None, 40408),
        ("POST", "/subjects/s/versions", b"{", 400),
        ("POST", "/subjects/s/versions", b"[]", 400),
        ("POST", "/subjects/s/versions", {}, 42201),
        ("POST", "/subjects/s/versions", {"schema": 5}, 42201),
        ("POST", "/subjects/s/versions", {"schema": "{"}, 42201),
        ("POST", "/subjects/s/versions", {"schema": '"string"', "schemaType": "XML"}, 42201),
        ("POST", "/subjects/s/versions", {"schema": '"string"', "references": [{}]}, 42201),
        ("POST", "/subjects/s/versions", {"schema": "[" * 5000}, 42201),
        ("GET", "/nothing", None, 404),
        ("PATCH", "/subjects", None, 405),
    ],
)
def test_refusals(registry, method, path, body, code):
    status, told = registry.ask(method, path, body)
    assert told["error_code"] == code
    assert status == (code if code < 1000 else code // 100)


def test_versions_are_hidden_and_then_removed(registry):
    register(registry, "gone", avro(NUMBER))
    register(registry, "gone", avro(NUMBER, OPTIONAL))
    ask = registry.ask
    assert ask("GET", "/subjects/gone/versions/x")[1]["error_code"] == 42202
    assert ask("GET", "/subjects/gone/versions/3")[1]["error_code"] == 40402
    assert ask("DELETE", "/subjects/gone/versions/2?permanent=true")[1]["error_code"] == 40407
    assert ask("DELETE", "/subjects/gone/versions/2") == (200, 2)
    assert ask("GET", "/subjects/gone/versions")[1] == [1]
    assert ask("GET", "/subjects/gone/versions?deleted=true")[1] == [1, 2]
    assert ask("DELETE", "/subjects/gone/versions/2?permanent=true") == (200, 2)
    assert ask("GET", "/subjects/gone/versions?deleted=true")[1] == [1]
    assert ask("DELETE", "/subjects/gone?permanent=true")[1]["error_code"] == 40405
    ask("PUT", "/mode/gone", {"mode": "READONLY"})
    assert ask("DELETE", "/subjects/gone")[1]["error_code"] == 42205
    ask("DELETE", "/mode/gone")
    assert ask("DELETE", "/subjects/gone") == (200, [1])
    assert "gone" not in ask("GET", "/subjects")[1]


def test_all_is_there_after_a_restart_and_a_password_guards_it(broker, tmp_path):
    running = Running(broker, tmp_path)
    try:
        told = register(running, "kept", avro(NUMBER))
        running.ask("PUT", "/config/kept", {"compatibility": "full"})
    finally:
        running.stop()
    (tmp_path / "password").write_text("pw\n")
    running = Running(broker, tmp_path, "--password-file", str(tmp_path / "password"))
    try:
        assert running.ask("GET", "/subjects")[0] == 401
        knows = {"Authorization": "Basic YTpwdw=="}  # a:pw
        assert running.ask("GET", "/subjects/kept/versions/1", headers=knows)[1]["id"] == (
            told[1]["id"]
        )
        assert running.ask("GET", "/config/kept", headers=knows)[1] == {
            "compatibilityLevel": "FULL"
        }
    finally:
        running.stop()


# ---------------------------------------------------------------------- what may follow what


def follows(level, new, *old, kind="AVRO"):
    versions = [
        Version("s", i, i, Schema(text, kind)) for i, text in enumerate(old, 1)
    ]
    return not incompatibilities(Schema(new, kind), versions, level, None)


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        ("NONE", (True, True, True)),
        ("BACKWARD", (True, False, True)),
        ("FORWARD", (True, True, False)),
        ("FULL", (True, False, False)),
    ],
)
def test_levels(level, expected):
    changes = (
        (avro(NUMBER, OPTIONAL), avro(NUMBER)),
        (avro(NUMBER, NOTE), avro(NUMBER)),
        (avro(NUMBER), avro(NUMBER, NOTE)),
    )
    assert tuple(follows(level, new, old) for new, old in changes) == expected


def test_transitive_levels_look_at_all_versions():
    first, second, third = avro(NUMBER), avro(NUMBER, OPTIONAL), avro(NUMBER, NOTE)
    assert follows("BACKWARD", third, first, second)
    assert not follows("BACKWARD_TRANSITIVE", third, first, second)


def test_normalizing_makes_texts_equal():
    one = Schema('{"type": "string"}')
    assert canonical(one, None).text == '{"type":"string"}'
    assert canonical(one, None, normalize=True).text == '"string"'

    two = (Schema('{"b": 1, "a": 2}', "JSON"), Schema('{"a":2,"b":1}', "JSON"))
    assert canonical(two[0], None) != canonical(two[1], None)
    assert canonical(two[0], None, normalize=True) == canonical(two[1], None, normalize=True)


@pytest.mark.parametrize(
    ("reader", "writer", "compatible"),
    [
        ({}, {"type": "string"}, True),
        ({"type": "string"}, {}, False),
        ({"type": "number"}, {"type": "integer"}, True),
        ({"type": "integer"}, {"type": "number"}, False),
        ({"type": ["string", "null"]}, {"type": "string"}, True),
        ({"minimum": 1}, {"minimum": 2}, True),
        ({"minimum": 2}, {"minimum": 1}, False),
        ({"maxLength": 5}, {}, False),
        ({"enum": [1, 2]}, {"enum": [1]}, True),
        ({"enum": [1]}, {"enum": [1, 2]}, False),
        ({"multipleOf": 2}, {"multipleOf": 4}, True),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, {"type": "null"}, True),
        ({"type": "string"}, {"oneOf": [{"type": "string"}, {"type": "null"}]}, False),
        ({"properties": {"a": {"type": "string"}}}, {"type": "object"}, False),
        (
            {"properties": {"a": {"type": "string"}}},
            {"type": "object", "additionalProperties": False}, True,
        ),
        ({"items": {"type": "string"}}, {"items": {"type": "integer"}}, False),
        ({"not": {"type": "string"}}, {"not": {"type": "string"}}, True),
        ({"not": {"type": "string"}}, {"type": "integer"}, False),
        (
            {"$ref": "#/$defs/a", "$defs": {"a": {"type": "number"}}},
            {"$ref": "#/definitions/b", "definitions": {"b": {"type": "integer"}}}, True,
        ),
        (
            {"$ref": "#/$defs/a", "$defs": {"a": {"properties": {"x": {"$ref": "#/$defs/a"}}}}},
            {"$ref": "#/$defs/a", "$defs": {"a": {"properties": {"x": {"$ref": "#/$defs/a"}}}}},
            True,
        ),
        (False, {}, False),
    ],
)
def test_json_schemas_that_accept_each_other(reader, writer, compatible):
    assert (not problems(reader, writer)) == compatible


SIMPLE = st.deferred(lambda: st.one_of(
    st.fixed_dictionaries({"type": st.sampled_from(["string", "integer", "number", "null"])}),
    st.fixed_dictionaries({"type": st.just("integer")},
                          optional={"minimum": st.integers(0, 3), "maximum": st.integers(2, 5)}),
    st.fixed_dictionaries({"enum": st.lists(st.integers(0, 3), min_size=1, max_size=3)}),
    st.builds(lambda a, b: {"anyOf": [a, b]}, SIMPLE, SIMPLE),
    st.builds(
        lambda a, b, required, closed: {
            "type": "object", "properties": {"a": a, "b": b}, "required": required,
            "additionalProperties": not closed,
        },
        SIMPLE, SIMPLE, st.lists(st.sampled_from("ab"), unique=True), st.booleans(),
    ),
    st.builds(lambda a: {"type": "array", "items": a}, SIMPLE),
))
VALUES = st.recursive(
    st.none() | st.integers(-1, 6) | st.just("x") | st.just(1.5),
    lambda inner: st.lists(inner, max_size=2)
    | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=150, deadline=None)
@given(SIMPLE, SIMPLE, st.lists(VALUES, min_size=5, max_size=12))
def test_what_is_called_compatible_is(reader, writer, values):
    if problems(reader, writer):
        return
    mine, theirs = (jsonschema.Draft202012Validator(schema) for schema in (reader, writer))
    for value in values:
        assert not theirs.is_valid(value) or mine.is_valid(value)


def test_the_store_is_what_its_records_add_up_to():
    store = Store()
    version = Version("s", 1, 5, Schema('"string"'))
    for key, value in (Store.version_record(version), ({"keytype": "NOOP"}, None)):
        store.apply(key, value)
    assert store.names() == ["s"]
    assert store.last_id == 5
    store.apply({"keytype": "DELETE_SUBJECT", "subject": "s"}, {"subject": "s", "version": 1})
    assert store.names() == []
    assert store.names(deleted=True) == ["s"]
    store.apply(*Store.removal_record(version))
    assert store.names(deleted=True) == []
