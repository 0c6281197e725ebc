"""A training's event files for TensorBoard, and its profile."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from intermodal.errors import UsageError
from intermodal.text.curves import Curves
from intermodal.text.event_files import VARIABLE
from intermodal.text.profiling import profiled
from tfrecord_reader import records


def scalars(folder: Path) -> dict[tuple[str, int], float]:
    """(tag, step) → value of every scalar in a folder's event files."""
    from tensorboardX.proto.event_pb2 import Event

    found = {}
    for path in sorted(folder.glob("events.out.tfevents.*")):
        for record in records(path):
            event = Event.FromString(record)
            for value in event.summary.value:
                found[value.tag, event.step] = value.simple_value
    return found


def test_curves_go_to_event_files_in_a_folder_of_the_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "board"))
    monkeypatch.setenv("INTERMODAL_TASK", "train-2")
    curves = Curves()
    curves.add("train_loss", 20, 0.5)
    curves.add_all({"validation_accuracy": 0.25, "validation_loss": 1.5}, 40)
    assert curves.write(tmp_path / "made") == 3
    assert scalars(tmp_path / "board" / "train-2") == {
        ("train_loss", 20): 0.5, ("validation_accuracy", 40): 0.25, ("validation_loss", 40): 1.5,
    }  # fmt: skip


def test_nothing_is_written_where_nobody_asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    curves = Curves()
    curves.add("train_loss", 1, 0.5)
    curves.write(tmp_path / "made")
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["curves.parquet"]


def test_a_missing_package_is_told_before_the_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(UsageError, match="needs tensorboardX"):
        Curves()


def test_a_profile_is_a_trace_of_a_few_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setenv("INTERMODAL_PROFILE", str(tmp_path))
    monkeypatch.delenv("INTERMODAL_TASK", raising=False)
    with profiled() as stepped:
        for _ in range(12):
            torch.ones(4, 4) @ torch.ones(4, 4)
            stepped()
    trace = json.loads((tmp_path / "trace.json").read_text())
    multiplied = [event for event in trace["traceEvents"] if event.get("name") == "aten::mm"]
    assert len(multiplied) == 5
