"""`check DIR`: read the data of a stopped server and say what is wrong with it.

A component's checker is a function `(disk) -> Iterable[Finding]` (bedrock.storage.errors); a
finding is harmless when a restart mends it by itself (a torn tail).
"""

from __future__ import annotations

import os
import sys

from bedrock.app.component import Component, components
from bedrock.app.progress import spinner
from bedrock.world import OsDisk

OK, USAGE, DAMAGED = 0, 2, 4


def check(component: Component, directory: str) -> int:
    """Print a component's findings; 4 when one is not harmless."""
    if not os.path.isdir(directory):
        print(f"check: {directory} is not a directory", file=sys.stderr)
        return USAGE
    if not component.check:
        print(f"{component.name} keeps nothing to check")
        return OK
    counts = {True: 0, False: 0}
    with spinner(f"checking {component.name} in {directory}"):
        for finding in component.load("check")(OsDisk(directory)):
            counts[finding.harmless] += 1
            print(f"{'note' if finding.harmless else 'DAMAGED'}  {finding}")
    if counts[False]:
        print(f"{component.name}: {directory} has {counts[False]} damaged place(s)")
        return DAMAGED
    print(f"{component.name}: {directory} is sound" + (" (see notes)" if counts[True] else ""))
    return OK


def check_tree(directory: str, name: str = "") -> int:
    """Check what a directory holds: one component's data, or a directory of them (`./data`).

    name: of the component, where the directory is not named after it.
    """
    found = components()
    name = name or os.path.basename(os.path.abspath(directory))
    if name in found:
        return check(found[name], directory)
    inside = [n for n in found if os.path.isdir(os.path.join(directory, n))]
    if not inside:
        print(
            f"check: {directory} is named after no component and holds none; "
            "say which with --as",
            file=sys.stderr,
        )
        return USAGE
    return max(check(found[n], os.path.join(directory, n)) for n in inside)
