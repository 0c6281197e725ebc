"""Models as `model.tar.gz`, the form that every hosting service of SageMaker takes.

An artifact never changes once it has its manifest, so an archive is named after the artifact's URI: requests
can name it before it exists, and it is packed and uploaded once.
"""

from __future__ import annotations

import gzip
import hashlib
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from intermodal.aws.objects import is_there, upload_file, upload_folder
from intermodal.aws.settings import SageMakerSettings

NAME = "model.tar.gz"
_LEFT_OUT = "manifest.json"  # of the artifact; the container serves a plain model directory
_REFERENCE = "reference.json"
_LAST = "_READY"  # written when all files of a plain model are there
_DIGITS = 32


def archive_uri(store: str, model_uri: str) -> str:
    """Where the archive of a model artifact lies.

    Args:
        store: Root of the artifact store, s3://….
        model_uri: The artifact's URI; one that is an archive already is its own.
    """
    return model_uri if model_uri.endswith(".tar.gz") else f"{store}/archives/{mark(model_uri)}/{NAME}"


def mark(uri: str) -> str:
    """A short name for what lies at a URI, for keys of things derived from it."""
    return hashlib.sha256(uri.rstrip("/").encode()).hexdigest()[:_DIGITS]


def reference_beside(archive: str) -> str:
    """Where the counts of a model's training data lie, beside its archive."""
    return f"{archive.rpartition('/')[0]}/{_REFERENCE}"


def shipped_uri(store: str, digest: str) -> str:
    """What a model that lies on this machine is called on S3: after its content, so that it is shipped once."""
    return f"{store}/models/{digest}"


def model_data(uri: str) -> dict[str, Any]:
    """How a container definition names a model.

    Args:
        uri: A `model.tar.gz`, or a prefix with the model's files, which is copied as it is. SageMaker takes
            prefixes for real-time endpoints only: not for batch transform or serverless.

    Returns:
        `ModelDataUrl` or `ModelDataSource`.
    """
    if uri.endswith(".tar.gz"):
        return {"ModelDataUrl": uri}
    source = {"S3Uri": uri.rstrip("/") + "/", "S3DataType": "S3Prefix", "CompressionType": "None"}
    return {"ModelDataSource": {"S3DataSource": source}}


def write_archive(directory: Path, target: Path) -> None:
    """Pack a model's directory; the same files give the same bytes.

    Args:
        directory: The model's directory.
        target: The file to write.
    """
    with target.open("wb") as raw, gzip.GzipFile(fileobj=raw, mode="wb", mtime=0, filename="") as packed:
        with tarfile.open(fileobj=packed, mode="w") as archive:
            for path in sorted(item for item in directory.rglob("*") if item.is_file()):
                name = path.relative_to(directory).as_posix()
                if name != _LEFT_OUT:
                    archive.add(path, name, recursive=False, filter=_plain)


def upload_archive(directory: Path, uri: str, settings: SageMakerSettings) -> None:
    """Pack a model and upload it, unless it is there.

    Args:
        directory: The model's directory.
        uri: Where to, from `archive_uri`.
        settings: `[sagemaker]`.

    Raises:
        RuntimeFailed: S3 refused it, or did not answer.
    """
    if is_there(uri, settings):
        return
    if (directory / _REFERENCE).is_file():  # what a monitoring schedule compares with
        upload_file(directory / _REFERENCE, reference_beside(uri), settings)
    with tempfile.TemporaryDirectory() as folder:
        write_archive(directory, Path(folder) / NAME)
        upload_file(Path(folder) / NAME, uri, settings)


def upload_model(directory: Path, uri: str, store: str, settings: SageMakerSettings, *, plain: bool = False) -> None:
    """Bring a model to where requests name it.

    Args:
        directory: The model's directory.
        uri: Its URI on S3, of which `archive_uri` names the archive.
        store: Root of the artifact store.
        settings: `[sagemaker]`.
        plain: Whether requests name its files and not its archive.

    Raises:
        RuntimeFailed: S3 refused it, or did not answer.
    """
    if not plain:
        upload_archive(directory, archive_uri(store, uri), settings)
    elif not is_there(f"{uri}/{_LAST}", settings):
        upload_folder(directory, uri, settings)
        with tempfile.TemporaryDirectory() as folder:
            mark_file = Path(folder) / _LAST
            mark_file.write_text("\n")
            upload_file(mark_file, f"{uri}/{_LAST}", settings)


def _plain(item: tarfile.TarInfo) -> tarfile.TarInfo:
    item.uid = item.gid = item.mtime = 0
    item.uname = item.gname = ""
    item.mode = 0o644
    return item
