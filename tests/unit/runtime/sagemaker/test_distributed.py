"""Several processes that train together: the same steps as one alone, one cause when one fails, resumed as one is."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from kfp.dsl import Dataset
from safetensors.numpy import load_file

import together_steps
from intermodal.core.checkpoints import SECONDS_VARIABLE, VARIABLE
from intermodal.core.hosts import Hosts
from intermodal.core.registry import load_function
from intermodal.core.step import spec_of
from intermodal.errors import IntermodalError, StepFailed, UsageError
from intermodal.runtime.sagemaker.cluster import Cluster, cluster_of
from intermodal.runtime.sagemaker.distributed import call_in_processes
from tiny_models import save_checkpoint, save_features

TESTS = Path(together_steps.__file__).parent
OUTPUTS = {"model": "Model", "curves": "Dataset", "metrics": "Metrics", "report": "HTML", "notes": "Markdown"}
TWO = Cluster(Hosts(), 2)


@dataclass(frozen=True)
class Training:
    """One training of a tiny model."""

    features: Dataset
    checkpoint: Path
    parameters: dict[str, Any] = field(default_factory=dict)

    def given(self, folder: Path) -> dict[str, Any]:
        """Its ExecutorInput."""
        known = {"uri": self.features.path, "metadata": self.features.metadata}
        features = {"name": "features", "type": {"schemaTitle": "system.Dataset"}, **known}
        parameters = {"checkpoint": str(self.checkpoint), "precision": "float32", **self.parameters}
        return {
            "inputs": {"parameterValues": parameters, "artifacts": {"features": {"artifacts": [features]}}},
            "outputs": {"artifacts": outputs(folder, OUTPUTS), "outputFile": str(folder / "executor_output.json")},
        }  # fmt: skip

    def run(self, folder: Path, cluster: Cluster = TWO) -> Path:
        """Train; the folder of the outputs."""
        folder.mkdir(parents=True)
        spec = spec_of(load_function("train_pytorch"))
        if cluster.size > 1:
            call_in_processes(spec, self.given(folder), cluster, folder / "processes")
        else:
            from kfp.dsl.executor import Executor

            given = self.given(folder)
            Executor(executor_input=given, function_to_execute=load_function("train_pytorch")).execute()
        return folder


def outputs(folder: Path, kinds: dict[str, str]) -> dict[str, Any]:
    return {
        name: {"artifacts": [{"name": name, "uri": str(folder / name), "type": {"schemaTitle": f"system.{kind}"}}]}
        for name, kind in kinds.items()
    }


def losses(folder: Path) -> list[float]:
    table = pq.read_table(folder / "curves" / "curves.parquet").to_pydict()
    return [value for name, value in zip(table["series"], table["value"], strict=True) if name == "train_loss"]


def weights(folder: Path) -> dict[str, np.ndarray]:
    return load_file(folder / "encoder.safetensors")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Training:
    folder = tmp_path_factory.mktemp("tiny")
    checkpoint = save_checkpoint(
        folder / "checkpoint", hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, classifier_dropout=0.0
    )
    wished = {"epochs": 2, "batch_size": 15, "learning_rate": 2e-3}  # 200 rows: the last batch has an odd number
    return Training(save_features(folder / "features", checkpoint, rows=200), checkpoint, wished)


@pytest.fixture
def _tests_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(TESTS))


@pytest.mark.parametrize("strategy", ["auto", "full"])
def test_two_processes_take_the_steps_of_one(strategy: str, data: Training, tmp_path: Path) -> None:
    training = Training(data.features, data.checkpoint, {**data.parameters, "strategy": strategy})
    one, two = training.run(tmp_path / "one", Cluster(Hosts())), training.run(tmp_path / "two")
    told = losses(two)
    assert told[-1] < told[0] - 0.2
    np.testing.assert_allclose(told, losses(one), atol=2e-4)
    alone, together, other = (weights(path) for path in (one / "model", two / "model", two / "processes/rank-1/model"))
    for name, weight in together.items():
        np.testing.assert_allclose(weight, alone[name], atol=3e-3, err_msg=name)
        assert np.array_equal(weight, other[name]), name
    recipe = json.loads((two / "model" / "model.json").read_text())["recipe"]
    assert recipe["processes"] == 2
    assert "processes" not in json.loads((one / "model" / "model.json").read_text())["recipe"]


def test_a_single_process_makes_the_same_bytes_with_and_without_the_others_machinery(
    data: Training, tmp_path: Path
) -> None:
    here = data.run(tmp_path / "here", Cluster(Hosts()))
    (tmp_path / "there").mkdir()
    spec = spec_of(load_function("train_pytorch"))
    call_in_processes(spec, data.given(tmp_path / "there"), Cluster(Hosts(), 1), tmp_path / "there" / "processes")
    for name in ("model/encoder.safetensors", "model/model.json", "curves/curves.parquet"):
        assert (here / name).read_bytes() == (tmp_path / "there" / name).read_bytes(), name


def test_processes_that_were_stopped_go_on_together(
    data: Training, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = save_checkpoint(tmp_path / "checkpoint")  # with dropout: random numbers must come again
    wished = {**data.parameters, "strategy": "full", "epochs": 10, "average_with_tfidf": False}
    training = Training(data.features, checkpoint, wished)
    (tmp_path / "given.json").write_text(json.dumps(training.given(tmp_path / "stopped")))
    caller = (
        "import json, signal, sys\nfrom pathlib import Path\n"
        "from intermodal.errors import Interrupted\nfrom intermodal.core.hosts import Hosts\n"
        "from intermodal.core.registry import load_spec\nfrom intermodal.runtime.sagemaker.cluster import Cluster\n"
        "from intermodal.runtime.sagemaker.distributed import call_in_processes\n"
        "def stop(*_):\n    raise Interrupted('told to stop')\nsignal.signal(signal.SIGTERM, stop)\n"
        "given = json.loads(Path(sys.argv[1]).read_text())\n"
        "call_in_processes(load_spec('train_pytorch'), given, Cluster(Hosts(), 2), Path(sys.argv[2]))\n"
    )
    environment = {**os.environ, VARIABLE: str(tmp_path / "kept"), SECONDS_VARIABLE: "0"}
    command = [sys.executable, "-c", caller, str(tmp_path / "given.json"), str(tmp_path / "stopped" / "processes")]
    (tmp_path / "stopped").mkdir()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + 200
        while not list((tmp_path / "kept").rglob("state-*.json")):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=150)[0].decode()
    finally:
        process.kill()
    assert "Interrupted: told to stop" in said
    saved = max(int(path.stem.removeprefix("state-")) for path in (tmp_path / "kept").rglob("state-*.json"))
    assert saved < 10 * 14
    monkeypatch.setenv(VARIABLE, str(tmp_path / "kept"))
    resumed = training.run(tmp_path / "resumed")
    monkeypatch.delenv(VARIABLE)
    whole = training.run(tmp_path / "whole")
    told = json.loads((resumed / "executor_output.json").read_text())["artifacts"]["model"]["artifacts"][0]["metadata"]
    assert told["resumed_from_step"] == saved
    assert (resumed / "model/encoder.safetensors").read_bytes() == (whole / "model/encoder.safetensors").read_bytes()
    assert losses(resumed) == losses(whole)


def meeting(folder: Path, **parameters: int) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    given = {
        "inputs": {"parameterValues": parameters},
        "outputs": {
            "artifacts": outputs(folder, {"found": "Dataset"}), "outputFile": str(folder / "executor_output.json"),
        },
    }  # fmt: skip
    call_in_processes(spec_of(together_steps.meet), given, TWO, folder / "processes")
    return (folder / "found").read_text()


@pytest.mark.usefixtures("_tests_found")
def test_processes_meet_and_the_first_one_writes(tmp_path: Path) -> None:
    assert meeting(tmp_path) == "1 of 2"


@pytest.mark.usefixtures("_tests_found")
@pytest.mark.parametrize("rank", [0, 1])
def test_the_first_failing_process_is_the_cause(rank: int, tmp_path: Path) -> None:
    with pytest.raises(StepFailed, match=f"ValueError: rank {rank} read a bad row") as caught:
        meeting(tmp_path, fails=rank)
    assert f"(process {rank} of 2)" in caught.value.headline


@pytest.mark.usefixtures("_tests_found")
def test_a_killed_process_is_named(tmp_path: Path) -> None:
    with pytest.raises(StepFailed, match="process 1 was killed by SIGKILL"):
        meeting(tmp_path, killed=1)


def test_an_error_of_the_users_keeps_its_kind(data: Training, tmp_path: Path) -> None:
    training = Training(data.features, data.checkpoint, {**data.parameters, "batch_size": 1})
    with pytest.raises(IntermodalError, match="batch_size is too small") as caught:
        training.run(tmp_path / "made")
    assert isinstance(caught.value, UsageError)


def job(folder: Path, monkeypatch: pytest.MonkeyPatch, *hosts: str, current: str = "algo-1") -> None:
    config = folder / "input" / "config"
    config.mkdir(parents=True)
    told = {"current_host": current, "hosts": list(hosts), "network_interface_name": "eth1"}
    (config / "resourceconfig.json").write_text(json.dumps(told))
    monkeypatch.setenv("INTERMODAL_ML", str(folder))


def test_the_hosts_of_a_job_meet_at_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job(tmp_path, monkeypatch, "algo-2", "algo-1", current="algo-2")
    monkeypatch.setenv("INTERMODAL_PROCESSES", "4")
    cluster = cluster_of(spec_of(together_steps.meet))
    assert cluster.size == 8
    assert {"--nnodes=2", "--nproc-per-node=4", "--node-rank=1", "--master-addr=algo-1"} <= set(cluster.arguments())
    assert cluster.environment() == {"NCCL_SOCKET_IFNAME": "eth1", "GLOO_SOCKET_IFNAME": "eth1"}


def test_a_step_of_one_process_is_refused_on_several_hosts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job(tmp_path, monkeypatch, "algo-1", "algo-2")
    with pytest.raises(UsageError, match="cannot share its work over several hosts"):
        cluster_of(spec_of(together_steps.alone))


def test_a_step_of_one_process_stays_one(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("INTERMODAL_PROCESSES", "2")
    assert cluster_of(spec_of(together_steps.alone)).size == 1
    assert "is ignored" in capsys.readouterr().out
    monkeypatch.setenv("INTERMODAL_PROCESSES", "two")
    with pytest.raises(UsageError, match="not a number of processes"):
        cluster_of(spec_of(together_steps.meet))
