"""Where a model computes, and how long it still takes."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from intermodal.errors import UsageError
from intermodal.text.compute import available_processors, multiplies_bfloat16, prepare_place, prepare_threads
from intermodal.text.remaining import Remaining


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("processor: 0\nflags\t\t: fpu avx512f avx512_bf16 vaes\n", True),
        ("flags\t\t: fpu avx512f amx_bf16\n", True),
        ("Features\t: fp asimd bf16\n", True),
        ("flags\t\t: fpu avx2\nmodel name: bf16 machine\n", False),
        ("", False),
    ],
)
def test_bfloat16_is_chosen_where_the_processor_multiplies_it(text: str, expected: bool, tmp_path: Path) -> None:
    path = tmp_path / "cpuinfo"
    path.write_text(text)
    assert multiplies_bfloat16(path) is expected


def test_a_machine_that_says_nothing_does_not_multiply_bfloat16(tmp_path: Path) -> None:
    assert not multiplies_bfloat16(tmp_path / "absent")


@pytest.mark.parametrize(
    ("quota", "expected"), [("100000 100000", 1), ("50000 100000", 1), ("max 100000", 0), ("?", 0)]
)
def test_a_containers_quota_bounds_the_threads(quota: str, expected: int, tmp_path: Path) -> None:
    path = tmp_path / "cpu.max"
    path.write_text(quota + "\n")
    everything = len(os.sched_getaffinity(0))
    assert available_processors(path) == (expected or everything)
    assert available_processors(tmp_path / "absent") == everything


def test_threads_are_told_to_sleep_unless_the_user_said_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", "")
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG")
    prepare_threads()
    assert os.environ["OMP_WAIT_POLICY"] == "ACTIVE"
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
    monkeypatch.delenv("OMP_WAIT_POLICY")
    prepare_threads()
    assert os.environ["OMP_WAIT_POLICY"] == "PASSIVE"


def test_a_precision_that_is_asked_for_is_used() -> None:
    assert prepare_place("float32").precision == "float32"
    assert prepare_place("auto").precision in ("float32", "bfloat16")
    with pytest.raises(UsageError, match="precision"):
        prepare_place("float16")


def test_the_time_that_is_left_follows_from_the_work_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERMODAL_JOURNAL", str(tmp_path / "journal"))
    now = [100.0]
    remaining = Remaining(40.0, clock=lambda: now[0])
    remaining.note = "epoch 1"
    now[0] += 30
    remaining.advance(10)
    assert remaining.told() == "epoch 1, 1 min 30 s left"
    now[0] += 20
    remaining.advance(30)
    assert remaining.told() == "epoch 1, 0 s left"
    last = json.loads((tmp_path / "journal").read_text().splitlines()[-1])
    assert (last["done"], last["total"], last["unit"]) == (100, 100, "%")
