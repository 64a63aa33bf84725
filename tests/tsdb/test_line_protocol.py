"""Line protocol: what is accepted, what it becomes, and how a bad line is told from a good one."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tsdb.wire import contents, memory_store
from tsdb.line_protocol import UNIT_NS, label_name, metric_name


def written(text, unit="ns", now_ms=5_000, database=b""):
    """(contents, errors) after writing to an empty store."""
    store = memory_store()
    data = text if isinstance(text, bytes) else text.encode()
    parser = store.write_lines(data, UNIT_NS[unit], database, now_ms)
    return contents(store), parser.errors


def test_each_field_is_a_series():
    found, errors = written("cpu,host=a usage=1.5,idle=2i,up=t,free=7u 3000000")
    assert not errors
    assert found == {
        (("__name__", "cpu_usage"), ("host", "a")): {3: 1.5},
        (("__name__", "cpu_idle"), ("host", "a")): {3: 2.0},
        (("__name__", "cpu_up"), ("host", "a")): {3: 1.0},
        (("__name__", "cpu_free"), ("host", "a")): {3: 7.0},
    }


def test_the_database_is_a_label():
    found, _ = written("m f=1", database=b"shop")
    assert found == {(("__name__", "m_f"), ("db", "shop")): {5000: 1.0}}


def test_text_fields_are_checked_and_dropped():
    found, errors = written('m s="a \\" b\nc",f=1 0\nm s="open')
    assert found == {(("__name__", "m_f"),): {0: 1.0}}
    assert "closing quote" in errors[0][1]


def test_names_are_made_fit_for_promql():
    found, _ = written("disk-io,mount-point=/ read.bytes=1")
    assert found == {(("__name__", "disk_io_read_bytes"), ("mount_point", "/")): {5000: 1.0}}


@pytest.mark.parametrize(
    ("unit", "stamp", "ms"),
    [
        ("ns", -1, -1), ("us", 1999, 1), ("ms", 7, 7),
        ("s", 7, 7000), ("m", 1, 60_000), ("h", -1, -3_600_000),
    ],
)
def test_timestamps_have_the_unit_asked_for(unit, stamp, ms):
    found, errors = written(f"m f=1 {stamp}", unit)
    assert not errors
    assert list(found.values()) == [{ms: 1.0}]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1.0), ("-0", -0.0), ("1.", 1.0), ("1e3", 1e3), ("1E-2", 0.01), ("+2.5", 2.5),
        ("123456789012345678901234567890", 1.2345678901234568e29),
        ("0.1000000000000000055511151231257827", 0.1), ("9007199254740993", 9007199254740992.0),
        ("1.7976931348623157e308", 1.7976931348623157e308), ("5e-324", 5e-324),
        ("-9223372036854775808i", -(2.0**63)), ("18446744073709551615u", 2.0**64),
    ],
)
def test_numbers_are_read_to_the_last_bit(text, value):
    found, errors = written(f"m f={text} 0")
    assert not errors
    (got,) = next(iter(found.values())).values()
    assert got.hex() == value.hex()


@pytest.mark.parametrize(
    "line",
    [
        "m", "m ", "m f", "m f=", "m f=1x", "m f=1e", "m f=1e999", "m f=9223372036854775808i",
        "m f=-1u", "m f=1.5i", "m f=yes", "m,=v f=1", "m,t= f=1", "m,t=v,t=w f=1", ",t=v f=1",
        "m f=1 x", "m f=1 1 1", "m f=1 99999999999999999999", "m =1", "m f=1,", "m f=1,,g=2",
        b"m\xff f=1", b"m f\xff=1", "m\x01 f=1", 'm f="', "m f=1\t2", "m f=" + "9" * 500,
        "m f=0x10", "m f=nan", "m f=1_0", "#\x01",
    ],
)
def test_a_bad_line_is_refused_and_its_neighbours_are_kept(line):
    data = line if isinstance(line, bytes) else line.encode()
    found, errors = written(b"a f=1 0\n" + data + b"\nb f=2 0\n")
    assert errors[0][0] == 2
    names = {dict(labels)["__name__"] for labels in found}
    assert {"a_f", "b_f"} <= names or b'"' in data
    assert len(errors) == 1


def test_lines_seen_before_are_read_the_same():
    store = memory_store()
    for step in range(3):
        store.write_lines(f"m,b=1,a=2 x={step},y={step * 2} {step}000000\n#c\n\n".encode())
        store.write_lines(f"m,a=2,b=1 y={step * 2},x={step} {step}000000\r\n".encode())
    assert contents(store) == {
        (("__name__", "m_x"), ("a", "2"), ("b", "1")): {0: 0.0, 1: 1.0, 2: 2.0},
        (("__name__", "m_y"), ("a", "2"), ("b", "1")): {0: 0.0, 1: 2.0, 2: 4.0},
    }


@given(st.binary(max_size=80) | st.text(alphabet='m,=" \\\n1i.e-#tv', max_size=60))
def test_no_bytes_do_harm(data):
    written(data)


def test_the_reference_corpus_is_judged_alike(judges):
    """Accepted vectors with equal values, and rejected ones, counted apart."""
    vectors = json.loads((judges / "line-protocol" / "corpus.json").read_text())["decode"]
    wrong = {True: [], False: []}
    for key, vector in vectors.items():
        given, output = vector["input"], vector["output"]
        text = given["text"]
        data = base64.b64decode(text["binary"]) if isinstance(text, dict) else text.encode()
        unit = given["precision"].removeprefix("1").replace("µ", "u")
        found, errors = written(data, unit, given["defaultTime"] // 1_000_000)
        accepted = "result" in output
        if accepted and (errors or found != expected(output["result"])):
            wrong[True].append(key)
        elif not accepted and not errors:
            wrong[False].append(key)
    assert wrong == {True: [], False: []}


def expected(points):
    series = {}
    for point in points:
        tags = {label_name(t["key"].encode()).decode(): t["value"] for t in point["tags"]}
        for one in point["fields"]:
            ((kind, value),) = one["value"].items()
            if kind == "string":
                continue
            name = metric_name((point["name"] + "_" + one["key"]).encode()).decode()
            labels = tuple(sorted({**tags, "__name__": name}.items()))
            series.setdefault(labels, {})[point["time"] // 1_000_000] = float(value)
    return series


def test_a_line_with_too_many_or_too_long_labels_is_refused_and_the_others_are_kept():
    store = memory_store(labels_max=5)
    wide = ",".join(f"t{i}=v" for i in range(5))
    body = f"m,a=1 v=1 1\nm,{wide} v=1 1\nm,a={'x' * 40_000} v=1 1\nm,b=2 v=2 1\n"
    parser = store.write_lines(body.encode())
    assert [number for number, _ in parser.errors] == [2, 3]
    assert "6 labels: a series may have 5" in parser.errors[0][1]
    assert len(contents(store)) == 2
