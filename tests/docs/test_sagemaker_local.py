"""The page on the local SageMaker, followed word by word."""

from __future__ import annotations

import os
import re
import signal
import sys
from pathlib import Path

import psutil
import pytest

from documents import Command, Reader, read_document
from intermodal.cli.main import main
from intermodal.runtime.sagemaker_local.executing import ENGINES
from intermodal.runtime.sagemaker_local.faults import API_FAULTS, JOB_FAULTS
from intermodal.runtime.sagemaker_local.folders import free_port
from intermodal.runtime.sagemaker_local.namespaces import namespaces_work

PAGE = Path(__file__).resolve().parents[2] / "docs" / "sagemaker-local.md"


def test_the_page_does_what_it_says(tmp_path: Path) -> None:
    if not namespaces_work():
        pytest.skip("the page's job wants its own /opt/ml: root, or user namespaces")
    port = str(free_port())
    text = (
        PAGE.read_text()
        .replace("4566", port)
        .replace("sagemaker-local --port", "sagemaker-local --engine namespaces --port")
    )
    (tmp_path / "page.md").write_text(text)
    folder = tmp_path / "work"
    folder.mkdir()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    exported = dict(re.findall(r"^export (\w+)=(\S+)$", text, re.MULTILINE))
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    reader = Reader(folder, {**kept, **exported, "PATH": path})
    parts = read_document(tmp_path / "page.md")
    assert sum(isinstance(part, Command) for part in parts) >= 7
    try:
        for part in parts:
            reader.follow(part)
    finally:
        _stop(folder)


def _stop(folder: Path) -> None:
    """Stop the service that the page leaves running."""
    for process in psutil.process_iter(["cmdline", "cwd"]):
        if "sagemaker-local" in (process.info["cmdline"] or []) and process.info["cwd"] == str(folder):
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def test_every_fault_and_option_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    page = PAGE.read_text()
    explained = set(re.findall(r"`([\w-]+)`", "".join(re.findall(r"^\| (`[^|]*) \|", page, re.MULTILINE))))
    assert explained >= {*API_FAULTS, *JOB_FAULTS, *ENGINES}
    with pytest.raises(SystemExit):
        main(["sagemaker-local", "--help"])
    options = set(re.findall(r"--[a-z][a-z0-9-]+", capsys.readouterr().out)) - {"--help", "--json", "--region"}
    assert options <= set(re.findall(r"--[a-z][a-z0-9-]+", page))
