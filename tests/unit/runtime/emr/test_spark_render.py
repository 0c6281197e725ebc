"""A step as a Spark job run: what the request says, what it never says, and what is refused."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intermodal.aws.data_settings import EmrSettings
from intermodal.aws.emr import ON_EKS, PLACES, SERVERLESS
from intermodal.aws.request import TaskPlan
from intermodal.aws.service_model import problems
from intermodal.aws.settings import JobSettings
from intermodal.core.executor_input import parse
from intermodal.core.step import Needs
from intermodal.errors import UsageError
from intermodal.runtime.emr.render import render_spark_job
from intermodal.runtime.sagemaker.render import RenderedJob, job_executor_input
from sagemaker_plans import IMAGE, STORE, a_catalogue_plan, a_plan, a_spec

EMR = EmrSettings("00abc1", "vc1", executors=3, max_runtime=601, configuration={"spark.executor.memory": "6g"})
SPARK = a_spec(needs=Needs(image="spark"), name="count")


def spark_plan(**fields: Any) -> TaskPlan:
    return a_plan(SPARK, **fields)


def rendered(where: str, emr: EmrSettings = EMR, **fields: Any) -> RenderedJob:
    return render_spark_job(spark_plan(**fields), where, emr)


def confs(job: RenderedJob) -> dict[str, str]:
    """Spark's settings in a request."""
    driver = next(iter(job.request.parameters["jobDriver"].values()))
    words = shlex.split(driver["sparkSubmitParameters"])
    return dict(word.split("=", 1) for word in words if word != "--conf")


@pytest.mark.parametrize("where", PLACES)
def test_the_step_of_the_catalogue_is_a_request_that_aws_takes(where: str) -> None:
    job = render_spark_job(a_catalogue_plan("explore_spark"), where, EMR)
    request = job.request
    assert request.operation == "StartJobRun"
    assert problems(request.service, request.operation, request.parameters) == []
    assert request.parameters["name"] == job.name
    driver = next(iter(request.parameters["jobDriver"].values()))
    program, text = f"{STORE}/jobs/{job.name}/input/run_step.py", "executor_input.json"
    assert driver["entryPoint"] == program
    assert [item.key for item in job.staged_files] == [
        f"jobs/{job.name}/input/{name}" for name in (text, "run_step.py")
    ]


NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=200)
# A task's name goes into a variable, which is one line of text. KFP's names are.
LINES = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1, max_size=80)


@given(
    pipeline=NAMES,
    task=LINES,
    attempt=st.integers(1, 99),
    value=st.text(st.characters(codec="utf-8", exclude_characters="\0")),
    where=st.sampled_from(PLACES),
)
def test_whatever_a_task_is_called_and_given_the_request_is_within_aws_limits(
    pipeline: str, task: str, attempt: int, value: str, where: str
) -> None:
    job = rendered(where, pipeline=pipeline, task=task, attempt=attempt, parameters={"text": value})
    assert problems(job.request.service, job.request.operation, job.request.parameters) == []
    assert len(job.name) <= 64
    assert parse(job.staged_files[0].content.decode()).parameters["text"] == value


@pytest.mark.parametrize("where", PLACES)
def test_a_variable_of_two_lines_is_refused(where: str) -> None:
    with pytest.raises(UsageError, match="sparkSubmitParameters"):
        rendered(where, task="one\nother")


@pytest.mark.parametrize("where", PLACES)
def test_the_driver_is_given_the_executor_input_of_a_sagemaker_job(where: str) -> None:
    job = rendered(where)
    assert json.loads(job.staged_files[0].content) == job_executor_input(spark_plan())


@pytest.mark.parametrize("where", PLACES)
def test_a_job_is_the_same_in_every_run_but_for_its_tags(where: str) -> None:
    one, other = rendered(where), rendered(where, run_id="another-run")
    first, second = dict(one.request.parameters), dict(other.request.parameters)
    assert first.pop("tags") != second.pop("tags")
    assert first == second
    assert "run-1" not in json.dumps(first) + one.staged_files[0].content.decode()


