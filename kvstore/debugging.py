"""DEBUG: tools for those who test the server; off unless `enable-debug-command`."""

from __future__ import annotations

from typing import Any

from bedrock.app.logs import logger
from bedrock.storage.errors import Damaged
from kvstore.admin import rewrite_config
from kvstore.binding import command
from kvstore.digest import data_digest, value_digest
from kvstore.dump import serialized_length
from kvstore.parameter_kinds import parse_memory
from kvstore.refusals import not_enabled
from kvstore.resp import Members, Push, ReplyError, Simple, Verbatim, encode
from kvstore.scripts import scripts_of
from kvstore.strings import encoding_of, references
from kvstore.timing import stall

log = logger("kvstore")

MOST_PACKED = 1 << 32


def text(word: bytes) -> str:
    """A word as text, whatever its bytes."""
    return word.decode("latin-1")


@command("debug")
def debug(client, words):
    """DEBUG subcommand"""
    if client.store.parameters["enable-debug-command"] == "no":
        raise not_enabled("debug")
    name = text(words[1]).lower()
    if name == "help":
        return [Simple(line) for line in help_lines()]
    if name not in DEBUG or len(words) - 2 < NEEDED.get(name, 0):
        raise ReplyError(
            f"ERR unknown subcommand or wrong number of arguments for '{text(words[1])[:128]}'. "
            "Try DEBUG HELP."
        )
    return DEBUG[name](client, words)


def help_lines() -> list[str]:
    """What DEBUG HELP says."""
    lines = ["DEBUG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"]
    for name, tool in DEBUG.items():
        lines += [name.upper(), "    " + (tool.__doc__ or "").splitlines()[0]]
    return lines


def number(word: bytes) -> int:
    """A word as a number that is not negative."""
    if not word.isdigit():
        raise ReplyError("ERR value is out of range, must be positive")
    return int(word)


def value_at(client: Any, key: bytes) -> Any:
    """The value at a key, though its time may have passed; or the error for none."""
    value = client.db.held(key)
    if value is None:
        raise ReplyError("ERR no such key")
    return value


def debug_sleep(client, words):
    """Stop the world for some seconds, as a slow command would."""
    stall(client.store, float(words[2]))
    return "OK"


def debug_aof_flush_sleep(client, words):
    """Wait so many microseconds before each write to the append-only file."""
    if client.store.aof is not None:
        client.store.aof.flush_sleep_us = number(words[2])
    return "OK"


def debug_set_active_expire(client, words):
    """Turn the active expiry off (0) or on (1)."""
    client.store.active_expire = words[2] != b"0"
    return "OK"


def debug_pause_cron(client, words):
    """Do nothing from time to time (1), or go on (0)."""
    client.store.cron_paused = words[2] != b"0"
    return "OK"


