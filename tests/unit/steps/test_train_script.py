"""The step `train_script`: the user's own script under SageMaker's script-mode contract."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest
from kfp.dsl import Dataset, Metrics, Model

from intermodal.core.attempt import process_alive
from intermodal.errors import StepFailed, UsageError
from intermodal.steps.train_script import train_script
from launching import PATIENCE

SCRIPT = """
import argparse, json, os, pathlib, sys
parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int)
parser.add_argument("--learning-rate", type=float)
parser.add_argument("-k")
parser.add_argument("--model-dir", default=os.environ["SM_MODEL_DIR"])
given = parser.parse_args()
from beside import shout
told = {name: value for name, value in os.environ.items() if name.startswith("SM_")}
rows = pathlib.Path(os.environ["SM_CHANNEL_TRAIN"], "rows.txt").read_text() if "SM_CHANNEL_TRAIN" in told else ""
for epoch in range(given.epochs or 1):
    print(f"metric train/loss={1 / (epoch + 1)} step={epoch + 1}")
    print(f"validation accuracy: {0.5 + epoch / 10}; done", file=sys.stderr)
pathlib.Path(given.model_dir, "model.json").write_text(json.dumps({"given": vars(given), "rows": rows}))
pathlib.Path(os.environ["SM_OUTPUT_DATA_DIR"], "told.json").write_text(json.dumps(told))
config = pathlib.Path(os.environ["SM_INPUT_CONFIG_DIR"])
files = {path.name: json.loads(path.read_text()) for path in config.iterdir()}
pathlib.Path(os.environ["SM_OUTPUT_DATA_DIR"], "config.json").write_text(json.dumps(files))
print(shout("finished"))
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "train.py").write_text(SCRIPT)
    (folder / "beside.py").write_text("def shout(text):\n    return text.upper()\n")
    return folder


def run(folder: Path, source: Path | str, **given: Any) -> tuple[Path, Path, Metrics]:
    made = {
        "model": Model(name="model", uri=str(folder / "model"), metadata={}),
        "output": Dataset(name="output", uri=str(folder / "output"), metadata={}),
        "metrics": Metrics(name="metrics", uri=str(folder / "metrics"), metadata={}),
    }
    train_script(**made, source=str(source), **given)
    return folder / "model", folder / "output", made["metrics"]


def told(output: Path, name: str = "told.json") -> dict[str, Any]:
    return dict(json.loads((output / name).read_text()))


def test_a_script_finds_what_sagemakers_toolkit_gives_it(
    source: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "rows.txt").write_text("1\n2\n")
    model, output, metrics = run(
        tmp_path, source, training=Dataset(name="d", uri=str(data), metadata={}), channels={"training": "train"},
        hyperparameters={"epochs": 3, "learning-rate": 0.1, "k": "v"},
        metric_patterns={"accuracy": r"accuracy: ([0-9.]+)"},
    )  # fmt: skip
    made = json.loads((model / "model.json").read_text())
    assert made["rows"] == "1\n2\n"
    assert (made["given"]["epochs"], made["given"]["learning_rate"], made["given"]["k"]) == (3, 0.1, "v")
    found = told(output)
    assert json.loads(found["SM_HPS"]) == {"epochs": 3, "learning-rate": 0.1, "k": "v"}
    assert found["SM_HP_EPOCHS"] == "3"
    assert found["SM_HP_K"] == "v"
    assert json.loads(found["SM_CHANNELS"]) == ["train"]
    assert json.loads(found["SM_USER_ARGS"]) == ["--epochs", "3", "-k", "v", "--learning-rate", "0.1"]
    assert (found["SM_CURRENT_HOST"], json.loads(found["SM_HOSTS"])) == ("algo-1", ["algo-1"])
    assert found["SM_USER_ENTRY_POINT"] == "train.py"
    assert json.loads(found["SM_TRAINING_ENV"])["channel_input_dirs"] == {"train": found["SM_CHANNEL_TRAIN"]}
    assert int(found["SM_NUM_CPUS"]) >= 1
    assert found["SM_CHANNEL_TRAIN"] == f"{found['SM_INPUT_DIR']}/data/train"
    files = told(output, "config.json")
    assert files["hyperparameters.json"] == {"epochs": "3", "learning-rate": "0.1", "k": "v"}
    assert files["resourceconfig.json"]["hosts"] == ["algo-1"]
    assert list(files["inputdataconfig.json"]) == ["train"]
    assert metrics.metadata["train/loss"] == pytest.approx(1 / 3)
    assert metrics.metadata["accuracy"] == 0.7
    assert "FINISHED" in capfd.readouterr().out


