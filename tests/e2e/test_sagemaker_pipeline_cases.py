"""The conformance cases as SageMaker pipelines: those that can be said come to what they must on every runtime."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from intermodal.conformance.cases import CASES, FAILED, SKIPPED, Case
from local_sagemaker import client as aws

STATES = {"Succeeded": "SUCCEEDED", "Failed": "FAILED"}
SAID = ("linear", "nested", "failure", "retry", "retry-in-vain", "types", "types-given")
LOOP = """
from kfp import dsl
from intermodal.conformance import steps
from intermodal.core.component import component

numbers, merge, double, add = (component(item) for item in (steps.numbers, steps.merge, steps.double, steps.add))


@dsl.pipeline(name="static-loop")
def loop(mark: str):
    with dsl.ParallelFor([1, 2, 3]) as item:
        made = numbers(n=item, mark=mark)
        twice = double(value=item, mark=mark)
    merge(parts=dsl.Collected(made.outputs["data"]), mark=mark)
    add(values=dsl.Collected(twice.output), mark=mark)
"""


def run(folder: Path, reference: str, arguments: dict[str, Any], expect: int) -> dict[str, Any]:
    """Compile, upsert, start and follow a pipeline."""
    words = [
        word
        for name, value in {"mark": "", **arguments}.items()
        for word in ("-p", f"{name}={value if isinstance(value, str) else json.dumps(value)}")
    ]
    command = ["compile", reference, "--to", "sagemaker-pipeline", "--upsert", "--start", "--json", *words]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("INTERMODAL_", "MLFLOW_"))}
    environment = {**kept, "INTERMODAL_HOME": str(folder / "home"), "MLFLOW_TRACKING_URI": "off"}
    done = subprocess.run(
        [sys.executable, "-m", "intermodal", *command],
        capture_output=True,
        text=True,
        env=environment,
        cwd=folder,
        check=False,
    )
    assert done.returncode == expect, f"{reference}: {done.stdout[-1500:]}\n{done.stderr[-3000:]}"
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def outcome_of(step: dict[str, Any]) -> dict[str, Any]:
    """What a step's task left in the store."""
    key = f"intermodal/jobs/{step['job']}/outcome.json"
    found = aws("s3").get_object(Bucket="intermodal-123456789012-us-east-1", Key=key)["Body"].read()
    return dict(json.loads(found))


def check(case: Case, done: dict[str, Any]) -> None:
    """Compare what came of a case with what must."""
    steps = {step["name"]: step for step in done["steps"]}
    for name, (expected, *_more) in case.tasks.items():
        if expected.state == SKIPPED:
            assert name not in steps, (case.name, name)
            continue
        assert STATES[steps[name]["status"]] == expected.state, (case.name, name, steps[name])
        left = outcome_of(steps[name])
        if expected.value is not None:
            assert left["values"]["Output"] == expected.value, (case.name, name)
        found = {output: item["digest"] for output, item in left["outputs"].items()}
        assert {output: found.get(output) for output in expected.digests} == expected.digests, (case.name, name)
        assert (expected.state == FAILED) == bool(left["error"]), (case.name, name)


@pytest.mark.timeout(900)
@pytest.mark.usefixtures("local_sagemaker")
def test_every_case_that_can_be_said_comes_to_what_it_must(tmp_path: Path) -> None:
    aws("s3").create_bucket(Bucket="intermodal-123456789012-us-east-1")
    cases = {case.name: case for case in CASES}
    for name in SAID:
        case = cases[name]
        check(case, run(tmp_path, case.reference, case.arguments, case.exit_code))

    (tmp_path / "loop.py").write_text(LOOP)
    done = run(tmp_path, "loop.py", {}, 0)
    steps = {step["name"]: outcome_of(step) for step in done["steps"]}
    expected = cases["loop"].tasks
    for index in range(3):
        digests = expected["numbers"][index].digests
        assert steps[f"numbers_{index}"]["outputs"]["data"]["digest"] == digests["data"]
        assert steps[f"double_{index}"]["values"]["Output"] == expected["double"][index].value
    assert steps["merge"]["values"]["Output"] == expected["merge"][0].value
    assert steps["merge"]["outputs"]["merged"]["digest"] == expected["merge"][0].digests["merged"]
    assert steps["add"]["values"]["Output"] == expected["add"][0].value
