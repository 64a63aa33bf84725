"""ACL: users and what they may do, for those who administer them."""

from __future__ import annotations

from typing import Any

from kvstore.acl import BadRule, Denial, Selector, User, members
from kvstore.binding import command
from kvstore.categories import CATEGORIES
from kvstore.commands import ROWS
from kvstore.introspection import subcommands
from kvstore.refusals import wrong_number
from kvstore.resp import Members, ReplyError, whole
from kvstore.users import check_name

NO_FILE = (
    "ERR This Redis instance is not configured to use an ACL file. You may want to specify users "
    "via the ACL SETUSER command and then issue a CONFIG REWRITE (assuming you have a Redis "
    "configuration file set) in order to store users in the Redis configuration."
)
PASSWORD_BITS = 4096  # at most


def text(word: bytes) -> str:
    """A word as text, whatever its bytes."""
    return word.decode("latin-1")


@command("acl|setuser")
def acl_setuser(client, words):
    """ACL SETUSER name [rule ...]"""
    check_name(words[2])
    try:
        client.store.users.set(words[2], words[3:])
    except BadRule as error:
        raise ReplyError(f"ERR {error}") from None
    return "OK"


@command("acl|deluser")
def acl_deluser(client, words):
    """ACL DELUSER name [name ...]"""
    if b"default" in words[2:]:
        raise ReplyError("ERR The 'default' user cannot be removed")
    return sum(client.store.users.remove(name) for name in words[2:])


def show_selector(selector: Selector) -> dict[bytes, bytes]:
    """A selector as ACL GETUSER has it."""
    return {
        b"commands": selector.show_commands(),
        b"keys": selector.show_keys(),
        b"channels": selector.show_channels(),
    }


@command("acl|getuser")
def acl_getuser(client, words):
    """ACL GETUSER name"""
    user: User | None = client.store.users.by_name.get(words[2])
    if user is None:
        return None
    first, *others = map(show_selector, user.selectors)
    return {
        b"flags": Members(user.flags()),
        b"passwords": list(user.passwords),
        **first,
        b"selectors": others,
    }


@command("acl|list")
def acl_list(client, words):
    """ACL LIST"""
    return client.store.users.lines()


@command("acl|users")
def acl_users(client, words):
    """ACL USERS"""
    return [user.name for user in client.store.users]


@command("acl|whoami")
def acl_whoami(client, words):
    """ACL WHOAMI"""
    return client.user.name


@command("acl|cat")
def acl_cat(client, words):
    """ACL CAT [category]"""
    if len(words) == 2:
        return [name.encode() for name in CATEGORIES]
    if len(words) > 3:
        raise ReplyError(
            "ERR unknown subcommand or wrong number of arguments for 'CAT'. Try ACL HELP.")
    name = text(words[2]).lower()
    if name not in CATEGORIES:
        raise ReplyError(f"ERR Unknown category '{text(words[2])[:128]}'")
    return sorted(command_name.encode() for command_name in members(name))


@command("acl|genpass")
def acl_genpass(client, words):
    """ACL GENPASS [bits]"""
    bits = 256
    if len(words) > 3:
        raise wrong_number(words)
    if len(words) > 2:
        bits = whole(words[2])
    if not 0 < bits <= PASSWORD_BITS:
        raise ReplyError(
            "ERR ACL GENPASS argument must be the number of bits for the output password, a "
            f"positive number up to {PASSWORD_BITS}")
    import secrets

    digits = (bits + 3) // 4
    return secrets.token_hex((digits + 1) // 2)[:digits].encode()


@command("acl|load")
def acl_load(client, words):
    """ACL LOAD"""
    if not client.store.parameters["aclfile"]:
        raise ReplyError(NO_FILE)
    client.store.users.load()
    return "OK"


@command("acl|save")
def acl_save(client, words):
    """ACL SAVE"""
    if not client.store.parameters["aclfile"]:
        raise ReplyError(NO_FILE)
    try:
        client.store.users.save()
    except OSError:
        raise ReplyError(
            "ERR There was an error trying to save the ACLs. Please check the server logs for more "
            "information") from None
    return "OK"


@command("acl|log")
def acl_log(client, words):
    """ACL LOG [count | RESET]"""
    users = client.store.users
    count = 10
    if len(words) > 3:
        raise wrong_number(words)
    if len(words) > 2:
        if words[2].lower() == b"reset":
            users.log.clear()
            return "OK"
        count = max(whole(words[2]), 0)
    now = client.store.now()
    return [
        {
            b"count": entry.count,
            b"reason": entry.reason.name.lower().encode(),
            b"context": entry.context.encode(),
            b"object": entry.object,
            b"username": entry.user,
            b"age-seconds": (now - entry.at_ms) / 1000,
            b"client-info": entry.client,
        }
        for entry in users.log[:count]
    ]


def resolve(words: list[bytes]) -> str:
    """The full name of a request's command; an error as DRYRUN has it."""
    name = text(words[0]).lower()
    if len(words) > 1 and len(subcommands(name)) > 0:
        name += "|" + text(words[1]).lower()
    if name not in ROWS or b"|" in words[0]:
        raise ReplyError(f"ERR Command '{text(words[0])}' not found")
    arity = ROWS[name].arity
    if len(words) != arity if arity > 0 else len(words) < -arity:
        raise ReplyError(f"ERR wrong number of arguments for '{name}' command")
    return name


@command("acl|dryrun")
def acl_dryrun(client: Any, words: list[bytes]):
    """ACL DRYRUN name command [arg ...]"""
    user = client.store.users.by_name.get(words[2])
    if user is None:
        raise ReplyError(f"ERR User '{text(words[2])}' not found")
    name = resolve(words[3:])
    refused = user.refusal(name, words[3:])
    if refused is None:
        return "OK"
    reason, what = refused
    if reason == Denial.COMMAND:
        return f"This user has no permissions to run the '{name}' command".encode()
    kind = b"key" if reason == Denial.KEY else b"channel"
    return b"This user has no permissions to access the '%s' %s" % (what, kind)