def test_the_metrics_of_a_script_are_told_while_it_runs(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    journal = tmp_path / "journal"
    monkeypatch.setenv("INTERMODAL_JOURNAL", str(journal))
    monkeypatch.setenv("TRAINING_JOB_NAME", "mine")
    run(tmp_path, source, hyperparameters={"epochs": 2}, metric_patterns={"accuracy": r"accuracy: ([0-9.]+)"})
    events = [json.loads(line) for line in journal.read_text().splitlines()]
    found = {(event["name"], event["step"]): event["value"] for event in events}
    assert found == {("train/loss", 1): 1.0, ("train/loss", 2): 0.5, ("accuracy", 1): 0.5, ("accuracy", 2): 0.6}
    assert "metric train/loss" not in capfd.readouterr().out  # the job's wrapper says it once, from the journal


def test_the_hosts_of_a_job_are_the_scripts(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "ml" / "input" / "config"
    config.mkdir(parents=True)
    hosts = {"current_host": "algo-2", "hosts": ["algo-2", "algo-1"], "network_interface_name": "eth1"}
    (config / "resourceconfig.json").write_text(json.dumps(hosts))
    monkeypatch.setenv("INTERMODAL_ML", str(tmp_path / "ml"))
    _, output, _ = run(tmp_path, source)
    found = told(output)
    assert json.loads(found["SM_HOSTS"]) == ["algo-1", "algo-2"]
    assert (found["SM_CURRENT_HOST"], found["SM_NETWORK_INTERFACE_NAME"]) == ("algo-2", "eth1")
    assert json.loads(found["SM_RESOURCE_CONFIG"]) == hosts


def test_a_source_is_taken_from_an_archive_and_never_written_to(source: Path, tmp_path: Path) -> None:
    archive = tmp_path / "sourcedir.tar.gz"
    with tarfile.open(archive, "w:gz") as opened:
        opened.add(source, ".")
    model, _, _ = run(tmp_path / "one", archive)
    assert (model / "model.json").is_file()
    run(tmp_path / "two", source)
    assert sorted(path.name for path in source.rglob("*")) == ["beside.py", "train.py"]


def test_an_archive_that_leads_outside_is_refused(tmp_path: Path) -> None:
    archive = tmp_path / "sourcedir.tar.gz"
    with tarfile.open(archive, "w:gz") as opened:
        entry = tarfile.TarInfo("../outside.py")
        entry.size = 4
        opened.addfile(entry, io.BytesIO(b"pass"))
    with pytest.raises(UsageError, match="cannot be unpacked"):
        run(tmp_path / "made", archive)
    assert not list(tmp_path.rglob("outside.py"))


def test_a_failing_scripts_last_lines_are_the_error(source: Path, tmp_path: Path) -> None:
    (source / "train.py").write_text("print('reading')\nraise ValueError('no such column: stars')\n")
    with pytest.raises(StepFailed, match="train.py ended with exit code 1") as caught:
        run(tmp_path, source)
    assert "ValueError: no such column: stars" in caught.value.seen


def test_what_a_script_leaves_in_the_failure_file_is_the_error(source: Path, tmp_path: Path) -> None:
    (source / "train.py").write_text(
        "import os, sys\nopen(os.environ['SM_OUTPUT_DIR'] + '/failure', 'w').write('bad labels')\nsys.exit(3)\n"
    )
    with pytest.raises(StepFailed, match="exit code 3") as caught:
        run(tmp_path, source)
    assert caught.value.seen == "bad labels"


def test_a_shell_script_runs_and_one_without_a_model_fails(source: Path, tmp_path: Path) -> None:
    (source / "train.sh").write_text('echo "$@" > "$SM_MODEL_DIR/args"\n')
    model, _, _ = run(tmp_path / "one", source, entry_point="train.sh", hyperparameters={"a": 1, "name": "x y"})
    assert (model / "args").read_text() == "-a 1 --name x y\n"
    (source / "train.sh").write_text("true\n")
    with pytest.raises(StepFailed, match="left no model"):
        run(tmp_path / "two", source, entry_point="train.sh")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"entry_point": "other.py"}, "entry_point is not in the source"),
        ({"entry_point": "../train.py"}, "entry_point is not in the source"),
        ({"entry_point": "train.jl"}, "cannot be run"),
        ({"source": "/nowhere"}, "source is not there"),
        ({"channels": {"train": "x"}}, "names no input"),
        ({"channels": {"training": "x"}}, "names no input that is given"),
        ({"metric_patterns": {"a": "("}}, "no regular expression"),
        ({"metric_patterns": {"a": "loss"}}, "has no group"),
    ],
)
def test_what_cannot_work_is_refused_before_it_starts(
    wrong: dict[str, Any], said: str, source: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=said):
        run(tmp_path, **{"source": source, **wrong})
    assert not (tmp_path / "model").exists()


