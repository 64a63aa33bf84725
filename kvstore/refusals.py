"""Errors that more than one part of the engine answers with, in Redis's own words.

Clients match on the first word, and some on the whole text.
"""

from __future__ import annotations

from kvstore.resp import ReplyError

OUT_OF_MEMORY = "OOM command not allowed when used memory > 'maxmemory'."
READ_ONLY_REPLICA = "READONLY You can't write against a read only replica."


def wrong_number(words: list[bytes]) -> ReplyError:
    """The error for more words than a subcommand takes, or others."""
    container, name = (word.decode("latin-1") for word in words[:2])
    return ReplyError(f"ERR unknown subcommand or wrong number of arguments for '{name}'. "
                      f"Try {container.upper()} HELP.")
