"""Golden scripts: what a person would type, and what must come back, in one text file.

    # A comment; blank lines part the steps.
    SET a 1
    GET a
    ---
    OK
    "1"

Each step is its input lines, `---`, and the output of running them one after another.  A script
runs against anything with an `execute(line) -> str`: an engine in memory, a server of ours, or the
real peer, which proves the expectation right.  `pytest --update-golden` writes what came back into
the file instead of failing; `git diff` then shows what changed.

An output line `...` stands for any lines; a blank line of output is written `\\` so that it does
not end the step.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

SEPARATOR = "---"
BLANK = "\\"
ANYTHING = "..."


@dataclass
class Step:
    """Input lines and the output expected; `before` keeps comments and blank lines as they are.

    line: number of the first input line, from 1.
    """

    before: list[str]
    input: list[str]
    output: list[str]
    line: int


class GoldenMismatch(AssertionError):
    """What came back is not what the script says."""


def parse(text: str) -> tuple[list[Step], list[str]]:
    """The steps of a script, and what follows the last one."""
    steps: list[Step] = []
    before: list[str] = []
    lines = text.splitlines()
    at = 0
    while at < len(lines):
        if not lines[at].strip() or lines[at].startswith("#"):
            before.append(lines[at])
            at += 1
            continue
        step = Step(before, [], [], at + 1)
        before = []
        while at < len(lines) and lines[at] != SEPARATOR:
            if not lines[at].strip():
                raise ValueError(f"line {at + 1}: a step needs {SEPARATOR!r} before a blank line")
            step.input.append(lines[at])
            at += 1
        at += 1
        while at < len(lines) and lines[at].strip():
            step.output.append(lines[at])
            at += 1
        steps.append(step)
    return steps, before


def unparse(steps: Iterable[Step], after: list[str]) -> str:
    """The text that `parse` reads back."""
    lines: list[str] = []
    for step in steps:
        lines += [*step.before, *step.input, SEPARATOR, *step.output]
    return "\n".join([*lines, *after]).rstrip("\n") + "\n"


def run(path: Path, execute: Callable[[str], str], update: bool = False) -> None:
    """Run a script's steps in order; GoldenMismatch at the first that differs.

    execute: runs one line and renders its output.
    update: write what comes back into the file instead.
    """
    steps, after = parse(path.read_text(encoding="utf-8"))
    changed = False
    for step in steps:
        got: list[str] = []
        for line in step.input:
            got += [out or BLANK for out in execute(line).splitlines()]
        if matches(got, step.output):
            continue
        if not update:
            raise GoldenMismatch(_difference(path, step, got))
        step.output, changed = got, True
    if changed:
        path.write_text(unparse(steps, after), encoding="utf-8")


def matches(got: list[str], expected: list[str]) -> bool:
    """Whether lines are as expected, `...` standing for any number of them."""
    if ANYTHING not in expected:
        return got == expected
    at = expected.index(ANYTHING)
    head, tail = expected[:at], expected[at + 1 :]
    if got[:at] != head:
        return False
    return any(matches(got[skip:], tail) for skip in range(at, len(got) + 1))


def scripts(folder: Path, pattern: str = "*.txt") -> list[Path]:
    """All scripts of a folder, for `pytest.mark.parametrize(..., ids=lambda p: p.stem)`."""
    return sorted(folder.glob(pattern))


def _difference(path: Path, step: Step, got: list[str]) -> str:
    diff = difflib.unified_diff(step.output, got, "expected", "got", lineterm="")
    return f"{path.name}, line {step.line}:\n  " + "\n  ".join([*step.input, *diff])
