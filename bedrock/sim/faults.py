"""What goes wrong in a run, drawn from the seed.

Swarm testing (Groce et al., 2012): each kind of fault is on in about half of the runs, since a run
with all of them at once hardly gets anywhere, and one kind often hides another.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from bedrock.world import Rand


@dataclass(frozen=True)
class Faults:
    """Rates are per virtual second of a machine, chances per event, times in seconds."""

    # machines
    power_cut_per_s: float = 0.0  # the machine loses power: what was not synced is at risk
    kill_per_s: float = 0.0  # the process dies: its system's cache survives
    down_s: float = 0.5  # the longest time until it is started again
    pause_per_s: float = 0.0  # the process stands still for a while (SIGSTOP, swapping)
    clock_skew_ms: int = 0  # the most a wall clock is off, either way
    clock_drift_ppm: int = 0  # the most a clock is fast or slow

    # disks
    sync_eio: float = 0.0  # chance that a sync fails, which ends the process
    full_per_s: float = 0.0  # the disk is full for a while

    # network
    delay_s: float = 0.0005  # mean time on the way
    stall: float = 0.0  # chance that a piece is held up
    stall_s: float = 0.5  # the longest hold-up
    reset: float = 0.0  # chance that a piece is answered by a reset
    split: float = 0.3  # chance that a piece is cut in two
    partition_per_s: float = 0.0  # two hosts stop hearing each other
    partition_s: float = 1.0  # the longest partition

    @classmethod
    def swarm(cls, rand: Rand) -> Faults:
        """A mix of faults for one run."""
        drawn = {
            name: low + (high - low) * rand.random()
            for name, (low, high) in SWARM.items()
            if rand.chance(0.5)
        }
        kinds = {f.name: f.type for f in fields(cls)}
        for name in drawn:
            if kinds[name] == "int":
                drawn[name] = round(drawn[name])
        return cls(**drawn)  # type: ignore[arg-type]

    def calm(self) -> Faults:
        """The faults of the last phase: none, on the same clocks."""
        return Faults(clock_skew_ms=self.clock_skew_ms, clock_drift_ppm=self.clock_drift_ppm)


# field: (least, most) when it is on
SWARM: dict[str, tuple[float, float]] = {
    "power_cut_per_s": (0.1, 1.5),
    "kill_per_s": (0.1, 1.0),
    "down_s": (0.01, 1.0),
    "pause_per_s": (0.05, 0.5),
    "clock_skew_ms": (1, 60_000),
    "clock_drift_ppm": (1, 500),
    "sync_eio": (0.0005, 0.01),
    "full_per_s": (0.05, 0.5),
    "delay_s": (0.0001, 0.05),
    "stall": (0.001, 0.05),
    "reset": (0.001, 0.02),
    "split": (0.0, 0.9),
    "partition_per_s": (0.05, 0.5),
}
