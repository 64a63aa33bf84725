"""Queries spoiled: pieces of good ones deleted, doubled, swapped, or put where they do not belong.

Most are wrong, each in another way; some are still right.  A seed gives the same ones for ever.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

PIECE = re.compile(r"'[^']*'|\"[^\"]*\"|[\w:.]+|=~|!~|!=|==|>=|<=|\s+|.")
STRANGERS = (
    *("(", ")", "[", "]", "{", "}", "[5m]", "[5m:", ":1m]", "offset 5m", "offset", "@", "@ 10"),
    *("@ end()", "by (", "by", "without (host)", "on", "on(host)", "ignoring(code)", "bool"),
    *("group_left", "group_right(host)", "and", "or", "unless", "+", "-", "*", "/", "^", "%"),
    *("==", "!=", "=~", "!~", "=", "<", ",", "'a'", '"', "'", "`", "1", "1e", "0x", "5m", "1d5m"),
    *("Inf", "NaN", "rate(", "sum(", "sum", "topk", "topk(", "quantile(", "abs", "vector(1)"),
    *("label_replace(", "count_values(", "time()", "gauge", "nope(", "é", "\\", "$", "#", ";", "!"),
)


class Spoiler:
    """Makes spoiled queries of good ones."""

    def __init__(self, seed: int, good: Sequence[str]):
        self.random = random.Random(seed)
        self.good = good

    def query(self) -> str:
        """One of them."""
        pieces = PIECE.findall(self.random.choice(self.good))
        for _ in range(self.random.choice((1, 1, 1, 2, 3))):
            at = self.random.randrange(len(pieces) + 1)
            match self.random.randrange(6):
                case 0 | 1:
                    del pieces[at : at + 1]
                case 2 | 3:
                    pieces.insert(at, f" {self.random.choice(STRANGERS)} ")
                case 4:
                    pieces[at:at] = pieces[at - 1 : at]
                case 5:
                    del pieces[at + 1 :]
        return "".join(pieces)
