"""Who reads what in a group whose coordinator decides (KIP-848).

    uniform   as even as can be, and as little changed as can be
    range     neighbours stay together: of every topic each member gets a run of partitions

Both are functions of what members subscribe to and of what they were to read before:

    assign(subscriptions, partitions, before) -> member -> set of (topic, partition)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

Share = set[tuple[str, int]]
Subscriptions = Mapping[str, set[str]]


def uniform(
    subscriptions: Subscriptions, partitions: Mapping[str, int], before: Mapping[str, Share]
) -> dict[str, Share]:
    """Each keeps what it had; what is free goes to who has least; then the loads are evened out."""
    readers: dict[str, list[str]] = {topic: [] for topic in partitions}
    for member in sorted(subscriptions):
        for topic in subscriptions[member]:
            if topic in readers:
                readers[topic].append(member)
    shares: dict[str, Share] = {member: set() for member in subscriptions}
    free = []
    owners = {each: member for member, share in before.items() for each in share}
    for topic in sorted(partitions):
        for index in range(partitions[topic]):
            owner = owners.get((topic, index))
            if owner in shares and topic in subscriptions[owner]:
                shares[owner].add((topic, index))
            elif readers[topic]:
                free.append((topic, index))

    def load(member: str) -> int:
        return len(shares[member])

    for each in free:
        shares[min(readers[each[0]], key=load)].add(each)
    while _even_out(shares, readers, load):
        pass
    return shares


def _even_out(
    shares: dict[str, Share], readers: dict[str, list[str]], load: Callable[[str], int]
) -> bool:
    """Move one partition from a member to one with two fewer; False if there is none."""
    for rich in sorted(shares, key=load, reverse=True):
        for each in sorted(shares[rich], reverse=True):
            poor = min(readers[each[0]], key=load)
            if load(poor) + 2 <= load(rich):
                shares[rich].remove(each)
                shares[poor].add(each)
                return True
    return False


def range_(
    subscriptions: Subscriptions, partitions: Mapping[str, int], before: Mapping[str, Share]
) -> dict[str, Share]:
    """Topic by topic, a run of partitions to each in the order of their names."""
    shares: dict[str, Share] = {member: set() for member in subscriptions}
    for topic, count in partitions.items():
        members = sorted(m for m, topics in subscriptions.items() if topic in topics)
        if not members:
            continue
        quota, extra = divmod(count, len(members))
        start = 0
        for number, member in enumerate(members):
            end = start + quota + (number < extra)
            shares[member] |= {(topic, index) for index in range(start, end)}
            start = end
    return shares


# The first is the default.
ASSIGNORS: dict[str, Callable[..., dict[str, Share]]] = {"uniform": uniform, "range": range_}
