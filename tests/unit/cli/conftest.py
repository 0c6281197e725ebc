"""Fixtures of the command line's tests: a verb called in this process, and a home in which a pipeline has run."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from intermodal.cli.main import main
from intermodal.core.config import Settings, load_settings
from intermodal.runtime.record import RunRecord, find_record
from launching import pipeline


@dataclass(frozen=True)
class Said:
    """What a verb answered: its exit code and its two streams."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Cli = Callable[..., Said]


@dataclass(frozen=True)
class Home:
    """A home in which the pipeline `short` ran once."""

    settings: Settings
    record: RunRecord
    source: Path

    def artifact(self, name: str) -> Path:
        """The directory of an artifact, by TASK.OUTPUT."""
        task, _, output = name.partition(".")
        found = self.record.task(task)
        assert found is not None
        path = Path(found.artifacts[output]["uri"])
        return path if path.is_dir() else path.parent


@pytest.fixture
def cli(capfd: pytest.CaptureFixture[str]) -> Cli:
    """Call `intermodal WORDS…` in this process."""

    def call(*words: str) -> Said:
        capfd.readouterr()
        code = main(words)
        text = capfd.readouterr()
        return Said(code, text.out, text.err)

    return call


@pytest.fixture
def run_short(home: Path, cli: Cli) -> Callable[..., Home]:
    """Run the pipeline `short` in this process."""

    def run(*words: str) -> Home:
        source = home.parent / "lines.txt"
        source.write_text("one\ntwo three\nfour\n")
        given = ["run", pipeline("short", "cli_pipelines.py"), "--debug", "-q", "-p", f"source={source}", *words]
        said = cli(*given)
        assert said.code == 0, said.err
        settings = load_settings()
        return Home(settings, find_record(settings.runs), source)

    return run


@pytest.fixture
def ran(run_short: Callable[..., Home]) -> Home:
    """A home in which `short` ran once."""
    return run_short()
