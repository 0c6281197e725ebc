"""A plan against what the run then does: the same tasks, the same verdicts, the same reasons."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from launching import TESTS, Answer, intermodal

PIPELINES = str(TESTS / "toy_pipelines.py")


def verdicts(answer: Answer) -> dict[str, str]:
    """Task → verdict."""
    assert answer.code == 0, answer.err
    return {task["name"]: task["verdict"] for task in answer.json["tasks"]}


def reasons(answer: Answer) -> dict[str, str]:
    """Task → reason."""
    return {task["name"]: task["reason"] for task in answer.json["tasks"]}


def plan(name: str, *words: str) -> Answer:
    """Plan one of the toy pipelines."""
    return intermodal("plan", f"{PIPELINES}:{name}", *words, "--json")


def test_before_during_and_after_a_run(home: Path) -> None:
    first = plan("line")
    assert verdicts(first) == {"make": "miss", "spread": "miss", "total": "miss"}
    assert reasons(first)["make"] == "this step has not run yet"
    assert reasons(first)["spread"] == "input data comes from make, which will run"
    assert not (home / "runs").exists(), "a plan runs nothing"
    assert intermodal("run", f"{PIPELINES}:line").code == 0
    assert set(verdicts(plan("line")).values()) == {"hit"}
    changed = plan("line", "-p", "files=5")
    assert verdicts(changed) == {"make": "hit", "spread": "miss", "total": "miss"}
    assert reasons(changed)["spread"] == "parameter files: 4 → 5"


def test_a_plan_tells_what_the_run_then_does(home: Path) -> None:
    intermodal("run", f"{PIPELINES}:choose", "-p", "n=3")
    planned = verdicts(plan("choose", "-p", "n=3", "-p", "text=other"))
    run = intermodal("run", f"{PIPELINES}:choose", "-p", "n=3", "-p", "text=other", "--json")
    done = {task["name"]: task["state"] for task in run.json["tasks"]}
    meaning = {"CACHED": "hit", "SUCCEEDED": "miss", "SKIPPED": "skipped"}
    assert planned == {name: meaning[state] for name, state in done.items()}


def test_a_condition_on_work_to_come_is_undetermined(home: Path) -> None:
    found = verdicts(plan("choose", "-p", "n=8"))
    assert found["double"] == "miss"
    assert sorted(found.values()).count("undetermined") >= 2
    assert found["note"] == "miss", "its condition reads a parameter, so it is known"


@pytest.mark.parametrize("name", ["pick", "loop", "nested", "twice", "values", "optional", "mixed"])
def test_every_kind_of_pipeline_can_be_planned_cold_and_warm(home: Path, name: str) -> None:
    cold = verdicts(plan(name))
    assert "miss" in cold.values()
    assert intermodal("run", f"{PIPELINES}:{name}").code == 0
    warm = {task: verdict for task, verdict in verdicts(plan(name)).items() if not task.startswith("plain")}
    assert "miss" not in {warm[task] for task in warm if "copies" not in task} or name == "mixed"


def test_text_for_people(home: Path) -> None:
    answer = intermodal("plan", f"{PIPELINES}:line")
    assert answer.code == 0
    assert [line.split()[0] for line in answer.out.splitlines()] == ["miss"] * 3


def test_a_damaged_result_is_a_miss(home: Path) -> None:
    run = intermodal("run", f"{PIPELINES}:line", "--json").json
    made = Path(run["artifacts"]["make.data"]["uri"])
    made.write_bytes(made.read_bytes() + b"!")
    found = plan("line")
    assert verdicts(found)["make"] == "miss"
    assert "altered" in reasons(found)["make"]
    again = json.loads(intermodal("run", f"{PIPELINES}:line", "--json").out)
    assert again["state"] == "SUCCEEDED"
    assert again["artifacts"]["make.data"]["digest"] == run["artifacts"]["make.data"]["digest"]
