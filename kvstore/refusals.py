"""Errors that more than one part of the engine answers with, in Redis's own words.

Clients match on the first word, and some on the whole text.
"""

from __future__ import annotations

from kvstore.resp import ReplyError

OUT_OF_MEMORY = "OOM command not allowed when used memory > 'maxmemory'."
LOADING = "LOADING Redis is loading the dataset in memory"
MASTER_DOWN = "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'."
TOO_FEW_REPLICAS = "NOREPLICAS Not enough good replicas to write."
SAVING_FAILS = (
    "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to "
    "disk. Commands that may modify the data set are disabled, because this instance is configured "
    "to report errors during writes if RDB snapshotting fails (stop-writes-on-bgsave-error "
    "option). Please check the Redis logs for details about the RDB error."
)
NOT_FOR_REPLICAS = "ERR Replica can't interact with the keyspace"
READ_ONLY_REPLICA = "READONLY You can't write against a read only replica."


def not_enabled(name: str) -> ReplyError:
    """The error for a command that the configuration has to allow."""
    return ReplyError(
        f"ERR {name.upper()} command not allowed. If the enable-{name}-command option is set to "
        '"local", you can run it from a local connection, otherwise you need to set this option in '
        "the configuration file, and then restart the server.")


def wrong_number(words: list[bytes]) -> ReplyError:
    """The error for more words than a subcommand takes, or others."""
    container, name = (word.decode("latin-1") for word in words[:2])
    return ReplyError(f"ERR unknown subcommand or wrong number of arguments for '{name}'. "
                      f"Try {container.upper()} HELP.")
