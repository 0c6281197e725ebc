"""The page on `mlflow run`, followed word by word; and what it says of the configs."""

from __future__ import annotations

import json
import os
import re
import sys
from dataclasses import fields
from pathlib import Path

from documents import Command, Reader, read_document
from intermodal.mlflow_backend.config import BackendConfig

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "mlflow-run.md"


def test_the_page_does_what_it_says(tmp_path: Path, empty_store: Path) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "mlflow.db").write_bytes(empty_store.read_bytes())
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("INTERMODAL_", "MLFLOW_"))}
    own = {
        "PATH": f"{Path(sys.executable).parent}:{kept['PATH']}",
        "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db",
    }
    reader = Reader(folder, {**kept, **own})
    parts = read_document(PAGE)
    assert sum(isinstance(part, Command) for part in parts) >= 5
    for part in parts:
        reader.follow(part)
    from mlflow.tracking import MlflowClient

    runs = MlflowClient(reader.environment["MLFLOW_TRACKING_URI"]).search_runs(["0"])
    parents = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    assert len(parents) == 3, "nothing is recorded of what was refused"
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert parents[-1].info.run_name == "first"


def test_every_key_of_the_config_is_explained() -> None:
    table = PAGE.read_text().partition("## The backend config")[2].partition("\n## ")[0]
    explained = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`[^|]*) \|", table, re.MULTILINE))))
    assert explained == {item.name for item in fields(BackendConfig)} - {"sections"} | {"kubeflow", "sagemaker"}
    for path in (ROOT / "mlflow_project").glob("*.json"):
        assert set(json.loads(path.read_text())) <= explained
