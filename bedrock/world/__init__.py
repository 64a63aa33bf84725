"""The one door to the outside: every engine takes a `World` and opens nothing itself.

    Clock   now_ns, wall_ms, call_at, sleep          clock.pyx
    Disk    open, rename, remove, list, sync_dir     disk.pyx
    Net     listen, connect                          net.py (drivers: bedrock.net, bedrock.sim)
    Rand    seeded randomness                        rand.pyx
    Turn    what must be durable before a reply      turn.pyx
    Slices  long calculations, a bit at a time       slices.pyx

The same engine runs on Linux and in the simulator because only what stands behind this door
differs.  All are cdef classes, so that a call from Cython costs a virtual call.
"""

from bedrock.world.clock import Clock, OsClock, Timer
from bedrock.world.disk import Disk, DiskFailed, DiskFull, File, OsDisk
from bedrock.world.net import Limits, Listener, Net
from bedrock.world.rand import OsRand, Rand
from bedrock.world.turn import Turn
from bedrock.world.world import World

__all__ = [
    "Clock",
    "Disk",
    "DiskFailed",
    "DiskFull",
    "File",
    "Limits",
    "Listener",
    "Net",
    "OsClock",
    "OsDisk",
    "OsRand",
    "Rand",
    "Timer",
    "Turn",
    "World",
]
