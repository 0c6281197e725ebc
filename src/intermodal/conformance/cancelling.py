"""The case that needs a second process: a run that is told to stop while its first task is at work."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from intermodal.conformance.cases import Case
from intermodal.conformance.steps import PREFIX
from intermodal.errors import EXIT_INTERRUPTED
from intermodal.runtime.record import RunRecord, list_records
from intermodal.store.locate import open_store

if TYPE_CHECKING:
    from intermodal.conformance.suite import Place

_PATIENCE = 300.0  # seconds until a runtime that starts or stops nothing is given up
_SILENCE = 3.0  # seconds without a mark after which a task counts as stopped


def cancelled(case: Case, place: Place, mark: str) -> tuple[RunRecord | None, list[str]]:
    """Start a run, wait until its first task works, and send its process SIGTERM.

    Args:
        case: The case.
        place: Where.
        mark: Mark of this run.

    Returns:
        The record, and what went otherwise than it must.
    """
    store = open_store(place.open().store)

    def beat() -> bytes | None:
        return store.read(f"{PREFIX}/{mark}/beat")

    process = subprocess.Popen(
        _command(case, place, mark), env=_environment(place), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    with process:
        if not _until(lambda: beat() is not None or process.poll() is not None) or process.poll() is not None:
            process.kill()
            return None, [f"the first task never began: {_last_words(process)}"]
        process.send_signal(signal.SIGTERM)
        if not _until(lambda: process.poll() is not None):
            process.kill()
            return None, [f"it did not stop within {_PATIENCE:.0f} s of SIGTERM"]
        words = _last_words(process)
    differences = []
    if process.returncode != EXIT_INTERRUPTED:
        differences.append(f"exit code {process.returncode} after SIGTERM, expected {EXIT_INTERRUPTED}: {words}")
    last = beat()
    time.sleep(_SILENCE)
    if beat() != last:
        differences.append("a task still works after its run was stopped")
    found = [record for record in list_records(place.settings.runs) if record.arguments.get("mark") == mark]
    return (found[0] if found else None), differences + ([] if found else ["the run left no record"])


def _command(case: Case, place: Place, mark: str) -> list[str]:
    words = [sys.executable, "-m", "intermodal", "run", case.reference, "--on", place.runtime, "-p", f"mark={mark}"]
    words += ["--on-interrupt", "cancel", *(["--containers"] if place.mode == "container" else [])]
    return [*words, *(["--allow-mutable-tags"] if place.allow_mutable_tags else [])]


def _environment(place: Place) -> dict[str, str]:
    here = {"INTERMODAL_HOME": str(place.settings.home), "INTERMODAL_STORE": place.settings.store}
    tracking = {"MLFLOW_TRACKING_URI": place.settings.tracking_uri, "MLFLOW_EXPERIMENT_NAME": place.settings.experiment}
    return {**os.environ, **here, **tracking}


def _until(holds: Callable[[], Any]) -> bool:
    limit = time.monotonic() + _PATIENCE
    while time.monotonic() < limit:
        if holds():
            return True
        time.sleep(0.1)
    return False


def _last_words(process: subprocess.Popen[bytes]) -> str:
    text = process.communicate()[1].decode("utf-8", "replace").strip()
    return " / ".join(text.splitlines()[-3:])
