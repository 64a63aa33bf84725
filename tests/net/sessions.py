"""Small sessions that together use all a link offers, for the tests of every driver."""

import asyncio

from bedrock.net import FileSpan, Session
from bedrock.net.http import HttpSession, Response, Route, Router
from bedrock.net.websocket import WebSocketSession, accept


class Lines(Session):
    """A line protocol: `echo x`, `wait x` (held for a moment), `ref x`, `bad`, `quit`, `big n`."""

    live = 0

    def opened(self):
        Lines.live += 1

    def closed(self, exc):
        Lines.live -= 1

    def received(self, data, out):
        used = 0
        while (end := data.find(b"\n", used)) >= 0:
            if self.link.held or self.link.closing:
                break
            word, _, rest = data[used:end].partition(b" ")
            used = end + 1
            if word == b"echo":
                out.write(rest + b"\n")
            elif word == b"ref":
                out.write(b"<")
                self.link.send_ref(rest)
                self.link.write(b">\n")
            elif word == b"wait":
                self.link.run(self.later(rest))
            elif word == b"big":
                self.link.send_ref(bytes(int(rest)))
            elif word == b"quit":
                self.link.close()
            else:
                out.write(b"?\n")
                return -1
        return used

    async def later(self, rest):
        await asyncio.sleep(0.001)
        self.link.write(b"late " + rest + b"\n")


LINES = b"echo one\nwait two\nref three\nwait four\necho five\nquit\necho never\n"
LINES_REPLY = b"one\nlate two\n<three>\nlate four\nfive\n"


class Shout(WebSocketSession):
    def on_text(self, text):
        self.send_text(text.upper())

    def on_bytes(self, data):
        self.send_bytes(data[::-1])


async def slow(request):
    await asyncio.sleep(0.001)
    return Response(b"slow " + request.params["what"].encode())


async def count(request):
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
    return Response(b"%d" % size, 201)


async def numbers(request):
    async def parts():
        for i in range(20):
            yield b"%d " % i

    return Response(parts())


async def counted(request):
    promised, given = (int(word) for word in request.params["what"].split("-"))

    async def parts():
        for _ in range(given):
            yield b"x"

    return Response(parts(), length=promised)


PAGE = 100_000


def page(request):
    return Response(request.params["number"].encode().rjust(PAGE))


async def late_page(request):
    await asyncio.sleep(0)
    return page(request)


def fails(request):
    raise RuntimeError("a bug, on purpose")


def router(file=None):
    return Router(
        [
            Route("GET", "/hello", lambda r: Response(b"hello")),
            Route("POST", "/size", lambda r: Response(b"%d" % len(r.body))),
            Route("GET", "/slow/{what}", slow),
            Route("PUT", "/count/{rest:path}", count, stream=True),
            Route("GET", "/numbers", numbers),
            Route("GET", "/counted/{what}", counted),
            Route("GET", "/page/{number}", page),
            Route("GET", "/late/{number}", late_page),
            Route("GET", "/fails", fails),
            Route("GET", "/file", lambda r: Response(FileSpan(file, 2, file.size() - 2))),
            Route("GET", "/shout", lambda r: accept(r, Shout(), ["loud"])),
        ]
    )


HTTP = (
    b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"
    b"POST /size HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n0123456789"
    b"GET /slow/fish HTTP/1.1\r\nHost: x\r\n\r\n"
    b"PUT /count/a/b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"4\r\nabcd\r\n3\r\nefg\r\n0\r\n\r\n"
    b"GET /numbers HTTP/1.1\r\nHost: x\r\n\r\n"
    b"DELETE /hello HTTP/1.1\r\nHost: x\r\n\r\n"
    b"GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
)


def http_session():
    return HttpSession(router())
