"""Tasks of one run in several places: each launched where it was placed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from intermodal.aws.script_mode import script_mark
from intermodal.aws.settings import SECTION, SECTION_VARIABLE, sagemaker_settings
from intermodal.aws.surroundings import PIPELINE_VARIABLE, SERVICE_VARIABLE
from intermodal.core.component import IMAGE_VARIABLE
from intermodal.core.config import Settings
from intermodal.core.step import StepSpec, spec_of
from intermodal.errors import UsageError
from intermodal.runtime.compiled import locked_images
from intermodal.runtime.graph import template_of
from intermodal.runtime.local.launch import Launch, Launcher
from intermodal.runtime.outcome import Outcome
from intermodal.runtime.record import RunRecord

LOCAL = "local"
BESIDE = "beside"  # a light process next to the launcher, which follows a service's own job
_STOPPING = 360.0  # seconds that a task beside us has to stop a service's job, which takes minutes on AWS
# Place → "module:function" that makes its launcher from the settings, the run's record, and whether jobs are left.
PLACES = {
    "sagemaker": "intermodal.runtime.sagemaker.placing:jobs_launcher",
    "emr-serverless": "intermodal.runtime.emr.launcher:serverless_launcher",
    "emr-eks": "intermodal.runtime.emr.launcher:eks_launcher",
}


class Placing(Launcher):
    """Hands each task to the launcher of its place.

    Args:
        launchers: Place → launcher.
        choose: The place of a task that is about to be launched.
        mode: How the run's record calls this way.
    """

    def __init__(self, launchers: dict[str, Launcher], choose: Callable[[Launch], str], mode: str) -> None:
        self._launchers, self._choose, self.mode = launchers, choose, mode

    @property
    def starting(self) -> bool:
        """See `Launcher.starting`."""
        return any(launcher.starting for launcher in self._launchers.values())

    def run(self, launch: Launch) -> Outcome:
        """See `Launcher.run`."""
        return self._launchers[self._choose(launch)].run(launch)

    def terminate(self) -> None:
        """See `Launcher.terminate`."""
        for launcher in self._launchers.values():
            launcher.terminate()

    def stop(self) -> None:
        """See `Launcher.stop`."""
        for launcher in self._launchers.values():
            launcher.stop()


class Beside(Launcher):
    """Runs a step's function next to the launcher, told which service does the work.

    Args:
        inner: Runs processes on this machine.
        engine: The service's name.
        pipeline: The pipeline's name.
        section: `[sagemaker]` as this run has it, which may say more than `intermodal.toml`.
    """

    mode = "beside"

    def __init__(self, inner: Launcher, engine: str, pipeline: str, section: dict[str, Any]) -> None:
        self._inner = inner
        told = {SECTION_VARIABLE: json.dumps(section, sort_keys=True)} if section else {}
        # The jobs that it starts run the very images that all other jobs of the run do.
        images = {IMAGE_VARIABLE.format(family=name.upper()): image for name, image in locked_images().items()}
        self._variables = {SERVICE_VARIABLE: engine, PIPELINE_VARIABLE: pipeline, **told, **images}

    @property
    def starting(self) -> bool:
        """See `Launcher.starting`."""
        return self._inner.starting

    def run(self, launch: Launch) -> Outcome:
        """See `Launcher.run`."""
        return self._inner.run(replace(launch, environment={**launch.environment, **self._variables}))

    def terminate(self) -> None:
        """See `Launcher.terminate`."""
        self._inner.terminate()

    def stop(self) -> None:
        """See `Launcher.stop`."""
        self._inner.stop()


def placed_launcher(record: RunRecord, settings: Settings, here: Launcher, *, leaves_jobs: bool) -> Launcher:
    """The launcher of a run some of whose tasks run elsewhere.

    Args:
        record: The run: its runtime is the place of every task that `placements` does not name.
        settings: Where things live.
        here: Runs tasks on this machine.
        leaves_jobs: Whether jobs elsewhere are left alone when the run is told to stop.

    Raises:
        UsageError: There is no such place.
    """
    from intermodal.runtime.local.launch import Subprocess

    wanted = {record.runtime, *record.placements.values()} - {LOCAL}
    launchers: dict[str, Launcher] = {LOCAL: here}
    for place in sorted(wanted):
        launchers[place] = _open(place)(settings, record, leaves_jobs)
        launchers[f"{place} {BESIDE}"] = Beside(
            Subprocess(_STOPPING), place, record.pipeline, settings.extra.get(SECTION, {})
        )

    def choose(launch: Launch) -> str:
        spec = spec_of(launch.task.function)
        place = place_of(launch.task.context.task, spec, record)
        if place == LOCAL:
            return LOCAL
        if spec.needs.job == "managed":
            return f"{place} {BESIDE}"
        if "mlflow" in spec.needs.capabilities and not is_reachable(settings.tracking_uri):
            _say(launch, f"runs here, not on {place}: jobs cannot reach MLflow, which is no server that they see")
            return LOCAL
        return place

    return Placing(launchers, choose, record.mode)


def _say(launch: Launch, text: str) -> None:
    with launch.task.context.log.open("a") as log:
        log.write(f"{text}\n")
    launch.watch()


def engine_of(label: str, spec: StepSpec, record: RunRecord) -> str:
    """The service that does the work of a managed step; empty where the step does it itself."""
    place = place_of(label, spec, record) if spec.needs.job == "managed" else LOCAL
    return "" if place == LOCAL else place


def place_of(label: str, spec: StepSpec, record: RunRecord) -> str:
    """Where a task was placed: by its own name, by its step's, or with all others."""
    names = (label, template_of(label), spec.name)
    spellings = [item for name in names for item in (name, name.replace("_", "-"), name.replace("-", "_"))]
    return next((record.placements[name] for name in spellings if name in record.placements), record.runtime)


def work_of(label: str, spec: StepSpec, record: RunRecord, settings: Settings) -> str:
    """What does a task's work in the place of its step's own code; empty when nothing does.

    Args:
        label: The task.
        spec: Its step.
        record: The run.
        settings: Where things live, and `[sagemaker]`.

    Raises:
        UsageError: `[sagemaker]` is wrong, or the script that it names is not there.
    """
    if place_of(label, spec, record) != SECTION or spec.needs.job == "managed":
        return ""
    return script_mark(sagemaker_settings(settings).job_of(spec.name))


def is_reachable(tracking_uri: str) -> bool:
    """Whether jobs elsewhere can reach MLflow: a server without a password in its address, and not on loopback.

    Where AWS itself is on loopback, so are its jobs.
    """
    from urllib.parse import urlsplit

    found = urlsplit(tracking_uri)
    loopback = found.hostname in ("127.0.0.1", "localhost", "::1") and not os.environ.get("AWS_ENDPOINT_URL")
    secret = found.username or found.password or found.query
    return found.scheme in ("http", "https") and not secret and not loopback


def _open(place: str) -> Callable[[Settings, RunRecord, bool], Launcher]:
    import importlib

    if place not in PLACES:
        raise UsageError("tasks cannot be placed there", seen=place, expected=", ".join((LOCAL, *sorted(PLACES))))
    module, _, name = PLACES[place].partition(":")
    made: Callable[[Settings, RunRecord, bool], Launcher] = getattr(importlib.import_module(module), name)
    return made
