"""Who talks too fast is put out, and nobody else."""

import pytest

from chat.flood import Bucket
from tests.chat.test_fuzz import enter, new_network

SECOND = 10**9


def test_a_bucket_gives_what_it_holds_and_fills_again():
    bucket = Bucket(3, 2.0, 0)
    assert [bucket.take(0) for _ in range(4)] == [True, True, True, False]
    bucket = Bucket(3, 2.0, 0)
    assert all(bucket.take(step * SECOND // 2) for step in range(100))
    assert [bucket.take(100 * SECOND) for _ in range(4)] == [True, True, True, False]


def test_a_bucket_without_size_never_ends():
    assert all(Bucket(0, 0.0, 0).take(0) for _ in range(1000))


@pytest.mark.parametrize("line", [b"PRIVMSG #a :x\r\n", b"NOPE\r\n", b"x" * 600 + b"\r\n"])
def test_excess_flood_closes_the_connection_and_its_channel_hears_why(line):
    driver, network = new_network(flood_lines=50, flood_per_s=1.0)
    ann, bob = enter(driver, network, "ann"), enter(driver, network, "bob")
    assert b"Excess Flood" not in ann.feed(line * 40)
    assert ann.feed(line * 40).endswith(b"ERROR :Closing link: memory (Excess Flood)\r\n")
    assert ann.closed
    assert bob.take().endswith(b"QUIT :Excess Flood\r\n")
    assert bob.feed(b"PING x\r\n").endswith(b"PONG chat.bedrock x\r\n")


def test_operators_are_exempt(tmp_path):
    (tmp_path / "word").write_text("root\n")
    driver, network = new_network(flood_lines=10, oper_password_file=str(tmp_path / "word"))
    ann = enter(driver, network, "ann")
    assert b" 464 " in ann.feed(b"OPER ann wrong\r\n")
    assert b" 381 " in ann.feed(b"OPER ann root\r\n")
    assert ann.feed(b"PING x\r\n" * 500).count(b"PONG") == 500


def test_a_client_may_be_in_so_many_channels():
    driver, network = new_network(channels_max=3)
    ann = enter(driver, network, "ann")
    assert ann.feed(b"JOIN #1,#2,#3\r\n").count(b" 405 ann #3 ") == 1
    assert len(network.channels) == 3
