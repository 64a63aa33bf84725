"""How the values of parameters are read and shown, one kind a row of `KINDS`.

A reader raises ValueError with the words Redis has for it; what it returns is what the rest of
kvstore works with (an int, a bool, a dict), and `show` turns that back into text.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from kvstore.parameter_table import ENUMS

UNITS = {
    "": 1, "b": 1, "k": 1000, "kb": 1024, "m": 10**6, "mb": 1 << 20, "g": 10**9, "gb": 1 << 30,
}  # fmt: skip
EVENT_LETTERS = "KEg$lshzxetmdn"
EVENTS_OF_A = "g$lshzxetd"
SHUTDOWN_OPTIONS = ("save", "nosave", "now", "force")
BUFFER_CLASSES = ("normal", "slave", "pubsub")
BUFFER_LIMITS = {
    "normal": (0, 0, 0),
    "slave": (256 << 20, 64 << 20, 60),
    "pubsub": (32 << 20, 8 << 20, 60),
}


def parse_bool(text: str) -> bool:
    """yes or no."""
    if text.lower() not in ("yes", "no"):
        raise ValueError("argument must be 'yes' or 'no'")
    return text.lower() == "yes"


def parse_memory(text: str) -> int:
    """Bytes, with an optional unit as in 64mb."""
    number = text.lower().rstrip("bkmg")
    unit = text.lower()[len(number) :]
    if not number.isdigit() or unit not in UNITS:
        raise ValueError("argument must be a memory value")
    return int(number) * UNITS[unit]


def parse_percent_memory(text: str) -> int:
    """Bytes, or (negative) a percentage."""
    if text.endswith("%") and text[:-1].isdigit():
        if int(text[:-1]) > 100:
            raise ValueError("percentage argument must be less or equal to 100")
        return -int(text[:-1])
    try:
        return parse_memory(text)
    except ValueError:
        raise ValueError("argument must be a memory or percent value") from None


def parse_integer(text: str) -> int:
    """A whole number."""
    try:
        return int(text)
    except ValueError:
        raise ValueError("argument couldn't be parsed into an integer") from None


def parse_octal(text: str) -> int:
    """The permissions of a file."""
    try:
        return int(text, 8)
    except ValueError:
        raise ValueError("argument couldn't be parsed into an integer") from None


def parse_events(text: str) -> int:
    """Bits of kvstore.keyspace's Event from letters such as KEA."""
    bits = 0
    for letter in text.replace("A", EVENTS_OF_A):
        if letter not in EVENT_LETTERS:
            raise ValueError("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.")
        bits |= 1 << EVENT_LETTERS.index(letter)
    return bits


def show_events(bits: int) -> str:
    """The letters of the bits, all of `A` as A."""
    letters = [c for i, c in enumerate(EVENT_LETTERS) if bits >> i & 1]
    classes = "".join(c for c in letters if c in EVENTS_OF_A)
    others = "".join(c for c in letters if c not in EVENTS_OF_A)
    return ("A" if classes == EVENTS_OF_A else classes) + others


def parse_save(text: str) -> tuple[tuple[int, int], ...]:
    """When to save a snapshot: pairs of seconds and changes."""
    words = text.split()
    if len(words) % 2 or not all(word.isdigit() for word in words):
        raise ValueError("Invalid save parameters")
    points = tuple(zip(map(int, words[::2]), map(int, words[1::2]), strict=True))
    if any(seconds < 1 for seconds, _ in points):
        raise ValueError("Invalid save parameters")
    return points


def show_save(points: tuple[tuple[int, int], ...]) -> str:
    """The pairs, as they are written in redis.conf."""
    return " ".join(f"{seconds} {changes}" for seconds, changes in points)


