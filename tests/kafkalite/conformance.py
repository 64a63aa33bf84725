"""What judges not of our making say of kafkalite; writes docs/reference/kafkalite-conformance.md.

    python tests/kafkalite/conformance.py [JUDGE ...] [--librdkafka DIR] [--clients DIR
        --python PYTHON] [--kafka DIR] [--page]

A JUDGE is one of `JUDGES` below, all by default; what each said is kept in build/, so that they can
be run one at a time, and the page tells what all of them said last.  The figures of speed are those
of the last whole run of `python -m benchmarks kafkalite`.

librdkafka   a checkout of librdkafka v2.11 with its tests built (`./configure`, `make libs`,
             `make -C tests build`): one broker, quick mode, with consumers of the classic protocol
             and with those of KIP-848.  Left out, as its authors do for a single broker: 0038 (a
             benchmark), 0042 (2,000 topics) and 0101 (followers)
clients      a checkout of confluent-kafka-python v2.11, whose integration tests are run with
             PYTHON, which needs what they need (confluent-kafka[schemaregistry,avro,json,protobuf],
             trivup, pytest)
kafka        an installed Apache Kafka, whose kafka-dump-log.sh reads our segments
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bedrock
from bedrock.world import OsClock, OsDisk, Turn
from kafkalite.batch import Record
from kafkalite.log import Log
from kafkalite.topic_config import LogConfig

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PAGE = ROOT / "docs" / "reference" / "kafkalite-conformance.md"
SAID = ROOT / "build" / "kafkalite-conformance.json"
FIGURES = ROOT / "benchmarks" / "results" / "kafkalite.json"
LEFT_OUT = "0038,0042,0101"
# What the suite supposes of its broker: a cluster of three, four partitions for a new topic, and
# time for the members of a group to gather.
BROKER = {"num_partitions": 4, "clamp_replication": True, "group_initial_rebalance_delay_ms": 500}
RESULT = re.compile(r"\| (\d{4}_\w+) +\| +(PASSED|FAILED) \| +([0-9.]+)s \| ?(.*)")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
SEEDS = 2000

Said = dict[str, Any]  # "result", and what is told of it: "tests" or "failed"


def librdkafka(options: argparse.Namespace, protocol: str) -> Said:
    """Outcome, seconds and reason of each test that ran."""
    programs = Path(sys.executable).parent
    with (
        tempfile.TemporaryDirectory() as scratch,
        bedrock.run("kafkalite", process=True, log_level="error", **BROKER) as server,
    ):
        address = f"{server.host}:{server.port}"
        config = Path(scratch) / "test.conf"
        config.write_text(f"bootstrap.servers={address}\ntest.topic.random=true\n")
        (Path(scratch) / "bin").symlink_to(programs)
        environment = os.environ | {
            "RDKAFKA_TEST_CONF": str(config),
            "LD_LIBRARY_PATH": "../src:../src-cpp",
            "TESTS_SKIP": LEFT_OUT,
            "TEST_CONSUMER_GROUP_PROTOCOL": protocol,
            "KAFKA_PATH": scratch,
            "BROKERS": address,
        }
        done = subprocess.run(
            ["./test-runner", "-Q", "-E", "-K", "-L", "-p4", "-V", "4.1.0"],
            cwd=options.librdkafka / "tests", env=environment, timeout=1200, capture_output=True,
        )  # fmt: skip
    said = COLOUR.sub("", (done.stdout + done.stderr).decode("utf-8", "replace"))
    tests = {m[1]: (m[2], float(m[3]), m[4].strip()) for m in RESULT.finditer(said)}
    passed = sum(outcome == "PASSED" for outcome, _, _ in tests.values())
    return {"result": f"{passed} of {len(tests)}", "tests": tests}


def clients(options: argparse.Namespace) -> Said:
    """confluent-kafka-python's integration tests."""
    with (
        tempfile.TemporaryDirectory() as scratch,
        bedrock.run("kafkalite", process=True, log_level="error", **BROKER) as server,
    ):
        users = Path(scratch) / "users"
        users.write_text("sasl_user:sasl_user\n")
        kinds = [f"tests/integration/{kind}" for kind in ("admin", "consumer", "producer")]
        plugins = ["-p", "no:cacheprovider", "-p", "sasl_cluster"]
        with bedrock.run(
            "kafkalite", process=True, log_level="error", users_file=str(users), **BROKER
        ) as secured:
            environment = os.environ | {
                "BROKERS": f"{server.host}:{server.port}",
                "SASL_BROKERS": f"{secured.host}:{secured.port}",
                "PYTHONPATH": f"{HERE}:.",
            }
            return pytest(
                [*plugins, *kinds], cwd=options.clients, env=environment, python=options.python
            )


