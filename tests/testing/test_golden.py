"""Golden scripts: parsing, comparing, rewriting."""

import pytest

from bedrock.testing import golden

SCRIPT = """\
# Greets.

hello
world
---
HELLO
WORLD

blank
---
\\
...
end
"""


def shout(line):
    return "\n1\n2\n3\nend" if line == "blank" else line.upper()


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "greet.txt"
    path.write_text(SCRIPT)
    return path


def test_a_script_that_holds_passes(script):
    golden.run(script, shout)


def test_a_script_survives_parsing_and_unparsing():
    assert golden.unparse(*golden.parse(SCRIPT)) == SCRIPT


def test_a_mismatch_names_the_file_and_line_and_shows_the_difference(script):
    with pytest.raises(golden.GoldenMismatch, match=r"greet\.txt, line 3") as caught:
        golden.run(script, str.title)
    assert "-HELLO" in str(caught.value) and "+Hello" in str(caught.value)


def test_update_writes_what_came_back_and_keeps_comments(script):
    golden.run(script, lambda line: shout(line).replace("WORLD", "EARTH"), update=True)
    text = script.read_text()
    assert "EARTH" in text and text.startswith("# Greets.") and "...\nend" in text


def test_a_step_without_separator_is_refused():
    with pytest.raises(ValueError, match="line 2"):
        golden.parse("hello\n\nworld\n---\nx\n")


@pytest.mark.parametrize(
    "got, expected, same",
    [
        (["a"], ["a"], True),
        (["a"], ["b"], False),
        (["a", "x", "y", "b"], ["a", "...", "b"], True),
        (["a", "b"], ["a", "...", "b"], True),
        (["a", "c"], ["a", "...", "b"], False),
        ([], ["..."], True),
    ],
)
def test_dots_stand_for_any_lines(got, expected, same):
    assert golden.matches(got, expected) is same


def test_scripts_are_found_in_order(tmp_path):
    for name in ("b.txt", "a.txt", "c.md"):
        (tmp_path / name).touch()
    assert [path.name for path in golden.scripts(tmp_path)] == ["a.txt", "b.txt"]
