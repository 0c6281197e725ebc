"""The tracking database is made once, whole, whoever comes at the same time and whoever is killed."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from intermodal.errors import StoreFailed
from intermodal.tracking.store_init import artifact_root, ensure_store, is_database, sqlite_path, tidy
from mlflow_cases import SOURCE, Store, wait_for


def _processes(uri: str, count: int) -> list[subprocess.Popen[bytes]]:
    program = f"from intermodal.tracking.store_init import ensure_store; ensure_store({uri!r})"
    environment = {**os.environ, "PYTHONPATH": SOURCE}
    return [subprocess.Popen([sys.executable, "-c", program], env=environment) for _ in range(count)]


def test_processes_that_race_and_one_that_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "mlflow.db"
    killed = _processes(f"sqlite:///{path}", 1)[0]
    wait_for(lambda: bool(list(path.parent.glob(".mlflow.db.*.new"))) if path.parent.exists() else False)
    killed.kill()
    killed.wait()
    assert not path.exists()  # half of a database never lies there
    racing = _processes(f"sqlite:///{path}", 2)
    assert [process.wait(timeout=180) for process in racing] == [0, 0]
    assert sqlite3.connect(path).execute("SELECT count(*) FROM experiments").fetchone() == (1,)
    assert not list(path.parent.glob("*.new*"))
    assert Store(f"sqlite:///{path}").recorder().start_pipeline("after", "works")["experiment_id"] == "1"


def test_a_database_that_is_there_is_left_alone_at_no_cost(store: Store) -> None:
    path = sqlite_path(store.uri)
    assert path
    before = path.read_bytes()
    program = f"import sys; from intermodal.tracking.store_init import ensure_store; ensure_store({store.uri!r});"
    program += "print([name for name in ('mlflow', 'sqlalchemy', 'filelock') if name in sys.modules])"
    environment = {**os.environ, "PYTHONPATH": SOURCE}
    said = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"
    assert path.read_bytes() == before


def test_an_empty_file_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"
    path.touch()
    ensure_store(f"sqlite:///{path}")
    assert sqlite3.connect(path).execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert sqlite3.connect(path).execute("SELECT count(*) FROM experiments").fetchone() == (1,)


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreFailed, match="cannot be made") as caught:
        ensure_store(f"sqlite:///{tmp_path}/file/mlflow.db")
    assert "INTERMODAL_HOME" in caught.value.next_step


def test_artifacts_lie_beside_the_database_and_a_server_decides_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert artifact_root(f"sqlite:///{tmp_path}/mlflow.db") == str(tmp_path / "mlartifacts")
    assert artifact_root("http://127.0.0.1:5000") == ""
    monkeypatch.setenv("INTERMODAL_HOME", str(tmp_path))
    assert artifact_root("postgresql://host/db") == str(tmp_path / "mlartifacts")
    assert [is_database(uri) for uri in ("sqlite:///x", "postgresql+psycopg2://h/d", "http://h", "off")] == [
        True,
        True,
        False,
        False,
    ]


def test_a_servers_store_is_not_touched() -> None:
    ensure_store("http://127.0.0.1:9")  # nothing listens there


def test_tidying_leaves_everything_in_one_file(store: Store, tmp_path: Path) -> None:
    path = sqlite_path(store.uri)
    assert path
    store.recorder().start_pipeline("tidy", "run")
    tidy(store.uri)
    (copy := tmp_path / "copy.db").write_bytes(path.read_bytes())
    assert sqlite3.connect(copy).execute("SELECT name FROM runs").fetchall() == [("run",)]
