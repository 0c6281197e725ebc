"""Dataset inputs as MLflow shows them on a run."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

_DIGEST_LENGTH = 36  # MLflow's limit; the whole digest goes to the profile
_SCHEMA_LENGTH = 65_000
_TYPES = {
    "string": ("str", "large_string", "string", "utf8"),
    "boolean": ("bool", "boolean"),
    "integer": ("int8", "int16", "int32", "uint8", "uint16"),
    "long": ("int64", "uint32", "uint64"),
    "float": ("float", "float16", "float32"),
    "double": ("double", "float64"),
    "binary": ("binary", "large_binary"),
    "datetime": ("date", "date32", "timestamp"),
}
_KNOWN = {arrow: mlflow for mlflow, names in _TYPES.items() for arrow in names}
_LIST = re.compile(r"(?:large_)?list<(?:\w+: )?([^<>]+?)(?: not null)?>")


def dataset_input(dataset: Mapping[str, Any]) -> Any:
    """Make MLflow's entity of one input.

    Args:
        dataset: {"name", "digest", "uri"}, and where known "rows" and "columns" (column → Arrow type).

    Returns:
        An `mlflow.entities.DatasetInput` with the tag "mlflow.data.context" = the input's name.
    """
    from mlflow.entities import Dataset, DatasetInput, InputTag

    uri = str(dataset.get("uri", ""))
    digest = str(dataset.get("digest", ""))
    profile = {"num_rows": dataset.get("rows"), "sha256": digest}
    entity = Dataset(
        name=str(dataset["name"])[:500],
        digest=digest[:_DIGEST_LENGTH] or "unknown",
        source_type="s3" if uri.startswith("s3://") else "local",
        source=json.dumps({"uri": uri}),
        schema=_schema(dataset.get("columns") or {}),
        profile=json.dumps({key: value for key, value in profile.items() if value is not None}),
    )
    return DatasetInput(entity, [InputTag("mlflow.data.context", str(dataset["name"])[:500])])


def column_type(arrow: str) -> Any:
    """MLflow's name for an Arrow type: a string, or a mapping for a list; "string" when there is none."""
    if found := _LIST.fullmatch(arrow):
        return {"type": "array", "items": {"type": column_type(found[1])}}
    return _KNOWN.get(arrow.partition("[")[0], "string")


def _schema(columns: Mapping[str, str]) -> str | None:
    if not columns:
        return None
    specs = [_column(name, column_type(arrow)) for name, arrow in columns.items()]
    text = json.dumps({"mlflow_colspec": specs})
    return text if len(text) <= _SCHEMA_LENGTH else None


def _column(name: str, kind: Any) -> dict[str, Any]:
    fields = kind if isinstance(kind, dict) else {"type": kind}
    return {**fields, "name": name, "required": True}
