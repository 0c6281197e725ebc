"""Requests of endpoints, transform jobs, model packages and schedules: within AWS's limits, whatever is asked for."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from intermodal.aws.archives import archive_uri, model_data, write_archive
from intermodal.aws.deployment import Deployment, Rollout, Variant, deployment_of
from intermodal.aws.endpoints import deployment_config, render, render_deployment, update_request, weights_request
from intermodal.aws.model_packages import APPROVED, Told, approval_request, render_package
from intermodal.aws.monitoring import ONCE, Monitor, every, schedule_request
from intermodal.aws.request import Request, TaskPlan
from intermodal.aws.service_model import problems
from intermodal.aws.settings import JobSettings
from intermodal.errors import UsageError
from intermodal.runtime.sagemaker.render import render_task
from request_strategies import LETTERS, deployments, near, transforms
from sagemaker_plans import PLACE, STORE, a_catalogue_plan

MODEL, OTHER = f"{STORE}/artifacts/train/01-ab/model", f"{STORE}/artifacts/train/02-cd/model"
VPC = JobSettings(subnets=["subnet-1"], security_groups=["sg-1"], network_isolation=True)
TEXT = st.text(max_size=80)


def plan_of(step: str, inputs: dict[str, str] | None = None, job: JobSettings | None = None, **given: Any) -> TaskPlan:
    plan = a_catalogue_plan(step, job, inputs={name: (uri,) for name, uri in (inputs or {"model": MODEL}).items()})
    return replace(plan, parameters=plan.parameters | given)


def valid(requests: list[Request]) -> dict[str, dict[str, Any]]:
    """The last request of each operation; every one is within the limits of AWS's model."""
    for request in requests:
        assert problems(request.service, request.operation, request.parameters) == [], request.operation
    return {request.operation: request.parameters for request in requests}


def test_an_endpoint_is_its_model_its_configuration_and_itself():
    made = valid(render(plan_of("deploy", capture_percent=20, most_instances=4)))
    assert list(made) == [
        "CreateModel",
        "CreateEndpointConfig",
        "CreateEndpoint",
        "RegisterScalableTarget",
        "PutScalingPolicy",
    ]
    container = made["CreateModel"]["PrimaryContainer"]
    assert container["ModelDataUrl"] == archive_uri(STORE, MODEL)
    (variant,) = made["CreateEndpointConfig"]["ProductionVariants"]
    assert variant["ModelName"] == made["CreateModel"]["ModelName"]
    assert made["CreateEndpoint"]["EndpointConfigName"] == made["CreateEndpointConfig"]["EndpointConfigName"]
    assert made["CreateEndpointConfig"]["DataCaptureConfig"]["InitialSamplingPercentage"] == 20
    assert made["RegisterScalableTarget"]["ResourceId"] == "endpoint/reviews/variant/champion"
    tags = {item["Key"]: item["Value"] for item in made["CreateEndpointConfig"]["Tags"]}
    assert (tags["intermodal"], tags["intermodal:endpoint"], tags["intermodal:step"]) == ("1", "reviews", "deploy")


def test_another_run_deploys_under_the_same_names_and_another_model_under_others():
    one, again = (render(replace(plan_of("deploy"), run_id=run)) for run in ("run-1", "run-2"))
    other = render(plan_of("deploy", {"model": OTHER}))
    names = [
        [item.parameters.get("ModelName") or item.parameters.get("EndpointConfigName") for item in made[:2]]
        for made in (one, again, other)
    ]
    assert names[0] == names[1]
    assert set(names[0]).isdisjoint(names[2])


def test_a_challenger_shares_the_traffic_and_a_shadow_gets_copies():
    made = valid(render(plan_of("deploy", {"model": MODEL, "challenger": OTHER}, challenger_weight=0.2)))
    weights = {
        item["VariantName"]: item["InitialVariantWeight"] for item in made["CreateEndpointConfig"]["ProductionVariants"]
    }
    assert weights == {"champion": 0.8, "challenger": 0.2}
    made = valid(render(plan_of("deploy", {"model": MODEL, "shadow": OTHER})))
    assert [item["VariantName"] for item in made["CreateEndpointConfig"]["ShadowProductionVariants"]] == ["shadow"]


