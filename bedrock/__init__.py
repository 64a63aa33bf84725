"""Bedrock's core: what the seven systems stand on.

    world     Clock, Disk, Net, Rand, Turn: the one door to the outside
    codec     pure functions on bytes
    storage   what survives a crash
    net       bytes in, bytes out
    sim       the same world, played by a seed
    app       the skin all servers share
    testing   fixtures, golden scripts, checkers

Layers import downwards only.
"""

__version__ = "0.1.0"


def run(name: str, **options):
    """Start component `name` in this process and return its handle, a context manager.

    See `bedrock.testing.run.run`, which this imports on first use.
    """
    from bedrock.testing.run import run

    return run(name, **options)
