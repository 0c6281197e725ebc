"""Cases that hold for every MLflow store: SQLite on a laptop, a server with PostgreSQL and S3 in a company.

A test module makes classes of them over a fixture `store` of type `Store`.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from intermodal.tracking.gate import Standing, Terms
from intermodal.tracking.limits import PARAMETER_LENGTH
from intermodal.tracking.recorder import Recorder, mark_dead_runs
from intermodal.tracking.recorder_process import RecorderProcess
from intermodal.tracking.store_init import artifact_root, ensure_store

SOURCE = str(Path(__file__).parents[1] / "src")
LABELS = ["1", "2", "3", "4", "5"]
TERMS = Terms(floor=0.3, margin=0.0)

# A real, tiny model: rates by words, from a table in its own directory.
PREDICTOR = """
import json
import pathlib

import numpy


class Predictor:
    def __init__(self, directory):
        self.words = json.loads((pathlib.Path(directory) / "words.json").read_text())

    def predict_proba(self, texts):
        scores = numpy.full((len(texts), 5), 0.05, dtype="float32")
        for row, text in enumerate(texts):
            scores[row, self.words.get(text.split(" ")[0], 3) - 1] = 0.8
        return scores
"""
WORDS = {"terrible": 1, "poor": 2, "okay": 3, "good": 4, "great": 5}


@dataclass(frozen=True)
class Store:
    """A tracking store under test.

    Attributes:
        uri: Its tracking URI.
        environment: Variables that its clients need.
    """

    uri: str
    environment: dict[str, str] = field(default_factory=dict)

    def client(self) -> Any:
        """MLflow's own client, to look at what was recorded."""
        import mlflow

        ensure_store(self.uri)
        mlflow.set_tracking_uri(self.uri)
        mlflow.set_registry_uri(self.uri)
        return mlflow.MlflowClient(self.uri, self.uri)

    def recorder(self) -> Recorder:
        """A recorder in this process."""
        return Recorder(self.client(), artifact_root(self.uri))


def write_model(directory: Path, words: dict[str, int] | None = None) -> Path:
    """Write the tiny model; other words make another model."""
    directory.mkdir(parents=True)
    (directory / "predictor.py").write_text(PREDICTOR)
    (directory / "words.json").write_text(json.dumps(words or WORDS))
    facts = {"kind": "words", "labels": LABELS, "requirements": []}
    (directory / "model.json").write_text(json.dumps(facts))
    return directory


def facts_of(directory: Path) -> dict[str, Any]:
    """The content of a model's `model.json`."""
    return dict(json.loads((directory / "model.json").read_text()))


def standing(digest: str, accuracy: float, test: str = "test-split") -> Standing:
    """A model's standing with a made-up accuracy."""
    return Standing(
        digest, test, {"value": accuracy, "low": accuracy - 0.05, "high": accuracy + 0.05}, {"qwk": 0.5}, 400
    )


def clean_environment(store: Store, folder: Path) -> dict[str, str]:
    """The environment of a user who has the model's requirements and not intermodal.

    A site directory links to every installed package but intermodal, and python runs isolated from all else.
    """
    import numpy

    installed = Path(numpy.__file__).parents[1]
    folder.mkdir()
    for item in installed.iterdir():
        if "intermodal" not in item.name and item.suffix != ".pth":
            (folder / item.name).symlink_to(item)
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("INTERMODAL", "PYTHON", "PYTEST"))
    }
    kept |= {
        "PYTHONPATH": str(folder),
        "MLFLOW_TRACKING_URI": store.uri,
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    }
    return kept | store.environment


LOAD = """
import importlib.util, json, sys
assert importlib.util.find_spec("intermodal") is None, "intermodal can be imported here"
import mlflow, pandas, pickle
def refuse(*_, **__): raise AssertionError("something was unpickled")
pickle.load = pickle.loads = pickle.Unpickler = refuse
model = mlflow.pyfunc.load_model(sys.argv[1])
texts = ["terrible thing", "great thing"]
answers = [
    model.predict(texts),
    model.predict(pandas.Series(texts, index=[7, 8])),
    model.predict(pandas.DataFrame({"marketplace": ["US", "US"], "review_body": texts})),
    model.predict(pandas.DataFrame({"text": texts, "n": [1, 2]})),
]
assert "intermodal" not in sys.modules
print(json.dumps({
    "ratings": [answer["rating"].tolist() for answer in answers],
    "columns": list(answers[0].columns),
    "sums": answers[0][["p1", "p2", "p3", "p4", "p5"]].sum(axis=1).round(4).tolist(),
    "index": answers[1].index.tolist(),
    "inputs": json.loads(model.metadata.signature.inputs.to_json()),
    "outputs": [(item.name, item.type.name) for item in model.metadata.signature.outputs],
    "example": model.input_example,
}))
"""


