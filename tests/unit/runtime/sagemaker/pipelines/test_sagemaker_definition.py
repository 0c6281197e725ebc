"""Pipelines as SageMaker pipeline definitions: every pipeline of the repository, loops, parts, branches, refusals."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from kfp import dsl

from intermodal import component
from intermodal.aws.secrets import is_reference
from intermodal.aws.service_model import problems
from intermodal.aws.settings import JobSettings, SageMakerSettings
from intermodal.errors import UsageError
from intermodal.runtime.pipeline import load_pipeline, pipeline_of
from intermodal.runtime.sagemaker.pipelines.definition import Definition, render_definition
from intermodal.runtime.sagemaker.pipelines.expressions import referenced_steps
from intermodal.runtime.sagemaker.pipelines.flatten import flatten
from intermodal.runtime.sagemaker.pipelines.schema import all_steps, definition_problems
from intermodal.runtime.sagemaker.pipelines.step_types import STEP_TYPES
from intermodal.runtime.sagemaker_local.pipeline_values import Values
from sagemaker_plans import PLACE

PIPELINES = Path(__file__).resolve().parents[5] / "pipelines"
EVERY = sorted(path.stem for path in PIPELINES.glob("*.py"))
SETTINGS = SageMakerSettings()
generate, ingest, drift, fail = (component(name) for name in ("generate", "ingest", "drift", "fail"))


def rendered(name: str, settings: SageMakerSettings = SETTINGS, **more: Any) -> Definition:
    """A pipeline of the repository."""
    return render_definition(load_pipeline(str(PIPELINES / f"{name}.py")), settings, PLACE, **more)


def of(made: Any, settings: SageMakerSettings = SETTINGS) -> Definition:
    """A pipeline of a test."""
    return render_definition(pipeline_of(made, "test"), settings, PLACE)


def steps_of(definition: Definition) -> dict[str, dict[str, Any]]:
    """Step → its part of the definition."""
    return {step["Name"]: step for step in all_steps(definition.body["Steps"])}


def types_of(definition: Definition) -> dict[str, str]:
    """Step → its type, those inside conditions with the condition's name before theirs."""
    found = {}
    for step in definition.body["Steps"]:
        found[step["Name"]] = step["Type"]
        for inner in step["Arguments"].get("IfSteps", []):
            found[f"{step['Name']}/{inner['Name']}"] = inner["Type"]
    return found


@pytest.mark.parametrize("name", EVERY)
def test_every_pipeline_compiles_to_a_definition_that_sagemaker_takes(name: str) -> None:
    definition = rendered(name)
    assert definition_problems(definition.body) == []
    assert json.loads(definition.text) == definition.body
    tasks = {task.name for task in flatten(load_pipeline(str(PIPELINES / f"{name}.py")).spec)}
    assert tasks <= set(definition.steps)
    assert len(definition.files) == len(tasks - {"fail"})
    assert definition.digest == rendered(name).digest


@pytest.mark.parametrize("name", EVERY)
def test_every_request_of_a_pipeline_is_within_sagemakers_limits_once_its_values_are_known(name: str) -> None:
    definition = rendered(name, model_package_group="reviews")
    steps = steps_of(definition)
    arguments = {item["Name"]: item.get("DefaultValue", "x") for item in definition.body["Parameters"]}
    job = f"pipelines-{'x' * 12}-{'y' * 38}"
    described = {
        "ProcessingJobName": job,
        "TrainingJobName": job,
        "ModelArtifacts": {"S3ModelArtifacts": "s3://bucket/model.tar.gz"},
    }
    values = Values(arguments, {"PipelineExecutionId": "x" * 12}, lambda _uri: {}, dict.fromkeys(steps, described))
    checked = 0
    for step in steps.values():
        kind = STEP_TYPES[step["Type"]]
        if kind.create:
            named = {kind.name_member: job} if kind.name_member else {}
            assert problems("sagemaker", kind.create, {**named, **values.resolve(step["Arguments"])}) == []
            checked += 1
    assert checked >= 3


