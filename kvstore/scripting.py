"""Scripts: EVAL and its kin, SCRIPT, and libraries of functions (FUNCTION, FCALL), in Lua 5.1.

    EVAL ─► compiled once, kept by SHA1 ─► KEYS, ARGV ─► run ─► redis.call ─► the engine
                                                          └──► its value, as a reply

One Lua state a store, made when the first script comes (prelude.lua prepares it; lupa carries it).
The log gets what a script changed, between MULTI and EXEC, never the script: a replay needs no Lua.
Libraries are the exception: FUNCTION LOAD is a write like any other.

    from Lua                              from the engine
    number   integer, cut off             integer   number
    string   bulk string                  bulk      string          nil   false
    true 1   false, nil: nil              status    {ok = ...}      error {err = ...}
    table    array up to the first nil, or {ok}, {err}, {double}

A script that takes longer than `busy-reply-threshold` lets others be served meanwhile, with -BUSY
but for the few commands that end it: SCRIPT KILL, FUNCTION KILL (while it has written nothing) and
SHUTDOWN NOSAVE.
"""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

from bedrock.app.logs import logger
from kvstore.engine import Store, command
from kvstore.refusals import wrong_number
from kvstore.resp import ReplyError, Simple
from kvstore.script_client import ScriptClient
from kvstore.version import REDIS_VERSION

log = logger("kvstore")
LEVELS = ("debug", "info", "info", "warning")
PASSED = 100  # arguments a Lua function gets by themselves; more come in tables
LOAD_NS = 500_000_000  # for the code of a library to run, at most
FLAGS = ("no-writes", "allow-oom", "allow-stale", "no-cluster", "allow-cross-slot-keys")
NOT_FOUND = "NOSCRIPT No matching script. Please use EVAL."
UNKILLABLE = (
    "UNKILLABLE Sorry the script already executed write commands against the dataset. You can "
    "either wait the script termination or kill the server in a hard way using the SHUTDOWN NOSAVE "
    "command."
)
NO_MEMORY = (
    "OOM allow-oom flag is not set on the script, can not run it when used memory > 'maxmemory'")
NOTHING_RUNS = "NOTBUSY No scripts in execution right now."


