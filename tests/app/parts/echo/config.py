from dataclasses import dataclass

from bedrock.app.component import Component, Port
from bedrock.app.config import ServerConfig, option


@dataclass
class EchoConfig(ServerConfig):
    port: int = option(7007, "port for lines")
    second_port: int = option(7008, "a second port for lines")
    ratio: float = option(0.5, "a number")
    names: list = option([], "some names")
    shout: bool = option(False, "answer in capitals")
    mode: str = option("plain", "how to answer", choices=["plain", "fancy"])


COMPONENT = Component(
    name="echo",
    speaks="lines",
    config=EchoConfig,
    ports=(
        Port("port", "lines", "nc {host} {port}", (("ECHO_URL", "echo://{host}:{port}"),)),
        Port("second_port", "lines"),
    ),
    server="echo.server:Server",
    check="echo.check:check",
    shell="echo.shell:EchoGrammar",
)
