"""SCRIPT and FUNCTION: what is kept of scripts and libraries, shown and changed.

How they run is in `scripts`.
"""

from __future__ import annotations

from typing import Any

from kvstore.binding import command
from kvstore.glob import matches
from kvstore.refusals import OUT_OF_MEMORY, wrong_number
from kvstore.resp import Members, ReplyError, Simple
from kvstore.scripts import scripts_of
from kvstore.shebang import FLAGS, script_flags

WRITES_NOTHING = frozenset({"no-writes"})


def memory_facts(store: Any) -> dict[str, int]:
    """For INFO: what scripts and libraries take, and how many there are."""
    scripts = store.scripts
    facts = dict.fromkeys((
        "used_memory_vm_eval", "used_memory_lua", "used_memory_scripts_eval",
        "number_of_cached_scripts", "number_of_functions", "number_of_libraries",
        "used_memory_vm_functions", "used_memory_vm_total", "used_memory_functions",
        "used_memory_scripts",
    ), 0)  # fmt: skip
    if scripts is None:
        return facts
    evals, functions = scripts.memory
    code = sum(map(len, scripts.by_code))
    libraries = sum(len(library.code) for library in scripts.libraries.values())
    return facts | {
        "used_memory_vm_eval": evals, "used_memory_lua": evals,
        "used_memory_scripts_eval": code, "number_of_cached_scripts": len(scripts.by_sha),
        "number_of_functions": len(scripts.functions),
        "number_of_libraries": len(scripts.libraries),
        "used_memory_vm_functions": functions, "used_memory_vm_total": evals + functions,
        "used_memory_functions": libraries, "used_memory_scripts": code + libraries,
    }  # fmt: skip


def stated_flags(store: Any, words: list[bytes]) -> frozenset[str] | None:
    """What EVAL, EVALSHA or FCALL of something may do, as it says itself; None if it says nothing.

    What cannot run writes nothing.
    """
    name = words[0].lower()
    if name == b"eval":
        try:
            return script_flags(words[1])[0]
        except ReplyError:
            return WRITES_NOTHING
    if store.scripts is None:
        return WRITES_NOTHING
    if name == b"evalsha":
        script = store.scripts.by_sha.get(words[1].lower())
    else:
        _, script = store.scripts.functions.get(words[1].lower(), (None, None))
    return WRITES_NOTHING if script is None else script.flags


def only_reads(store: Any, words: list[bytes]) -> bool:
    """True for EVAL, EVALSHA or FCALL of something that says it writes nothing."""
    flags = stated_flags(store, words)
    return flags is not None and "no-writes" in flags


def says_it_writes(store: Any, words: list[bytes]) -> bool:
    """True for EVAL, EVALSHA or FCALL of something that states flags and may write by them."""
    flags = stated_flags(store, words)
    return flags is not None and "no-writes" not in flags


@command("script|load")
def script_load(client, words):
    """SCRIPT LOAD script"""
    return scripts_of(client).load(words[2])


@command("script|exists")
def script_exists(client, words):
    """SCRIPT EXISTS sha1 ..."""
    kept = scripts_of(client).by_sha
    return [int(word.lower() in kept) for word in words[2:]]


@command("script|flush")
def script_flush(client, words):
    """SCRIPT FLUSH [ASYNC | SYNC]"""
    _when(words, "SCRIPT FLUSH only support SYNC|ASYNC option")
    scripts_of(client).flush()
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
    """SCRIPT DEBUG YES | SYNC | NO: how the next EVAL of this client runs (kvstore.ldb)."""
    mode = _text(words[2]).lower()
    if mode not in ("yes", "sync", "no"):
        raise ReplyError("ERR Use SCRIPT DEBUG YES/SYNC/NO")
    if mode != "no" and (client.link is None or not client.link.can_wait):
        raise ReplyError("ERR scripts are debugged over a plain connection, without TLS")
    client.debugs = None if mode == "no" else mode
    return "OK"


def _when(words: list[bytes], refusal: str) -> None:
    if len(words) > 3:
        raise wrong_number(words)
    if len(words) == 3 and words[2].lower() not in (b"sync", b"async"):
        raise ReplyError(f"ERR {refusal}")


def _text(raw: bytes) -> str:
    return raw.decode("latin-1")


@command("function|load")
def function_load(client, words):
    """FUNCTION LOAD [REPLACE] code"""
    options = [word.lower() for word in words[2:-1]]
    for option in options:
        if option != b"replace":
            raise ReplyError(f"ERR Unknown option given: {_text(option)}")
    if client.store.out_of_memory:
        raise ReplyError(OUT_OF_MEMORY)
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
    pattern, with_code, rest = None, False, words[2:]
    while rest:
        word = rest.pop(0)
        option = word.lower()
        if option == b"withcode" and not with_code:
            with_code = True
        elif option == b"libraryname" and pattern is None:
            if not rest:
                raise ReplyError("ERR library name argument was not given")
            pattern = rest.pop(0)
        else:
            raise ReplyError(f"ERR Unknown argument {_text(word)}")
    found = []
    for library in scripts_of(client).libraries.values():
        if pattern is not None and not matches(pattern, library.name):
            continue
        shown: dict[bytes, Any] = {
            b"library_name": library.name, b"engine": b"LUA",
            b"functions": [
                {b"name": function.name, b"description": function.description,
                 b"flags": Members(Simple(flag) for flag in FLAGS if flag in function.flags)}
                for function in library.functions],
        }  # fmt: skip
        found.append(shown | ({b"library_code": library.code} if with_code else {}))
    return found


@command("function|stats")
def function_stats(client, words):
    """FUNCTION STATS"""
    scripts = scripts_of(client)
    running, shown = scripts.running, None
    if running is not None and not running.is_function:
        raise ReplyError(running.busy)
    if running is not None:
        shown = {
            b"name": running.name, b"command": running.command,
            b"duration_ms": running.age_ms(client.store),
        }  # fmt: skip
    counts = {
        b"libraries_count": len(scripts.libraries),
        b"functions_count": len(scripts.functions),
    }
    return {b"running_script": shown, b"engines": {b"LUA": counts}}