class Scripts:
    """The scripts and libraries of a store.

    cache      SHA1 -> Script
    libraries  name -> Library
    functions  name in small letters -> (library, its row: name, callback, flags, description)
    """

    def __init__(self, store: Store):
        from importlib.resources import files

        from lupa.lua51 import LuaRuntime, lua_type

        from kvstore.lua_libraries import NULL, Libraries

        self.store = store
        self.cache: dict[bytes, Script] = {}
        self.libraries: dict[bytes, Library] = {}
        self.functions: dict[bytes, tuple[Library, Any]] = {}
        self.client = ScriptClient(store)
        self.running: Running | None = None
        self.loading_until_ns = 0  # a library is loaded, until then at most
        self.lua = LuaRuntime(
            encoding=None, unpack_returned_tuples=True, register_eval=False,
            register_builtins=False, attribute_filter=_no_attributes,
        )  # fmt: skip
        self.is_table = lambda value: lua_type(value) == "table"
        libraries = Libraries(self.lua, self.is_table)
        major, minor, patch = map(int, REDIS_VERSION.split("."))
        lent = {
            b"version": REDIS_VERSION.encode(),
            b"version_number": major << 16 | minor << 8 | patch,
            b"flags": self.lua.table_from({flag.encode(): True for flag in FLAGS}),
            b"call": self.call, b"tick": self.tick, b"sha1hex": sha1hex,
            b"setresp": self.set_resp, b"log": _say,
            b"guarded": self.guarded, b"null": NULL,
            b"libraries": self.lua.table_from({
                name.encode(): self.lua.table_from({n.encode(): f for n, f in table.items()})
                for name, table in libraries.tables.items()}),
        }  # fmt: skip
        prelude = self.lua.compile(files("kvstore").joinpath("prelude.lua").read_bytes())
        (
            self._compile, self._run, self._invoke, self._collect, self._rawget,
        ) = prelude(self.lua.table_from(lent))  # fmt: skip

    # ------------------------------------------------------------------ into the engine

    def call(self, *words: bytes) -> Any:
        """redis.pcall: run a command; an error comes back as {err = ...}."""
        try:
            reply = self.client.call_command(*words)
        except ReplyError as error:
            reply = error
        kind = type(reply)
        return reply if kind is bytes or kind is int else self.to_lua(reply)

    def tick(self) -> bytes | None:
        """Called from within a script from time to time; why it has to stop, or None."""
        running = self.running
        if running is None:
            late = self.loading_until_ns and self.store.clock.now_ns() > self.loading_until_ns
            return b"ERR FUNCTION LOAD timeout" if late else None
        limit_ms = self.store.parameters["busy-reply-threshold"]
        if limit_ms and running.age_ms(self.store) >= limit_ms:
            self.client.breathe(running.busy)
        return running.killed

    def kill(self, is_function: bool) -> None:
        """Let the script that runs stop at its next line, or say why it cannot."""
        running = self.running
        if running is None:
            raise ReplyError(NOTHING_RUNS)
        if running.is_function is not is_function:
            raise ReplyError(running.busy)
        if self.store.keyspace.dirty != running.dirty:
            raise ReplyError(UNKILLABLE)
        by = "FUNCTION" if is_function else "SCRIPT"
        running.killed = f"ERR Error running script: Script killed by user with {by} KILL.".encode()

    def stop(self) -> None:
        """The server ends: a script that runs ends before it, whatever it did."""
        if self.running is not None:
            self.running.killed = b"ERR the server is stopping"

    def to_lua(self, reply: Any) -> Any:
        """A reply as a script sees it."""
        if reply is None:
            return False
        if isinstance(reply, ReplyError):
            return self.lua.table_from({b"err": str(reply).encode("latin-1", "replace")})
        if isinstance(reply, Simple):
            return self.lua.table_from({b"ok": reply.encode("latin-1", "replace")})
        if isinstance(reply, dict):
            pairs = {self.to_lua(key): self.to_lua(value) for key, value in reply.items()}
            return self.lua.table_from({b"map": self.lua.table_from(pairs)})
        if isinstance(reply, list):
            return self.lua.table_from([self.to_lua(each) for each in reply])
        if isinstance(reply, float):
            return self.lua.table_from({b"double": reply})
        return reply.encode("latin-1", "replace") if isinstance(reply, str) else reply

    def from_lua(self, value: Any, depth: int = 0) -> Any:
        """A script's value as a reply."""
        kind = type(value)
        if kind is bytes:
            return value
        if value is None or value is False:
            return None
        if value is True:
            return 1
        if isinstance(value, (int, float)):
            return int(value)
        if not self.is_table(value):
            return None
        if depth > 256:
            return ReplyError("ERR reached lua stack limit")
        get = self._rawget  # a metatable could run code, and raise
        if (why := get(value, b"err")) is not None:
            return ReplyError(_text(why))
        if (status := get(value, b"ok")) is not None:
            return Simple(_text(status).replace("\r", " ").replace("\n", " "))
        if isinstance(number := get(value, b"double"), (int, float)):
            return float(number)
        if (pairs := get(value, b"map")) is not None and self.is_table(pairs):
            return {
                self.from_lua(key, depth + 1): self.from_lua(each, depth + 1)
                for key, each in pairs.items()
            }
        items, i = [], 1
        while (each := get(value, i)) is not None:
            items.append(self.from_lua(each, depth + 1))
            i += 1
        return items

    def set_resp(self, version: Any) -> None:
        self.client.resp = int(version)

    def guarded(self, function: Any, n: int, given: Any) -> tuple[bool, Any]:
        """A library's function; what it raises becomes the script's error."""
        arguments = [given[i] for i in range(1, int(n) + 1)]
        try:
            result = function(*arguments)
        except Exception as exc:
            return False, str(exc).encode()
        values = result if isinstance(result, tuple) else (result,)
        table = self.lua.table_from(dict(enumerate(values, 1)))
        table[b"n"] = len(values)
        return True, table

    # ------------------------------------------------------------------ scripts

    def load(self, code: bytes) -> bytes:
        """Compile a script and keep it; its SHA1."""
        sha = sha1hex(code)
        if sha not in self.cache:
            flags, body = shebang(code)
            compiled, why = self._compile(body, b"@user_script")
            if compiled is None:
                raise ReplyError(f"ERR Error compiling script (new function): {_text(why)}")
            self.cache[sha] = Script(compiled, flags)
        return sha

    def evaluate(self, client: Any, sha: bytes, words: list[bytes], read_only: bool) -> Any:
        """Run a script of the cache on behalf of a client; `words` from the number of keys on."""
        script = self.cache.get(sha)
        if script is None:
            raise ReplyError(NOT_FOUND)
        keys, argv = split_keys(words)
        self.client.may_take = False
        if script.flags is not None:
            read_only = self.admit(client, script.flags, read_only)
        where = f" script: {sha.decode()}, on @user_script:1."
        self.running = Running(self.store, False, b"", [b"evalsha", sha, *words])
        return self._within(client, read_only, where, self._run, script.code, keys, argv)

    def admit(self, client: Any, flags: frozenset[str], read_only: bool) -> bool:
        """Refuse what the flags of a script do not let run now; whether it may only read."""
        self.client.may_take = "allow-oom" in flags
        if "no-writes" in flags:
            return True
        if self.store.out_of_memory and not self.client.may_take:
            raise ReplyError(NO_MEMORY)
        if read_only:
            raise ReplyError("ERR Can not execute a script with write flag using *_ro command.")
        if self.store.follower is not None and not client.replaying:
            raise ReplyError("READONLY You can not run script with write flag on readonly replica.")
        return False

    def _within(self, client: Any, read_only: bool, where: str, run: Any, code: Any,
                keys: list[bytes], argv: list[bytes]) -> Any:  # fmt: skip
        self.client.begin(client, read_only)
        try:
            if len(keys) + len(argv) <= PASSED:
                ok, value = run(code, len(keys), *keys, *argv)
            else:
                ok, value = run(code, self.lua.table_from(keys), self.lua.table_from(argv))
        finally:
            self.running = None
            self.client.end(client)
        if self.client.has_read and client.tracking is not None:
            self.store.tracking.remember(client, keys)
        if ok:
            return self.from_lua(value)
        why = _text(value)
        raise ReplyError(why if why.split(" ", 1)[0].isupper() else f"ERR {why}{where}")

    # ------------------------------------------------------------------ libraries

    def load_library(self, code: bytes, replace: bool) -> bytes:
        """Add a library; its name."""
        name = library_name(code)
        if name in self.libraries and not replace:
            raise ReplyError(f"ERR Library '{_text(name)}' already exists")
        body = code.partition(b"\n")[2]
        compiled, why = self._compile(b"\n" + body, b"@user_function")
        if compiled is None:
            raise ReplyError(f"ERR Error compiling function: {_text(why)}")
        self.loading_until_ns = self.store.clock.now_ns() + LOAD_NS
        ok, found = self._collect(compiled)
        self.loading_until_ns = 0
        if not ok:
            why = _text(found).removeprefix("ERR ")
            raise ReplyError(f"ERR Error registering functions: {why}")
        rows = dict(found.items())
        if not rows:
            raise ReplyError("ERR No functions registered")
        for each in rows:
            owner = self.functions.get(each.lower())
            if owner is not None and owner[0].name != name:
                raise ReplyError(f"ERR Function {_text(each)} already exists")
        if name in self.libraries:
            self.delete_library(name)
        library = self.libraries[name] = Library(name, code, rows)
        self.functions |= {each.lower(): (library, row) for each, row in rows.items()}
        return name

    def delete_library(self, name: bytes) -> None:
        library = self.libraries.pop(name, None)
        if library is None:
            raise ReplyError("ERR Library not found")
        for each in library.rows:
            del self.functions[each.lower()]

    def restore(self, codes: list[bytes], flush: bool, replace: bool) -> None:
        """Add several libraries, or, when one of them is refused, none."""
        before = dict(self.libraries), dict(self.functions)
        try:
            if flush:
                self.flush_libraries()
            for code in codes:
                self.load_library(code, replace)
        except ReplyError:
            self.libraries, self.functions = before
            raise

    def flush_libraries(self) -> None:
        self.libraries.clear()
        self.functions.clear()

    def call_function(self, client: Any, words: list[bytes], read_only: bool) -> Any:
        """FCALL name numkeys key ... arg ..."""
        found = self.functions.get(words[1].lower())
        if found is None:
            raise ReplyError("ERR Function not found")
        row = found[1]
        read_only = self.admit(client, flags_of(row), read_only)
        keys, argv = split_keys(words[2:], "Bad number of keys provided")
        where = f" script: {_text(words[1])}, on @user_function:1."
        self.running = Running(self.store, True, words[1], words)
        return self._within(client, read_only, where, self._invoke, row[b"callback"], keys, argv)


