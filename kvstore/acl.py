"""Access control: users, and what each may run on which keys and channels.

    user = flags + passwords (SHA-256, hex) + selectors
    selector = commands + key patterns (read, write or both) + channel patterns

A request is allowed if one of the user's selectors allows all of it; the first selector is the one
that rules outside parentheses change, the others are `(...)` rules.

    alice on >secret ~app:* %R~shared:* &news +@read +set -keys (~tmp:* +@all)

Invariants:
1. A change of a user is made on a copy and taken whole or not at all.
2. Passwords are kept and compared as digests, in constant time.
3. A user who may do everything is `free`: requests of such clients are not checked at all.

Reference: Redis 7.0, "Access Control List"; the order of describing words is the server's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import IntEnum
from functools import cache

from bedrock.lazy import hashlib, hmac
from kvstore.categories import CATEGORIES, categories
from kvstore.commands import ROWS
from kvstore.glob import matches
from kvstore.keyspecs import keys_of

READ, WRITE = 1, 2
ACCESS = {"access": READ, "insert": WRITE, "delete": WRITE, "update": WRITE}
MARKS = {READ: b"%R~", WRITE: b"%W~", READ | WRITE: b"~"}
SANITIZE = {True: b"sanitize-payload", False: b"skip-sanitize-payload"}
UNCHECKED = frozenset(name for name, row in ROWS.items() if "no_auth" in row.flags.split())

AFTER_ALL = (
    "Adding a pattern after the * pattern (or the '{0}' flag) is not valid and does not have any "
    "effect. Try '{1}' to start with an empty list of {2}"
)
UNKNOWN = "Unknown command or category name in ACL"
SYNTAX = "Syntax error"


class Denial(IntEnum):
    """Why a request is refused, the one that says most being the highest."""

    COMMAND = 1
    KEY = 2
    CHANNEL = 3
    AUTH = 4


class BadRule(ValueError):
    """A rule that cannot be applied."""


class UnknownName(BadRule):
    """A rule that names a command or a category there is none of."""


@cache
def members(category: str) -> frozenset[str]:
    """Commands and subcommands of a category; UnknownName if there is no such."""
    if category not in CATEGORIES:
        raise UnknownName(UNKNOWN)
    wanted = "@" + category
    return frozenset(name for name, row in ROWS.items() if wanted in categories(row))


@cache
def family(name: str) -> frozenset[str]:
    """A command with its subcommands."""
    return frozenset(n for n in ROWS if n == name or n.startswith(name + "|"))


ALL = frozenset(ROWS)


def channels_of(name: str, words: list[bytes]) -> tuple[list[bytes], bool]:
    """The channels a request names, and whether they are patterns."""
    if name in ("publish", "spublish"):
        return words[1:2], False
    if name in ("subscribe", "ssubscribe"):
        return words[1:], False
    return (words[1:], True) if name == "psubscribe" else ([], False)


def spaced(text: bytes) -> bool:
    """True for names and patterns that could not be told apart in a list of rules."""
    return b"\0" in text or any(bytes([byte]).isspace() for byte in text)


class Selector:
    """One set of permissions."""

    def __init__(self, all_channels: bool):
        self.commands: set[str] = set()
        self.future = False  # began with all commands: also those there are not yet
        self.first_words: dict[str, list[bytes]] = {}  # command -> first arguments allowed
        self.all_keys = False
        self.patterns: dict[bytes, int] = {}  # glob -> READ | WRITE
        self.all_channels = all_channels
        self.channels: dict[bytes, None] = {}

    def copy(self) -> Selector:
        """One that may be changed alone."""
        other = Selector(self.all_channels)
        other.commands = set(self.commands)
        other.future = self.future
        other.first_words = {name: list(words) for name, words in self.first_words.items()}
        other.all_keys = self.all_keys
        other.patterns = dict(self.patterns)
        other.channels = dict(self.channels)
        return other

    @property
    def free(self) -> bool:
        """True if nothing is forbidden."""
        return self.all_keys and self.all_channels and self.future and self.commands == ALL

    # ------------------------------------------------------------------ rules

    def apply(self, rule: bytes) -> None:
        """Change by one rule; BadRule leaves the selector as it was."""
        word = rule.lower()
        if word in RULES:
            RULES[word](self)
        elif rule[:1] in (b"~", b"%"):
            self._add_pattern(rule)
        elif rule[:1] == b"&":
            self._add_channel(rule[1:])
        elif rule[:2] in (b"+@", b"-@"):
            self._change(members(word[2:].decode("latin-1")), rule[:1] == b"+")
        elif rule[:1] in (b"+", b"-"):
            self._change_command(word[1:].decode("latin-1"), rule)
        else:
            raise BadRule(SYNTAX)

    def allow_all(self) -> None:
        """+@all"""
        self.commands, self.future = set(ALL), True
        self.first_words.clear()

    def allow_none(self) -> None:
        """-@all"""
        self.commands, self.future = set(), False
        self.first_words.clear()

    def set_keys(self, everything: bool) -> None:
        """allkeys, resetkeys"""
        self.all_keys = everything
        self.patterns.clear()

    def set_channels(self, everything: bool) -> None:
        """allchannels, resetchannels"""
        self.all_channels = everything
        self.channels.clear()

    def _change(self, names: Iterable[str], allowed: bool) -> None:
        if allowed:
            self.commands.update(names)
        else:
            self.commands.difference_update(names)
        for name in names:
            self.first_words.pop(name, None)

    def _change_command(self, name: str, rule: bytes) -> None:
        allowed = rule[:1] == b"+"
        if name in ROWS:
            self._change(family(name), allowed)
            return
        container, bar, first = name.rpartition("|")
        if not allowed or not bar or container not in ROWS:
            raise UnknownName(UNKNOWN)
        if "|" in container:
            raise BadRule("Allowing first-arg of a subcommand is not supported")
        if not first:
            raise BadRule(SYNTAX)
        if len(family(container)) > 1:
            raise UnknownName(UNKNOWN)
        words = self.first_words.setdefault(container, [])
        word = rule.rpartition(b"|")[2]
        if word.lower() not in [known.lower() for known in words]:
            words.append(word)

    def _add_pattern(self, rule: bytes) -> None:
        if self.all_keys:
            raise BadRule(AFTER_ALL.format("allkeys", "resetkeys", "patterns"))
        marks, _, pattern = rule.partition(b"~")
        access = READ | WRITE
        if rule[:1] == b"%":
            letters = marks[1:].upper()
            if not set(letters) <= set(b"RW") or len(set(letters)) != len(letters):
                raise BadRule(SYNTAX)
            access = (READ if b"R" in letters else 0) | (WRITE if b"W" in letters else 0)
            if not access or b"~" not in rule:
                raise BadRule(SYNTAX)
        if spaced(pattern):
            raise BadRule(SYNTAX)
        self.patterns[pattern] = self.patterns.get(pattern, 0) | access

    def _add_channel(self, pattern: bytes) -> None:
        if self.all_channels:
            raise BadRule(AFTER_ALL.format("allchannels", "resetchannels", "channels"))
        if spaced(pattern):
            raise BadRule(SYNTAX)
        self.channels[pattern] = None

    # ------------------------------------------------------------------ requests

    def may_run(self, name: str, words: list[bytes]) -> bool:
        """True if the command itself is allowed, whatever it touches."""
        if name in self.commands or name in UNCHECKED:
            return True
        firsts = self.first_words.get(name, [])
        return len(words) > 1 and words[1].lower() in [word.lower() for word in firsts]

    def may_touch(self, key: bytes, access: int) -> bool:
        """True if a key may be read and written as `access` says."""
        return self.all_keys or any(
            allowed & access == access and matches(pattern, key)
            for pattern, allowed in self.patterns.items()
        )

    def may_hear(self, channel: bytes, is_pattern: bool) -> bool:
        """True if a channel may be listened to and written to; a pattern must be listed."""
        if self.all_channels:
            return True
        if is_pattern:
            return channel in self.channels
        return any(matches(pattern, channel) for pattern in self.channels)

    def refusal(self, name: str, words: list[bytes]) -> tuple[Denial, bytes] | None:
        """Why a request is not allowed and by which word; None if it is."""
        if not self.may_run(name, words):
            return Denial.COMMAND, name.encode()
        if not self.all_keys and ROWS[name].keys:
            for key, flags in keys_of(name, words):
                access = 0
                for flag in flags:
                    access |= ACCESS.get(flag, 0)
                if not self.may_touch(key, access):
                    return Denial.KEY, key
        if not self.all_channels:
            channels, patterns = channels_of(name, words)
            for channel in channels:
                if not self.may_hear(channel, patterns):
                    return Denial.CHANNEL, channel
        return None

    # ------------------------------------------------------------------ in words

    def show_keys(self) -> bytes:
        """The key rules."""
        if self.all_keys:
            return b"~*"
        return b" ".join(MARKS[access] + glob for glob, access in self.patterns.items())

    def show_channels(self) -> bytes:
        """The channel rules."""
        if self.all_channels:
            return b"&*"
        return b" ".join(b"&" + pattern for pattern in self.channels)

    def show_commands(self) -> bytes:
        """The command rules: the categories that come nearest, then what they leave wrong."""
        sign, inverse = ("-", "+") if self.future else ("+", "-")
        words = [inverse + "@all"]
        reached = set(ALL) if self.future else set()
        left = set(self.commands)  # with what was said so far taken back
        unused = list(CATEGORIES)
        while True:
            best, fewest, most = "", 1 << 30, 0
            for category in unused:
                on = len(members(category) & left)
                off = len(members(category)) - on
                differ, same = (on, off) if self.future else (off, on)
                if same > differ and (differ < fewest or (differ == fewest and same > most)):
                    best, fewest, most = category, differ, same
            if not best:
                break
            unused.remove(best)
            words.append(f"{sign}@{best}")
            (reached.difference_update if self.future else reached.update)(members(best))
            (left.update if self.future else left.difference_update)(members(best))
        for name in ROWS:
            if (name in self.commands) != (name in reached):
                allowed = name in self.commands
                words.append(("+" if allowed else "-") + name)
                (reached.update if allowed else reached.difference_update)(family(name))
        shown = [word.encode() for word in words]
        for name, firsts in self.first_words.items():
            shown += [b"+%s|%s" % (name.encode(), first) for first in firsts]
        return b" ".join(shown)

    def show(self) -> bytes:
        """All rules."""
        channels = b"&*" if self.all_channels else b"resetchannels " + self.show_channels()
        parts = (self.show_keys(), channels.rstrip(), self.show_commands())
        return b" ".join(part for part in parts if part)


RULES = {
    b"allkeys": lambda selector: selector.set_keys(True),
    b"~*": lambda selector: selector.set_keys(True),
    b"resetkeys": lambda selector: selector.set_keys(False),
    b"allchannels": lambda selector: selector.set_channels(True),
    b"&*": lambda selector: selector.set_channels(True),
    b"resetchannels": lambda selector: selector.set_channels(False),
    b"allcommands": Selector.allow_all,
    b"+@all": Selector.allow_all,
    b"nocommands": Selector.allow_none,
    b"-@all": Selector.allow_none,
}


def digest(password: bytes) -> bytes:
    """What is kept of a password."""
    return hashlib.sha256(password).hexdigest().encode()


def check_digest(text: bytes) -> bytes:
    """A digest given as such; BadRule if it is none."""
    if len(text) != 64 or not set(text) <= set(b"0123456789abcdef"):
        raise BadRule(
            "The password hash must be exactly 64 characters and contain only lowercase "
            "hexadecimal characters"
        )
    return text


class User:
    """Someone clients can be."""

    def __init__(self, name: bytes, all_channels: bool = False):
        self.name = name
        self.enabled = False
        self.nopass = False
        self.sanitize: bool | None = None  # are RESTORE's bytes checked in depth? None: unsaid
        self.passwords: list[bytes] = []
        self.selectors = [Selector(all_channels)]
        self.channels_by_default = all_channels
        self.free = False

    def copy(self) -> User:
        """One that may be changed alone."""
        other = User(self.name, self.channels_by_default)
        other.take(self)
        return other

    def take(self, other: User) -> None:
        """Become what the other is, under the same name."""
        self.enabled, self.nopass, self.sanitize = other.enabled, other.nopass, other.sanitize
        self.passwords = list(other.passwords)
        self.selectors = [selector.copy() for selector in other.selectors]
        self.free = any(selector.free for selector in self.selectors)

    @classmethod
    def everything(cls, name: bytes) -> User:
        """The user clients are before they say who they are, unless told otherwise."""
        user = cls(name)
        for rule in (b"+@all", b"~*", b"&*", b"on", b"nopass"):
            user.apply(rule)
        user.free = True
        return user

    def change(self, rules: Iterable[bytes]) -> None:
        """Apply rules, all or none; BadRule says which one cannot be."""
        changed = self.copy()
        for rule in joined(rules):
            try:
                changed.apply(rule)
            except BadRule as error:
                shown = rule.decode("latin-1")
                raise type(error)(f"Error in ACL SETUSER modifier '{shown}': {error}") from None
        self.take(changed)

    def apply(self, rule: bytes) -> None:
        """Change by one rule."""
        word, mark = rule.lower(), rule[:1]
        if not rule:
            return
        if word in (b"on", b"off"):
            self.enabled = word == b"on"
        elif word in SANITIZE.values():
            self.sanitize = word == SANITIZE[True]
        elif word in (b"nopass", b"resetpass"):
            self.nopass = word == b"nopass"
            self.passwords.clear()
        elif mark in (b">", b"#"):
            secret = digest(rule[1:]) if mark == b">" else check_digest(rule[1:])
            if secret not in self.passwords:
                self.passwords.append(secret)
            self.nopass = False
        elif mark in (b"<", b"!"):
            secret = digest(rule[1:]) if mark == b"<" else check_digest(rule[1:])
            if secret not in self.passwords:
                raise BadRule("The password you are trying to remove from the user does not exist")
            self.passwords.remove(secret)
        elif mark == b"(" and rule.endswith(b")"):
            selector = Selector(self.channels_by_default)
            for part in rule[1:-1].split():
                selector.apply(part)
            self.selectors.append(selector)
        elif word == b"clearselectors":
            del self.selectors[1:]
        elif word == b"reset":
            self.take(User(self.name, self.channels_by_default))
            self.sanitize = True
        else:
            self.selectors[0].apply(rule)

    def accepts(self, password: bytes) -> bool:
        """True if this password lets in; every one is compared."""
        if self.nopass:
            return True
        given = digest(password)
        found = False
        for known in self.passwords:
            found |= hmac.compare_digest(given, known)
        return found

    def refusal(self, name: str, words: list[bytes]) -> tuple[Denial, bytes] | None:
        """Why no selector allows a request; None if one does."""
        worst: tuple[Denial, bytes] | None = None
        for selector in self.selectors:
            refused = selector.refusal(name, words)
            if refused is None:
                return None
            if worst is None or refused[0] >= worst[0]:
                worst = refused
        return worst

    def may_touch_all(self, name: str, words: list[bytes], access: int) -> bool:
        """True if a selector that allows the request lets it touch any key whatever."""
        return any(
            selector.refusal(name, words) is None
            and (selector.all_keys or selector.patterns.get(b"*", 0) & access == access)
            for selector in self.selectors
        )

    def flags(self) -> list[bytes]:
        """The words for what is on and off."""
        return [
            b"on" if self.enabled else b"off",
            *([b"nopass"] if self.nopass else []),
            *([] if self.sanitize is None else [SANITIZE[self.sanitize]]),
        ]

    def show(self) -> bytes:
        """The rules that make this user."""
        first, *others = [selector.show() for selector in self.selectors]
        parts = [*self.flags(), *(b"#" + secret for secret in self.passwords), first]
        return b" ".join(parts + [b"(%s)" % text for text in others])


def joined(rules: Iterable[bytes]) -> Iterator[bytes]:
    """Rules with those in parentheses put together again; BadRule if one stays open."""
    begun: list[bytes] = []
    for rule in rules:
        if begun or (rule[:1] == b"(" and not rule.endswith(b")")):
            begun.append(rule)
            if rule.endswith(b")"):
                yield b" ".join(begun)
                begun = []
        else:
            yield rule
    if begun:
        raise BadRule(
            "Unmatched parenthesis in acl selector starting at "
            f"'{begun[0].decode('latin-1')}'."
        )


