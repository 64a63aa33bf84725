"""Log lines, as text and as JSON."""

import io
import json
import logging

import pytest

from bedrock.app import logs


class Screen(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def restore_root():
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = before[0], before[1]


def written(stream=None, form="json", level="info"):
    stream = stream or io.StringIO()
    logs.setup(level, form, stream)
    return stream


def test_json_holds_the_event_and_its_fields():
    stream = written()
    logs.logger("kafkalite").info("segment rolled", topic="a", partition=0)
    line = json.loads(stream.getvalue())
    assert line["logger"] == "kafkalite" and line["level"] == "info"
    assert (line["event"], line["topic"], line["partition"]) == ("segment rolled", "a", 0)
    assert line["time"].endswith("Z")


def test_text_quotes_what_would_break_the_line():
    stream = written(form="text")
    logs.logger("x").warning("odd", plain="a", blank="a b", lines="a\nb", empty="")
    assert stream.getvalue().endswith('odd  plain=a blank="a b" lines="a\\nb" empty=""\n')


def test_a_terminal_gets_coloured_text_and_a_pipe_json():
    stream = written(Screen(), form="")
    logs.logger("x").error("bad")
    assert "\x1b[31m" in stream.getvalue()
    stream = written(form="")
    logs.logger("x").error("bad")
    assert json.loads(stream.getvalue())["event"] == "bad"


@pytest.mark.parametrize("form", ["text", "json"])
def test_secrets_are_not_written(form):
    stream = written(form=form)
    logs.logger("x").info("auth", password="hunter2", api_token="hunter2", password_file="/p")
    assert "hunter2" not in stream.getvalue() and "/p" in stream.getvalue()


def test_below_the_level_nothing_is_written():
    stream = written(level="warning")
    logs.logger("x").info("quiet")
    assert stream.getvalue() == ""


@pytest.mark.parametrize("form", ["text", "json"])
def test_an_exception_comes_with_its_traceback(form):
    stream = written(form=form)
    try:
        raise KeyError("gone")
    except KeyError as exc:
        logs.logger("x").exception("failed", exc, at="here")
    assert "KeyError: 'gone'" in stream.getvalue() and "here" in stream.getvalue()


def test_lines_of_libraries_have_the_same_form():
    stream = written()
    logging.getLogger("asyncio").warning("%s took %d ms", "task", 7)
    assert json.loads(stream.getvalue())["event"] == "task took 7 ms"
