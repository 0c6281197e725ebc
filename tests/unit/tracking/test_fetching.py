"""Fetching a registered model's own files, and noticing that an alias has moved."""

from __future__ import annotations

from pathlib import Path

import pytest

from intermodal.errors import StoreFailed, UsageError
from intermodal.tracking.fetching import alias_facts, alias_unmoved, champion_version, fetched_model, resolve
from mlflow_cases import Store
from mlflow_registry_cases import Desk


@pytest.fixture
def desk(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A registry whose champion of "fetched" is its second version."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.uri)
    desk = Desk(store, tmp_path, "fetched")
    for digest, accuracy in (("a", 0.5), ("b", 0.6)):
        desk.register(digest, accuracy)
    return desk


def test_a_model_is_fetched_by_alias_and_by_version(desk: Desk) -> None:
    assert resolve("models:/fetched@champion") == "models:/fetched/2"
    assert champion_version("fetched", "champion") == "2"
    for uri, digest in (("models:/fetched@champion", "b"), ("models:/fetched/1", "a")):
        with fetched_model(uri) as found:
            assert found.digest == digest
            assert {"predictor.py", "model.json", "words.json"} <= {path.name for path in found.directory.iterdir()}
        assert not found.directory.exists()


def test_an_alias_that_moves_is_noticed(desk: Desk, store: Store) -> None:
    facts = alias_facts("models:/fetched@champion", resolve("models:/fetched@champion"))
    assert alias_unmoved({"predictions": facts, "metrics": {"rows": 3}}) is None
    store.client().set_registered_model_alias("fetched", "champion", "1")
    assert alias_unmoved({"predictions": facts}) == "champion of fetched is now version 1"
    store.client().delete_registered_model_alias("fetched", "champion")
    assert alias_unmoved({"predictions": facts}) == "champion of fetched is now version none"
    assert champion_version("fetched", "champion") == ""
    # A version cannot move, so that no registry needs to be asked.
    assert alias_facts("models:/fetched/1", "models:/fetched/1") == {}
    assert alias_unmoved({"predictions": {}}) is None


def test_what_is_not_there_is_told(desk: Desk) -> None:
    with pytest.raises(UsageError, match="there is no such registered model") as caught:
        resolve("models:/fetched@nobody")
    assert "pipelines/reviews.py" in caught.value.next_step
    with pytest.raises(UsageError, match="no such registered model"):
        resolve("models:/nothing@champion")
    with pytest.raises(StoreFailed, match="models:/fetched/99 cannot be fetched"), fetched_model("models:/fetched/99"):
        pass


def test_a_registry_that_is_away_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(StoreFailed, match="does not say which version"):
        champion_version("fetched", "champion")
    facts = {"registered_model": "fetched", "alias": "champion", "version": "2"}
    assert "could not be asked" in str(alias_unmoved({"predictions": facts}))
