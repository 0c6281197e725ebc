"""The flagship pipeline as a user runs it: from raw reviews to a registered model, and again."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PIPELINE = str(ROOT / "pipelines" / "reviews.py")
STARS = {"1": 23_783, "2": 6_890, "3": 8_308, "4": 16_693, "5": 46_410}


class Home:
    """A home of its own, and the command line in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.environment = {
            **os.environ,
            "INTERMODAL_HOME": str(path / "home"),
            "MLFLOW_TRACKING_URI": f"sqlite:///{path}/mlflow.db",
        }

    def call(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run `intermodal …`."""
        command = [sys.executable, "-m", "intermodal", *words]
        return subprocess.run(command, capture_output=True, text=True, env=self.environment, cwd=self.path, check=False)

    def run(self, *words: str, expect: int = 0) -> dict[str, Any]:
        """Run the flagship, and read its JSON."""
        done = self.call("run", PIPELINE, *words, "--json")
        assert done.returncode == expect, done.stderr[-3000:]
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer


@pytest.fixture(scope="module")
def flagship(tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, dict[str, Any]]:
    """A home in which the flagship ran once on 3,000 synthetic reviews."""
    home = Home(tmp_path_factory.mktemp("flagship"))
    home.environment["MLFLOW_TRACKING_URI"] = f"sqlite:///{home.path}/mlflow.db"
    return home, home.run("-p", "rows=3000")


def states(run: dict[str, Any]) -> dict[str, str]:
    """Task → state."""
    return {task["name"]: task["state"] for task in run["tasks"]}


def test_ends_with_a_registered_champion_and_a_report(flagship: tuple[Home, dict[str, Any]]) -> None:
    _home, run = flagship
    assert run["state"] == "SUCCEEDED"
    assert run["registered_model"]["alias"] == "champion"
    assert run["run_id"]
    assert run["mlflow_run_id"]
    assert states(run)["fail"] == "SKIPPED"
    assert {"seconds", "cached", "reason", "state"} <= set(run["tasks"][0])
    assert {"uri", "digest", "rows"} <= set(run["artifacts"]["ingest.reviews"])
    page = Path(run["report"]).read_text()
    assert run["run_id"] in page
    assert "<svg" in page


def test_every_row_is_accounted_for(flagship: tuple[Home, dict[str, Any]]) -> None:
    _home, run = flagship
    facts = run["artifacts"]
    assert facts["ingest.reviews"]["rows"] + facts["ingest.quarantine"]["rows"] == run["metrics"]["ingest.rows_in"]
    assert facts["validate.clean"]["rows"] + facts["validate.quarantine"]["rows"] == facts["ingest.reviews"]["rows"]


def test_a_second_run_does_no_work(flagship: tuple[Home, dict[str, Any]]) -> None:
    home, first = flagship
    again = home.run("-p", "rows=3000")
    assert set(states(again).values()) == {"CACHED", "SKIPPED"}
    assert digests(again) == digests(first)


def digests(run: dict[str, Any]) -> dict[str, str]:
    """Artifact → digest."""
    return {name: item["digest"] for name, item in run["artifacts"].items()}


def test_plan_says_what_another_seed_would_repeat(flagship: tuple[Home, dict[str, Any]]) -> None:
    home, _run = flagship
    done = home.call("plan", PIPELINE, "-p", "rows=3000", "-p", "max_seq_length=32", "--json")
    plan = {task["name"]: task for task in json.loads(done.stdout)["tasks"]}
    assert plan["validate"]["verdict"] == "hit"
    assert plan["featurize"]["verdict"] == "miss"
    assert "parameter max_seq_length: 64 → 32" in plan["featurize"]["reason"]
    assert "comes from featurize" in plan["train-pytorch"]["reason"]


def test_every_artifact_verifies_and_a_flipped_byte_is_found(
    flagship: tuple[Home, dict[str, Any]], tmp_path: Path
) -> None:
    home, run = flagship
    assert home.call("verify", "--run", run["run_id"]).returncode == 0
    copy = tmp_path / "model"
    shutil.copytree(run["artifacts"]["train-pytorch.model"]["uri"], copy)
    weights = next(copy.rglob("*.safetensors"))
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 1
    weights.write_bytes(content)
    found = home.call("verify", str(copy))
    assert found.returncode == 5
    assert weights.name in found.stdout + found.stderr


def test_lineage_leads_from_the_model_to_the_raw_reviews(flagship: tuple[Home, dict[str, Any]]) -> None:
    home, _run = flagship
    text = home.call("lineage", "train-pytorch.model").stdout
    for step in ("train_pytorch", "featurize", "validate", "ingest", "generate"):
        assert step in text


def test_the_registered_model_loads_where_intermodal_is_not_installed(flagship: tuple[Home, dict[str, Any]]) -> None:
    home, run = flagship
    name = run["registered_model"]["name"]
    code = f"""
import sys
sys.path[:] = [p for p in sys.path if "intermodal" not in p and not p.endswith("/src")]
sys.meta_path.insert(0, type("No", (), {{"find_spec": staticmethod(lambda n, *a: (_ for _ in ()).throw(
    ImportError(n)) if n.partition(".")[0] == "intermodal" else None)}}))
import mlflow
model = mlflow.pyfunc.load_model("models:/{name}@champion")
answer = model.predict(["I love it, works perfectly", "terrible, it broke after a day and I want my money back"])
print(answer.to_json(orient="records"))
assert "intermodal" not in sys.modules
"""
    environment = {**home.environment, "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false"}
    environment.pop("PYTHONPATH", None)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, cwd=home.path, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    good, bad = json.loads(done.stdout.strip().splitlines()[-1])
    assert good["rating"] > bad["rating"]
    assert abs(sum(value for key, value in good.items() if key != "rating") - 1) < 1e-3


def test_mlflow_holds_one_parent_and_one_nested_run_a_task(flagship: tuple[Home, dict[str, Any]]) -> None:
    home, run = flagship
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=home.environment["MLFLOW_TRACKING_URI"])
    parent = client.get_run(run["mlflow_run_id"])
    nested = client.search_runs(
        [parent.info.experiment_id], f"tags.mlflow.parentRunId = '{run['mlflow_run_id']}'", max_results=100
    )
    done = {task["name"] for task in run["tasks"] if task["state"] == "SUCCEEDED"}
    assert {item.data.tags["intermodal.task"] for item in nested} == done
    assert {item.info.status for item in [parent, *nested]} == {"FINISHED"}
    assert parent.data.params["rows"] == "3000"
    trained = next(item for item in nested if item.data.tags["intermodal.task"] == "train-pytorch")
    assert [item.dataset.digest for item in trained.inputs.dataset_inputs]
    assert any(key.startswith("system/") for key in trained.data.metrics)


def test_another_framework_and_an_unknown_one(flagship: tuple[Home, dict[str, Any]]) -> None:
    home, _run = flagship
    plain = home.run("-p", "rows=3000", "-p", "framework=baseline", "-p", "registered_model=plain")
    assert plain["registered_model"]["name"] == "plain"
    assert states(plain)["train-pytorch"] == "SKIPPED"
    unknown = home.run("-p", "rows=3000", "-p", "framework=jax", expect=2)
    assert "unknown framework" in unknown["error"]["headline"]


BAD_SOURCES = {
    "missing column": ("r.tsv", b"marketplace\tcustomer_id\nUS\t1\n", 3),
    "wrong delimiter": ("r.tsv", b"marketplace,customer_id,review_id\nUS,1,2\n", 3),
    "empty file": ("r.tsv", b"", 3),
    "binary file": ("r.tsv", bytes(range(256)) * 64, 3),
    "truncated gzip": ("r.tsv.gz", gzip.compress(os.urandom(40_000))[:20_000], 3),
}


@pytest.mark.parametrize("kind", sorted(BAD_SOURCES))
def test_bad_data_has_one_clear_error(kind: str, tmp_path: Path) -> None:
    name, content, code = BAD_SOURCES[kind]
    (tmp_path / name).write_bytes(content)
    home = Home(tmp_path)
    home.environment["MLFLOW_TRACKING_URI"] = "off"
    run = home.run("-p", f"source={tmp_path / name}", expect=code)
    assert run["error"]["headline"]
    assert run["error"]["kind"] == "DataRejected"
    assert "ingest" not in {name.partition(".")[0] for name in run["artifacts"]}


def test_a_source_that_is_not_there_and_wrong_parameters(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.environment["MLFLOW_TRACKING_URI"] = "off"
    for words, expected in (
        (["-p", "sauce=x"], "source"),
        (["-p", "rows=many"], "whole number"),
        (["-p", "rows"], "name=value"),
    ):
        done = home.call("run", PIPELINE, *words)
        assert done.returncode == 2, done.stderr
        assert expected in done.stderr
        assert "Traceback" not in done.stderr
    missing = home.run("-p", "source=/nowhere/*.tsv", expect=2)
    assert "/nowhere" in json.dumps(missing["error"])


@pytest.mark.timeout(2400)
@pytest.mark.shared
def test_the_real_reviews_from_raw_file_to_champion_and_again(shared: Path, tmp_path: Path) -> None:
    home = Home(tmp_path)
    source = f"source={shared / 'data' / 'amazon_reviews_us_Digital_Software_v1_00.tsv.gz'}"
    run = home.run("-p", source)
    assert run["metrics"]["ingest.rows_in"] == 102_084
    assert run["artifacts"]["ingest.reviews"]["rows"] == 102_084
    profile = json.loads((Path(run["artifacts"]["explore.profile"]["uri"]) / "profile.json").read_text())
    assert str(STARS) and profile
    assert run["registered_model"]["alias"] == "champion"
    assert run["metrics"]["evaluate-2.accuracy"] > run["metrics"]["evaluate.accuracy"] - 0.01
    again = home.run("-p", source)
    assert set(states(again).values()) == {"CACHED", "SKIPPED"}