def pytest(
    arguments: list[str],
    cwd: Path = ROOT,
    env: dict[str, str] | None = None,
    python: str = sys.executable,
) -> Said:
    """How many tests passed, and which did not."""
    done = subprocess.run(
        [python, "-m", "pytest", "-q", "-rfE", *arguments],
        cwd=cwd, env=env, timeout=3000, capture_output=True, text=True,
    )  # fmt: skip
    failed = re.findall(r"^(?:FAILED|ERROR) (\S+)", done.stdout, re.MULTILINE)
    counts = re.findall(r"(\d+) (passed|failed|error)", done.stdout)
    passed = sum(int(count) for count, what in counts if what == "passed")
    total = sum(int(count) for count, _ in counts)
    return {"result": f"{passed} of {total}", "failed": failed}


def ours(*tests: str, workers: int = 2) -> Callable[[argparse.Namespace], Said]:
    """Tests of our own suite that play the judge, the slow ones too."""

    def run(options: argparse.Namespace) -> Said:
        names = [f"tests/kafkalite/{each}" if each.endswith(".py") else each for each in tests]
        return pytest(["-n", str(workers), *names])

    return run


def simulator(options: argparse.Namespace) -> Said:
    """Seeds of the simulation; a disk that does not sync has to be convicted."""
    done = subprocess.run(
        [sys.executable, "-m", "bedrock.sim", "--component", "kafkalite", "--seeds", str(SEEDS),
         "--jobs", "2"],
        cwd=ROOT, timeout=3000, capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode == 0:
        return {"result": "0 violations"}
    return {"result": "violations", "failed": (done.stdout + done.stderr).splitlines()}


def dump_log(options: argparse.Namespace) -> Said:
    """Kafka's own tool on segments of ours, of every codec."""
    count = 0
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch) / "t-0"
        log = Log(OsDisk(str(directory)), Turn(), OsClock(), LogConfig(segment_bytes=20_000))
        for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
            for number in range(200):
                log.append([Record(0, number, b"k", b"v" * number)], codec=codec)
                log.turn.run()
                count += 1
        log.close()
        files = sorted(map(str, directory.glob("*.log")))
        done = subprocess.run(
            [options.kafka / "bin" / "kafka-dump-log.sh", "--deep-iteration", "--files",
             ",".join(files)],
            timeout=300, capture_output=True, text=True,
        )  # fmt: skip
    found = len(re.findall(r"^\| offset: ", done.stdout, re.MULTILINE))
    wrong = [line for line in done.stdout.splitlines() if "isvalid: false" in line]
    return {"result": f"{found} of {count}", "failed": wrong + done.stderr.splitlines()}


@dataclass(frozen=True)
class Judge:
    """needs: the option without which it is not run; why: what is to be said of its result."""

    title: str
    bar: str
    run: Callable[[argparse.Namespace], Said]
    needs: str = ""
    why: str = ""


JUDGES = {
    "codecs": Judge(
        "codecs: every message of every version, 200 examples each, byte for byte with "
        "kafka-python 3 and kio",
        "0 differences",
        ours("test_codec_oracles.py", "test_by_hand.py"),
        why="one test for each message and codec",
    ),
    "classic": Judge(
        "librdkafka's tests, one broker", ">= 78 of 82",
        lambda options: librdkafka(options, "classic"), needs="librdkafka",
        why="v2.11 runs 81 of what v2.15 has 82 of",
    ),
    "kip848": Judge(
        "the same with `group.protocol=consumer`", ">= 70",
        lambda options: librdkafka(options, "consumer"), needs="librdkafka",
    ),
    "clients": Judge(
        "confluent-kafka-python's integration tests: admin, consumer, producer", "all",
        clients, needs="clients", why="v2.11 has 19 of them",
    ),
    "kcat": Judge(
        "kcat: all codecs, features found, groups of three with `kill -9` of one",
        "0 records lost", ours("test_clients.py", "-k", "kcat"),
    ),
    "crashes": Judge(
        "`kill -9` in a produce loop 100 times with `fsync=always`; the last segment torn or "
        "flipped anywhere, 500 cases each", "0 acknowledged records lost",
        ours("test_hostile.py", "test_recovery.py", "test_power_cut.py"),
        why="recovery of 1 GiB is among the figures below",
    ),
    "simulator": Judge(
        f"simulator, {SEEDS:,} seeds: dense offsets, order, no duplicate, nothing aborted seen, "
        "no commit undone", "0 violations", simulator,
    ),
    "transactions": Judge(
        "consume, transform, produce a million records, the processor killed every 1.4 s and the "
        "broker now and then", "exactly once; zombies fenced",
        ours("test_exactly_once.py", "test_transaction_model.py"),
    ),
    "dump-log": Judge(
        "our segments read by Kafka's `kafka-dump-log`", "no error, same records", dump_log,
        needs="kafka",
        why="needs an installed Kafka; where there is none, its record and index formats are "
        "checked byte by byte in test_batch.py and test_log.py",
    ),
}  # fmt: skip
TABLES = {"classic": "librdkafka, classic groups", "kip848": "librdkafka, groups of KIP-848"}