@pytest.mark.parametrize(
    "change",
    [{"parameters": {"n": 4}}, {"nonce": "k"}, {"inputs": {"data": (f"{STORE}/artifacts/before/9-ab/data",)}}],
)
def test_other_work_has_another_name_and_token_and_so_has_another_attempt(change: dict[str, Any]) -> None:
    def identity(**fields: Any) -> tuple[str, str]:
        job = rendered(SERVERLESS, **fields)
        return job.name, job.request.parameters["clientToken"]

    found = [identity(), identity(**change), identity(attempt=2)]
    assert len({name for name, _ in found}) == len({token for _, token in found}) == 3
    assert rendered(SERVERLESS).digest == rendered(SERVERLESS, attempt=2).digest


def test_how_long_it_may_take_is_always_said() -> None:
    serverless, on_eks = rendered(SERVERLESS), rendered(ON_EKS)
    assert serverless.request.parameters["executionTimeoutMinutes"] == 11
    assert confs(serverless)["spark.emr-serverless.driverEnv.INTERMODAL_MAX_RUNTIME"] == "601"
    assert confs(on_eks)["spark.kubernetes.driverEnv.INTERMODAL_MAX_RUNTIME"] == "601"


def test_sparks_own_settings_the_python_of_the_image_and_the_image_itself() -> None:
    serverless, on_eks = confs(rendered(SERVERLESS)), confs(rendered(ON_EKS))
    for found in (serverless, on_eks):
        assert found["spark.executor.memory"] == "6g"
        assert found["spark.executor.instances"] == "3"
        assert found["spark.executorEnv.PYSPARK_PYTHON"] == EMR.python
    assert on_eks["spark.kubernetes.container.image"] == IMAGE
    assert IMAGE not in serverless.values()  # it is the application's


def test_what_only_sagemaker_can_give_is_left_out() -> None:
    own = JobSettings(network_isolation=True, sharded=["data"], instances=3, processes=2, env={"WORD": "it's"})
    job = rendered(ON_EKS, job=own)
    variables = {name for name in confs(job) if name.startswith("spark.kubernetes.driverEnv.")}
    assert not {name for name in variables if name.endswith(("_ISOLATED", "_SHARDED", "_PROCESSES"))}
    assert confs(job)["spark.kubernetes.driverEnv.WORD"] == "it's"
    assert json.loads(job.staged_files[0].content)["intermodal"]["sharded"] == []


def test_what_is_not_known_yet_is_named() -> None:
    plan = spark_plan(unknown_inputs=("data",))
    assert {"name", "clientToken"} <= set(render_spark_job(plan, SERVERLESS, EMR).request.unknown)
    assert render_spark_job(spark_plan(), SERVERLESS, EMR).request.unknown == ()


@pytest.mark.parametrize(
    ("where", "emr", "fields", "part"),
    [
        (SERVERLESS, EmrSettings(), {}, "application"),
        (ON_EKS, EmrSettings(), {}, "virtual cluster"),
        (SERVERLESS, EMR, {"parameters": {"password": "hunter22hunter22"}}, "password"),
        (SERVERLESS, EMR, {"job": JobSettings(env={"INTERMODAL_STORE": "s3://other"})}, "INTERMODAL_STORE"),
    ],
)
def test_what_cannot_be_sent_is_refused(where: str, emr: EmrSettings, fields: dict[str, Any], part: str) -> None:
    with pytest.raises(UsageError) as caught:
        rendered(where, emr, **fields)
    assert part in str(caught.value)


@pytest.mark.parametrize("needs", [Needs(), Needs(image="torch"), Needs(image="spark", job="managed")])
def test_a_step_that_is_not_for_spark_is_refused(needs: Needs) -> None:
    with pytest.raises(UsageError, match="step count is not one for Spark"):
        render_spark_job(replace(spark_plan(), spec=replace(SPARK, needs=needs)), SERVERLESS, EMR)
