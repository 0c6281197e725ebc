"""The page on AWS accounts, followed word by word on a local SageMaker."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

from documents import Command, Reader, read_document
from intermodal.cli.main import main

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "aws-setup.md"


def test_the_page_does_what_it_says(tmp_path: Path, open_sagemaker) -> None:
    local = open_sagemaker()
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "pipelines").symlink_to(ROOT / "pipelines")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    reader = Reader(folder, {**os.environ, "PATH": path})
    reader.environment.pop("INTERMODAL_HOME", None)
    commands = [part for part in read_document(PAGE) if isinstance(part, Command)]
    assert len(commands) >= 7
    for command in commands:
        if not command.text.startswith("aws "):  # AWS's own program may not be here
            reader.follow(command)
    assert local.requests, "the page's commands reached another AWS"


@pytest.mark.parametrize("words", [["aws", "init"], ["aws", "iam-policy"], ["reap"]])
def test_every_option_is_explained(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([*words, "--help"])
    options = set(re.findall(r"--[a-z][a-z0-9-]+", capsys.readouterr().out)) - {"--help", "--json", "--param"}
    assert options <= set(re.findall(r"--[a-z][a-z0-9-]+", PAGE.read_text()))
