"""`intermodal render`: every request of a run, in order, without an account and without asking AWS."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from intermodal.aws.service_model import problems

PIPELINES = Path(__file__).parents[3] / "pipelines"
REVIEWS = str(PIPELINES / "reviews.py")


@pytest.fixture(autouse=True)
def _no_aws(monkeypatch, tmp_path):
    """No credentials and no address: whoever asks AWS fails."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.chdir(tmp_path)


def test_all_requests_in_order_and_each_is_valid(cli):
    said = cli("render", REVIEWS, "--on", "sagemaker", "--json", "-p", "rows=500")
    assert said.code == 0
    found = said.json
    assert found["pipeline"] == "reviews"
    tasks = [item["task"] for item in found["requests"]]
    assert tasks.index("generate") < tasks.index("ingest") < tasks.index("featurize") < tasks.index("train-pytorch")
    for item in found["requests"]:
        assert problems(item["service"], item["operation"], item["request"]) == []
    by_task = {item["task"]: item for item in found["requests"]}
    assert by_task["train-pytorch"]["operation"] == "CreateTrainingJob"
    assert by_task["train-pytorch"]["conditions"] == [{"condition": "framework == 'pytorch'", "holds": True}]
    assert by_task["generate"]["operation"] == "CreateProcessingJob"
    (given,) = by_task["generate"]["staged"].values()
    assert given["inputs"]["parameterValues"]["rows"] == 500


def test_the_account_is_a_stand_in_that_is_told_or_what_is_said(cli, monkeypatch):
    said = cli("render", REVIEWS, "--json")
    assert "000000000000" in said.err
    assert ":000000000000:role/" in said.json["requests"][0]["request"]["RoleArn"]
    monkeypatch.setenv("INTERMODAL_AWS_ACCOUNT", "123456789012")
    said = cli("render", REVIEWS, "--json")
    assert said.err == ""
    assert said.json["requests"][0]["request"]["RoleArn"] == "arn:aws:iam::123456789012:role/intermodal-execution"
    monkeypatch.setenv("INTERMODAL_AWS_ACCOUNT", "twelve")
    assert cli("render", REVIEWS).code == 2


def test_the_same_command_prints_the_same(cli):
    one, other = cli("render", REVIEWS, "--json"), cli("render", REVIEWS, "--json")
    assert one.out == other.out


def test_steps_that_run_elsewhere_are_named(cli):
    said = cli("render", REVIEWS, "--json", "--place", "explore=local").json
    assert "explore" not in {item["task"] for item in said["requests"]}
    assert {"task": "explore", "reason": "it runs on local"} in said["elsewhere"]
    alone = cli("render", REVIEWS, "--json", "--on", "local", "--place", "train_pytorch=sagemaker").json
    assert [item["task"] for item in alone["requests"]] == ["train-pytorch"]


def test_people_read_yaml_with_what_is_not_known_yet(cli, tmp_path):
    (tmp_path / "intermodal.toml").write_text(
        '[sagemaker]\nregion = "eu-west-1"\n[sagemaker.steps.train_pytorch]\nspot = true\n'
    )
    text = cli("render", REVIEWS).out
    blocks = text.split("\n\n")
    assert blocks[0].startswith("# generate\n")
    assert "# if framework == 'pytorch'  (holds)" in text
    assert "# known only while it runs: TrainingJobName" in text
    body = yaml.safe_load(blocks[0])["CreateProcessingJob"]
    assert body["Environment"]["AWS_DEFAULT_REGION"] == "eu-west-1"
    (training,) = (block for block in blocks if "# train-pytorch" in block.splitlines())
    assert yaml.safe_load(training)["CreateTrainingJob"]["EnableManagedSpotTraining"] is True


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--on", "moon"], "sagemaker, kubeflow"),
        (["-p", "nothing=1"], "no such parameter"),
        (["--place", "nothing=sagemaker"], "no such step"),
        (["-p", "source=https://me:secret@host/data"], "plain text"),
    ],
)
def test_what_cannot_be_rendered_is_one_clear_error(cli, words, told):
    said = cli("render", REVIEWS, *words)
    assert said.code == 2
    assert told in said.err
    assert "secret@host" not in said.err
    assert said.out == ""


def test_kubeflow_is_sent_the_compiled_pipeline(cli):
    said = cli("render", REVIEWS, "--on", "kubeflow")
    assert said.out.startswith("# PIPELINE DEFINITION")
    assert "pipelineInfo" in said.out
    told = cli("render", REVIEWS, "--on", "kubeflow", "--json").json
    assert told["documents"][0] == next(iter(yaml.safe_load_all(said.out)))
    delegating = cli("render", REVIEWS, "--on", "kubeflow", "--place", "train_pytorch=sagemaker").out
    assert delegating.count("INTERMODAL_ON") == 1
    assert "INTERMODAL_ON" not in said.out
