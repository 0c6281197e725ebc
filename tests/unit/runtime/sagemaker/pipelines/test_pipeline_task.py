"""A task of a SageMaker pipeline finds its values among the execution's arguments and what earlier jobs left."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from intermodal.core.executor_input import parse
from intermodal.errors import ArtifactCorrupt, RuntimeFailed, UsageError
from intermodal.runtime.outcome import SUCCEEDED, Outcome
from intermodal.runtime.sagemaker.job_files import outcome_key
from intermodal.runtime.sagemaker.pipeline_task import execution_of, is_pipeline_task, job_name, with_values
from intermodal.store.cache_index import CachedOutput

JOB = "pipelines-abc123def456-train-0123456789"


def task_file(**fields: Any) -> Any:
    """A task's file, parsed."""
    given = {"pipeline": "toy", "task": "this", "arguments": {}, "from": [], "parameters": {}, "inputs": {}, **fields}
    outputs = {"made": {"artifacts": [{"name": "made", "uri": "/x", "type": {"schemaTitle": "system.Dataset"}}]}}
    raw = {"outputs": {"artifacts": outputs, "outputFile": "/y"}, "intermodal": {"step": "a:b", "pipeline": given}}
    return parse(json.dumps(raw))


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A store in which the job before this one has left how it ended."""
    made = CachedOutput("s3://bucket/a/data", "system.Dataset", "d" * 64, {"rows": 3})
    outcome = Outcome(SUCCEEDED, outputs={"data": made}, values={"Output": 7, "share": 0.5})
    path = tmp_path / outcome_key(JOB)
    path.parent.mkdir(parents=True)
    outcome.save(path)
    monkeypatch.setenv("INTERMODAL_FROM_0", JOB)
    return str(tmp_path)


def test_parameters_and_artifacts_are_those_of_this_execution(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in {"rows": "12", "names": '["a"]', "none": "", "text": "there"}.items():
        monkeypatch.setenv(f"INTERMODAL_ARGUMENT_{name}", text)
    given = task_file(
        arguments={
            "rows": {"type": "int", "optional": False},
            "names": {"type": "list", "optional": False},
            "none": {"type": "str", "optional": True},
            "text": {"type": "str", "optional": False},
        },
        parameters={
            "constant": {"constant": [1, 2]},
            "rows": {"argument": "rows"},
            "names": {"argument": "names"},
            "none": {"argument": "none"},
            "count": {"task": "before", "returned": "Output"},
            "where": {"template": "s3://{{$.inputs.parameters['t']}}/x", "values": {"t": {"argument": "text"}}},
            "several": {"several": [{"constant": 1}, {"task": "before", "returned": "share"}]},
            "field": {"field": "k", "of": {"constant": {"k": "v"}}},
        },
        inputs={"data": [{"task": "before", "output": "data"}]},
        **{"from": ["before"]},
    )
    assert is_pipeline_task(given)
    found = with_values(given, store)
    assert found.parameters == {
        "constant": [1, 2],
        "rows": 12,
        "names": ["a"],
        "count": 7,
        "where": "s3://there/x",
        "several": [1, 0.5],
        "field": "v",
    }
    (artifact,) = found.inputs["data"]
    assert (artifact.uri, artifact.schema) == ("s3://bucket/a/data", "system.Dataset")
    assert artifact.metadata == {"rows": 3, "intermodal_digest": "d" * 64}
    assert not is_pipeline_task(found)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"inputs": {"data": [{"task": "before", "output": "other"}]}}, ArtifactCorrupt),
        ({"parameters": {"x": {"task": "before", "returned": "other"}}}, RuntimeFailed),
        ({"parameters": {"x": {"argument": "n"}}, "arguments": {"n": {"type": "int", "optional": False}}}, UsageError),
    ],
)
def test_what_is_not_there_has_one_clear_error(
    store: str, monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any], expected: type[Exception]
) -> None:
    monkeypatch.setenv("INTERMODAL_ARGUMENT_n", "many")
    with pytest.raises(expected):
        with_values(task_file(**{"from": ["before"], **fields}), store)


def test_a_job_that_left_nothing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERMODAL_FROM_0", JOB)
    given = task_file(parameters={"x": {"task": "before", "returned": "Output"}}, **{"from": ["before"]})
    with pytest.raises(ArtifactCorrupt, match="before has left nothing") as caught:
        with_values(given, str(tmp_path))
    assert JOB in caught.value.seen


def test_the_job_is_known_by_what_sagemaker_tells_its_container(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INTERMODAL_ML", str(tmp_path))
    monkeypatch.delenv("TRAINING_JOB_NAME", raising=False)
    with pytest.raises(RuntimeFailed, match="no job of SageMaker"):
        job_name()
    (tmp_path / "config").mkdir()
    arn = f"arn:aws:sagemaker:us-east-1:123456789012:processing-job/{JOB}"
    (tmp_path / "config" / "processingjobconfig.json").write_text(json.dumps({"ProcessingJobArn": arn}))
    assert job_name() == JOB
    monkeypatch.setenv("TRAINING_JOB_NAME", "trained")
    assert job_name() == "trained"


def test_the_execution_is_part_of_the_jobs_name() -> None:
    assert execution_of(JOB) == "abc123def456"
    assert execution_of("another-name") == "another-name"