def cell(text: str) -> str:
    """A text that may stand in a table."""
    return text.replace("|", "/")


def judged(said: dict[str, Said]) -> list[str]:
    """The table of all judges."""
    lines = ["| judge | bar | result | |", "|---|---|---|---|"]
    for name, judge in JUDGES.items():
        found = said.get(name)
        result = f"**{found['result']}**" if found else "not run"
        lines.append(f"| {judge.title} | {judge.bar} | {result} | {judge.why} |")
    failures = [
        f"- {name}: {cell(each)}"
        for name, found in said.items()
        for each in found.get("failed", ())
    ]
    return [*lines, "", *failures, *([""] if failures else [])]


def speed() -> list[str]:
    """The figures of the last whole run of the benchmark."""
    results = json.loads(FIGURES.read_text())
    machine = results["machine"]
    lines = ["## Speed", "",
             f"{machine['cpu']}, {machine['cores']} cores, Python {machine['python']}, "
             f"{results['date']}, medians of {results['rounds']}; the client shares the cores. The "
             "peer is librdkafka's mock cluster, in C and in memory.", "",
             "| load | kafkalite/s | mock/s | rate | CPU | p99 ms |", "|---|---|---|---|---|---|"]
    for row in results["rows"]:
        own, peer = row["ours"], row["peer"]
        late = f"{own['p99_ms']:.2f}" if own["p99_ms"] else ""
        beside = ("", "", "")
        if peer:
            beside = (f"{peer['rate']:,.0f}", f"{row['rate_ratio']:.2f}x",
                      f"{row['cpu_ratio']:.2f}x")  # fmt: skip
        lines.append(f"| {row['title']} | {own['rate']:,.0f} | {' | '.join(beside)} | {late} |")
    lines += ["", "| figure | value | bar |", "|---|---|---|"]
    for figure in results["figures"]:
        low, high = figure["at_least"], figure["at_most"]
        bar = f">= {low:,.0f}" if low is not None else f"<= {high:,.0f}" if high else ""
        lines.append(f"| {figure['title']} | {figure['value']:,.4g} {figure['unit']} | {bar} |")
    return [*lines, ""]


def suite(title: str, tests: dict[str, list]) -> list[str]:
    """Every test of a suite."""
    lines = [f"## {title}", "", "| test | outcome | seconds | why |", "|---|---|---|---|"]
    lines += [
        f"| {name} | {outcome.lower()} | {seconds:.1f} | {cell(why)} |"
        for name, (outcome, seconds, why) in sorted(tests.items())
    ]
    return [*lines, ""]


def main(argv: list[str] | None = None) -> int:
    """Run the judges that were given and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("judges", nargs="*", metavar="JUDGE", help=", ".join(JUDGES))
    parser.add_argument("--librdkafka", type=Path)
    parser.add_argument("--clients", type=Path)
    parser.add_argument("--kafka", type=Path)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--page", action="store_true", help="write the page, run nothing")
    options = parser.parse_args(argv)
    said = json.loads(SAID.read_text()) if SAID.exists() else {}
    for name in () if options.page else options.judges or JUDGES:
        judge = JUDGES[name]
        if judge.needs and not getattr(options, judge.needs):
            print(f"{name}: not run, --{judge.needs} was not given")
            continue
        said[name] = judge.run(options)
        print(f"{name}: {said[name]['result']}", flush=True)
        SAID.parent.mkdir(exist_ok=True)
        SAID.write_text(json.dumps(said))
    lines = ["# kafkalite before its judges", "", "Made by `tests/kafkalite/conformance.py`.", ""]
    lines += judged(said) + speed()
    for name, title in TABLES.items():
        if name in said:
            lines += suite(title, said[name]["tests"])
    PAGE.write_text("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
