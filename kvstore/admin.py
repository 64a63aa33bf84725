"""Commands for those who run the server: CONFIG, MONITOR, SLOWLOG, SHUTDOWN ..."""

from __future__ import annotations

from typing import Any

from kvstore.binding import command
from kvstore.connection import address_text
from kvstore.redis_conf import in_quotes
from kvstore.refusals import LOADING
from kvstore.resp import ReplyError, Verbatim, whole
from kvstore.slowlog import discreet
from kvstore.timing import reset_counters
from kvstore.version import REDIS_VERSION


def text(word: bytes) -> str:
    """A word as text, whatever its bytes."""
    return word.decode("latin-1")


NOT_WHILE_LOADING = ("appendonly", "dir", "repl-diskless-load")


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
    store = client.store
    if (store.keyspace.loading or (store.follower is not None and store.follower.loads_aside)) and (
            any(name.lower() in NOT_WHILE_LOADING for name, _ in pairs)):
        raise ReplyError(LOADING)
    client.store.parameters.set(pairs)
    return "OK"


def rewrite_config(store: Any, all_of_them: bool = False) -> None:
    """Bring the configuration file up to date; all_of_them: defaults too."""
    from kvstore.redis_conf import rewrite
    from kvstore.redis_server import DEFAULTS

    path = store.server.config.conf_file if store.server is not None else ""
    if not path:
        raise ReplyError("ERR The server is running without a config file")
    users = [] if store.parameters["aclfile"] else store.users.lines()
    values = store.parameters.written(DEFAULTS, all_of_them)
    try:
        rewrite(path, values, [line.decode("latin-1") for line in users])
    except OSError as error:
        raise ReplyError(f"ERR Rewriting config file: {error.strerror}") from None


@command("config|rewrite")
def config_rewrite(client, words):
    """CONFIG REWRITE"""
    rewrite_config(client.store)
    return "OK"


@command("config|resetstat")
def config_resetstat(client, words):
    """CONFIG RESETSTAT"""
    reset_counters(client.store)
    client.store.primary.reset_counters()
    return "OK"


@command("time")
def time(client, words):
    """TIME"""
    now_ms = client.store.clock.wall_ms()
    return [b"%d" % (now_ms // 1000), b"%d" % (now_ms % 1000 * 1000)]


@command("lolwut")
def lolwut(client, words):
    """LOLWUT [VERSION version]: layers of rock, and the version"""
    if len(words) > 2 and words[1].lower() == b"version":
        whole(words[2])
    rand = client.store.world.rand
    rows = ["".join("▁▂▃▄▅▆▇█"[rand.below(8 - i)] for _ in range(40)) for i in range(4, -1, -1)]
    return Verbatim("\n".join(rows) + f"\nRedis ver. {REDIS_VERSION}\n")


def monitor_line(client: Any, words: list[bytes]) -> bytes:
    """What MONITOR shows for a request."""
    words = discreet(words)
    now_ms = client.store.keyspace.now_ms
    peer = "lua" if client.scripted else address_text(getattr(client.link, "peer", None))
    line = f"+{now_ms // 1000}.{now_ms % 1000 * 1000:06d} [{client.db.index} {peer or 'embedded'}] "
    return (line + " ".join(map(in_quotes, words)) + "\r\n").encode()


def show_monitors(store: Any, client: Any, words: list[bytes]) -> None:
    """Tell MONITOR clients what is run."""
    line = monitor_line(client, words)
    for monitor in list(store.monitors):
        monitor.push(line)


@command("monitor")
def monitor(client, words):
    """MONITOR"""
    client.store.monitors[client] = None
    return "OK"
