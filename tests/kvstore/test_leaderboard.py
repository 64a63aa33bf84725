"""The leaderboard example: its three boards give the same answers."""

import pytest

from examples.leaderboard import leaderboard
from examples.leaderboard.leaderboard import Heap, SortedList, play, sorted_set


@pytest.mark.parametrize("players", [3, 40, 500])
def test_the_boards_agree(players):
    boards = [sorted_set(""), Heap(), SortedList()]
    answers = [play(board, players, 100, players)[1] for board in boards]
    assert answers[0] == answers[1] == answers[2]


def test_the_table_with_a_server(kvstore_url, capsys):
    assert leaderboard.main(["--players", "200", "--rounds", "5", "--url", kvstore_url]) == 0
    assert "same answers" in capsys.readouterr().out
