"""`python -m tsdb serve | shell | check | bench`."""

from __future__ import annotations

import sys

from bedrock.app.main import main as run
from tsdb.config import COMPONENT


def main(argv: list[str] | None = None) -> int:
    """The command line of tsdb."""
    return run(COMPONENT, argv)


if __name__ == "__main__":
    sys.exit(main())
