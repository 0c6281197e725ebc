"""The step `register` with real models, real evaluations and a real registry in SQLite."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from kfp.dsl import Dataset, Model

from candidates import evaluate_model, make_features, make_model, register_model
from intermodal.errors import DataRejected, StoreFailed, UsageError
from intermodal.tracking.registry import version_exists
from intermodal.tracking.store_init import ensure_store
from mlflow_cases import WORDS, Store

WORSE = {**WORDS, "good": 5}  # never says four stars


@pytest.fixture(scope="session")
def _database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("registry") / "mlflow.db"
    ensure_store(f"sqlite:///{path}")
    return path


@pytest.fixture
def store(_database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    shutil.copy(_database, tmp_path / "mlflow.db")
    found = Store(f"sqlite:///{tmp_path / 'mlflow.db'}")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", found.uri)
    return found


class Shop:
    """Makes candidates and registers them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.features = make_features(folder / "features")

    def candidate(self, name: str, words: dict[str, int] | None = None, features: Dataset | None = None) -> Any:
        model = make_model(self.folder / name, words)
        return model, evaluate_model(model, features or self.features, self.folder / f"{name}-evaluated").evaluation

    def register(
        self, model: Model, evaluation: Dataset, features: Dataset | None = None, **parameters: object
    ) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        folder = self.folder / f"registered-{len(list(self.folder.iterdir()))}"
        registration, metrics = register_model(model, evaluation, features or self.features, folder, **parameters)
        said = json.loads(Path(registration.path, "registration.json").read_text())
        return said, registration.metadata, metrics.metadata


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def test_the_first_model_then_a_better_one_then_a_worse(store: Store, shop: Shop) -> None:
    first, facts, metrics = shop.register(*shop.candidate("first", WORSE))
    assert (first["decision"], first["champion"], facts["version"]) == ("accepted", None, "1")
    assert metrics == {"accuracy": first["accuracy"]["value"], "accepted": 1.0}
    better, facts, metrics = shop.register(*shop.candidate("better"))
    assert (better["decision"], facts["version"], facts["champion_version"]) == ("accepted", "2", "1")
    assert better["champion"] == first["accuracy"]
    assert metrics["champion_accuracy"] < metrics["accuracy"]
    worse, facts, _ = shop.register(*shop.candidate("worse", {**WORDS, "terrible": 2, "good": 5}))
    assert (worse["decision"], facts["accepted"], facts["version"]) == ("rejected", False, "3")
    client = store.client()
    assert str(client.get_model_version_by_alias("reviews", "champion").version) == "2"
    tags = client.get_model_version("reviews", "3").tags
    assert tags["gate"] == "rejected"
    assert tags["intermodal.model_digest"] == worse["model_digest"]
    assert tags["intermodal.test_digest"] == shop.features.metadata["splits"]["test"]["digest"]
    assert version_exists({"registration": facts}) is None


def test_below_the_floor_nothing_gets_the_alias(store: Store, shop: Shop) -> None:
    said, facts, _ = shop.register(*shop.candidate("only"), floor_accuracy=0.9, registered_model="mine", alias="best")
    assert (said["decision"], said["registered_model"], facts["alias"]) == ("rejected", "mine", "best")
    assert "below the floor 0.9000" in said["reasons"][0]
    assert store.client().get_registered_model("mine").aliases == {}


def test_a_margin_may_be_asked_for(store: Store, shop: Shop) -> None:
    shop.register(*shop.candidate("first", WORSE))
    said, _, _ = shop.register(*shop.candidate("better"), margin=0.5)
    assert said["decision"] == "rejected"
    assert said["margin"] == 0.5


def test_the_champion_is_tested_again_on_a_new_split(store: Store, shop: Shop) -> None:
    shop.register(*shop.candidate("old", WORSE))
    news = make_features(shop.folder / "new-features", shift="N")
    said, _, _ = shop.register(*shop.candidate("new", features=news), features=news)
    assert said["decision"] == "accepted"
    assert said["test_digest"] == news.metadata["splits"]["test"]["digest"]
    assert said["champion"]["value"] < said["accuracy"]["value"]


def test_the_registered_model_is_the_candidate(store: Store, shop: Shop) -> None:
    import mlflow

    _, facts, _ = shop.register(*shop.candidate("first"))
    store.client()
    answer = mlflow.pyfunc.load_model(facts["model_uri"]).predict(["terrible", "great"])
    assert answer["rating"].tolist() == [1, 5]


def test_repeated_it_says_the_same_and_makes_no_second_version(store: Store, shop: Shop) -> None:
    first = shop.candidate("first")
    said, facts, _ = shop.register(*first)
    again, facts_again, _ = shop.register(*first)
    assert (again, facts_again["version"]) == (said, facts["version"])
    assert len(store.client().search_model_versions("name = 'reviews'")) == 1


def test_what_it_says_has_nothing_of_this_registry_in_it(store: Store, shop: Shop) -> None:
    said, facts, _ = shop.register(*shop.candidate("first"))
    text = json.dumps(said)
    assert facts["mlflow_run_id"] not in text
    assert str(shop.folder) not in text
    assert "version" not in text


def test_an_inherited_run_is_used_and_left_running(store: Store, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    client = store.client()
    experiment = client.create_experiment("inherited", str(shop.folder / "artifacts"))
    run = client.create_run(experiment).info.run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", run)
    _, facts, _ = shop.register(*shop.candidate("first"))
    assert facts["mlflow_run_id"] == run
    assert client.get_run(run).info.status == "RUNNING"
    assert [item.info.run_id for item in client.search_runs([experiment])] == [run]
    assert client.search_experiments(filter_string="name = 'intermodal'") == []
    (logged,) = client.search_logged_models([experiment])
    assert logged.source_run_id == run


def test_on_its_own_it_makes_a_run_and_ends_it(store: Store, shop: Shop) -> None:
    _, facts, _ = shop.register(*shop.candidate("first"))
    assert store.client().get_run(facts["mlflow_run_id"]).info.status == "FINISHED"


def test_where_model_and_evaluation_come_from_is_on_the_version(store: Store, shop: Shop) -> None:
    model, evaluation = shop.candidate("first")
    origin = {"digest": json.loads(Path(evaluation.path, "evaluation.json").read_text())["model_digest"]}
    Path(model.path, "manifest.json").write_text(json.dumps(origin | {"origin": {"mlflow_run_id": "trained-in-this"}}))
    shop.register(model, evaluation)
    assert store.client().get_model_version("reviews", "1").tags["intermodal.model.mlflow_run_id"] == "trained-in-this"


def test_parts_that_do_not_belong_together_are_refused(store: Store, shop: Shop) -> None:
    model, evaluation = shop.candidate("first")
    other = make_model(shop.folder / "other", WORSE)
    with pytest.raises(DataRejected, match="evaluation is of another model"):
        shop.register(other, evaluation)
    with pytest.raises(DataRejected, match="evaluation is of another test split"):
        shop.register(model, evaluation, features=make_features(shop.folder / "others", shift="O"))


def test_without_mlflow_it_says_what_to_do(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    candidate = shop.candidate("first")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "off")
    with pytest.raises(UsageError, match="registering a model needs MLflow"):
        shop.register(*candidate)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(StoreFailed, match="MLflow did not take the model"):
        shop.register(*candidate)
