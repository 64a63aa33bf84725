"""For the simulator: a replica never has data that its primary did not have at that place.

    (id, offset) of the stream ─► the primary's data when it had published so far

The replica is looked at whenever it has taken in some of the stream, or a snapshot.  A place in
the middle of what the primary published at once is not in the book, and says nothing; the end of
the run, when both must have the same, says most.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kvstore.resp import Args, decode

Data = dict[bytes, bytes]


class Witness:
    """Knows the primary's data at every place of its streams.

    compared: how often the replica's data could be compared
    wrong:    what was not the same, the first time
    """

    def __init__(self) -> None:
        self.book: dict[tuple[bytes, int], Data] = {}
        self.compared = 0
        self.wrong = ""

    def watch_primary(self, store: Any) -> None:
        """Write down what it publishes."""
        primary = store.primary

        def note() -> None:
            self.book[primary.id, primary.offset] = data_of(store)

        after(primary, "publish", note)
        after(primary, "begin", note)

    def watch_replica(self, store: Any) -> None:
        """Compare what it takes in."""
        primary = store.primary

        def compare() -> None:
            expected = self.book.get((primary.id, primary.offset))
            if expected is None:
                return
            self.compared += 1
            if (data := data_of(store)) != expected and not self.wrong:
                self.wrong = (
                    f"at {primary.offset} of the stream the replica has "
                    f"{differences(data, expected)}"
                )

        after(primary, "publish", compare)
        after(primary, "start_at", compare)


def after(target: Any, name: str, then: Callable[[], None]) -> None:
    """Call `then` after each call of a method of this object."""
    method = getattr(target, name)

    def called(*args: Any) -> Any:
        result = method(*args)
        then()
        return result

    setattr(target, name, called)


def data_of(store: Any) -> Data:
    """Every key and its value; strings only."""
    client = store.client()

    def run(*words: bytes) -> Any:
        return decode(store.run(client, Args.of(*words)))[0]

    keys = run(b"KEYS", b"*")
    return dict(zip(keys, run(b"MGET", *keys), strict=True)) if keys else {}


def differences(found: Data, expected: Data) -> str:
    """What is not the same, for a person."""
    wrong = [key for key in sorted({*found, *expected}) if found.get(key) != expected.get(key)]
    return ", ".join(
        f"{key.decode()}={found.get(key)!r} instead of {expected.get(key)!r}" for key in wrong[:3]
    )
