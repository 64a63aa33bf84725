"""librdkafka's own tests against kafkalite; writes docs/reference/kafkalite-conformance.md.

    python tests/kafkalite/conformance.py --librdkafka DIR [--clients DIR --python PYTHON]

DIR of --librdkafka is a checkout of librdkafka v2.11 with its tests built (`./configure`, `make
libs`, `make -C tests build`); DIR of --clients one of confluent-kafka-python, whose integration
tests are run with PYTHON, which needs what they need (confluent-kafka[schemaregistry,avro,json,
protobuf], trivup, pytest).  One broker, quick mode, twice: with consumers of the classic protocol
and with those of KIP-848.  Left out, as the suite's authors do for a single broker: 0038 (a
benchmark), 0042 (2,000 topics) and 0101 (followers).
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import bedrock

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "kafkalite-conformance.md"
LEFT_OUT = "0038,0042,0101"
# What the suite supposes of its broker: a cluster of three, four partitions for a new topic, and
# time for the members of a group to gather.
BROKER = {"num_partitions": 4, "clamp_replication": True, "group_initial_rebalance_delay_ms": 500}
RESULT = re.compile(r"\| (\d{4}_\w+) +\| +(PASSED|FAILED) \| +([0-9.]+)s \| ?(.*)")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def run_suite(
    folder: Path, protocol: str, only: str, seconds: int
) -> dict[str, tuple[str, float, str]]:
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
        if only:
            environment["TESTS"] = only
        done = subprocess.run(
            ["./test-runner", "-Q", "-E", "-K", "-L", "-p4", "-V", "4.1.0"],
            cwd=folder / "tests", env=environment, timeout=seconds, capture_output=True,
        )  # fmt: skip
    said = COLOUR.sub("", (done.stdout + done.stderr).decode("utf-8", "replace"))
    return {m[1]: (m[2], float(m[3]), m[4].strip()) for m in RESULT.finditer(said)}


def run_clients(folder: Path, python: str) -> str:
    """What pytest says at the end of confluent-kafka-python's integration tests."""
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
                "PYTHONPATH": f"{Path(__file__).parent}:.",
            }
            done = subprocess.run(
                [python, "-m", "pytest", "-q", "-rfE", *plugins, *kinds],
                cwd=folder, env=environment, timeout=600, capture_output=True, text=True,
            )  # fmt: skip
    failed = re.findall(r"^(?:FAILED|ERROR) (\S+)", done.stdout, re.MULTILINE)
    summary = re.search(r"\d+ (?:passed|failed).* in [0-9.]+s", done.stdout)
    return "; ".join([summary[0] if summary else "did not end", *failed])


def table(title: str, results: dict[str, tuple[str, float, str]]) -> list[str]:
    """A section of the page."""
    passed = sum(outcome == "PASSED" for outcome, _, _ in results.values())
    lines = [f"## {title}", "", f"**{passed} of {len(results)}** passed.", ""]
    lines += ["| test | outcome | seconds | why |", "|---|---|---|---|"]
    for name, (outcome, seconds, why) in sorted(results.items()):
        lines.append(f"| {name} | {outcome.lower()} | {seconds:.1f} | {why.replace('|', '/')} |")
    return [*lines, ""]


def main(argv: list[str] | None = None) -> int:
    """Run the judges that were given and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--librdkafka", type=Path, required=True)
    parser.add_argument("--clients", type=Path, help="a checkout of confluent-kafka-python")
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--only", default="", help="numbers of tests, with commas")
    parser.add_argument("--seconds", type=int, default=900, help="for one run at most")
    options = parser.parse_args(argv)
    lines = ["# kafkalite beside the tests of Kafka's clients", "",
             "Made by `tests/kafkalite/conformance.py`: librdkafka 2.11, one broker, quick mode.",
             ""]
    for title, protocol in (("Classic groups", "classic"), ("Groups of KIP-848", "consumer")):
        results = run_suite(options.librdkafka, protocol, options.only, options.seconds)
        lines += table(title, results)
        failed = {name: why for name, (what, _, why) in results.items() if what == "FAILED"}
        print(f"{title}: {len(results) - len(failed)} of {len(results)}", flush=True)
        for name, why in failed.items():
            print(f"    {name}: {why}")
    if options.clients:
        said = run_clients(options.clients, options.python)
        lines += ["## confluent-kafka-python's integration tests", "", said, ""]
        print(said)
    if not options.only:
        PAGE.write_text("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
