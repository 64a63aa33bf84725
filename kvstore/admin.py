"""Commands for those who run the server: CONFIG, MONITOR, SLOWLOG, MEMORY, DEBUG, SHUTDOWN ..."""

from __future__ import annotations

import sys
from typing import Any

from kvstore.connection import address_text
from kvstore.engine import command
from kvstore.resp import ReplyError, Simple, Verbatim
from kvstore.strings import encoding_of
from kvstore.version import REDIS_VERSION


def text(word: bytes) -> str:
    """A word as text, whatever its bytes."""
    return word.decode("latin-1")


@command("config|get")
def config_get(client, words):
    """CONFIG GET pattern [pattern ...]"""
    found = {}
    for pattern in words[2:]:
        found.update(client.store.parameters.matching(text(pattern)))
    return {name.encode(): value.encode() for name, value in found.items()}


@command("config|set")
def config_set(client, words):
    """CONFIG SET name value [name value ...]"""
    if len(words) % 2:
        raise ReplyError("ERR wrong number of arguments for 'config|set' command")
    pairs = list(zip(map(text, words[2::2]), map(text, words[3::2]), strict=True))
    client.store.parameters.set(pairs)
    return "OK"


@command("config|rewrite")
def config_rewrite(client, words):
    """CONFIG REWRITE"""
    from kvstore.redis_conf import rewrite

    store = client.store
    path = store.server.config.conf_file if store.server is not None else ""
    if not path:
        raise ReplyError("ERR The server is running without a config file")
    users = [] if store.parameters["aclfile"] else store.users.lines()
    try:
        rewrite(path, store.parameters.changed(), [line.decode("latin-1") for line in users])
    except OSError as error:
        raise ReplyError(f"ERR Rewriting config file: {error.strerror}") from None
    return "OK"


@command("config|resetstat")
def config_resetstat(client, words):
    """CONFIG RESETSTAT"""
    client.store.reset_stats()
    return "OK"


@command("time")
def time(client, words):
    """TIME"""
    now_ms = client.store.now()
    return [b"%d" % (now_ms // 1000), b"%d" % (now_ms % 1000 * 1000)]


@command("lolwut")
def lolwut(client, words):
    """LOLWUT: layers of rock, and the version"""
    rand = client.store.world.rand
    rows = ["".join("▁▂▃▄▅▆▇█"[rand.below(8 - i)] for _ in range(40)) for i in range(4, -1, -1)]
    return Verbatim("\n".join(rows) + f"\nRedis ver. {REDIS_VERSION}\n")


def quoted(word: bytes) -> str:
    """A word as MONITOR shows it."""
    shown = []
    for byte in word:
        if byte in b'"\\':
            shown.append("\\" + chr(byte))
        elif byte in ESCAPES:
            shown.append(ESCAPES[byte])
        else:
            shown.append(chr(byte) if 32 <= byte < 127 else f"\\x{byte:02x}")
    return '"' + "".join(shown) + '"'


ESCAPES = {10: "\\n", 13: "\\r", 9: "\\t", 7: "\\a", 8: "\\b"}


def monitor_line(client: Any, words: list[bytes]) -> bytes:
    """What MONITOR shows for a request."""
    if words[0].lower() in (b"auth", b"hello"):
        words = [words[0], *([b"(redacted)"] * (len(words) - 1))]
    now_ms = client.store.keyspace.now_ms
    peer = address_text(getattr(client.link, "peer", None)) or "embedded"
    line = f"+{now_ms // 1000}.{now_ms % 1000 * 1000:06d} [{client.db.index} {peer}] "
    return (line + " ".join(map(quoted, words)) + "\r\n").encode()


@command("monitor")
def monitor(client, words):
    """MONITOR"""
    client.store.monitors[client] = None
    return "OK"


@command("slowlog|get")
def slowlog_get(client, words):
    """SLOWLOG GET [count]"""
    entries = list(client.store.slowlog)[::-1]
    count = 10
    if len(words) > 2:
        if not words[2].lstrip(b"-").isdigit() or int(words[2]) < -1:
            raise ReplyError("ERR count should be greater than or equal to -1")
        count = int(words[2])
    return entries if count == -1 else entries[:count]


@command("slowlog|len")
def slowlog_len(client, words):
    """SLOWLOG LEN"""
    return len(client.store.slowlog)


@command("slowlog|reset")
def slowlog_reset(client, words):
    """SLOWLOG RESET"""
    client.store.slowlog.clear()
    return "OK"


@command("memory|usage")
def memory_usage(client, words):
    """MEMORY USAGE key [SAMPLES count]"""
    if len(words) not in (3, 5) or (len(words) == 5 and words[3].upper() != b"SAMPLES"):
        raise ReplyError("ERR syntax error")
    value = client.db.get(words[2])
    if value is None:
        return None
    size = value.memory if hasattr(value, "memory") else sys.getsizeof(value)
    return size + sys.getsizeof(words[2]) + SLOT_BYTES


SLOT_BYTES = 32  # of the table the key is in, at its mean load


@command("debug")
def debug(client, words):
    """DEBUG subcommand: off unless enable-debug-command"""
    if client.store.parameters["enable-debug-command"] == "no":
        raise ReplyError(
            "ERR DEBUG command not allowed. If the enable-debug-command option is set to "
            '"local", you can run it from a local connection, otherwise you need to set this '
            "option in the configuration file, and then restart the server."
        )
    name = text(words[1]).lower()
    if name not in DEBUG:
        raise ReplyError(f"ERR unknown subcommand '{text(words[1])[:128]}'. Try DEBUG HELP.")
    return DEBUG[name](client, words)


def debug_sleep(client, words):
    """Stop the world for some seconds, as a slow command would."""
    client.store.stall(float(words[2]))
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
    value = client.db.get(words[2])
    if value is None:
        raise ReplyError("ERR no such key")
    name = encoding_of(value) if isinstance(value, (bytes, bytearray)) else value.encoding
    return Simple(
        f"Value at:0x{id(value):x} refcount:1 encoding:{name} "
        f"serializedlength:{len(value)} lru:0 lru_seconds_idle:0"
    )


def debug_loadaof(client, words):
    """Empty the databases and load the append-only file again."""
    if client.store.aof is None:
        raise ReplyError("ERR the append-only file is off")
    client.store.reload()
    return "OK"


def debug_reload(client, words):
    """Write a snapshot (unless NOSAVE), empty the databases and load it again."""
    options = {word.upper() for word in words[2:]}
    if not options <= {b"NOSAVE", b"NOFLUSH", b"MERGE"}:
        raise ReplyError("ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.")
    if b"NOSAVE" not in options:
        client.store.saver.save()
    client.store.empty()
    client.store.saver.load()
    return "OK"


def debug_log(client, words):
    """Write a line to the log."""
    from bedrock.app.logs import logger

    logger("kvstore").info("debug log", text=text(words[2]))
    return "OK"


def debug_nothing(client, words):
    """Accepted: what it would change does not exist here."""
    return "OK"


DEBUG = {
    "jmap": debug_nothing,
    "log": debug_log,
    "loadaof": debug_loadaof,
    "object": debug_object,
    "reload": debug_reload,
    "pause-cron": debug_pause_cron,
    "quicklist-packed-threshold": debug_nothing,
    "set-active-expire": debug_set_active_expire,
    "sleep": debug_sleep,
}
