"""Postings: which series carry which label, as roaring bitmaps.

    label name -> label value -> bitmap of series numbers

Series numbers are the head's refs, or positions in a block.  A selector is an intersection;
conditions that an absent label meets are taken away from the result instead (`!=`, `!~`, `=""`).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

import msgpack
from pyroaring import BitMap

from bedrock.world.slices import paced, rest
from tsdb.matchers import Matcher

LIST_MAX = 1000  # strings of one list
UNITED_AT_ONCE = 1000  # bitmaps


def _pairs(key: bytes) -> Iterator[bytes]:
    """The labels of a key, each as name 0xFF value."""
    parts = key.split(b"\xff")
    return map(b"\xff".join, zip(parts[::2], parts[1::2], strict=True)) if key else iter(())


def _union(bitmaps: list[BitMap]) -> BitMap:
    """What is in any of the bitmaps; not to be changed."""
    if len(bitmaps) == 1:
        return bitmaps[0]
    found = BitMap()
    for first in range(0, len(bitmaps), UNITED_AT_ONCE):
        found |= BitMap.union(*bitmaps[first : first + UNITED_AT_ONCE])
        rest()
    return found


def _met(values: dict[str, Any], matcher: Matcher, wanted: bool) -> list[str]:
    """The values that meet a condition, or do not; values may come and go meanwhile."""
    met = [value for value in paced(list(values)) if matcher.matches(value) == wanted]
    return [value for value in met if value in values]


class Sorted:
    """Strings that come and go, in order: lists of a few hundred, one after the other."""

    def __init__(self) -> None:
        self.lists: list[list[str]] = [[]]
        self.firsts: list[str] = [""]  # nothing below it is in a list, or in one before

    def add(self, value: str) -> None:
        """Add a string that is not there."""
        at = bisect_right(self.firsts, value) - 1
        values = self.lists[at]
        insort(values, value)
        if len(values) > LIST_MAX:
            self.lists.insert(at + 1, values[LIST_MAX // 2 :])
            self.firsts.insert(at + 1, values[LIST_MAX // 2])
            del values[LIST_MAX // 2 :]

    def remove(self, value: str) -> None:
        """Remove a string that is there."""
        values = self.lists[bisect_right(self.firsts, value) - 1]
        del values[bisect_left(values, value)]

    def all(self) -> list[str]:
        """All of them."""
        return list(chain.from_iterable(self.lists))


class Postings:
    """The inverted index of one set of series.

    ordered: values of labels are kept in order as they come, so that nobody waits for a sort
    """

    def __init__(self, ordered: bool = False) -> None:
        self.everything = BitMap()
        self.by_name: dict[str, dict[str, BitMap]] = {}
        self._by_pair: dict[bytes, BitMap] = {}  # the same, by the bytes a key has for a label
        self._ordered: dict[str, Sorted] | None = {} if ordered else None
        self._sorted: dict[str, list[str]] = {}  # values of a name, until one comes or goes

    def add(self, number: int, key: bytes) -> None:
        """Note that series `number` carries the labels of this key."""
        self.everything.add(number)
        for pair in _pairs(key):
            bitmap = self._by_pair.get(pair)
            if bitmap is None:
                self._new_pair(pair, number)
            else:
                bitmap.add(number)

    def _new_pair(self, pair: bytes, number: int) -> None:
        name, value = (part.decode() for part in pair.split(b"\xff"))
        bitmap = self._by_pair[pair] = BitMap((number,))
        self.by_name.setdefault(name, {})[value] = bitmap
        self._sorted.pop(name, None)
        if self._ordered is not None:
            order = self._ordered.get(name)
            if order is None:
                order = self._ordered[name] = Sorted()
            order.add(value)

    def remove(self, number: int, key: bytes) -> None:
        """Forget a series."""
        self.everything.discard(number)
        for pair in _pairs(key):
            bitmap = self._by_pair[pair]
            bitmap.discard(number)
            if not bitmap:
                del self._by_pair[pair]
                name, value = (part.decode() for part in pair.split(b"\xff"))
                self._sorted.pop(name, None)
                del self.by_name[name][value]
                if self._ordered is not None:
                    self._ordered[name].remove(value)
                if not self.by_name[name]:
                    del self.by_name[name]

    def select(self, matchers: Iterable[Matcher]) -> BitMap:
        """Numbers of the series that meet all conditions."""
        chosen: BitMap | None = None
        refused: list[BitMap] = []
        for matcher in matchers:
            name, values = matcher.name, self.by_name.get(matcher.name, {})
            if matcher.matches_empty:
                refused += [self.bitmap(name, v) for v in _met(values, matcher, False)]
                continue
            if matcher.op == "=":
                meeting: Iterable[str] = (matcher.value,) if matcher.value in values else ()
            elif matcher.op == "=~" and matcher.alternatives is not None:
                meeting = [value for value in matcher.alternatives if value in values]
            else:
                meeting = _met(values, matcher, True)
            found = _union([self.bitmap(name, value) for value in meeting])
            chosen = found if chosen is None else chosen & found
            if not chosen:
                return BitMap()
        if chosen is None:
            chosen = self.everything
        return chosen - _union(refused) if refused else chosen

    def bitmap(self, name: str, value: str) -> BitMap:
        """The series that carry a label, which there is."""
        return self.by_name[name][value]

    def names(self, chosen: BitMap | None = None) -> set[str]:
        """Label names, of all series or of the chosen ones."""
        if chosen is None:
            return set(self.by_name)
        return {
            name
            for name, values in self.by_name.items()
            if any(self.bitmap(name, value).intersect(chosen) for value in values)
        }

    def values(self, name: str, chosen: BitMap | None = None) -> list[str]:
        """Values of a label, sorted, of all series or of the chosen ones; not to be changed."""
        found = self._sorted.get(name)
        if found is None:
            order = self._ordered.get(name) if self._ordered is not None else None
            found = order.all() if order is not None else sorted(self.by_name.get(name, ()))
            self._sorted[name] = found
        if chosen is None:
            return found
        carried = self.by_name.get(name, {})  # values may go while this takes a rest
        return [
            value
            for value in paced(found)
            if value in carried and self.bitmap(name, value).intersect(chosen)
        ]

    def packed(self) -> bytes:
        """What a block keeps, as msgpack; piece by piece, so that other threads get their turn."""
        packer = msgpack.Packer(autoreset=False)
        packer.pack_map_header(len(self.by_name))
        for name in sorted(self.by_name):
            values = self.values(name)
            packer.pack(name)
            packer.pack_map_header(len(values))
            for value in values:
                packer.pack(value)
                packer.pack(self.bitmap(name, value).serialize())
        return packer.bytes()


class StoredPostings(Postings):
    """A block's postings; a bitmap is made of its bytes when it is first asked for."""

    def __init__(self, packed: bytes, series: int) -> None:
        super().__init__()
        self.everything = BitMap(range(series))
        stored: dict[str, dict[str, Any]] = msgpack.unpackb(packed, strict_map_key=False)
        self.by_name = stored

    def bitmap(self, name: str, value: str) -> BitMap:
        found = self.by_name[name][value]
        if isinstance(found, bytes):
            found = self.by_name[name][value] = BitMap.deserialize(found)
        return found
