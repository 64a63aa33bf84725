"""LabelList: the labels of a vector's rows, and what queries derive from them, derived once.

A selection that is asked for again (a dashboard does little else) comes with the same list, and so
with its groups, its JSON and its rows' labels without the name.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator

import numpy as np

from bedrock.world.slices import paced, paced_sort
from tsdb.labels import Labels


class LabelList(list[Labels]):
    """Labels, one for each row; not changed once it is made."""

    def __init__(self, labels: Iterable[Labels] = ()):
        super().__init__(labels)
        self._bare: LabelList | None = None
        self._distinct: bool | None = None
        self._order: list[int] | None = None
        self._json: list[bytes] | None = None
        self._groups: dict[object, tuple[np.ndarray, LabelList]] = {}

    def bare(self) -> LabelList:
        """The same without their names."""
        if self._bare is None:
            self._bare = LabelList([labels.without_name() for labels in paced(self)])
        return self._bare

    @property
    def distinct(self) -> bool:
        """Whether no two are equal."""
        if self._distinct is None:
            self._distinct = len(set(paced(self))) == len(self)
        return self._distinct

    def order(self) -> list[int] | None:
        """The row numbers, sorted by labels; None if the rows are sorted already."""
        if self._order is None:
            self._order = paced_sort(range(len(self)), key=lambda row: self[row].pairs)
            if self._order == list(range(len(self))):
                self._order = []
        return self._order or None

    def json(self) -> list[bytes]:
        """Each as a JSON object."""
        from tsdb.promql.json_out import json_labels

        if self._json is None:
            self._json = [json_labels(labels) for labels in paced(self)]
        return self._json

    def groups(self, names: tuple[str, ...], without: bool) -> tuple[np.ndarray, LabelList]:
        """(number of its group for each row, labels of the groups): by names, or without them."""
        key = names, without
        found = self._groups.get(key)
        if found is None:
            number: dict[Labels, int] = {}
            if without:
                dropped = {*names, "__name__"}
                rows: Iterator[int] = (
                    number.setdefault(one.drop(dropped), len(number)) for one in paced(self)
                )
            else:
                rows = self._by(tuple(sorted(set(names))), number)
            group_of = np.frombuffer(array("q", rows), np.int64)
            found = self._groups[key] = group_of, LabelList(number)
        return found

    def _by(self, names: tuple[str, ...], number: dict[Labels, int]) -> Iterator[int]:
        known: dict[tuple[str, ...], int] = {}
        for one in paced(self):
            values = tuple([one.get(name) for name in names])
            group = known.get(values)
            if group is None:
                pairs = tuple(pair for pair in zip(names, values, strict=True) if pair[1])
                group = known[values] = number.setdefault(Labels(pairs), len(number))
            yield group
