"""KFP's ExecutorInput as values."""

from __future__ import annotations

import json

import pytest

from intermodal.core.executor_input import ArtifactReference, parse
from intermodal.errors import UsageError


def artifact(name: str, uri: str, **fields: object) -> dict[str, object]:
    return {"name": name, "uri": uri, "type": {"schemaTitle": "system.Dataset"}, **fields}


def test_a_whole_executor_input():
    given = parse(
        json.dumps(
            {
                "inputs": {
                    "parameterValues": {"n": 3},
                    "artifacts": {
                        "data": {"artifacts": [artifact("d", "/d", metadata={"rows": 1})]},
                        "parts": {"artifacts": [artifact("a", "/a"), artifact("b", "/b")]},
                    },
                },
                "outputs": {"artifacts": {"out": {"artifacts": [{"uri": "/o"}]}}, "outputFile": "/x.json"},
            }
        )
    )
    assert given.parameters == {"n": 3}
    assert given.inputs["data"] == (ArtifactReference("d", "system.Dataset", "/d", {"rows": 1}),)
    assert [item.uri for item in given.inputs["parts"]] == ["/a", "/b"]
    assert given.outputs["out"] == ArtifactReference("", "system.Artifact", "/o", {})
    assert given.output_file == "/x.json"


def test_a_step_without_inputs():
    given = parse('{"outputs": {"outputFile": "/x"}}')
    assert (given.parameters, given.inputs, given.outputs) == ({}, {}, {})


@pytest.mark.parametrize(
    "text",
    ["", "{{$}}", "[]", "null", "{}", '{"outputs": {}}', '{"outputs": {"outputFile": 1, "artifacts": {"a": {}}}}'],
)
def test_anything_else_is_one_clear_error(text: str):
    with pytest.raises(UsageError, match="ExecutorInput cannot be read") as caught:
        parse(text)
    assert "{{$}}" in caught.value.expected


def test_a_long_text_is_cut():
    with pytest.raises(UsageError) as caught:
        parse("x" * 100_000)
    assert len(caught.value.seen) < 400
