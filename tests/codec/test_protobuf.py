"""Protobuf: every type against Google's runtime, and bytes that break the format."""

import struct

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from hypothesis import given
from hypothesis import strategies as st

from bedrock.codec.errors import Malformed
from bedrock.codec.protobuf import DEPTH_MAX, Message, Schema, field

Proto = descriptor_pb2.FieldDescriptorProto
I32 = st.integers(-(2**31), 2**31 - 1)
U32 = st.integers(0, 2**32 - 1)
I64 = st.integers(-(2**63), 2**63 - 1)
U64 = st.integers(0, 2**64 - 1)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)

# our type: (theirs, values)
TYPES = {
    "int32": (Proto.TYPE_INT32, I32),
    "int64": (Proto.TYPE_INT64, I64),
    "uint32": (Proto.TYPE_UINT32, U32),
    "uint64": (Proto.TYPE_UINT64, U64),
    "sint32": (Proto.TYPE_SINT32, I32),
    "sint64": (Proto.TYPE_SINT64, I64),
    "bool": (Proto.TYPE_BOOL, st.booleans()),
    "fixed64": (Proto.TYPE_FIXED64, U64),
    "sfixed64": (Proto.TYPE_SFIXED64, I64),
    "double": (Proto.TYPE_DOUBLE, st.floats(allow_nan=False)),
    "fixed32": (Proto.TYPE_FIXED32, U32),
    "sfixed32": (Proto.TYPE_SFIXED32, I32),
    "float": (Proto.TYPE_FLOAT, st.floats(width=32, allow_nan=False)),
    "string": (Proto.TYPE_STRING, TEXT),
    "bytes": (Proto.TYPE_BYTES, st.binary(max_size=20)),
}


def build(proto3: bool):
    """The same message in both: each type singular and repeated, and itself nested."""
    syntax = "proto3" if proto3 else "proto2"
    file = descriptor_pb2.FileDescriptorProto(name=f"{syntax}.proto", syntax=syntax)
    theirs = file.message_type.add(name="All")
    ours = []
    for i, (name, (kind, _)) in enumerate(TYPES.items()):
        one, many = 2 * i + 1, 2000 + i
        theirs.field.add(name=f"f_{name}", number=one, type=kind, label=Proto.LABEL_OPTIONAL)
        theirs.field.add(name=f"r_{name}", number=many, type=kind, label=Proto.LABEL_REPEATED)
        ours += [field(one, f"f_{name}", name), field(many, f"r_{name}", name, repeated=True)]
    nested = {"type": Proto.TYPE_MESSAGE, "type_name": ".All"}
    theirs.field.add(name="child", number=100, label=Proto.LABEL_OPTIONAL, **nested)
    theirs.field.add(name="children", number=3000, label=Proto.LABEL_REPEATED, **nested)
    ours += [field(100, "child", "All"), field(3000, "children", "All", repeated=True)]
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    google = message_factory.GetMessageClass(pool.FindMessageTypeByName("All"))
    # Google writes in order of numbers.
    ours.sort(key=lambda f: f.number)
    return google, Schema(Message("All", *ours, proto3=proto3))["All"]


BUILT = {proto3: build(proto3) for proto3 in (False, True)}


def values(depth: int):
    fields = {f"f_{name}": value for name, (_, value) in TYPES.items()}
    fields |= {f"r_{name}": st.lists(value, max_size=3) for name, (_, value) in TYPES.items()}
    if depth:
        fields["child"] = values(depth - 1)
        fields["children"] = st.lists(values(depth - 1), max_size=2)
    return st.lists(st.sampled_from(sorted(fields)), max_size=6, unique=True).flatmap(
        lambda names: st.fixed_dictionaries({name: fields[name] for name in names})
    )


def as_google(google, value: dict):
    message = google()
    for name, item in value.items():
        if name == "child":
            message.child.CopyFrom(as_google(google, item))
        elif name == "children":
            message.children.extend(as_google(google, one) for one in item)
        elif name.startswith("r_"):
            getattr(message, name).extend(item)
        else:
            setattr(message, name, item)
    return message


def complete(ours, value: dict) -> dict:
    """What decoding gives for an encoded value: every field, defaults filled in."""
    whole = ours.decode(b"")
    for name, item in value.items():
        if name == "child":
            item = complete(ours, item)
        elif name == "children":
            item = [complete(ours, one) for one in item]
        whole[name] = item
    return whole


@pytest.mark.parametrize("proto3", [False, True])
@given(value=values(2))
def test_both_write_the_same_bytes_and_read_each_other(proto3, value):
    google, ours = BUILT[proto3]
    theirs = as_google(google, value).SerializeToString(deterministic=True)
    assert ours.encode(value) == theirs
    assert ours.decode(theirs) == complete(ours, value)


