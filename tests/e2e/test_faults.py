"""kill -9 at seeded moments of a run: the same command then ends with the same artifacts, and nothing is half there.

Half of the moments fall into a run whose tasks are processes (the launcher, a task, or both are killed), the
other half into one whose tasks run inside the launcher. A few more fall into runs that MLflow records, and
into runs whose store is S3. A moment is a share of the time that an undisturbed run takes on this machine, now.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from intermodal.core.manifest import Manifest, damage
from intermodal.store.base import Store
from intermodal.store.cache_index import CachedResult
from intermodal.store.inputs import resolve_input
from intermodal.store.locate import open_store
from launching import PATIENCE, intermodal, pipeline, start

MOMENTS = 50
PROCESSES = ["run", pipeline("line", "toy_line.py"), "-p", "seconds=0.1", "--json"]
INSIDE = ["run", pipeline("fan", "toy_fan.py"), "-p", "seconds=0.05", "--debug", "--json"]
VICTIMS = ("launcher", "task", "both")


@dataclass(frozen=True)
class Undisturbed:
    """A run that nobody disturbed.

    Attributes:
        digests: Artifact → digest.
        values: Task → plain values.
        seconds: From the run's first record to its end.
    """

    digests: dict[str, str]
    values: dict[str, object]
    seconds: float


def essence(run: dict[str, object]) -> tuple[dict[str, str], dict[str, object]]:
    """What must not depend on how often a run was killed."""
    digests = {name: item["digest"] for name, item in run["artifacts"].items()}
    return digests, {task["name"]: task["values"] for task in run["tasks"]}


def measured(words: list[str], home: Path, **environment: str) -> Undisturbed:
    process = start(*words, INTERMODAL_HOME=str(home), **environment)
    until(lambda: begun(home) or process.poll() is not None)
    began = time.monotonic()
    out, err = process.communicate(timeout=PATIENCE)
    seconds = time.monotonic() - began
    assert process.returncode == 0, err
    return Undisturbed(*essence(json.loads(out)), seconds)


@pytest.fixture(scope="module", autouse=True)
def _no_tracking() -> Iterator[None]:
    """The module's own fixtures run before those that isolate a single test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", "off")
        yield


