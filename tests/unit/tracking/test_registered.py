"""Asking whether a registration stands: the quick ways say what MLflow's own client says."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from pathlib import Path

import pytest

from free_ports import free_port
from intermodal.tracking.registered import _ask_client, _ask_sqlite, version_exists
from intermodal.tracking.store_init import sqlite_path
from mlflow_cases import SOURCE, Store
from mlflow_registry_cases import Desk


def test_sql_agrees_with_the_client(store: Store, tmp_path: Path) -> None:
    desk, client, path = Desk(store, tmp_path, "agreed"), store.client(), str(sqlite_path(store.uri))
    for digest, accuracy in (("a", 0.5), ("b", 0.6), ("c", 0.4)):
        desk.register(digest, accuracy)
    client.delete_model_version("agreed", "3")
    client.create_model_version("agreed", client.get_model_version("agreed", "1").source, tags={"other": "tag"})
    asked = list(itertools.product(("agreed", "unknown"), ("1", "2", "3", "4", "9"), ("champion", "nobody")))
    answers = [_ask_sqlite(path, *question) for question in asked]
    assert answers == [_ask_client(store.uri, store.uri, *question) for question in asked]
    found = dict(zip(asked, answers, strict=True))
    assert found["agreed", "2", "champion"].digest == "b"
    assert found["agreed", "3", "champion"].digest is None
    assert found["agreed", "4", "champion"].digest == ""
    assert [found["agreed", "1", alias].alias for alias in ("champion", "nobody")] == [True, False]


def test_a_layout_that_is_not_understood_goes_to_the_client(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import intermodal.tracking.registered as module

    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.uri)
    placed = Desk(store, tmp_path, "renamed").register("a", 0.5)
    facts = {"registered_model": "renamed", "version": placed.version, "alias": "champion", "model_digest": "a"}
    monkeypatch.setattr(module, "sqlite_path", lambda _uri: tmp_path / "no-tables.db")
    (tmp_path / "no-tables.db").write_bytes(b"")
    assert version_exists({"registration": {**facts, "accepted": True}}) is None


def test_the_quick_way_imports_no_mlflow(store: Store, tmp_path: Path) -> None:
    placed = Desk(store, tmp_path, "quick").register("a", 0.5)
    facts = {"registered_model": "quick", "version": placed.version, "alias": "champion", "model_digest": "a"}
    program = "import sys\nfrom intermodal.tracking.registry import version_exists\n"
    program += f"print(version_exists({ {'registration': facts} }))\n"
    program += "print([name for name in ('mlflow', 'sqlalchemy', 'pandas', 'numpy') if name in sys.modules])"
    environment = {**os.environ, "PYTHONPATH": SOURCE, "MLFLOW_TRACKING_URI": store.uri}
    said = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert said.stdout.split("\n")[:2] == ["None", "[]"]


def test_a_store_that_is_gone_or_away_is_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = {"registered_model": "m", "version": "1", "alias": "champion", "model_digest": "a", "accepted": True}
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/gone.db")
    assert version_exists({"registration": facts}) == "version 1 of m is no longer in the registry"
    assert not (tmp_path / "gone.db").exists()
    port = free_port()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    assert "could not be asked for version 1 of m" in str(version_exists({"registration": facts}))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "off")
    monkeypatch.delenv("MLFLOW_REGISTRY_URI", raising=False)
    assert "could not be asked" in str(version_exists({"registration": facts}))
