"""A training script's source, wherever it lies, as a directory of its own that the script may write to."""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path

from intermodal.aws.objects import download_file, listed
from intermodal.aws.script_mode import SKIPPED
from intermodal.aws.settings import SageMakerSettings
from intermodal.errors import UsageError

_ARCHIVES = (".tar.gz", ".tgz", ".tar")


def place_source(source: str, entry_point: str, target: Path, settings: SageMakerSettings) -> None:
    """Copy, or fetch and unpack, a source directory.

    Args:
        source: A directory, a tar archive, or either on S3.
        entry_point: The script in it.
        target: Where to; made. What runs here never changes the original, and so never its fingerprint.
        settings: `[sagemaker]`, for S3.

    Raises:
        UsageError: The source is not there, is no archive or a dangerous one, or lacks the script.
        RuntimeFailed: S3 refused it, or did not answer.
    """
    target.mkdir(parents=True)
    local = Path(source.removeprefix("file://")).expanduser()
    if source.startswith("s3://"):
        _fetch(source, target, settings)
    elif local.is_dir():
        shutil.copytree(local, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns(*sorted(SKIPPED)))
    elif local.is_file():
        _unpack(local, target, source)
    else:
        expected = "a directory with the script, a tar.gz of one, or either on S3"
        raise UsageError("the script's source is not there", seen=source or "nothing", expected=expected)
    check_entry_point(target, entry_point)


def check_entry_point(directory: Path, entry_point: str) -> None:
    """Refuse a script that is not in its directory.

    Raises:
        UsageError: It is absent, or lies outside.
    """
    path = directory / entry_point
    inside = path.resolve().is_relative_to(directory.resolve())
    if not entry_point or not inside or not path.is_file():
        scripts = sorted(item.relative_to(directory).as_posix() for item in directory.rglob("*.py"))
        seen, expected = entry_point or "nothing", ", ".join(scripts[:5]) or "a script in the source directory"
        raise UsageError("entry_point is not in the source", seen=seen, expected=expected)


def _fetch(source: str, target: Path, settings: SageMakerSettings) -> None:
    if source.endswith(_ARCHIVES):
        archive = target.with_name(f"{target.name}.archive")
        download_file(source, archive, settings)
        _unpack(archive, target, source)
        archive.unlink()
        return
    prefix = source.rstrip("/") + "/"
    found = [uri for uri in listed(prefix, settings) if not uri.endswith("/")]
    if not found:
        raise UsageError("the script's source is not there", seen=source, expected="objects below that prefix")
    for uri in found:
        path = target / uri.removeprefix(prefix)
        if not path.resolve().is_relative_to(target.resolve()):  # a key may hold ".."
            raise UsageError("a key of the source leads out of it", seen=uri, expected=f"names below {prefix}")
        download_file(uri, path, settings)


def _unpack(archive: Path, target: Path, source: str) -> None:
    try:
        with tarfile.open(archive) as opened:
            opened.extractall(target, filter="data")  # refuses what would land, or point, outside
    except (tarfile.TarError, OSError, EOFError) as error:
        expected = "a tar archive whose members stay inside it"
        raise UsageError("the source cannot be unpacked", seen=f"{source}: {error}", expected=expected) from error
