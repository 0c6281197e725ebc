"""Checkpoints: whole or not at all, found by the same work only."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from intermodal.core.checkpoints import SECONDS_VARIABLE, VARIABLE, Checkpoint, Checkpoints
from intermodal.errors import UsageError

WORK = {"plan": {"epochs": 2}, "rows": "abc"}


def at(position: int) -> Checkpoint:
    return Checkpoint(position, {"rate": 0.1, "n": position}, {"weight": np.full((2, 3), position, np.float32)})


def opened(folder: Path, said: list[str] | None = None, **work: object) -> Checkpoints:
    return Checkpoints(folder, {**WORK, **work}, seconds=0, say=(said if said is not None else []).append)


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_what_was_saved_comes_back_and_the_last_two_are_kept(tmp_path: Path) -> None:
    checkpoints = opened(tmp_path)
    assert checkpoints.newest() is None
    for position in (5, 10, 15):
        checkpoints.save(at(position))
    said: list[str] = []
    found = opened(tmp_path, said).newest()
    assert found is not None
    assert (found.position, found.facts) == (15, {"rate": 0.1, "n": 15})
    assert np.array_equal(found.tensors["weight"], at(15).tensors["weight"])
    assert said == ["resuming from the checkpoint after step 15"]
    assert files(tmp_path) == [f"state-00000000{n}.{kind}" for n in (10, 15) for kind in ("json", "safetensors")]


@pytest.mark.parametrize("damage", ["cut", "changed", "missing", "manifest"])
def test_a_torn_checkpoint_is_passed_over_for_the_one_before(damage: str, tmp_path: Path) -> None:
    checkpoints = opened(tmp_path)
    checkpoints.save(at(5))
    checkpoints.save(at(10))
    data, manifest = (next(tmp_path.rglob(f"state-0000000010.{kind}")) for kind in ("safetensors", "json"))
    if damage == "cut":
        data.write_bytes(data.read_bytes()[:-4])
    elif damage == "changed":
        data.write_bytes(data.read_bytes()[:-1] + b"x")
    elif damage == "missing":
        data.unlink()
    else:
        manifest.write_text(manifest.read_text()[:20])
    said: list[str] = []
    again = opened(tmp_path, said)
    found = again.newest()
    assert found is not None
    assert found.position == 5
    assert said[0].startswith("checkpoint 10 is not whole and is ignored")
    again.save(at(7))
    assert [name for name in files(tmp_path) if name.endswith("json")] == [
        "state-0000000005.json",
        "state-0000000007.json",
    ]


def test_a_checkpoint_of_other_work_is_ignored_and_the_difference_is_said(tmp_path: Path) -> None:
    opened(tmp_path, rows="other").save(at(5))
    said: list[str] = []
    mine = opened(tmp_path, said)
    assert mine.newest() is None
    assert "of other work, which differs in rows" in said[0]
    mine.save(at(1))
    other = opened(tmp_path, rows="other").newest()
    assert other is not None
    assert other.position == 5


def test_a_manifest_that_was_copied_from_other_work_is_ignored(tmp_path: Path) -> None:
    checkpoints = opened(tmp_path)
    checkpoints.save(at(5))
    manifest = next(tmp_path.rglob("*.json"))
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "work": {"plan": 1}}))
    said: list[str] = []
    assert opened(tmp_path, said).newest() is None
    assert "other work, which differs in plan, rows" in said[0]


def test_what_a_killed_writer_left_is_removed(tmp_path: Path) -> None:
    opened(tmp_path).save(at(5))
    left = next(tmp_path.rglob("*.json")).with_name(".writing-state-0000000006.safetensors")
    left.write_bytes(b"half")
    found = opened(tmp_path).newest()
    assert found is not None
    assert not left.exists()


def test_saving_takes_at_most_a_twentieth_of_the_time(tmp_path: Path) -> None:
    times = iter([0.0, 10.0, 40.0, 100.0, 639.0, 641.0])
    checkpoints = Checkpoints(tmp_path, WORK, seconds=60, say=print, clock=lambda: next(times))
    checkpoints.save(at(1))  # from 10 to 40
    assert not checkpoints.due  # at 100
    assert not checkpoints.due  # at 639, 599 after
    assert checkpoints.due  # at 641


def test_a_full_disk_is_said_and_is_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    checkpoints = opened(tmp_path, said)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    checkpoints.save(at(3))
    assert "checkpoint 3 could not be written" in said[0]
    assert files(tmp_path) == []


def test_the_environment_names_the_directory_and_the_interval(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert Checkpoints.here(lambda: WORK) is None
    monkeypatch.setenv(VARIABLE, str(tmp_path / "made"))
    monkeypatch.setenv(SECONDS_VARIABLE, "0")
    found = Checkpoints.here(lambda: WORK)
    assert found is not None
    assert found.due
    monkeypatch.setenv(SECONDS_VARIABLE, "often")
    with pytest.raises(UsageError, match="not a number"):
        Checkpoints.here(lambda: WORK)


def test_a_directory_that_cannot_be_written_to_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="no checkpoints can be kept"):
        opened(tmp_path / "file")
