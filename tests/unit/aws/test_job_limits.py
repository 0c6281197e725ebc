"""Whatever the settings and parameters, a request is within SageMaker's limits or refused with one clear error."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from intermodal.aws.request import TaskPlan
from intermodal.aws.service_model import problems
from intermodal.aws.settings import JobSettings
from intermodal.errors import UsageError
from intermodal.runtime.sagemaker.render import RenderedJob, render_job
from request_strategies import VALUES, job_plans, jobs, near
from sagemaker_plans import STORE, a_plan, a_spec

NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")
TEXT = st.text(max_size=30)
LONG = st.text(max_size=600)
CANARY = "c4n4ry-5tr1ng"
NEVER_PRESENT = "no input is called so"
# Where one thing of a task may be wrong, or too much; all else is right.
OF_THE_JOB: dict[str, st.SearchStrategy[Any]] = {
    "instance_type": st.sampled_from(["ml.unheard-of", "m5.large", " "]),
    "instances": st.sampled_from([0, -1, 101, 10**6]),
    "volume_gb": st.sampled_from([0, 16_385, 40_000]),
    "max_runtime": st.sampled_from([0, 432_001, 10**7]),
    "input_mode": st.just("Pipe"),
    "sharded": st.just([NEVER_PRESENT]),
    "subnets": st.just([f"subnet-{number}" for number in range(17)]),
    "security_groups": st.just([f"sg-{number}" for number in range(6)]),
    "volume_kms_key": near(),
    "output_kms_key": near(),
    "warm_pool": st.sampled_from([-1, 3601, 10**6]),
    "attempts": st.sampled_from([-1, 31]),
    "env": st.dictionaries(near() | st.just("INTERMODAL_STORE"), near(), min_size=1, max_size=4),
}
OF_THE_PLAN: dict[str, st.SearchStrategy[Any]] = {
    "image": near(),
    "pipeline": LONG,
    "task": LONG,
    "parameters": st.dictionaries(near(), near(), max_size=9),
    "inputs": st.just({f"data{number}": (f"{STORE}/artifacts/a/b/{number}",) for number in range(40)}),
}
TAGS_BEYOND = st.just({f"tag {number}": "v" for number in range(60)}) | st.dictionaries(near(), near(), max_size=5)


@st.composite
def spoiled(draw: st.DrawFn, plan: TaskPlan) -> TaskPlan:
    """A plan in which one thing is, perhaps, not as SageMaker wants it."""
    name = draw(st.sampled_from(["tags", *OF_THE_JOB, *OF_THE_PLAN]))
    if name == "tags":
        return replace(plan, settings=replace(plan.settings, tags=draw(TAGS_BEYOND)))
    if name in OF_THE_PLAN:
        return replace(plan, **{name: draw(OF_THE_PLAN[name])})
    job = replace(plan.settings.job, **{name: draw(OF_THE_JOB[name])})
    return replace(plan, settings=replace(plan.settings, job=job))


def plans() -> st.SearchStrategy[TaskPlan]:
    either = job_plans("processing") | job_plans("training")
    return either | either.flatmap(spoiled)


def rendered(plan: TaskPlan) -> RenderedJob | None:
    """The job, or None when it was refused."""
    try:
        return render_job(plan)
    except UsageError as refused:
        assert refused.headline
        assert re.search(r"sagemaker|parameter|variable|input|Deep Learning|secret|channel", str(refused))
        return None


def test_a_request_is_within_the_limits_or_refused():
    ends: Counter[bool] = Counter()

    @settings(max_examples=150, deadline=None, suppress_health_check=[*HealthCheck])
    @given(plan=plans())
    def check(plan: TaskPlan) -> None:
        job = rendered(plan)
        ends[job is not None] += 1
        if job is not None:
            is_sound(plan, job)

    check()
    assert ends[True] > 30, "hardly anything was rendered"
    assert ends[False] > 0, "nothing was refused"


def is_sound(plan: TaskPlan, job: RenderedJob) -> None:
    """A job is within the limits, and the same in every run."""
    assert problems("sagemaker", job.request.operation, job.request.parameters) == []
    assert NAME.fullmatch(job.name)
    assert len(job.name) <= 63
    again, other = render_job(plan), render_job(replace(plan, run_id=f"not {plan.run_id}"))
    assert again == job
    assert (other.name, other.digest, other.staged_files) == (job.name, job.digest, job.staged_files)
    assert {**other.request.parameters, "Tags": []} == {**job.request.parameters, "Tags": []}


def test_a_key_that_is_too_long_for_a_variable_is_named_as_the_setting_that_it_is():
    with pytest.raises(UsageError) as caught:
        render_job(a_plan(job=JobSettings(output_kms_key="k" * 257)))
    assert caught.value.next_step == "shorten [sagemaker] output_kms_key"


@settings(max_examples=20, deadline=None, suppress_health_check=[*HealthCheck])
@given(job=jobs(("training",)), kept=st.integers(1, 3600))
def test_spare_capacity_that_shall_be_kept_is_refused_with_one_clear_error(job: JobSettings, kept: int):
    with pytest.raises(UsageError) as caught:
        render_job(a_plan(a_spec(job="training"), replace(job, spot=True, warm_pool=kept)))
    assert caught.value.headline == "sagemaker.warm_pool cannot be used with spot = true"
    assert caught.value.seen == f"warm_pool = {kept}"
    assert caught.value.expected == "one of the two: spare capacity cannot be kept"


@settings(max_examples=60, deadline=None, suppress_health_check=[*HealthCheck])
@given(
    job=jobs(),
    names=st.lists(near("abcäλ_", most=90), max_size=30, unique=True),
    parameters=st.dictionaries(near("abcäλ", most=90), VALUES | near(lengths=(2500, 5000)), max_size=30),
    target=near(most=600),
    words=st.tuples(LONG, st.text(max_size=256), LONG),
)
def test_no_name_number_of_inputs_or_parameter_is_too_much(job, names, parameters, target, words):
    job = replace(job, network_isolation=False)  # else SageMaker itself must bring every input
    plan = a_plan(a_spec(tuple(names), target=target), job, parameters=parameters)
    made = render_job(replace(plan, pipeline=words[0], task=words[1], run_id=words[2]))
    assert problems("sagemaker", made.request.operation, made.request.parameters) == []
    assert json.loads(made.staged_files[0].content)["inputs"]["parameterValues"] == parameters


@settings(max_examples=60, deadline=None)
@given(pipeline=TEXT, task=LONG, attempt=st.integers(1, 10**9))
def test_any_task_of_any_pipeline_has_a_name(pipeline, task, attempt):
    job = rendered(a_plan(pipeline=pipeline, task=task[:250], attempt=attempt))
    assert job is not None
    assert NAME.fullmatch(job.name)
    assert job.digest[:12] in job.name


PLACES_OF_SECRETS = {
    "parameter": {"parameters": {"api_key": CANARY}},
    "inner": {"parameters": {"options": {"deep": [{"dbPassword": CANARY}]}}},
    "address": {"parameters": {"source": f"https://user:{CANARY}@host/data"}},
    "variable": {"job": JobSettings(env={"HF_TOKEN": CANARY})},
    "address in a variable": {"job": JobSettings(env={"MLFLOW_TRACKING_URI": f"https://me:{CANARY}@mlflow"})},
    "tag": {"settings": {"tags": {"team-secret": CANARY}}},
}


@pytest.mark.parametrize("kind", ["processing", "training"])
@pytest.mark.parametrize("where", PLACES_OF_SECRETS)
def test_a_secret_is_refused_and_never_shown(where, kind):
    with pytest.raises(UsageError) as caught:
        render_job(a_plan(a_spec(job=kind), **PLACES_OF_SECRETS[where]))
    told = json.dumps(caught.value.to_json()) + str(caught.value)
    assert CANARY not in told
    assert "secretsmanager:NAME" in told


@settings(max_examples=40, deadline=None, suppress_health_check=[*HealthCheck])
@given(name=st.sampled_from(["token", "api_key", "hf_token", "db_password", "clientSecret", "credentials"]), job=jobs())
def test_a_planted_secret_is_in_nothing_that_is_rendered(name, job):
    assert rendered(a_plan(job=job, parameters={name: CANARY})) is None
    made = render_job(a_plan(job=job, parameters={name: "secretsmanager:prod/reviews#key"}))
    whole = json.dumps(made.request.parameters) + "".join(item.content.decode() for item in made.staged_files)
    assert CANARY not in whole
    assert "secretsmanager:prod/reviews#key" in whole


def test_environment_variables_of_the_submitter_are_in_no_request(monkeypatch):
    for name in ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "MLFLOW_TRACKING_PASSWORD", "HF_TOKEN"):
        monkeypatch.setenv(name, CANARY)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"https://me:{CANARY}@mlflow")
    job = render_job(a_plan(a_spec(job="training"), JobSettings(spot=True, debugger=True)))
    assert CANARY not in json.dumps(job.request.parameters) + job.staged_files[0].content.decode()