@pytest.fixture(scope="module")
def with_processes(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    return measured(PROCESSES, tmp_path_factory.mktemp("undisturbed") / "home")


@pytest.fixture(scope="module")
def inside(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    return measured(INSIDE, tmp_path_factory.mktemp("undisturbed") / "home")


def until(condition) -> object:
    """Wait until a condition gives something."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.005)
    raise AssertionError("waited in vain")


def begun(home: Path) -> bool:
    return any(home.glob("runs/*/run.json"))


def belongings(home: Path) -> list[psutil.Process]:
    """Processes that work for a home, launcher and recorder included."""
    found = []
    for process in psutil.process_iter():
        try:
            mine = process.environ().get("INTERMODAL_HOME") == str(home)
            if mine and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def strike(launcher: subprocess.Popen[str], victim: str, moment: float, home: Path) -> None:
    """Kill -9 at a moment after the run's first record, and wait until all that was killed is gone."""
    until(lambda: begun(home) or launcher.poll() is not None)
    time.sleep(moment)
    if victim in ("task", "both"):
        for child in tasks_of(launcher):
            with contextlib.suppress(psutil.NoSuchProcess):  # it has ended in the meantime
                child.kill()
    if victim in ("launcher", "both"):
        launcher.kill()
    launcher.communicate(timeout=PATIENCE)
    until(lambda: not belongings(home))


def tasks_of(launcher: subprocess.Popen[str]) -> list[psutil.Process]:
    """The task processes of a launcher; the recorder is none."""
    try:
        children = psutil.Process(launcher.pid).children()
        return [child for child in children if "task" in child.cmdline()]
    except psutil.NoSuchProcess:
        return []


def check_store(store: Store, cache: Path) -> None:
    """Whatever is visible is whole: each artifact with a manifest, and each that is remembered."""
    keys = list(store.keys("artifacts"))
    for key in keys:
        if key.endswith("/manifest.json"):
            prefix = key.rpartition("/")[0]
            manifest = Manifest.from_json((store.read(key) or b"").decode(), prefix)
            names = [item.path for item in manifest.files]
            root = store.fetch(prefix, names, cache / manifest.digest)
            assert damage(manifest, root) == []
    for key in store.keys("cache"):
        for output in CachedResult.from_json(store.read(key) or b"").outputs.values():
            assert resolve_input(output.uri, cache / "inputs", store.root).digest == output.digest


def check_home(home: Path) -> None:
    """Nothing is left over, and no run claims to be running."""
    assert not list((home / "tmp").glob("*"))
    assert not [path for path in (home / "runs").rglob(".*") if path.is_file()]
    states = {path.parent.name: json.loads(path.read_text())["state"] for path in home.glob("runs/*/run.json")}
    assert "RUNNING" not in states.values()
    assert sorted(states.values())[-1] == "SUCCEEDED"


def check_directory(home: Path) -> None:
    """In a directory even an unfinished artifact would be visible: there must be none."""
    store = home / "store"
    for prefix in store.glob("artifacts/*/*/*"):
        assert (prefix / "manifest.json").is_file(), f"{prefix} is half published"
    check_store(open_store(str(store)), home / "check")


def moment_of(seed: int, seconds: float) -> tuple[str, float]:
    """Victim and moment, the same for a seed on every machine but for its speed."""
    chance = random.Random(seed)
    return chance.choice(VICTIMS), chance.random() * seconds


@pytest.mark.parametrize("seed", range(MOMENTS // 2))
def test_killed_with_tasks_as_processes(seed: int, tmp_path: Path, with_processes: Undisturbed):
    home = tmp_path / "home"
    victim, moment = moment_of(seed, with_processes.seconds)
    strike(start(*PROCESSES, INTERMODAL_HOME=str(home)), victim, moment, home)
    check_directory(home)
    again = intermodal(*PROCESSES, INTERMODAL_HOME=str(home))
    assert again.code == 0, again.err
    assert essence(again.json) == (with_processes.digests, with_processes.values)
    check_directory(home)
    check_home(home)
    assert not list((home / "store" / ".staging").iterdir())


@pytest.mark.parametrize("seed", range(MOMENTS // 2, MOMENTS))
def test_killed_with_tasks_inside_the_launcher(seed: int, tmp_path: Path, inside: Undisturbed):
    home = tmp_path / "home"
    _, moment = moment_of(seed, inside.seconds)
    strike(start(*INSIDE, INTERMODAL_HOME=str(home)), "launcher", moment, home)
    check_directory(home)
    again = intermodal(*INSIDE, INTERMODAL_HOME=str(home))
    assert again.code == 0, again.err
    assert essence(again.json) == (inside.digests, inside.values)
    check_directory(home)
    check_home(home)
    assert not list((home / "store" / ".staging").iterdir())


def test_killed_again_and_again(tmp_path: Path, inside: Undisturbed):
    """Every attempt is killed a little later; in the end it goes through, with what the others finished."""
    home = tmp_path / "home"
    for number in range(4):
        strike(start(*INSIDE, INTERMODAL_HOME=str(home)), "launcher", inside.seconds * number / 8, home)
        check_directory(home)
    again = intermodal(*INSIDE, INTERMODAL_HOME=str(home))
    assert again.code == 0, again.err
    assert essence(again.json) == (inside.digests, inside.values)
    check_directory(home)
    check_home(home)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow database that has been made already, for all tests of this module."""
    folder = tmp_path_factory.mktemp("mlflow")
    path = folder / "mlflow.db"
    measured(INSIDE, folder / "home", MLFLOW_TRACKING_URI=f"sqlite:///{path}")
    return path


def runs_in(database: Path) -> dict[str, str]:
    """MLflow run → status."""
    connection = sqlite3.connect(database, timeout=30)
    try:
        return dict(connection.execute("select run_uuid, status from runs"))
    finally:
        connection.close()


@pytest.mark.parametrize("seed", range(3))
def test_killed_under_mlflow_leaves_no_run_running(seed: int, tmp_path: Path, database: Path, inside: Undisturbed):
    home = tmp_path / "home"
    uri = f"sqlite:///{database}"
    before = runs_in(database)
    _, moment = moment_of(seed, inside.seconds)
    launcher = start(*PROCESSES, INTERMODAL_HOME=str(home), MLFLOW_TRACKING_URI=uri)
    strike(launcher, "launcher", 1.0 + moment, home)
    again = intermodal(*PROCESSES, INTERMODAL_HOME=str(home), MLFLOW_TRACKING_URI=uri)
    assert again.code == 0, again.err
    own = {run: status for run, status in runs_in(database).items() if run not in before}
    assert set(own.values()) <= {"FINISHED", "KILLED"}, own
    assert own[again.json["mlflow_run_id"]] == "FINISHED"
    for task in again.json["tasks"]:
        if task["mlflow_run_id"]:
            assert own[task["mlflow_run_id"]] == "FINISHED"


def test_interrupted_under_mlflow_leaves_no_run_running(tmp_path: Path, database: Path):
    """Ctrl-C is no kill: the launcher itself must end the runs, the waiting task's too."""
    home = tmp_path / "home"
    uri = f"sqlite:///{database}"
    before = runs_in(database)
    words = ["run", pipeline("waiting"), "-p", f"folder={tmp_path}", "--json"]
    launcher = start(*words, INTERMODAL_HOME=str(home), MLFLOW_TRACKING_URI=uri)
    until(lambda: (tmp_path / "waiting").exists())
    os.kill(launcher.pid, signal.SIGINT)
    out, err = launcher.communicate(timeout=PATIENCE)
    assert launcher.returncode == 130, err
    own = {run: status for run, status in runs_in(database).items() if run not in before}
    assert own[json.loads(out)["mlflow_run_id"]] == "KILLED"
    assert sorted(own.values()) == ["FINISHED", "KILLED", "KILLED"]


@pytest.mark.parametrize("seed", range(6))
def test_killed_with_a_store_on_s3(seed: int, tmp_path: Path, s3, with_processes: Undisturbed):
    home, root = tmp_path / "home", f"{s3.uri}/store"
    victim, moment = moment_of(seed, with_processes.seconds)
    launcher = start(*PROCESSES, INTERMODAL_HOME=str(home), INTERMODAL_STORE=root)
    strike(launcher, victim, moment, home)
    check_store(open_store(root), tmp_path / "check")
    again = intermodal(*PROCESSES, INTERMODAL_HOME=str(home), INTERMODAL_STORE=root)
    assert again.code == 0, again.err
    assert essence(again.json) == (with_processes.digests, with_processes.values)
    check_store(open_store(root), tmp_path / "check")
    check_home(home)
