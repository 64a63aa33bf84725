"""Join order: the pairs visited are those of the closed forms, the plan found is the best there
is."""

from __future__ import annotations

import itertools
from random import Random

import pytest

from query_planner.joins.enumerate import order


def chain(n):
    return [(1 << i | 1 << i + 1, 0.01, True) for i in range(n - 1)]


def star(n):
    return [(1 | 1 << i, 0.01, True) for i in range(1, n)]


def cycle(n):
    return [*chain(n), (1 | 1 << n - 1, 0.01, True)]


def clique(n):
    return [(1 << i | 1 << j, 0.5, True) for i in range(n) for j in range(i)]


FORMS = {
    chain: lambda n: (n**3 - n) // 6,
    star: lambda n: (n - 1) * 2 ** (n - 2),
    cycle: lambda n: (n**3 - 2 * n**2 + n) // 2,
    clique: lambda n: (3**n - 2 ** (n + 1) + 1) // 2,
}


@pytest.mark.parametrize("shape", FORMS, ids=lambda shape: shape.__name__)
def test_pairs_equal_the_closed_form(shape):
    for n in range(3, 12):
        _, pairs, exact = order([100.0] * n, [1.0] * n, shape(n))
        assert exact
        assert pairs == FORMS[shape](n), n


def test_beyond_the_budget_the_greedy_order_takes_over():
    tree, pairs, exact = order([10.0] * 24, [1.0] * 24, star(24), (), 1_000)
    assert not exact
    assert pairs == 1_001
    assert sorted(_leaves(tree)) == list(range(24))


def test_relations_without_an_edge_are_joined_too():
    tree, _, exact = order([10.0, 5.0, 2.0], [1.0] * 3, [(0b011, 0.1, True)])
    assert not exact
    assert sorted(_leaves(tree)) == [0, 1, 2]


def _leaves(tree):
    return [tree] if isinstance(tree, int) else _leaves(tree[0]) + _leaves(tree[1])


def _mask(tree):
    return sum(1 << leaf for leaf in _leaves(tree))


def _rows(mask, rows, edges):
    result = 1.0
    for i, count in enumerate(rows):
        if mask >> i & 1:
            result *= count
    for ends, selectivity, _ in edges:
        if not ends & ~mask:
            result *= selectivity
    return result


def _cheapest(mask, rows, edges, known):
    """Cost of the best bushy plan without cross products, by trying every split."""
    if mask in known:
        return known[mask]
    best = None
    sub = (mask - 1) & mask
    while sub:
        other = mask & ~sub
        linked = any(e & sub and e & other and not e & ~mask for e, _, _ in edges)
        if linked:
            one, two = _cheapest(sub, rows, edges, known), _cheapest(other, rows, edges, known)
            if one is not None and two is not None:
                out = max(1.0, _rows(mask, rows, edges))
                cost = (one + two + max(1.0, _rows(other, rows, edges)) * 0.02
                        + max(1.0, _rows(sub, rows, edges)) * 0.0125 + out * 0.01)
                best = cost if best is None else min(best, cost)
        sub = (sub - 1) & mask
    known[mask] = best
    return best


def test_the_plan_is_as_cheap_as_the_best_of_all_plans():
    for seed in range(60):
        random = Random(seed)
        n = random.randint(3, 7)
        rows = [float(random.randint(200, 100_000)) for _ in range(n)]
        edges = [(1 << i | 1 << random.randrange(i), 10 ** -random.uniform(0, 2), True)
                 for i in range(1, n)]
        for i, j in itertools.combinations(range(n), 2):
            if random.random() < 0.2 and all(e[0] != (1 << i | 1 << j) for e in edges):
                edges.append((1 << i | 1 << j, 10 ** -random.uniform(0, 1), True))
        tree, _, exact = order(rows, [1.0] * n, edges)
        best = _cheapest((1 << n) - 1, rows, edges, {1 << i: 1.0 for i in range(n)})
        assert exact
        # Estimates below one row are cut to one, so rows may depend on the order there.
        assert tree[4] == pytest.approx(best, rel=0.05), seed
