"""Fixtures that every test may use: the real reviews, an isolated home, the command line, a real S3 server."""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

TESTS = Path(__file__).resolve().parent
ROOT = TESTS.parent
SHARED = Path(os.environ.get("INTERMODAL_SHARED", ROOT.parent / "shared"))

# Said before torch is first imported: with a test on every core, threads that wait by spinning take the others' time.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

if str(TESTS) not in sys.path:
    sys.path.insert(0, str(TESTS))

# The whole of kfp first: a verb tried in this process imports the part that executing needs, and the rest
# cannot be imported after that.
import kfp.compiler  # noqa: E402, F401

from container_engine import core_image, engine, torch_image  # noqa: E402, F401
from data_on_aws import athena, aws  # noqa: E402, F401  fixtures
from kubeflow import kubeflow, open_kubeflow, serve_kubeflow  # noqa: E402, F401  fixtures
from launching import STARTED, end_those_after  # noqa: E402
from local_sagemaker import local_sagemaker, managed_sagemaker, open_sagemaker  # noqa: E402, F401  fixtures
from projects import empty_store, project, store  # noqa: E402, F401  fixtures
from running import run  # noqa: E402, F401  fixtures
from sagemaker_runs import sagemaker  # noqa: E402, F401
from seaweedfs import s3, seaweedfs  # noqa: E402, F401

# The same examples every time, so that a change is to blame for what fails; INTERMODAL_EXPLORE=1 draws others. How long
# one takes says nothing on a machine that others use.
hypothesis.settings.register_profile("repeatable", derandomize=not os.environ.get("INTERMODAL_EXPLORE"), deadline=None)
hypothesis.settings.load_profile("repeatable")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with the real reviews; skips with the reason on a machine that does not have it."""
    if not (SHARED / "data").is_dir():
        pytest.skip(f"the real reviews are not on this machine: no {SHARED / 'data'} (set INTERMODAL_SHARED)")
    return SHARED


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No test reads or writes the user's own runs; MLflow is off unless a test switches it on."""
    for name in [name for name in os.environ if name.startswith(("INTERMODAL_", "MLFLOW_", "AWS_"))]:
        if name != "INTERMODAL_SHARED":
            monkeypatch.delenv(name)
    monkeypatch.delenv("_KFP_RUNTIME", raising=False)  # a verb tried in this process may have set it
    monkeypatch.setenv("INTERMODAL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "off")
    known = [item for item in os.environ.get("PYTHONPATH", "").split(os.pathsep) if item]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(dict.fromkeys([str(TESTS), str(ROOT / "src"), *known])))
    yield
    # A runtime used inside a test leaves its settings in kfp's globals; the next test starts without.
    config = sys.modules.get("kfp.local.config")
    if config is not None:
        config.LocalExecutionConfig.instance = None


@pytest.fixture(autouse=True)
def _no_process_stays() -> Iterator[None]:
    """What a test started with `launching.start` does not outlive it, also when it fails half-way."""
    count = len(STARTED)
    yield
    end_those_after(count)


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty home, with an empty working directory beside it that is the current one."""
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return tmp_path / "home"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures that tests recorded, whichever process they ran in."""
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, []):
            for name, value in getattr(report, "user_properties", []):
                if name == "figures" and report.when == "call":
                    terminalreporter.write_line(str(value))


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object | None) -> None:
    """Say how a worker of pytest-xdist died: by a signal that nobody prints (9 is the kernel's, for want of memory)."""
    if not error:
        return
    process: subprocess.Popen[bytes] = node.gateway._io.popen
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(10)
    most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1000
    reporter = node.config.pluginmanager.get_plugin("terminalreporter")
    reporter.write_line(f"{node.gateway.id} ended with {process.returncode}; no worker that ended held over {most} MB")