class Running:
    """The script that runs now: when it began, in whose words, and whether it was killed."""

    __slots__ = ("began_ns", "dirty", "is_function", "killed", "name", "words")

    def __init__(self, store: Store, is_function: bool, name: bytes, words: list[bytes]):
        self.is_function, self.name, self.words = is_function, name, words
        self.began_ns = store.clock.now_ns()
        self.dirty = store.keyspace.dirty
        self.killed: bytes | None = None

    def age_ms(self, store: Store) -> int:
        """How long it has been running."""
        return (store.clock.now_ns() - self.began_ns) // 1_000_000

    @property
    def busy(self) -> str:
        """What everyone else is told meanwhile."""
        by = "FUNCTION" if self.is_function else "SCRIPT"
        return (f"BUSY Redis is busy running a script. You can only call {by} KILL or "
                "SHUTDOWN NOSAVE.")


class Script(NamedTuple):
    """A script of the cache; flags are None without a line that states them."""

    code: Any
    flags: frozenset[str] | None


class Library:
    """name, code as it was loaded, rows: function name -> Lua table (see prelude.lua)."""

    def __init__(self, name: bytes, code: bytes, rows: dict[bytes, Any]):
        self.name, self.code, self.rows = name, code, rows


def _no_attributes(owner: Any, name: Any, setting: bool) -> Any:
    raise AttributeError("access denied")


