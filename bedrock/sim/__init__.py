"""The same systems in a world that breaks on purpose, and replays from a seed.

    loop         an event loop whose time jumps instead of passing     loop.py
    clock        skewed and drifting clocks of machines                clock.pyx
    disk         a disk that keeps what was synced                     disk.pyx
    net          streams that delay, split, stall, reset and part      net.pyx
    faults       which of all that, drawn from the seed                faults.py
    simulation   machines, crashes, a trace, a verdict                 simulation.py
    recordlog    the scenario of the record log                        recordlog.py

`python -m bedrock.sim --seeds 200` runs every scenario there is.  One seed gives one run, byte for
byte: that is what the trace's hash proves.
"""
