"""Rand: one seed, one sequence, everywhere."""

from bedrock.world import Rand


def test_the_sequence_of_a_seed_never_changes():
    rand = Rand(7)
    first = [rand.u64() for _ in range(3)]
    assert first == [Rand(7).u64(), *first[1:]]
    assert first == EXPECTED_7


# xoshiro256** seeded by splitmix64(7); pinned, because failing seeds are written down.
EXPECTED_7 = [12923355070828475994, 5142052590334782674, 15488392906492639638]


def test_below_stays_below_and_reaches_every_value():
    rand = Rand(1)
    seen = {rand.below(5) for _ in range(200)}
    assert seen == {0, 1, 2, 3, 4}


def test_shuffle_permutes():
    items = list(range(50))
    Rand(3).shuffle(items)
    assert sorted(items) == list(range(50)) != items


def test_fork_is_independent_of_later_draws():
    a, b = Rand(5), Rand(5)
    fork_a, fork_b = a.fork(), b.fork()
    a.u64()
    assert fork_a.bytes(20) == fork_b.bytes(20)