def test_minus_zero_survives_in_proto3():
    google, ours = BUILT[True]
    wire = ours.encode({"f_double": -0.0, "f_float": -0.0})
    assert wire == google(f_double=-0.0, f_float=-0.0).SerializeToString()


POINT = Message("Point", field(1, "x", "sint32"), field(2, "y", "sint32", default=9))
LINE = Message("Line", field(1, "start", POINT), field(2, "name", "string"))


def test_absent_fields_take_their_default_and_presence_is_seen():
    assert POINT.decode(b"") == {"x": None, "y": 9}
    assert POINT.decode(POINT.encode({"x": 0})) == {"x": 0, "y": 9}
    assert POINT.encode({"x": None}) == b""


def test_delimited_messages_follow_each_other():
    data = LINE.encode_delimited({"name": "a"}) + LINE.encode_delimited({"start": {"x": -1}})
    first, after = LINE.decode_delimited(data)
    second, end = LINE.decode_delimited(data, after)
    assert (first["name"], second["start"]["x"], end) == ("a", -1, len(data))


def test_unknown_fields_and_groups_are_skipped():
    unknown = bytes.fromhex("58015901020304050607085a036162635d010203045b08015c")
    assert POINT.decode(unknown + POINT.encode({"x": 4})) == {"x": 4, "y": 9}


def test_a_message_met_twice_is_merged_and_the_last_scalar_wins():
    wire = LINE.encode({"start": {"x": 1}}) + LINE.encode({"start": {"y": 2}})
    assert LINE.decode(wire)["start"] == {"x": 1, "y": 2}
    assert POINT.decode(POINT.encode({"x": 1}) + POINT.encode({"x": 5}))["x"] == 5


def test_packed_and_unpacked_numbers_are_both_read():
    packed = Message("P", field(1, "n", "fixed32", repeated=True, packed=True))
    plain = Message("P", field(1, "n", "fixed32", repeated=True))
    wire = packed.encode({"n": [1, 2]})
    assert wire == b"\x0a\x08" + struct.pack("<II", 1, 2)
    assert plain.decode(wire) == packed.decode(plain.encode({"n": [1, 2]})) == {"n": [1, 2]}


def test_a_wrong_name_is_refused():
    with pytest.raises(ValueError, match="'z'"):
        POINT.encode({"x": 1, "z": 2})
    with pytest.raises(LookupError, match="Nowhere"):
        Schema(Message("M", field(1, "f", "Nowhere")))
    with pytest.raises(ValueError, match="twice"):
        Message("M", field(1, "a", "bool"), field(1, "b", "bool"))


@pytest.mark.parametrize(("name", "value"), [("int32", 2**31), ("uint32", -1), ("sint32", 2**31)])
def test_a_number_that_does_not_fit_is_refused(name, value):
    with pytest.raises(OverflowError):
        Message("M", field(1, "n", name)).encode({"n": value})


@pytest.mark.parametrize(
    "wire",
    [
        "0a",  # length missing
        "0a05",  # length above the rest
        "0affffffff0f",  # 2**32 - 1
        "0affffffffffffffffff01",  # 2**64 - 1
        "12ff",  # cut varint
        "00",  # field 0
        "0e",  # wire type 6
        "0c",  # end of a group that did not begin
        "5b",  # group without an end
        "5b64",  # group that ends as another
        "ffffffffffffffffffff01",  # key over 64 bits
        "8080808080808001",  # key over 32 bits
        "1201ff",  # not UTF-8
    ],
)
def test_broken_bytes_are_malformed(wire):
    with pytest.raises(Malformed):
        LINE.decode(bytes.fromhex(wire))


def test_nesting_has_a_limit():
    tree = Schema(Message("Tree", field(1, "child", "Tree")))["Tree"]
    deep: dict = {}
    for _ in range(DEPTH_MAX):
        deep = {"child": deep}
    wire = tree.encode(deep)
    assert tree.decode(wire)["child"]["child"] is not None
    with pytest.raises(ValueError, match="nested"):
        tree.encode({"child": deep})
    length = len(wire)
    with pytest.raises(Malformed, match="nested"):
        tree.decode(b"\x0a" + bytes([length & 0x7F | 0x80, length >> 7]) + wire)
    with pytest.raises(Malformed, match="nested"):
        tree.decode(b"\x5b" * 100_000)


@pytest.mark.parametrize("proto3", [False, True])
@given(noise=st.binary(max_size=100))
def test_noise_is_malformed_or_a_message(proto3, noise):
    try:
        BUILT[proto3][1].decode(noise)
    except Malformed:
        pass


@given(st.data())
def test_a_changed_byte_is_malformed_or_a_message(data):
    wire = bytearray(LINE.encode({"start": {"x": 77, "y": -5}, "name": "segment"}))
    wire[data.draw(st.integers(0, len(wire) - 1))] = data.draw(st.integers(0, 255))
    try:
        LINE.decode(wire[: data.draw(st.integers(0, len(wire)))])
    except Malformed:
        pass
