"""The tutorial, followed word by word: every file written, every command typed, every output compared."""

from __future__ import annotations

from pathlib import Path

import pytest

from documents import Command, Reader, ShownFile, mismatch, read_document
from fresh_environment import make_environment

TUTORIAL = Path(__file__).resolve().parents[2] / "docs" / "tutorial-your-own-step.md"


def test_the_tutorial_does_what_it_says(tmp_path):
    environment = make_environment(tmp_path / "environment")
    folder = tmp_path / "work"
    folder.mkdir()
    reader = Reader(folder, {**environment, "MLFLOW_TRACKING_URI": "off"})
    parts = read_document(TUTORIAL)
    assert sum(isinstance(part, Command) for part in parts) >= 20
    for part in parts:
        reader.follow(part)
    assert (folder / ".intermodal" / "runs").is_dir()


def test_the_component_of_the_tutorial_is_one_that_kfp_reads(tmp_path, monkeypatch):
    from kfp import components

    shown = {part.path: part.text for part in read_document(TUTORIAL) if isinstance(part, ShownFile)}
    for path, text in shown.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
    reader = Reader(tmp_path, make_environment(tmp_path / "environment"))
    reader.follow(Command("python export.py", (), 0, 0))
    made = components.load_component_from_file(str(tmp_path / "clean.yaml"))
    assert set(made.component_spec.inputs) == {"lines", "least_words"}
    assert set(made.component_spec.outputs) == {"cleaned", "metrics"}


@pytest.mark.parametrize(
    ("expected", "printed", "fits"),
    [
        (["a", "b"], ["a", "b"], True),
        (["a"], ["a", "b"], False),
        (["a", "…"], ["a", "b", "c"], True),
        (["…", "c"], ["a", "b", "c"], True),
        (["…", "b"], ["a", "b", "c"], False),
        (["b", "a"], ["a", "b"], False),
        (["run x-…: 2 tasks"], ["run x-17: 2 tasks"], True),
        (["run x-…: 2 tasks"], ["run x-17: 3 tasks"], False),
        (["a.c"], ["abc"], False),
        ([], [], True),
        ([], ["noise"], False),
    ],
)
def test_how_output_is_compared(expected, printed, fits):
    assert (mismatch(expected, printed) == "") is fits


def test_a_reader_notices_a_wrong_exit_code_and_keeps_the_directory(tmp_path):
    import os

    reader = Reader(tmp_path, dict(os.environ))
    reader.follow(Command("mkdir inner; cd inner", (), 0, 1))
    reader.follow(Command("basename $PWD", ("inner",), 0, 2))
    with pytest.raises(AssertionError, match="exit code 3, not 0"):
        reader.follow(Command("exit 3", (), 0, 3))
