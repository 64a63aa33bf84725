"""The first line of a script or a library: `#!lua name=... flags=...`.

A script may have one, which says what it wants to be allowed; a library must, which names it.
"""

from __future__ import annotations

from kvstore.resp import ReplyError, split_words

FLAGS = ("no-writes", "allow-oom", "allow-stale", "no-cluster", "allow-cross-slot-keys")


def script_flags(code: bytes) -> tuple[frozenset[str] | None, bytes]:
    """The flags a script states, None without such a line, and the script without that line."""
    if not code.startswith(b"#!"):
        return None, code
    line, newline, body = code.partition(b"\n")
    if not newline:
        raise ReplyError("ERR Invalid script shebang")
    engine, *options = split_words(line) or [b"#!"]
    engine = engine[2:]
    if engine != b"lua":
        raise ReplyError(f"ERR Unexpected engine in script shebang: {_text(engine)}")
    flags: set[str] = set()
    for option in options:
        key, equals, value = option.partition(b"=")
        if key != b"flags" or not equals:
            raise ReplyError(f"ERR Unknown lua shebang option: {_text(option)}")
        flags.update(word for word in _text(value).split(",") if word)
    for flag in flags:
        if flag not in FLAGS:
            raise ReplyError(f"ERR Unexpected flag in script shebang: {flag}")
    return frozenset(flags), b"\n" + body


def library_name(code: bytes) -> tuple[bytes, bytes]:
    """The name a library gives itself, and its code without that line."""
    line, newline, body = code.partition(b"\n")
    if not line.startswith(b"#!") or not newline:
        raise ReplyError("ERR Missing library metadata")
    engine, *options = split_words(line) or [b"#!"]
    engine = engine[2:]
    if engine.lower() != b"lua":
        raise ReplyError(f"ERR Engine '{_text(engine)}' not found")
    name = None
    for option in options:
        key, _, value = option.partition(b"=")
        if key.lower() != b"name":
            raise ReplyError(f"ERR Invalid metadata value given: {_text(option)}")
        if name is not None:
            raise ReplyError("ERR Invalid metadata value, name argument was given multiple times")
        name = value
    if name is None:
        raise ReplyError("ERR Library name was not given")
    if not name.replace(b"_", b"a").isalnum():
        raise ReplyError(
            "ERR Library names can only contain letters, numbers, or underscores(_) "
            "and must be at least one character long"
        )
    return name, b"\n" + body


def _text(raw: bytes) -> str:
    return raw.decode("latin-1")
