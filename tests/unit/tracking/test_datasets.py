"""Dataset inputs as MLflow's entities."""

from __future__ import annotations

import json

import pytest

from intermodal.tracking.datasets import column_type, dataset_input


@pytest.mark.parametrize(
    ("arrow", "expected"),
    [
        ("string", "string"),
        ("int32", "integer"),
        ("int64", "long"),
        ("float", "float"),
        ("double", "double"),
        ("bool", "boolean"),
        ("date32[day]", "datetime"),
        ("timestamp[us, tz=UTC]", "datetime"),
        ("dictionary<values=string, indices=int32, ordered=0>", "string"),
        ("list<element: int32>", {"type": "array", "items": {"type": "integer"}}),
        ("list<item: string not null>", {"type": "array", "items": {"type": "string"}}),
    ],
)
def test_arrow_types_in_mlflows_words(arrow: str, expected: object) -> None:
    assert column_type(arrow) == expected


def test_the_schema_is_one_that_mlflow_reads() -> None:
    from mlflow.types import Schema

    columns = {"text": "string", "input_ids": "list<element: int32>"}
    made = dataset_input(
        {"name": "features", "digest": "cd" * 32, "uri": "s3://bucket/x", "columns": columns, "rows": 3}
    )
    assert made.dataset.source_type == "s3"
    schema = Schema.from_json(json.dumps(json.loads(made.dataset.schema)["mlflow_colspec"]))
    assert schema.input_names() == ["text", "input_ids"]
    assert [tag.value for tag in made.tags] == ["features"]


def test_little_is_needed_and_too_much_is_left_out() -> None:
    bare = dataset_input({"name": "x", "digest": "", "uri": "/data"}).dataset
    assert (bare.digest, bare.source_type, bare.schema) == ("unknown", "local", None)
    wide = dataset_input(
        {"name": "x", "digest": "d", "uri": "/d", "columns": {f"column {i}": "string" for i in range(2000)}}
    )
    assert wide.dataset.schema is None
