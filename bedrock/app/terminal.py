"""The line editor of a shell: prompt_toolkit, fed by a component's `Grammar`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from prompt_toolkit import PromptSession
from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
from prompt_toolkit.completion import Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.formatted_text import ANSI
from prompt_toolkit.history import FileHistory
from prompt_toolkit.key_binding import KeyBindings
from prompt_toolkit.layout.processors import (
    Processor,
    Transformation,
    TransformationInput,
)
from prompt_toolkit.lexers import Lexer, PygmentsLexer
from prompt_toolkit.patch_stdout import patch_stdout

from bedrock.app.shell import Grammar, history_file


class _Completer(Completer):
    def __init__(self, grammar: Grammar):
        self._grammar = grammar

    def get_completions(self, document: Document, event: Any) -> Iterable[Completion]:
        for item in self._grammar.complete(document.text_before_cursor):
            yield Completion(item.text, -item.back, display_meta=item.meta)


class _Hint(Processor):
    """The grammar's hint, dim behind the cursor: shown, never part of the line."""

    def __init__(self, grammar: Grammar):
        self._grammar = grammar

    def apply_transformation(self, transformation_input: TransformationInput) -> Transformation:
        document = transformation_input.document
        fragments = transformation_input.fragments
        buffer = transformation_input.buffer_control.buffer
        last = transformation_input.lineno == document.line_count - 1
        if not last or not document.is_cursor_at_the_end or not document.text.strip():
            return Transformation(fragments)
        if buffer.suggestion and buffer.suggestion.text:
            return Transformation(fragments)
        hint = self._grammar.hint(document.text)
        return Transformation([*fragments, ("class:auto-suggestion", hint)])


def _lexer(lexer: Any) -> Lexer | None:
    if not lexer:
        return None
    if isinstance(lexer, str):
        from pygments.lexers import get_lexer_by_name

        return PygmentsLexer(type(get_lexer_by_name(lexer)))
    return PygmentsLexer(lexer)


def _keys(grammar: Grammar) -> KeyBindings:
    """Enter runs a whole statement and breaks the line in an unfinished one."""
    keys = KeyBindings()

    @keys.add("enter")
    def _(event: Any) -> None:
        buffer = event.current_buffer
        if not buffer.text.strip() or grammar.whole(buffer.text):
            buffer.validate_and_handle()
        else:
            buffer.insert_text("\n")

    return keys


def make_prompt(
    name: str, grammar: Grammar, toolbar: Callable[[], str]
) -> Callable[[], Awaitable[str]]:
    """A function that asks for one statement; EOFError and KeyboardInterrupt as typed."""
    session: PromptSession[str] = PromptSession(
        history=FileHistory(history_file(name)),
        completer=_Completer(grammar),
        auto_suggest=AutoSuggestFromHistory(),
        input_processors=[_Hint(grammar)],
        lexer=_lexer(grammar.lexer),
        key_bindings=_keys(grammar),
        multiline=True,
        complete_while_typing=True,
        bottom_toolbar=toolbar,
        prompt_continuation=lambda width, *_: " " * (width - 3) + "-> ",
    )

    async def ask() -> str:
        with patch_stdout():
            return await session.prompt_async(ANSI(grammar.prompt))

    return ask
