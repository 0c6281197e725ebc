"""Projects under version control: `mlflow run --version` and projects from a git URI."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from free_ports import free_port
from mlflow_running import BACKEND, run, typed
from projects import Store, until

pytestmark = pytest.mark.usefixtures("home")  # an empty directory that is not the project's


@pytest.fixture
def repository(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project in git: version `old` says five where the newest says six, and work is under way."""
    for name in ("GIT_AUTHOR", "GIT_COMMITTER"):
        monkeypatch.setenv(f"{name}_NAME", "Test")
        monkeypatch.setenv(f"{name}_EMAIL", "test@example.com")

    def git(*words: str) -> None:
        subprocess.run(["git", "-C", str(project), *words], check=True, capture_output=True)

    git("init", "-q", "-b", "main")
    git("add", ".")
    git("commit", "-q", "-m", "first")
    git("branch", "old")
    text = (project / "toy_steps.py").read_text()
    (project / "toy_steps.py").write_text(text.replace("making {n} numbers", "making {n} new numbers"))
    git("commit", "-q", "-a", "-m", "second")
    (project / "toy_steps.py").write_text("this is being edited")
    return project


def commit_of(repository: Path, version: str) -> str:
    words = ["git", "-C", str(repository), "rev-parse", version]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()


def test_a_version_is_run_from_a_copy(repository: Path, store: Store, home: Path, capfd: Any) -> None:
    done = run(repository, "make", version="old", parameters={"n": 5})
    assert "making 5 numbers" in capfd.readouterr().err
    tags = store.client.get_run(done.run_id).data.tags
    assert tags["mlflow.source.git.commit"] == commit_of(repository, "old")
    assert tags["mlflow.source.git.branch"] == "old"
    assert tags["mlflow.source.name"] == f"file://{repository}"
    assert (repository / "toy_steps.py").read_text() == "this is being edited", "nobody's work is touched"
    assert commit_of(repository, "HEAD") == commit_of(repository, "main")
    assert len(list(home.glob("runs/make-*"))) == 1, "what a copy makes is kept where one is"
    from mlflow.exceptions import ExecutionException

    with pytest.raises(ExecutionException, match="cannot be checked out"):
        run(repository, "make", version="badc0de")


@pytest.fixture
def served(repository: Path) -> Iterator[str]:
    """The repository behind git's own server on the loopback interface."""
    daemon = shutil.which("git-daemon", path=f"{git_home()}:{os.environ['PATH']}")
    if daemon is None:
        pytest.skip("git's server is not on this machine: git daemon")
    port = free_port()
    words = [daemon, "--listen=127.0.0.1", f"--port={port}", "--export-all", f"--base-path={repository.parent}"]
    server = subprocess.Popen([*words, "--reuseaddr"], stderr=subprocess.DEVNULL)

    def answers() -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
        return False

    until(answers)
    yield f"git://127.0.0.1:{port}/{repository.name}"
    server.terminate()
    server.wait()


def git_home() -> str:
    return subprocess.run(["git", "--exec-path"], capture_output=True, text=True, check=True).stdout.strip()


def test_a_project_comes_from_a_git_uri(served: str, repository: Path, store: Store, home: Path, capfd: Any) -> None:
    said = typed(served, "-v", commit_of(repository, "old"), "-e", "make", "-b", BACKEND, "-P", "n=6")
    assert said.exit_code == 0, said.output
    assert "making 6 numbers" in capfd.readouterr().err
    (parent,) = store.parents()
    assert parent.data.tags["mlflow.source.name"] == served
    assert parent.data.tags["mlflow.source.git.repoURL"] == served
    assert parent.data.tags["mlflow.source.git.commit"] == commit_of(repository, "old")
    assert "mlflow.source.git.branch" not in parent.data.tags
    done = run(served, "make", parameters={"n": 6})
    assert "making 6 new numbers" in capfd.readouterr().err
    assert store.client.get_run(done.run_id).data.tags["mlflow.source.git.commit"] == commit_of(repository, "main")
    assert list(home.glob("runs/make-*"))
