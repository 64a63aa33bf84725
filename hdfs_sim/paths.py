"""Paths of the namespace: absolute, of names between slashes; they are never paths of the machine.

`split` is the one way in: what it returns holds no empty, `.` or `..` component, no NUL and no
colon, so no later code has to ask.  Blocks are stored under numbers, never under names.
"""

from __future__ import annotations

from hdfs_sim.errors import ComponentTooLong, InvalidPath

NAME_BYTES_MAX = 255
DEPTH_MAX = 1000
PATH_CHARS_MAX = 8000


def split(path: str) -> list[str]:
    """The components of an absolute path; `//` and a trailing `/` are forgiven."""
    if path == "/":
        return []
    if not path.startswith("/"):
        raise InvalidPath(f"Absolute path required, but got '{path[:PATH_CHARS_MAX]}'")
    if len(path) > PATH_CHARS_MAX:
        raise InvalidPath(f"Path is longer than {PATH_CHARS_MAX} characters")
    names = [name for name in path.split("/") if name]
    if len(names) > DEPTH_MAX:
        raise InvalidPath(f"Path is deeper than {DEPTH_MAX} components")
    if "\0" in path or ":" in path:
        raise InvalidPath(f"Invalid path name: {path!r}")
    for name in names:
        if name in (".", ".."):
            raise InvalidPath(f"Invalid path name: {path}")
        if len(name) > NAME_BYTES_MAX // 4 and len(name.encode()) > NAME_BYTES_MAX:
            raise ComponentTooLong(
                f"The maximum path component name limit of {name} is exceeded: "
                f"limit={NAME_BYTES_MAX} length={len(name.encode())}"
            )
    return names


def join(names: list[str]) -> str:
    """The path of components."""
    return "/" + "/".join(names)
