"""Script mode: the user's own source directory and script, as AWS's training toolkit reads them.

The toolkit in AWS's images (and in any image that installs `sagemaker-training`) fetches `sourcedir.tar.gz`
from S3, and calls the script with the hyperparameters as its options.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from intermodal.aws.request import TaskPlan
from intermodal.aws.secrets import check_no_secrets
from intermodal.aws.settings import JobSettings
from intermodal.errors import UsageError

ARCHIVE = "sourcedir.tar.gz"
CODE = "code"  # the channel that brings it to a container without a network, as AWS's own SDK calls it
CODE_PATH = f"/opt/ml/input/data/{CODE}"
SKIPPED = {"__pycache__", ".git", ".venv", ".intermodal", ".ipynb_checkpoints", ".mypy_cache", ".ruff_cache"}
_VALUE_LIMIT, _MOST = 2500, 100


@dataclass(frozen=True)
class Source:
    """A source directory, packed.

    Attributes:
        entry_point: The script, relative to the directory.
        content: The archive's bytes; the same for the same files.
    """

    entry_point: str
    content: bytes

    @property
    def key(self) -> str:
        """Where it lies below the store's root: by content, so that it is uploaded once."""
        return f"jobs/sources/{hashlib.sha256(self.content).hexdigest()[:32]}/{ARCHIVE}"

    def uri(self, plan: TaskPlan) -> str:
        """Where it lies for the jobs of a plan."""
        return f"{plan.place.store}/{self.key}"


def script_mark(job: JobSettings) -> str:
    """What does a step's work in the place of its own code, for the key of the work; empty without a script.

    Args:
        job: What the step's jobs are given.

    Raises:
        UsageError: There is no such directory, or no such script in it.
    """
    if not job.source_dir:
        return ""
    source = pack_source(Path(job.source_dir), job.entry_point)
    told = json.dumps([source.key, job.metrics], sort_keys=True)
    return f"{job.image or 'own'} with {job.entry_point} {hashlib.sha256(told.encode()).hexdigest()[:16]}"


def pack_source(directory: Path, entry_point: str) -> Source:
    """Pack a source directory, the same files always to the same bytes.

    Args:
        directory: The directory; caches, links and version control are left out.
        entry_point: The script in it.

    Raises:
        UsageError: There is no such directory, or no such script in it.
    """
    if not directory.is_dir():
        raise UsageError("sagemaker.source_dir is no directory", seen=directory, expected="a directory with a script")
    script = (directory / entry_point).resolve()
    if not entry_point or not script.is_file() or not script.is_relative_to(directory.resolve()):
        raise UsageError(
            "sagemaker.entry_point is not in source_dir", seen=entry_point or "nothing", expected="a script in it"
        )
    buffer = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0, filename="") as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for path in _files(directory):
            _add(archive, path, path.relative_to(directory).as_posix())
    return Source(entry_point, buffer.getvalue())


def script_hyperparameters(plan: TaskPlan, source: Source, job: str) -> dict[str, str]:
    """Hyperparameters as AWS's toolkit reads them: each value JSON, the script's options among them.

    Args:
        plan: The task.
        source: The packed source.
        job: The job's name.

    Raises:
        UsageError: A parameter is too long, or there are too many.
    """
    check_no_secrets(plan.parameters)
    given = _options(plan.parameters)
    own = {
        "sagemaker_program": source.entry_point,
        "sagemaker_submit_directory": f"{CODE_PATH}/{ARCHIVE}" if plan.job.network_isolation else source.uri(plan),
        "sagemaker_job_name": job,
        "sagemaker_region": plan.place.region,
        "sagemaker_container_log_level": 20,
    }
    made = {name: json.dumps(value, sort_keys=True) for name, value in {**given, **own}.items()}
    for name, text in made.items():
        if len(text) > _VALUE_LIMIT:
            raise UsageError(
                f"parameter {name} is too long for a hyperparameter",
                seen=f"{len(text)} characters",
                expected=f"at most {_VALUE_LIMIT}",
            )
    if len(made) > _MOST:
        raise UsageError("a step has too many parameters for script mode", seen=len(given), expected=_MOST - len(own))
    return made


def _options(parameters: dict[str, Any]) -> dict[str, Any]:
    """The script's options: what the step calls its hyperparameters, as `train_script` does, else all parameters."""
    own = parameters.get("hyperparameters")
    options = own if isinstance(own, dict) else parameters
    return {name: value for name, value in options.items() if value is not None}


def _files(directory: Path) -> list[Path]:
    found = [
        path
        for path in directory.rglob("*")
        if path.is_file() and not path.is_symlink() and not SKIPPED & set(path.relative_to(directory).parts)
    ]
    return sorted(found, key=lambda path: path.relative_to(directory).as_posix())


def _add(archive: Any, path: Path, name: str) -> None:
    """Add a file without whose it is and when it was changed."""
    entry = tarfile.TarInfo(name)
    content = path.read_bytes()
    entry.size, entry.mode = len(content), 0o755 if path.stat().st_mode & 0o100 else 0o644
    archive.addfile(entry, io.BytesIO(content))
