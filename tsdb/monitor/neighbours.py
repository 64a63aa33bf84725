"""Neighbours: the systems that `bedrock up` runs beside this one, scraped without being configured.

Its state file says which are up and where their /metrics are; each becomes a target whose job and
instance are the system's name, so that its series go on when it is started elsewhere.
"""

from __future__ import annotations

from bedrock.app import state
from tsdb.monitor.settings import Job

INTERVAL_MS = 10_000
LOOK_S = 5.0  # between looks at the file
JOB = "bedrock"


def job_of(state_file: str) -> Job | None:
    """What is up, as a job; None while nothing is."""
    found = state.read(state_file)
    if found is None:
        return None
    targets = [
        {
            "__address__": f"{system.host}:{system.ports['metrics_port']}",
            "job": system.name,
            "instance": system.name,
        }
        for system in found.systems
        if system.state == "up" and system.ports.get("metrics_port")
    ]
    return Job(JOB, INTERVAL_MS, INTERVAL_MS, targets=targets)
