"""Requests of endpoints, transform jobs, model packages and schedules: within AWS's limits, whatever is asked for."""

from __future__ import annotations

import json
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


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_whatever_is_deployed_is_within_the_limits_or_refused(data):
    draw = data.draw
    inputs = {"model": MODEL} | draw(st.sampled_from([{}, {"challenger": OTHER}, {"shadow": OTHER}]))
    given = {
        "endpoint": draw(st.from_regex(r"[a-zA-Z0-9](-?[a-zA-Z0-9]){0,40}", fullmatch=True) | TEXT),
        "challenger_weight": draw(st.floats(0, 1)),
        "instance_type": draw(st.sampled_from(["ml.m5.large", "ml.g5.xlarge", "m5.large"])),
        "instances": draw(st.integers(-1, 50)),
        "most_instances": draw(st.integers(0, 60)),
        "serverless_memory": draw(st.sampled_from([0, 0, 1024, 6144, 7000])),
        "serverless_concurrency": draw(st.integers(0, 300)),
        "capture_percent": draw(st.integers(-1, 101)),
        "rollout": draw(st.sampled_from(["all_at_once", "canary", "linear"])),
        "rollout_percent": draw(st.integers(0, 100)),
        "rollout_wait": draw(st.integers(0, 4000)),
        "rollback_alarms": draw(st.lists(st.text(max_size=300), max_size=12)),
        "uncompressed": draw(st.booleans()),
    }
    job = draw(st.sampled_from([JobSettings(), VPC, JobSettings(env={"A": "b"}, volume_kms_key="key")]))
    check(plan_of("deploy", inputs, job, **given))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    payload=st.integers(-1, 200),
    at_once=st.integers(-1, 200),
    kind=st.sampled_from(["ml.m5.xlarge", "x"]),
    words=st.tuples(TEXT, TEXT, TEXT),
    attempt=st.integers(1, 10**6),
)
def test_whatever_is_transformed_is_within_the_limits_or_refused(payload, at_once, kind, words, attempt):
    given = {"payload_mb": payload, "at_once": at_once, "instance_type": kind}
    plan = plan_of("transform", {"model": MODEL, "reviews": f"{STORE}/artifacts/ingest/03-ef/reviews"}, **given)
    check(replace(plan, pipeline=words[0], task=words[1], run_id=words[2], attempt=attempt))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    group=TEXT | st.just("reviews"),
    facts=st.dictionaries(TEXT, st.text(max_size=400), max_size=80),
    description=st.text(max_size=2000),
)
def test_whatever_is_packaged_is_within_the_limits_or_refused(group, facts, description):
    plan = plan_of("package_model", {"model": MODEL, "evaluation": OTHER}, group=group)
    check(plan)
    if group == "reviews":
        made = render_package(plan, Told({f"fact {number}": text for number, text in enumerate(facts.values())}))[1]
        assert problems(made.service, made.operation, made.parameters) == []
    approval = approval_request(f"arn:aws:sagemaker:us-east-1:{PLACE.account}:model-package/g/1", APPROVED, description)
    assert len(approval.parameters.get("ApprovalDescription", "")) <= 1024


def check(plan: TaskPlan) -> None:
    """A task is rendered within the limits, the same for another run; or refused with one clear error."""
    try:
        requests = render_task(plan)
    except UsageError as refused:
        assert refused.headline
        return
    valid(requests)
    other = render_task(replace(plan, run_id="another"))
    assert [untagged(item) for item in requests] == [untagged(item) for item in other]


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
