"""What the fake refuses: bodies, pipeline specs, parameters, paths, strangers."""

from __future__ import annotations

import copy
import http.client
import json
from typing import Any

import pytest
from google.protobuf import json_format

from intermodal.runtime.kubeflow.fake import KubeflowFake
from kubeflow import client_of, compiled


def call(fake: KubeflowFake, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, dict[str, Any]]:
    """A request as no client would send it."""
    connection = http.client.HTTPConnection(fake.url.removeprefix("http://"), timeout=30)
    text = body if isinstance(body, str | bytes) else json.dumps(body)
    connection.request(method, path, body=text if body is not None else None, headers=headers)
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


def create(fake: KubeflowFake, spec: Any = None, **fields: Any) -> tuple[int, str]:
    body = {"display_name": "a run", "pipeline_spec": spec, **fields}
    status, answer = call(
        fake, "POST", "/apis/v2beta1/runs", {name: item for name, item in body.items() if item is not None}
    )
    return status, answer.get("message", "")


@pytest.fixture
def spec() -> dict[str, Any]:
    """A pipeline with two steps and parameters of several types, as JSON."""
    return copy.deepcopy(json_format.MessageToDict(compiled("choose").pipeline_spec))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"colour": "red"}, 'unknown field "colour" in Run'),
        ({"runtime_config": {"colour": "red"}}, 'unknown field "colour" in Run.runtime_config'),
        ({"display_name": 7}, "Run.display_name is 7, expected str"),
        ({"runtime_config": {"parameters": [1]}}, "Run.runtime_config.parameters is [1], expected dict"),
        ({"state": "BORED"}, "Run.state is 'BORED', expected one of"),
        ({"created_at": "yesterday"}, "expected an RFC 3339 time"),
        ({"display_name": ""}, "name is empty"),
        (
            {"pipeline_version_reference": {"pipeline_id": "x"}},
            "either a pipeline_spec or a pipeline_version_reference",
        ),
        ({"runtime_config": {"pipeline_root": "/tmp/x"}}, "is no minio://, s3:// or gs:// URI"),
        ({"runtime_config": {"parameters": {"colour": "red"}}}, "not required by pipeline: colour"),
        ({"runtime_config": {"parameters": {"n": "three"}}}, "parameter n requires type NUMBER_INTEGER"),
        ({"runtime_config": {"parameters": {"n": True}}}, "parameter n requires type NUMBER_INTEGER"),
        ({"runtime_config": {"parameters": {"text": 3}}}, "parameter text requires type STRING"),
    ],
)
def test_a_run_that_is_refused(
    kubeflow: KubeflowFake, spec: dict[str, Any], fields: dict[str, Any], words: str
) -> None:
    status, message = create(kubeflow, spec, **fields)
    assert status == 400
    assert words in message
    assert client_of(kubeflow).list_runs().runs is None


def test_a_run_of_nothing_known(kubeflow: KubeflowFake, spec: dict[str, Any]) -> None:
    assert create(kubeflow, spec, experiment_id="nobody")[0] == 404
    assert create(kubeflow, pipeline_version_reference={"pipeline_id": "nobody"})[0] == 404
    assert create(kubeflow)[0] == 400


def test_a_required_parameter_is_missed(kubeflow: KubeflowFake) -> None:
    spec = json_format.MessageToDict(compiled("guarded").pipeline_spec)
    status, message = create(kubeflow, spec)
    assert (status, "parameter folder is not optional" in message) == (400, True)


def _dangling(spec: dict[str, Any]) -> None:
    task = spec["root"]["dag"]["tasks"]["condition-branches-1"]
    task["inputs"]["parameters"]["pipelinechannel--double-Output"]["taskOutputParameter"]["producerTask"] = "nobody"


def _wrong_output(spec: dict[str, Any]) -> None:
    task = spec["root"]["dag"]["tasks"]["condition-branches-1"]
    task["inputs"]["parameters"]["pipelinechannel--double-Output"]["taskOutputParameter"]["outputParameterKey"] = (
        "nothing"
    )


def _wrong_input(spec: dict[str, Any]) -> None:
    task = spec["root"]["dag"]["tasks"]["double"]
    task["inputs"]["parameters"]["value"]["componentInputParameter"] = "nothing"


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda spec: spec.update(colour="red"), "colour"),
        (lambda spec: spec["deploymentSpec"]["executors"]["exec-double"]["container"].update(imagge="x"), "imagge"),
        (lambda spec: spec["deploymentSpec"]["executors"].pop("exec-double"), "names executor exec-double"),
        (lambda spec: spec["components"].pop("comp-double"), "names component 'comp-double'"),
        (lambda spec: spec["root"]["dag"]["tasks"].pop("double"), "waits for task double"),
        (_dangling, "waits for task nobody"),
        (_wrong_output, "reads output nothing of task double"),
        (_wrong_input, "reads input nothing of root"),
        (lambda spec: spec.update(schemaVersion="1.0"), "schemaVersion is '1.0'"),
        (lambda spec: spec["pipelineInfo"].update(name="Two Words"), "lower case alphanumeric"),
        (lambda spec: spec.pop("root"), "root component is empty"),
    ],
)
def test_a_spec_that_would_fail_later(kubeflow: KubeflowFake, spec: dict[str, Any], damage: Any, words: str) -> None:
    damage(spec)
    status, message = create(kubeflow, spec)
    assert (status, words in message) == (400, True), message


