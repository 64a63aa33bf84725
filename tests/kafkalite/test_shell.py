"""The shell, as a person uses it: golden scripts against a server."""

from pathlib import Path

import pytest

import bedrock
from bedrock.testing import golden
from kafkalite.config import KafkaConfig
from kafkalite.shell import Shell


@pytest.mark.parametrize(
    "script", golden.scripts(Path(__file__).parent / "scripts"), ids=lambda path: path.stem
)
def test_shell(script, update_golden, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    with bedrock.run("kafkalite") as server:
        shell = Shell(server.host, server.port, KafkaConfig())
        server.call(shell.open())
        golden.run(script, lambda line: server.call(shell.execute(line)), update_golden)
        server.call(shell.close())
