"""python -m kvstore serve | shell | check | bench"""

import sys

from bedrock.app.main import main as run
from kvstore.config import COMPONENT


def main(argv: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    return run(COMPONENT, argv)


if __name__ == "__main__":
    sys.exit(main())
