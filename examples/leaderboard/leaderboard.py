"""A leaderboard three ways: a sorted set, a heap, a sorted list.  Same answers; what do they cost?

    python examples/leaderboard/leaderboard.py [--players 100000] [--url redis://127.0.0.1:6379]

Four questions are put to each board, in the same order, after the same scores:

    submit    a player has a new best score
    top       who are the ten best?
    rank      which place does a player have?
    around    who is just above and just below a player?

Without --url the sorted set is in this process (kvstore.connect), with it in a server.  Ties go to
the name that is later in the alphabet, because a sorted set breaks ties by name and `REV` turns
that around too.
"""

from __future__ import annotations

import argparse
import heapq
import random
import time
from abc import ABC, abstractmethod
from bisect import bisect_left, insort
from typing import Any

TOP = 10
AROUND = 2
QUESTIONS = ("submit", "top", "rank", "around")

Line = tuple[str, int]  # player, score


class Board(ABC):
    """Who has how many points; places begin with 0, the best."""

    name = ""

    @abstractmethod
    def submit(self, player: str, score: int) -> None:
        """A score of a player, who keeps the better of this and the last."""

    @abstractmethod
    def top(self) -> list[Line]:
        """The best, best first."""

    @abstractmethod
    def rank(self, player: str) -> int:
        """A player's place."""

    @abstractmethod
    def around(self, player: str) -> list[Line]:
        """A player between those just above and below."""


class SortedSet(Board):
    """A sorted set: each question is one command.  `execute(*words) -> reply`."""

    name = "sorted set"

    def __init__(self, execute: Any):
        self.execute = execute

    def submit(self, player: str, score: int) -> None:
        self.execute("ZADD", "board", "GT", score, player)

    def top(self) -> list[Line]:
        return self._lines(0, TOP - 1)

    def rank(self, player: str) -> int:
        return self.execute("ZREVRANK", "board", player)

    def around(self, player: str) -> list[Line]:
        place = self.rank(player)
        return self._lines(max(place - AROUND, 0), place + AROUND)

    def _lines(self, first: int, last: int) -> list[Line]:
        found = self.execute("ZRANGE", "board", first, last, "REV", "WITHSCORES")
        return [(text(player), int(float(score))) for player, score in pairs(found)]


class Heap(Board):
    """A heap of all scores ever submitted, and a dict of those that count.

    The best are quick to find.  A place is not in a heap: it has to be counted.
    """

    name = "heap"

    def __init__(self) -> None:
        self.best: dict[str, int] = {}
        self.heap: list[tuple[int, Reversed]] = []

    def submit(self, player: str, score: int) -> None:
        if score > self.best.get(player, -1):
            self.best[player] = score
            heapq.heappush(self.heap, (-score, Reversed(player)))

    def top(self) -> list[Line]:
        found: list[Line] = []
        taken = []
        while self.heap and len(found) < TOP:
            entry = heapq.heappop(self.heap)
            score, player = -entry[0], entry[1].text
            if self.best[player] == score:  # else it was beaten by its own player
                found.append((player, score))
                taken.append(entry)
        for entry in taken:
            heapq.heappush(self.heap, entry)
        return found

    def rank(self, player: str) -> int:
        mine = (self.best[player], player)
        return sum((score, other) > mine for other, score in self.best.items())

    def around(self, player: str) -> list[Line]:
        place = self.rank(player)
        first = max(place - AROUND, 0)
        best = heapq.nlargest(
            place + AROUND + 1, self.best.items(), key=lambda line: (line[1], line[0])
        )
        return best[first:]


class SortedList(Board):
    """A list kept in order: places by bisection, but each submission moves half of the list."""

    name = "sorted list"

    def __init__(self) -> None:
        self.best: dict[str, int] = {}
        self.lines: list[tuple[int, Reversed]] = []

    def submit(self, player: str, score: int) -> None:
        before = self.best.get(player)
        if before is not None:
            if score <= before:
                return
            del self.lines[self.rank(player)]
        self.best[player] = score
        insort(self.lines, (-score, Reversed(player)))

    def top(self) -> list[Line]:
        return [(name.text, -score) for score, name in self.lines[:TOP]]

    def rank(self, player: str) -> int:
        return bisect_left(self.lines, (-self.best[player], Reversed(player)))

    def around(self, player: str) -> list[Line]:
        place = self.rank(player)
        lines = self.lines[max(place - AROUND, 0) : place + AROUND + 1]
        return [(name.text, -score) for score, name in lines]


class Reversed:
    """A name that sorts the other way round."""

    __slots__ = ("text",)

    def __init__(self, name: str):
        self.text = name

    def __lt__(self, other: Reversed) -> bool:
        return self.text > other.text


def text(word: Any) -> str:
    """A word of a reply."""
    return word.decode() if isinstance(word, bytes) else word


def pairs(found: list) -> list[tuple]:
    """Lines of a reply: RESP3 has them nested, RESP2 flat."""
    if found and isinstance(found[0], (list, tuple)):
        return [tuple(line) for line in found]
    return list(zip(found[::2], found[1::2], strict=True))


def play(board: Board, players: int, rounds: int, seed: int) -> tuple[dict[str, float], list[Any]]:
    """Seconds a question of each kind, and all answers."""
    rand = random.Random(seed)
    names = [f"player{i:07d}" for i in range(players)]
    for name in names:
        board.submit(name, rand.randrange(1_000_000))
    spent = dict.fromkeys(QUESTIONS, 0.0)
    answers = []
    for _ in range(rounds):
        name = rand.choice(names)
        for question in QUESTIONS:
            ask = getattr(board, question)
            words = {"submit": (name, rand.randrange(1_000_000)), "top": ()}.get(question, (name,))
            begun = time.perf_counter()
            answer = ask(*words)
            spent[question] += time.perf_counter() - begun
            answers.append(answer)
    return {question: seconds / rounds for question, seconds in spent.items()}, answers


def sorted_set(url: str) -> SortedSet:
    """The board in a server, or in this process."""
    if url:
        import redis

        client = redis.Redis.from_url(url)
        client.delete("board")
        # redis-py would turn replies into its own forms: lines stay as the server sent them.
        client.response_callbacks.clear()
        return SortedSet(client.execute_command)
    import kvstore

    return SortedSet(kvstore.connect().execute)


def main(argv: list[str] | None = None) -> int:
    """Print a table of costs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--players", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--url", default="")
    options = parser.parse_args(argv)
    boards: list[Board] = [sorted_set(options.url), Heap(), SortedList()]
    played = [play(board, options.players, options.rounds, 1) for board in boards]
    same = all(answers == played[0][1] for _, answers in played)
    print(f"{options.players:,} players, microseconds a question")
    print(f"{'':12}" + "".join(f"{board.name:>14}" for board in boards))
    for question in QUESTIONS:
        cells = "".join(f"{costs[question] * 1e6:14,.1f}" for costs, _ in played)
        print(f"{question:12}{cells}")
    print("same answers" if same else "THE ANSWERS DIFFER")
    return 0 if same else 1


if __name__ == "__main__":
    raise SystemExit(main())
