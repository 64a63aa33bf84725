"""One body of tests for every driver: the same sessions, the same bytes, the same answers."""

import asyncio
import contextlib
import re
import ssl

import pytest
import trustme

from bedrock.net import Limits, Server, Session
from bedrock.net.http import HttpSession
from bedrock.world import DiskFailed

from .sessions import HTTP, LINES, LINES_REPLY, PAGE, Lines, http_session, router

LOCAL = ("127.0.0.1", 0)


async def talk(server, data, cut=None, tls=None):
    """Send data (in two pieces if cut) and return all that is answered until the close."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=tls)
    if cut is not None:
        writer.write(data[:cut])
        await writer.drain()
        await asyncio.sleep(0.002)
        data = data[cut:]
    writer.write(data)
    try:
        return await reader.read(-1)
    finally:
        writer.close()


def undated(reply):
    return re.sub(rb"Date: [^\r]*", b"Date: -", reply)


@pytest.mark.parametrize(
    ("factory", "data"), [(Lines, LINES), (http_session, HTTP)], ids=["lines", "http"]
)
def test_a_stream_cut_anywhere_gives_the_same_answers(play, factory, data):
    async def body(world):
        server = await Server(world, factory, LOCAL).start()
        whole = undated(await talk(server, data))
        cuts = range(1, len(data), max(1, len(data) // 40))
        answers = await asyncio.gather(*(talk(server, data, cut) for cut in cuts))
        assert {undated(answer) for answer in answers} == {whole}
        await server.stop()
        return whole

    whole = play(body)
    if factory is Lines:
        assert whole == LINES_REPLY
    else:
        assert re.findall(rb"HTTP/1.1 (\d+)", whole) == [
            b"200", b"200", b"200", b"201", b"200", b"405", b"404",
        ]  # fmt: skip


def test_a_protocol_error_is_answered_and_closes(play):
    async def body(world):
        server = await Server(world, Lines, LOCAL).start()
        assert await talk(server, b"echo a\nbad\necho b\n") == b"a\n?\n"
        await asyncio.sleep(0.01)
        assert Lines.live == 0
        await server.stop()

    play(body)


def test_a_failing_session_ends_alone(play):
    class Fails(Session):
        def received(self, data, out):
            if data == b"boom":
                raise RuntimeError("a bug, on purpose")
            out.write(data)
            return len(data)

    async def body(world):
        server = await Server(world, Fails, LOCAL).start()
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        try:
            reply = await talk(server, b"boom")
        except ConnectionResetError:
            reply = b""
        assert reply == b""
        writer.write(b"still here")
        assert await reader.read(100) == b"still here"
        writer.close()
        assert server.counters["errors"] == 1
        await server.stop()

    play(body)


def test_a_slow_reader_is_not_read_from_and_is_cut_off_at_the_hard_limit(play):
    limits = Limits(high=64 << 10, low=16 << 10, hard=48 << 20)

    async def body(world):
        server = await Server(world, Lines, LOCAL, limits=limits).start()
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        asked = b"big 40000000\n"
        writer.write(asked)
        while not any(link.paused for link in server.links):
            await asyncio.sleep(0.001)
        (link,) = server.links
        assert 0 < link.queued <= 48 << 20
        writer.write(b"echo unread\n" * 10)
        await asyncio.sleep(0.02)
        assert link.bytes_in == len(asked)
        writer.close()

        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"big 60000000\n")
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(60_000_000)
        assert server.counters["overflows"] == 1
        writer.close()
        await server.stop()

    play(body)


def test_a_reader_that_catches_up_gets_everything(play):
    limits = Limits(high=64 << 10, low=16 << 10, hard=0)

    async def body(world):
        server = await Server(world, Lines, LOCAL, limits=limits).start()
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"big 5000000\necho after\n")
        await asyncio.sleep(0.05)
        data = await reader.readexactly(5_000_000 + 6)
        assert data.endswith(b"\0after\n")
        writer.close()
        await server.stop()

    play(body)


def test_one_connection_too_many_is_closed(play):
    async def body(world):
        server = await Server(world, Lines, LOCAL, limits=Limits(max_clients=1)).start()
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"echo first\n")
        assert await reader.readline() == b"first\n"
        try:
            assert await talk(server, b"") == b""
        except ConnectionResetError:
            pass
        assert server.counters["refused"] == 1
        writer.close()
        await server.stop()

    play(body)


def test_a_client_that_says_nothing_is_dropped(play):
    async def body(world):
        limits = Limits(first_message_s=0.1)
        server = await Server(world, Lines, LOCAL, limits=limits).start()
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"echo half a li")
        try:
            assert await asyncio.wait_for(reader.read(), 5) == b""
        except ConnectionResetError:
            pass
        assert server.expired == 1
        writer.close()
        await server.stop()

    play(body)


def test_a_sweep_over_many_makes_steps_and_finds_each(play, monkeypatch):
    monkeypatch.setattr("bedrock.net.server.STEP_LINKS", 2)
    monkeypatch.setattr("bedrock.net.server.SWEEP_NS", 150_000_000)

    async def body(world):
        server = await Server(world, Lines, LOCAL, limits=Limits(first_message_s=0.1)).start()
        silent = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(5)]
        for reader, writer in silent:
            with contextlib.suppress(ConnectionResetError):
                assert await reader.read() == b""
            writer.close()
        assert server.expired == 5
        await server.stop()

    play(body)


def test_drain_lets_a_held_request_end(play):
    async def body(world):
        server = await Server(world, Lines, LOCAL).start()
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"wait for it\n")
        await asyncio.sleep(0)
        while not any(link.held for link in server.links):
            await asyncio.sleep(0)
        port = server.port
        assert await server.drain(2) == 0
        assert await reader.read() == b"late for it\n"
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)
        writer.close()
        await server.stop()

    play(body)


def test_tls_carries_the_same_session(play):
    ca = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    trusting = ssl.create_default_context()
    ca.configure_trust(trusting)

    async def body(world):
        server = await Server(world, Lines, LOCAL, tls=context).start()
        assert await talk(server, LINES, tls=trusting) == LINES_REPLY
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=trusting)
        writer.write(b"big 3000000\n")
        assert await reader.readexactly(3_000_000) == bytes(3_000_000)
        counted = world.net.counters
        assert counted["links_open"] == 1
        assert 3_000_000 < counted["bytes_out"] < 3_100_000
        writer.close()
        try:
            assert b"echo" not in await talk(server, b"echo in the clear\n")
        except ConnectionResetError:
            pass
        await server.stop()

    play(body)


def test_connect_reaches_a_server_of_ours(play):
    class Client(Session):
        def opened(self):
            self.reply = asyncio.get_running_loop().create_future()
            self.link.write(b"echo to ourselves\n")

        def received(self, data, out):
            if not data.endswith(b"\n"):
                return 0
            self.reply.set_result(data)
            return len(data)

    async def body(world):
        server = await Server(world, Lines, LOCAL).start()
        client = await world.net.connect(Client, ("127.0.0.1", server.port))
        assert await client.reply == b"to ourselves\n"
        client.link.close()
        port = server.port
        await server.stop()
        with pytest.raises(OSError):
            await world.net.connect(Client, ("127.0.0.1", port))

    play(body)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_both_sides_know_who_they_talk_to(play, host):
    met = []

    class Named(Session):
        def opened(self):
            met.append(self.link.peer)

        def received(self, data, out):
            return len(data)

        def closed(self, exc):
            met.append(self.link.peer)
            gone.set()

    gone = asyncio.Event()

    async def body(world):
        server = await Server(world, Named, (host, 0)).start()
        _, writer = await asyncio.open_connection(host, server.port)
        name = writer.get_extra_info("sockname")[:2]
        writer.close()
        await gone.wait()
        assert met == [name, name]
        client = await world.net.connect(Lines, (host, server.port))
        assert client.link.peer == (host, server.port)
        client.link.close()
        await server.stop()

    play(body)


def test_a_unix_socket_serves_too(play, tmp_path):
    async def body(world):
        path = str(tmp_path / "s")
        server = await Server(world, Lines, path).start()
        await asyncio.sleep(0.01)
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(b"echo a\nquit\n")
        assert await reader.read() == b"a\n"
        writer.close()
        await server.stop()
        assert not (tmp_path / "s").exists()

    play(body)


def test_replies_wait_for_what_the_turn_deferred(play):
    """Group commit: a hook deferred while feeding runs before the reply can be seen."""
    order = []

    class Durable(Session):
        def received(self, data, out):
            self.turn.before_flush(lambda: order.append("synced"))
            out.write(b"done\n")
            return len(data)

    async def body(world):
        def make():
            session = Durable.__new__(Durable)
            Durable.turn = world.turn
            return session

        server = await Server(world, make, LOCAL).start()
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"x\n")
        await reader.readline()
        order.append("seen")
        writer.close()
        await server.stop()

    play(body)
    assert order == ["synced", "seen"]


def test_nothing_leaves_after_a_failed_flush(play):
    class Durable(Session):
        def received(self, data, out):
            self.turn.before_flush(self.sync)
            out.write(b"done\n")
            return len(data)

        def sync(self):
            raise OSError("the disk is gone")

    failures = []

    async def body(world):
        Durable.turn = world.turn
        world.turn.failed = failures.append
        server = await Server(world, Durable, LOCAL).start()
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"x\n")
        while not failures:
            await asyncio.sleep(0.001)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.readline(), 0.1)
        writer.close()
        await server.stop()

    play(body)
    assert [str(exc) for exc in failures] == ["the disk is gone"]


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
def test_a_stream_of_known_length_is_not_chunked_and_one_too_short_ends_the_connection(
    play, version
):
    async def body(world):
        server = await Server(world, http_session, LOCAL).start()
        ask = b"GET /counted/%b HTTP/%b\r\nHost: x\r\nConnection: keep-alive\r\n\r\n"
        asked = ask % (b"3-5", version) + ask % (b"0-0", version) + ask % (b"9-4", version)
        reply = await talk(server, asked + ask % (b"1-1", version))
        first, second, third, rest = reply.split(b"\r\n\r\n")
        assert b"Content-Length: 3\r\n" in first and b"chunked" not in reply
        assert second.startswith(b"xxxHTTP/1.1 200") and b"Content-Length: 0\r\n" in second
        assert b"Content-Length: 9\r\n" in third and rest == b"xxxx"
        await server.stop()

    play(body)


@pytest.mark.parametrize("path", [b"page", b"late"])
def test_requests_that_come_together_are_answered_no_faster_than_the_answers_are_taken(play, path):
    async def body(world):
        server = await Server(world, http_session, LOCAL).start()
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        count = 400
        for i in range(count):
            writer.write(b"GET /%b/%d HTTP/1.1\r\nHost: x\r\n\r\n" % (path, i))
        most = 0
        for i in range(count):
            head = await reader.readuntil(b"\r\n\r\n")
            assert b" 200 " in head
            assert int(await reader.readexactly(PAGE)) == i
            most = max([most, *(link.queued for link in server.links)])
        assert most <= (1 << 20) + 2 * PAGE
        writer.close()
        await server.stop()

    play(body)


@pytest.mark.parametrize("how", ["at once", "in a task"])
def test_a_disk_that_fails_under_a_session_ends_the_service(play, how):
    class Unlucky(Session):
        def received(self, data, out):
            out.write(b"done\n")
            if how == "in a task":
                self.link.run(self.later())
                return len(data)
            raise DiskFailed(5, "the disk is gone")

        async def later(self):
            raise DiskFailed(5, "the disk is gone")

    failures = []

    async def body(world):
        world.turn.failed = failures.append
        server = await Server(world, Unlucky, LOCAL).start()
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"x\n")
        while not failures:
            await asyncio.sleep(0.001)
        with contextlib.suppress(TimeoutError, ConnectionError):
            await asyncio.wait_for(reader.read(), 0.1)
        writer.close()
        await server.stop()

    play(body)
    assert [exc.strerror for exc in failures] == ["the disk is gone"]


def test_a_file_is_sent_from_where_it_lies(play):
    async def body(world):
        with world.disk.open("f", "rw") as f:
            f.append(bytes(range(256)) * 5000)
            server = await Server(world, lambda: HttpSession(router(f)), LOCAL).start()
            request = b"GET /file HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
            reply = await talk(server, request)
            head, _, content = reply.partition(b"\r\n\r\n")
            assert b"Content-Length: 1279998" in head
            assert content == (bytes(range(256)) * 5000)[2:]
            await server.stop()

    play(body)
