"""Postings: which series carry which label, as roaring bitmaps.

    label name -> label value -> bitmap of series numbers

Series numbers are the head's refs, or positions in a block.  A selector is an intersection;
conditions that an absent label meets are taken away from the result instead (`!=`, `!~`, `=""`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pyroaring import BitMap

from tsdb.labels import Labels
from tsdb.matchers import Matcher


class Postings:
    """The inverted index of one set of series."""

    def __init__(self) -> None:
        self.everything = BitMap()
        self.by_name: dict[str, dict[str, BitMap]] = {}

    def add(self, number: int, labels: Labels) -> None:
        """Note that series `number` carries these labels."""
        self.everything.add(number)
        for name, value in labels.pairs:
            values = self.by_name.get(name)
            if values is None:
                values = self.by_name[name] = {}
            bitmap = values.get(value)
            if bitmap is None:
                values[value] = BitMap((number,))
            else:
                bitmap.add(number)

    def remove(self, number: int, labels: Labels) -> None:
        """Forget a series."""
        self.everything.discard(number)
        for name, value in labels.pairs:
            values = self.by_name[name]
            values[value].discard(number)
            if not values[value]:
                del values[value]
                if not values:
                    del self.by_name[name]

    def select(self, matchers: Iterable[Matcher]) -> BitMap:
        """Numbers of the series that meet all conditions."""
        chosen: BitMap | None = None
        refused: list[BitMap] = []
        for matcher in matchers:
            values = self.by_name.get(matcher.name, {})
            if matcher.matches_empty:
                refused += [b for value, b in values.items() if not matcher.matches(value)]
                continue
            found = self._matching(matcher, values)
            chosen = found if chosen is None else chosen & found
            if not chosen:
                return BitMap()
        if chosen is None:
            chosen = self.everything
        return chosen - BitMap.union(*refused) if refused else chosen

    @staticmethod
    def _matching(matcher: Matcher, values: dict[str, BitMap]) -> BitMap:
        if matcher.op == "=":
            return values.get(matcher.value, BitMap())
        if matcher.op == "=~" and matcher.alternatives is not None:
            found = [values[value] for value in matcher.alternatives if value in values]
        else:
            found = [bitmap for value, bitmap in values.items() if matcher.matches(value)]
        return BitMap.union(*found) if found else BitMap()

    def names(self, chosen: BitMap | None = None) -> set[str]:
        """Label names, of all series or of the chosen ones."""
        if chosen is None:
            return set(self.by_name)
        return {
            name
            for name, values in self.by_name.items()
            if any(bitmap.intersect(chosen) for bitmap in values.values())
        }

    def values(self, name: str, chosen: BitMap | None = None) -> set[str]:
        """Values of a label, of all series or of the chosen ones."""
        values = self.by_name.get(name, {})
        if chosen is None:
            return set(values)
        return {value for value, bitmap in values.items() if bitmap.intersect(chosen)}

    def stored(self) -> dict[str, dict[str, bytes]]:
        """What a block keeps."""
        return {
            name: {value: bitmap.serialize() for value, bitmap in sorted(values.items())}
            for name, values in sorted(self.by_name.items())
        }


class StoredPostings(Postings):
    """A block's postings; the bitmaps of a label are made when first asked for."""

    def __init__(self, stored: dict[str, dict[str, bytes]], series: int) -> None:
        self.everything = BitMap(range(series))
        self.by_name = _Unpacking(stored)


class _Unpacking(dict):
    """name -> values, whose bitmaps are bytes until the name is looked up."""

    def __init__(self, stored: dict[str, dict[str, bytes]]) -> None:
        super().__init__(stored)
        self.packed = set(stored)

    def get(self, name: str, default: Any = None) -> Any:
        if name in self.packed:
            self.packed.discard(name)
            self[name] = {v: BitMap.deserialize(data) for v, data in self[name].items()}
        return super().get(name, default)

    def items(self) -> Any:
        for name in list(self.packed):
            self.get(name)
        return super().items()
