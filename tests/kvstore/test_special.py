"""Types that are strings and sorted sets underneath: counts, bit fields, places."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kvstore


@pytest.mark.parametrize("n", [0, 1, 10, 1_000, 30_000])
def test_a_hyperloglog_counts_within_its_error(n):
    kv = kvstore.connect()
    for start in range(0, n, 1000):
        kv.execute("PFADD", "h", *(f"e{i}" for i in range(start, min(n, start + 1000))))
    # Five standard errors of 0.81 %.
    assert abs(kv.execute("PFCOUNT", "h") - n) <= 1 + n * 5 * 0.0081


def test_hyperloglogs_unite_whatever_their_encoding():
    kv = kvstore.connect()
    kv.execute("PFADD", "few", *range(50))
    kv.execute("PFADD", "many", *range(40, 9000))
    assert kv.execute("PFDEBUG", "ENCODING", "few") == "sparse"
    assert kv.execute("PFDEBUG", "ENCODING", "many") == "dense"
    together = kv.execute("PFCOUNT", "few", "many")
    assert kv.execute("PFMERGE", "all", "few", "many") == "OK"
    assert kv.execute("PFCOUNT", "all") == together
    assert abs(together - 9000) < 9000 * 0.04
    registers = [kv.execute("PFDEBUG", "GETREG", key) for key in ("few", "many", "all")]
    assert registers[2] == [max(pair) for pair in zip(*registers[:2], strict=True)]
    before = registers[0]
    kv.execute("PFDEBUG", "TODENSE", "few")
    assert kv.execute("PFDEBUG", "GETREG", "few") == before
    assert kv.execute("PFSELFTEST") == "OK"


@given(st.binary(max_size=40))
def test_a_string_that_is_no_hyperloglog_is_refused(tail):
    kv = kvstore.connect()
    for value in (tail, b"HYLL" + tail, b"HYLL\x01\0\0\0" + bytes(8) + tail):
        kv.execute("SET", "h", value)
        with pytest.raises(kvstore.ReplyError, match=r"HyperLogLog|INVALIDOBJ"):
            kv.execute("PFADD", "h", "x")


WIDTHS = st.tuples(st.sampled_from("iu"), st.integers(1, 63))


@given(st.lists(st.tuples(WIDTHS, st.integers(0, 40), st.integers(-(2**62), 2**62)), max_size=12),
       st.sampled_from(["WRAP", "SAT", "FAIL"]))
def test_bit_fields_are_integers_of_their_width(steps, policy):
    kv = kvstore.connect()
    bits = [0] * 128

    def number(sign, width, at):
        raw = int("".join(map(str, bits[at:at + width])), 2)
        return raw - (1 << width) if sign == "i" and bits[at] else raw

    for (sign, width), at, more in steps:
        low, high = (-(1 << (width - 1)), (1 << (width - 1)) - 1) if sign == "i" \
            else (0, (1 << width) - 1)
        exact = number(sign, width, at) + more
        expected = exact if low <= exact <= high else {
            "WRAP": (exact - low) % (1 << width) + low, "SAT": max(low, min(high, exact)),
            "FAIL": None}[policy]
        got = kv.execute("BITFIELD", "b", "OVERFLOW", policy, "INCRBY", f"{sign}{width}", at, more)
        assert got == [expected]
        if expected is not None:
            bits[at:at + width] = map(int, f"{expected % (1 << width):0{width}b}")
        told = kv.execute("BITFIELD_RO", "b", "GET", f"{sign}{width}", at)
        assert told == [number(sign, width, at)]


def haversine(a, b):
    (lon1, lat1), (lon2, lat2) = [tuple(map(math.radians, p)) for p in (a, b)]
    h = (math.sin((lat2 - lat1) / 2) ** 2
         + math.cos(lat1) * math.cos(lat2) * math.sin((lon2 - lon1) / 2) ** 2)
    return 2 * 6372797.560856 * math.asin(math.sqrt(h))


@pytest.mark.parametrize("seed", range(12))
def test_a_search_finds_just_the_places_within_it(seed):
    rand = random.Random(seed)
    kv = kvstore.connect()
    spread = rand.choice([0.01, 1, 30, 170])
    middle = (rand.uniform(-180, 180), rand.uniform(-80, 80))
    places = {}
    for i in range(400):
        lon = (middle[0] + rand.uniform(-spread, spread) + 180) % 360 - 180
        lat = max(-84, min(84, middle[1] + rand.uniform(-spread, spread) / 2))
        kv.execute("GEOADD", "g", repr(lon), repr(lat), f"p{i}")
    for i in range(400):
        (found,) = kv.execute("GEOPOS", "g", f"p{i}")
        places[f"p{i}".encode()] = tuple(map(float, found))
    for _ in range(25):
        centre = rand.choice(list(places))
        radius = rand.choice([1, 1e3, 1e5, 3e6]) * rand.uniform(0.1, 3)
        found = kv.execute("GEOSEARCH", "g", "FROMMEMBER", centre, "BYRADIUS", repr(radius), "m",
                           "WITHDIST", "ASC")
        near = {name: haversine(places[centre], at) for name, at in places.items()}
        inside = {name for name, metres in near.items() if metres < radius * 0.999999}
        assert inside <= {name for name, _ in found}
        for name, metres in found:
            assert near[name] <= radius * 1.000001
            assert float(metres) == pytest.approx(near[name], abs=0.01, rel=1e-6)
        assert [float(m) for _, m in found] == sorted(float(m) for _, m in found)


def test_a_second_store_leaves_the_first_readable():
    with kvstore.connect() as first:
        first.execute("MSET", *(word for i in range(100) for word in (f"k{i}", i)))
        with kvstore.connect():
            assert None not in first.execute("MGET", *(f"k{i}" for i in range(100)))