def test_the_flagship_has_its_branches_as_conditions_and_its_failure_as_a_fail_step() -> None:
    assert types_of(rendered("reviews")) == {
        **dict.fromkeys(("generate", "ingest", "explore", "validate", "featurize", "baseline"), "Processing"),
        "baseline": "Training",
        "evaluate": "Processing",
        "condition-2": "Condition",
        "condition-2/train-pytorch": "Training",
        "condition-2/evaluate-2": "Processing",
        "condition-2/register": "Processing",
        "condition-3": "Condition",
        "condition-3/register-2": "Processing",
        "condition-4": "Condition",
        "condition-4/fail": "Fail",
    }
    steps = steps_of(rendered("reviews"))
    framework = {"Get": "Parameters.framework"}
    pytorch = {"Type": "Equals", "LeftValue": framework, "RightValue": "pytorch"}
    baseline = {"Type": "Equals", "LeftValue": framework, "RightValue": "baseline"}
    assert steps["condition-2"]["Arguments"]["Conditions"] == [pytorch]
    assert steps["condition-3"]["Arguments"]["Conditions"] == [{"Type": "Not", "Condition": pytorch}, baseline]
    assert steps["condition-4"]["Arguments"]["Conditions"] == [
        {"Type": "Not", "Condition": pytorch},
        {"Type": "Not", "Condition": baseline},
    ]
    assert steps["condition-3"]["DisplayName"] == "baseline"
    assert steps["fail"]["Arguments"] == {"ErrorMessage": "unknown framework; expected pytorch or baseline"}


def test_a_condition_on_a_returned_value_reads_the_file_that_its_step_leaves() -> None:
    steps = steps_of(rendered("retrain"))
    read = {"PropertyFile": {"Get": "Steps.drift.PropertyFiles.outcome"}, "Path": "values.Output"}
    stable = {"Type": "Equals", "LeftValue": {"Std:JsonGet": read}, "RightValue": "stable"}
    drifted = {"Type": "Not", "Condition": stable}
    assert steps["condition-1"]["Arguments"]["Conditions"] == [drifted]
    # Conditions do not nest: the branch inside the branch says both.
    assert steps["condition-3"]["Arguments"]["Conditions"][0] == drifted
    assert len(steps["condition-3"]["Arguments"]["Conditions"]) == 2
    assert steps["drift"]["PropertyFiles"] == [
        {"PropertyFileName": "outcome", "OutputName": "outcome", "FilePath": "outcome.json"}
    ]


def test_parameters_have_sagemakers_types_and_lists_are_json() -> None:
    found = {item["Name"]: item for item in rendered("retrain").body["Parameters"]}
    assert found["rows"] == {"Name": "rows", "Type": "Integer", "DefaultValue": 10000}
    assert found["psi_threshold"] == {"Name": "psi_threshold", "Type": "Float", "DefaultValue": 0.25}
    assert found["source"] == {"Name": "source", "Type": "String", "DefaultValue": ""}
    assert json.loads(found["categories"]["DefaultValue"])[0] == "Books"


def test_a_step_gets_arguments_and_the_jobs_before_it_as_variables_and_nothing_that_names_the_execution() -> None:
    steps = steps_of(rendered("reviews"))
    environment = steps["featurize"]["Arguments"]["Environment"]
    assert environment["INTERMODAL_ARGUMENT_seed"] == {"Std:Join": {"On": "", "Values": [{"Get": "Parameters.seed"}]}}
    assert environment["INTERMODAL_FROM_0"] == {"Get": "Steps.validate.ProcessingJobName"}
    assert steps["evaluate"]["Arguments"]["Environment"]["INTERMODAL_FROM_0"] == {
        "Get": "Steps.baseline.TrainingJobName"
    }
    for step in steps.values():
        for name in STEP_TYPES[step["Type"]].cache_key:
            assert "Execution." not in json.dumps(step["Arguments"].get(name)), "SageMaker's cache would never hit"
        assert "INTERMODAL_JOB" not in step["Arguments"].get("Environment", {})


