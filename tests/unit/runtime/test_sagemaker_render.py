"""A task as a job of SageMaker: what its request says, and what it never says."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from intermodal.aws.request import Request, TaskPlan
from intermodal.aws.service_model import problems
from intermodal.aws.settings import JobSettings
from intermodal.core.executor_input import parse
from intermodal.core.step import Needs
from intermodal.errors import UsageError
from intermodal.runtime.sagemaker.render import RenderedJob, job_executor_input, render_job, render_task
from sagemaker_plans import IMAGE, STORE, a_catalogue_plan, a_plan, a_spec

GOLDEN = Path(__file__).parents[2] / "golden"
TRAINING = a_spec(job="training")
REFUSED = [
    (JobSettings(spot=True, warm_pool=60), "warm_pool"),
    (JobSettings(input_mode="Pipe"), "input_mode"),
    (JobSettings(instance_type="ml.g5.xlarge", volume_kms_key="key"), "volume_kms_key"),
    (JobSettings(instance_type="ml.nothing"), "InstanceType"),
    (JobSettings(warm_pool=100_000), "KeepAlivePeriodInSeconds"),
    (JobSettings(attempts=31), "MaximumRetryAttempts"),
    (JobSettings(env={"LONG": "x" * 513}), "LONG"),
    (JobSettings(env={"not a name": "x"}), "sagemaker.env"),
    (JobSettings(env={"INTERMODAL_STORE": "s3://other"}), "INTERMODAL_STORE"),
    (JobSettings(source_dir="/nowhere/at/all", entry_point="train.py"), "source_dir"),
    (JobSettings(subnets=["subnet 1"], security_groups=["sg-1"]), "Subnets"),
]


def training(**settings: object) -> dict[str, object]:
    return render_job(a_plan(TRAINING, JobSettings(**settings))).request.parameters  # type: ignore[arg-type]


def processing(**settings: object) -> dict[str, object]:
    return render_job(a_plan(job=JobSettings(**settings))).request.parameters  # type: ignore[arg-type]


def as_json(job: RenderedJob) -> str:
    staged = {item.key: json.loads(item.content) for item in job.staged_files}
    return json.dumps({**job.request.to_json(), "staged": staged, "digest": job.digest}, indent=1) + "\n"


@pytest.mark.parametrize("step", ["train_pytorch", "featurize"])
def test_requests_of_flagship_tasks_are_as_they_were(step):
    path, made = GOLDEN / f"sagemaker_{step}.json", as_json(render_job(a_catalogue_plan(step)))
    if os.environ.get("WRITE_GOLDEN"):
        path.write_text(made)
    assert made == path.read_text(), "if this is meant: WRITE_GOLDEN=1 pytest …"


@pytest.mark.parametrize("spec", [TRAINING, a_spec()])
def test_a_job_is_the_same_in_every_run_but_for_its_tags(spec):
    one, other = render_job(a_plan(spec)), render_job(a_plan(spec, run_id="another-run"))
    assert (one.name, one.digest, one.staged_files) == (other.name, other.digest, other.staged_files)
    first, second = dict(one.request.parameters), dict(other.request.parameters)
    assert first.pop("Tags") != second.pop("Tags")
    assert first == second
    assert "run-1" not in json.dumps(first) + one.staged_files[0].content.decode()


@pytest.mark.parametrize(
    "change",
    [
        {"parameters": {"n": 4}},
        {"nonce": "k"},
        {"image": IMAGE.replace("aaa", "bbb")},
        {"inputs": {"data": (f"{STORE}/artifacts/before/9-ab/data",)}},
    ],
)
def test_other_work_is_another_job(change):
    assert render_job(a_plan()).name != render_job(a_plan(**change)).name


def test_an_attempt_has_a_name_of_its_own_for_the_same_work():
    first, second = render_job(a_plan()), render_job(a_plan(attempt=2))
    assert second.name == f"{first.name}-2"
    assert first.digest == second.digest
    mark = "INTERMODAL_REQUEST"
    assert first.request.parameters["Environment"][mark] == second.request.parameters["Environment"][mark]


def test_another_attempt_goes_on_from_the_checkpoints():
    places = {
        render_job(a_plan(TRAINING, JobSettings(checkpoints=True), attempt=number)).request.parameters[
            "CheckpointConfig"
        ]["S3Uri"]
        for number in (1, 2)
    }
    assert len(places) == 1
    assert places.pop().startswith(f"{STORE}/jobs/checkpoints/")


def test_the_job_finds_its_executor_input_where_its_arguments_say():
    for spec, root in ((TRAINING, "/opt/ml/input/data"), (a_spec(), "/opt/ml/processing/input")):
        job = render_job(a_plan(spec))
        body = job.request.parameters
        holder = body.get("AppSpecification") or body["AlgorithmSpecification"]
        assert holder["ContainerEntrypoint"] == ["python3", "-m", "intermodal", "task"]
        assert holder["ContainerArguments"][-1] == f"@{root}/intermodal/executor_input.json"
        (staged,) = job.staged_files
        assert staged.key == f"jobs/{job.name}/input/executor_input.json"
        assert f"{STORE}/jobs/{job.name}/input/" in json.dumps(body)
        given = parse(staged.content.decode())
        assert given.parameters == {"n": 3}
        assert given.inputs["data"][0].uri == f"{STORE}/artifacts/before/0123-ab/data"


def test_outputs_lie_where_the_kind_of_job_has_them():
    made = job_executor_input(a_plan(TRAINING))["outputs"]
    assert made["artifacts"]["made"]["artifacts"][0]["uri"] == "/opt/ml/output/data/made"
    made = job_executor_input(a_plan())["outputs"]
    assert made["artifacts"]["made"]["artifacts"][0]["uri"] == "/opt/ml/processing/output/made"
    assert made["parameters"] == {"Output": {"outputFile": "/opt/ml/processing/output/Output"}}


def test_a_step_with_a_long_name_is_named_in_the_executor_input():
    plan = a_plan(a_spec(target="steps:" + "count" * 60))
    job = render_job(plan)
    assert job.request.parameters["AppSpecification"]["ContainerArguments"][:2] == ["--step", "@"]
    assert job_executor_input(plan)["intermodal"]["step"] == plan.spec.target


def test_an_input_is_brought_with_its_manifest_and_without_its_siblings():
    plan = a_plan(inputs={"data": (f"{STORE}/artifacts/before/0123-ab/data/numbers.txt",)})
    (_, brought) = render_job(plan).request.parameters["ProcessingInputs"]
    assert brought["S3Input"]["S3Uri"] == f"{STORE}/artifacts/before/0123-ab/data/"
    delivered = job_executor_input(plan)["intermodal"]["delivered"]
    assert delivered == {"data": ["/opt/ml/processing/input/data/numbers.txt"]}


def test_several_artifacts_of_one_input_have_a_channel_each():
    uris = tuple(f"{STORE}/artifacts/before/{number}-ab/data" for number in range(3))
    names = [item["ChannelName"] for item in training_of(a_plan(TRAINING, inputs={"data": uris}))["InputDataConfig"]]
    assert names == ["intermodal", "data", "data-1", "data-2"]


def training_of(plan: TaskPlan) -> dict[str, object]:
    return render_job(plan).request.parameters


def test_what_sagemaker_does_not_bring_the_job_fetches():
    names = tuple(f"part_{number:02}" for number in range(30))
    plan = a_plan(a_spec(names, job="training"), JobSettings(sharded=["part_29"]))
    channels = [item["ChannelName"] for item in training_of(plan)["InputDataConfig"]]
    assert len(channels) == 20
    assert "part_29" in channels  # only SageMaker can shard it
    delivered = job_executor_input(plan)["intermodal"]["delivered"]
    assert [name for name in names if delivered[name] == [""]] == [f"part_{number}" for number in range(18, 29)]
    with pytest.raises(UsageError, match="more input artifacts"):
        render_job(replace(plan, settings=replace(plan.settings, job=JobSettings(network_isolation=True))))


def test_data_that_no_task_made_is_fetched_by_the_job_itself():
    plan = a_plan(inputs={"data": ("s3://elsewhere/data",)})
    assert len(render_job(plan).request.parameters["ProcessingInputs"]) == 1
    assert job_executor_input(plan)["intermodal"]["delivered"] == {"data": [""]}


def test_shards_are_by_key_and_the_job_knows_which():
    body = training(sharded=["data"], instances=2)
    channel = body["InputDataConfig"][1]["DataSource"]["S3DataSource"]  # type: ignore[index]
    assert channel["S3DataDistributionType"] == "ShardedByS3Key"
    assert body["Environment"]["INTERMODAL_SHARDED"] == "data"  # type: ignore[index]
    assert "INTERMODAL_SHARDED" not in training()["Environment"]  # type: ignore[operator]


def test_spot_waits_longer_than_the_job_may_run():
    body = training(spot=True, max_runtime=7200)
    assert body["EnableManagedSpotTraining"] is True
    assert body["StoppingCondition"] == {"MaxRuntimeInSeconds": 7200, "MaxWaitTimeInSeconds": 10800}
    assert "CheckpointConfig" in body
    assert "MaxWaitTimeInSeconds" not in training()["StoppingCondition"]  # type: ignore[operator]


def test_network_keys_and_watching_are_as_the_settings_say():
    wanted = {"subnets": ["subnet-1"], "security_groups": ["sg-1"], "encrypt_traffic": True, "output_kms_key": "out"}
    body = training(**wanted, volume_kms_key="vol", debugger=True, profiler=True, tensorboard=True, warm_pool=600)
    assert body["VpcConfig"] == {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]}
    assert body["EnableInterContainerTrafficEncryption"] is True
    assert body["ResourceConfig"]["VolumeKmsKeyId"] == "vol"  # type: ignore[index]
    assert body["ResourceConfig"]["KeepAlivePeriodInSeconds"] == 600  # type: ignore[index]
    assert body["OutputDataConfig"] == {"S3OutputPath": f"{STORE}/jobs", "KmsKeyId": "out"}
    assert body["DebugHookConfig"] == {"S3OutputPath": f"{STORE}/jobs"}
    assert body["ProfilerConfig"]["ProfilingIntervalInMilliseconds"] == 500  # type: ignore[index]
    assert body["TensorBoardOutputConfig"]["LocalPath"] == "/opt/ml/output/tensorboard"  # type: ignore[index]
    plain = processing(**wanted)
    assert plain["NetworkConfig"]["VpcConfig"] == body["VpcConfig"]  # type: ignore[index]


def test_without_a_network_sagemaker_carries_the_outputs():
    job = render_job(a_plan(job=JobSettings(network_isolation=True, output_kms_key="key")))
    body = job.request.parameters
    (output,) = body["ProcessingOutputConfig"]["Outputs"]
    assert output["S3Output"]["S3Uri"] == f"{STORE}/jobs/{job.name}/output/"
    assert body["Environment"]["INTERMODAL_ISOLATED"] == "1"
    assert body["NetworkConfig"] == {"EnableNetworkIsolation": True}
    assert job.collects
    assert "ProcessingOutputConfig" not in processing()


@pytest.mark.parametrize(("job", "word"), REFUSED, ids=[word for _, word in REFUSED])
def test_what_sagemaker_would_refuse_is_one_error_that_names_it(job, word):
    with pytest.raises(UsageError) as caught:
        render_job(a_plan(TRAINING, job))
    assert word in str(caught.value)


def test_variables_of_processing_jobs_are_shorter():
    assert training(env={"LONG": "x" * 512})["Environment"]["LONG"] == "x" * 512  # type: ignore[index]
    with pytest.raises(UsageError, match="LONG"):
        processing(env={"LONG": "x" * 257})


def test_several_instances_are_for_steps_that_share_their_work():
    alone = a_spec(needs=Needs())
    assert render_job(a_plan(alone)).name
    assert processing(instances=3)["ProcessingResources"]["ClusterConfig"]["InstanceCount"] == 3  # type: ignore[index]
    with pytest.raises(UsageError, match="cannot share its work"):
        render_job(a_plan(alone, JobSettings(instances=2)))


def test_sharding_an_input_that_the_step_has_not_is_refused_for_that_step_alone():
    shared = a_plan(job=JobSettings(sharded=["other"]))
    assert render_job(shared).name
    own = replace(shared.settings, job=JobSettings(), steps={"count": JobSettings(sharded=["other"])})
    with pytest.raises(UsageError, match="sharded"):
        render_job(replace(shared, settings=own))


def test_too_many_tags_are_refused():
    tags = {f"team-{number}": "reviews" for number in range(46)}
    with pytest.raises(UsageError, match=r"sagemaker\.tags"):
        render_job(a_plan(settings={"tags": tags}))
    tags.popitem()
    assert len(render_job(a_plan(settings={"tags": tags})).request.parameters["Tags"]) == 50


def test_a_setting_makes_a_processing_step_a_training_job():
    assert render_job(a_plan(job=JobSettings(kind="training"))).request.operation == "CreateTrainingJob"
    assert render_job(a_plan(TRAINING, JobSettings(kind="processing"))).request.operation == "CreateProcessingJob"


def managed(plan: TaskPlan) -> list[Request]:
    return [Request("sagemaker", "StopTrainingJob", {"TrainingJobName": plan.parameters["n"]})]


def test_a_managed_step_renders_its_own_requests_and_they_are_checked():
    spec = a_spec(needs=Needs(job="managed", managed=f"{__name__}:managed"))
    (request,) = render_task(a_plan(spec, parameters={"n": "job-1"}))
    assert (request.operation, request.task) == ("StopTrainingJob", "count")
    with pytest.raises(UsageError, match="TrainingJobName"):
        render_task(a_plan(spec, parameters={"n": "not a name"}))


def test_the_first_request_of_a_task_is_that_of_its_job():
    assert render_task(a_plan()) == [render_job(a_plan()).request]
    assert problems("sagemaker", "CreateProcessingJob", render_task(a_plan())[0].parameters) == []