def _text(raw: Any) -> str:
    return raw.decode("latin-1") if isinstance(raw, bytes) else str(raw)


def _say(level: Any, text: bytes) -> None:
    getattr(log, LEVELS[max(0, min(3, int(level)))])("script", said=_text(text))


def sha1hex(text: bytes) -> bytes:
    """SHA1 as a script is named by it."""
    return hashlib.sha1(text, usedforsecurity=False).hexdigest().encode()


def split_keys(
    words: list[bytes], bad: str = "value is not an integer or out of range"
) -> tuple[list[bytes], list[bytes]]:
    """Keys and other arguments of `numkeys key ... arg ...`."""
    try:
        n = int(words[0])
    except ValueError:
        raise ReplyError(f"ERR {bad}") from None
    if n < 0:
        raise ReplyError("ERR Number of keys can't be negative")
    if n > len(words) - 1:
        raise ReplyError("ERR Number of keys can't be greater than number of args")
    return words[1 : n + 1], words[n + 1 :]


def shebang(code: bytes) -> tuple[frozenset[str] | None, bytes]:
    """The flags of a script's first line, `#!lua flags=...`, and the script without that line."""
    if not code.startswith(b"#!"):
        return None, code
    line, newline, body = code.partition(b"\n")
    if not newline:
        raise ReplyError("ERR Invalid script shebang")
    engine, *options = line[2:].split() or [b""]
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


def flags_of(row: Any) -> frozenset[str]:
    """The flags a function was registered with."""
    return frozenset(_text(flag) for flag in row[b"flags"].values())


def only_reads(store: Any, words: list[bytes]) -> bool:
    """True for EVAL, EVALSHA or FCALL of something that says it writes nothing."""
    name = words[0].lower()
    flags: frozenset[str] | None = None
    if name == b"eval":
        try:
            flags = shebang(words[1])[0]
        except ReplyError:
            return True
    elif store.scripts is not None and name == b"evalsha":
        script = store.scripts.cache.get(words[1].lower())
        flags = script.flags if script is not None else frozenset({"no-writes"})
    elif store.scripts is not None:
        found = store.scripts.functions.get(words[1].lower())
        flags = flags_of(found[1]) if found is not None else frozenset({"no-writes"})
    return flags is not None and "no-writes" in flags


def library_name(code: bytes) -> bytes:
    """The name in a library's first line, `#!lua name=...`."""
    line, newline, _ = code.partition(b"\n")
    if not line.startswith(b"#!") or not newline:
        raise ReplyError("ERR Missing library metadata")
    engine, *options = line[2:].split()
    if engine.lower() != b"lua":
        raise ReplyError(f"ERR Engine '{_text(engine)}' not found")
    name = b""
    for option in options:
        key, _, value = option.partition(b"=")
        if key.lower() != b"name":
            raise ReplyError(f"ERR Invalid metadata value given: {_text(option)}")
        if name:
            raise ReplyError("ERR Invalid metadata value, name argument was given multiple times")
        name = value
    if not name:
        raise ReplyError("ERR Library name was not given")
    if not name.replace(b"_", b"").isalnum():
        raise ReplyError(
            "ERR Library names can only contain letters, numbers, or underscores(_) "
            "and must be at least one character long"
        )
    return name


# ---------------------------------------------------------------------- commands


def scripts_of(client: Any) -> Scripts:
    """The scripts of the client's store, made at the first use."""
    store = client.store
    if store.scripts is None:
        store.scripts = Scripts(store)
    return store.scripts


def _eval(client: Any, words: list[bytes], read_only: bool) -> Any:
    scripts = scripts_of(client)
    split_keys(words[2:])
    return scripts.evaluate(client, scripts.load(words[1]), words[2:], read_only)


@command("eval")
def eval_(client, words):
    """EVAL script numkeys key ... arg ..."""
    return _eval(client, words, False)


@command("eval_ro")
def eval_ro(client, words):
    """EVAL_RO script numkeys key ... arg ..."""
    return _eval(client, words, True)