def test_a_serverless_endpoint_has_no_machines_and_an_isolated_one_its_vpc():
    made = valid(render(plan_of("deploy", serverless_memory=2048, serverless_concurrency=7)))
    (variant,) = made["CreateEndpointConfig"]["ProductionVariants"]
    assert variant["ServerlessConfig"] == {"MemorySizeInMB": 2048, "MaxConcurrency": 7}
    assert "InstanceType" not in variant
    made = valid(render(plan_of("deploy", job=VPC)))
    assert made["CreateModel"]["VpcConfig"]["Subnets"] == ["subnet-1"]
    assert made["CreateModel"]["EnableNetworkIsolation"] is True


@pytest.mark.parametrize(
    ("words", "inputs", "given"),
    [
        ("named so", {}, {"endpoint": "no spaces"}),
        ("named so", {}, {"endpoint": "x" * 64}),
        ("challenger_weight", {"challenger": OTHER}, {"challenger_weight": 1.0}),
        ("one variant alone", {"challenger": OTHER, "shadow": OTHER}, {}),
        ("serverless endpoint cannot", {"challenger": OTHER}, {"serverless_memory": 2048}),
        ("serverless endpoint cannot", {}, {"serverless_memory": 2048, "capture_percent": 5}),
        ("serverless endpoint cannot", {}, {"serverless_memory": 2048, "uncompressed": True}),
        ("most_instances", {}, {"instances": 3, "most_instances": 2}),
        ("capture_percent", {}, {"capture_percent": 101}),
        ("rollout is wrong", {}, {"rollout": "sideways"}),
        ("rollout_percent", {}, {"rollout": "canary", "rollout_percent": 60}),
        ("rollout_wait", {}, {"rollout_wait": 3601}),
        ("takes too long", {}, {"rollout": "linear", "rollout_percent": 5, "rollout_wait": 3600}),
        ("too many rollback_alarms", {}, {"rollback_alarms": [str(number) for number in range(11)]}),
    ],
)
def test_what_aws_would_refuse_after_minutes_is_refused_at_once(words, inputs, given):
    with pytest.raises(UsageError) as caught:
        render(plan_of("deploy", {"model": MODEL, **inputs}, **given))
    assert words in caught.value.headline


def test_a_rollout_in_the_words_of_aws():
    canary = deployment_config(Rollout("canary", 10, 120, ("errors",)))
    routing = canary["BlueGreenUpdatePolicy"]["TrafficRoutingConfiguration"]
    assert routing == {
        "Type": "CANARY",
        "WaitIntervalInSeconds": 120,
        "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": 10},
    }
    assert canary["AutoRollbackConfiguration"] == {"Alarms": [{"AlarmName": "errors"}]}
    deployment = deployment_of(plan_of("deploy", rollout="linear", rollout_percent=25, most_instances=2))
    requests = render_deployment(deployment)
    update = update_request(deployment, requests[1])
    assert valid([update])["UpdateEndpoint"]["RetainAllVariantProperties"] is True
    with pytest.raises(UsageError, match="share out no traffic"):
        weights_request("reviews", {"champion": 0})


