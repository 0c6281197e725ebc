"""Whatever the settings and parameters, a request is within SageMaker's limits or refused with one clear error."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from string import ascii_letters

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from intermodal.aws.request import TaskPlan
from intermodal.aws.service_model import problems
from intermodal.aws.settings import JobSettings
from intermodal.errors import UsageError
from intermodal.runtime.sagemaker.render import RenderedJob, render_job
from sagemaker_plans import STORE, a_plan, a_spec

NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")
TEXT = st.text(max_size=30)
LONG = st.text(max_size=600)
WORD = st.text(ascii_letters + "_0123456789-äö", min_size=1, max_size=90)
IDENTIFIER = st.from_regex(r"[a-zA-Z_äλ][a-zA-Z0-9_äλ]{0,90}", fullmatch=True)
INSTANCES = ["", "ml.m5.xlarge", "ml.g5.xlarge", "ml.t3.medium", "ml.p4d.24xlarge", "ml.unheard-of"]
VALUES = st.one_of(st.integers(), st.booleans(), st.floats(allow_nan=False), TEXT, st.lists(TEXT, max_size=3))
CANARY = "c4n4ry-5tr1ng"

JOBS = st.builds(
    JobSettings,
    kind=st.sampled_from(["", "processing", "training"]),
    instance_type=st.sampled_from(INSTANCES),
    instances=st.integers(1, 200),
    volume_gb=st.integers(1, 40_000),
    max_runtime=st.integers(1, 1_000_000),
    input_mode=st.sampled_from(["File", "FastFile", "Pipe"]),
    sharded=st.lists(IDENTIFIER, max_size=2),
    subnets=st.just([]) | st.lists(WORD, min_size=1, max_size=20),
    security_groups=st.lists(WORD, min_size=1, max_size=7),
    network_isolation=st.booleans(),
    encrypt_traffic=st.booleans(),
    volume_kms_key=st.just("") | TEXT,
    output_kms_key=st.just("") | TEXT,
    spot=st.booleans(),
    max_wait=st.just(0),
    warm_pool=st.integers(0, 30_000),
    attempts=st.integers(0, 40),
    checkpoints=st.booleans(),
    processes=st.integers(0, 8),
    debugger=st.booleans(),
    profiler=st.booleans(),
    tensorboard=st.booleans(),
    env=st.dictionaries(IDENTIFIER | TEXT, LONG, max_size=4),
)


@st.composite
def plans(draw: st.DrawFn) -> TaskPlan:
    names = tuple(draw(st.lists(IDENTIFIER, max_size=25, unique=True)))
    spec = a_spec(names, job=draw(st.sampled_from(["processing", "training"])), target=draw(st.text(max_size=400)))
    uris = st.text(max_size=60).map(lambda text: f"{STORE}/artifacts/a/b-c/{text}") | TEXT.map("s3://other/{}".format)
    inputs = {name: tuple(draw(st.lists(uris, max_size=2))) for name in names}
    tags = draw(st.dictionaries(TEXT, LONG, max_size=5) | st.just({f"tag {n}": "v" for n in range(60)}))
    return a_plan(
        spec,
        draw(JOBS),
        inputs=inputs,
        parameters=draw(st.dictionaries(IDENTIFIER, VALUES, max_size=5)),
        settings={"tags": tags},
        pipeline=draw(WORD | TEXT),
        task=draw(WORD | LONG),
        run_id=draw(TEXT),
        image=draw(st.text(min_size=1, max_size=300)),
        attempt=draw(st.integers(1, 10**6)),
    )


def rendered(plan: TaskPlan) -> RenderedJob | None:
    """The job, or None when it was refused."""
    try:
        return render_job(plan)
    except UsageError as refused:
        assert refused.headline
        assert re.search(r"sagemaker|parameter|variable|input|Deep Learning|secret|channel", str(refused))
        return None


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(plan=plans())
def test_a_request_is_within_the_limits_or_refused(plan):
    job = rendered(plan)
    if job is None:
        return
    assert problems("sagemaker", job.request.operation, job.request.parameters) == []
    assert NAME.fullmatch(job.name)
    assert len(job.name) <= 63
    again, other = render_job(plan), render_job(replace(plan, run_id=f"not {plan.run_id}"))
    assert again == job
    assert (other.name, other.digest, other.staged_files) == (job.name, job.digest, job.staged_files)
    assert {**other.request.parameters, "Tags": []} == {**job.request.parameters, "Tags": []}


SENSIBLE = st.builds(
    JobSettings,
    kind=st.sampled_from(["", "processing", "training"]),
    instance_type=st.sampled_from(["", "ml.m5.xlarge", "ml.g5.xlarge"]),
    instances=st.integers(1, 100),
    volume_gb=st.integers(1, 16_384),
    max_runtime=st.integers(1, 432_000),
    input_mode=st.sampled_from(["File", "FastFile"]),
    sharded=st.lists(IDENTIFIER, max_size=2),
    spot=st.booleans(),
    attempts=st.integers(0, 30),
    env=st.dictionaries(st.from_regex(r"X[A-Z_]{0,9}", fullmatch=True), st.text(max_size=256), max_size=4),
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    job=SENSIBLE,
    names=st.lists(IDENTIFIER, max_size=30, unique=True),
    parameters=st.dictionaries(IDENTIFIER, VALUES | st.text(min_size=2000, max_size=5000), max_size=30),
    target=st.text(min_size=1, max_size=600),
    words=st.tuples(LONG, st.text(max_size=256), LONG),
)
def test_no_name_number_of_inputs_or_parameter_is_too_much(job, names, parameters, target, words):
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


@settings(max_examples=40, deadline=None)
@given(name=st.sampled_from(["token", "api_key", "hf_token", "db_password", "clientSecret", "credentials"]), job=JOBS)
def test_a_planted_secret_is_in_nothing_that_is_rendered(name, job):
    job = replace(job, env={}, kind="")
    assert rendered(a_plan(job=job, parameters={name: CANARY})) is None
    made = rendered(a_plan(job=job, parameters={name: "secretsmanager:prod/reviews#key"}))
    if made is not None:
        whole = json.dumps(made.request.parameters) + "".join(item.content.decode() for item in made.staged_files)
        assert CANARY not in whole
        assert "secretsmanager:prod/reviews#key" in whole


def test_environment_variables_of_the_submitter_are_in_no_request(monkeypatch):
    for name in ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "MLFLOW_TRACKING_PASSWORD", "HF_TOKEN"):
        monkeypatch.setenv(name, CANARY)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"https://me:{CANARY}@mlflow")
    job = render_job(a_plan(a_spec(job="training"), JobSettings(spot=True, debugger=True)))
    assert CANARY not in json.dumps(job.request.parameters) + job.staged_files[0].content.decode()
