"""The benchmark harness: what it charges to whom, and what it makes of it."""

import json
import os
import subprocess
import sys
import time

import pytest

from benchmarks import harness
from benchmarks.harness import Bench, Sample, Subject

BUSY = "import time\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass\n"


def subject(name, pid=None):
    return Subject(name, "127.0.0.1", 0, {}, pid or os.getpid(), "")


def test_cpu_counts_threads_and_children_that_ended():
    before = harness.cpu_ns(os.getpid())
    subprocess.run([sys.executable, "-S", "-c", BUSY], check=True)
    assert harness.cpu_ns(os.getpid()) - before > 0.29e9


def test_children_are_found_and_their_memory_is_counted():
    process = subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE)
    try:
        assert process.pid in harness.processes(os.getpid())
        assert harness.rss_bytes(process.pid) > 0
    finally:
        process.communicate(b"\n")


def test_a_process_that_is_gone_costs_nothing():
    process = subprocess.Popen(["true"])
    process.wait()
    assert harness.cpu_ns(process.pid) == harness.rss_bytes(process.pid) == 0


def test_ratios_are_medians_of_alternating_rounds(capsys):
    order = []

    def load(side):
        order.append(side.name)
        return Sample(1000, 1.0 if side.name == "ours" else 2.0, p99_ms=3.0)

    bench = Bench("x", rounds=3)
    row = bench.compare("work", load, subject("ours"), subject("peer"), rps=1.5, cpu=1000)
    assert order == ["ours", "peer", "peer", "ours", "ours", "peer"]
    assert row.rate_ratio == 2.0 and row.p99_ratio == 1.0 and row.met is True
    assert "2.00x" in capsys.readouterr().out


def test_a_goal_that_is_missed_is_said(capsys):
    bench = Bench("x", rounds=1)
    load = {"ours": Sample(1, 1), "peer": Sample(2, 1)}
    bench.compare("work", lambda s: load[s.name], subject("ours"), subject("peer"), rps=1.0)
    bench.figure("speed", 5, "GiB/s", at_least=8)
    out = capsys.readouterr().out
    assert out.count("NOT MET") == 2


def test_without_a_peer_only_ours_is_reported():
    row = Bench("x", rounds=1).compare("work", lambda _: Sample(10, 2), subject("ours"))
    assert row.ours["rate"] == 5 and row.peer is None and row.rate_ratio is None


def test_results_name_the_machine(tmp_path, monkeypatch):
    monkeypatch.setattr(harness, "RESULTS", tmp_path)
    bench = Bench("x", rounds=1)
    assert bench.save() is None
    bench.figure("speed", 9, "GiB/s", at_least=8)
    report = json.loads(bench.save().read_text())
    assert report["machine"]["cores"] == os.cpu_count()
    assert report["figures"][0]["met"] is True


def test_only_runs_what_is_asked_for():
    bench = Bench("x", only="fast")
    assert bench.figure("slow thing", 1, "s") is None
    assert bench.figure("fast thing", 1, "s") is not None


@pytest.mark.peer
def test_a_peer_that_is_not_installed_is_none(monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    with Bench("x").peer("redis-server") as peer:
        assert peer is None


def test_time_is_measured_by_the_load_itself():
    def load(side):
        time.sleep(0.01)
        return Sample(1, 0.5)

    assert harness.measure(load, subject("ours")).rate == 2.0
