"""The linearizability checker against known verdicts, and against trying every order."""

import math
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bedrock.testing.linearizable import UNKNOWN, Op, Register, Undecided, check


def read(client, call, ret, value):
    return Op(client, call, ret, ("read",), value)


def write(client, call, ret, value):
    return Op(client, call, ret, ("write", value), None)


def test_an_empty_history_is_linearizable():
    assert check([], Register())


def test_a_read_may_see_an_overlapping_write_or_not():
    for seen in (None, 1):
        assert check([write("a", 0, 10, 1), read("b", 1, 2, seen)], Register())


def test_a_read_after_a_write_must_see_it():
    verdict = check([write("a", 0, 1, 1), read("b", 2, 3, None)], Register())
    assert not verdict
    assert verdict.stuck == [read("b", 2, 3, None)]
    assert "none of these fits next" in verdict.explain()


def test_two_reads_may_not_see_the_new_value_and_then_the_old():
    history = [write("a", 0, 10, 1), read("b", 1, 2, 1), read("b", 3, 4, None)]
    assert not check(history, Register())
    assert check([history[0], *[read("b", 1, 2, None), read("b", 3, 4, 1)]], Register())


def test_a_write_of_unknown_fate_may_happen_late_or_never():
    lost = Op("a", 0, math.inf, ("write", 1), UNKNOWN)
    assert check([lost, read("b", 5, 6, None), read("b", 7, 8, 1)], Register())
    assert check([lost, read("b", 5, 6, None)], Register())
    assert not check([lost, read("b", 5, 6, 1), read("b", 7, 8, None)], Register())


def test_only_one_of_two_overlapping_swaps_can_win():
    def swap(client, won):
        return Op(client, 0, 5, ("cas", None, client), won)

    assert check([swap("a", True), swap("b", False)], Register())
    assert not check([swap("a", True), swap("b", True)], Register())


def test_keys_are_checked_one_by_one_and_the_bad_one_is_named():
    class Keyed(Register):
        def step(self, state, input, output):
            return super().step(state, input[1:], output)

    good = [Op("a", i, i + 0.5, ("x", "write", i), None) for i in range(500)]
    bad = [Op("b", 0, 1, ("y", "write", 1), None), Op("b", 2, 3, ("y", "read"), 7)]
    verdict = check(good + bad, Keyed(), key=lambda input: input[0])
    assert not verdict and verdict.key == "y"


def test_a_long_history_of_few_clients_is_quick():
    history, now = [], 0.0
    for i in range(3000):
        history.append(write("w", now, now + 3, i))
        history.append(read("r1", now + 1, now + 5, i))
        history.append(read("r2", now + 3.5, now + 4, i))
        now += 6
    assert check(history, Register())


def test_a_hopeless_search_says_that_it_gave_up():
    history = [Op(i, 0, 100, ("write", i), None) for i in range(24)]
    with pytest.raises(Undecided):
        check([*history, read("r", 0, 100, "never written")], Register(), budget=10_000)


def test_an_operation_must_return_after_its_call():
    with pytest.raises(ValueError, match="returns after"):
        check([read("a", 2, 1, None)], Register())


def by_every_order(history):
    """The definition, word for word: some order keeps real time and satisfies the register."""
    for order in permutations(history):
        if any(b.ret < a.call for i, a in enumerate(order) for b in order[i + 1 :]):
            continue
        state, model = None, Register()
        for op in order:
            legal, state = model.step(state, op.input, op.output)
            if not legal:
                break
        else:
            return True
    return False


inputs = st.one_of(
    st.just(("read",)),
    st.tuples(st.just("write"), st.integers(0, 2)),
    st.tuples(st.just("cas"), st.integers(0, 2), st.integers(0, 2)),
)


@st.composite
def histories(draw):
    history = []
    for client in range(draw(st.integers(1, 5))):
        call = draw(st.integers(0, 8))
        input = draw(inputs)
        output = {
            "read": st.sampled_from([None, 0, 1, 2]),
            "write": st.none(),
            "cas": st.booleans(),
        }[input[0]]
        history.append(Op(client, call, call + draw(st.integers(1, 6)), input, draw(output)))
    return history


@settings(max_examples=300, deadline=None)
@given(histories())
def test_it_agrees_with_trying_every_order(history):
    assert check(history, Register()).ok == by_every_order(history)
