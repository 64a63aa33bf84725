"""Labels: the identity of a series, an immutable sorted set of name-value pairs.

Its canonical bytes, the key, are what logs, blocks and dictionaries hold:

    name 0xFF value 0xFF name 0xFF value       sorted by name, in UTF-8 (which never has 0xFF)

Invariants:
1. Names are unique and sorted; a pair whose value is empty does not exist (as in Prometheus).
2. Two Labels are equal exactly when their keys are.
"""

import re
from sys import intern

cimport cython

cdef object METRIC_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
cdef object LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


def is_metric_name(str name) -> bool:
    """Whether Prometheus takes this as a metric's name."""
    return METRIC_NAME.fullmatch(name) is not None


def is_label_name(str name) -> bool:
    """Whether Prometheus takes this as a label's name."""
    return LABEL_NAME.fullmatch(name) is not None


cpdef bytes key_of_pairs(list pairs):
    """Canonical bytes of (name, value) pairs of bytes; sorts and drops empty values.

    ValueError for a name given twice or an empty name.
    """
    cdef list kept = sorted([pair for pair in pairs if pair[1]])
    cdef bytes before = b""
    for name, _ in kept:
        if name == before:
            raise ValueError(
                f"label name {name.decode(errors='replace')!r} is not unique" if name
                else "empty label name")
        before = name
    return b"\xff".join([part for pair in kept for part in pair])


cpdef Labels labels_of_key(bytes key):
    """The Labels of canonical bytes."""
    cdef list parts = key.split(b"\xff") if key else []
    cdef Py_ssize_t i
    # A million series share their names, and so their memory.
    return Labels(tuple([(intern((<bytes>parts[i]).decode()), (<bytes>parts[i + 1]).decode())
                         for i in range(0, len(parts), 2)]))


def labels_of(mapping: dict) -> Labels:
    """The Labels of a name -> value mapping."""
    return Labels(tuple(sorted([pair for pair in mapping.items() if pair[1]])))


@cython.no_gc  # no cycle goes through it, and there may be a million
cdef class Labels:
    """Sorted (name, value) pairs; hashable, comparable in Prometheus' order."""

    def __init__(self, tuple pairs):
        self.pairs = pairs
        self.hashed = -1

    cpdef str get(self, str name):
        """The value of a label, "" if it has none."""
        cdef tuple pair
        for pair in self.pairs:
            if pair[0] == name:
                return pair[1]
        return ""

    @property
    def key(self) -> bytes:
        """Canonical bytes; see the module."""
        return b"\xff".join([part.encode() for pair in self.pairs for part in pair])

    def as_dict(self) -> dict:
        """A copy as name -> value."""
        return dict(self.pairs)

    cpdef Labels without_name(self):
        """All labels but the metric's name."""
        if self.bare is None:
            if not self.get("__name__"):
                return self
            self.bare = Labels(tuple([p for p in self.pairs if p[0] != "__name__"]))
        return self.bare

    def keep(self, names) -> Labels:
        """Only the labels in names (a set)."""
        return Labels(tuple([p for p in self.pairs if p[0] in names]))

    def drop(self, names) -> Labels:
        """All but the labels in names (a set)."""
        return Labels(tuple([p for p in self.pairs if p[0] not in names]))

    def having(self, str name, str value) -> Labels:
        """The same labels with one set; an empty value removes it."""
        changed = dict(self.pairs)
        changed[name] = value
        return labels_of(changed)

    def __hash__(self):
        if self.hashed == -1:
            self.hashed = hash(self.pairs)
        return self.hashed

    def __eq__(self, other):
        return isinstance(other, Labels) and self.pairs == (<Labels>other).pairs

    def __lt__(self, Labels other):
        return self.pairs < other.pairs

    def __len__(self):
        return len(self.pairs)

    def __repr__(self):
        """As PromQL writes it: name{label="value"}."""
        inner = ", ".join([f'{n}="{escape(v)}"' for n, v in self.pairs if n != "__name__"])
        name = self.get("__name__")
        return f"{name}{{{inner}}}" if inner or not name else name


def escape(str value) -> str:
    """A label's value as it stands between double quotes."""
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
