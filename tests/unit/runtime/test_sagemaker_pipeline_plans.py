"""A whole pipeline as plans of jobs: what is known before it runs, and what stands in for the rest."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from intermodal.aws.service_model import problems
from intermodal.aws.settings import SageMakerSettings
from intermodal.core.config import Settings
from intermodal.errors import UsageError
from intermodal.runtime import plan as plan_module
from intermodal.runtime.graph import tasks_of
from intermodal.runtime.keys import complete_parameters
from intermodal.runtime.pipeline import load_pipeline
from intermodal.runtime.plan import make_plan
from intermodal.runtime.sagemaker.pipeline_plans import BranchPlan, branch_plans, pipeline_plans
from intermodal.runtime.sagemaker.render import UNKNOWN, render_task
from intermodal.runtime.sagemaker.rendered_pipeline import rendered_pipeline
from sagemaker_plans import PLACE, STORE, a_catalogue_plan

TESTS = Path(__file__).parents[2]
PIPELINES = TESTS.parent / "pipelines"
TOYS = ("line", "choose", "pick", "loop", "nested", "twice", "mixed", "optional", "values", "rows")


def branches(reference: str, **arguments: object) -> dict[str, BranchPlan]:
    found = branch_plans(load_pipeline(reference), dict(arguments), SageMakerSettings(), PLACE)
    assert len({item.name for item in found}) == len(found)
    return {item.name: item for item in found}


def toy(name: str, **arguments: object) -> dict[str, BranchPlan]:
    return branches(f"{TESTS / 'toy_pipelines.py'}:{name}", **arguments)


@pytest.mark.parametrize("path", sorted(PIPELINES.glob("*.py")), ids=lambda path: path.stem)
def test_every_task_of_every_pipeline_is_planned_in_order_and_rendered(path):
    pipeline = load_pipeline(str(path))
    given = {item.name: f"s3://bucket/{item.name}" for item in pipeline.parameters if item.required}
    found = branch_plans(pipeline, given, SageMakerSettings(), PLACE)
    assert [item.name.partition(".")[0] for item in found] == [task.name for task in tasks_of(pipeline.spec)]
    for item in found:
        assert item.plan is not None
        requests = render_task(item.plan)
        assert requests
        for request in requests:
            assert problems(request.service, request.operation, request.parameters) == []
            assert request.task == item.name
        assert [request.digest for request in render_task(item.plan)] == [request.digest for request in requests]
    plans = pipeline_plans(pipeline, given, SageMakerSettings(), PLACE)
    assert plans == [item.plan for item in found]


@pytest.mark.parametrize("name", TOYS)
def test_every_shape_of_pipeline_is_rendered(name):
    made = [request for item in toy(name).values() if item.plan for request in render_task(item.plan)]
    assert made
    assert [problems(request.service, request.operation, request.parameters) for request in made] == [[]] * len(made)


def test_arguments_arrive_and_defaults_fill_the_rest():
    found = branches(str(PIPELINES / "reviews.py"), rows=500.0, max_seq_length=128)
    assert found["generate"].plan.parameters["rows"] == 500
    assert found["featurize"].plan.parameters["max_seq_length"] == 128
    assert found["featurize"].plan.parameters["balance"] is True


def test_outputs_of_earlier_tasks_stand_where_they_will_lie_and_are_named_unknown():
    found = branches(str(PIPELINES / "reviews.py"))
    plan = found["featurize"].plan
    assert plan.inputs == {"reviews": (f"{STORE}/artifacts/validate/{UNKNOWN}/clean",)}
    assert plan.unknown_inputs == ("reviews",)
    (request,) = render_task(plan)
    assert request.parameters["ProcessingInputs"][1]["S3Input"]["S3Uri"].endswith(f"validate/{UNKNOWN}/clean/")
    assert {"ProcessingJobName", "ProcessingInputs.1.S3Input.S3Uri", "Environment.INTERMODAL_REQUEST"} <= set(
        request.unknown
    )
    (first,) = render_task(found["generate"].plan)
    assert "ProcessingJobName" not in first.unknown
    assert found["train-pytorch"].plan.inputs["features"] == (f"{STORE}/artifacts/featurize/{UNKNOWN}/features",)


def test_every_branch_is_there_with_its_condition():
    found = branches(str(PIPELINES / "reviews.py"), framework="baseline")
    told = {name: [(item.text, item.holds) for item in task.conditions] for name, task in found.items()}
    assert told["train-pytorch"] == [("framework == 'pytorch'", False)]
    assert told["register-2"] == [("!(framework == 'pytorch') && framework == 'baseline'", True)]
    assert told["generate"] == []


def test_a_condition_on_an_output_is_known_only_while_it_runs():
    found = toy("choose")
    assert [item.holds for item in found["say"].conditions] == [None]
    assert [item.holds for item in found["note"].conditions] == [True]
    assert [item.holds for item in found["note-2"].conditions] == [False]


def test_a_loop_over_known_items_has_a_task_for_each():
    found = toy("loop", items=[4, 5])
    assert [found[f"make.{number}"].plan.parameters["n"] for number in range(2)] == [4, 5]
    assert "make.2" not in found
    assert found["add"].plan.unknown_parameters == ("values",)
    assert found["merge"].plan.unknown_inputs == ("parts",)


def test_loops_within_loops_and_parts_have_names_of_their_own():
    nested = toy("nested")
    assert [name for name in nested if name.startswith("summarise")] == [
        f"summarise.{outer}.{inner}" for outer in range(2) for inner in range(3)
    ]
    assert nested["summarise.1.2"].plan.unknown_parameters == ("values",)  # a list with an output in it
    assert nested["summarise.1.2"].plan.parameters["label"] == "nested"
    twice = toy("twice")
    assert twice["part--make"].plan.parameters["n"] == 4
    assert twice["part-2--make"].plan.parameters["n"] == 6
    assert len({name for name in twice if name.startswith("part-3--make.")}) == 2


def test_components_that_are_no_steps_have_no_plan():
    found = toy("mixed")
    assert found["plain"].plan is None
    assert found["say"].plan.unknown_parameters == ("text",)
    assert found["say"].plan.parameters["text"] == UNKNOWN


def test_one_of_several_branches_stands_for_the_output():
    assert toy("pick")["total"].plan.inputs == {"parts": (f"{STORE}/artifacts/make/{UNKNOWN}/data",)}


def test_data_on_this_machine_will_be_on_s3(tmp_path):
    source = tmp_path / "reviews.tsv"
    source.write_text("a\tb\n")
    plan = branches(str(PIPELINES / "reviews.py"), source=str(source))["ingest"].plan
    assert plan.parameters["source"] == f"{STORE}/sources/{UNKNOWN}/reviews.tsv"
    assert plan.unknown_parameters == ("source",)
    assert str(tmp_path) not in render_task(plan)[0].to_json().__repr__()


def test_a_compiled_pipeline_is_planned_like_its_source():
    source = branches(str(PIPELINES / "reviews.py"))
    compiled = branches(str(PIPELINES / "compiled" / "reviews.yaml"))
    assert source == compiled


def test_a_parameter_of_the_wrong_type_is_refused():
    with pytest.raises(UsageError, match="parameter value"):
        toy("loop", items=["not a number"])


def test_a_branch_that_cannot_be_taken_does_not_count(tmp_path):
    settings = Settings(tmp_path, str(tmp_path), "off", "test")
    pipeline = load_pipeline(str(PIPELINES / "reviews.py"))
    found = rendered_pipeline(pipeline, {"framework": "baseline"}, settings, SageMakerSettings(), PLACE)
    told = {item.task: item.may_run for item in found}
    assert (told["generate"], told["train-pytorch"], told["register-2"]) == (True, False, True)
    unknown = rendered_pipeline(
        load_pipeline(f"{TESTS / 'toy_pipelines.py'}:choose"), {}, settings, SageMakerSettings(), PLACE
    )
    assert {item.task: item.may_run for item in unknown}["say-3"]


def untagged(value: object) -> object:
    """A request without its tags, wherever they stand."""
    if isinstance(value, dict):
        return {name: untagged(item) for name, item in value.items() if name != "Tags"}
    return [untagged(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("step", ["tune", "autopilot", "deploy", "transform", "package_model", "train_pytorch"])
def test_no_request_names_the_run_but_in_tags(step):
    plan = replace(a_catalogue_plan(step), run_id="run-0123-of-somebody")
    other = replace(plan, run_id="another")
    told = [untagged(request.parameters) for request in render_task(plan)]
    assert told == [untagged(request.parameters) for request in render_task(other)]
    assert "run-0123-of-somebody" not in json.dumps(told, default=str)


@pytest.mark.parametrize("name", [*TOYS, "guarded"])
def test_what_is_known_before_is_what_kfp_gives_the_task(name, tmp_path, monkeypatch):
    """kfp.local orders and resolves the same pipeline for `intermodal plan`; what it gave is compared."""
    given: dict[str, dict[str, object]] = {}
    original = plan_module._Planner.run_step

    def noted(self, label, step, fields, *rest):
        if step:
            given[label] = dict(fields["inputs"].get("parameterValues", {}))
        return original(self, label, step, fields, *rest)

    monkeypatch.setattr(plan_module._Planner, "run_step", noted)
    pipeline = load_pipeline(f"{TESTS / 'toy_pipelines.py'}:{name}")
    arguments = {"folder": str(tmp_path)} if name == "guarded" else {}
    make_plan(pipeline, arguments, Settings(tmp_path, str(tmp_path / "store"), "off", "test"))
    every = branch_plans(pipeline, arguments, SageMakerSettings(), PLACE)
    found = {item.name: item.plan for item in every if item.plan}
    plans = [(found[label], given[label]) for label in given if label in found]
    for plan, values in plans:
        known = {key: value for key, value in values.items() if key not in plan.unknown_parameters}
        assert complete_parameters(plan.spec, declared(plan.spec, known) | unknown_of(plan)) == plan.parameters
    assert plans
    # Rounds of a loop over items that only the run knows are the only tasks that stand under another name.
    assert {label.partition(".")[0] for label in given} <= {label.partition(".")[0] for label in found}


def declared(spec, values):
    return {name: value for name, value in values.items() if name in {item.name for item in spec.parameters}}


def unknown_of(plan):
    return {name: plan.parameters[name] for name in plan.unknown_parameters}