class RecorderCases:
    """What a recorder writes."""

    def test_a_pipeline_with_its_tasks(self, store: Store, tmp_path: Path) -> None:
        recorder = store.recorder()
        parent = recorder.start_pipeline("nesting", "a pipeline", params={"rows": 5, "names": ["a", "b"]})["run_id"]
        columns = {"review_id": "string", "star_rating": "int32", "input_ids": "list<element: int32>"}
        given = {"name": "reviews", "digest": "ab" * 32, "uri": "/data/reviews", "rows": 5, "columns": columns}
        task = recorder.start_task("train", parent, params={"text": 'it\'s "raw" $HOME'}, datasets=[given])["run_id"]
        (tmp_path / "page.html").write_text("<p>page</p>")
        recorder.log_batch(task, metrics=[("loss", 0.5, 1, 1000), ("loss", 0.25, 2, 2000)], tags={"state": "done"})
        recorder.log_artifacts(task, str(tmp_path / "page.html"), "report")
        recorder.end(task, "FINISHED")
        recorder.end(parent, "FINISHED")

        client = store.client()
        above, run = client.get_run(parent), client.get_run(task)
        assert above.data.params == {"rows": "5", "names": '["a", "b"]'}
        assert run.data.tags["mlflow.parentRunId"] == parent
        assert run.data.params == {"text": 'it\'s "raw" $HOME'}
        assert [(m.step, m.value, m.timestamp) for m in client.get_metric_history(task, "loss")] == [
            (1, 0.5, 1000),
            (2, 0.25, 2000),
        ]
        assert run.data.tags["state"] == "done"
        assert [item.path for item in client.list_artifacts(task, "report")] == ["report/page.html"]
        assert Path(client.download_artifacts(task, "report/page.html", str(tmp_path))).read_text() == "<p>page</p>"
        assert (above.info.status, run.info.status) == ("FINISHED", "FINISHED")
        (dataset,) = run.inputs.dataset_inputs
        assert (dataset.dataset.name, dataset.dataset.digest) == ("reviews", ("ab" * 32)[:36])
        assert json.loads(dataset.dataset.profile) == {"num_rows": 5, "sha256": "ab" * 32}
        types = {item["name"]: item["type"] for item in json.loads(dataset.dataset.schema)["mlflow_colspec"]}
        assert types == {"review_id": "string", "star_rating": "integer", "input_ids": "array"}

    def test_more_than_one_request_holds(self, store: Store) -> None:
        recorder = store.recorder()
        run = recorder.start_pipeline("batches", "many", params={f"p{i:03d}": i for i in range(230)})["run_id"]
        recorder.log_batch(
            run, metrics=[("curve", i / 2, i, i) for i in range(2300)], tags={f"t{i}": i for i in range(150)}
        )
        recorder.end(run, "FINISHED")
        found = store.client().get_run(run)
        assert len(found.data.params) == 230
        assert {f"t{i}" for i in range(150)} <= found.data.tags.keys()
        history = store.client().get_metric_history(run, "curve")
        assert sorted((m.step, m.value) for m in history) == [(i, i / 2) for i in range(2300)]

    def test_values_that_mlflow_would_refuse(self, store: Store) -> None:
        recorder = store.recorder()
        run = recorder.start_pipeline("limits", "odd", params={"long": "x" * 9000, "nul": "a\x00b", "odd (key)": 1})[
            "run_id"
        ]
        recorder.log_batch(run, metrics=[("accuracy@512", float("nan"), 0, 1), ("up", float("inf"), 0, 1)])
        recorder.end(run, "FINISHED")
        data = store.client().get_run(run).data
        assert len(data.params["long"]) == PARAMETER_LENGTH
        assert data.params["long"].endswith("… [cut: 9000 characters in all]")
        assert data.params["nul"] == "ab"
        assert data.params["odd _key_"] == "1"
        assert data.metrics["accuracy_512"] != data.metrics["accuracy_512"]  # NaN stays NaN
        assert data.metrics["up"] > 1e300

    def test_everything_may_be_said_twice(self, store: Store) -> None:
        recorder = store.recorder()
        first = recorder.start_pipeline("twice", "run", handle="twice/run", params={"a": 1})
        again = store.recorder()
        assert again.start_pipeline("twice", "run", handle="twice/run", params={"a": 1}, again=True) == first
        for each in (recorder, again):
            each.log_batch("twice/run", metrics=[("m", 1.5, 3, 1234)], tags={"t": "v"})
        again.end("twice/run", "FAILED")
        again.end("twice/run", "FINISHED")
        client = store.client()
        assert len(client.search_runs([first["experiment_id"]])) == 1
        assert len(client.get_metric_history(first["run_id"], "m")) == 1
        assert client.get_run(first["run_id"]).info.status == "FAILED"

    def test_an_inherited_run_is_adopted(self, store: Store) -> None:
        client = store.client()
        experiment = client.create_experiment("adoption")
        inherited = client.create_run(experiment, run_name="theirs").info.run_id
        recorder = store.recorder()
        assert recorder.adopt(inherited)["run_id"] == inherited
        recorder.log_batch(inherited, params={"a": 1})
        recorder.end(inherited, "FINISHED")
        recorder.reopen(inherited)
        assert client.get_run(inherited).info.status == "RUNNING"
        recorder.end(inherited, "FINISHED")
        assert [run.info.run_id for run in client.search_runs([experiment])] == [inherited]
        assert client.get_run(inherited).info.status == "FINISHED"

    def test_runs_whose_process_is_gone_end_as_killed(self, store: Store) -> None:
        recorder = store.recorder()
        running = recorder.start_pipeline("dead", "running")["run_id"]
        ended = recorder.start_pipeline("dead", "ended")["run_id"]
        recorder.end(ended, "FINISHED")
        assert mark_dead_runs(store.client(), [running, ended, "0" * 32]) == [running]
        assert [store.client().get_run(run).info.status for run in (running, ended)] == ["KILLED", "FINISHED"]


