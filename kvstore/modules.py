"""MODULE: there are none, and none can be loaded: they are machine code made for redis-server."""

from __future__ import annotations

from kvstore.binding import command
from kvstore.refusals import not_enabled
from kvstore.resp import ReplyError


def check_enabled(client) -> None:
    """Refuse to touch modules where the configuration does not allow it."""
    if client.store.parameters["enable-module-command"] == "no":
        raise not_enabled("module")


@command("module|list")
def module_list(client, words):
    """MODULE LIST"""
    return []


@command("module|load")
def module_load(client, words):
    """MODULE LOAD path [arg ...]"""
    check_enabled(client)
    raise ReplyError("ERR Error loading the extension. Please check the server logs.")


@command("module|loadex")
def module_loadex(client, words):
    """MODULE LOADEX path [CONFIG name value ...] [ARGS arg ...]"""
    return module_load(client, words)


@command("module|unload")
def module_unload(client, words):
    """MODULE UNLOAD name"""
    check_enabled(client)
    raise ReplyError("ERR Error unloading module: no such module with that name")
