"""The users of a store: who there is, who is logged in, and the log of what was refused.

The default user is what a client is until it says otherwise; `requirepass` is this user's password.
Users come from the configuration or from the ACL file, one rule line each:

    user alice on #5e88... ~app:* resetchannels -@all +@read
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from kvstore.acl import BadRule, Denial, UnknownName, User, joined, spaced
from kvstore.connection import disconnect, show_client
from kvstore.resp import ReplyError

REFUSALS = {
    Denial.COMMAND: "this user has no permissions to run the '{}' command",
    Denial.KEY: "this user has no permissions to access one of the keys used as arguments",
    Denial.CHANNEL: "this user has no permissions to access one of the channels used as arguments",
}
SINCE_QUEUED = {
    Denial.COMMAND: "no permission to execute the command or subcommand",
    Denial.KEY: "no permission to touch the specified keys",
    Denial.CHANNEL: "no permission to access one of the channels used as arguments",
}
IN_SCRIPT = {
    Denial.COMMAND: "can't run this command or subcommand",
    Denial.KEY: "can't access at least one of the keys mentioned in the command arguments",
    Denial.CHANNEL: "can't publish to the channel mentioned in the command",
}
WRONG_PASSWORD = "WRONGPASS invalid username-password pair or user is disabled."  # noqa: S105
DUPLICATE_USER = "Duplicate user found. A user can only be defined once in config files"
SAME_WITHIN_MS = 60_000  # refusals alike are counted together if they come that close
LOOKED_BACK = 10


@dataclass
class Refusal:
    """An entry of ACL LOG."""

    reason: Denial
    context: str  # toplevel, multi or lua
    object: bytes
    user: bytes
    at_ms: int
    client: bytes  # the line CLIENT LIST has for it
    count: int = 1

    def like(self, other: Refusal) -> bool:
        """True if the two are one event that happened twice."""
        return (
            (self.reason, self.context, self.object, self.user)
            == (other.reason, other.context, other.object, other.user)
            and abs(self.at_ms - other.at_ms) <= SAME_WITHIN_MS
        )  # fmt: skip


class Users:
    """Everyone a client of a store can be.

    store: its clients are told when the user they are changes
    """

    def __init__(self, store: Any):
        self.store = store
        self.default = User.everything(b"default")
        self.by_name: dict[bytes, User] = {b"default": self.default}
        self.log: list[Refusal] = []  # the newest first
        self._requirepass = ""
        store.parameters.listen(self.configure)

    def configure(self) -> None:
        """Take over changed parameters."""
        password = self.store.parameters["requirepass"]
        if password != self._requirepass:
            self._requirepass = password
            rules = [b"resetpass", b">" + password.encode()] if password else [b"nopass"]
            self.default.change(rules)
        del self.log[self.store.parameters["acllog-max-len"] :]

    @property
    def all_channels(self) -> bool:
        """Whether new users may use every channel."""
        return bool(self.store.parameters["acl-pubsub-default"] == "allchannels")

    def __iter__(self) -> Iterator[User]:
        return (self.by_name[name] for name in sorted(self.by_name))

    # ------------------------------------------------------------------ changes

    def set(self, name: bytes, rules: list[bytes]) -> None:
        """Make a user, or change one; BadRule changes nothing."""
        user = self.by_name.get(name)
        if user is None:
            user = User(name, self.all_channels)
            user.change(rules)
            self.by_name[name] = user
            return
        user.channels_by_default = self.all_channels
        changed = user.copy()
        changed.change(rules)
        self._cut_off(user, changed)
        user.take(changed)
        self._became(user)

    def remove(self, name: bytes) -> bool:
        """Forget a user; their connections end."""
        user = self.by_name.pop(name, None)
        if user is not None:
            disconnect(self.store, lambda client: client.user is user)
        return user is not None

    def _became(self, user: User) -> None:
        """A user may do more or less than before: so may its connections."""
        for client in self.store.clients.values():
            if client.user is user:
                client.become(user)

    def _cut_off(self, user: User, changed: User) -> None:
        """End connections that listen to channels they may not hear any more."""
        after = changed.selectors
        if any(selector.all_channels for selector in after):
            return
        lost = any(
            selector.all_channels or not all(
                any(channel in new.channels for new in after) for channel in selector.channels
            )
            for selector in user.selectors
        )
        if not lost:
            return

        def forbidden(channels: Any, is_pattern: bool) -> bool:
            return not all(
                any(selector.may_hear(channel, is_pattern) for selector in after)
                for channel in channels or ()
            )

        disconnect(self.store, lambda client: client.user is user and (
            forbidden(client.patterns, True) or forbidden(client.channels, False)
            or forbidden(client.shard_channels, False)
        ))

    # ------------------------------------------------------------------ requests

    def log_in(self, client: Any, command: bytes, name: bytes, password: bytes) -> None:
        """Let a client be a user from now on, or WRONGPASS."""
        user = self.by_name.get(name)
        if user is None or not user.enabled or not user.accepts(password):
            self.note(client, Denial.AUTH, command, name)
            raise ReplyError(WRONG_PASSWORD)
        client.become(user)
        client.authenticated = True

    def check(self, client: Any, name: str, words: list[bytes]) -> None:
        """NOPERM for a request its client may not make."""
        refused = client.user.refusal(name, words)
        if refused is None:
            return
        self.note(client, *refused)
        if client.scripted:
            raise ReplyError(f"ERR The user executing the script {IN_SCRIPT[refused[0]]}")
        if client.executing:
            raise ReplyError(
                "NOPERM ACLs rules changed between the moment the transaction was accumulated and "
                "the EXEC call. This command is no longer allowed for the following reason: "
                + SINCE_QUEUED[refused[0]])
        raise ReplyError("NOPERM " + REFUSALS[refused[0]].format(name))

    def note(self, client: Any, reason: Denial, what: bytes, name: bytes = b"") -> None:
        """Write a refusal to the log."""
        entry = Refusal(
            reason, client.acl_context, what, name or client.user.name, self.store.now(),
            show_client(client).encode("latin-1", "replace"),
        )  # fmt: skip
        for i, known in enumerate(self.log[:LOOKED_BACK]):
            if known.like(entry):
                entry.count = known.count + 1
                del self.log[i]
                break
        self.log.insert(0, entry)
        del self.log[self.store.parameters["acllog-max-len"] :]

    # ------------------------------------------------------------------ files

    def configured(self, lines: list[str]) -> None:
        """Take the users of a configuration; BadRule says what is wrong."""
        seen = set()
        for line in lines:
            name, *rules = line.encode("utf-8", "surrogateescape").split()
            if name in seen:
                raise BadRule(DUPLICATE_USER)
            seen.add(name)
            if name == b"default":
                rules.insert(0, b"reset")
            self.set(name, rules)

    def load(self) -> None:
        """Read the ACL file in place of all users; ReplyError names every bad line."""
        path = self.store.parameters["aclfile"]
        try:
            text = self.store.world.disk.read(path)
        except OSError as error:
            raise ReplyError(
                f"ERR Error loading ACLs, opening file '{path}': {error.strerror}") from None
        users: dict[bytes, User] = {}
        wrong = [problem for number, line in enumerate(text.splitlines(), 1)
                 for problem in self._read_line(users, f"{path}:{number}", line)]
        if wrong:
            raise ReplyError("ERR " + " ".join(wrong) + " WARNING: ACL errors detected, no change "
                             "to the previously active ACL rules was performed")
        self.default.take(users.pop(b"default", User.everything(b"default")))
        self.by_name = {b"default": self.default, **users}
        self._became(self.default)
        disconnect(self.store, lambda client: client.user not in (None, self.default))

    def _read_line(self, users: dict[bytes, User], where: str, line: bytes) -> Iterator[str]:
        """Add a line's user; yields what is wrong with it."""
        words = line.strip().split()
        if not words:
            return
        if words[0] != b"user" or len(words) < 2:
            yield f"{where} should start with user keyword followed by the username."
            return
        name = words[1]
        if name in users:
            yield f"WARNING: Duplicate user '{name.decode('latin-1')}' found on line {where}."
            return
        user = users[name] = User(name, self.all_channels)
        told = False
        try:
            rules = list(joined(words[2:]))
        except BadRule:
            yield f"{where}: Unmatched parenthesis in selector definition."
            return
        for rule in rules:
            try:
                user.apply(rule)
            except UnknownName as error:
                shown = rule.decode("latin-1")
                yield f"{where}: Error in applying operation '{shown}': {error}."
            except BadRule as error:
                if not told:
                    yield f"{where}: {error}."
                told = True
        user.take(user.copy())

    def lines(self) -> list[bytes]:
        """All users as the lines of an ACL file."""
        return [b"user %s %s" % (user.name, user.show()) for user in self]

    def save(self) -> None:
        """Write the ACL file, whole and durable."""
        disk = self.store.world.disk
        disk.replace(self.store.parameters["aclfile"], b"".join(b"%s\n" % x for x in self.lines()))


def check_name(name: bytes) -> None:
    """Refuse names that a rule line cannot hold."""
    if spaced(name):
        raise ReplyError("ERR Usernames can't contain spaces or null characters")