# What may be wrong in a deployment, or too much; all else is right.
OF_A_DEPLOYMENT: dict[str, st.SearchStrategy[Any]] = {
    "endpoint": near(lengths=(1, 62, 63, 64, 65)) | TEXT,
    "challenger_weight": st.sampled_from([0.0, 1.0, -0.5, 2.0]),
    "instance_type": st.sampled_from(["m5.large", "", "ml.unheard-of"]),
    "instances": st.sampled_from([-1, 0, 10**6]),
    "most_instances": st.sampled_from([-1, 1, 10**6]),
    "invocations_per_instance": st.sampled_from([0, -1.0]),
    "serverless_memory": st.sampled_from([-1, 1, 1024, 6144, 7000]),
    "serverless_concurrency": st.sampled_from([0, 201, 300]),
    "capture_percent": st.sampled_from([-1, 1, 101]),
    "rollout": st.sampled_from(["sideways", "linear", "all_at_once"]),
    "rollout_percent": st.sampled_from([0, 1, 51, 100]),
    "rollout_wait": st.sampled_from([-1, 3600, 3601]),
    "rollback_alarms": st.lists(near(lengths=(1, 254, 255, 256)), min_size=9, max_size=12),
    "uncompressed": st.just(True),
}
OF_A_TRANSFORM: dict[str, st.SearchStrategy[Any]] = {
    "payload_mb": st.sampled_from([-1, 0, 101, 200]),
    "at_once": st.sampled_from([-1, 0, 101, 200]),
    "instance_type": st.sampled_from(["x", "", "ml.inf2.xlarge"]),
}
OF_A_JOB: dict[str, st.SearchStrategy[Any]] = {
    "env": st.dictionaries(near(lengths=(1, 1023, 1024, 1025)), near(lengths=(1023, 1024, 1025)), max_size=20),
    "subnets": st.just([f"subnet-{number}" for number in range(17)]),
    "volume_kms_key": near(lengths=(2047, 2048, 2049)),
    "output_kms_key": near(lengths=(2047, 2048, 2049)),
    "instances": st.sampled_from([-1, 101]),
}


@st.composite
def spoiled(draw: st.DrawFn, plan: TaskPlan, given: dict[str, st.SearchStrategy[Any]]) -> TaskPlan:
    """A plan in which one parameter or setting is, perhaps, not as SageMaker wants it."""
    name = draw(st.sampled_from([*given, *OF_A_JOB]))
    if name in given:
        return replace(plan, parameters=plan.parameters | {name: draw(given[name])})
    job = replace(plan.settings.job, **{name: draw(OF_A_JOB[name])})
    return replace(plan, settings=replace(plan.settings, job=job))


@pytest.mark.parametrize(
    ("right", "wrong"),
    [(deployments(), OF_A_DEPLOYMENT), (transforms(), OF_A_TRANSFORM)],
    ids=["deploy", "transform"],
)
def test_whatever_is_asked_is_within_the_limits_or_refused(right: Any, wrong: Any) -> None:
    ends: Counter[bool] = Counter()

    @settings(max_examples=60, deadline=None, suppress_health_check=[*HealthCheck])
    @given(plan=right | right.flatmap(lambda plan: spoiled(plan, wrong)))
    def render(plan: TaskPlan) -> None:
        ends[check(plan)] += 1

    render()
    assert ends[True] > 5, "hardly anything was rendered"
    assert ends[False] > 0, "nothing was refused"


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    group=near(lengths=(1, 62, 63, 64)) | st.sampled_from(["reviews", "r" * 63]),
    facts=st.dictionaries(near(LETTERS, most=128), near(lengths=(1, 255, 256, 257)), max_size=80),
    description=near(lengths=(1, 1023, 1024, 1025, 2000)),
)
def test_whatever_is_packaged_is_within_the_limits_or_refused(group, facts, description):
    plan = plan_of("package_model", {"model": MODEL, "evaluation": OTHER}, group=group)
    if group.startswith("r"):
        assert check(plan)
        made = render_package(plan, Told(facts, description))[1]
        assert problems(made.service, made.operation, made.parameters) == []
    else:
        check(plan)
    approval = approval_request(f"arn:aws:sagemaker:us-east-1:{PLACE.account}:model-package/g/1", APPROVED, description)
    assert problems(approval.service, approval.operation, approval.parameters) == []


def check(plan: TaskPlan) -> bool:
    """Whether a task is rendered: within the limits, the same for another run; else it is refused with one error."""
    try:
        requests = render_task(plan)
    except UsageError as refused:
        assert refused.headline
        return False
    valid(requests)
    other = render_task(replace(plan, run_id="another"))
    assert [untagged(item) for item in requests] == [untagged(item) for item in other]
    return True


def untagged(request: Request) -> str:
    return json.dumps({**request.parameters, "Tags": []}, sort_keys=True)


