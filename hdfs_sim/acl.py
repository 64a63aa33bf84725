"""POSIX access control lists, as HDFS keeps them: data in, data out.

An entry is (scope, type, name, permissions).  The three base entries of the access scope live in
the mode bits.  As soon as there are named entries the mode's group bits are the mask, and the
owning group's own permissions become an entry; that is what `acl` on an inode holds:

    mode rwxr-x---, acl None                      minimal: user::rwx group::r-x other::---
    mode rwxrwx---, acl ((0, USER, "ada", 7),     user:ada:rwx, group::r-x, mask rwx
                         (0, GROUP, "", 5))
    default entries (scope 1) are all in acl      only directories have them

Left out: inheritance by new children; nothing here checks permissions.
"""

from __future__ import annotations

from collections.abc import Iterable

from hdfs_sim.errors import AclError

ACCESS, DEFAULT = 0, 1
USER, GROUP, MASK, OTHER = 0, 1, 2, 3
BASE = (USER, GROUP, OTHER)

Entry = tuple[int, int, str, int]
Acl = tuple[Entry, ...] | None
Entries = dict[tuple[int, int, str], int]


def modify(mode: int, acl: Acl, spec: Iterable[Entry], directory: bool) -> tuple[int, Acl]:
    """Add or change entries."""
    entries = _expand(mode, acl)
    changes = _checked(spec, directory)
    entries.update(changes)
    return _collapse(entries, changes, mode)


def remove(mode: int, acl: Acl, spec: Iterable[Entry], directory: bool) -> tuple[int, Acl]:
    """Take entries away, whatever their permissions."""
    entries = _expand(mode, acl)
    for key in _checked(spec, directory):
        if key[0] == ACCESS and not key[2] and key[1] in BASE:
            raise AclError("Invalid ACL: the user, group and other entries are required.")
        entries.pop(key, None)
    return _collapse(entries, {}, mode)


def replace(mode: int, acl: Acl, spec: Iterable[Entry], directory: bool) -> tuple[int, Acl]:
    """Set all entries of the scopes that the spec has entries for."""
    changes = _checked(spec, directory)
    scopes = {key[0] for key in changes}
    if ACCESS in scopes and any((ACCESS, type, "") not in changes for type in BASE):
        raise AclError("Invalid ACL: the user, group and other entries are required.")
    entries = {k: v for k, v in _expand(mode, acl).items() if k[0] not in scopes}
    entries.update(changes)
    return _collapse(entries, changes, mode)


def remove_default(mode: int, acl: Acl) -> tuple[int, Acl]:
    """Take all default entries away."""
    return mode, tuple(entry for entry in acl or () if entry[0] == ACCESS) or None


def remove_all(mode: int, acl: Acl) -> tuple[int, Acl]:
    """Back to the mode bits alone."""
    group = _expand(mode, acl)[ACCESS, GROUP, ""]
    return mode & ~0o070 | group << 3, None


def _checked(spec: Iterable[Entry], directory: bool) -> Entries:
    entries: Entries = {}
    for scope, type, name, permissions in spec:
        if scope not in (ACCESS, DEFAULT) or not USER <= type <= OTHER or not 0 <= permissions < 8:
            raise AclError("Invalid ACL: unknown scope, type or permission.")
        if name and type in (MASK, OTHER):
            raise AclError("Invalid ACL: mask and other entries have no name.")
        if scope == DEFAULT and not directory:
            raise AclError("Invalid ACL: only directories may have a default ACL.")
        if (scope, type, name) in entries:
            raise AclError("Invalid ACL: multiple entries with same scope, type and name.")
        entries[scope, type, name] = permissions
    return entries


def _expand(mode: int, acl: Acl) -> Entries:
    entries = {(scope, type, name): permissions for scope, type, name, permissions in acl or ()}
    entries[ACCESS, USER, ""] = mode >> 6 & 7
    entries[ACCESS, OTHER, ""] = mode & 7
    if (ACCESS, GROUP, "") in entries:
        entries[ACCESS, MASK, ""] = mode >> 3 & 7
    else:
        entries[ACCESS, GROUP, ""] = mode >> 3 & 7
    return entries


def _collapse(entries: Entries, changes: Entries, mode: int) -> tuple[int, Acl]:
    if any(scope == DEFAULT for scope, _, _ in entries):
        for type in BASE:
            entries.setdefault((DEFAULT, type, ""), entries[ACCESS, type, ""])
    for scope in (ACCESS, DEFAULT):
        named = [v for (s, type, name), v in entries.items()
                 if s == scope and (name or type == GROUP)]
        extended = any(s == scope and name for s, _, name in entries)
        if extended and (scope, MASK, "") not in changes:
            entries[scope, MASK, ""] = _union(named)
        elif not extended and (scope, MASK, "") not in changes:
            entries.pop((scope, MASK, ""), None)
    middle = entries.get((ACCESS, MASK, ""), entries[ACCESS, GROUP, ""])
    mode = mode & ~0o777 | entries[ACCESS, USER, ""] << 6 | middle << 3 | entries[ACCESS, OTHER, ""]
    kept = {
        key: value for key, value in entries.items()
        if key[0] == DEFAULT or key[2] or (key[1] == GROUP and (ACCESS, MASK, "") in entries)
    }
    return mode, tuple((*key, kept[key]) for key in sorted(kept)) or None


def _union(permissions: list[int]) -> int:
    total = 0
    for value in permissions:
        total |= value
    return total
