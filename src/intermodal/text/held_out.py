"""The held-out split: reading it, and proving that it is the one that was split off."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from intermodal.core.manifest import MANIFEST_NAME, Manifest, Origin, describe_files
from intermodal.errors import ArtifactCorrupt, DataRejected
from intermodal.text.split_digest import split_digest

if TYPE_CHECKING:
    import pyarrow as pa

COLUMNS = ("review_id", "text", "product_category", "label_ids", "tokens")


def read_split(features: Path, split: str) -> pa.Table:
    """The rows of one split of `featurize`'s output.

    Args:
        features: Its directory, with `split=NAME/*.parquet`.
        split: Name of the split.

    Returns:
        `COLUMNS`, in the order of files and rows.

    Raises:
        DataRejected: There is no such split, or it lacks a column.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    files = sorted((features / f"split={split}").glob("*.parquet"))
    if not files:
        found = sorted(path.name for path in features.glob("split=*"))
        raise DataRejected(f"the features have no split {split}", seen=found, expected=f"split={split}/*.parquet")
    try:
        return pa.concat_tables([pq.ParquetFile(path).read(columns=list(COLUMNS)).select(COLUMNS) for path in files])
    except KeyError as error:
        expected = ", ".join(COLUMNS)
        raise DataRejected(f"split {split} of the features lacks a column", seen=error, expected=expected) from error


def proven_digest(rows: pa.Table, features: Path, metadata: Mapping[str, Any], split: str) -> str:
    """The digest of a split, computed from its rows and compared with what `featurize` said.

    Args:
        rows: The split's rows.
        features: The artifact's directory; its manifest is read where the metadata name no splits.
        metadata: The artifact's metadata.
        split: Name of the split.

    Returns:
        The digest, in hexadecimal.

    Raises:
        ArtifactCorrupt: The rows are not those that were split off.
        DataRejected: Nothing says which rows were.
    """
    told = (metadata.get("splits") or _manifest_fields(features).get("splits") or {}).get(split, {}).get("digest")
    if not told:
        step = "make the features with the step featurize"
        raise DataRejected(f"the features do not say the digest of split {split}", seen="none", next_step=step)
    digest = split_digest(*(rows.column(name).to_pylist() for name in ("review_id", "text", "label_ids")))
    if digest != told:
        raise ArtifactCorrupt(f"split {split} is not the one that was split off", seen=digest, expected=told)
    return digest


def model_digest(directory: Path) -> str:
    """The digest of a model's artifact: its manifest's, or the one it will have."""
    if known := _manifest_fields(directory).get("digest"):
        return str(known)
    layout, files = describe_files(directory)
    return Manifest("system.Model", layout, files, Origin(step="")).digest


def origin_runs(directory: Path) -> dict[str, str]:
    """The MLflow run and the intermodal run that made an artifact, as far as its manifest says."""
    origin = _manifest_fields(directory).get("origin", {})
    return {key: str(origin[key]) for key in ("mlflow_run_id", "run_id") if origin.get(key)}


def _manifest_fields(directory: Path) -> dict[str, Any]:
    path = directory / MANIFEST_NAME
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}
