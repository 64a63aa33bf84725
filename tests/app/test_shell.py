"""The shell's frame, on a terminal and off it."""

import asyncio

import pytest
from echo.config import EchoConfig
from echo.shell import EchoGrammar
from prompt_toolkit.application import create_app_session
from prompt_toolkit.document import Document
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from bedrock.app import shell


@pytest.mark.parametrize(
    "line, parts",
    [
        ("get x", ("get x", "")),
        ("get x | jq .", ("get x", "jq .")),
        ("get 'a | b'", ("get 'a | b'", "")),
        ('get "a | b" | wc', ('get "a | b"', "wc")),
        ("select a||b", ("select a||b", "")),
        ("select a || b", ("select a || b", "")),
    ],
)
def test_a_pipe_is_a_bar_with_blanks_outside_quotes(line, parts):
    assert shell.split_pipe(line) == parts


def talk(typed, grammar, monkeypatch, tmp_path):
    """Type at the terminal and return what the shell did."""
    from bedrock.app.terminal import make_prompt

    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    lines = []

    async def session():
        with (
            create_pipe_input() as keyboard,
            create_app_session(input=keyboard, output=DummyOutput()),
        ):
            ask = make_prompt("echo", grammar, lambda: "toolbar")
            keyboard.send_text(typed)
            try:
                while True:
                    lines.append(await ask())
            except EOFError:
                return

    asyncio.run(asyncio.wait_for(session(), 20))
    return lines


def grammar():
    return EchoGrammar("127.0.0.1", 1, EchoConfig())


def test_enter_runs_a_line_and_end_of_input_leaves(monkeypatch, tmp_path):
    assert talk("hello\n\n world\n\x04", grammar(), monkeypatch, tmp_path) == [
        "hello", "", " world",
    ]


def test_the_grammar_completes_with_its_explanations():
    from bedrock.app.terminal import _Completer

    completer = _Completer(grammar())
    (found,) = completer.get_completions(Document("ke"), None)
    assert (found.text, found.start_position, found.display_meta_text) == ("keep", -2, " text")


def test_an_unfinished_statement_goes_on_in_the_next_line(monkeypatch, tmp_path):
    sql = grammar()
    sql.whole = lambda text: text.endswith(";")
    sql.lexer = "sql"
    assert talk("select\n1;\n\x04", sql, monkeypatch, tmp_path) == ["select\n1;"]


def test_history_is_kept(monkeypatch, tmp_path):
    talk("remember me\n\x04", grammar(), monkeypatch, tmp_path)
    assert "remember me" in (tmp_path / "bedrock" / "echo_history").read_text()
    assert talk("\x1b[A\n\x04", grammar(), monkeypatch, tmp_path) == ["remember me"]
