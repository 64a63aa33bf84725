"""`python -m minidb serve | shell | check | bench`."""

import sys

from bedrock.app.main import main as run
from minidb.config import COMPONENT


def main(argv: list[str] | None = None) -> int:
    return run(COMPONENT, argv)


if __name__ == "__main__":
    sys.exit(main())
