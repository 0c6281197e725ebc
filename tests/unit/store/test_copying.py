"""Copying files."""

from __future__ import annotations

from pathlib import Path

import pytest

from intermodal.store.copying import copy_plainly


def test_what_files_hold_is_copied_and_nothing_is_asked_of_folders_that_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    (source / "deep" / "empty").mkdir(parents=True)
    (source / "deep" / "file").write_text("content")
    (source / "deep" / "file").chmod(0o400)
    target.mkdir()

    def refuse(*_arguments: object, **_options: object) -> None:
        raise PermissionError("Operation not permitted")

    for name in ("chmod", "utime", "setxattr"):  # what the owner alone may do
        monkeypatch.setattr(f"os.{name}", refuse)
    copy_plainly(source, target)
    copy_plainly(source / "deep" / "file", target)
    assert (target / "deep" / "file").read_text() == (target / "file").read_text() == "content"
    assert (target / "deep" / "empty").is_dir()