def test_a_stop_reaches_the_script_which_may_finish(source: Path, tmp_path: Path) -> None:
    (source / "train.py").write_text(
        "import os, pathlib, signal, sys, time\n"
        "def stop(*_):\n"
        "    pathlib.Path(os.environ['SM_OUTPUT_DATA_DIR'], 'saved').write_text('yes')\n"
        "    print('saved', flush=True)\n"
        "    sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, stop)\n"
        "pathlib.Path(os.environ['SM_OUTPUT_DATA_DIR'], 'started').write_text(str(os.getpid()))\n"
        "time.sleep(600)\n"
    )
    caller = (
        "import signal, sys\nfrom pathlib import Path\nsys.path.insert(0, sys.argv[3])\n"
        "def stop(*_):\n    raise KeyboardInterrupt\nsignal.signal(signal.SIGTERM, stop)\n"
        "from test_train_script import run\nrun(Path(sys.argv[1]), sys.argv[2])\n"
    )
    command = [sys.executable, "-c", caller, str(tmp_path), str(source), str(Path(__file__).parent)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    started = tmp_path / "output" / "started"
    try:
        deadline = time.monotonic() + PATIENCE
        while not started.is_file() or not started.read_text():
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    assert b"saved" in out
    assert process.returncode == -signal.SIGINT  # as Python itself ends after a KeyboardInterrupt
    assert (tmp_path / "output" / "saved").read_text() == "yes"
    with pytest.raises(ProcessLookupError):
        os.kill(int(started.read_text()), 0)


def test_requirements_are_installed_for_this_script_when_it_is_asked(
    source: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    wheel = tmp_path / "asked_for-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as made:
        about = "asked_for-1.0.dist-info"
        made.writestr("asked_for.py", "WORD = 'installed'\n")
        made.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: asked-for\nVersion: 1.0\n")
        made.writestr(
            f"{about}/WHEEL", "Wheel-Version: 1.0\nGenerator: a test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        made.writestr(f"{about}/RECORD", "")
    (source / "requirements.txt").write_text(f"{wheel}\n")
    (source / "train.py").write_text(
        "import os, pathlib, asked_for\npathlib.Path(os.environ['SM_MODEL_DIR'], 'word').write_text(asked_for.WORD)\n"
    )
    with pytest.raises(StepFailed, match="exit code 1"):
        run(tmp_path / "without", source)
    assert "requirements.txt is not installed" in capfd.readouterr().out
    model, _, _ = run(tmp_path / "with", source, install_requirements=True)
    assert (model / "word").read_text() == "installed"
    assert importlib.util.find_spec("asked_for") is None, "other steps see it, too"
    assert not list(source.glob("asked_for*")), "it lies in the user's own directory"


def test_a_script_dies_with_a_caller_that_is_killed(source: Path, tmp_path: Path) -> None:
    (source / "train.py").write_text(
        "import os, pathlib, time\n"
        "pathlib.Path(os.environ['SM_OUTPUT_DATA_DIR'], 'started').write_text(str(os.getpid()))\ntime.sleep(600)\n"
    )
    caller = (
        "import sys\nfrom pathlib import Path\nsys.path.insert(0, sys.argv[3])\n"
        "from test_train_script import run\nrun(Path(sys.argv[1]), sys.argv[2])\n"
    )
    command = [sys.executable, "-c", caller, str(tmp_path), str(source), str(Path(__file__).parent)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    started, deadline = tmp_path / "output" / "started", time.monotonic() + PATIENCE
    while not started.is_file() or not started.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.kill()
    process.wait()
    while process_alive(int(started.read_text())):
        assert time.monotonic() < deadline
        time.sleep(0.05)
