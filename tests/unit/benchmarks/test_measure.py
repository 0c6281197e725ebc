"""The measuring code measures: children and orphans included, the measuring process excluded."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "benchmarks"))

from measure import Measurement, alternate, measure, paired_ratio, summary, table  # noqa: E402

BURN = "import time\nstart = time.process_time()\nwhile time.process_time() - start < {}: pass"


def touch(megabytes: int) -> dict[str, int]:
    """Runs in the measured process: make so much memory resident."""
    block = bytearray(megabytes * 1_000_000)
    block[::4096] = b"x" * len(block[::4096])
    return {"length": len(block)}


def burn(seconds: float) -> None:
    """Runs in the measured process: use so much CPU time."""
    exec(BURN.format(seconds))


def fail() -> None:
    """Runs in the measured process."""
    raise SystemExit(3)


def test_cpu_time_of_a_command() -> None:
    busy = measure([sys.executable, "-c", BURN.format(0.5) + "\nprint(time.process_time())"])
    own = float(busy.output)  # as the process itself saw it: how much starting takes is the machine's affair
    assert 0.5 <= own < busy.cpu_seconds + 0.05
    assert busy.cpu_seconds < own + 0.9  # what ending takes; the measuring process is left out
    assert busy.exit_code == 0


def test_cpu_time_of_an_orphan_counts() -> None:
    background = f"{sys.executable} -c '{BURN.format(0.5)}' & exit 0"
    cost = measure(["sh", "-c", background])
    assert cost.cpu_seconds >= 0.5


def test_memory_is_that_of_the_measured_process() -> None:
    held = bytearray(300_000_000)
    held[::4096] = b"x" * len(held[::4096])
    small, large = measure(touch, 1), measure(touch, 100)
    assert large.result == {"length": 100_000_000}
    assert small.peak_rss_bytes < 60e6
    assert 90e6 < large.peak_rss_bytes - small.peak_rss_bytes < 120e6


def test_a_failure_and_its_output_are_told() -> None:
    cost = measure([sys.executable, "-c", "print('so much for that'); raise SystemExit(4)"])
    assert (cost.exit_code, cost.output) == (4, "so much for that\n")
    assert measure(fail).exit_code == 3


def test_a_run_that_takes_too_long_is_killed_with_its_children() -> None:
    cost = measure(["sh", "-c", "sleep 60 & sleep 60"], timeout=0.3)
    assert cost.exit_code == -9
    assert cost.wall_seconds < 60  # what it would have slept


def test_an_environment_variable_reaches_the_process() -> None:
    cost = measure([sys.executable, "-c", "import os; print(os.environ['COLOUR'])"], env={"COLOUR": "blue"})
    assert cost.output == "blue\n"


def test_a_command_that_a_person_types_is_told_what_it_cost() -> None:
    file = Path(__file__).resolve().parents[3] / "benchmarks" / "measure.py"
    words = [sys.executable, str(file), sys.executable, "-c", "print('so much'); raise SystemExit(4)"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 4, done.stderr
    assert re.fullmatch(r"so much\n[0-9.]+ CPU seconds, [0-9.]+ s, at most [0-9,]+ MB\n", done.stdout)


def test_a_function_inside_another_cannot_be_measured() -> None:
    with pytest.raises(ValueError, match="module-level"):
        measure(lambda: 1)


def test_candidates_alternate_and_the_warm_up_is_not_kept() -> None:
    order = []

    def run(name: str) -> Measurement:
        order.append(name)
        return Measurement({"a": 1.0, "b": 2.0}[name], 1.0, 5_000_000, 0)

    kept = alternate({"a": lambda: run("a"), "b": lambda: run("b")}, rounds=2)
    assert "".join(order) == "baabba"
    assert {name: len(runs) for name, runs in kept.items()} == {"a": 2, "b": 2}
    assert paired_ratio(kept["a"], kept["b"]) == 0.5
    assert summary(kept["b"])["cpu_seconds"] == 2.0
    assert summary(kept["b"])["peak_rss_mb"] == 5.0


def test_a_candidate_that_fails_stops_the_comparison() -> None:
    with pytest.raises(RuntimeError, match="a exited with 3: why"):
        alternate({"a": lambda: Measurement(1.0, 1.0, 1, 3, "why")})


def test_a_table_has_a_line_a_row() -> None:
    assert table([{"name": "a", "cpu": 1.25}, {"name": "long", "cpu": 10}]).splitlines() == [
        "name  cpu",
        "---------",
        "a     1.25",
        "long  10",
    ]
