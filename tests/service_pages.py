"""Follows a page that starts a local SageMaker of its own, on a free port; what it started is stopped at the end."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from documents import Command, Reader, ShownFile, read_document
from free_ports import free_port
from intermodal.runtime.sagemaker_local.namespaces import namespaces_work

ROOT = Path(__file__).resolve().parents[1]
PAGES = ROOT / "docs"
_PATIENCE = 180.0


def parts_here(page: Path, folder: Path) -> list[Command | ShownFile]:
    """A page's files and commands, with a free port for 4566 and an engine that needs no containers.

    Args:
        page: The page.
        folder: Where the page is written as it is followed.
    """
    engine = "namespaces" if namespaces_work() else "processes"
    text = page.read_text(encoding="utf-8").replace("4566", str(free_port()))
    told = folder / page.name
    told.write_text(
        text.replace("sagemaker-local --port", f"sagemaker-local --engine {engine} --port"), encoding="utf-8"
    )
    return read_document(told)


@contextmanager
def newcomer(folder: Path) -> Iterator[Reader]:
    """Somebody in an empty folder beside the checkout's pipelines, with no settings of their own."""
    work = folder / "work"
    work.mkdir()
    (work / "pipelines").symlink_to(ROOT / "pipelines")
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "INTERMODAL_", "MLFLOW_"))
    }
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    try:
        yield Reader(work, {**kept, "PATH": path, "AWS_EC2_METADATA_DISABLED": "true"})
    finally:
        stop_what_runs_in(work)


def follow(page: Path, folder: Path, least: int) -> Path:
    """Follow a page from its first line to its last.

    Args:
        page: The page.
        folder: An empty folder of the test.
        least: How many commands the page has at least.

    Returns:
        The folder in which the newcomer worked.
    """
    parts = parts_here(page, folder)
    assert sum(isinstance(part, Command) for part in parts) >= least
    with newcomer(folder) as reader:
        for part in parts:
            reader.follow(part)
        return reader.folder


def stop_what_runs_in(folder: Path) -> None:
    """Stop the services that a page has left running."""
    for process in psutil.process_iter(["cmdline", "cwd"]):
        if "sagemaker-local" in (process.info["cmdline"] or []) and process.info["cwd"] == str(folder):
            with suppress(psutil.NoSuchProcess):  # it has ended in the meantime
                process.send_signal(signal.SIGTERM)
                process.wait(_PATIENCE)