def parse_buffers(text: str) -> dict[str, tuple[int, int, int]]:
    """Client class -> (bytes at most, bytes for a while, that while in seconds).

    Classes that are not named keep their default.
    """
    words = text.split()
    if len(words) % 4 or not words:
        raise ValueError("Wrong number of arguments in buffer limit configuration.")
    limits = {}
    for name, *numbers in zip(*[iter(words)] * 4, strict=True):
        name = {"replica": "slave"}.get(name.lower(), name.lower())
        if name not in BUFFER_CLASSES:
            raise ValueError("Invalid client class specified in buffer limit configuration.")
        try:
            hard, soft, seconds = *map(parse_memory, numbers[:2]), int(numbers[2])
        except ValueError:
            seconds = -1
        if seconds < 0:
            raise ValueError(
                "Error in hard, soft or soft_seconds setting in buffer limit configuration.")
        limits[name] = hard, soft, seconds
    return limits


def show_buffers(limits: dict[str, tuple[int, int, int]]) -> str:
    """All classes with their limits."""
    return " ".join(f"{name} {' '.join(map(str, limits[name]))}" for name in BUFFER_CLASSES)


def parse_percentiles(text: str) -> tuple[float, ...]:
    """Percentiles, each between 0 and 100."""
    try:
        values = tuple(float(word) for word in text.split())
    except ValueError:
        raise ValueError("Invalid latency-tracking-info-percentiles parameters") from None
    if not all(0 <= value <= 100 for value in values):
        raise ValueError(
            "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]")
    return values


def parse_oom_values(text: str) -> tuple[int, int, int]:
    """Three scores for the kernel's choice of a victim."""
    words = text.split()
    if len(words) != 3:
        raise ValueError("wrong number of arguments")
    try:
        low, middle, high = map(int, words)
    except ValueError:
        low = middle = high = 9999
    if not all(-2000 <= value <= 2000 for value in (low, middle, high)):
        raise ValueError("Invalid oom-score-adj-values, elements must be between -2000 and 2000.")
    return low, middle, high


def parse_shutdown(text: str) -> tuple[str, ...]:
    """What to do before the end."""
    words = set(text.lower().split()) - {"default"}
    if not text or not words <= set(SHUTDOWN_OPTIONS):
        names = ", ".join(("default", *SHUTDOWN_OPTIONS))
        raise ValueError("argument(s) must be one of the following: " + names)
    if {"save", "nosave"} <= words:
        raise ValueError("shutdown options SAVE and NOSAVE can't be used simultaneously")
    return tuple(word for word in SHUTDOWN_OPTIONS if word in words)


class Kind(NamedTuple):
    """How values are read and shown.

    merged:  a value has parts, which may be set one by one
    several: a value is several words in redis.conf
    """

    parse: Callable[[str], Any]
    show: Callable[[Any], str]
    merged: bool = False
    several: bool = False


def enum(choices: str) -> Kind:
    """One word of several."""
    names = choices.split("|")

    def parse(text: str) -> str:
        if text.lower() not in names:
            raise ValueError("argument(s) must be one of the following: " + ", ".join(names))
        return text.lower()

    return Kind(parse, str)


KINDS: dict[str, Kind] = {
    "bool": Kind(parse_bool, lambda value: "yes" if value else "no"),
    "buffers": Kind(parse_buffers, show_buffers, merged=True, several=True),
    "events": Kind(parse_events, show_events),
    "int": Kind(parse_integer, str),
    "memory": Kind(parse_memory, str),
    "octal": Kind(parse_octal, "{:o}".format),
    "oom-values": Kind(
        parse_oom_values, lambda values: " ".join(map(str, values)), several=True
    ),
    "percent-memory": Kind(
        parse_percent_memory, lambda value: f"{-value}%" if value < 0 else str(value)
    ),
    "percentiles": Kind(
        parse_percentiles, lambda values: " ".join(f"{value:g}" for value in values), several=True
    ),
    "save": Kind(parse_save, show_save, several=True),
    "shutdown": Kind(
        parse_shutdown, lambda words: " ".join(words) or "default", several=True
    ),
    "text": Kind(str, str),
    "words": Kind(str, str, several=True),
    **{name: enum(choices) for name, choices in ENUMS.items()},
}
