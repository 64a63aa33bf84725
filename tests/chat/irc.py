"""IRC clients for the tests: several talk at once, and what each receives is read as one text.

A PING that every client sends after each line marks where the answers end, so no test waits for
silence.  The same code talks to a real peer; what servers word differently is left out.
"""

import itertools
import re
import socket

from chat.message import parse

# Numerics whose last parameter is data; of all others the text is the server's own.
TEXT_COUNTS = {"301", "303", "319", "332", "353"}
# Greetings and extras that differ from server to server.
LEFT_OUT = {"001", "002", "003", "004", "005", "042", "250", "251", "252", "253", "254", "255",
            "265", "266", "321", "329", "333", "372", "375", "376", "422"}  # fmt: skip


class Client:
    """A connection to an IRC server."""

    tokens = itertools.count()

    def __init__(self, host, port, nick, caps=""):
        self.nick = nick
        self.socket = socket.create_connection((host, port), timeout=10)
        self.file = self.socket.makefile("rb")
        if caps:
            self.send(f"CAP REQ :{caps}")
            self.send("CAP END")
        self.send(f"NICK {nick}")
        self.send(f"USER {nick} 0 * :{nick.title()} Lee")

    def send(self, line):
        self.socket.sendall(line.encode() + b"\r\n")

    def lines(self):
        """Everything received up to the answer to a PING; [] after the end of the connection."""
        token = f"token{next(Client.tokens)}"
        try:
            self.send(f"PING {token}")
        except OSError:
            return
        while line := self.file.readline():
            message = parse(line.rstrip(b"\r\n"))
            if message.command == "PONG" and message.params[-1] == token:
                return
            if message.command == "PING":
                self.send(f"PONG {message.params[-1]}")
            else:
                yield message

    def close(self):
        self.socket.close()


def shown(message, server):
    """A message as the scripts write it; "" if it is left out."""
    params = list(message.params)
    if message.command in LEFT_OUT:
        return ""
    if message.command.isdigit():
        params = params[1:]
        if message.command not in TEXT_COUNTS and params:
            params.pop()
        if message.command == "353":
            params[-1] = " ".join(sorted(params[-1].split(), key=lambda nick: nick.lstrip("@+")))
    words = [message.command, *params[:-1]]
    if params:
        words.append(f":{params[-1]}" if " " in params[-1] or not params[-1] else params[-1])
    source = message.source.partition("!")[0] if "!" in message.source else ""
    if message.command.isdigit():
        source = ""
    text = " ".join([source, *words] if source else words)
    return re.sub(rf"\b{re.escape(server)}\b", "SERVER", text)


class Conversation:
    """Runs script lines: `connect nick [caps]`, `close nick`, or `nick: LINE`."""

    def __init__(self, host, port, server):
        self.host, self.port, self.server = host, port, server
        self.clients = {}

    def execute(self, line):
        word, _, rest = line.partition(" ")
        if word == "connect":
            nick, _, caps = rest.partition(" ")
            self.clients[nick] = Client(self.host, self.port, nick, caps)
            list(self.clients[nick].lines())
            return ""
        if word == "close":
            self.clients.pop(rest).close()
        else:
            nick, _, command = line.partition(": ")
            self.clients[nick].send(command)
        return "\n".join(
            f"{nick}< {text}"
            for nick, client in self._speaker_first(line)
            for message in client.lines()
            if (text := shown(message, self.server))
        )

    def _speaker_first(self, line):
        """The speaker's answers tell when its line was handled; then the others have theirs."""
        speaker = line.partition(":")[0]
        order = sorted(self.clients, key=lambda nick: (nick != speaker, nick))
        return [(nick, self.clients[nick]) for nick in order]

    def close(self):
        for client in self.clients.values():
            client.close()
