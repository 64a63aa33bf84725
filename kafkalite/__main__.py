"""`kafkalite serve | shell | check | schema-registry`, and the tools of `kafkalite.tools`."""

import sys

from bedrock.app.main import main as run
from kafkalite.config import COMPONENT
from kafkalite.tools import TOOLS
from kafkalite.tools import run as run_tool


def main(argv: list[str] | None = None) -> int:
    """The command line of kafkalite."""
    argv = sys.argv[1:] if argv is None else argv
    if argv and argv[0] in TOOLS:
        return run_tool(argv[0], argv[1:])
    if argv and argv[0] == "schema-registry":
        from kafkalite.registry.config import REGISTRY

        return run(REGISTRY, ["serve", *argv[1:]])
    return run(COMPONENT, argv)


if __name__ == "__main__":
    sys.exit(main())