def debug_object(client, words):
    """Facts about the value at a key."""
    value = value_at(client, words[2])
    plain = isinstance(value, (bytes, bytearray))
    store = client.store
    idle_s = client.db.idle_s(words[2]) or 0
    clock = (store.keyspace.now_ms // 1000 - idle_s) & 0xFFFFFF
    return Simple(
        f"Value at:0x{id(value):x} refcount:{references(value)} "
        f"encoding:{encoding_of(value) if plain else value.encoding} "
        f"serializedlength:{serialized_length(value)} lru:{clock} lru_seconds_idle:{idle_s}"
    )


def debug_loadaof(client, words):
    """Empty the databases and load the append-only file again."""
    store = client.store
    scripts_of(client).flush_libraries()
    if store.aof is None:
        store.empty()
        store.saver.aof.load()
    else:
        store.reload()
    return "OK"


def debug_reload(client, words):
    """Write a snapshot (unless NOSAVE), empty the server (unless NOFLUSH) and load it again."""
    store = client.store
    options = {word.upper() for word in words[2:]}
    if not options <= {b"NOSAVE", b"NOFLUSH", b"MERGE"}:
        raise ReplyError("ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.")
    if b"NOSAVE" not in options:
        store.saver.save()
    if b"NOFLUSH" not in options:
        store.empty()
        scripts_of(client).flush_libraries()
    try:
        store.saver.load(b"MERGE" in options)
    except Damaged as error:
        log.warning(str(error))
        raise ReplyError("ERR Error trying to load the RDB dump, check server logs.") from None
    return "OK"


def debug_set_disable_deny_scripts(client, words):
    """Let scripts call every command (1), or only those that are for them (0)."""
    scripts_of(client).client.may_all = words[2] != b"0"
    return "OK"


def debug_log(client, words):
    """Write a line to the log."""
    log.info("debug log", text=text(words[2]))
    return "OK"


def debug_digest(client, words):
    """A digest of all data, the same for the same data everywhere."""
    return Simple(data_digest(client.store.keyspace.databases))


def debug_digest_value(client, words):
    """A digest of the value at each key."""
    return [Simple(value_digest(client.db, key)) for key in words[2:]]


def debug_populate(client, words):
    """Make keys `prefix:0` ... that are not there, with values of a size."""
    prefix = words[3] if len(words) > 3 else b"key"
    size = number(words[4]) if len(words) > 4 else 0
    for i in range(number(words[2])):
        value = b"value:%d" % i
        client.db.add_missing(b"%s:%d" % (prefix, i), value[:size].ljust(size, b"\0") or value)
    return "OK"


def debug_packed_threshold(client, words):
    """Accepted: a list keeps elements of any size the same way."""
    try:
        size = parse_memory(text(words[2]))
    except ValueError:
        size = -1
    if not 0 <= size < MOST_PACKED:
        raise ReplyError("ERR argument must be a memory value bigger than 1 and smaller than 4gb")
    return "OK"


def debug_htstats(client, words):
    """The table of a database: slots, and keys in them."""
    index = number(words[2])
    if index >= len(client.store.keyspace.databases):
        raise ReplyError("ERR Out of range database")
    db = client.store.keyspace.databases[index]
    parts = [
        f"[{name} HT]\nHash table 0 stats (main hash table):\n table size: {table.slots_allocated}"
        f"\n number of elements: {len(table)}\n"
        for name, table in (("Dictionary", db.keys), ("Expires", db.expires))
    ]
    return Verbatim("".join(parts))


def debug_stringmatch_len(client, words):
    """Match a pattern with that many zero bytes: how long is its work."""
    from kvstore.glob import matches

    return int(matches(words[3], bytes(number(words[2])), False))


def debug_config_rewrite_force_all(client, words):
    """Write all parameters to the configuration file, those at their defaults too."""
    rewrite_config(client.store, all_of_them=True)
    return "OK"


def debug_change_repl_id(client, words):
    """Give the stream of changes another name: replicas must begin anew."""
    client.store.primary.rename()
    return "OK"


def debug_error(client, words):
    """Answer with an error of these words."""
    raise ReplyError(text(words[2]).replace("\r", " ").replace("\n", " "))


def debug_protocol(client, words):
    """Answer with a value of one of the protocol's types."""
    name = text(words[2]).lower()
    if name == "push" and client.resp < 3:
        raise ReplyError("ERR RESP2 is not supported by this command")
    if name in ("attrib", "push"):
        if client.resp == 3:
            data = encode(Push([b"server-cpu-usage", 42]), 3)
            if name == "attrib":
                data = b"|1\r\n" + encode(b"key-popularity", 3) + encode([b"key:123", 90], 3)
            client.reply_with(data)
        word = "attribute" if name == "attrib" else "push reply"
        return f"Some real reply following the {word}".encode()
    if name not in SAMPLES:
        raise ReplyError(
            "ERR Wrong protocol type name. Please use one of the following: "
            "string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false"
        )
    return SAMPLES[name]


SAMPLES: dict[str, Any] = {
    "string": b"Hello World",
    "integer": 12345,
    "double": 3.141,
    "bignum": 1234567999999999999999999999999999999,
    "null": None,
    "array": [0, 1, 2],
    "set": Members([0, 1, 2]),
    "map": {0: False, 1: True, 2: False},
    "true": True,
    "false": False,
    "verbatim": Verbatim("This is a verbatim\nstring"),
}


def debug_nothing(client, words):
    """Accepted: what it would change does not exist here."""
    return "OK"


DEBUG = {
    "aof-flush-sleep": debug_aof_flush_sleep,
    "change-repl-id": debug_change_repl_id,
    "config-rewrite-force-all": debug_config_rewrite_force_all,
    "digest": debug_digest,
    "digest-value": debug_digest_value,
    "error": debug_error,
    "htstats": debug_htstats,
    "jmap": debug_nothing,
    "loadaof": debug_loadaof,
    "log": debug_log,
    "object": debug_object,
    "pause-cron": debug_pause_cron,
    "populate": debug_populate,
    "protocol": debug_protocol,
    "quicklist-packed-threshold": debug_packed_threshold,
    "reload": debug_reload,
    "replybuffer": debug_nothing,
    "set-active-expire": debug_set_active_expire,
    "set-disable-deny-scripts": debug_set_disable_deny_scripts,
    "sleep": debug_sleep,
    "stringmatch-len": debug_stringmatch_len,
}
# How many words follow at least.
NEEDED = {
    "aof-flush-sleep": 1,
    "error": 1,
    "htstats": 1,
    "log": 1,
    "object": 1,
    "pause-cron": 1,
    "populate": 1,
    "protocol": 1,
    "quicklist-packed-threshold": 1,
    "replybuffer": 2,
    "set-active-expire": 1,
    "set-disable-deny-scripts": 1,
    "sleep": 1,
    "stringmatch-len": 2,
}
