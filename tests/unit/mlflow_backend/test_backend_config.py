"""The backend config, to its last key; the call behind it; and the mark of a process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from intermodal.errors import UsageError
from intermodal.mlflow_backend.caller import Caller, caller
from intermodal.mlflow_backend.config import BackendConfig, read_config
from intermodal.mlflow_backend.runs import process_mark, process_runs
from launching import TESTS

MLFLOWS_OWN = {
    "ENV_MANAGER": None,
    "SYNCHRONOUS": False,
    "DOCKER_ARGS": {},
    "STORAGE_DIR": None,
    "build_image": False,
    "docker_auth": None,
}


def test_what_may_stand_in_it() -> None:
    given: dict[str, Any] = {
        **MLFLOWS_OWN,
        "wait": False,
        "mode": "container",
        "use_cache": False,
        "run_id": "abc",
        "kubeflow": {"host": "http://x"},
    }
    assert read_config(given, "local") == BackendConfig(
        "local", False, "container", False, "abc", {"kubeflow": {"host": "http://x"}}
    )
    assert read_config(MLFLOWS_OWN, "local") == BackendConfig("local")
    assert read_config({"runtime": "kubeflow"}, "") == BackendConfig("kubeflow")


@pytest.mark.parametrize(
    ("given", "runtime", "expected"),
    [
        ({"wai": True}, "local", "wait"),
        ({"wait": 1}, "local", "true or false"),
        ({"use_cache": "no"}, "local", "true or false"),
        ({"mode": "in-process"}, "local", "subprocess or container"),
        ({"kubeflow": "http://x"}, "kubeflow", "an object"),
        ({"ENV_MANAGER": "conda"}, "local", "local, or nothing"),
        ({"build_image": True}, "local", "container"),
        ({}, "", "local"),
    ],
)
def test_what_may_not(given: dict[str, Any], runtime: str, expected: str) -> None:
    with pytest.raises(UsageError) as error:
        read_config(given, runtime)
    assert expected in error.value.expected


def test_two_names_for_the_runtime() -> None:
    with pytest.raises(UsageError, match="another runtime"):
        read_config({"runtime": "local"}, "kubeflow")


@pytest.mark.parametrize("name", ["local", "kubeflow", "sagemaker"])
def test_the_configs_of_this_repository(name: str) -> None:
    text = (TESTS.parent / "mlflow_project" / f"{name}.json").read_text()
    config = read_config({**MLFLOWS_OWN, **json.loads(text)}, name)
    assert config.wait is True
    if name == "kubeflow":
        from pathlib import Path

        from intermodal.core.config import Settings
        from intermodal.runtime.kubeflow.settings import kubeflow_settings

        settings = Settings(Path("/home"), "s3://b/p", "http://mlflow", "e", extra=config.sections)
        assert kubeflow_settings(settings).host == config.sections["kubeflow"]["host"]


def test_what_mlflow_was_told(monkeypatch: pytest.MonkeyPatch) -> None:
    import mlflow.projects

    seen = []

    class Listening:
        def run(self, *given: Any) -> Any:
            seen.append(caller())
            raise RuntimeError("enough")

    monkeypatch.setattr(mlflow.projects.loader, "load_backend", lambda _name: Listening())
    with pytest.raises(RuntimeError, match="enough"):
        mlflow.projects.run("x", experiment_id="0", backend="y", run_id="abc", run_name="mine")
    from click.testing import CliRunner
    from mlflow.cli import run

    CliRunner().invoke(run, ["x", "-b", "y", "--experiment-id", "0", "--run-id", "def"])
    assert seen == [Caller("abc", "mine", False), Caller("def", "", True)]
    assert caller() == Caller()


def test_a_process_is_told_from_a_later_one() -> None:
    mine = process_mark(os.getpid())
    assert process_runs(mine)
    machine, number, started = mine.split("-")
    assert not process_runs(f"{machine}-{number}-{int(started) - 1}"), "the same number, another start"
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    mark = process_mark(child.pid)
    assert process_runs(mark)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not process_runs(mark), "a zombie is gone"
    child.communicate()
    assert not process_runs(mark)
    assert process_runs("another-1-0"), "nothing is known of another machine"
    assert not process_runs(f"{machine}-rubbish")
