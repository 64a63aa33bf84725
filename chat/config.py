"""What chat can be told, and what it tells the rest of Bedrock about itself."""

from dataclasses import dataclass

from bedrock.app.component import Component, Port
from bedrock.app.config import ServerConfig, first_line, option, read_text


@dataclass
class Config(ServerConfig):
    port: int = option(6667, "port for IRC; 0 takes a free one")
    websocket_port: int = option(8067, "port for WebSocket and the web client; -1 for none")
    server_name: str = option("chat.bedrock", "name the server gives itself in its messages")
    network: str = option("Bedrock", "name of the network")
    motd: str = option("", "file with the message of the day")
    oper_password_file: str = option("", "file whose first line makes OPER succeed")
    flood_lines: int = option(500, "lines a client may send at once; 0 for no flood control")
    flood_per_s: float = option(25.0, "lines a second it may send in the long run")
    channels_max: int = option(100, "channels a client may be in")
    history_lines: int = option(10_000, "messages of each conversation that can be asked for")

    def oper_password(self) -> str:
        """What makes OPER succeed; "" when nothing does."""
        path = self.oper_password_file
        return first_line("operator password file", path) if path else ""

    def motd_lines(self) -> list[str]:
        """The message of the day."""
        return read_text("message of the day", self.motd).splitlines() if self.motd else []


COMPONENT = Component(
    name="chat",
    speaks="IRC (RFC 1459, IRCv3 CAP 302)",
    config=Config,
    ports=(
        Port("port", "IRC", "irssi -c {host} -p {port}", (("IRC_URL", "irc://{host}:{port}"),)),
        Port(
            "websocket_port",
            "IRC over WebSocket",
            "browse http://{host}:{port}/",
            (("IRC_WEBSOCKET_URL", "ws://{host}:{port}/"),),
        ),
    ),
    server="chat.server:Server",
    check="chat.history:check",
    shell="chat.shell:ChatGrammar",
    bench="benchmarks.chat:main",
    simulation="chat.simulation:scenario",
)
