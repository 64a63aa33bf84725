"""LATENCY: what took long, when, and how long commands take.

Events are gathered once `latency-monitor-threshold` is set: a command (`command`, or `fast-command`
for one that must not take long) or a round of expiry (`expire-cycle`) that took that many
milliseconds.  An event keeps its last 160 times, one a second at most: the longest of that second.

How long commands take is counted always, in octaves: kvstore.binding.Command.took[i] counts the
runs of 2^i up to 2^(i+1) ns.  What is told is in microseconds, and a percentile is a point on a
straight line through its octave, so it may be wrong by less than a factor of two and mostly is by
far less.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from kvstore.binding import command
from kvstore.resp import ReplyError, Verbatim

SAMPLES = 160
BUCKET_NS = 1024  # the first step of LATENCY HISTOGRAM: a microsecond, nearly
GRAPH_COLUMNS = 80
LEVELS = " _-`"  # from low to high within one row of a graph
ADVICE = {
    "command": "Slow commands: SLOWLOG GET shows which; a key with very many elements is "
    "mostly the cause (kvstore shell: peek).",
    "fast-command": "Commands that should be fast were not: the machine was busy or swapped.",
    "expire-cycle": "Many keys die at once, or a very large one does: spread their times.",
}


class Event:
    """The times of one kind of event: (Unix second, ms) each, the newest last."""

    def __init__(self) -> None:
        self.samples: deque[tuple[int, int]] = deque(maxlen=SAMPLES)
        self.longest_ms = 0

    def add(self, at_s: int, ms: int) -> None:
        """It happened again."""
        self.longest_ms = max(self.longest_ms, ms)
        if self.samples and self.samples[-1][0] == at_s:
            ms = max(ms, self.samples.pop()[1])
        self.samples.append((at_s, ms))


class Latency:
    """The events of a store."""

    def __init__(self) -> None:
        self.events: dict[str, Event] = {}

    def add(self, name: str, at_s: int, ms: int) -> None:
        """Something took long."""
        self.events.setdefault(name, Event()).add(at_s, ms)


def graph(event: Event, now_s: int) -> str:
    """The times of an event as three rows of characters, with their age below."""
    shown = list(event.samples)[-GRAPH_COLUMNS:]
    low, high = min(ms for _, ms in shown), max(ms for _, ms in shown)
    steps = 3 * (len(LEVELS) - 1)
    heights = [1 + (ms - low) * (steps - 1) // max(high - low, 1) for _, ms in shown]
    rows = []
    for row in (2, 1, 0):
        levels = [min(max(h - row * (len(LEVELS) - 1), 0), len(LEVELS) - 1) for h in heights]
        rows.append("".join(LEVELS[level] for level in levels))
    ages = [age(now_s - at) for at, _ in shown]
    labels = ["".join(text[i : i + 1] or " " for text in ages) for i in range(3)]
    return "\n".join([*rows, "", *labels])


def age(seconds: int) -> str:
    """How long ago, in at most three characters."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def histogram(took: list[int]) -> dict[int, int]:
    """Cumulative counts by microseconds, from octaves of nanoseconds."""
    found: dict[int, int] = {}
    total, bound = sum(took[:10]), BUCKET_NS
    for count in took[10:]:
        if total:
            found[round(bound / 1000)] = total
        if total == sum(took):
            break
        total += count
        bound *= 2
    return found


def percentile(took: list[int], wanted: float) -> float:
    """Microseconds that this percentage of the runs did not exceed."""
    rank = sum(took) * wanted / 100
    below = 0
    for octave, count in enumerate(took):
        if count and below + count >= rank:
            return (1 << octave) * (1 + (rank - below) / count) / 1000
        below += count
    return 0.0


@command("latency|latest")
def latency_latest(client, words):
    """LATENCY LATEST"""
    return [
        [name.encode(), *event.samples[-1], event.longest_ms]
        for name, event in client.store.latency.events.items()
    ]


@command("latency|history")
def latency_history(client, words):
    """LATENCY HISTORY event"""
    event = client.store.latency.events.get(words[2].decode("latin-1"))
    return [list(sample) for sample in event.samples] if event is not None else []


@command("latency|reset")
def latency_reset(client, words):
    """LATENCY RESET [event ...]"""
    events = client.store.latency.events
    names = [word.decode("latin-1") for word in words[2:]] or list(events)
    return sum(events.pop(name, None) is not None for name in names)


@command("latency|graph")
def latency_graph(client, words):
    """LATENCY GRAPH event"""
    name = words[2].decode("latin-1")
    event = client.store.latency.events.get(name)
    if event is None:
        raise ReplyError(f"ERR No samples available for event '{name}'")
    times = [ms for _, ms in event.samples]
    head = f"{name} - high {event.longest_ms} ms, low {min(times)} ms (all time high "
    head += f"{event.longest_ms} ms)\n" + "-" * GRAPH_COLUMNS + "\n"
    return Verbatim(head + graph(event, client.store.now() // 1000) + "\n")


@command("latency|doctor")
def latency_doctor(client, words):
    """LATENCY DOCTOR"""
    store = client.store
    if not store.parameters["latency-monitor-threshold"]:
        return Verbatim(
            "Latency is not watched: CONFIG SET latency-monitor-threshold <milliseconds> first.\n")
    lines = [describe(name, event) for name, event in store.latency.events.items()]
    return Verbatim("".join(lines) or "Nothing took long since the last LATENCY RESET.\n")


def describe(name: str, event: Event) -> str:
    """An event in a sentence, with what to do about it."""
    times = [ms for _, ms in event.samples]
    mean = sum(times) / len(times)
    return (f"{name}: {len(times)} times, {mean:.0f} ms on average, {event.longest_ms} ms at "
            f"worst. {ADVICE.get(name, '')}\n")


@command("latency|histogram")
def latency_histogram(client, words):
    """LATENCY HISTOGRAM [command ...]"""
    commands = client.store.commands
    names = list(commands) if len(words) == 2 else [
        name for word in words[2:] for name in family(commands, word.decode("latin-1").lower())]
    return {
        name.encode(): {
            b"calls": commands[name].calls,
            b"histogram_usec": histogram(commands[name].took_octaves()),
        }
        for name in names
        if commands[name].calls and any(commands[name].took_octaves())
    }


def family(commands: dict[str, Any], name: str) -> list[str]:
    """A command, or the subcommands of a container."""
    parts = [full for full in commands if full.startswith(name + "|")]
    return parts or [name] * (name in commands)
