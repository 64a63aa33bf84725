"""What the judges of others say of tsdb; writes docs/reference/tsdb-conformance.md.

    BEDROCK_JUDGES=DIR python -m tests.tsdb.conformance [--queries 5000] [--seeds 4]

Needs Debian's prometheus, promtool, influxdb, influxdb-client and chromium; a judge whose program
or data is absent is left out, and the page says so.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from bedrock.testing import peers
from tests.tsdb import test_promql_suite as suite
from tests.tsdb.test_promql_differential import TOLERANCE, differences_of, two_servers

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "reference" / "tsdb-conformance.md"
CLIENTS = {
    "test_clients.py": "promtool, influxdb-client, curl's gzip, a Prometheus that remote-writes; "
    "95 queries and 64 errors worded as Prometheus words them",
    "test_prometheus_peer.py": "a Prometheus that remote-reads and one that federates",
    "test_monitor.py": "the same configuration file given to a Prometheus: scraping, "
    "relabelling, rules, alerts, what Alertmanager is sent, the API's lists; a real Alertmanager "
    "that takes, routes and resolves; reloading",
    "test_windows.py": "functions of ranges beside straight-line numpy",
    "test_influxql.py": "InfluxDB 1.6.7 and its shell `influx`",
    "test_dashboards.py": "the requests of Grafana's data sources beside Prometheus and InfluxDB; "
    "Telegraf's writes",
    "test_pages.py": "Chromium: completion, chart and zoom, table, cardinality, head and blocks",
    "test_promql_differential.py": "queries spoiled, refused in Prometheus' words; layout",
    "test_regex.py": "regular expressions in linear time beside Python's `re`",
    "test_line_protocol.py": "the vectors of influxdata/line-protocol: 395 accepted with equal "
    "values, 6,220 refused",
    "test_exchange.py": "exported blocks opened by a Prometheus 2.42, 50 queries equal; promtool "
    "tsdb analyze; Parquet read by pyarrow",
    "test_intake.py": "remote-write 2.0, OTLP in protobuf and JSON, exposition pages",
    "test_crash.py": "kill -9 while three writers write, and while rules are evaluated",
    "test_sim.py": "seeds of the simulator: crashes, full and failing disks, deletion, retention, "
    "sums of downsampled buckets",
}
OUTCOMES = re.compile(r"(\d+) (passed|failed|skipped|error)")


def evaluations(judges: Path) -> Iterator[str]:
    """Prometheus' own evaluations, file by file, of ours and theirs."""
    yield "| file | evaluations | tsdb | prometheus |"
    yield "|---|---|---|---|"
    sums = [0, 0, 0]
    failures = []
    for name, count in suite.EVALUATIONS.items():
        ours = suite.report_of(judges, name, suite.ours)
        theirs = suite.report_of(judges, name, suite.theirs)
        failures += ours.failed
        for i, value in enumerate((count, ours.passed, theirs.passed)):
            sums[i] += value
        yield f"| {name} | {count} | {ours.passed} | {theirs.passed} |"
    yield f"| **all** | **{sums[0]}** | **{sums[1]}** | **{sums[2]}** |"
    yield from (f"\nFails: `{failure}`" for failure in failures)


def generated(queries: int, seeds: int) -> Iterator[str]:
    """Generated queries beside a running Prometheus."""
    yield "| seed | queries | different beyond 1e-9 relative |"
    yield "|---|---|---|"
    assert TOLERANCE == 1e-9
    with two_servers() as pair:
        for seed in range(1, seeds + 1):
            found = differences_of(pair, queries, seed)
            yield f"| {seed} | {queries:,} | {len(found)} |"
            yield from (f"\n`{difference}`" for difference in found[:5])


def clients() -> Iterator[str]:
    """Tests with real clients and servers, file by file."""
    yield "| tests | passed | failed | left out | with |"
    yield "|---|---|---|---|---|"
    for file, what in CLIENTS.items():
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", str(HERE / file)],
            capture_output=True, text=True, timeout=900,
        )  # fmt: skip
        counts = {word: int(n) for n, word in OUTCOMES.findall(done.stdout)}
        failed = counts.get("failed", 0) + counts.get("error", 0)
        numbers = f"{counts.get('passed', 0)} | {failed} | {counts.get('skipped', 0)}"
        yield f"| {file} | {numbers} | {what} |"


def main() -> int:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--queries", type=int, default=5000)
    parser.add_argument("--seeds", type=int, default=4)
    given = parser.parse_args()
    judges = os.environ.get("BEDROCK_JUDGES")
    absent = []
    lines = HEAD.format(date=f"{datetime.now(UTC):%-d %B %Y}").splitlines()
    try:
        lines += evaluations(Path(judges)) if judges else ["BEDROCK_JUDGES is not set."]
        lines += GENERATED.splitlines()
        lines += generated(given.queries, given.seeds)
    except peers.PeerMissing as exc:
        absent.append(str(exc))
    lines += ["", "## Clients and servers", "", *clients(), ""]
    lines += KNOWN.splitlines()
    lines += ["", *(f"Left out: {why}." for why in absent)]
    PAGE.write_text("\n".join(lines).rstrip() + "\n")
    return 0


HEAD = """\
# tsdb beside Prometheus and InfluxDB

Made by `tests/tsdb/conformance.py` on {date}.

## Prometheus 2.42's own evaluations

Its eleven `promql/testdata` files, loaded by remote-write, asked over HTTP.

"""

GENERATED = """\

## Generated queries

Instant and range queries, half and half, over an hour of counters with resets, gauges with gaps,
odd numbers, a histogram. A query whose answer Prometheus itself changes from one asking to the
next decides nothing.

"""

KNOWN = """\
## Known to differ

- Native histograms are neither stored nor queried.
- Regular expressions are Python's: why one is bad is told in other words.
- `predict_linear` over a subquery with `@` in a range query: Prometheus moves the window with the
  step, beyond what the subquery evaluated; here the window stays.
- InfluxQL: no bit operators or text fields; `holt_winters()` fits as well as InfluxDB's, not to the
  same digits; times are kept in milliseconds; points with one time come in the order of their
  tags; `EXPLAIN`, `SHOW STATS` and whatever concerns users, shards and policies is refused by name.
- Exemplars are kept in memory, the last 100,000, and go with the server.
- `/api/v1/status/tsdb` counts no chunks; service discovery does not exist.
- Grafana and Telegraf were not run: the requests they make are replayed (test_dashboards.py).
"""

if __name__ == "__main__":
    sys.exit(main())