def test_a_version_pends_and_carries_where_it_came_from():
    made = valid(render_package(plan_of("package_model", {"model": MODEL}), Told({"mlflow_version": "3", "empty": ""})))
    version = made["CreateModelPackage"]
    assert version["ModelApprovalStatus"] == "PendingManualApproval"
    assert version["CustomerMetadataProperties"]["mlflow_version"] == "3"
    assert "empty" not in version["CustomerMetadataProperties"]
    assert "Tags" not in version  # AWS takes none on a version of a group
    with pytest.raises(UsageError, match="no such approval"):
        approval_request("arn", "Perhaps")


def test_a_schedule_runs_our_image_on_what_the_endpoint_captured():
    monitor = Monitor("reviews", "image", PLACE.role, f"{STORE}/monitoring/reviews", f"{STORE}/reference.json")
    made = valid([schedule_request(monitor)])["CreateMonitoringSchedule"]["MonitoringScheduleConfig"]
    definition = made["MonitoringJobDefinition"]
    assert definition["MonitoringInputs"][0]["EndpointInput"]["EndpointName"] == "reviews"
    assert definition["MonitoringAppSpecification"]["ContainerEntrypoint"][-1] == "drift-captured"
    assert definition["BaselineConfig"]["ConstraintsResource"]["S3Uri"].endswith("reference.json")
    once = valid([schedule_request(replace(monitor, expression=ONCE, endpoint="e" * 63, settings=VPC))])
    assert once["CreateMonitoringSchedule"]["MonitoringScheduleConfig"]["ScheduleConfig"]["ScheduleExpression"] == "NOW"
    assert [every(1), every(6), every(24)] == ["cron(0 * ? * * *)", "cron(0 0/6 ? * * *)", "cron(0 0 ? * * *)"]
    with pytest.raises(UsageError, match="cannot run so"):
        every(25)
    with pytest.raises(UsageError, match="kind of monitoring"):
        schedule_request(replace(monitor, kind="Weather"))


def test_the_same_model_is_the_same_archive_without_its_manifest(tmp_path: Path):
    import tarfile

    for name in ("one", "two"):
        (tmp_path / name / "deep").mkdir(parents=True)
        (tmp_path / name / "deep" / "b.txt").write_text("b")
        (tmp_path / name / "a.txt").write_text("a")
        (tmp_path / name / "manifest.json").write_text(name)
        write_archive(tmp_path / name, tmp_path / f"{name}.tar.gz")
    assert (tmp_path / "one.tar.gz").read_bytes() == (tmp_path / "two.tar.gz").read_bytes()
    with tarfile.open(tmp_path / "one.tar.gz") as archive:
        assert archive.getnames() == ["a.txt", "deep/b.txt"]


def test_a_model_is_named_as_an_archive_or_as_a_prefix():
    assert archive_uri(STORE, "s3://b/model.tar.gz") == "s3://b/model.tar.gz"
    assert model_data("s3://b/model.tar.gz") == {"ModelDataUrl": "s3://b/model.tar.gz"}
    assert model_data("s3://b/model")["ModelDataSource"]["S3DataSource"]["S3Uri"] == "s3://b/model/"


def test_a_deployment_is_a_value_that_can_be_made_by_hand():
    variants = (Variant("a", "s3://b/a.tar.gz", 3), Variant("b", "s3://b/b.tar.gz", 1))
    made = valid(render_deployment(Deployment("by-hand", variants, "image", PLACE.role)))
    assert len(made["CreateEndpointConfig"]["ProductionVariants"]) == 2


@pytest.mark.parametrize("step", ["deploy", "transform", "package_model"])
def test_no_secret_reaches_a_model_that_everybody_can_describe(step: str):
    inputs = {"model": MODEL, "reviews": OTHER} if step == "transform" else {"model": MODEL}
    with pytest.raises(UsageError) as caught:
        render_task(plan_of(step, inputs, JobSettings(env={"HF_TOKEN": "c4n4ry-5tr1ng"})))
    assert "c4n4ry" not in str(caught.value)
    with pytest.raises(UsageError):
        plan = plan_of(step, inputs)
        render_task(replace(plan, settings=replace(plan.settings, tags={"db_password": "c4n4ry-5tr1ng"})))