def test_sagemakers_cache_is_for_steps_whose_arguments_say_everything() -> None:
    cached = {
        name: step["CacheConfig"]["Enabled"]
        for name, step in steps_of(rendered("retrain")).items()
        if "CacheConfig" in step
    }
    assert cached["generate"] and cached["validate"] and cached["evaluate"] and cached["baseline"]
    assert not cached["ingest"]  # what lies behind the name of its source may have changed
    assert not cached["drift"]  # the champion may be another one
    assert not cached["register"]


def test_a_managed_step_asks_its_service_from_a_processing_job() -> None:
    settings = SageMakerSettings(images={"torch": "registry/torch@sha256:" + "a" * 64})
    steps = steps_of(rendered("automl", settings))
    managed = [step for step in steps.values() if "INTERMODAL_SERVICE" in step["Arguments"].get("Environment", {})]
    assert managed
    for step in managed:
        assert (step["Type"], step["CacheConfig"]) == ("Processing", {"Enabled": False})
        environment = step["Arguments"]["Environment"]
        assert environment["INTERMODAL_SERVICE"] == "sagemaker"
        assert environment["INTERMODAL_SAGEMAKER_ROLE"] == PLACE.role
        assert environment["INTERMODAL_IMAGE_TORCH"].startswith("registry/torch@")


def test_the_code_of_a_step_is_part_of_what_sagemakers_cache_compares(monkeypatch: pytest.MonkeyPatch) -> None:
    before = {file.key for file in rendered("batch").files}
    from intermodal.runtime.sagemaker.pipelines import task_file

    monkeypatch.setattr(task_file, "source_digest", lambda _files: "other")
    assert not before & {file.key for file in rendered("batch").files}


def test_a_model_package_waits_for_approval_beside_every_registered_model() -> None:
    step = steps_of(rendered("reviews", model_package_group="reviews"))["register-package"]
    assert step["Type"] == "RegisterModel"
    assert step["DependsOn"] == ["register"]
    assert step["Arguments"]["ModelApprovalStatus"] == "PendingManualApproval"
    assert referenced_steps(step["Arguments"]) == {"train-pytorch"}


@dsl.pipeline(name="part")
def part(rows: int = 5) -> dsl.Dataset:
    made = generate(rows=rows)
    return made.outputs["raw"]


@dsl.pipeline(name="parts")
def parts(rows: int = 7, where: str = "here"):
    first = part(rows=rows)
    second = part()
    ingest(raw=first.output, source=f"s3://{where}/data").after(second)
    with dsl.ParallelFor([{"rows": 1, "seed": 2}, {"rows": 3, "seed": 4}]) as item:
        generate(rows=item.rows, seed=item.seed)


def test_parts_are_dissolved_and_loops_over_known_items_unrolled() -> None:
    definition = of(parts)
    files = {json.loads(file.content)["intermodal"]["pipeline"]["task"]: file for file in definition.files}
    assert set(files) == {"part--generate", "part-2--generate", "ingest", "generate_0", "generate_1"}

    def parameters(name: str) -> Any:
        return json.loads(files[name].content)["intermodal"]["pipeline"]["parameters"]

    assert parameters("part--generate") == {"rows": {"argument": "rows"}}
    assert parameters("part-2--generate") == {"rows": {"constant": 5}}
    assert parameters("generate_1") == {"rows": {"constant": 3}, "seed": {"constant": 4}}
    assert parameters("ingest")["source"]["values"] == {"pipelinechannel--where": {"argument": "where"}}
    steps = steps_of(definition)
    assert steps["ingest"]["DependsOn"] == ["part-2--generate"]
    assert referenced_steps(steps["ingest"]["Arguments"]) == {"part--generate"}


