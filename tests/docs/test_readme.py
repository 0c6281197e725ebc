"""The README's commands, typed one after the other where a reader would type them."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from documents import Command, Reader
from service_pages import ROOT, newcomer, parts_here

README = ROOT / "README.md"


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    """Somebody beside the checkout's pipelines, with the installed program on the path and no settings of their own."""
    with newcomer(tmp_path) as somebody:
        somebody.environment.pop("PYTHONPATH", None)
        yield somebody


def test_every_command_does_what_the_readme_says_and_the_model_answers(reader: Reader, tmp_path: Path) -> None:
    parts = [part for part in parts_here(README, tmp_path) if not _installs(part)]
    assert len(parts) >= 9
    for part in parts:
        reader.follow(part)
    code = re.search(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert code is not None
    command = [sys.executable, "-c", code[1]]
    done = subprocess.run(
        command, cwd=reader.folder, env=reader.environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "rating" in done.stdout


def _installs(part: object) -> bool:
    """Whether a command changes this environment, which has everything already."""
    return isinstance(part, Command) and part.text.startswith("pip install ")


def test_every_link_of_the_readme_leads_somewhere() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", README.read_text())
    assert [link for link in links if "://" not in link and not (ROOT / link).exists()] == []
