"""The other pipelines as a user runs them: side by side, retraining on drift, batch prediction."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

ROOT = Path(__file__).resolve().parents[2]


class Home:
    """A home with its own MLflow store, and the command line in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.first: dict[str, Any] = {}
        own = {"INTERMODAL_HOME": str(path / "home"), "MLFLOW_TRACKING_URI": f"sqlite:///{path}/mlflow.db"}
        # MLflow keeps a registry that a test in this process once chose in the environment.
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("INTERMODAL_", "MLFLOW_"))}
        self.environment = {**kept, **own}

    def run(self, pipeline: str, *parameters: str, expect: int = 0) -> dict[str, Any]:
        """Run a pipeline of the repository, and read its JSON."""
        words = [word for item in parameters for word in ("-p", item)]
        command = [sys.executable, "-m", "intermodal", "run", str(ROOT / "pipelines" / pipeline), *words, "--json"]
        done = subprocess.run(command, capture_output=True, text=True, env=self.environment, cwd=self.path, check=False)
        assert done.returncode == expect, done.stderr[-3000:]
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer


def states(run: dict[str, Any]) -> dict[str, str]:
    """Task → state."""
    return {task["name"]: task["state"] for task in run["tasks"]}


def content(run: dict[str, Any], artifact: str, file: str) -> Any:
    """A JSON file of an artifact."""
    return json.loads((Path(run["artifacts"][artifact]["uri"]) / file).read_text())


