"""The task wrapper on its own, as every container runs it: `python -m intermodal task …`."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from intermodal.store.locate import read_manifest
from launching import PATIENCE, Answer, command, intermodal


def artifact(name: str, uri: str, schema: str = "system.Dataset") -> dict[str, object]:
    return {"artifacts": [{"name": name, "uri": uri, "type": {"schemaTitle": schema}, "metadata": {}}]}


def handed_on(made: dict[str, object], name: str, schema: str = "system.Dataset") -> dict[str, object]:
    """An output as KFP hands it to the next task: with the metadata that its task gave."""
    (told,) = output_of(made)["artifacts"][name]["artifacts"]
    return {**told, "type": {"schemaTitle": schema}}


def executor_input(
    folder: Path, parameters: dict[str, object], inputs: dict[str, object] | None = None, **outputs: str
) -> dict[str, object]:
    """What Kubeflow would write in place of {{$}}."""
    return {
        "inputs": {
            "parameterValues": parameters,
            "artifacts": {
                name: artifact(name, item) if isinstance(item, str) else {"artifacts": [item]}
                for name, item in (inputs or {}).items()
            },
        },
        "outputs": {
            "artifacts": {name: artifact(name, str(folder / "kfp" / name), schema) for name, schema in outputs.items()},
            "outputFile": str(folder / "kfp" / "executor_output.json"),
        },
    }


def task(step: str, given: dict[str, object], **environment: str) -> Answer:
    words = ["task", "--step", f"toy_steps:{step}", "--protocol", "kfp.dsl.executor_main"]
    return intermodal(*words, "--executor_input", json.dumps(given), **environment)


def output_of(given: dict[str, object]) -> dict[str, object]:
    return dict(json.loads(Path(given["outputs"]["outputFile"]).read_text()))


def test_a_task_in_a_container(home: Path, tmp_path: Path):
    given = executor_input(tmp_path, {"n": 4.0}, data="system.Dataset")
    answer = task("make", given)
    assert answer.code == 0, answer.err
    (told,) = output_of(given)["artifacts"]["data"]["artifacts"]
    assert Path(told["uri"]).read_text() == "0\n1\n2\n3\n"
    assert told["uri"] == str(tmp_path / "kfp" / "data")
    stored = told["metadata"]["intermodal_uri"]
    manifest = read_manifest(stored)
    assert told["metadata"] == {"rows": 4, "intermodal_uri": stored, "intermodal_digest": manifest.digest}
    assert manifest.origin.parameters == {"n": 4, "seconds": 0.0}
    assert (manifest.origin.step, manifest.origin.run_id, manifest.rows) == ("make", "", 4)
    outcome = json.loads((home / "tasks" / "alone" / "make" / "only" / "outcome.json").read_text())
    assert outcome["state"] == "SUCCEEDED"
    assert outcome["reason"] == "this step has not run yet"
    assert not list((home / "tmp").iterdir())


def test_two_tasks_in_two_containers(home: Path, tmp_path: Path):
    first = executor_input(tmp_path / "1", {}, data="system.Dataset")
    assert task("make", first).code == 0
    second = executor_input(tmp_path / "2", {}, {"parts": handed_on(first, "data")}, metrics="system.Metrics")
    assert task("total", second).code == 0
    answer = output_of(second)
    assert answer["parameterValues"] == {"Output": 3}
    metrics = answer["artifacts"]["metrics"]["artifacts"][0]
    assert metrics["metadata"]["total"] == 3
    assert json.loads(Path(metrics["uri"]).read_text()) == {"total": 3}  # always a file at metrics.path


def test_metrics_and_classification_metrics_always_have_a_file(home: Path, tmp_path: Path):
    given = executor_input(tmp_path, {}, metrics="system.Metrics", classification="system.ClassificationMetrics")
    assert task("judged", given).code == 0
    for item in output_of(given)["artifacts"].values():
        written = json.loads(Path(item["artifacts"][0]["uri"]).read_text())
        assert written
        assert written.items() <= item["artifacts"][0]["metadata"].items()


def test_the_second_time_the_answer_comes_from_the_cache(home: Path, tmp_path: Path):
    given = executor_input(tmp_path, {"n": 4}, data="system.Dataset")
    task("make", given)
    first = output_of(given)
    Path(given["outputs"]["outputFile"]).unlink()
    answer = task("make", given)
    assert answer.code == 0
    assert "making" not in answer.out
    assert output_of(given) == first
    assert json.loads((home / "tasks" / "alone" / "make" / "only" / "outcome.json").read_text())["state"] == "CACHED"


def test_whole_doubles_and_whole_numbers_are_one_key(home: Path, tmp_path: Path):
    task("make", executor_input(tmp_path, {"n": 4}, data="system.Dataset"))
    task("make", executor_input(tmp_path, {"n": 4.0}, data="system.Dataset"))
    assert len(list((home / "store" / "cache").iterdir())) == 1


def test_a_task_that_succeeded_without_artifacts_still_answers(home: Path, tmp_path: Path):
    given = executor_input(tmp_path, {"text": "hi"})
    assert task("say", given).code == 0
    assert output_of(given) == {"parameterValues": {"Output": "hi"}}


@pytest.mark.parametrize(
    ("step", "parameters", "code", "words"),
    [
        ("reject", {}, 3, "a rating is not a number"),
        ("fail", {"message": "it broke"}, 4, "task fail failed: ValueError: it broke"),
        ("leave", {"code": 0}, 4, "ended the process"),
        ("double", {}, 2, "misses a parameter"),
        ("double", {"value": "seven"}, 2, "parameter value has the wrong type"),
        ("not_a_step", {}, 2, "has no such step"),
    ],
)
def test_each_bad_end_has_its_code_and_says_why(home: Path, tmp_path: Path, step, parameters, code, words):
    given = executor_input(tmp_path, parameters)
    answer = task(step, given)
    assert answer.code == code
    assert f"error: {words}" in answer.err or words in answer.err
    assert not Path(given["outputs"]["outputFile"]).exists()


@pytest.mark.parametrize(
    ("argument", "words"), [("{", "cannot be read"), ("@/no/such/file", "file of the ExecutorInput")]
)
def test_what_is_no_executor_input(home: Path, argument: str, words: str):
    answer = intermodal("task", "--step", "toy_steps:say", "--executor_input", argument)
    assert answer.code == 2
    assert words in answer.err
    assert "Traceback" not in answer.err


def test_a_missing_input_is_told(home: Path, tmp_path: Path):
    given = executor_input(tmp_path, {}, {"parts": str(home / "store" / "artifacts" / "x")}, metrics="system.Metrics")
    answer = task("total", given)
    assert answer.code == 5
    assert "there is no artifact here" in answer.err


def test_a_damaged_input_is_told(home: Path, tmp_path: Path):
    first = executor_input(tmp_path / "1", {}, data="system.Dataset")
    task("make", first)
    uri = output_of(first)["artifacts"]["data"]["artifacts"][0]["uri"]
    Path(uri).write_text("0\n1\n3\n")
    given = executor_input(tmp_path / "2", {}, {"parts": handed_on(first, "data")}, metrics="system.Metrics")
    answer = task("total", given)
    assert answer.code == 5
    assert "is not the one that was handed over" in answer.err
    again = task("make", first)
    assert again.code == 0
    assert Path(output_of(first)["artifacts"]["data"]["artifacts"][0]["uri"]).read_text() == "0\n1\n2\n"


def test_sigterm_leaves_a_true_state(home: Path, tmp_path: Path):
    given = executor_input(tmp_path, {"folder": str(tmp_path)})
    words = command("task", "--step", "toy_steps:wait", "--executor_input", json.dumps(given))
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True, env={**os.environ})
    end = time.monotonic() + PATIENCE
    while not (tmp_path / "waiting").exists() and time.monotonic() < end:
        time.sleep(0.02)
    for _ in range(3):  # whoever stops a container may say so more than once
        process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert "told to stop" in err
    assert json.loads((home / "tasks" / "alone" / "wait" / "only" / "outcome.json").read_text())["state"] == "CANCELLED"
    assert not list((home / "tmp").iterdir())


def test_everything_on_s3(home: Path, tmp_path: Path, s3):
    environment = {"INTERMODAL_STORE": f"{s3.uri}/store"}
    first = executor_input(tmp_path / "1", {}, data="system.Dataset")
    assert task("make", first, **environment).code == 0
    data = handed_on(first, "data")
    assert data["metadata"]["intermodal_uri"].startswith(f"{s3.uri}/store/artifacts/make/")
    second = executor_input(tmp_path / "2", {"files": 3}, {"data": data}, parts="system.Dataset")
    assert task("spread", second, **environment).code == 0
    parts = handed_on(second, "parts")
    assert (tmp_path / "2" / "kfp" / "parts" / "manifest.json").is_file()
    third = executor_input(tmp_path / "3", {}, {"parts": parts}, metrics="system.Metrics")
    assert task("total", third, **environment).code == 0
    assert output_of(third)["parameterValues"] == {"Output": 3}
    elsewhere = {**environment, "INTERMODAL_HOME": str(tmp_path / "another-machine")}
    shutil.rmtree(tmp_path / "2" / "kfp" / "parts")  # not brought there: the store's own copy is read
    Path(tmp_path / "3" / "kfp" / "metrics").unlink()
    assert task("total", third, **elsewhere).code == 0
    found = tmp_path / "another-machine" / "tasks" / "alone" / "total" / "only" / "outcome.json"
    assert json.loads(found.read_text())["state"] == "CACHED"
    assert json.loads((tmp_path / "3" / "kfp" / "metrics").read_text()) == {"total": 3}


def test_a_store_that_does_not_know_us(home: Path, tmp_path: Path, s3):
    given = executor_input(tmp_path, {}, data="system.Dataset")
    answer = task("make", given, INTERMODAL_STORE=f"{s3.uri}/store", AWS_SECRET_ACCESS_KEY="wrong")
    assert answer.code == 5
    assert "credentials that may use this bucket" in answer.err
    assert "Traceback" not in answer.err
