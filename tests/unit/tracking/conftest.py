"""A fresh SQLite store for each test, copied from one that MLflow made."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from intermodal.tracking.store_init import ensure_store
from mlflow_cases import Store


@pytest.fixture(scope="session")
def _empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    ensure_store(f"sqlite:///{path}")
    return path


@pytest.fixture
def store(_empty_database: Path, tmp_path: Path) -> Store:
    """An initialised SQLite store of its own."""
    home = tmp_path / "home"
    home.mkdir()
    shutil.copy(_empty_database, home / "mlflow.db")
    return Store(f"sqlite:///{home / 'mlflow.db'}")