@pytest.mark.parametrize(
    ("platform", "words"),
    [
        ({"platforms": {"kubernetes": {"deploymentSpec": {"executors": {"exec-no": {}}}}}}, "names executor exec-no"),
        (
            {"platforms": {"kubernetes": {"deploymentSpec": {"executors": {"exec-double": {"colour": 1}}}}}},
            "platform spec of exec-double",
        ),
        ({"platforms": {"mesos": {}}}, "no platform 'mesos'"),
        ({"colour": {}}, "invalid platform spec"),
    ],
)
def test_a_platform_spec_that_is_refused(
    kubeflow: KubeflowFake, spec: dict[str, Any], platform: dict[str, Any], words: str
) -> None:
    pytest.importorskip("kfp.kubernetes")
    status, message = create(kubeflow, {"pipeline_spec": spec, "platform_spec": platform})
    assert (status, words in message) == (400, True), message


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("a: [", "not YAML"),
        ("", "0 documents"),
        ("{a: 1}\n---\n{b: 1}\n---\n{c: 1}", "3 documents"),
        ("- a", "1 documents"),
    ],
)
def test_an_upload_that_is_no_pipeline(kubeflow: KubeflowFake, content: str, words: str) -> None:
    body = (
        '--mark\r\nContent-Disposition: form-data; name="uploadfile"; filename="x.yaml"\r\n'
        f"Content-Type: application/octet-stream\r\n\r\n{content}\r\n--mark--\r\n"
    )
    headers = {"Content-Type": "multipart/form-data; boundary=mark"}
    status, answer = call(kubeflow, "POST", "/apis/v2beta1/pipelines/upload?name=x", body, **headers)
    assert (status, words in answer["message"]) == (400, True), answer
    status, answer = call(kubeflow, "POST", "/apis/v2beta1/pipelines/upload?name=x", "{}", **headers)
    assert (status, answer["message"].endswith("no file named uploadfile")) == (400, True)


def test_wrong_paths_and_bodies(kubeflow: KubeflowFake) -> None:
    assert call(kubeflow, "GET", "/apis/v1beta1/runs")[0] == 404
    assert call(kubeflow, "GET", "/apis/v2beta1/runs/nobody")[0] == 404
    assert call(kubeflow, "POST", "/apis/v2beta1/runs/nobody:terminate")[0] == 404
    assert call(kubeflow, "POST", "/apis/v2beta1/runs/nobody:explode")[0] == 404
    assert call(kubeflow, "PATCH", "/apis/v2beta1/healthz")[0] == 404
    assert call(kubeflow, "POST", "/apis/v2beta1/runs", "{")[0] == 400
    status, answer = call(kubeflow, "GET", "/k8s/pod/logs?runid=../..&podname=state")
    assert (status, answer["message"]) == (400, "podname and runid are names")
    assert call(kubeflow, "GET", "/k8s/pod/logs?runid=x")[0] == 400


def test_strangers_are_sent_away(open_kubeflow) -> None:
    fake = open_kubeflow(token="right", cookie="session=right")
    paths = ("/apis/v2beta1/healthz", "/k8s/pod/logs?podname=x")
    for path in paths:
        assert call(fake, "GET", path)[0] == 401
        assert call(fake, "GET", path, Authorization="Bearer wrong", Cookie="session=right")[0] == 401
        assert call(fake, "GET", path, Authorization="Bearer right", Cookie="session=wrong")[0] == 401
    client = client_of(fake, existing_token="right", cookies="session=right")
    assert client.get_kfp_healthz().multi_user is False


def test_several_users_have_namespaces_of_their_own(open_kubeflow, spec: dict[str, Any]) -> None:
    fake = open_kubeflow(multi_user=True)
    assert call(fake, "GET", "/apis/v2beta1/experiments")[0] == 400
    client = client_of(fake, namespace="team-a")
    made = client.create_experiment("trial", namespace="team-a")
    client.create_experiment("trial", namespace="team-b")
    assert [item.experiment_id for item in client.list_experiments(namespace="team-a").experiments] == [
        made.experiment_id
    ]
    assert call(fake, "GET", "/apis/v2beta1/runs")[0] == 400
    assert client.list_runs(namespace="team-a").runs is None
    assert create(fake, spec)[0] == 404  # there is no default experiment