@command("evalsha")
def evalsha(client, words):
    """EVALSHA sha1 numkeys key ... arg ..."""
    return scripts_of(client).evaluate(client, words[1].lower(), words[2:], False)


@command("evalsha_ro")
def evalsha_ro(client, words):
    """EVALSHA_RO sha1 numkeys key ... arg ..."""
    return scripts_of(client).evaluate(client, words[1].lower(), words[2:], True)


@command("fcall")
def fcall(client, words):
    """FCALL function numkeys key ... arg ..."""
    return scripts_of(client).call_function(client, words, False)


@command("fcall_ro")
def fcall_ro(client, words):
    """FCALL_RO function numkeys key ... arg ..."""
    return scripts_of(client).call_function(client, words, True)


@command("script|load")
def script_load(client, words):
    """SCRIPT LOAD script"""
    return scripts_of(client).load(words[2])


@command("script|exists")
def script_exists(client, words):
    """SCRIPT EXISTS sha1 ..."""
    cache = scripts_of(client).cache
    return [int(word.lower() in cache) for word in words[2:]]


@command("script|flush")
def script_flush(client, words):
    """SCRIPT FLUSH [ASYNC | SYNC]"""
    _when(words, "SCRIPT FLUSH only support SYNC|ASYNC option")
    scripts_of(client).cache.clear()
    return "OK"


@command("script|kill")
def script_kill(client, words):
    """SCRIPT KILL"""
    scripts_of(client).kill(False)
    return "OK"


@command("function|kill")
def function_kill(client, words):
    """FUNCTION KILL"""
    scripts_of(client).kill(True)
    return "OK"


@command("script|debug")
def script_debug(client, words):
    """SCRIPT DEBUG YES | SYNC | NO: there is no debugger to turn on."""
    if words[2].lower() != b"no":
        raise ReplyError("ERR Use SCRIPT DEBUG YES/SYNC/NO")
    return "OK"


def _when(words: list[bytes], refusal: str) -> None:
    if len(words) > 3:
        raise wrong_number(words)
    if len(words) == 3 and words[2].lower() not in (b"sync", b"async"):
        raise ReplyError(f"ERR {refusal}")


@command("function|load")
def function_load(client, words):
    """FUNCTION LOAD [REPLACE] code"""
    options = [word.lower() for word in words[2:-1]]
    for option in options:
        if option != b"replace":
            raise ReplyError(f"ERR Unknown option given: {_text(option)}")
    name = scripts_of(client).load_library(words[-1], bool(options))
    client.store.count_change()
    return name


@command("function|delete")
def function_delete(client, words):
    """FUNCTION DELETE library"""
    scripts_of(client).delete_library(words[2])
    client.store.count_change()
    return "OK"


@command("function|flush")
def function_flush(client, words):
    """FUNCTION FLUSH [ASYNC | SYNC]"""
    _when(words, "FUNCTION FLUSH only supports SYNC|ASYNC option")
    if client.store.scripts is not None:
        client.store.scripts.flush_libraries()
    client.store.count_change()
    return "OK"


@command("function|list")
def function_list(client, words):
    """FUNCTION LIST [LIBRARYNAME pattern] [WITHCODE]"""
    from kvstore.glob import matches

    pattern, with_code, rest = b"*", False, words[2:]
    while rest:
        option = rest.pop(0).lower()
        if option == b"withcode":
            with_code = True
        elif option == b"libraryname" and rest:
            pattern = rest.pop(0)
        else:
            raise ReplyError(f"ERR Unknown argument {_text(option)}")
    found = []
    for library in scripts_of(client).libraries.values():
        if not matches(pattern, library.name):
            continue
        shown: dict[bytes, Any] = {
            b"library_name": library.name, b"engine": b"LUA",
            b"functions": [
                {b"name": name, b"description": row[b"description"],
                 b"flags": [Simple(_text(flag)) for flag in row[b"flags"].values()]}
                for name, row in library.rows.items()],
        }  # fmt: skip
        found.append(shown | ({b"library_code": library.code} if with_code else {}))
    return found


@command("function|stats")
def function_stats(client, words):
    """FUNCTION STATS"""
    scripts = scripts_of(client)
    counts = {
        b"libraries_count": len(scripts.libraries),
        b"functions_count": len(scripts.functions),
    }
    running, shown = scripts.running, None
    if running is not None:
        shown = {
            b"name": running.name, b"command": running.words,
            b"duration_ms": running.age_ms(client.store),
        }  # fmt: skip
    return {b"running_script": shown, b"engines": {b"LUA": counts}}