def test_long_names_stay_within_64_characters_and_apart() -> None:
    name = "a" * 70

    @dsl.pipeline(name="long")
    def long() -> None:
        for index in range(2):
            generate(rows=index + 1).set_display_name(f"{name}{index}")

    tasks = flatten(pipeline_of(long, "test").spec)
    assert len({task.name for task in tasks}) == 2

    from intermodal.runtime.sagemaker.pipelines.flatten import _named

    first, second = _named(("b" * 60, "generate"), "_1"), _named(("c" * 60, "generate"), "_1")
    assert len(first) == len(second) == 64
    assert first != second


def refused(build: Any) -> UsageError:
    """Why a pipeline is refused."""
    made = dsl.pipeline(name="refused")(build)
    with pytest.raises(UsageError) as caught:
        of(made)
    return caught.value


def test_an_exit_handler_is_refused() -> None:
    def build() -> None:
        with dsl.ExitHandler(generate(rows=1)):
            generate(rows=2)

    assert "also runs after a failure" in refused(build).seen


def test_a_loop_over_what_only_a_task_knows_is_refused() -> None:
    def build(items: list = [1]) -> None:  # type: ignore[type-arg]  # noqa: B006
        with dsl.ParallelFor(items) as item:
            generate(rows=item)

    error = refused(build)
    assert "known only when the pipeline runs" in error.seen
    assert "--on sagemaker" in error.next_step


def test_a_task_that_waits_for_a_part_with_a_branch_is_refused() -> None:
    @dsl.pipeline(name="branching")
    def branching(rows: int = 1) -> None:
        with dsl.If(rows == 1):
            generate(rows=2)

    def build() -> None:
        generate(rows=3).after(branching())

    assert "inside a condition" in refused(build).seen


def test_a_component_that_is_no_step_is_refused() -> None:
    @dsl.container_component
    def foreign() -> dsl.ContainerSpec:
        return dsl.ContainerSpec(image="busybox", command=["true"])

    def build() -> None:
        foreign()

    assert "no step of intermodal" in refused(build).seen


def test_one_of_several_branches_is_refused() -> None:
    def build(rows: int = 1) -> None:
        with dsl.If(rows == 1):
            first = generate(rows=2)
        with dsl.Else():
            second = generate(rows=3)
        ingest(raw=dsl.OneOf(first.outputs["raw"], second.outputs["raw"]))

    assert "OneOf" in refused(build).seen


@pytest.mark.parametrize("setting", [{"network_isolation": True}, {"sharded": ["raw"]}])
def test_settings_that_only_a_launcher_can_serve_are_refused(setting: dict[str, Any]) -> None:
    settings = replace(SETTINGS, steps={"ingest": JobSettings(**setting)})
    with pytest.raises(UsageError, match="cannot run this step") as caught:
        rendered("batch", settings)
    assert next(iter(setting)) in caught.value.headline


def test_a_secret_in_plain_text_is_refused_and_a_reference_is_not() -> None:
    def build(api_token: str = "abc") -> None:  # noqa: S107
        generate(unless=api_token)

    assert "secretsmanager" in refused(build).expected
    assert is_reference("secretsmanager:reviews")

    @dsl.pipeline(name="secret")
    def fine(api_token: str = "secretsmanager:reviews") -> None:  # noqa: S107
        generate(unless=api_token)

    assert steps_of(of(fine))["generate"]["Type"] == "Processing"


def test_a_parameter_that_a_step_takes_for_a_secret_may_hold_only_a_reference() -> None:
    from intermodal.runtime.sagemaker.pipelines.parameters import argument_list

    unlock = component("sagemaker_steps:unlock")

    def build(mark: str = "plain") -> None:
        unlock(token=mark)

    assert "secretsmanager" in refused(build).expected

    @dsl.pipeline(name="marked")
    def marked(mark: str = "") -> None:
        unlock(token=mark)

    definition = of(marked)
    assert definition.secrets == ("mark",)
    with pytest.raises(UsageError, match="plain text"):
        argument_list({"mark": "plain"}, definition.secrets)
    assert argument_list({"mark": "secretsmanager:mark"}, definition.secrets)[0]["Value"] == "secretsmanager:mark"
