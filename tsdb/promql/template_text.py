"""`$1`, `${1}` and `$name` in a replacement, as Go's regexp expands them."""

from __future__ import annotations

import re

_REFERENCE = re.compile(r"\$\$|\$(\w+)|\$\{(\w+)\}")


def expand(template: str, match: re.Match[str]) -> str:
    """The template with the groups of a match put in; what names no group is empty."""

    def group(reference: re.Match[str]) -> str:
        name = reference[1] or reference[2]
        if name is None:
            return "$"
        try:
            return match[int(name) if name.isdigit() else name] or ""
        except (IndexError, ValueError):
            return ""

    return _REFERENCE.sub(group, template)
