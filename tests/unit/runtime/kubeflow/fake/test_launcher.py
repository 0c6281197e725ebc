"""What the fake's driver and launcher do around a command, as values: no process runs here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from kfp import dsl

from intermodal.runtime.kubeflow.fake.cache import fingerprint
from intermodal.runtime.kubeflow.fake.launcher import (
    LauncherFailed,
    Names,
    Places,
    collect,
    command_of,
    executor_input,
    path_of,
)
from intermodal.runtime.kubeflow.fake.options import FakeOptions
from intermodal.runtime.kubeflow.fake.platform import PodFacts, deadline_of, settings_of, variables_of
from kubeflow import compiled
from kubeflow_pipelines import words

ROOT = "minio://mlpipeline/v2/artifacts/p/run"
NAMES = Names("run-id", "p-abcde", "the-task", "execution", ROOT)


@pytest.fixture
def component() -> Any:
    return words.pipeline_spec.components["comp-words"]


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(f"{ROOT}/the-task/execution", ROOT, "/tmp/kfp_outputs", tmp_path)


def container() -> Any:
    from kfp.local.utils import struct_to_executor_spec

    return struct_to_executor_spec(words.pipeline_spec.deployment_spec["executors"]["exec-words"]).container


def fields_of(component: Any, places: Places, **arguments: Any) -> dict[str, Any]:
    data = dsl.Dataset(name="data", uri="s3://elsewhere/data", metadata={"rows": 3})
    return executor_input(component, {"data": data, "text": "a text", **arguments}, places, NAMES)


def test_the_executor_input(component: Any, places: Places) -> None:
    fields = fields_of(component, places)
    assert fields["inputs"]["parameterValues"] == {"text": "a text", "number": 2.0}
    assert fields["inputs"]["artifacts"]["data"]["artifacts"][0]["metadata"] == {"rows": 3.0}
    assert fields["outputs"]["artifacts"]["model"]["artifacts"][0]["uri"] == f"{ROOT}/the-task/execution/model"
    assert fields["outputs"]["parameters"]["count"]["outputFile"] == "/tmp/kfp_outputs/outputs/count"
    assert fields["outputs"]["outputFile"] == "/tmp/kfp_outputs/output_metadata.json"


def test_constants_may_name_the_run(component: Any, places: Places) -> None:
    text = "{{$.pipeline_job_uuid}} {{$.pipeline_job_name}} {{$.pipeline_task_name}} {{$.pipeline_root}}"
    fields = fields_of(component, places, text=text)
    assert fields["inputs"]["parameterValues"]["text"] == f"run-id p-abcde the-task {ROOT}"


def test_placeholders_of_a_command(component: Any, places: Places) -> None:
    fields = fields_of(component, places)
    own = f"{ROOT}/the-task/execution/model"
    command = command_of(container(), fields)
    assert command[:-1] == [
        "run",
        "a text",
        "2.0",
        "s3://elsewhere/data",
        "/s3/elsewhere/data",
        own,
        own.replace("minio://", "/minio/"),
        "/tmp/kfp_outputs/outputs/count",
        "--text=a text",
        "--plain",
        "{{$.pipeline_job_uuid}}",  # KFP fills those in constant inputs alone
    ]
    assert json.loads(command[-1]) == fields
    given = command_of(container(), fields_of(component, places, extra="more"))
    assert given[9:11] == ["--extra", "more"]


@pytest.mark.parametrize(
    ("uri", "path"),
    [("minio://b/k", "/minio/b/k"), ("s3://b/k", "/s3/b/k"), ("gs://b/k", "/gcs/b/k"), ("/a/path", "/a/path")],
)
def test_paths_are_those_of_kfp(uri: str, path: str) -> None:
    assert path_of(uri) == path == dsl.Artifact(uri=uri).path


def answered(places: Places, count: str | None = "3", **fields: Any) -> None:
    (places.answers_here / "outputs").mkdir()
    if count is not None:
        (places.answers_here / "outputs" / "count").write_text(count)
    if fields:
        (places.answers_here / "output_metadata.json").write_text(json.dumps(fields))


def test_what_a_command_gives_out(component: Any, places: Places) -> None:
    told = {"uri": f"{ROOT}/the-task/execution/another", "metadata": {"score": 0.5}}
    answered(places, artifacts={"model": {"artifacts": [told]}})
    parameters, [model] = collect(component, fields_of(component, places), places)
    assert parameters == {"count": 3}
    assert (model["output"], model["uri"], model["metadata"]) == ("model", told["uri"], {"score": 0.5})


def test_the_answer_counts_more_than_the_file(component: Any, places: Places) -> None:
    answered(places, parameterValues={"count": 4})
    assert collect(component, fields_of(component, places), places)[0] == {"count": 4}


@pytest.mark.parametrize(
    ("count", "fields", "words"),
    [
        (None, {}, "failed to read output parameter name='count'"),
        ("many", {}, "failed to read output parameter name='count'"),
        ("3.5", {}, "3.5 is no whole number"),
        ("3", {"colour": "red"}, "failed to unmarshall ExecutorOutput"),
        (
            "3",
            {"artifacts": {"model": {"artifacts": [{"uri": "s3://elsewhere/m"}]}}},
            "does not have the expected prefix",
        ),
    ],
)
def test_what_the_launcher_refuses(
    component: Any, places: Places, count: str | None, fields: dict[str, Any], words: str
) -> None:
    answered(places, count, **fields)
    with pytest.raises(LauncherFailed, match=words):
        collect(component, fields_of(component, places), places)


def test_what_tells_tasks_apart_for_the_cache(component: Any) -> None:
    data = dsl.Dataset(name="data", uri="s3://elsewhere/data")
    given = {"data": data, "text": "a"}
    mark = fingerprint(component, container(), given)
    assert mark == fingerprint(component, container(), {"text": "a", "data": dsl.Dataset(uri="s3://elsewhere/data")})
    assert mark != fingerprint(component, container(), {**given, "text": "b"})
    assert mark != fingerprint(component, container(), {**given, "data": dsl.Dataset(uri="s3://elsewhere/other")})
    other = container()
    other.image = "another-image"
    assert mark != fingerprint(component, other, given)
    keyed = {fingerprint(component, container(), {"text": text}, "a key") for text in "ab"}
    assert len(keyed) == 1


FACTS = PodFacts("a-pod", "uid", "kubeflow", "runner", {"pipeline/runid": "run-id"}, {"why": "test"})


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("metadata.labels['pipeline/runid']", "run-id"),
        ("metadata.labels['absent']", ""),
        ("metadata.annotations['why']", "test"),
        ("metadata.namespace", "kubeflow"),
        ("spec.serviceAccountName", "runner"),
    ],
)
def test_fields_of_a_pod(path: str, value: str) -> None:
    assert FACTS.field(path) == value


def test_a_field_that_kubernetes_does_not_know() -> None:
    with pytest.raises(LauncherFailed, match=r"metadata\.colour"):
        FACTS.field("metadata.colour")


def test_secrets_and_config_maps(tmp_path: Path) -> None:
    pytest.importorskip("kfp.kubernetes")
    from google.protobuf import json_format

    platform = json_format.MessageToDict(compiled("settled", "kubeflow_pipelines.py").platform_spec)
    settings = settings_of(platform, "exec-shell")
    assert deadline_of(settings) == 600.0
    options = FakeOptions(tmp_path, secrets={"database.password": "x"}, config_maps={"place.region": "eu"})
    found = variables_of(settings, FACTS, options)
    assert found == {"PASSWORD": "x", "REGION": "eu", "RUN": "run-id", "POD": "a-pod", "TEAM": ""}
    with pytest.raises(LauncherFailed, match=r"database\.password not found"):
        variables_of(settings, FACTS, FakeOptions(tmp_path))
    optional = {"secretAsEnv": [{**settings["secretAsEnv"][0], "optional": True}]}
    assert variables_of(optional, FACTS, FakeOptions(tmp_path)) == {}


def test_secrets_are_not_shown(tmp_path: Path) -> None:
    options = FakeOptions(tmp_path, token="hunter2", cookie="hunter2", secrets={"a.b": "hunter2"})
    assert "hunter2" not in repr(options)
    assert "token" not in options.for_pods()
    assert FakeOptions.from_pipe(json.loads(json.dumps(options.for_pods()))).secrets == {"a.b": "hunter2"}
