"""`mlflow run` for tests: through MLflow's Python, as typed in this process, and in a process of its own."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

BACKEND = "intermodal-local"


def run(uri: Path | str, entry: str = "line", **options: Any) -> Any:
    """`mlflow.projects.run`, with the local backend unless `backend` says another."""
    import mlflow

    backend = options.pop("backend", BACKEND)
    return mlflow.projects.run(str(uri), entry, backend=backend, **options)


def typed(*words: str) -> Any:
    """`mlflow run WORDS…` in this process, as click's own tests do it."""
    from click.testing import CliRunner
    from mlflow.cli import run as command

    return CliRunner().invoke(command, [*words])


def _command_line(words: list[str]) -> None:
    from mlflow.cli import run as command

    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.setsid()
    command.main(words, prog_name="mlflow run")


@contextlib.contextmanager
def process(words: list[str]) -> Iterator[Any]:
    """`mlflow run WORDS…` in a process of its own, which need not import anything first."""
    made = multiprocessing.get_context("fork").Process(target=_command_line, args=(words,))
    made.start()
    yield made
    if made.is_alive():
        made.kill()
    made.join(60)
