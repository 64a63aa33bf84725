"""Flood control: how fast a client may talk.

A bucket holds `size` tokens and gains `per_s` every second; each line takes one.  A client that
finds it empty is disconnected ("Excess Flood"): a person cannot get there, nor a program that
reads what it is told, and one that runs away must not fill everyone's screen.

Operators are exempt.  Left out: weights by command, and answering late instead (a program that
waits for its answers is slowed down by them already).
"""

from __future__ import annotations


class Bucket:
    """size: lines at once; 0 lets everything pass.  per_s: lines a second in the long run."""

    __slots__ = ("_at_ns", "_per_ns", "size", "tokens")

    def __init__(self, size: int, per_s: float, now_ns: int):
        self.size = size
        self.tokens = float(size)
        self._per_ns = per_s / 1e9
        self._at_ns = now_ns

    def take(self, now_ns: int) -> bool:
        """Take a token; False if there is none."""
        if not self.size:
            return True
        gained = self.tokens + (now_ns - self._at_ns) * self._per_ns
        self.tokens = min(gained, self.size) - 1.0
        self._at_ns = now_ns
        return self.tokens >= 0.0
