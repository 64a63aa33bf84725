"""`python -m tsdb serve | shell | check | bench | inspect | export | import`."""

from __future__ import annotations

import sys

from bedrock.app.main import main as run
from tsdb.config import COMPONENT


def main(argv: list[str] | None = None) -> int:
    """The command line of tsdb."""
    words = sys.argv[1:] if argv is None else argv
    if words[:1] in (["inspect"], ["export"], ["import"]):
        from tsdb.tools import main as run_tool

        return run_tool(words)
    return run(COMPONENT, argv)


if __name__ == "__main__":
    sys.exit(main())
