"""`python -m kafkalite serve | shell | check`."""

import sys

from bedrock.app.main import main as run
from kafkalite.config import COMPONENT


def main(argv: list[str] | None = None) -> int:
    """The command line of kafkalite."""
    return run(COMPONENT, argv)


if __name__ == "__main__":
    sys.exit(main())
