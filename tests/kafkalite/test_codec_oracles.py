"""Every message of every version, byte for byte, against two codecs that are not ours.

Ours encodes a message made at random; the other decodes the bytes and encodes what it understood.
The bytes must be the same.  kafka-python and kio are generated from Kafka's own schemas, each by
its own generator.
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bedrock.world import Rand
from kafkalite.apis import APIS
from kafkalite.schema import parse

from .test_codec import message

SEEDS = st.integers(0, (1 << 64) - 1)
FEW, MANY = 4, 200
# kio has types of its own for errors, durations and points in time, and no room for odd ones.
ERRORS = (-1, 0, 3, 16, 36, 87)
TIMES = ("_ms", "timestamp", "_retention_time")


def tamed(fields, lines, version):
    """The message with values that kio's types can hold."""
    by_name = {line.name: line for line in lines}
    for name, value in fields.items():
        line = by_name[name]
        if isinstance(value, dict):
            tamed(value, line.below, version)
        elif isinstance(value, list):
            for item in value:
                if isinstance(item, dict):
                    tamed(item, line.below, version)
        elif "error_code" in name:
            fields[name] = ERRORS[value % len(ERRORS)]
        elif isinstance(value, int) and any(part in name for part in TIMES):
            fields[name] = abs(value) % 1_000_000_000
    return fields


def of_kafka_python(api, kind, version):
    schemas = pytest.importorskip("kafka.protocol.schemas", reason="needs kafka-python >= 3")
    import importlib

    from kafka.protocol.api_message import ApiMessage

    for package in ("admin", "consumer", "producer", "metadata", "sasl"):
        importlib.import_module(f"kafka.protocol.{package}")
    assert schemas
    found = {c.__name__: c for c in ApiMessage.__subclasses__()}.get(api.name + kind)
    if found is None or version > found.max_version:
        return None

    def again(data):
        understood = found.decode(data, version=version)
        understood._header = None  # its own decoder forgets to
        return understood.encode(version=version)

    return again


def of_kio(api, kind, version):
    kio = pytest.importorskip("kio.index", reason="kio is not installed")
    import io

    from kio.serial import entity_reader, entity_writer

    load = kio.load_request_schema if kind == "Request" else kio.load_response_schema
    try:
        entity = load(api.key, version)
    except Exception:  # an API or version it does not know
        return None
    read, write = entity_reader(entity), entity_writer(entity)

    def again(data):
        understood, size = read(data, 0)
        assert size == len(data)
        out = io.BytesIO()
        write(out, understood)
        return out.getvalue()

    return again


ORACLES = {"kafka-python": of_kafka_python, "kio": of_kio}


def compare(api, oracle, seed):
    rand = Rand(seed)
    for version in range(api.oldest, api.newest + 1):
        for kind, text, codec in (
            ("Request", api.request, api.decoder(version)),
            ("Response", api.response, api.encoder(version)),
        ):
            again = ORACLES[oracle](api, kind, version)
            if again is None:
                continue
            lines = parse(text)
            sent = tamed(message(rand, lines, version), lines, version)
            if api.name == "ApiVersions" and kind == "Response":
                sent["error_code"] = 0  # with an error kafka-python takes it for version 0
            encoded = codec.encode(sent)
            assert again(encoded) == encoded, f"{api.name}{kind} version {version}"


@pytest.mark.parametrize("oracle", ORACLES)
@pytest.mark.parametrize("api", APIS.values(), ids=lambda api: api.name)
@settings(max_examples=FEW)
@given(SEEDS)
def test_others_read_and_write_the_same_bytes(oracle, api, seed):
    compare(api, oracle, seed)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("oracle", ORACLES)
@pytest.mark.parametrize("api", APIS.values(), ids=lambda api: api.name)
@settings(max_examples=MANY, deadline=None)
@given(SEEDS)
def test_others_read_and_write_the_same_bytes_two_hundred_times(oracle, api, seed):
    compare(api, oracle, seed)
