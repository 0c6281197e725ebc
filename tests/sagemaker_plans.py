"""Plans of SageMaker jobs for tests, without an account and without a pipeline."""

from __future__ import annotations

from typing import Any

from intermodal.aws.request import Place, TaskPlan
from intermodal.aws.settings import JobSettings, SageMakerSettings
from intermodal.core.registry import load_spec
from intermodal.core.step import Needs, Slot, StepSpec
from intermodal.runtime.keys import complete_parameters

STORE = "s3://reviews-bucket/intermodal"
PLACE = Place("123456789012", "us-east-1", "arn:aws:iam::123456789012:role/intermodal-execution", STORE)
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/intermodal/core@sha256:" + "a" * 64


def a_spec(inputs: tuple[str, ...] = ("data",), *, job: str = "processing", **fields: Any) -> StepSpec:
    """A step with the given inputs, one output and one plain result."""
    slots = tuple(Slot(name, "system.Dataset") for name in inputs)
    given = {
        "name": "count",
        "target": "steps:count",
        "summary": "Count.",
        "needs": Needs(job=job, parallel="hosts"),
        **fields,
    }
    return StepSpec(**given, inputs=slots, outputs=(Slot("made", "system.Model"),), return_types={"Output": int})


def a_plan(spec: StepSpec | None = None, job: JobSettings | None = None, **fields: Any) -> TaskPlan:
    """A plan; every input that is not optional is an artifact of the store."""
    spec = spec or a_spec()
    inputs = {
        item.name: (f"{STORE}/artifacts/before/0123-ab/{item.name}",) for item in spec.inputs if not item.optional
    }
    settings = SageMakerSettings(job=job or JobSettings(), **fields.pop("settings", {}))
    given = {"pipeline": "reviews", "run_id": "run-1", "task": "count", "image": IMAGE, "inputs": inputs, **fields}
    given = {"parameters": {"n": 3}, "place": PLACE, **given}
    return TaskPlan(spec=spec, settings=settings, **given)


def a_catalogue_plan(step: str, job: JobSettings | None = None, **fields: Any) -> TaskPlan:
    """A plan of a step of the catalogue, with its defaults."""
    spec = load_spec(step)
    return a_plan(spec, job, parameters=complete_parameters(spec, {}), task=step.replace("_", "-"), **fields)
