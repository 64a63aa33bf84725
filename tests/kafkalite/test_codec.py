"""Messages: every table, every version, there and back; and against an independent codec."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bedrock.codec.errors import Malformed
from bedrock.world import Rand
from kafkalite.apis import APIS
from kafkalite.schema import parse, table

VERSIONS = [
    pytest.param(api, version, id=f"{api.name}-v{version}")
    for api in APIS.values()
    for version in range(api.oldest, api.newest + 1)
]
BITS = {"int8": 8, "int16": 16, "int32": 32, "int64": 64}


def value(rand, kind, below, version):
    """Something a field of this type may hold."""
    if kind.startswith("[]"):
        return [value(rand, kind[2:] or "{}", below, version) for _ in range(rand.below(3))]
    if kind == "{}":
        return message(rand, below, version)
    if kind in BITS:
        half = 1 << BITS[kind] - 1
        return rand.choice([0, 1, -1, half - 1, -half, rand.below(half)])
    if kind == "uint16":
        return rand.choice([0, 1, 0x7FFF, 0x8000, 0xFFFF])
    if kind == "bool":
        return rand.chance(0.5)
    if kind == "float64":
        return rand.choice([0.0, -1.5, 1e300])
    if kind == "string":
        return "".join(rand.choice("aZ.é漢🙂") for _ in range(rand.below(6)))
    return rand.bytes(16 if kind == "uuid" else rand.choice([0, 1, 126, 127, 128, 300]))


def message(rand, lines, version):
    """A message of one version; some fields null, some tagged ones not there."""
    fields = {}
    for line in lines:
        if line.first <= version <= line.last and (line.tag < 0 or rand.chance(0.5)):
            if line.nullable(version) and rand.chance(0.3):
                fields[line.name] = None
            else:
                fields[line.name] = value(rand, line.type, line.below, version)
    return fields


def assert_holds(got, sent):
    """All that was sent is there; what else is there are defaults."""
    if got is None and isinstance(sent, dict):
        assert set(sent.values()) <= {-1, 0}  # a tagged struct of defaults is left out
    elif isinstance(sent, dict):
        for name in sent:
            assert_holds(got[name], sent[name])
    elif isinstance(sent, list):
        assert len(got) == len(sent)
        for one, other in zip(got, sent, strict=True):
            assert_holds(one, other)
    else:
        assert got == sent


@pytest.mark.parametrize("api", APIS.values(), ids=lambda api: api.name)
@settings(max_examples=20)
@given(st.integers(0, (1 << 64) - 1))
def test_every_message_of_every_version_survives_the_way_there_and_back(api, seed):
    rand = Rand(seed)
    for version in range(api.oldest, api.newest + 1):
        for text, codec in (
            (api.request, api.decoder(version)),
            (api.response, api.encoder(version)),
        ):
            sent = message(rand, parse(text), version)
            encoded = codec.encode(sent)
            got = codec.decode(encoded)
            assert_holds(got, sent)
            assert codec.encode(got) == encoded
            if encoded:
                with pytest.raises(Malformed):
                    codec.decode(encoded[: rand.below(len(encoded))])


@pytest.mark.parametrize(("api", "version"), VERSIONS)
def test_the_bytes_are_those_of_kafka_python(api, version):
    """An independent codec reads our requests and responses of every version it knows."""
    pytest.importorskip("kafka.protocol.schemas", reason="kafka-python >= 3 is not installed")
    from kafka.protocol.schemas import load_json

    if api.name.startswith("ConsumerGroup"):
        pytest.skip("kafka-python has no tables of KIP-848")
    for kind, text, codec in (
        ("Request", api.request, api.decoder(version)),
        ("Response", api.response, api.encoder(version)),
    ):
        theirs = load_json(api.name + kind)
        common = {s["name"]: s["fields"] for s in theirs.get("commonStructs", [])}
        expected = shape_of_json(theirs["fields"], common, version)
        assert shape_of_table(parse(text), version) == expected
        assert codec.flexible == within(theirs["flexibleVersions"], version)


def within(versions, version):
    if versions in (None, "none"):
        return False
    first, _, last = versions.rstrip("+").partition("-")
    return int(first) <= version <= (1 << 15 if versions.endswith("+") else int(last or first))


def shape_of_json(fields, common, version):
    """[(type, tag, may be null, shape of what is below)], tagged fields last."""
    shape = []
    for field in fields:
        if not within(field.get("versions", "0+"), version):
            continue
        array, kind = field["type"].startswith("[]"), field["type"].removeprefix("[]")
        below = field.get("fields") or common.get(kind)
        tagged = within(field.get("taggedVersions"), version)
        shape.append(
            (
                ("[]" if array else "") + ("{}" if below else kind),
                field["tag"] if tagged else -1,
                shape_of_json(below, common, version) if below else None,
            )
        )
    return sorted(shape, key=lambda entry: entry[1])


def shape_of_table(lines, version):
    shape = []
    for line in lines:
        if not line.first <= version <= line.last:
            continue
        kind = "[]{}" if line.type == "[]" else line.type
        below = shape_of_table(line.below, version) if line.below else None
        shape.append((kind, line.tag, below))
    return sorted(shape, key=lambda entry: entry[1])


def test_a_worked_example():
    """ApiVersions v3, as librdkafka sends it: compact strings, then no tagged field."""
    data = bytes.fromhex("0b 6c69627264 6b61666b61 06 322e302e32 00".replace(" ", ""))
    assert APIS[18].decoder(3).decode(data) == {
        "client_software_name": "librdkafka",
        "client_software_version": "2.0.2",
    }


@pytest.mark.parametrize(
    "data",
    [
        "7fffffff",  # 2^31 - 1 elements
        "ffffffff",  # null where null may not be
        "80000000",  # -2^31
        "00000002 0001 61",  # two elements announced, one there
        "00000001 7fff 61",  # a string longer than the message
        "00000001 0002 c328",  # not UTF-8
        "00000000 00",  # a byte too many
    ],
)
def test_lengths_are_checked_before_memory_is_taken(data):
    with pytest.raises(Malformed):
        table("names []string").decode(bytes.fromhex(data.replace(" ", "")))


def test_a_flexible_struct_skips_tags_it_does_not_know():
    codec = table("a int8\nb int8 ~5 = 7", 0, True)
    assert codec.decode(bytes.fromhex("01 02 01 02aabb 05 0109".replace(" ", ""))) == {
        "a": 1,
        "b": 9,
    }
    assert codec.encode({"a": 1, "b": 9}) == bytes.fromhex("0101050109")
    assert codec.encode({"a": 1, "b": 7}) == bytes.fromhex("0100")


@pytest.mark.parametrize("data", ["01 01 05 02 0109", "01 02 05 01 09 05 01 09", "01 01 05 7f"])
def test_tags_out_of_order_or_of_the_wrong_size_are_refused(data):
    with pytest.raises(Malformed):
        table("a int8\nb int8 ~5", 0, True).decode(bytes.fromhex(data.replace(" ", "")))


def test_a_misspelt_field_is_an_error_and_not_a_default():
    with pytest.raises(KeyError, match="eror_code"):
        APIS[12].encoder(0).encode({"eror_code": 3})