def registration_of(run: dict[str, Any]) -> str:
    """Name of the registration that the run made."""
    return next(name for name in run["artifacts"] if name.endswith(".registration"))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home whose champion was trained, by the first retraining, on reviews of all categories."""
    home = Home(tmp_path_factory.mktemp("pipelines"))
    first = home.run("retrain.py", "rows=3000", "framework=baseline")
    assert content(first, "drift.findings", "drift.json")["verdict"] == "no reference"
    decision = content(first, registration_of(first), "registration.json")
    assert decision["decision"] == "accepted", decision["reasons"]
    home.first = first
    return home


def published(home: Home, kind: str) -> dict[str, tuple[Path, dict[str, Any]]]:
    """What the first run gave the launcher to publish: "task.artifact" → (its path, its metadata), of one KFP type."""
    found = {}
    for folder in (home.path / "home" / "runs" / home.first["run_id"] / "tasks").iterdir():
        asked = json.loads((folder / "executor_input.json").read_text())["outputs"]["artifacts"]
        told = json.loads((folder / "kfp" / "executor_output.json").read_text())["artifacts"]
        for name, value in asked.items():
            if value["artifacts"][0]["type"]["schemaTitle"] == f"system.{kind}":
                artifact = told[name]["artifacts"][0]
                found[f"{folder.name}.{name}"] = (Path(artifact["uri"]), artifact.get("metadata", {}))
    return found


def test_the_kubeflow_ui_gets_confusion_matrix_and_roc_curve(home: Home) -> None:
    ((name, (_path, metadata)),) = published(home, "ClassificationMetrics").items()
    assert name == "evaluate-2.classification"
    matrix, points = metadata["confusionMatrix"], metadata["confidenceMetrics"]
    assert [item["displayName"] for item in matrix["annotationSpecs"]] == ["1", "2", "3", "4", "5"]
    assert [len(row["row"]) for row in matrix["rows"]] == [5] * 5
    rows = content(home.first, "evaluate-2.evaluation", "evaluation.json")["rows"]
    assert sum(sum(row["row"]) for row in matrix["rows"]) == rows
    for rate in ("recall", "falsePositiveRate"):
        values = [point[rate] for point in points]
        assert (values[0], values[-1]) == (0.0, 1.0)
        assert values == sorted(values)
    thresholds = [point["confidenceThreshold"] for point in points]
    assert thresholds == sorted(thresholds, reverse=True)


def test_the_kubeflow_ui_gets_numbers_pages_and_notes_of_every_step(home: Home) -> None:
    numbers, pages, notes = (published(home, kind) for kind in ("Metrics", "HTML", "Markdown"))
    done = {task for task, state in states(home.first).items() if state == "SUCCEEDED"}
    assert {name.partition(".")[0] for name in numbers} == done
    for _path, metadata in numbers.values():
        values = {key: value for key, value in metadata.items() if not key.startswith("intermodal")}
        assert values
        assert all(isinstance(value, int | float) for value in values.values()), values
    telling = {"validate", "drift", "baseline", "evaluate-2", "register-2"}
    assert {name.partition(".")[0] for name in pages} == telling
    assert {name.partition(".")[0] for name in notes} == telling
    for start, found in (("<!doctype html>", pages), ("# ", notes)):
        for name, (path, _metadata) in found.items():
            text = path.read_text()
            assert text.startswith(start), name
            # The link to MLflow differs from run to run: were it in the file, the digest would too.
            assert home.first["run_id"] not in text, name
            assert home.first["mlflow_run_id"] not in text, name


def test_reviews_of_the_same_kind_train_nothing(home: Home) -> None:
    run = home.run("retrain.py", "rows=3000", "seed=8", "framework=baseline")
    found = content(run, "drift.findings", "drift.json")
    assert (found["verdict"], len(found["shifts"])) == ("stable", 4)
    assert states(run)["featurize"] == states(run)["register"] == "SKIPPED"
    assert "No drift" in Path(run["artifacts"]["drift.notes"]["uri"]).read_text()


def test_reviews_of_another_kind_train_a_candidate_for_the_gate(home: Home) -> None:
    run = home.run("retrain.py", "rows=3000", "seed=8", "framework=baseline", 'categories=["Toys"]')
    found = content(run, "drift.findings", "drift.json")
    assert found["verdict"] == "drifted"
    assert {"category", "words"} <= {item["name"] for item in found["shifts"] if item["drifted"]}
    decision = content(run, registration_of(run), "registration.json")
    assert decision["champion_model_digest"]  # it was compared with the one before, on the new test split
    assert decision["champion"] is not None


def test_a_file_of_reviews_is_rated_by_the_champion_and_again_when_it_changes(home: Home) -> None:
    run = home.run("batch.py", "rows=600")
    table = pq.read_table(Path(run["artifacts"]["batch-predict.predictions"]["uri"]) / "part-00000.parquet")
    assert table.num_rows == run["artifacts"]["ingest.reviews"]["rows"]
    assert set(table["rating"].drop_null().to_pylist()) <= {1, 2, 3, 4, 5}
    assert run["metrics"]["batch-predict.agreement_with_stars"] > 0.25  # the most frequent rating has a share as well
    assert states(home.run("batch.py", "rows=600"))["batch-predict"] == "CACHED"
    from mlflow import MlflowClient

    uri = home.environment["MLFLOW_TRACKING_URI"]
    client = MlflowClient(uri, uri)  # an earlier test in this process may have chosen another registry
    held = int(client.get_model_version_by_alias("reviews", "champion").version)
    others = [
        int(item.version) for item in client.search_model_versions("name = 'reviews'") if int(item.version) != held
    ]
    client.set_registered_model_alias("reviews", "champion", str(max(others)))
    again = home.run("batch.py", "rows=600")
    assert states(again)["batch-predict"] == "SUCCEEDED"
    assert (
        again["artifacts"]["batch-predict.predictions"]["digest"]
        != run["artifacts"]["batch-predict.predictions"]["digest"]
    )


def test_a_model_that_is_not_registered_is_told(home: Home) -> None:
    run = home.run("batch.py", "rows=600", "model_uri=models:/nobody@champion", expect=2)
    assert run["error"]["headline"] == "there is no such registered model"


@pytest.mark.skipif(
    find_spec("tensorflow") is None or find_spec("keras_hub") is None, reason="TensorFlow is not installed"
)
def test_three_trainings_side_by_side_and_the_best_is_registered(home: Home, tmp_path: Path) -> None:
    from tiny_models import save_checkpoint

    checkpoint = save_checkpoint(tmp_path / "tiny")
    given = ("rows=3000", f"checkpoint={checkpoint}", "max_seq_length=16", "registered_model=best", "metric=qwk")
    run = home.run("side_by_side.py", *given)
    ranking = content(run, "choose.choice", "choice.json")["ranking"]
    assert [item["place"] for item in ranking] == [1, 2, 3]
    assert {item["name"] for item in ranking} == {"baseline", "pytorch", "tensorflow"}
    assert ranking[0]["qwk"] == max(item["qwk"] for item in ranking)
    task = {"baseline": "baseline", "pytorch": "train-pytorch", "tensorflow": "train-tensorflow"}[ranking[0]["name"]]
    assert run["artifacts"]["choose.model"]["digest"] == run["artifacts"][f"{task}.model"]["digest"]
    registration = content(run, "register.registration", "registration.json")
    assert registration["model_digest"] == run["artifacts"]["choose.model"]["digest"]
    evaluations = [
        content(run, f"{name}.evaluation", "evaluation.json") for name in ("evaluate", "evaluate-2", "evaluate-3")
    ]
    assert len({item["test_digest"] for item in evaluations}) == 1
