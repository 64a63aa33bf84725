"""python -m hdfs_sim serve | shell | check | bench, and `datanode` for a DataNode on its own."""

from __future__ import annotations

import sys


def main(argv: list[str] | None = None) -> int:
    """Run a command; returns its exit code."""
    from bedrock.app.main import main as run
    from hdfs_sim.config import COMPONENT, DATANODE

    argv = sys.argv[1:] if argv is None else argv
    if argv[:1] == ["datanode"]:
        return run(DATANODE, ["serve", *argv[1:]])
    return run(COMPONENT, argv)


if __name__ == "__main__":
    sys.exit(main())
