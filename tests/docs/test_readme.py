"""The README's commands, typed one after the other where a reader would type them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from documents import Reader, read_document

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    """Somebody beside the checkout's pipelines, with the program on the path and no settings of their own."""
    (tmp_path / "pipelines").symlink_to(ROOT / "pipelines")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("INTERMODAL_", "MLFLOW_"))}
    kept.pop("PYTHONPATH", None)
    return Reader(tmp_path, {**kept, "PATH": f"{Path(sys.executable).parent}:{kept['PATH']}"})


def test_every_command_does_what_the_readme_says_and_the_model_answers(reader: Reader) -> None:
    parts = read_document(ROOT / "README.md")
    assert len(parts) >= 5
    for part in parts:
        reader.follow(part)
    code = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert code is not None
    command = [sys.executable, "-c", code[1]]
    done = subprocess.run(
        command, cwd=reader.folder, env=reader.environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "rating" in done.stdout


def test_every_link_of_the_readme_leads_somewhere() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", (ROOT / "README.md").read_text())
    assert [link for link in links if "://" not in link and not (ROOT / link).exists()] == []
