"""The cache key: sensitive to every part, indifferent to order, and able to say what changed."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intermodal.core.cachekey import KeyParts, differences

PARTS = KeyParts(
    target="acme:clean",
    source={"acme": "aa", "acme.text": "bb"},
    environment={"python": "3.11", "polars": "2.1.0"},
    image="",
    parameters={"seed": 7, "names": ["a"], "label": None},
    inputs={"data": ["d1"]},
    sources={"source": {"files": 1, "digest": "s1"}},
)

CHANGES = [
    ({"parameters": {**PARTS.parameters, "seed": 8}}, ["parameter seed: 7 → 8"]),
    ({"parameters": {**PARTS.parameters, "label": "x"}}, ['parameter label: null → "x"']),
    ({"parameters": {"seed": 7, "names": ["a"]}}, ["parameter label: null → none"]),
    ({"parameters": {**PARTS.parameters, "names": list("abcdefghijklmnopq")}}, None),
    ({"inputs": {"data": ["d2"]}}, ["input data changed"]),
    ({"inputs": {"data": ["d1"], "more": ["d3"]}}, ["input more changed"]),
    ({"sources": {"source": {"files": 1, "digest": "s2"}}}, ["data of parameter source changed"]),
    ({"source": {"acme": "aa", "acme.text": "cc"}}, ["source file acme.text changed"]),
    ({"source": {"acme": "aa"}}, ["source file acme.text changed"]),
    ({"environment": {"python": "3.12", "polars": "2.1.0"}}, ['package python: "3.11" → "3.12"']),
    ({"image": "registry/x@sha256:1"}, ["image: none → registry/x@sha256:1"]),
    (
        {"parameters": {**PARTS.parameters, "seed": 8}, "inputs": {"data": ["d2"]}},
        ["parameter seed: 7 → 8", "input data changed"],
    ),
]


@pytest.mark.parametrize(("change", "lines"), CHANGES)
def test_every_part_counts_and_is_named(change, lines):
    new = replace(PARTS, **change)
    assert new.key != PARTS.key
    found = differences(PARTS, new)
    if lines is None:
        assert len(found) == 1
        assert found[0].startswith('parameter names: ["a"] → ["a", "b"')
        assert found[0].endswith("…")
        assert len(found[0]) < 80
    else:
        assert found == lines


def test_equal_parts_have_equal_keys_and_no_difference():
    again = KeyParts.from_json(json.loads(json.dumps(PARTS.to_json())))
    assert again == PARTS
    assert again.key == PARTS.key
    assert differences(PARTS, again) == []


def test_the_target_counts():
    assert replace(PARTS, target="acme:other").key != PARTS.key


@given(st.permutations(sorted(PARTS.parameters)), st.permutations(sorted(PARTS.source)))
def test_the_order_of_names_does_not_count(parameters, sources):
    shuffled = replace(
        PARTS,
        parameters={name: PARTS.parameters[name] for name in parameters},
        source={name: PARTS.source[name] for name in sources},
    )
    assert shuffled.key == PARTS.key


values = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.lists(st.integers())


@given(values, values)
def test_values_that_differ_as_json_have_different_keys(one, other):
    first, second = (replace(PARTS, parameters={"p": value}) for value in (one, other))
    assert (first.key == second.key) == (json.dumps(one) == json.dumps(other))


def test_the_order_of_several_inputs_counts():
    first, second = (replace(PARTS, inputs={"parts": digests}) for digests in (["a", "b"], ["b", "a"]))
    assert first.key != second.key
