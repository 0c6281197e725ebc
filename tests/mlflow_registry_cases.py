"""What MLflow's registry must do with our models, in whichever store: cases, and a desk that acts them out."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from intermodal.tracking.models import DIGEST_TAG, log_model
from intermodal.tracking.registered import version_exists
from intermodal.tracking.registration import decision_facts, write_registration
from intermodal.tracking.registry import Candidate, ModelRegistry
from mlflow_cases import LABELS, LOAD, TERMS, Store, clean_environment, facts_of, standing, write_model


class ModelCases:
    """A logged model, as its users meet it."""

    def test_it_loads_and_rates_where_intermodal_is_not_installed(self, store: Store, tmp_path: Path) -> None:
        model = write_model(tmp_path / "model")
        run = store.recorder().start_pipeline("models", "log")["run_id"]
        logged = log_model(store.client(), model, facts_of(model), run, tags={DIGEST_TAG: "digest-of-it"})
        shutil.rmtree(model)  # what was logged must not lean on where it came from

        environment = clean_environment(store, tmp_path / "site")
        command = [sys.executable, "-S", "-P", "-c", LOAD, f"models:/{logged.model_id}"]
        done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=180)
        assert done.returncode == 0, done.stderr[-3000:]
        said = json.loads(done.stdout.splitlines()[-1])
        assert said["ratings"] == [[1, 5]] * 4
        assert said["columns"] == ["rating", "p1", "p2", "p3", "p4", "p5"]
        assert said["sums"] == [1.0, 1.0]
        assert said["index"] == [7, 8]
        assert said["inputs"] == [{"type": "string", "required": True}]
        assert said["outputs"] == [["rating", "integer"], *[[f"p{n}", "double"] for n in LABELS]]
        assert all(isinstance(text, str) for text in said["example"])

    def test_logging_again_finds_the_first_and_clears_remains(self, store: Store, tmp_path: Path) -> None:
        model, client = write_model(tmp_path / "model"), store.client()
        run = store.recorder().start_pipeline("models twice", "log")
        tags = {DIGEST_TAG: "digest-twice"}
        remains = client.create_logged_model(run["experiment_id"], "model", run["run_id"], tags)
        first = log_model(client, model, facts_of(model), run["run_id"], tags=tags)
        second = log_model(client, model, facts_of(model), run["run_id"], tags=tags)
        assert second.model_id == first.model_id != remains.model_id
        found = client.search_logged_models([run["experiment_id"]])
        assert [item.model_id for item in found] == [first.model_id]
        assert first.status == "READY"


class RegistryCases:
    """The champion gate before a real registry."""

    def test_the_gate_over_several_candidates(self, store: Store, tmp_path: Path) -> None:
        desk = Desk(store, tmp_path, "gate-over-several")
        too_weak = desk.register("weak", 0.25)
        first = desk.register("first", 0.50)
        worse = desk.register("worse", 0.48)
        better = desk.register("better", 0.55)
        assert [item.decision.decision for item in (too_weak, first, worse, better)] == ["rejected", "accepted"] * 2
        assert desk.alias_version() == better.version
        assert better.champion_version == first.version == worse.champion_version
        versions = {str(v.version): v.tags for v in store.client().search_model_versions(f"name = '{desk.name}'")}
        assert {tags["gate"] for tags in versions.values()} == {"accepted", "rejected"}
        assert versions[worse.version]["gate"] == "rejected"
        assert versions[better.version]["accuracy"] == "0.5500"
        assert versions[better.version][DIGEST_TAG] == "better"
        assert versions[better.version]["intermodal.model.mlflow_run_id"] == "the-training-run"
        assert desk.rescored == []

    def test_the_registered_champion_rates(self, store: Store, tmp_path: Path) -> None:
        import mlflow

        desk = Desk(store, tmp_path, "champion-rates")
        desk.register("first", 0.5)
        client = store.client()
        assert client.get_model_version_by_alias(desk.name, "champion")
        model = mlflow.pyfunc.load_model(f"models:/{desk.name}@champion")
        assert model.predict(["poor thing"])["rating"].tolist() == [2]

    def test_a_champion_of_another_test_split_is_tested_again(self, store: Store, tmp_path: Path) -> None:
        desk = Desk(store, tmp_path, "tested-again")
        desk.register("old", 0.90, test="last year's split")
        placed = desk.register("new", 0.70, again=0.60)
        assert placed.decision.accepted
        assert placed.decision.champion
        assert placed.decision.champion.accuracy["value"] == 0.60
        assert desk.rescored == [[1, 5]]  # the champion's own model answered
        assert desk.alias_version() == placed.version

    def test_a_champion_that_cannot_be_tested_stays(self, store: Store, tmp_path: Path) -> None:
        desk = Desk(store, tmp_path, "cannot-be-tested")
        old = desk.register("old", 0.40, test="last year's split")
        placed = desk.register("new", 0.99, again=ImportError("no module named torch"))
        assert not placed.decision.accepted
        assert "no module named torch" in placed.decision.reasons[0]
        assert desk.alias_version() == old.version

    def test_cut_off_anywhere_it_ends_the_same_with_one_version(self, store: Store, tmp_path: Path) -> None:
        undisturbed = Desk(store, tmp_path, "undisturbed")
        expected = [decision_facts(undisturbed.register(digest, score)) for digest, score in (("a", 0.5), ("b", 0.6))]
        calls = undisturbed.calls
        assert calls > 8
        for cut in range(1, calls + 1, 1 if store.uri.startswith("sqlite") else 6):
            desk = Desk(store, tmp_path, f"cut-{cut}")
            desk.register("a", 0.5)
            desk.cut_at = cut
            with pytest.raises(CutOff):
                desk.register("b", 0.6)
            desk.cut_at = 0
            facts = decision_facts(desk.register("b", 0.6))
            assert {**facts, "registered_model": ""} == {**expected[1], "registered_model": ""}
            found = store.client().search_model_versions(f"name = '{desk.name}'")
            assert sorted(version.tags[DIGEST_TAG] for version in found) == ["a", "b"]
            assert desk.alias_version() == desk.register("b", 0.6).version

    def test_a_beaten_model_does_not_come_back_by_being_run_again(self, store: Store, tmp_path: Path) -> None:
        desk = Desk(store, tmp_path, "does-not-come-back")
        old, new = desk.register("old", 0.5), desk.register("new", 0.6)
        again = desk.register("old", 0.5)
        assert (again.version, again.decision.decision) == (old.version, "rejected")
        assert desk.alias_version() == new.version

    def test_whether_a_registration_still_stands(
        self, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", store.uri)
        client, desk = store.client(), Desk(store, tmp_path, "still-stands")
        first = {"registration": write_registration(tmp_path / "out-1", desk.register("first", 0.5)), "metrics": {}}
        loser = {"registration": write_registration(tmp_path / "out-2", desk.register("loser", 0.4))}
        assert version_exists(first) is None
        assert version_exists(loser) is None
        other = {"registration": {**first["registration"], "model_digest": "another"}}
        assert "no longer in the registry" in str(version_exists(other))
        client.delete_registered_model_alias(desk.name, "champion")
        assert "no version of still-stands has the alias champion" in str(version_exists(first))
        assert version_exists(loser) is None
        client.delete_model_version(desk.name, loser["registration"]["version"])
        assert "no longer in the registry" in str(version_exists(loser))
        assert "names no version" in str(version_exists({"metrics": {"accuracy": 1}}))


class CutOff(BaseException):
    """Stands for a kill: nothing catches it."""


class Desk:
    """Registers made-up standings of the tiny model, and can be cut off between two calls to MLflow."""

    def __init__(self, store: Store, folder: Path, name: str) -> None:
        self.name = name
        self.calls = 0
        self.cut_at = 0
        self.rescored: list[list[int]] = []
        self._store = store
        self._folder = folder / name
        self._run = store.recorder().start_pipeline(name, "register")["run_id"]

    def __getattr__(self, verb: str) -> Callable[..., Any]:
        real = getattr(self._store.client(), verb)

        def call(*arguments: Any, **named: Any) -> Any:
            self.calls += 1
            if self.cut_at and self.calls >= self.cut_at:
                raise CutOff(verb)
            return real(*arguments, **named)

        return call

    def register(self, digest: str, accuracy: float, test: str = "test-split", again: float | Exception = 0.0) -> Any:
        """Register the model; `again` is what the champion scores when it is tested again."""
        directory = self._folder / digest
        if not directory.exists():
            write_model(directory)

        def rescore(predict: Callable[[list[str]], Any]) -> dict[str, Any]:
            self.rescored.append((predict(["terrible", "great"]).argmax(axis=1) + 1).tolist())
            if isinstance(again, Exception):
                raise again
            champion = standing("champion", again, test)
            return {"test_digest": test, "accuracy": champion.accuracy, "rows": 400}

        self.calls = 0
        lineage = {"intermodal.model.mlflow_run_id": "the-training-run"}
        candidate = Candidate(directory, facts_of(directory), standing(digest, accuracy, test), lineage)
        return ModelRegistry(self, self.name, "champion").register(candidate, TERMS, self._run, rescore)

    def alias_version(self) -> str:
        """The version that has the alias."""
        return str(self._store.client().get_model_version_by_alias(self.name, "champion").version)
