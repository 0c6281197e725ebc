"""The work of the step `train_script`: a source, its script, its channels, its metrics."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from intermodal.aws.script_contract import Script
from intermodal.aws.script_process import MetricReader, interpreter, run_script
from intermodal.aws.script_source import place_source
from intermodal.aws.settings import sagemaker_settings
from intermodal.core.config import load_settings
from intermodal.core.hosts import count_gpus, hosts_here
from intermodal.errors import StepFailed, UsageError

REQUIREMENTS = "requirements.txt"


@dataclass(frozen=True)
class ScriptTask:
    """What is to be run.

    Attributes:
        source: As `place_source` takes it.
        entry_point: The script in it.
        inputs: Directory of each input.
        hyperparameters: The script's options.
        names: Input → name of its channel, where that is another.
        patterns: As `MetricReader` takes them.
        install: Whether the source's requirements are installed first.
    """

    source: str
    entry_point: str
    inputs: Mapping[str, Path] = field(default_factory=dict)
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    patterns: Mapping[str, str] = field(default_factory=dict)
    install: bool = False


def run_script_task(task: ScriptTask, model: Path, output: Path, folder: Path) -> dict[str, float]:
    """Run a script.

    Args:
        task: What is to be run.
        model: Directory of the model; made.
        output: Directory of all else that it makes; made.
        folder: An empty directory for the while.

    Returns:
        The last value of each metric.

    Raises:
        UsageError: The source, the script, a channel or a pattern is wrong.
        StepFailed: The script failed, or left no model.
        RuntimeFailed: S3 refused the source, or did not answer.
    """
    metrics = MetricReader(task.patterns)
    command, channels, hosts = interpreter(task.entry_point), _channels(task, folder / "input" / "data"), hosts_here()
    place_source(task.source, task.entry_point, folder / "code", sagemaker_settings(load_settings()))
    _install(folder / "code", task.install)
    script = Script(
        entry_point=task.entry_point,
        code=folder / "code",
        hyperparameters=task.hyperparameters,
        channels=channels,
        model=model,
        output=output,
        work=folder,
        hosts=hosts,
        cpus=_processors(),
        gpus=count_gpus(),
    )
    run_script(script, metrics, command)
    if hosts.is_first and not any(model.iterdir()):  # of several hosts one may write the model for all
        expected = "a model in the directory that SM_MODEL_DIR names"
        raise StepFailed(f"the script {task.entry_point} left no model", seen="an empty directory", expected=expected)
    return metrics.last


def _channels(task: ScriptTask, data: Path) -> dict[str, Path]:
    """Where the script finds each channel, as SageMaker lays them out."""
    unknown = sorted(set(task.names) - set(task.inputs))
    if unknown:
        expected = f"training, validation or test, where it is given (here: {', '.join(task.inputs) or 'none is'})"
        raise UsageError("channels names no input that is given", seen=", ".join(unknown), expected=expected)
    found: dict[str, Path] = {}
    data.mkdir(parents=True)
    for name, path in task.inputs.items():
        channel = str(task.names.get(name, name))
        if not channel.replace("_", "").replace("-", "").isalnum() or channel in found:
            raise UsageError("a channel's name is wrong", seen=channel, expected="letters and digits, and each once")
        (data / channel).symlink_to(path.absolute())
        found[channel] = data / channel
    return found


def _install(code: Path, wanted: bool) -> None:
    """Install the requirements beside the script, where no other step sees them."""
    listed = code / REQUIREMENTS
    if not listed.is_file():
        return
    if not wanted:
        print(f"{REQUIREMENTS} is not installed: set install_requirements, or put them into the image", flush=True)
        return
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(code), "-r", str(listed)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        seen = "\n".join(done.stderr.splitlines()[-5:])
        raise StepFailed(f"{REQUIREMENTS} could not be installed", seen=seen, next_step="put them into the image")


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
