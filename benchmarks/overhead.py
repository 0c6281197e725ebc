"""What intermodal adds to a task: ours against kfp.local alone, on a step that does nothing.

The cost of one task is the slope between a pipeline of 2 and one of 14 tasks, each in its own process
and with its own home, so that what a run costs once (imports, opening MLflow) drops out. Ours includes
everything: cache look-up, manifest, MLflow's nested run, report.

    python benchmarks/overhead.py [--rounds 3]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path

from measure import Measurement, alternate, measure, table

SMALL, LARGE = 2, 14

STEPS = '''
from kfp.dsl import Dataset, Output
from intermodal import step


@step()
def nothing(data: Output[Dataset], number: int = 0):
    """Write one line."""
    with open(data.path, "w") as stream:
        stream.write(str(number))
'''

PIPELINE = """
from kfp import dsl
from kfp.dsl import Dataset, Output
{define}

@dsl.pipeline(name="nothing-{count}")
def pipeline():
    previous = None
    for number in range({count}):
        task = nothing(number=number)
        task.set_caching_options(False)
        if previous is not None:
            task.after(previous)
        previous = task
{run}
"""

OURS = 'from intermodal import component\nnothing = component("nothing_step:nothing")'
THEIRS = '''
@dsl.component(install_kfp_package=False)
def nothing(data: Output[Dataset], number: int = 0):
    """Write one line."""
    with open(data.path, "w") as stream:
        stream.write(str(number))
'''
RUN_THEIRS = """
if __name__ == "__main__":
    from kfp import local
    local.init(local.SubprocessRunner(use_venv=False), pipeline_root="outputs")
    pipeline()
"""


def write_project(folder: Path) -> None:
    """Write the pipelines of both candidates."""
    (folder / "nothing_step.py").write_text(STEPS)
    for count in (SMALL, LARGE):
        (folder / f"ours_{count}.py").write_text(PIPELINE.format(define=OURS, count=count, run=""))
        (folder / f"theirs_{count}.py").write_text(PIPELINE.format(define=THEIRS, count=count, run=RUN_THEIRS))


def ours(folder: Path, count: int, mode: str) -> Measurement:
    """Run our pipeline; "cached" runs it a second time in the home of the first."""
    home = folder / f"home-{count}-{mode}"
    environment = {"INTERMODAL_HOME": str(home), "PYTHONPATH": str(folder)}
    command = [sys.executable, "-m", "intermodal", "run", f"{folder}/ours_{count}.py", "--quiet"]
    if mode == "cached":
        return measure([*command, "--debug"], env=environment)
    return measure([*command, "--no-cache", *(["--debug"] if mode == "in-process" else [])], env=environment)


def theirs(folder: Path, count: int) -> Measurement:
    """Run the same under kfp.local alone."""
    return measure([sys.executable, f"{folder}/theirs_{count}.py"], env={"PYTHONPATH": str(folder)})


def per_task(small: list[Measurement], large: list[Measurement], kind: str) -> float:
    """Median over the rounds of the slope: seconds a task."""
    pairs = zip(small, large, strict=True)
    return statistics.median((getattr(b, kind) - getattr(a, kind)) / (LARGE - SMALL) for a, b in pairs)


def main() -> None:
    """Measure, and print one JSON object and a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.chdir(folder)
        write_project(folder)
        modes = ("subprocess", "in-process", "cached")
        candidates = {f"ours {mode} {count}": (mode, count) for mode in modes for count in (SMALL, LARGE)}
        for count in (SMALL, LARGE):  # fill the memory that the cached runs read
            assert ours(folder, count, "cached").exit_code == 0
        work = {key: (lambda m=mode, c=count: ours(folder, c, m)) for key, (mode, count) in candidates.items()}
        work |= {f"kfp.local {count}": (lambda c=count: theirs(folder, c)) for count in (SMALL, LARGE)}
        found = alternate(work, rounds=rounds)
    names = ["kfp.local", *(f"ours {mode}" for mode in modes)]
    wall = {name: per_task(found[f"{name} {SMALL}"], found[f"{name} {LARGE}"], "wall_seconds") for name in names}
    cpu = {name: per_task(found[f"{name} {SMALL}"], found[f"{name} {LARGE}"], "cpu_seconds") for name in names}
    result = {
        "seconds_per_task": {name: round(value, 3) for name, value in wall.items()},
        "cpu_seconds_per_task": {name: round(value, 3) for name, value in cpu.items()},
        "overhead_subprocess": round(wall["ours subprocess"] - wall["kfp.local"], 3),
        "ratio_subprocess": round(wall["ours subprocess"] / wall["kfp.local"], 2),
        "cached_in_process": round(wall["ours cached"], 3),
        "targets": {"overhead_subprocess": 0.5, "cached_in_process": 0.15},
        "rounds": rounds,
    }
    print(json.dumps(result, indent=1))
    rows = [{"candidate": n, "wall s/task": f"{wall[n]:.3f}", "cpu s/task": f"{cpu[n]:.3f}"} for n in names]
    print(table(rows))


if __name__ == "__main__":
    main()