class ProcessCases:
    """What arrives through a recorder process, whatever happens to it."""

    def test_a_run_arrives_whole(self, store: Store, tmp_path: Path) -> None:
        recorder = RecorderProcess(store.uri, tmp_path)
        recorder.start()
        parent = recorder.start_pipeline("arrives", "pipeline", params={"a": 1})
        tasks = [recorder.start_task(f"task {i}", parent) for i in range(3)]
        recorder.watch(tasks[0], os.getpid())
        for task in tasks:
            recorder.log_batch(task, metrics=[("m", 1.0, 0, 0)])
        ids = [recorder.ids(handle) for handle in (parent, *tasks)]
        assert recorder.flush().complete
        time.sleep(1.2)  # it is watched by now, and a sample is due when its run ends
        for handle in (*tasks, parent):
            recorder.end(handle, "FINISHED")
        delivery = recorder.close()

        assert delivery.complete, delivery.warning
        assert delivery.warning == ""
        runs = [store.client().get_run(item.run_id) for item in ids if item]
        assert [run.info.status for run in runs] == ["FINISHED"] * 4
        assert {run.data.tags.get("mlflow.parentRunId") for run in runs[1:]} == {ids[0].run_id}
        assert all(run.data.metrics["m"] == 1.0 for run in runs[1:])
        assert runs[1].data.metrics["system/memory_usage_megabytes"] > 1
        assert "system/cpu_utilization_percentage" in runs[1].data.metrics

    def test_a_recorder_killed_in_the_middle_loses_and_doubles_nothing(self, store: Store, tmp_path: Path) -> None:
        recorder = RecorderProcess(store.uri, tmp_path)
        parent = recorder.start_pipeline("recorder killed", "pipeline")
        assert (ids := recorder.ids(parent))
        for number in range(30):
            task = recorder.start_task(f"task {number}", parent)
            recorder.log_batch(task, metrics=[("m", float(step), step, 0) for step in range(5)])
            recorder.end(task, "FINISHED")
            if number in (5, 18) and recorder.pid:
                os.kill(recorder.pid, signal.SIGKILL)
                recorder.flush(timeout=30)
        recorder.end(parent, "FINISHED")
        delivery = recorder.close()

        assert delivery.complete, delivery.warning
        client = store.client()
        runs = client.search_runs([ids.experiment_id], f"tags.mlflow.parentRunId = '{ids.run_id}'")
        assert sorted(run.info.run_name for run in runs) == sorted(f"task {number}" for number in range(30))
        assert {run.info.status for run in runs} == {"FINISHED"}
        assert {len(client.get_metric_history(run.info.run_id, "m")) for run in runs} == {5}
        assert client.get_run(ids.run_id).info.status == "FINISHED"

    def test_a_caller_killed_leaves_no_run_running_and_can_go_on(self, store: Store, tmp_path: Path) -> None:
        program = f"""
import os, pathlib
from intermodal.tracking.recorder_process import RecorderProcess
recorder = RecorderProcess({store.uri!r}, pathlib.Path({str(tmp_path)!r}))
parent = recorder.start_pipeline("caller killed", "pipeline", handle="the-parent")
task = recorder.start_task("task", parent, handle="the-task")
recorder.ids(task)
recorder.log_batch(task, metrics=[("m", 1.0, 0, 0)])
os.kill(os.getpid(), 9)
"""
        environment = {**os.environ, **store.environment, "PYTHONPATH": SOURCE}
        assert subprocess.run([sys.executable, "-c", program], env=environment, timeout=120).returncode == -9

        client = store.client()
        wait_for(lambda: _states(client, "caller killed") == ["KILLED", "KILLED"])

        recorder = RecorderProcess(store.uri, tmp_path)
        parent = recorder.start_pipeline("caller killed", "pipeline", handle="the-parent")
        recorder.log_batch("the-task", metrics=[("m", 2.0, 1, 0)])
        recorder.end(parent, "FINISHED")
        delivery = recorder.close()
        assert delivery.complete, delivery.warning
        assert _states(client, "caller killed") == ["FINISHED", "KILLED"]


def wait_for(condition: Callable[[], bool], seconds: float = 120.0) -> None:
    """Wait until a condition holds, at most so long."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)


def _states(client: Any, experiment: str) -> list[str]:
    found = client.get_experiment_by_name(experiment)
    runs = client.search_runs([found.experiment_id]) if found else []
    return [run.info.status for run in sorted(runs, key=lambda run: run.info.run_name)]
